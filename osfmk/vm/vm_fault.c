/*
 * Page faults: see vm_fault.h.
 *
 * [F1] Locking the slot is a sequentially consistent exchange, [F2] the reads of the entry's attributes and
 * bounds come after it. They pair with [M1]/[M2] of vm_map.h: a change of the entry is either seen here, or
 * its pass over the slots waits for ours and sees the translation we installed.
 */
#include <vm/vm_fault.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/thread_state.h>
#include <kdebug/kdebug.h>
#include <kern/assert.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <vm/pmap.h>
#include <vm/vm_compressor.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>
#include <vm/vm_page_internal.h>
#include <vm/vm_pageout.h>
#include <vm/vm_pager.h>
#include <vm/vm_shared_region.h>

/*
 * How an attempt ended, beside kern_return_t: what has to be done, outside the SMR section, before the next
 * one.
 */
#define FAULT_WAIT     (-1) /* the entry is being changed */
#define FAULT_COPY     (-2) /* the entry needs an object of its own */
#define FAULT_CONTINUE (-3) /* nothing: look again */
#define FAULT_PAGE_IN  (-4) /* the pager has to bring the page, and may block */

/* Pages that an attempt leaves for the end, when the SMR section is over. */
struct fault_pages {
	vm_page_t fresh; /* cleared page for an empty slot, or NULL */
	vm_page_t old;   /* replaced page that nobody else holds, or NULL */
};

/* The attribute bits that an access wants: its rights set, and neither of the marks. See fault_allowed. */
#define FAULT_MARKS (VME_DEAD | VME_NEEDS_COPY)

static_assert(VME_PROT_SHIFT == 0, "vm_prot_t is the low bits of vme_attr");

OS_INLINE bool
fault_allowed(uint32_t attr, vm_prot_t access)
{
	return ((attr ^ VME_PROT_MASK) & ((uint32_t)access | FAULT_MARKS)) == 0;
}

