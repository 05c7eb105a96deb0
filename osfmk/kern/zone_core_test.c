/*
 * Unit test of zones: threads as CPUs allocate, free, pass elements to each other and free them through a
 * grace period; no element is ever handed out twice, and none is lost.
 */
#include <kern/zone_core.h>

#include <kern/assert.h>
#include <kern/zone_flags.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NCPUS   4
#define NROUNDS 30000
#define NHELD   200

static struct zone zone, stable;
static struct zone_cache caches[NCPUS], stable_caches[NCPUS];
static long pages;
static uint64_t epoch = 1;

struct elem {
	uint64_t owner; /* atomic: 0 free, else 1 + cpu */
	char body[120];
};

void *
zone_page_alloc(void)
{
	os_atomic_inc(&pages, relaxed);
	return aligned_alloc(ZONE_PAGE_SIZE, ZONE_PAGE_SIZE);
}

void
zone_page_free(void *page)
{
	os_atomic_dec(&pages, relaxed);
	free(page);
}

uint64_t
zone_smr_goal(void)
{
	return os_atomic_load(&epoch, relaxed) + 2;
}

bool
zone_smr_reached(uint64_t goal)
{
	return os_atomic_load(&epoch, relaxed) >= goal;
}

void
zone_smr_request(void)
{
	static unsigned asked;

	if (os_atomic_inc(&asked, relaxed) % 16 == 0) {
		os_atomic_add(&epoch, 2, relaxed);
	}
}

bool
zone_smr_expedite(uint64_t goal)
{
	return os_atomic_add(&epoch, 2, relaxed) >= goal;
}

static void
take(struct elem *elem, unsigned cpu)
{
	release_assert(os_atomic_xchg(&elem->owner, 1 + cpu, relaxed) == 0);
}

static void
drop(struct elem *elem, unsigned cpu)
{
	release_assert(os_atomic_xchg(&elem->owner, 0, relaxed) == 1 + cpu);
}

static struct elem *
alloc_fresh(struct zone *z, unsigned cpu)
{
	struct elem *elem = zone_core_alloc(z, cpu);

	release_assert(elem != NULL && zone_core_owns(z, elem) && (uintptr_t)elem % 64 == 0);
	return elem;
}

/* Elements that one thread left for another to free. */
static struct elem *mailbox[NCPUS];

static void
pass_on(unsigned cpu, struct elem *elem)
{
	struct elem *other;

	drop(elem, cpu);
	other = os_atomic_xchg(&mailbox[(cpu + 1) % NCPUS], elem, acq_rel);
	if (other != NULL) {
		zone_core_free(&stable, cpu, other);
	}
}

static void *
worker(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg, seed = cpu + 1;
	struct elem *held[NHELD] = { 0 };

	for (unsigned i = 0; i < NROUNDS; i++) {
		unsigned k = (unsigned)rand_r(&seed) % NHELD, how = (unsigned)rand_r(&seed) % 8;

		if (held[k] == NULL) {
			held[k] = alloc_fresh(&stable, cpu);
			take(held[k], cpu);
			continue;
		}
		if (how == 0) {
			pass_on(cpu, held[k]);
		} else {
			drop(held[k], cpu);
			(how < 4 ? zone_core_free_smr : zone_core_free)(&stable, cpu, held[k]);
		}
		held[k] = NULL;
	}
	for (unsigned k = 0; k < NHELD; k++) {
		if (held[k] != NULL) {
			drop(held[k], cpu);
			zone_core_free(&stable, cpu, held[k]);
		}
	}
	return NULL;
}

/* The pages of a type-stable zone are cleared once, so that `owner` starts as 0 and is kept over frees. */
static void
prefill(void)
{
	static struct elem *all[20000];

	for (unsigned i = 0; i < os_countof(all); i++) {
		all[i] = zone_core_alloc(&stable, 0);
		memset(all[i], 0, sizeof(*all[i]));
	}
	for (unsigned i = 0; i < os_countof(all); i++) {
		zone_core_free(&stable, 0, all[i]);
	}
}

static void
test_threads(void)
{
	pthread_t threads[NCPUS];
	uint64_t allocs, frees, slabs;
	unsigned left = 0;

	prefill();
	for (uintptr_t i = 0; i < NCPUS; i++) {
		release_assert(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NCPUS; i++) {
		pthread_join(threads[i], NULL);
	}
	for (unsigned i = 0; i < NCPUS; i++) {
		left += mailbox[i] != NULL;
	}
	zone_core_count(&stable, NCPUS, &allocs, &frees, &slabs);
	release_assert(allocs - frees == left);
}

/* An ordinary zone gives its pages back. */
static void
test_pages_return(void)
{
	static void *all[30000];
	long before = pages;

	for (unsigned size = 16; size <= 8128; size = size * 3 / 2 / 16 * 16 + 16) {
		memset(caches, 0, sizeof(caches));
		zone_core_init(&zone, "test", size, ZC_NONE, caches);
		release_assert(zone.z_per_slab > 0);
		for (unsigned i = 0; i < os_countof(all) / (size / 16); i++) {
			all[i] = zone_core_alloc(&zone, 1);
			memset(all[i], 0xa5, size);
			release_assert(zone_core_owns(&zone, all[i]));
		}
		for (unsigned i = 0; i < os_countof(all) / (size / 16); i++) {
			zone_core_free(&zone, 1, all[i]);
		}
	}
	/* What stays: the depot's magazines and their elements, at most. */
	release_assert(pages - before < 1200);
}

int
main(void)
{
	zone_core_init(
	    &zone_magazines, "magazines", sizeof(struct zone_magazine), ZC_NOMAG | ZC_TYPESTABLE, NULL);
	zone_core_init(&stable, "stable", sizeof(struct elem), ZC_TYPESTABLE, stable_caches);
	test_threads();
	test_pages_return();
	puts("ok");
	return 0;
}
