/*
 * What tests leave behind: see vm_leak_ktest.h. Tests run one at a time, in one thread, so nothing here is locked.
 */
#include <vm/vm_leak_ktest.h>

#include <arm64/pmap.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <kern/zone_core.h>
#include <ktest/ktest.h>
#include <os/panic.h>
#include <vm/pmap.h>
#include <vm/vm_page.h>

/* Runs of a body before the first account, and between two; rounds of these until one leaves nothing. */
#define WARM_UPS 20
#define RUNS     200
#define ROUNDS   5

struct account {
	uint64_t pages;             /* neither free nor a zone's */
	uint64_t in_use[ZONES_MAX]; /* elements, by number of the zone */
};

/* What CPUs have loaded while an account is taken. Made once and kept. */
static pmap_t neutral;

static void
load_neutral(void *arg)
{
	(void)arg;
	pmap_switch(neutral);
}

static bool
is_part_of_caches(const struct zone_counts *counts)
{
	return counts->zc_name == zone_magazines.z_name;
}

static void
account_take(struct account *account)
{
	struct vm_page_counts pages;
	zone_t zone;

	cpu_call_all(load_neutral, NULL);
	vm_page_get_counts(&pages);
	account->pages = pages.total - pages.free;
	for (unsigned i = 0; (zone = zone_at(i)) != NULL; i++) {
		struct zone_counts counts;

		zone_get_counts(zone, &counts);
		account->in_use[i] = is_part_of_caches(&counts) ? 0 : counts.zc_in_use;
		account->pages -= counts.zc_pages;
	}
}

/* Says what there is more of, if `report`. A CPU may free what it did not allocate: only the sums are meant. */
static bool
account_has_grown(const struct account *before, const struct account *after, bool report)
{
	bool grown = after->pages > before->pages;
	zone_t zone;

	if (grown && report) {
		kprintf("# %lld pages are left\n", (long long)(after->pages - before->pages));
	}
	for (unsigned i = 0; (zone = zone_at(i)) != NULL; i++) {
		if (after->in_use[i] > before->in_use[i]) {
			grown = true;
			if (report) {
				kprintf("# %lld elements of the zone %s are left\n",
				    (long long)(after->in_use[i] - before->in_use[i]), zone->z_name);
			}
		}
	}
	return grown;
}

static void
repeat(void (*body)(void), unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		body();
	}
}

static bool
leaks(void (*body)(void), bool report)
{
	static struct account before, after;
	bool grown = true;

	if (neutral == NULL) {
		neutral = pmap_create();
		release_assert(neutral != NULL);
	}
	repeat(body, WARM_UPS);
	account_take(&after);
	for (unsigned round = 1; round <= ROUNDS && grown; round++) {
		before = after;
		repeat(body, RUNS);
		account_take(&after);
		grown = account_has_grown(&before, &after, report && round == ROUNDS);
	}
	return grown;
}

bool
vm_leaks(void (*body)(void))
{
	return leaks(body, true);
}

/* --- the account itself --- */

static unsigned calls;
static vm_page_t kept_pages; /* through vmp_next */
static void *kept_elements;  /* through their first words */

static bool
is_last_of_round(void)
{
	return ++calls % RUNS == 0;
}

/* One page in a round. */
static void
keep_page_body(void)
{
	vm_page_t page = vm_page_grab();

	if (!EXPECT(page != NULL)) {
		return;
	}
	if (is_last_of_round()) {
		page->vmp_next = kept_pages;
		kept_pages = page;
	} else {
		vm_page_release(page);
	}
}

/* One element in a round. */
static void
keep_element_body(void)
{
	void **element = kalloc(64);

	if (!EXPECT(element != NULL)) {
		return;
	}
	if (is_last_of_round()) {
		*element = kept_elements;
		kept_elements = element;
	} else {
		kfree(element, 64);
	}
}

/* One page or element in all the runs of a round is seen; and none, when none is left. */
KTEST(vm_leaks_are_seen)
{
	calls = 0;
	EXPECT(leaks(keep_page_body, false));
	vm_page_release_list(kept_pages);
	kept_pages = NULL;
	calls = 0;
	EXPECT(leaks(keep_element_body, false));
	while (kept_elements != NULL) {
		void *next = *(void **)kept_elements;

		kfree(kept_elements, 64);
		kept_elements = next;
	}
}
