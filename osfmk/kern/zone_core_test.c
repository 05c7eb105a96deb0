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
	/* A zone that is set up anew forgets its pages on purpose: no leak. */
	static void *known[1 << 14];
	static unsigned next;
	void *page = aligned_alloc(ZONE_PAGE_SIZE, ZONE_PAGE_SIZE);

	os_atomic_store(&known[os_atomic_inc_orig(&next, relaxed) % os_countof(known)], page, relaxed);
	os_atomic_inc(&pages, relaxed);
	return page;
}

void *
zone_page_alloc_last(void)
{
	return zone_page_alloc();
}

void
zone_page_free(void *page)
{
	os_atomic_dec(&pages, relaxed);
	free(page);
}

void
zone_elem_waited(struct zone *of, void *elem)
{
	(void)of;
	(void)elem;
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

/* --- elements that go back to the CPU that allocated them --- */

struct letter {
	void *link;     /* the zone's while it is free */
	uint64_t owner; /* atomic: 0 free, else 1 + cpu; nobody else writes it */
	unsigned home;
	char body[100];
};

static struct zone letters;
static struct zone_cache letter_caches[NCPUS];
static struct zone_returned letter_returned[NCPUS];
static struct letter *letter_box[NCPUS];

static struct zone_returned *
letters_returned_to(unsigned cpu)
{
	return &letter_returned[cpu];
}

static void
letter_free(struct letter *letter, unsigned cpu, uint64_t owner)
{
	release_assert(os_atomic_xchg(&letter->owner, 0, relaxed) == owner);
	zone_core_free_home(&letters, cpu, letter->home, letter);
}

/* Writes letters, gives them to all the others in turn, and frees what it finds in its own box. */
static void *
letter_worker(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < NROUNDS; i++) {
		struct letter *letter = zone_core_alloc(&letters, cpu), *other;

		release_assert(letter != NULL && os_atomic_xchg(&letter->owner, 1 + cpu, relaxed) == 0);
		letter->home = cpu;
		other = os_atomic_xchg(&letter_box[(cpu + i) % NCPUS], letter, acq_rel);
		if (other != NULL) {
			letter_free(other, cpu, 1 + other->home);
		}
	}
	return NULL;
}

static void
letters_prefill(void)
{
	static struct letter *all[4000];

	for (unsigned i = 0; i < os_countof(all); i++) {
		all[i] = zone_core_alloc(&letters, 0);
		memset(all[i], 0, sizeof(*all[i]));
	}
	for (unsigned i = 0; i < os_countof(all); i++) {
		zone_core_free(&letters, 0, all[i]);
	}
}

/* So many that the list fills up: the rest stays where it was freed. All come out again, once each. */
static void
letters_fill_a_list(void)
{
	static struct letter *all[ZONE_RETURNED_MAX + 100];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < os_countof(all); i++) {
			all[i] = zone_core_alloc(&letters, 0);
			release_assert(os_atomic_xchg(&all[i]->owner, 1, relaxed) == 0);
			all[i]->home = 0;
		}
		for (unsigned i = 0; i < os_countof(all); i++) {
			letter_free(all[i], 1, 1);
		}
		release_assert(letter_returned[0].zr_list >> 48 == ZONE_RETURNED_MAX);
	}
}

static void
test_homes(void)
{
	pthread_t threads[NCPUS];
	uint64_t allocs, frees, slabs;
	unsigned left = 0;

	zone_core_init(&letters, "letters", sizeof(struct letter), ZC_TYPESTABLE, letter_caches);
	letters.z_returned = letters_returned_to;
	letters_prefill();
	letters_fill_a_list();
	for (uintptr_t i = 0; i < NCPUS; i++) {
		release_assert(pthread_create(&threads[i], NULL, letter_worker, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NCPUS; i++) {
		pthread_join(threads[i], NULL);
	}
	for (unsigned i = 0; i < NCPUS; i++) {
		left += letter_box[i] != NULL;
	}
	zone_core_count(&letters, NCPUS, &allocs, &frees, &slabs);
	release_assert(allocs - frees == left);
	zone_core_take_over(&letters, 0, 1);
	release_assert(letter_returned[0].zr_list == 0 && letter_returned[0].zr_kept == NULL);
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
	test_homes();
	test_pages_return();
	puts("ok");
	return 0;
}
