/*
 * kernel/pmap_enter_remove: one page entered into an address space that no CPU has loaded, and removed. The
 * tables are there: a neighbour's entry keeps them.
 */
#include <bench/kernel/kbench.h>
#include <vm/pmap.h>
#include <vm/vm_page.h>

#define PMAP_BENCH_VA 0x100000000ULL /* bytes: 4 GiB, where programs begin */

static bool
pmap_bench_loop(pmap_t pmap, ppnum_t page, uint64_t iterations)
{
	vm_map_offset_t va = PMAP_BENCH_VA + PAGE_SIZE;

	for (uint64_t i = 0; i < iterations; i++) {
		if (pmap_enter(pmap, va, page, VM_PROT_READ | VM_PROT_WRITE, 0) != KERN_SUCCESS) {
			return false;
		}
		pmap_remove(pmap, va, va + PAGE_SIZE);
	}
	return !pmap_lookup(pmap, va, &(ppnum_t){ 0 }, &(vm_prot_t){ 0 });
}

static bool
pmap_enter_remove(uint64_t iterations)
{
	pmap_t pmap = pmap_create();
	vm_page_t page = vm_page_grab();
	bool done = false;

	if (pmap != NULL && page != NULL) {
		ppnum_t pn = vm_page_ppnum(page);

		done = pmap_enter(pmap, PMAP_BENCH_VA, pn, VM_PROT_READ, 0) == KERN_SUCCESS &&
		       pmap_bench_loop(pmap, pn, iterations);
		pmap_remove(pmap, PMAP_BENCH_VA, PMAP_BENCH_VA + PAGE_SIZE);
	}
	if (page != NULL) {
		vm_page_release(page);
	}
	if (pmap != NULL) {
		pmap_destroy(pmap);
	}
	return done;
}

KBENCH("kernel/pmap_enter_remove", pmap_enter_remove);
