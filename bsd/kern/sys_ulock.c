/*
 * ulock_wait and ulock_wake.
 *
 * A waiter is a structure on the sleeping thread's kernel stack, on a list in a bucket of a fixed hash table
 * keyed by address space and address. The bucket's lock makes "compare the word, then sleep" one step against
 * "change the word, then wake": the word is read under it, with a load that must not fault; if it would, the
 * lock is dropped, the page is made present and everything starts over. [U1] So a waker, which takes the lock
 * after its change, either finds the waiter or was seen by the comparison.
 *
 * Waking is a claim of the wait protocol. The waker takes the structure off the list, under the lock, before
 * it makes the thread runnable; a thread that was ended otherwise takes itself off. Nobody touches the
 * structure after either.
 *
 * Unfair locks are compare-and-wait here: the owner named in the word is not boosted yet. Keys of the shared
 * kinds are the same as of the private ones until memory can be shared between tasks.
 */
#include <bsd/kern/proc.h>
#include <bsd/kern/ulock.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/wait.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <sys/ulock.h>

#define ULOCK_BUCKETS 256U /* power of two */

struct ulock_waiter {
	struct list_node uw_link; /* bucket lock; unlinked: claimed by a waker */
	vm_map_t uw_map;
	user_addr_t uw_addr;
	thread_t uw_thread;
	uint64_t uw_cookie;
};

struct ulock_bucket {
	lck_spin_t ub_lock;
	struct list_node ub_waiters;
} OS_CACHE_ALIGNED;

LCK_CLASS_DECLARE(ulock_class, "ulock bucket", LCK_RANK_IPC_MISC);
static struct ulock_bucket ulock_buckets[ULOCK_BUCKETS];

void
ulock_init(void)
{
	for (unsigned i = 0; i < ULOCK_BUCKETS; i++) {
		lck_spin_init(&ulock_buckets[i].ub_lock, &ulock_class);
		list_init(&ulock_buckets[i].ub_waiters);
	}
}

static struct ulock_bucket *
ulock_bucket(vm_map_t map, user_addr_t addr)
{
	uint64_t key = ((uintptr_t)map >> 6) ^ (addr >> 2);

	return &ulock_buckets[(key * 0x9e3779b97f4a7c15ULL) >> 56 & (ULOCK_BUCKETS - 1)];
}

static bool
ulock_is_64(uint32_t opcode)
{
	return opcode == UL_COMPARE_AND_WAIT64 || opcode == UL_COMPARE_AND_WAIT64_SHARED ||
	       opcode == UL_UNFAIR_LOCK64_SHARED;
}

static bool
ulock_opcode_ok(uint32_t opcode)
{
	return opcode >= UL_COMPARE_AND_WAIT && opcode <= UL_COMPARE_AND_WAIT64_SHARED;
}

static bool
ulock_read_nofault(user_addr_t addr, bool wide, uint64_t *value)
{
	uint32_t word;

	if (wide) {
		return copyin_nofault_u64(addr, value);
	}
	if (!copyin_nofault_u32(addr, &word)) {
		return false;
	}
	*value = word;
	return true;
}

/* Makes the word's page present. EFAULT if it cannot be. */
static int
ulock_fault_in(user_addr_t addr)
{
	uint32_t word;

	return copyin(addr, &word, sizeof(word));
}

enum ulock_step { ULOCK_SLEEP, ULOCK_CHANGED, ULOCK_FAULT };

/* Under the bucket lock: compares, and if equal queues the waiter with its wait prepared. */
static enum ulock_step
ulock_enqueue(
    struct ulock_bucket *bucket, struct ulock_waiter *w, bool wide, uint64_t expected, uint64_t deadline)
{
	uint64_t value;
	enum ulock_step step = ULOCK_SLEEP;

	lck_spin_lock(&bucket->ub_lock);
	if (!ulock_read_nofault(w->uw_addr, wide, &value)) { /* [U1] */
		step = ULOCK_FAULT;
	} else if (value != expected) {
		step = ULOCK_CHANGED;
	} else {
		wait_prepare(w->uw_thread, THREAD_ABORTSAFE, deadline);
		w->uw_cookie = wait_cookie(w->uw_thread);
		list_push_back(&bucket->ub_waiters, &w->uw_link);
	}
	lck_spin_unlock(&bucket->ub_lock);
	return step;
}

