/*
 * Page faults: see vm_fault.h.
 *
 * [F1] Locking the slot is a sequentially consistent exchange, [F2] the reads of the entry's attributes and bounds come
 * after it. They pair with [M1]/[M2] of vm_map.h: a change of the entry is either seen here, or its pass over the slots
 * waits for ours and sees the translation we installed.
 */
#include <vm/vm_fault.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/thread_state.h>
#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <vm/pmap.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>
#include <vm/vm_page_internal.h>

/* How an attempt ended, beside kern_return_t: what has to be done, outside the SMR section, before the next one. */
#define FAULT_WAIT     (-1) /* the range is being changed */
#define FAULT_COPY     (-2) /* the entry needs an object of its own */
#define FAULT_CONTINUE (-3) /* nothing: look again */

struct fault {
	vm_map_t map;
	vm_map_offset_t va; /* page */
	vm_prot_t access;
	vm_map_entry_t entry;
	vm_object_t object;
	vm_page_t fresh; /* cleared page for an empty slot, or NULL */
	vm_page_t old;   /* replaced page that nobody else holds */
};

/* What the entry's attributes say about the access. */
OS_INLINE int
fault_check(const struct fault *f, uint32_t attr)
{
	if (os_likely((f->access & ~vme_prot(attr)) == 0)) {
		if (os_likely(!(attr & (VME_DEAD | VME_NEEDS_COPY)))) {
			return KERN_SUCCESS;
		}
		if (!(attr & VME_DEAD)) {
			return (f->access & VM_PROT_WRITE) ? FAULT_COPY : KERN_SUCCESS;
		}
	}
	return (attr & VME_DEAD) ? FAULT_WAIT : KERN_PROTECTION_FAILURE;
}

/* The entry was never touched: it gets an object, from us or from another CPU. NULL: no memory. */
static OS_NOINLINE vm_object_t
fault_new_object(vm_map_entry_t entry)
{
	vm_object_t found = NULL;
	vm_object_t object =
	    vm_object_allocate(vme_object_page(entry->vme_bias, os_atomic_load(&entry->vme_end, relaxed)));

	if (object == NULL) {
		return NULL;
	}
	/* seq_cst: pairs with the fence of entry_cut and the exchange of entry_teardown. */
	if (!os_atomic_cmpxchgv(&entry->vme_object, (vm_object_t)NULL, object, &found, seq_cst)) {
		vm_object_deallocate(object);
		return found;
	}
	return object;
}

/*
 * The page of a locked slot belongs to several objects. A write gets a copy of its own; a read maps it without the right to
 * write. Returns what the slot is to hold; NULL when there is no memory.
 */
static OS_NOINLINE vm_page_t
fault_shared_page(struct fault *f, vm_page_t page, vm_prot_t *prot)
{
	vm_page_t copy;

	if (!(f->access & VM_PROT_WRITE)) {
		*prot &= ~VM_PROT_WRITE;
		return page;
	}
	copy = vm_page_grab();
	if (copy == NULL) {
		return NULL;
	}
	page_copy(vm_page_kva(copy), vm_page_kva(page));
	os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_copied, 1);
	if (vm_page_unref(page)) {
		f->old = page;
	}
	return copy;
}

