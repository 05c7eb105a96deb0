/*
 * The mach_vm_* calls: arguments from user programs become page ranges of a map.
 */
#include <vm/vm_user.h>

#include <ipc/ipc_kobject.h>
#include <ipc/port.h>
#include <kern/task.h>
#include <kern/zalloc.h>
#include <mach/arm/commpage.h>
#include <mach/vm_statistics.h>
#include <string.h>
#include <vm/vm_compressor.h>
#include <vm/vm_map.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_map_transfer.h>
#include <vm/vm_named_entry.h>
#include <vm/vm_page.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_reclaim.h>

/* Flags that ask for what is not there. */
#define FLAGS_UNSUPPORTED VM_FLAGS_SUPERPAGE_MASK

/* The pages that [addr, addr + size) touches; false when the range wraps. size is not 0. */
static bool
page_range(mach_vm_offset_t addr, mach_vm_size_t size, vm_map_offset_t *start, vm_map_offset_t *end)
{
	mach_vm_offset_t last;

	if (os_add_overflow(addr, size - 1, &last) || last > UINT64_MAX - PAGE_SIZE) {
		return false;
	}
	*start = trunc_page(addr);
	*end = trunc_page(last) + PAGE_SIZE;
	return true;
}

/* VM_FLAGS_RANDOM_ADDR says something about ANYWHERE alone, and then more than a hint does. */
static void
randomize(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags)
{
	const int both = VM_FLAGS_ANYWHERE | VM_FLAGS_RANDOM_ADDR;

	if (os_unlikely((flags & both) == both)) {
		vm_map_random_place(map, size, addr);
	}
}

/* The rarer kinds of anonymous memory. */
static OS_NOINLINE kern_return_t
map_rare(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask, int flags,
    vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	randomize(map, addr, size, flags);
	if (flags & VM_FLAGS_PURGABLE) {
		return vm_map_enter_purgeable(map, addr, size, mask, flags, cur_prot, max_prot, inherit);
	}
	return vm_map_enter(map, addr, size, mask, flags, NULL, 0, false, cur_prot, max_prot, inherit);
}

kern_return_t
mach_vm_map_anonymous(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask,
    int flags, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit)
{
	mach_vm_size_t rounded;

	if ((unsigned)flags & ~VM_FLAGS_USER_MAP) {
		return KERN_INVALID_ARGUMENT;
	}
	if ((unsigned)flags & FLAGS_UNSUPPORTED) {
		return KERN_NOT_SUPPORTED;
	}
	if (size == 0) {
		return KERN_INVALID_ARGUMENT;
	}
	if (os_add_overflow(size, PAGE_MASK, &rounded)) {
		return (flags & VM_FLAGS_ANYWHERE) ? KERN_NO_SPACE : KERN_INVALID_ADDRESS;
	}
	if (os_unlikely(flags & (VM_FLAGS_PURGABLE | VM_FLAGS_RANDOM_ADDR))) {
		return map_rare(
		    map, addr, trunc_page(rounded), mask | PAGE_MASK, flags, cur_prot, max_prot, inherit);
	}
	return vm_map_enter(map, addr, trunc_page(rounded), mask | PAGE_MASK, flags, NULL, 0, false, cur_prot,
	    max_prot, inherit);
}

kern_return_t
mach_vm_allocate(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags)
{
	if ((unsigned)flags & ~VM_FLAGS_USER_ALLOCATE) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		*addr = 0;
		return KERN_SUCCESS;
	}
	if (flags & VM_FLAGS_ANYWHERE) {
		*addr = 0; /* no hint in this interface */
	}
	return mach_vm_map_anonymous(
	    map, addr, size, 0, flags, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_DEFAULT);
}

kern_return_t
mach_vm_deallocate(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size)
{
	vm_map_offset_t start, end;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return vm_map_remove(map, start, end);
}

/*
 * VM_PROT_COPY: a private copy of the range takes its place, and may be given any protection; so a debugger writes into
 * text that it may not write, and nobody else sees it. What cannot be read, or not be replaced, stays itself.
 */
static kern_return_t
protect_copy(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot)
{
	vm_map_copy_t copy;

	if (vm_map_copyin(map, start, end - start, false, &copy) == KERN_SUCCESS) {
		if (vm_map_copy_place(map, &start, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE, copy, prot,
			VM_PROT_ALL, VM_INHERIT_DEFAULT) == KERN_SUCCESS) {
			return KERN_SUCCESS;
		}
		vm_map_copy_discard(copy);
	}
	return vm_map_protect(map, start, end, prot, false);
}