/* fault_allowed said no. KERN_SUCCESS: a read of memory that is NEEDS_COPY. */
static OS_NOINLINE int
fault_refused(uint32_t attr, vm_prot_t access)
{
	if (attr & VME_DEAD) {
		return FAULT_WAIT;
	}
	if (access & ~vme_prot(attr)) {
		return KERN_PROTECTION_FAILURE;
	}
	return (access & VM_PROT_WRITE) ? FAULT_COPY : KERN_SUCCESS;
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
 * The page of a locked slot belongs to several objects, and is written to: the slot gets a copy. Until no CPU translates
 * to the old page any more its reference is kept: the last other holder could free it, or take it for its own and write
 * to it, under the eyes of this map's other threads.
 */
static OS_NOINLINE int
fault_install_copy(
    vm_map_t map, vm_map_offset_t va, vm_prot_t prot, vm_page_t *page, struct fault_pages *pages)
{
	vm_page_t shared = *page, copy = vm_page_grab_user();
	int result;

	if (copy == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	page_copy(vm_page_kva(copy), vm_page_kva(shared));
	os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_copied, 1);
	*page = copy;
	result = pmap_enter(map->vmm_pmap, va, vm_page_ppnum(copy), prot, PMAP_ENTER_REPLACE);
	if (vm_page_unref(shared)) {
		pages->old = shared;
	}
	return result;
}

/*
 * With the slot locked: is the entry still what was found, and does it allow the access? *prot is what the
 * translation may have.
 */
OS_INLINE int
fault_check(vm_map_entry_t entry, vm_object_t object, vm_map_offset_t va, vm_prot_t access, vm_prot_t *prot)
{
	uint32_t attr = os_atomic_load(&entry->vme_attr, acquire); /* [F2] */
	vm_map_offset_t start = os_atomic_load(&entry->vme_start, relaxed);

	*prot = vme_prot(attr);
	if (os_unlikely(!fault_allowed(attr, access))) {
		int result = fault_refused(attr, access);

		if (result != KERN_SUCCESS) {
			return result;
		}
		*prot &= ~VM_PROT_WRITE;
	}
	if (os_unlikely(va - start >= os_atomic_load(&entry->vme_end, relaxed) - start ||
			os_atomic_load(&entry->vme_object, relaxed) != object)) {
		return FAULT_WAIT; /* cut, or given another object, since we found it */
	}
	return KERN_SUCCESS;
}

/* The page of what a locked slot holds, which is gone then. NULL: no memory. */
static OS_NOINLINE vm_page_t
fault_decompress(vm_page_t compressed)
{
	vm_page_t page = vm_compressor_load(compressed);

	if (page != NULL) {
		vm_compressor_release(compressed);
	}
	return page;
}

/*
 * A page that was last mapped to be executed, or that is as its pager has it: what changes if it is mapped to be written.
 * Returns the protection it is mapped with.
 */
__attribute__((preserve_most)) static OS_NOINLINE vm_prot_t
fault_write_marks(vm_page_t page, vm_prot_t access, vm_prot_t prot)
{
	if ((page->vmp_flags & VM_PAGE_CLEAN) && !(access & VM_PROT_WRITE)) {
		return prot & ~VM_PROT_WRITE; /* the first write is another fault */
	}
	os_atomic_and(&page->vmp_flags, (uint16_t)~VM_PAGE_WRITE_MARKS, relaxed);
	return prot;
}

/*
 * With the slot locked: page and translation. *page is what the slot holds, and will hold.
 */
OS_INLINE int
fault_install(vm_map_t map, vm_map_entry_t entry, vm_object_t object, vm_map_offset_t va, vm_prot_t access,
    vm_page_t *page, struct fault_pages *pages, struct vm_page_cpu *cpu)
{
	unsigned flags = 0;
	vm_prot_t prot;
	int result = fault_check(entry, object, va, access, &prot);

	if (os_unlikely(result != KERN_SUCCESS)) {
		return result;
	}
	if (os_likely(*page == NULL)) {
		if (os_unlikely(pages->fresh == NULL)) {
			return FAULT_CONTINUE; /* the slot was not empty when we looked */
		}
		*page = pages->fresh;
		pages->fresh = NULL;
		os_counter_add(&cpu->vpc_zero_filled, 1);
	} else {
		if (os_unlikely(vm_page_is_compressed(*page))) {
			vm_page_t fresh = fault_decompress(*page);

			if (fresh == NULL) {
				return KERN_RESOURCE_SHORTAGE;
			}
			vm_page_mark_used(fresh);
			*page = fresh;
		}
		flags = PMAP_ENTER_REPLACE;
		/* A page of a file may be held for a moment; it is never replaced by a copy. */
		if (vm_page_is_shared(*page) && !(object->vo_flags & VO_FILE)) {
			if (access & VM_PROT_WRITE) {
				return fault_install_copy(map, va, prot, page, pages);
			}
			prot &= ~VM_PROT_WRITE;
		} else if (os_unlikely((*page)->vmp_flags & VM_PAGE_WRITE_MARKS) && (prot & VM_PROT_WRITE)) {
			prot = fault_write_marks(*page, access, prot);
		}
	}
	return pmap_enter(map->vmm_pmap, va, vm_page_ppnum(*page), prot, flags);
}

/* The pager of a file object that has no page at `index` brings one, now if it can. */
static int
fault_fetch(vm_object_t file, uint64_t index)
{
	kern_return_t kr;

	if (!file->vo_pager->vp_ops->vpo_immediate) {
		return FAULT_PAGE_IN;
	}
	kr = vm_object_page_in(file, index);
	return kr == KERN_SUCCESS ? FAULT_CONTINUE : kr;
}

/*
 * The slot was empty, and is to hold the caller's page, which takes the place of another translation that may be there.
 */
static int
fault_fill_slot(vm_map_t map, vm_map_entry_t entry, vm_object_t object, uintptr_t *slot, vm_map_offset_t va,
    vm_prot_t access, vm_page_t filled)
{
	vm_page_t page = vm_slot_lock(slot); /* [F1] */
	vm_prot_t prot;
	int result = page != NULL ? FAULT_CONTINUE : fault_check(entry, object, va, access, &prot);

	if (result == KERN_SUCCESS) {
		result = pmap_enter(map->vmm_pmap, va, vm_page_ppnum(filled), prot, PMAP_ENTER_REPLACE);
	}
	if (result == KERN_SUCCESS) {
		page = filled;
	}
	vm_slot_unlock(slot, page);
	if (page != filled) {
		vm_page_release(filled);
	}
	return result;
}

/*
 * The slot of a shadow is empty, and must not stay so: it is written to, or other maps have it too. It gets a
 * copy of the file's page, and the translation may be the file's still.
 */
static int
fault_copy_file_page(vm_map_t map, vm_map_entry_t entry, vm_object_t object, uintptr_t *slot,
    vm_map_offset_t va, vm_prot_t access, vm_page_t file_page)
{
	vm_page_t copy = vm_page_grab_user();
	int result;

	if (copy == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	page_copy(vm_page_kva(copy), vm_page_kva(file_page));
	result = fault_fill_slot(map, entry, object, slot, va, access, copy);
	if (result == KERN_SUCCESS) {
		os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_copied, 1);
	}
	return result;
}

/* The slot of a purgeable object is empty: the translation may be that of a page which has just been thrown away. */
static int
fault_zero_purgeable(vm_map_t map, vm_map_entry_t entry, vm_object_t object, uintptr_t *slot,
    vm_map_offset_t va, vm_prot_t access)
{
	vm_page_t page = vm_page_grab_zero_user();
	int result;

	if (page == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	result = fault_fill_slot(map, entry, object, slot, va, access, page);
	if (result == KERN_SUCCESS) {
		os_counter_add(&PERCPU_GET(vm_page_cpu)->vpc_zero_filled, 1);
	}
	return result;
}

/*
 * Fault-around: a program that reads a page right behind one that is mapped reads on, and what comes next costs a
 * tenth of a fault now. The pages are those whose slots are in the line that the fault has written anyway, and that
 * are in memory. A lone fault pays for a look at the page table's entry before its own.
 *
 * Not for programs' text, which is jumped around in (a child of fork and a small program use few of their pages),
 * and not for memory that may be written to: a page that is mapped must be unmapped before its copy takes its place.
 */
#define FAULT_AROUND_PAGES (OS_CACHELINE / sizeof(uintptr_t))

/* A run of pages of a shadow around the one that faulted. */
struct fault_around {
	uintptr_t *slots, *file_slots; /* of the first page */
	vm_map_offset_t va;
	uint32_t count;
	uint32_t locked; /* bit i: slots[i] is locked, and pages[i] set */
	vm_page_t pages[FAULT_AROUND_PAGES];
};

/* The pages of the same slot lines, of the shadow and of the file, and of one page table. */
OS_INLINE void
around_bound(struct fault_around *a, uint64_t index, uint64_t file_index, vm_map_offset_t va)
{
	const uint64_t line = FAULT_AROUND_PAGES - 1, table = ARM_PTE_COUNT - 1;
	uint64_t before = os_min(index & line, file_index & line);
	uint64_t behind = os_min(~index & line, ~file_index & line);

	before = os_min(before, atop(va) & table);
	behind = os_min(behind, ~atop(va) & table);
	a->count = (uint32_t)(before + behind + 1);
	a->va = va - ptoa(before);
	a->slots -= before;
	a->file_slots -= before;
	a->locked = 0;
}

OS_INLINE void
around_unlock(const struct fault_around *a)
{
	for (uint32_t locked = a->locked; locked != 0; locked &= locked - 1) {
		vm_slot_unlock(&a->slots[__builtin_ctz(locked)], NULL);
	}
}

/* Locks the empty slots whose pages the file has; none if one of these is busy. */
OS_INLINE void
around_lock(struct fault_around *a)
{
	uintptr_t busy = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		uintptr_t word = os_atomic_load(&a->file_slots[i], acquire); /* pairs with vm_slot_unlock */
		vm_page_t page = vm_slot_page(word);

		if (page != NULL && os_atomic_load(&a->slots[i], relaxed) == 0 &&
		    os_atomic_cmpxchg(&a->slots[i], (uintptr_t)0, VM_SLOT_LOCKED, seq_cst)) { /* [F1] */
			a->pages[i] = page;
			a->locked |= 1U << i;
			busy |= word;
		}
	}
	if (os_unlikely(vm_slot_is_busy(busy))) {
		around_unlock(a);
		a->locked = 0;
	}
}

/* With the slots locked: which of them are the entry's still. */
OS_INLINE uint32_t
around_inside(vm_map_entry_t entry, const struct fault_around *a)
{
	vm_map_offset_t start = os_atomic_load(&entry->vme_start, relaxed);
	vm_map_offset_t end = os_atomic_load(&entry->vme_end, relaxed);
	uint32_t inside = a->locked;

	if (start > a->va) {
		inside &= ~0U << atop(start - a->va);
	}
	if (end < a->va + ptoa((vm_map_offset_t)a->count)) {
		inside &= (1U << atop(end - a->va)) - 1;
	}
	return inside;
}

static OS_NOINLINE void
fault_around(
    vm_map_t map, vm_map_entry_t entry, vm_object_t object, struct fault_around *a, vm_map_offset_t va)
{
	vm_prot_t prot;

	around_lock(a);
	if (a->locked == 0) {
		return;
	}
	if (!(os_atomic_load(&object->vo_flags, relaxed) & VO_WRITE_SHARED) &&
	    fault_check(entry, object, va, VM_PROT_READ, &prot) == KERN_SUCCESS && !(prot & VM_PROT_WRITE)) {
		pmap_enter_absent(map->vmm_pmap, a->va, a->pages, around_inside(entry, a), prot);
	}
	around_unlock(a);
}

/* A translation of the file's page, without the right to write; the slot stays empty. */
static int
fault_map_file_page(vm_map_t map, vm_map_entry_t entry, vm_object_t object, uintptr_t *slot,
    vm_map_offset_t va, vm_prot_t access, vm_page_t file_page)
{
	vm_page_t page = vm_slot_lock(slot); /* [F1] */
	vm_prot_t prot;
	int result;

	if (page != NULL || (os_atomic_load(&object->vo_flags, relaxed) & VO_WRITE_SHARED)) {
		result = FAULT_CONTINUE;
	} else {
		result = fault_check(entry, object, va, access, &prot);
	}
	if (result == KERN_SUCCESS) {
		result = pmap_enter(
		    map->vmm_pmap, va, vm_page_ppnum(file_page), prot & ~VM_PROT_WRITE, PMAP_ENTER_REPLACE);
	}
	vm_slot_unlock(slot, page);
	return result;
}

/*
 * An empty slot of an object that is VO_NOT_PLAIN. The page of the file object is read without a lock: it
 * is not freed before this SMR section ends, and who took it out of the file looks for translations later
 * ([E2], [E3] of vm_pager.h).
 */
static OS_NOINLINE int
fault_not_plain(vm_map_t map, vm_map_entry_t entry, vm_object_t object, uint64_t index, uintptr_t *slot,
    vm_map_offset_t va, vm_prot_t access)
{
	vm_object_t file = object;
	uint64_t file_index = index;
	uintptr_t *file_slot, word;
	vm_page_t page;
	int result;

	if (object->vo_flags & VO_SHADOW) {
		file = object->vo_backing;
		file_index = index + object->vo_backing_page;
	} else if (object->vo_flags & VO_PURGEABLE) {
		return fault_zero_purgeable(map, entry, object, slot, va, access);
	}
	if (file_index >= atop(os_atomic_load(&file->vo_size, relaxed) + PAGE_MASK)) {
		return KERN_MEMORY_ERROR;
	}
	file_slot = vm_object_slot(file, file_index);
	/* acquire: the contents; pairs with the unlock that put the page there. */
	word = file_slot == NULL ? 0 : os_atomic_load(file_slot, acquire);
	page = vm_slot_page(word);
	if (page == NULL || vm_slot_is_busy(word)) {
		return fault_fetch(file, file_index);
	}
	if (file == object) {
		return FAULT_CONTINUE;
	}
	if ((access & VM_PROT_WRITE) || (os_atomic_load(&object->vo_flags, relaxed) & VO_WRITE_SHARED)) {
		return fault_copy_file_page(map, entry, object, slot, va, access, page);
	}
	result = fault_map_file_page(map, entry, object, slot, va, access, page);
	if (result == KERN_SUCCESS &&
	    !(os_atomic_load(&entry->vme_attr, relaxed) & (VM_PROT_WRITE | VM_PROT_EXECUTE)) &&
	    pmap_follows_mapped(map->vmm_pmap, va)) {
		struct fault_around around; /* the pages are not initialised */

		around.slots = slot;
		around.file_slots = file_slot;
		around_bound(&around, index, file_index, va);
		fault_around(map, entry, object, &around, va);
	}
	return result;
}

/* One attempt. In an SMR section. */
OS_INLINE int
fault_try(
    vm_map_t map, vm_map_offset_t va, vm_prot_t access, struct fault_pages *pages, struct vm_page_cpu *cpu)
{
	vm_map_entry_t entry = vm_map_lookup_entry(map, va);
	vm_object_t object;
	uintptr_t *slot;
	vm_page_t page;
	uint64_t index;
	uint32_t attr;
	int result;

	if (os_unlikely(entry == NULL)) {
		return KERN_INVALID_ADDRESS;
	}
	attr = os_atomic_load(&entry->vme_attr, relaxed);
	if (os_unlikely(!fault_allowed(attr, access))) {
		result = fault_refused(attr, access);
		if (result != KERN_SUCCESS) {
			return result;
		}
	}
	object = os_atomic_load_dependency(&entry->vme_object);
	if (os_unlikely(object == NULL)) {
		object = fault_new_object(entry);
		if (object == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	if (os_unlikely(object == VME_OBJECT_DEAD)) {
		return FAULT_WAIT;
	}
	index = vme_object_page(entry->vme_bias, va);
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
	if (os_likely(os_atomic_load(slot, relaxed) == 0)) {
		if (os_unlikely(object->vo_flags & VO_NOT_PLAIN)) {
			return fault_not_plain(map, entry, object, index, slot, va, access);
		}
		if (os_likely(pages->fresh == NULL)) {
			pages->fresh = vm_page_grab_zero_user();
		}
		if (pages->fresh == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	} else if (os_unlikely(pages->fresh != NULL)) {
		vm_page_release(pages->fresh); /* of an earlier attempt */
		pages->fresh = NULL;
	}
	page = vm_slot_lock(slot); /* [F1] */
	result = fault_install(map, entry, object, va, access, &page, pages, cpu);
	vm_slot_unlock(slot, page);
	return result;
}

/* Until whoever has the entry locked is done. */
static kern_return_t
fault_wait(vm_map_t map, vm_map_offset_t va)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(map, va, &slot);

	if (entry != NULL) {
		vm_index_unlock_slot(slot);
	}
	return KERN_SUCCESS;
}

/* Gives the entry that covers the page an object of its own. */
static kern_return_t
fault_copy_object(vm_map_t map, vm_map_offset_t va)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(map, va, &slot);
	kern_return_t kr = KERN_SUCCESS;

	if (entry != NULL) {
		kr = vm_map_entry_own_object(entry);
		vm_index_unlock_slot(slot);
	}
	return kr;
}

/* Has the pager bring the page, with a reference to the object and no lock. */
static kern_return_t
fault_page_in(vm_map_t map, vm_map_offset_t va)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(map, va, &slot);
	vm_object_t object = NULL;
	uint64_t index = 0;
	kern_return_t kr;

	if (entry != NULL) {
		object = vm_map_entry_object(entry);
		index = vme_object_page(entry->vme_bias, va);
		if (object != NULL && (object->vo_flags & VO_SHADOW)) {
			index += object->vo_backing_page;
			object = object->vo_backing;
		}
		if (object != NULL) {
			vm_object_reference(object);
		}
		vm_index_unlock_slot(slot);
	}
	if (object == NULL) {
		return KERN_SUCCESS;
	}
	kr = (object->vo_flags & VO_FILE) ? vm_object_page_in(object, index) : KERN_SUCCESS;
	vm_object_deallocate(object);
	return kr;
}

static OS_NOINLINE kern_return_t
fault_prepare(vm_map_t map, vm_map_offset_t va, int what)
{
	switch (what) {
	case FAULT_WAIT:
		return fault_wait(map, va);
	case FAULT_COPY:
		return fault_copy_object(map, va);
	case FAULT_PAGE_IN:
		return fault_page_in(map, va);
	case FAULT_CONTINUE:
		return KERN_SUCCESS;
	default:
		return what;
	}
}

/* Sees to what an attempt lacked. Not KERN_SUCCESS: the fault ends with it. */
static OS_NOINLINE kern_return_t
fault_retry(vm_map_t map, vm_map_offset_t va, int what)
{
	kern_return_t kr = fault_prepare(map, va, what);

	return kr == KERN_RESOURCE_SHORTAGE && vm_page_wait() ? KERN_SUCCESS : kr;
}

/*
 * No entry describes the shared region. Nor the commpage: writing to it is not the same as touching nothing.
 */
static OS_NOINLINE kern_return_t
fault_error(vm_map_t map, vm_map_offset_t va, vm_prot_t access, kern_return_t kr)
{
	ppnum_t pn;
	vm_prot_t prot;

	if (kr == KERN_INVALID_ADDRESS && va - SHARED_REGION_BASE < SHARED_REGION_SIZE) {
		return vm_shared_region_fault(map, va, access);
	}
	if (kr == KERN_INVALID_ADDRESS && vm_map_reserved(map, va, va + PAGE_SIZE) &&
	    pmap_lookup(map->vmm_pmap, va, &pn, &prot)) {
		return (access & ~prot) ? KERN_PROTECTION_FAILURE : KERN_SUCCESS;
	}
	return kr;
}

static OS_NOINLINE void
fault_release(const struct fault_pages *pages)
{
	if (pages->fresh != NULL) {
		vm_page_release(pages->fresh);
	}
	if (pages->old != NULL) {
		vm_page_release(pages->old);
	}
}

#define FAULT_EVENT MACHDBG_CODE(DBG_MACH_VM, DBG_MACH_VMFAULT)

OS_INLINE kern_return_t
fault_end(kern_return_t kr)
{
	KDEBUG(FAULT_EVENT | DBG_FUNC_END, 0, 0, kr, 0);
	return kr;
}

OS_INLINE int
fault_attempt(vm_map_t map, vm_map_offset_t va, vm_prot_t access, struct fault_pages *pages)
{
	struct vm_page_cpu *cpu;
	int result;

	smr_enter();
	cpu = PERCPU_GET(vm_page_cpu);
	result = fault_try(map, va, access, pages, cpu);
	os_counter_add(&cpu->vpc_faults, 1);
	smr_leave();
	return result;
}

/*
 * An attempt with the entry locked and, for a write, with an object of its own: so it does not end because others change
 * the entry. fault_attempt waits for no lock of the index.
 */
static int
fault_attempt_locked(vm_map_t map, vm_map_offset_t va, vm_prot_t access, struct fault_pages *pages)
{
	uintptr_t *slot;
	vm_map_entry_t entry = vm_map_lock_entry_at(map, va, &slot);
	int result;

	if (entry == NULL) {
		return fault_attempt(map, va, access, pages);
	}
	result = fault_attempt(map, va, access, pages);
	if (result == FAULT_COPY) {
		result = vm_map_entry_own_object(entry);
		result = result != KERN_SUCCESS ? result : fault_attempt(map, va, access, pages);
	}
	vm_index_unlock_slot(slot);
	return result;
}

/*
 * The first attempt did not do: until one does, or nothing helps. From the third on the entry is locked, or others who go
 * on changing it might make every one of them fail. What is left then is what takes time by itself, each time it is
 * met: memory or a pager to be waited for, and other faults that install a page of the slot.
 */
static OS_NOINLINE int
fault_again(vm_map_t map, vm_map_offset_t va, vm_prot_t access, struct fault_pages *pages, int result)
{
	result = fault_retry(map, va, result);
	if (result == KERN_SUCCESS) {
		result = fault_attempt(map, va, access, pages);
	}
	while (os_unlikely(result < 0 || result == KERN_RESOURCE_SHORTAGE)) {
		result = fault_retry(map, va, result);
		if (result != KERN_SUCCESS) {
			break;
		}
		result = fault_attempt_locked(map, va, access, pages);
	}
	return result;
}

/* The first attempt left something to do: it failed, or pages are left. */
static OS_NOINLINE kern_return_t
fault_finish(vm_map_t map, vm_map_offset_t va, vm_prot_t access, struct fault_pages *pages, int result)
{
	if (result < 0 || result == KERN_RESOURCE_SHORTAGE) {
		result = fault_again(map, va, access, pages, result);
	}
	if (pages->fresh != NULL || pages->old != NULL) {
		fault_release(pages);
	}
	return result == KERN_SUCCESS ? KERN_SUCCESS : fault_error(map, va, access, result);
}

kern_return_t
vm_fault(vm_map_t map, vm_map_offset_t va, vm_prot_t access)
{
	struct fault_pages pages = { NULL, NULL };
	int result;

	assert(preemption_enabled());
	KDEBUG(FAULT_EVENT | DBG_FUNC_START, va >> 32, va, map == kernel_map, access);
	va = trunc_page(va);
	if (os_unlikely(va >= map->vmm_max)) {
		return fault_end(KERN_INVALID_ADDRESS);
	}
	result = fault_attempt(map, va, access, &pages);
	if (os_unlikely(result != KERN_SUCCESS || pages.fresh != NULL || pages.old != NULL)) {
		result = fault_finish(map, va, access, &pages, result);
	}
	return fault_end(result);
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
