/*
 * Page tables that nothing is mapped by any more.
 *
 * A level 3 table goes when one call removes all of its span. Memory that is given back piece by piece leaves its table
 * behind: no count says that it is empty, since every fault would have to write that. When memory is short, the spans
 * that have a table and no entry are looked for and removed as a whole.
 *
 * With the index of the span locked and empty nobody enters translations there: a fault does so under the lock of a
 * page's slot, after it has seen that the entry lives, and whoever removed the last entry has waited for it ([M2]).
 */
#include <vm/vm_map_internal.h>

#include <kern/smr.h>
#include <vm/pmap.h>

static bool
span_is_empty(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	bool empty;

	smr_enter();
	empty = vm_map_next_entry(map, start, end) == NULL;
	smr_leave();
	return empty;
}

/* Frees the table of a span if it can be. */
static bool
collect_span(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end)
{
	bool empty;

	if (start < map->vmm_min || end > map->vmm_max || !span_is_empty(map, start, end) ||
	    !vm_map_index_lock(map, start, end)) {
		return false;
	}
	empty = span_is_empty(map, start, end);
	if (empty) {
		pmap_remove(map->vmm_pmap, start, end);
	}
	vm_map_unlock_range(map, start, end);
	return empty;
}

uint64_t
vm_map_collect_tables(vm_map_t map)
{
	uint64_t freed = 0;

	for (vm_map_offset_t va = map->vmm_min; pmap_next_table(map->vmm_pmap, &va, map->vmm_max);
	    va += PMAP_NEST_SPAN) {
		freed += collect_span(map, va, va + PMAP_NEST_SPAN);
	}
	return freed;
}

static void
collect_map(vm_map_t map, void *context)
{
	uint64_t *freed = context;

	*freed += vm_map_collect_tables(map);
}

uint64_t
vm_map_collect_all_tables(void)
{
	uint64_t freed = 0;

	vm_map_foreach(collect_map, &freed);
	return freed;
}