kern_return_t
mach_vm_protect(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, bool set_maximum, vm_prot_t prot)
{
	bool copy = (prot & VM_PROT_COPY) && !set_maximum;
	vm_map_offset_t start, end;

	prot &= ~VM_PROT_COPY;
	if (prot & ~VM_PROT_ALL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return copy ? protect_copy(map, start, end, prot)
		    : vm_map_protect(map, start, end, prot, set_maximum);
}

kern_return_t
mach_vm_inherit(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size, vm_inherit_t inherit)
{
	vm_map_offset_t start, end;

	if (inherit > VM_INHERIT_NONE) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	return page_range(addr, size, &start, &end) ? vm_map_inherit(map, start, end, inherit)
						    : KERN_INVALID_ARGUMENT;
}

kern_return_t
mach_vm_map(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask, int flags,
    struct ipc_port *object, memory_object_offset_t offset, boolean_t copy, vm_prot_t cur_prot,
    vm_prot_t max_prot, vm_inherit_t inherit)
{
	vm_named_entry_t entry;
	kern_return_t kr;

	if (object == NULL) {
		return mach_vm_map_anonymous(map, addr, size, mask, flags, cur_prot, max_prot, inherit);
	}
	entry = convert_port_to_named_entry(object);
	if (entry == NULL) {
		return KERN_INVALID_OBJECT;
	}
	if ((unsigned)flags & ~VM_FLAGS_USER_MAP) {
		return KERN_INVALID_ARGUMENT;
	}
	if ((unsigned)flags & FLAGS_UNSUPPORTED) {
		return KERN_NOT_SUPPORTED;
	}
	randomize(map, addr, size, flags);
	kr = vm_named_entry_map(
	    map, addr, size, mask | PAGE_MASK, flags, entry, offset, copy != 0, cur_prot, max_prot, inherit);
	if (kr == KERN_SUCCESS) {
		ipc_port_release_send(object);
	}
	return kr;
}

static kern_return_t
remap_user(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask, int flags,
    vm_map_t src, mach_vm_offset_t src_addr, boolean_t copy, bool exact, vm_prot_t *cur_prot,
    vm_prot_t *max_prot, vm_inherit_t inherit)
{
	vm_map_offset_t start, end;
	kern_return_t kr;

	if (src == NULL || size == 0 ||
	    ((unsigned)flags & ~(unsigned)(VM_FLAGS_USER_REMAP | VM_FLAGS_ALIAS_MASK)) ||
	    !page_range(src_addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	randomize(map, addr, end - start, flags);
	kr = vm_map_remap(map, addr, end - start, mask | PAGE_MASK, flags, src, start, copy != 0, exact,
	    cur_prot, max_prot, inherit);
	if (kr == KERN_SUCCESS && (flags & VM_FLAGS_RETURN_DATA_ADDR)) {
		*addr += src_addr - start;
	}
	return kr;
}

kern_return_t
mach_vm_remap(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask, int flags,
    vm_map_t src, mach_vm_offset_t src_addr, boolean_t copy, vm_prot_t *cur_prot, vm_prot_t *max_prot,
    vm_inherit_t inherit)
{
	*cur_prot = VM_PROT_ALL;
	*max_prot = VM_PROT_ALL;
	return remap_user(
	    map, addr, size, mask, flags, src, src_addr, copy, false, cur_prot, max_prot, inherit);
}

kern_return_t
mach_vm_remap_new(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, mach_vm_offset_t mask, int flags,
    ipc_port_t src_task, mach_vm_offset_t src_addr, boolean_t copy, vm_prot_t *cur_prot, vm_prot_t *max_prot,
    vm_inherit_t inherit)
{
	bool writes = !copy && (*max_prot & VM_PROT_WRITE) != 0;
	vm_map_t src;
	kern_return_t kr;

	if ((*max_prot & ~VM_PROT_ALL) || (*cur_prot & ~*max_prot)) {
		return KERN_INVALID_ARGUMENT;
	}
	src = writes ? convert_port_to_map(src_task) : convert_port_to_map_read(src_task);
	kr = remap_user(map, addr, size, mask, flags, src, src_addr, copy, true, cur_prot, max_prot, inherit);
	if (src != NULL) {
		vm_map_deallocate(src);
	}
	return kr;
}

/* --- copies --- */

kern_return_t
mach_vm_copy(vm_map_t map, mach_vm_address_t src, mach_vm_size_t size, mach_vm_address_t dst)
{
	return vm_map_transfer(map, src, map, dst, size);
}

kern_return_t
mach_vm_read_overwrite(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, mach_vm_address_t dst,
    mach_vm_size_t *out_size)
{
	kern_return_t kr = vm_map_transfer(map, addr, current_task()->map, dst, size);

	*out_size = kr == KERN_SUCCESS ? size : 0;
	return kr;
}

kern_return_t
mach_vm_read(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_map_copy_t *data, natural_t *count)
{
	kern_return_t kr;

	*data = NULL;
	*count = 0;
	if (size > UINT32_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = size == 0 ? KERN_SUCCESS : vm_map_copyin(map, addr, size, false, data);
	if (kr == KERN_SUCCESS) {
		*count = (natural_t)size;
	}
	return kr;
}

kern_return_t
mach_vm_write(vm_map_t map, mach_vm_address_t addr, vm_map_copy_t data, natural_t count)
{
	kern_return_t kr = data == NULL ? KERN_SUCCESS : vm_map_allows(map, addr, count, VM_PROT_WRITE);

	return data == NULL || kr != KERN_SUCCESS ? kr : vm_map_copy_overwrite(map, addr, data);
}

/* One range of a list, as a copy in the caller's map; what it names becomes the copy. */
static kern_return_t
read_list_entry(vm_map_t map, struct mach_vm_read_entry *entry)
{
	mach_vm_address_t where;
	vm_map_copy_t copy;
	kern_return_t kr;

	if (entry->size == 0) {
		entry->address = 0;
		return KERN_SUCCESS;
	}
	kr = vm_map_copyin(map, entry->address, entry->size, false, &copy);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = vm_map_copyout(current_task()->map, &where, copy);
	if (kr != KERN_SUCCESS) {
		vm_map_copy_discard(copy);
		return kr;
	}
	entry->address = where;
	return KERN_SUCCESS;
}

kern_return_t
mach_vm_read_list(vm_map_t map, mach_vm_read_entry_t list, natural_t count)
{
	kern_return_t kr = KERN_SUCCESS;
	natural_t done;

	if (count > VM_MAP_ENTRY_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	for (done = 0; done < count && kr == KERN_SUCCESS; done++) {
		kr = read_list_entry(map, &list[done]);
	}
	/* An error reply carries no list: what was mapped for it goes again. */
	for (natural_t i = 0; kr != KERN_SUCCESS && i + 1 < done; i++) {
		(void)mach_vm_deallocate(current_task()->map, list[i].address, list[i].size);
	}
	return kr;
}

/* --- advice --- */

/* The range of a call whose only effect is an error: KERN_SUCCESS if all of it is mapped. */
static kern_return_t
range_mapped(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size)
{
	vm_map_offset_t start, end;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return vm_map_is_mapped(map, start, end) ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

/* What mach_vm_msync does with a range in which all is mapped. */
static kern_return_t
sync_part(vm_map_t map, vm_map_offset_t start, vm_map_offset_t end, vm_sync_t flags)
{
	kern_return_t kr = KERN_SUCCESS;

	if (flags & (VM_SYNC_SYNCHRONOUS | VM_SYNC_ASYNCHRONOUS)) {
		kr = vm_map_sync(map, start, end);
	}
	if (kr == KERN_SUCCESS && (flags & (VM_SYNC_KILLPAGES | VM_SYNC_REUSABLEPAGES))) {
		kr = vm_map_discard(map, start, end);
	}
	if (kr == KERN_SUCCESS && (flags & VM_SYNC_DEACTIVATE)) {
		kr = vm_reclaim_age_range(map, start, end);
	}
	return kr;
}

/* Holes do not matter. */
static kern_return_t
sync_mapped(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_sync_t flags)
{
	vm_map_offset_t start, end;
	struct vm_map_region region;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	while (start < end && vm_map_region(map, start, &region) == KERN_SUCCESS && region.start < end) {
		kern_return_t kr =
		    sync_part(map, os_max(start, region.start), os_min(end, region.end), flags);

		if (kr != KERN_SUCCESS && kr != KERN_INVALID_ADDRESS) {
			return kr;
		}
		start = region.end;
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_vm_msync(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_sync_t flags)
{
	kern_return_t kr;

	if ((flags & VM_SYNC_ASYNCHRONOUS) && (flags & VM_SYNC_SYNCHRONOUS)) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = (flags & VM_SYNC_CONTIGUOUS) ? range_mapped(map, addr, size) : KERN_SUCCESS;
	return kr == KERN_SUCCESS ? sync_mapped(map, addr, size, flags) : kr;
}

kern_return_t
mach_vm_behavior_set(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_behavior_t behavior)
{
	vm_map_offset_t start, end;

	if (behavior < VM_BEHAVIOR_DEFAULT || behavior > VM_BEHAVIOR_LAST_VALID) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	switch (behavior) {
	case VM_BEHAVIOR_DEFAULT:
	case VM_BEHAVIOR_RANDOM:
	case VM_BEHAVIOR_SEQUENTIAL:
	case VM_BEHAVIOR_RSEQNTL:
		return vm_map_record_behavior(map, start, end, behavior);
	case VM_BEHAVIOR_FREE:
		return vm_map_discard(map, start, end);
	case VM_BEHAVIOR_REUSABLE:
		return vm_map_reuse(map, start, end, true);
	case VM_BEHAVIOR_REUSE:
	case VM_BEHAVIOR_CAN_REUSE:
		return vm_map_reuse(map, start, end, false);
	case VM_BEHAVIOR_DONTNEED:
		return vm_reclaim_age_range(map, start, end);
	case VM_BEHAVIOR_WILLNEED:
		return vm_map_will_need(map, start, end);
	case VM_BEHAVIOR_PAGEOUT:
		return vm_reclaim_range(map, start, end);
	case VM_BEHAVIOR_ZERO:
		return vm_map_zero(map, start, end);
	default:
		return range_mapped(map, addr, size);
	}
}

/* --- wiring, purgeable memory --- */

kern_return_t
mach_vm_wire(host_t host, vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size, vm_prot_t access)
{
	vm_map_offset_t start, end;

	if (host == NULL) {
		return KERN_INVALID_HOST;
	}
	if (map == NULL) {
		return KERN_INVALID_TASK;
	}
	if (access & ~VM_PROT_ALL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (size == 0) {
		return KERN_SUCCESS;
	}
	if (!page_range(addr, size, &start, &end)) {
		return KERN_INVALID_ARGUMENT;
	}
	return access == VM_PROT_NONE ? vm_map_unwire(map, start, end) : vm_map_wire(map, start, end, access);
}

kern_return_t
mach_vm_purgable_control(vm_map_t map, mach_vm_address_t addr, vm_purgable_t control, int *state)
{
	if (control == VM_PURGABLE_PURGE_ALL) {
		while (vm_purgeable_purge_one()) {}
		return KERN_SUCCESS;
	}
	return vm_map_purgable_control(map, addr, control, state);
}

kern_return_t
mach_vm_machine_attribute(vm_map_t map, mach_vm_address_t addr, mach_vm_size_t size,
    vm_machine_attribute_t attribute, vm_machine_attribute_val_t *value)
{
	if (attribute != MATTR_CACHE) {
		return KERN_INVALID_ARGUMENT;
	}
	switch (*value) {
	case MATTR_VAL_CACHE_FLUSH:
	case MATTR_VAL_DCACHE_FLUSH:
	case MATTR_VAL_ICACHE_FLUSH:
	case MATTR_VAL_CACHE_SYNC:
		return range_mapped(map, addr, size);
	default:
		return KERN_NOT_SUPPORTED;
	}
}

/* Nothing is read ahead of its use, so speculative_count is 0. */
void
vm_statistics64_get(struct vm_statistics64 *out)
{
	struct vm_page_counts counts;
	struct vm_purgeable_counts purgeable;
	struct vm_compressor_counts compressor;
	struct vm_reclaim_counts reclaim;
	uint64_t compressor_pages;

	vm_page_get_counts(&counts);
	vm_purgeable_get_counts(&purgeable);
	vm_compressor_get_counts(&compressor);
	vm_reclaim_count(&reclaim);
	compressor_pages = atop(round_page(compressor.bytes));
	*out = (struct vm_statistics64){
		.free_count = (natural_t)counts.free,
		.active_count = (natural_t)reclaim.active,
		.inactive_count = (natural_t)reclaim.inactive,
		.wire_count =
		    (natural_t)(counts.total - os_min(counts.total, counts.free + reclaim.active +
									reclaim.inactive + compressor_pages)),
		.internal_page_count = (natural_t)(reclaim.active + reclaim.inactive - reclaim.external),
		.external_page_count = (natural_t)reclaim.external,
		.reactivations = reclaim.activated,
		.pageins = counts.paged_in,
		.pageouts = reclaim.returned,
		.zero_fill_count = counts.zero_filled,
		.faults = counts.faults,
		.cow_faults = counts.copied,
		.purges = purgeable.purges,
		.purgeable_count = (natural_t)purgeable.volatile_pages,
		.compressions = compressor.compressions,
		.decompressions = compressor.decompressions,
		.compressor_page_count = (natural_t)compressor_pages,
		.total_uncompressed_pages_in_compressor = compressor.pages,
	};
}
