/*
 * Shared by the files of the pmap: descriptors, tables, invalidation.
 *
 * Levels: 1 (root, 64 GiB an entry), 2 (32 MiB), 3 (16 KiB). The struct vm_page of a level 1 or 2 table
 * holds a summary word: bit i is set when one of the 32 entries from 32 * i on was ever valid, so that
 * tearing down a mostly empty table need not read it all. The word is written at most once for each 32
 * entries.
 */
#pragma once

#include <arm64/pmap.h>
#include <arm64/sysregs.h>
#include <arm64/vm_layout.h>
#include <mach/shared_region.h>
#include <os/atomic.h>
#include <vm/pmap.h>
#include <vm/vm_page.h>

typedef uint64_t pte_t;

#define PTE_SUMMARY_SHIFT   5 /* entries behind one bit of a summary, log2 */
#define PTE_SUMMARY_ENTRIES (1U << PTE_SUMMARY_SHIFT)

static_assert(ARM_PTE_COUNT / PTE_SUMMARY_ENTRIES == 64, "one bit for each run");

OS_INLINE unsigned
pte_index(uint64_t va, unsigned shift)
{
	return (unsigned)(va >> shift) % ARM_PTE_COUNT;
}

OS_INLINE bool
pte_valid(pte_t pte)
{
	return (pte & ARM_PTE_VALID) != 0;
}

OS_INLINE pmap_paddr_t
pte_paddr(pte_t pte)
{
	return pte & ARM_PTE_ADDR_MASK;
}

OS_INLINE pte_t *
pte_table(pte_t pte)
{
	return phystoptr(pte_paddr(pte));
}

/* What the summary words of tables that have one are kept in. */
OS_INLINE uint64_t *
pte_summary(const pte_t *table)
{
	return &vm_page_from_kva(table)->vmp_reserved[0];
}

OS_INLINE uint64_t
pmap_asid(pmap_t pmap)
{
	return os_atomic_load(&pmap->pm_context, relaxed) & ((1U << PMAP_ASID_BITS) - 1);
}

/* The level 2 entry for va; NULL: no table of level 2 is there. */
OS_INLINE pte_t *
pmap_level2(pmap_t pmap, vm_map_offset_t va)
{
	pte_t l1 = os_atomic_load(&pmap->pm_table[pte_index(va, ARM_L1_SHIFT)], relaxed);

	return pte_valid(l1) ? &pte_table(l1)[pte_index(va, ARM_L2_SHIFT)] : NULL;
}

/* Entry of level 3 for va, whose tables are made if there are none; NULL when memory is exhausted. */
pte_t *pmap_pte_alloc(pmap_t pmap, vm_map_offset_t va);

/* --- pmap_nest.c --- */

/* Is the level 3 table for va another pmap's? */
OS_INLINE bool
pmap_links_table(pmap_t pmap, vm_map_offset_t va)
{
	const pte_t *l2 = pmap_level2(pmap, va);

	return l2 != NULL && (os_atomic_load(l2, relaxed) & ARM_PTE_NESTED) != 0;
}

void pmap_drop_links(pmap_t pmap, uint32_t count);

/* The pmap is being destroyed. */
OS_INLINE void
pmap_forget_links(pmap_t pmap)
{
	if (os_unlikely(pmap->pm_links != 0)) {
		pmap_drop_links(pmap, pmap->pm_links);
	}
}

/*
 * Invalidates what TLBs may hold of [start, end), after the caller has changed the entries; also cached walks
 * when `tables`. Any context.
 */
void pmap_tlb_invalidate(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end, bool tables);

/* What the machine's TLBI can do. Boot CPU. */
void pmap_tlb_init(void);

/* The same for everything of the address space. */
void pmap_tlb_invalidate_all(pmap_t pmap);

/* One page on this CPU only: after rights were added, or a fault that found nothing to do. */
void pmap_tlb_invalidate_local(pmap_t pmap, vm_map_offset_t va);

/*
 * A CPU no longer has the destroyed pmap loaded (or the destroyer is done): the last one frees root and
 * struct.
 */
void pmap_release(pmap_t pmap);

/* No CPU has the pmap loaded any more: until no roll-over that began before looks at it either. */
void pmap_wait_for_roll_over(pmap_t pmap);

/* Tags every CPU that has `pmap` loaded with PMAP_TAG_DEAD, one pm_holders each. */
void pmap_retire(pmap_t pmap);
