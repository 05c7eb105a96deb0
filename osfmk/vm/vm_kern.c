/*
 * Kernel memory and kernel stacks: see vm_kern.h.
 *
 * kernel_map's entries are VME_KERNEL: no object; the page tables alone say which pages they have. The
 * range of an allocation is its owner's, so nothing but the index is locked here.
 */
#include <vm/vm_kern.h>

#include <arm64/vm_layout.h>
#include <kern/alloc_fail.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/preempt.h>
#include <kern/smr.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_page.h>

vm_map_t kernel_map;

#define GUARD_SIZE PAGE_SIZE /* unmapped, behind each allocation */

/* Stacks a CPU keeps: thread creation and exit in turns touch nothing shared. */
#define STACK_CACHE_SIZE 8

struct stack_cache {
	uint32_t sc_count;
	vm_offset_t sc_stacks[STACK_CACHE_SIZE];
};

PERCPU_DATA(struct stack_cache, stack_cache);

LCK_CLASS_DECLARE(stack_list_class, "kernel stacks", LCK_RANK_KSTACK);
static LCK_SPIN_DECLARE(stack_list_lock, &stack_list_class);
/* Stacks no cache had room for, linked through their first word. */
static vm_offset_t stack_list GUARDED_BY(stack_list_lock);

/* Where the first allocation is looked for: up to half of the map behind its start, by the slide's seed. */
static vm_size_t
kmem_slide(void)
{
	return (kernel_slide_seed >> 20 & 0xff) * (KMEM_SIZE / 2 / 256);
}

void
kmem_init(void)
{
	kernel_map = vm_map_create(kernel_pmap, KMEM_BASE, KMEM_BASE + KMEM_SIZE);
	release_assert(kernel_map != NULL);
	vm_map_set_search_base(kernel_map, KMEM_BASE + PAGE_SIZE + kmem_slide());
}

/* The pages of [start, end), unmapped and freed. */
static void
kmem_unpopulate(vm_offset_t start, vm_offset_t end)
{
	vm_page_t pages = NULL;

	for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
		vm_prot_t prot;
		ppnum_t pn;

		if (pmap_lookup(kernel_pmap, va, &pn, &prot)) {
			vm_page_t page = vm_page_from_ppnum(pn);

			page->vmp_next = pages;
			pages = page;
		}
	}
	pmap_remove(kernel_pmap, start, end);
	vm_page_release_list(pages);
}

