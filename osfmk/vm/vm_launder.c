/*
 * Writing dirty pages back: see vm_launder.h.
 */
#include <vm/vm_launder.h>

#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <os/atomic.h>
#include <os/panic.h>
#include <vm/vm_object.h>
#include <vm/vm_pager.h>

/* Pages that wait at most: a batch of page-out. */
#define LAUNDER_MAX 256

/* How long page-out waits for the first page. */
#define WAIT_NS 100000000ULL

struct laundry {
	vm_object_t file; /* referenced */
	uint64_t index;
};

LCK_CLASS_DECLARE(launder_class, "vm launder", LCK_RANK_VM_PAGE_BUSY);
static LCK_SPIN_DECLARE(launder_lock, &launder_class);
static struct laundry ring[LAUNDER_MAX] GUARDED_BY(launder_lock);
static uint32_t ring_put GUARDED_BY(launder_lock), ring_taken GUARDED_BY(launder_lock); /* count up; wrap */

static uint32_t pending; /* atomic: pages named and not done; also the event that one was named */
static uint64_t written; /* atomic: pages, since boot; the thread's. Also the event that one was done */

bool
vm_launder_page(vm_object_t file, uint64_t index)
{
	bool room;

	lck_spin_lock(&launder_lock);
	room = ring_put - ring_taken < LAUNDER_MAX;
	if (room) {
		vm_object_reference(file);
		ring[ring_put++ % LAUNDER_MAX] = (struct laundry){ file, index };
		os_atomic_inc(&pending, relaxed); /* before the thread can have taken it */
	}
	lck_spin_unlock(&launder_lock);
	if (room) {
		thread_wakeup(&pending);
	}
	return room;
}

bool
vm_launder_wait(void)
{
	uint64_t before = os_atomic_load(&written, relaxed);

	if (os_atomic_load(&pending, relaxed) == 0) {
		return false;
	}
	assert_wait_deadline(
	    &written, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(WAIT_NS));
	if (os_atomic_load(&written, relaxed) == before) {
		thread_block(NULL);
	} else {
		clear_wait_self();
	}
	return os_atomic_load(&written, relaxed) != before;
}

uint64_t
vm_launder_count(void)
{
	return os_atomic_load(&written, relaxed);
}

static bool
launder_take(struct laundry *l)
{
	bool any;

	lck_spin_lock(&launder_lock);
	any = ring_put != ring_taken;
	if (any) {
		*l = ring[ring_taken++ % LAUNDER_MAX];
	}
	lck_spin_unlock(&launder_lock);
	return any;
}

static OS_NORETURN void
launder_thread(void *param, wait_result_t result)
{
	struct laundry l;

	(void)param;
	(void)result;
	for (;;) {
		assert_wait(&pending, THREAD_UNINT);
		if (!launder_take(&l)) {
			thread_block(NULL);
			continue;
		}
		clear_wait_self();
		if (vm_object_clean(l.file, l.index, l.index + 1) == KERN_SUCCESS) {
			os_atomic_store(&written, written + 1, relaxed);
		}
		vm_object_deallocate(l.file);
		os_atomic_dec(&pending, relaxed);
		thread_wakeup(&written);
	}
}

void
vm_launder_start(void)
{
	if (kernel_thread_create(launder_thread, NULL, BASEPRI_KERNEL, "launder", NULL) != KERN_SUCCESS) {
		panic("no thread for laundry");
	}
}
