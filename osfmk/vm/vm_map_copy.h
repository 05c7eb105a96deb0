/*
 * A piece of an address space on its way to another one: out-of-line memory of messages, vm_read, vm_remap.
 *
 * A copy is an object whose pages are shared copy-on-write with where they came from; the source keeps its
 * entries and only loses the right to write to those pages without copying them. Pages of which the range
 * covers only a part are copied, so that nothing beside the range travels with it. When the sender gives
 * the range up and it is one whole entry, the copy takes over what was behind the entry, and no page is
 * looked at.
 *
 * Over memory that is there already, the pages of a copy take the place of those that an entry shows; the entry stays.
 * vm_map_transfer.h says what must not be replaced and is written to, and what others see.
 *
 * No locks: a copy belongs to one thread or message at a time.
 */
#pragma once

#include <vm/vm_types.h>

typedef struct vm_map_copy *vm_map_copy_t;

/*
 * A copy of [addr, addr + size) of `map`. With `destroy` the pages that the range touches leave the map.
 * KERN_INVALID_ADDRESS: a part is not mapped; KERN_PROTECTION_FAILURE: not readable; KERN_INVALID_ARGUMENT:
 * the range is empty or wraps; KERN_RESOURCE_SHORTAGE. On failure the map is as before. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_copyin(
    vm_map_t map, vm_map_offset_t addr, vm_map_size_t size, bool destroy, vm_map_copy_t *copy);

/* The pages of a copy made without `destroy`: a private object, whose reference is the caller's. Consumes it. */
vm_object_t vm_map_copy_take_object(vm_map_copy_t copy);

/* A copy of `size` bytes of the kernel's, from the start of a page on. NULL when memory is exhausted. */
vm_map_copy_t vm_map_copy_of_kernel(const void *data, vm_map_size_t size);

/*
 * Puts the copy over memory that `map` has at `addr`, which must be writable: whole pages, where they lie at the same
 * place in a page as they did, and else their bytes. Consumes the copy on success. KERN_INVALID_ADDRESS or
 * KERN_PROTECTION_FAILURE: what comes before the bad page has been written. May block; then it locks an entry at a time.
 */
OS_WARN_RESULT kern_return_t vm_map_copy_overwrite(vm_map_t map, vm_map_offset_t addr, vm_map_copy_t copy);

/*
 * Puts the copy anywhere into `map` as memory of its own, readable and writable; *addr is its first byte,
 * as far into a page as it was at the source. Consumes the copy on success. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_copyout(vm_map_t map, vm_map_offset_t *addr, vm_map_copy_t copy);

/* The same with a choice of place (as vm_map_enter's) and attributes; the copy begins and ends at a page. */
OS_WARN_RESULT kern_return_t vm_map_copy_place(vm_map_t map, vm_map_offset_t *addr, vm_map_offset_t mask,
    int flags, vm_map_copy_t copy, vm_prot_t cur_prot, vm_prot_t max_prot, vm_inherit_t inherit);

/* The copy's first `size` bytes, as many as there are at least, for the kernel. May block. */
OS_WARN_RESULT kern_return_t vm_map_copy_read(vm_map_copy_t copy, void *data, vm_map_size_t size);

void vm_map_copy_discard(vm_map_copy_t copy);

vm_map_size_t vm_map_copy_size(vm_map_copy_t copy); /* bytes */