/* With the slot locked: page and translation. *page is what the slot will hold. */
OS_INLINE int
fault_install(struct fault *f, vm_page_t *page)
{
	vm_map_entry_t entry = f->entry;
	uint32_t attr = os_atomic_load(&entry->vme_attr, acquire); /* [F2] */
	vm_map_offset_t start = os_atomic_load(&entry->vme_start, relaxed);
	vm_prot_t prot = vme_prot(attr);
	unsigned flags = 0;
	vm_page_t use = *page;
	int result = fault_check(f, attr);

	if (os_unlikely(result != KERN_SUCCESS)) {
		return result;
	}
	if (os_unlikely(f->va - start >= os_atomic_load(&entry->vme_end, relaxed) - start ||
			os_atomic_load(&entry->vme_object, relaxed) != f->object)) {
		return FAULT_WAIT; /* cut, or given another object, since we found it */
	}
	if (os_likely(use == NULL)) {
		use = f->fresh;
		if (os_unlikely(use == NULL)) {
			return FAULT_CONTINUE; /* the slot was not empty when we looked */
		}
		f->fresh = NULL;
		os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_zero_filled, 1);
	} else if (os_atomic_load(&use->vmp_refs, acquire) != 1) {
		use = fault_shared_page(f, use, &prot);
		if (use == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
		flags = PMAP_ENTER_REPLACE;
	}
	*page = use;
	if (os_unlikely(attr & VME_NEEDS_COPY)) {
		prot &= ~VM_PROT_WRITE;
	}
	return pmap_enter(f->map->vmm_pmap, f->va, vm_page_ppnum(use), prot, flags);
}

