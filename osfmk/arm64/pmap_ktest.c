/*
 * In-kernel tests of the pmap: what the MMU does with it, seen through user copy, and that nothing is leaked.
 */
#include <arm64/pmap_internal.h>

#include <arm64/copyio.h>
#include <kern/preempt.h>
#include <ktest/ktest.h>
#include <mach/arm/commpage.h>
#include <vm/vm_leak_ktest.h>
#include <vm/vm_page.h>

#define VA 0x40000000ULL

/* Accesses user memory of `pmap` the way the message path does. */
static bool
user_load(pmap_t pmap, vm_map_offset_t va, uint64_t *value)
{
	bool ok;

	disable_preemption();
	pmap_switch(pmap);
	ok = copyin_nofault_u64(va, value);
	enable_preemption();
	return ok;
}

static bool
user_store(pmap_t pmap, vm_map_offset_t va, uint64_t value)
{
	bool ok;

	disable_preemption();
	pmap_switch(pmap);
	ok = copyout_nofault_u64(va, value);
	enable_preemption();
	return ok;
}

static vm_page_t
page_with(uint64_t value)
{
	vm_page_t page = vm_page_grab_zero();

	if (page != NULL) {
		*(uint64_t *)vm_page_kva(page) = value;
	}
	return page;
}

static void
enter_protect_remove(void)
{
	pmap_t pmap = pmap_create();
	vm_page_t page = page_with(0x1234), other = page_with(0x5678);
	uint64_t value = 0;
	vm_prot_t prot;
	ppnum_t pn;

	if (!EXPECT(pmap != NULL && page != NULL && other != NULL)) {
		return;
	}
	EXPECT(!user_load(pmap, VA, &value));
	EXPECT_EQ(pmap_enter(pmap, VA, vm_page_ppnum(page), VM_PROT_READ, 0), KERN_SUCCESS);
	EXPECT(user_load(pmap, VA, &value));
	EXPECT_EQ(value, 0x1234);
	EXPECT(!user_store(pmap, VA, 1));

	/* More rights, then fewer: the TLB follows. */
	EXPECT_EQ(pmap_enter(pmap, VA, vm_page_ppnum(page), VM_PROT_DEFAULT, 0), KERN_SUCCESS);
	EXPECT(user_store(pmap, VA, 0x9999));
	EXPECT_EQ(*(uint64_t *)vm_page_kva(page), 0x9999);
	pmap_protect(pmap, VA, VA + PAGE_SIZE, VM_PROT_READ);
	EXPECT(!user_store(pmap, VA, 2));
	EXPECT(pmap_lookup(pmap, VA, &pn, &prot) && pn == vm_page_ppnum(page) && prot == VM_PROT_READ);

	/* Another page in its place. */
	EXPECT_EQ(
	    pmap_enter(pmap, VA, vm_page_ppnum(other), VM_PROT_DEFAULT, PMAP_ENTER_REPLACE), KERN_SUCCESS);
	EXPECT(user_load(pmap, VA, &value));
	EXPECT_EQ(value, 0x5678);

	pmap_remove(pmap, VA, VA + PAGE_SIZE);
	EXPECT(!user_load(pmap, VA, &value));
	EXPECT_EQ(pmap_resident_count(pmap, 0, COMMPAGE_RANGE_START), 0);
	pmap_destroy(pmap);
	vm_page_release(page);
	vm_page_release(other);
}

KTEST(pmap_enter_protect_remove)
{
	EXPECT(!vm_leaks(enter_protect_remove));
}

/* A range over several tables: entered sparsely, protected and removed in one call each. */
KTEST(pmap_ranges)
{
	const vm_map_offset_t step = 5ULL << 20, end = VA + 64 * step;
	pmap_t pmap = pmap_create();
	vm_page_t page = page_with(7);
	uint64_t value;

	if (!EXPECT(pmap != NULL && page != NULL)) {
		return;
	}
	for (vm_map_offset_t va = VA; va < end; va += step) {
		EXPECT_EQ(pmap_enter(pmap, va, vm_page_ppnum(page), VM_PROT_DEFAULT, 0), KERN_SUCCESS);
	}
	EXPECT_EQ(pmap_resident_count(pmap, VA, end), 64);
	for (vm_map_offset_t va = VA; va < end; va += step) {
		EXPECT(user_store(pmap, va, va));
	}
	pmap_protect(pmap, VA + step, end - step, VM_PROT_READ);
	EXPECT(user_store(pmap, VA, 1));
	EXPECT(user_store(pmap, end - step, 1));
	for (vm_map_offset_t va = VA + step; va < end - step; va += step) {
		EXPECT(!user_store(pmap, va, 1));
		EXPECT(user_load(pmap, va, &value));
	}
	pmap_remove(pmap, VA + step, end - step);
	EXPECT_EQ(pmap_resident_count(pmap, 0, COMMPAGE_RANGE_START), 2);
	for (vm_map_offset_t va = VA + step; va < end - step; va += step) {
		EXPECT(!user_load(pmap, va, &value));
	}
	pmap_destroy(pmap);
	vm_page_release(page);
}

#define MANY 300 /* more than the ASIDs of a debug build */

/*
 * Many address spaces with different contents at one address: each sees its own, however often the ASIDs
 * run out.
 */
KTEST(pmap_asids)
{
	static pmap_t pmaps[MANY];
	static vm_page_t pages[MANY];
	uint64_t value;

	for (unsigned i = 0; i < MANY; i++) {
		pmaps[i] = pmap_create();
		pages[i] = page_with(i);
		if (!EXPECT(pmaps[i] != NULL && pages[i] != NULL)) {
			return;
		}
		EXPECT_EQ(pmap_enter(pmaps[i], VA, vm_page_ppnum(pages[i]), VM_PROT_READ, 0), KERN_SUCCESS);
	}
	for (unsigned lap = 0; lap < 3; lap++) {
		for (unsigned i = 0; i < MANY; i++) {
			EXPECT(user_load(pmaps[i], VA, &value) && value == i);
			EXPECT((pmap_asid(pmaps[i]) != 0));
		}
	}
	for (unsigned i = 0; i < MANY; i++) {
		pmap_destroy(pmaps[i]);
		vm_page_release(pages[i]);
	}
}

/* With nobody else in between, going back and forth between two address spaces takes no new ASID. */
KTEST(pmap_asids_are_kept)
{
	pmap_t a = pmap_create(), b = pmap_create();
	uint64_t context, misses;

	if (!EXPECT(a != NULL && b != NULL)) {
		return;
	}
	disable_preemption();
	pmap_switch(a);
	pmap_switch(b);
	context = a->pm_context;
	misses = PERCPU_GET(pmap_cpu)->pc_asid_misses;
	for (int i = 0; i < 100; i++) {
		pmap_switch(a);
		pmap_switch(b);
	}
	EXPECT_EQ(a->pm_context, context);
	EXPECT_EQ(PERCPU_GET(pmap_cpu)->pc_asid_misses, misses);
	enable_preemption();
	pmap_destroy(a);
	pmap_destroy(b);
}
