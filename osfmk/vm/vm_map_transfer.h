/*
 * From one range of memory to another that is there already: mach_vm_copy, mach_vm_read_overwrite.
 *
 * Whole pages change hands, bytes do not, where the two ranges lie alike in their pages: the source is copied in
 * (vm_map_copy.h: its pages are shared, and copied by whoever writes first), and the copy's pages take the place of the
 * destination's in the slots of its object (vm_object_move_pages). The destination's entries stay what they are: a
 * protection, an inheritance, a tag, VM_FLAGS_PERMANENT and where one entry ends belong to the range and not to what
 * is in it, no index is cut, and nothing is left to allocate but a node of slots.
 *
 * Bytes are copied, once, from page to page, where pages cannot change hands:
 *	ends		of which a page has a part
 *	few pages	less than TRANSFER_SHARE_MIN
 *	source		wired or purgeable, or others map it to write to: its copy would be made at once, and take memory;
 *			a file, whose end must be noticed
 *	destination	others see it through the same object (fork with VM_INHERIT_SHARE, mach_vm_remap, memory entries,
 *			MAP_SHARED, files), wired, purgeable
 *	neither has it	commpage, shared region that the map has not left
 * and where sharing would need memory that is not to be had.
 *
 * A range is done in parts that are one entry on both sides and no more than TRANSFER_PART, in the order of memmove: each
 * part is read as a whole before the first byte of it is written, and what a part overwrites of its own map lies in
 * it or in those that are done. Where neither side was ever touched there is nothing to do, however much it is: a copy of
 * sparse memory costs what there is of it. What a call holds at once is bounded, it needs no memory in advance, and a
 * thread that is to end does so after the part.
 *
 * What others see. Before anything is written the whole of both ranges is mapped and allows what is done to it;
 * a call that fails for that has changed nothing. This may change right after: then the call ends with the error of the
 * page that it came to, and has written what comes before it (or behind it, if it goes backwards). A page changes hands
 * under the lock of its slot [F1], so a fault, a write from outside or page-out finds the old page or the new one;
 * and with the lock of its entry, so its object, protection and wiring are those that were looked at. The old page is
 * free when no CPU translates to it any more. A store by another thread to a page that changes hands is lost or
 * lasts, as it would be with bytes.
 *
 * Locks: that of one entry at a time, first the source's, then the destination's; inside, slots. Threads whose ranges
 * lie in one entry take turns, a part each; faults go on.
 *
 * Costs: see TRANSFER_SHARE_MIN. Two invalidations of the TLBs for a part (the source may not be written to any more),
 * and one for each 16 pages that change hands.
 */
#pragma once

#include <vm/vm_types.h>

/*
 * All of the range is mapped and allows `access`: KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE. The commpage and what
 * the shared region keeps of a map say themselves what they allow, when it comes to it.
 */
OS_WARN_RESULT kern_return_t vm_map_allows(
    vm_map_t map, vm_map_offset_t addr, vm_map_size_t size, vm_prot_t access);

/*
 * As memmove, if the maps are the same. The errors of vm_map_allows: nothing has changed, unless the maps change
 * meanwhile; or what a fault says; KERN_ABORTED: the thread is to end. May block.
 */
OS_WARN_RESULT kern_return_t vm_map_transfer(
    vm_map_t from, vm_map_offset_t src, vm_map_t to, vm_map_offset_t dst, vm_map_size_t size);
