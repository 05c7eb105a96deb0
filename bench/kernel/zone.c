/*
 * kernel/zone_alloc_free: one element of a zone taken and given back, in the magazine of this CPU.
 */
#include <bench/kernel/kbench.h>
#include <kern/zalloc.h>

#define ZONE_BENCH_SIZE 128 /* bytes: a small kernel object */

ZONE_DEFINE(kbench_zone, "kbench", ZONE_BENCH_SIZE, ZC_NONE);

static bool
zone_alloc_free(uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		void *elem = zalloc(kbench_zone);

		if (elem == NULL) {
			return false;
		}
		zfree(kbench_zone, elem);
	}
	return true;
}

KBENCH("kernel/zone_alloc_free", zone_alloc_free);