static kern_return_t
kmem_populate(vm_offset_t start, vm_offset_t end, kmem_flags_t flags)
{
	for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
		vm_page_t page = (flags & KMEM_ZERO) ? vm_page_grab_zero() : vm_page_grab();

		if (page == NULL ||
		    pmap_enter(kernel_pmap, va, vm_page_ppnum(page), VM_PROT_DEFAULT, 0) != KERN_SUCCESS) {
			if (page != NULL) {
				vm_page_release(page);
			}
			kmem_unpopulate(start, va);
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	return KERN_SUCCESS;
}

/* An entry of the kernel map, at a multiple of mask + 1. */
static kern_return_t
kmem_reserve(vm_offset_t *addr, vm_size_t size, vm_offset_t mask)
{
	uint32_t attr = vme_attr_make(VM_PROT_NONE, VM_PROT_NONE, VM_INHERIT_NONE, 0) | VME_KERNEL;
	vm_map_entry_t entry = vm_map_entry_create_locked(attr);
	vm_map_offset_t start = 0;
	kern_return_t kr;

	if (entry == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (alloc_fail_now(ALLOC_FAIL_KMEM)) {
		vm_map_entry_free(entry);
		return KERN_RESOURCE_SHORTAGE;
	}
	kr = vm_map_find_space(kernel_map, &start, size, mask);
	if (kr != KERN_SUCCESS) {
		vm_map_entry_free(entry);
		return kr;
	}
	vm_map_entry_locate(entry, start, start + size, 0);
	vm_index_set_unlock(&kernel_map->vmm_index, vm_map_page(kernel_map, start),
	    vm_map_page(kernel_map, start + size), entry);
	*addr = start;
	return KERN_SUCCESS;
}

static void
kmem_unreserve(vm_offset_t addr, vm_size_t size)
{
	kern_return_t kr = vm_map_remove(kernel_map, addr, addr + size);

	/* The entry is taken out whole, which allocates nothing. */
	release_assert(kr == KERN_SUCCESS);
}

kern_return_t
kmem_alloc(vm_offset_t *addr, vm_size_t size, kmem_flags_t flags)
{
	vm_offset_t start;
	kern_return_t kr;

	size = round_page(size);
	if (size == 0 || size > KMEM_SIZE) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = kmem_reserve(&start, size + GUARD_SIZE, 0);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (!(flags & KMEM_PAGEABLE)) {
		kr = kmem_populate(start, start + size, flags);
		if (kr != KERN_SUCCESS) {
			kmem_unreserve(start, size + GUARD_SIZE);
			return kr;
		}
	}
	*addr = start;
	return KERN_SUCCESS;
}

void
kmem_free(vm_offset_t addr, vm_size_t size)
{
	size = round_page(size);
	kmem_unpopulate(addr, addr + size);
	kmem_unreserve(addr, size + GUARD_SIZE);
}

/* --- stacks --- */

static vm_offset_t
stack_create(void)
{
	vm_offset_t slot, stack;

	if (kmem_reserve(&slot, KERNEL_STACK_SLOT, KERNEL_STACK_SLOT - 1) != KERN_SUCCESS) {
		return 0;
	}
	stack = slot + KERNEL_STACK_SLOT - KERNEL_STACK_SIZE;
	if (kmem_populate(stack, stack + KERNEL_STACK_SIZE, KMEM_NONE) != KERN_SUCCESS) {
		kmem_unreserve(slot, KERNEL_STACK_SLOT);
		return 0;
	}
	return stack;
}

static vm_offset_t
stack_list_pop(void)
{
	bool interrupts = lck_spin_lock_irq(&stack_list_lock);
	vm_offset_t stack = stack_list;

	if (stack != 0) {
		stack_list = *(vm_offset_t *)stack;
	}
	lck_spin_unlock_irq(&stack_list_lock, interrupts);
	return stack;
}

vm_offset_t
kernel_stack_alloc(void)
{
	struct stack_cache *cache;
	vm_offset_t stack = 0;

	disable_preemption();
	cache = PERCPU_GET(stack_cache);
	if (cache->sc_count != 0) {
		stack = cache->sc_stacks[--cache->sc_count];
	}
	enable_preemption();
	if (stack == 0) {
		stack = stack_list_pop();
	}
	return stack != 0 ? stack : stack_create();
}

void
kernel_stack_free(vm_offset_t stack)
{
	struct stack_cache *cache;
	bool interrupts;

	disable_preemption();
	cache = PERCPU_GET(stack_cache);
	if (cache->sc_count < STACK_CACHE_SIZE) {
		cache->sc_stacks[cache->sc_count++] = stack;
		enable_preemption();
		return;
	}
	enable_preemption();
	interrupts = lck_spin_lock_irq(&stack_list_lock);
	*(vm_offset_t *)stack = stack_list;
	stack_list = stack;
	lck_spin_unlock_irq(&stack_list_lock, interrupts);
}

void
kernel_stack_cache_drain(void)
{
	struct stack_cache *cache = PERCPU_GET(stack_cache);
	bool interrupts = lck_spin_lock_irq(&stack_list_lock);

	while (cache->sc_count != 0) {
		vm_offset_t stack = cache->sc_stacks[--cache->sc_count];

		*(vm_offset_t *)stack = stack_list;
		stack_list = stack;
	}
	lck_spin_unlock_irq(&stack_list_lock, interrupts);
}
