/*
 * Nested pmaps: level 3 tables that many address spaces share (<vm/pmap.h>).
 *
 * The level 2 entry of a span says whose its level 3 table is:
 *	0		nobody's yet; a linker may put a link there
 *	link		ARM_PTE_NESTED: the nested pmap's; nothing is entered through this pmap, and range
 *			operations pass over it
 *	ARM_PTE_UNNESTED	nobody's, and no link will come: the pmap may make a table of its own
 *	table		its own
 * Linking is a compare-exchange from 0, unnesting an exchange, so that a linker that comes late fails. Who uses the pmap
 * sees to it that nothing is entered in a span that could be linked (vm_shared_region.c): so a table of its own never
 * meets a link. The links are not in the summary of the level 2 table, and pmap_destroy does not read them.
 *
 * The nested pmap's tables are never freed. Its translations are in TLBs under the ASIDs of all who link them:
 * invalidations go to every CPU, by address and for all ASIDs (pmap_tlb.c). They are not global (nG) because a pmap may
 * unnest and show something else there.
 */
#include <arm64/pmap_internal.h>

#include <kern/assert.h>

static uint64_t nest_links;  /* atomic: of all pmaps; written once a span and address space */
static uint64_t nest_tables; /* atomic: that were ever linked */

static_assert(PMAP_NEST_SPAN == 1ULL << ARM_L2_SHIFT, "a span is a table");

void
pmap_make_nested(pmap_t pmap)
{
	os_atomic_or(&pmap->pm_flags, PM_NESTED, relaxed);
}

/* The nested pmap's link to the table, marked as such; 0 if it has no table. */
static pte_t
nested_link(pmap_t nested, vm_map_offset_t va)
{
	pte_t *l2 = pmap_level2(nested, va);
	pte_t link = l2 == NULL ? 0 : os_atomic_load(l2, acquire); /* the table is cleared */

	if (!pte_valid(link)) {
		return 0;
	}
	if (!(link & ARM_PTE_LENT) && !(os_atomic_or_orig(l2, ARM_PTE_LENT, relaxed) & ARM_PTE_LENT)) {
		os_atomic_inc(&nest_tables, relaxed); /* the first linker counts the table */
	}
	return (link & ~ARM_PTE_LENT) | ARM_PTE_NESTED;
}

bool
pmap_nest(pmap_t pmap, pmap_t nested, vm_map_offset_t va)
{
	pte_t *l2 = pmap_level2(pmap, va);
	pte_t found, link;

	assert((nested->pm_flags & PM_NESTED) && !(pmap->pm_flags & PM_NESTED));
	/* The commpage, which every pmap has from the start, hangs from the same level 2 table. */
	assert(l2 != NULL);
	found = os_atomic_load(l2, relaxed);
	if (found & ARM_PTE_NESTED) {
		return true;
	}
	link = nested_link(nested, va);
	if (found != 0 || link == 0) {
		return false;
	}
	/* release: a walker that sees the link sees the table as nested_link did. */
	if (os_atomic_cmpxchgv(l2, (pte_t)0, link, &found, release)) {
		os_atomic_inc(&pmap->pm_links, relaxed);
		os_atomic_inc(&nest_links, relaxed);
		return true;
	}
	return (found & ARM_PTE_NESTED) != 0;
}

void
pmap_drop_links(pmap_t pmap, uint32_t count)
{
	os_atomic_sub(&pmap->pm_links, count, relaxed);
	os_atomic_sub(&nest_links, (uint64_t)count, relaxed);
}

/* Marks one span; true if there was a link. */
static bool
unnest_span(pte_t *l2)
{
	pte_t found = os_atomic_load(l2, relaxed);

	/* A table of its own stays. */
	while (found == 0 || (found & ARM_PTE_NESTED)) {
		if (os_atomic_cmpxchgv(l2, found, ARM_PTE_UNNESTED, &found, relaxed)) {
			return found != 0;
		}
	}
	return false;
}

void
pmap_unnest(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end)
{
	uint32_t links = 0;

	for (vm_map_offset_t va = start; va < end; va += PMAP_NEST_SPAN) {
		links += unnest_span(pmap_level2(pmap, va));
	}
	if (links != 0) {
		pmap_tlb_invalidate(pmap, start, end, true);
		pmap_drop_links(pmap, links);
	}
}

void
pmap_nest_counts(uint64_t *links, uint64_t *tables)
{
	*links = os_atomic_load(&nest_links, relaxed);
	*tables = os_atomic_load(&nest_tables, relaxed);
}
