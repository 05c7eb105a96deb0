/*
 * Page faults.
 *
 * The whole of a fault on anonymous memory is one SMR section with no lock but the slot's: find the entry,
 * find the slot, have a page, check that the entry still is what was found, install the translation, unlock
 * the slot. Whoever narrows an entry (unmap, protect, fork) first publishes that in the entry and then passes
 * over the slots of its range; labels [F1]/[F2] in vm_fault.c and [M1]/[M2] in vm_map.c.
 */
#pragma once

#include <mach/kern_return.h>
#include <os/base.h>
#include <vm/vm_types.h>

struct arm_saved_state;
struct thread;

/*
 * Makes va accessible as `access` asks. KERN_INVALID_ADDRESS: nothing is mapped there;
 * KERN_PROTECTION_FAILURE: not with that access; KERN_RESOURCE_SHORTAGE: no memory, and the thread is to end;
 * otherwise it waits for some. Preemption on, no locks.
 */
kern_return_t vm_fault(vm_map_t map, vm_map_offset_t va, vm_prot_t access);

/* An abort taken from EL0, with its syndrome; interrupts on. KERN_INVALID_ARGUMENT when the syndrome is not
 * that of a translation, access-flag or permission fault (alignment, external abort): not the VM's to answer.
 */
kern_return_t vm_fault_user(struct thread *thread, uint64_t far, uint32_t esr);

/*
 * A data abort taken from EL1. True when it came from user copy and *frame is now such that returning from
 * the exception continues correctly: the access is repeated (the page is there now) or the copy ends with an
 * error. False: a bug in the kernel. Called with the interrupt mask of the interrupted code.
 */
bool vm_fault_kernel(struct arm_saved_state *frame, uint64_t far, uint32_t esr);
