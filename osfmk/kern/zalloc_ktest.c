/*
 * Tests of zones, kalloc and SMR in the kernel, over all CPUs.
 */
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/smr.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <ktest/ktest.h>
#include <string.h>

struct test_object {
	uint64_t magic; /* atomic: ALIVE while a reader may look at it */
	struct smr_node node;
	uint64_t filler[5];
};

#define ALIVE 0x616c697665ULL
#define DEAD  0x64656164ULL

ZONE_DEFINE(test_zone, "ktest objects", sizeof(struct test_object), ZC_TYPESTABLE);

static void
run_on_all(thread_continue_t fn, void *param)
{
	thread_t threads[MAX_CPUS];
	unsigned n = os_min(cpu_count + 1, (uint32_t)MAX_CPUS);

	for (unsigned i = 0; i < n; i++) {
		EXPECT_EQ(
		    kernel_thread_create(fn, param, BASEPRI_DEFAULT, "ktest", &threads[i]), KERN_SUCCESS);
	}
	for (unsigned i = 0; i < n; i++) {
		thread_join(threads[i]);
		thread_deallocate(threads[i]);
	}
}

#define KALLOC_HELD 64

static void
kalloc_worker(void *param, wait_result_t result)
{
	static const size_t sizes[] = { 1, 16, 17, 100, 256, 1000, 4032, 8128, 20000 };
	uint8_t *held[KALLOC_HELD] = { 0 };
	size_t size[KALLOC_HELD] = { 0 };

	for (unsigned i = 0; i < 2000; i++) {
		unsigned k = (i * 7) % KALLOC_HELD;

		if (held[k] != NULL) {
			EXPECT_EQ(held[k][0], (uint8_t)k);
			EXPECT_EQ(held[k][size[k] - 1], (uint8_t)k);
			kfree(held[k], size[k]);
		}
		size[k] = sizes[(i / 3) % (i % 100 == 0 ? os_countof(sizes) : os_countof(sizes) - 1)];
		held[k] = kalloc(size[k]);
		memset(held[k], (int)k, size[k]);
	}
	for (unsigned k = 0; k < KALLOC_HELD; k++) {
		kfree(held[k], size[k]);
	}
	thread_terminate_self();
}

KTEST(zone_kalloc_stress)
{
	run_on_all(kalloc_worker, NULL);
}

#if MACH_ASSERT
ZONE_DEFINE(written_zone, "written while free", 96, ZC_NONE);

KTEST(zone_use_after_free_is_found)
{
	uint64_t *elem = zalloc(written_zone), pattern;

	if (!EXPECT(elem != NULL)) {
		return;
	}
	disable_preemption(); /* nobody allocates it meanwhile */
	zfree(written_zone, elem);
	EXPECT_EQ(zone_written_while_free(written_zone, elem), SIZE_MAX);
	pattern = elem[11];
	elem[11] = 0;
	EXPECT_EQ(zone_written_while_free(written_zone, elem), 88);
	elem[11] = pattern;
	EXPECT_EQ(zone_written_while_free(written_zone, elem), SIZE_MAX);
	enable_preemption();
}
#endif

KTEST(zone_zero_and_alignment)
{
	uint64_t *p = kalloc_flags(192, Z_ZERO);

	EXPECT_EQ((uintptr_t)p % 64, 0);
	for (unsigned i = 0; i < 192 / 8; i++) {
		EXPECT_EQ(p[i], 0);
	}
	kfree(p, 192);
}

/* --- readers of a pointer that writers replace --- */

static struct test_object *shared_object; /* atomic */
static uint32_t smr_readers_done;         /* atomic */

static void
object_free(struct smr_node *node)
{
	struct test_object *object = os_containerof(node, struct test_object, node);

	os_atomic_store(&object->magic, DEAD, relaxed);
	zfree(test_zone, object);
}

static void
smr_reader(void *param, wait_result_t result)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct test_object *object;

		smr_enter();
		object = smr_load(&shared_object);
		EXPECT_EQ(os_atomic_load(&object->magic, relaxed), ALIVE);
		EXPECT(smr_entered());
		smr_leave();
	}
	os_atomic_inc(&smr_readers_done, relaxed);
	thread_terminate_self();
}

static struct test_object *
object_new(void)
{
	struct test_object *object = zalloc_flags(test_zone, Z_NOFAIL);

	os_atomic_store(&object->magic, ALIVE, relaxed);
	return object;
}

static void
replace_object(void)
{
	struct test_object *old = os_atomic_xchg(&shared_object, object_new(), acq_rel);

	smr_call(&old->node, object_free);
}

KTEST(smr_readers)
{
	thread_t threads[3];
	struct zone_counts counts;
	unsigned replaced = 0;

	smr_readers_done = 0;
	shared_object = object_new();
	for (unsigned i = 0; i < os_countof(threads); i++) {
		EXPECT_EQ(kernel_thread_create(smr_reader, NULL, BASEPRI_DEFAULT, "ktest", &threads[i]),
		    KERN_SUCCESS);
	}
	while (replaced < 1000 || os_atomic_load(&smr_readers_done, relaxed) < os_countof(threads)) {
		replace_object();
		if (++replaced % 16 == 0) {
			thread_yield(SCHED_YIELD_ANY);
		}
	}
	for (unsigned i = 0; i < os_countof(threads); i++) {
		thread_join(threads[i]);
		thread_deallocate(threads[i]);
	}
	smr_synchronize();
	zone_get_counts(test_zone, &counts);
	EXPECT(counts.zc_allocs > replaced);
	EXPECT_EQ(counts.zc_elem_size, sizeof(struct test_object));
}