/* One attempt. In an SMR section. */
OS_INLINE int
fault_try(struct fault *f)
{
	vm_map_entry_t entry = vm_map_lookup_entry(f->map, f->va);
	vm_object_t object;
	uintptr_t *slot;
	vm_page_t page;
	uint64_t index;
	int result;

	if (os_unlikely(entry == NULL)) {
		return KERN_INVALID_ADDRESS;
	}
	f->entry = entry;
	result = fault_check(f, os_atomic_load(&entry->vme_attr, relaxed));
	if (os_unlikely(result != KERN_SUCCESS)) {
		return result;
	}
	object = os_atomic_load(&entry->vme_object, acquire);
	if (os_unlikely(object == NULL)) {
		object = fault_new_object(entry);
		if (object == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	if (os_unlikely(object == VME_OBJECT_DEAD)) {
		return FAULT_WAIT;
	}
	f->object = object;
	index = vme_object_page(entry->vme_bias, f->va);
	if (os_unlikely(index >= object->vo_npages)) {
		return FAULT_WAIT; /* cut since we found it */
	}
	slot = vm_object_slot(object, index);
	if (os_unlikely(slot == NULL)) {
		slot = vm_object_slot_alloc(object, index);
		if (slot == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	if (os_likely(os_atomic_load(slot, relaxed) == 0 && f->fresh == NULL)) {
		f->fresh = vm_page_grab_zero();
		if (f->fresh == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	page = vm_slot_lock(slot); /* [F1] */
	result = fault_install(f, &page);
	vm_slot_unlock(slot, page);
	return result;
}

/* Until whoever has the entry locked is done. */
static kern_return_t
fault_wait(const struct fault *f)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(f->map, f->va, &slot);

	if (entry != NULL) {
		vm_index_unlock_slot(slot, entry);
	}
	return KERN_SUCCESS;
}

/* Gives the entry that covers the page an object of its own. */
static kern_return_t
fault_copy_object(const struct fault *f)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(f->map, f->va, &slot);
	kern_return_t kr = KERN_SUCCESS;

	if (entry != NULL) {
		kr = vm_map_entry_own_object(entry);
		vm_index_unlock_slot(slot, entry);
	}
	return kr;
}

static OS_NOINLINE kern_return_t
fault_prepare(const struct fault *f, int what)
{
	switch (what) {
	case FAULT_WAIT:
		return fault_wait(f);
	case FAULT_COPY:
		return fault_copy_object(f);
	default:
		return KERN_SUCCESS;
	}
}

/* Writing to the commpage, which no entry describes, is not the same as touching nothing. */
static kern_return_t
fault_error(const struct fault *f, kern_return_t kr)
{
	ppnum_t pn;
	vm_prot_t prot;

	if (kr == KERN_INVALID_ADDRESS && vm_map_reserved(f->map, f->va, f->va + PAGE_SIZE) &&
	    pmap_lookup(f->map->vmm_pmap, f->va, &pn, &prot)) {
		return (f->access & ~prot) ? KERN_PROTECTION_FAILURE : KERN_SUCCESS;
	}
	return kr;
}

kern_return_t
vm_fault(vm_map_t map, vm_map_offset_t va, vm_prot_t access)
{
	struct fault f = { .map = map, .va = trunc_page(va), .access = access };
	int result;

	assert(preemption_enabled());
	if (os_unlikely(f.va >= map->vmm_max)) {
		return KERN_INVALID_ADDRESS;
	}
	for (;;) {
		smr_enter();
		result = fault_try(&f);
		os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_faults, 1);
		smr_leave();
		if (os_likely(result == KERN_SUCCESS)) {
			break;
		}
		if (result < 0) {
			result = fault_prepare(&f, result);
		}
		if (result != KERN_SUCCESS) {
			break;
		}
	}
	if (os_unlikely(f.fresh != NULL)) {
		vm_page_release(f.fresh);
	}
	if (os_unlikely(f.old != NULL)) {
		vm_page_release(f.old);
	}
	return os_likely(result == KERN_SUCCESS) ? KERN_SUCCESS : fault_error(&f, result);
}

/* --- aborts --- */

#define ESR_DFSC(esr)    ((esr) & 0x3f)
#define ESR_WNR          (1U << 6) /* data abort: write, not read */
#define ESR_CM           (1U << 8) /* by a cache maintenance instruction, which needs read only */
#define DFSC_TRANSLATION 0x04      /* + level */
#define DFSC_ACCESS_FLAG 0x08
#define DFSC_PERMISSION  0x0c
#define DFSC_LEVEL_MASK  0x03

static bool
abort_is_fault(uint32_t esr)
{
	switch (ESR_DFSC(esr) & ~(uint32_t)DFSC_LEVEL_MASK) {
	case DFSC_TRANSLATION:
	case DFSC_ACCESS_FLAG:
	case DFSC_PERMISSION:
		return true;
	default:
		return false;
	}
}

static vm_prot_t
abort_access(uint32_t esr)
{
	uint32_t class = ESR_EC(esr);

	if (class == ESR_EC_IABORT_EL0 || class == ESR_EC_IABORT_EL1) {
		return VM_PROT_EXECUTE;
	}
	return (esr & (ESR_WNR | ESR_CM)) == ESR_WNR ? VM_PROT_WRITE : VM_PROT_READ;
}

kern_return_t
vm_fault_user(struct thread *thread, uint64_t far, uint32_t esr)
{
	if (os_unlikely(!abort_is_fault(esr))) {
		return KERN_INVALID_ARGUMENT;
	}
	return vm_fault(thread->task->map, far, abort_access(esr));
}

#define PSTATE_I 0x80

/* User copy that may block: with interrupts as they were, and only if the thread may be switched. */
static bool
fault_in(const struct arm_saved_state *frame, uint64_t far, uint32_t esr)
{
	kern_return_t kr;

	if (!preemption_enabled() || (frame->cpsr & PSTATE_I) || !abort_is_fault(esr)) {
		return false;
	}
	ml_set_interrupts_enabled(true);
	kr = vm_fault(current_task()->map, far, abort_access(esr));
	ml_set_interrupts_enabled(false);
	return kr == KERN_SUCCESS;
}

bool
vm_fault_kernel(struct arm_saved_state *frame, uint64_t far, uint32_t esr)
{
	uint64_t landing;
	const struct copyio_fixup *fixup = copyio_fixup_find(frame->pc, &landing);

	if (fixup == NULL) {
		return false;
	}
	if (fixup->kind == COPYIO_MAYFAULT) {
		if (far >= MACH_VM_MAX_ADDRESS) {
			return false; /* the kernel's side of the copy */
		}
		if (fault_in(frame, far, esr)) {
			return true;
		}
	}
	frame->pc = landing;
	return true;
}
