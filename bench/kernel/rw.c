/*
 * Read-write locks that nobody else wants: shared, of which the kind whose readers write only lines of their own CPU, and
 * exclusive, which looks at all CPUs there.
 */
#include <bench/kernel/kbench.h>
#include <kern/locks.h>

static LCK_CLASS_DECLARE(kbench_rw_class, "kbench rw", LCK_RANK_PROC);
static LCK_RW_DECLARE(kbench_rw, &kbench_rw_class);

static bool
rw_spread(bool begin)
{
	if (begin) {
		return lck_rw_spread(&kbench_rw);
	}
	lck_rw_destroy(&kbench_rw);
	return true;
}

static bool
rw_shared(uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		lck_rw_lock_shared(&kbench_rw);
		lck_rw_unlock_shared(&kbench_rw);
	}
	return true;
}
KBENCH("kernel/rw_shared", rw_shared, .kb_setup = rw_spread);
KBENCH("kernel/rw_shared_plain", rw_shared);

static bool
rw_exclusive(uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		lck_rw_lock_exclusive(&kbench_rw);
		lck_rw_unlock_exclusive(&kbench_rw);
	}
	return true;
}
KBENCH("kernel/rw_exclusive", rw_exclusive, .kb_setup = rw_spread);