static int
ulock_sleep(struct ulock_bucket *bucket, struct ulock_waiter *w)
{
	wait_result_t result = thread_block(THREAD_CONTINUE_NULL);

	lck_spin_lock(&bucket->ub_lock);
	list_remove(&w->uw_link);
	lck_spin_unlock(&bucket->ub_lock);
	switch (result) {
	case THREAD_TIMED_OUT:
		return ETIMEDOUT;
	case THREAD_INTERRUPTED:
		return EINTR;
	default:
		return 0;
	}
}

static int
ulock_wait(uint32_t operation, user_addr_t addr, uint64_t expected, uint64_t deadline)
{
	bool wide = ulock_is_64(operation & UL_OPCODE_MASK);
	struct ulock_waiter w = {
		.uw_map = current_task()->map, .uw_addr = addr, .uw_thread = current_thread()
	};
	struct ulock_bucket *bucket = ulock_bucket(w.uw_map, addr);

	if (!ulock_opcode_ok(operation & UL_OPCODE_MASK) || !os_is_aligned(addr, wide ? 8 : 4) ||
	    (operation & UL_FLAGS_MASK & ~ULF_WAIT_MASK) != 0) {
		return EINVAL;
	}
	if (!wide) {
		expected = (uint32_t)expected;
	}
	list_init(&w.uw_link);
	for (;;) {
		int error;

		switch (ulock_enqueue(bucket, &w, wide, expected, deadline)) {
		case ULOCK_SLEEP:
			return ulock_sleep(bucket, &w);
		case ULOCK_CHANGED:
			return 0;
		case ULOCK_FAULT:
			error = ulock_fault_in(addr);
			if (error != 0) {
				return error;
			}
			break;
		}
	}
}

/* Wakes up to `limit` sleepers of the word; returns how many. */
static unsigned
ulock_wake(vm_map_t map, user_addr_t addr, unsigned limit)
{
	struct ulock_bucket *bucket = ulock_bucket(map, addr);
	unsigned woken = 0;

	lck_spin_lock(&bucket->ub_lock);
	list_foreach_safe(n, &bucket->ub_waiters)
	{
		struct ulock_waiter *w = list_entry(n, struct ulock_waiter, uw_link);
		thread_t thread = w->uw_thread;

		if (woken == limit) {
			break;
		}
		if (w->uw_map == map && w->uw_addr == addr &&
		    wait_claim(thread, w->uw_cookie, THREAD_AWAKENED)) {
			list_remove(&w->uw_link);
			thread_make_runnable(thread);
			woken++;
		}
	}
	lck_spin_unlock(&bucket->ub_lock);
	return woken;
}

void
ulock_wake_all(vm_map_t map, user_addr_t addr)
{
	(void)ulock_wake(map, addr, UINT32_MAX);
}

/* ULF_NO_ERRNO: a negative errno as the value, and no carry. */
static sysret_t
ulock_result(uint32_t operation, int error)
{
	if ((operation & ULF_NO_ERRNO) != 0) {
		return (sysret_t){ .value = -error };
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_ulock_wait(uint32_t operation, user_addr_t addr, uint64_t value, uint32_t timeout)
{
	uint64_t deadline = timeout != 0 ? clock_interval_to_deadline_ns(timeout * NSEC_PER_USEC) : 0;

	return ulock_result(operation, ulock_wait(operation, addr, value, deadline));
}

/* Time-out in ns, or with ULF_DEADLINE an absolute time. */
sysret_t
sys_ulock_wait2(uint32_t operation, user_addr_t addr, uint64_t value, uint64_t timeout, uint64_t value2)
{
	uint64_t deadline = timeout;

	if (timeout != 0 && (operation & ULF_DEADLINE) == 0) {
		deadline = clock_interval_to_deadline_ns(timeout);
	}
	return ulock_result(operation, ulock_wait(operation, addr, value, deadline));
}

sysret_t
sys_ulock_wake(uint32_t operation, user_addr_t addr, uint64_t wake_value)
{
	unsigned limit = (operation & ULF_WAKE_ALL) != 0 ? UINT32_MAX : 1;
	int error = 0;

	if (!ulock_opcode_ok(operation & UL_OPCODE_MASK) || addr == 0 ||
	    (operation & UL_FLAGS_MASK & ~ULF_WAKE_MASK) != 0 || (operation & ULF_WAKE_THREAD) != 0) {
		error = EINVAL;
	} else if (ulock_wake(current_task()->map, addr, limit) == 0) {
		error = ENOENT;
	}
	return ulock_result(operation, error);
}
