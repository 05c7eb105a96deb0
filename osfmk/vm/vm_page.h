/*
 * Physical pages.
 *
 * Every page of RAM has a struct vm_page of exactly one cache line, in one array, so that two CPUs working on
 * neighbouring pages share nothing and page <-> physical address is arithmetic. The structs are initialised
 * when a page is first handed out, not at boot.
 *
 * Free pages live in three places:
 *	caches		of each CPU: grab and release touch only the CPU's own line, interrupts masked
 *	reservation	of each CPU: never-used pages, taken from the pool a few batches at a time
 *	pool		batches that CPUs gave back, and the extents of RAM never handed out; one spin
 *			lock (LCK_RANK_VM_PAGE), taken once a batch
 * Contents of a page from vm_page_grab are undefined; vm_page_grab_zero clears it.
 *
 * vmp_refs counts the object slots that hold a page (copy-on-write shares pages between objects); a page that
 * is in no object (page table, zone, kernel memory) has 1. Who gives a reference back has no translation to the page
 * left: whoever stays alone with it writes to it or frees it.
 */
#pragma once

#include <os/atomic.h>
#include <vm/vm_types.h>

struct vm_page {
	struct vm_page *vmp_next;  /* owner: free list, or the batch of an unmap in progress */
	uint32_t vmp_refs;         /* atomic; 1 -> 2 only under the lock of the slot that holds the 1 */
	uint16_t vmp_state;        /* enum vm_page_state; owner */
	uint16_t vmp_flags;        /* VM_PAGE_*; under the slot lock, or by the only owner */
	struct vm_page *vmp_batch; /* free, head of a batch in the pool: the next batch */
	uint32_t vmp_batch_count;  /* free, head of a batch: pages in it */
	uint8_t vmp_used;          /* in a listed object: used since page-out looked; atomic, no order */
	uint8_t vmp_unused[3];
	uint64_t vmp_reserved[4];
} OS_CACHE_ALIGNED;

static_assert(sizeof(struct vm_page) == OS_CACHELINE, "one line per page: nothing shared by neighbours");

enum vm_page_state {
	VM_PAGE_BOOT, /* never handed out: kernel image, ramdisk, or an extent of the pool */
	VM_PAGE_FREE,
	VM_PAGE_USED,
};

#define VM_PAGE_ICACHE_SYNCED  0x0001 /* instruction cache has seen the present contents */
#define VM_PAGE_INCOMPRESSIBLE 0x0002 /* the compressor refused it, and it was not used since */
#define VM_PAGE_CLEAN          0x0004 /* of a file with vpo_data_return: as the pager has it, and mapped to be read */
#define VM_PAGE_AGE_SHIFT      4 /* 3 bits: enum vm_age; after its first use the clocks' alone (vm_reclaim.h) */
#define VM_PAGE_AGE_MASK       0x0070

/* Whoever writes to a page looks for these first: vm_object_page_written. */
#define VM_PAGE_WRITE_MARKS (VM_PAGE_ICACHE_SYNCED | VM_PAGE_CLEAN)

/* Array over the page frames, biased: page of frame pn is vm_page_bias + pn. Set at boot, then read-only. */
extern struct vm_page *vm_page_bias;

OS_INLINE vm_page_t
vm_page_from_ppnum(ppnum_t pn)
{
	return vm_page_bias + pn;
}

OS_INLINE ppnum_t
vm_page_ppnum(vm_page_t page)
{
	return (ppnum_t)(page - vm_page_bias);
}

OS_INLINE pmap_paddr_t
vm_page_paddr(vm_page_t page)
{
	return ptoa((pmap_paddr_t)vm_page_ppnum(page));
}

/* Its contents, through the physical map. */
OS_INLINE void *
vm_page_kva(vm_page_t page)
{
	return phystoptr(vm_page_paddr(page));
}

OS_INLINE vm_page_t
vm_page_from_kva(const void *kva)
{
	return vm_page_from_ppnum((ppnum_t)atop(kvtophys((vm_offset_t)kva)));
}

/* Takes over RAM from boot_info. Boot CPU, before anything allocates. */
void vm_page_bootstrap(void);

/*
 * A free page with one reference, or NULL when memory is exhausted: when only the last pages are left, which are for
 * threads that free memory (vm_page_privileged). Never blocks; any context.
 */
vm_page_t vm_page_grab(void);
vm_page_t vm_page_grab_zero(void);

/* The same for what is needed to free: may be the last page, and never fails on purpose (<kern/alloc_fail.h>). */
vm_page_t vm_page_grab_last(void);

/*
 * The same for what a program can wait for (vm_page_wait): NULL already when only the reserve is left, which is the
 * kernel's.
 */
vm_page_t vm_page_grab_user(void);
vm_page_t vm_page_grab_zero_user(void);

/* Page-out knows uses through mappings from the page tables; this tells it of any other. */
OS_INLINE void
vm_page_mark_used(vm_page_t page)
{
	os_atomic_store(&page->vmp_used, 1, relaxed);
}

/* Gives back a page whose last reference the caller holds. Never blocks; any context. */
void vm_page_release(vm_page_t page);

/* The same for a chain through vmp_next; cheaper than one by one. */
void vm_page_release_list(vm_page_t first);
/* This CPU goes: the free pages it keeps are the pool's. Interrupts masked. */
void vm_page_cpu_drain(void);

/* One object slot more holds the page. */
void vm_page_ref(vm_page_t page);

/* Does anybody else hold a page that the caller holds? Under the lock of its slot a no is lasting; a yes never is. */
OS_INLINE bool
vm_page_is_shared(vm_page_t page)
{
	/* acquire: what other holders did with the page is over; pairs with vm_page_unref. */
	return os_atomic_load(&page->vmp_refs, acquire) != 1;
}

/*
 * One slot less. True: that was the last, the page is now the caller's to release. A count of 1 is the caller's and
 * cannot grow: it is only raised under the lock of a slot that holds the page.
 */
OS_INLINE bool
vm_page_unref(vm_page_t page)
{
	/* acq_rel: what other holders did with the page is before its next life. */
	return os_likely(!vm_page_is_shared(page)) || os_atomic_dec(&page->vmp_refs, acq_rel) == 0;
}

/* RAM that boot used and nobody needs any more (ramdisk, device tree): whole pages inside the range. */
void vm_page_free_boot_range(pmap_paddr_t start, pmap_paddr_t end);

/*
 * RAM that boot used and that stays in use, as pages that objects may hold: each has one reference of its own
 * that is never dropped. Once, whole pages.
 */
void vm_page_adopt_boot_range(pmap_paddr_t start, pmap_paddr_t end);

/* Physically contiguous pages, for devices and tables; NULL when there is no such run. May scan: boot and
 * drivers only. Freed page by page. */
vm_page_t vm_page_grab_contiguous(unsigned npages);

/*
 * The current thread may take the last pages: one of the kernel's, one that is to end, or one that has vm_privilege set
 * because what it does gives memory back.
 */
bool vm_page_privileged(void);

/* vm_privilege of the current thread; returns what it was. */
bool vm_page_privilege(bool set);

/*
 * Marks of the pool, in pages, by the size of RAM and of a batch. A CPU that finds less than `low` wakes the pageout
 * thread (vm_pageout.h), which works until there are `target`; below `reserve` only the kernel gets pages, one at a
 * time, so that none of them gets into a CPU's cache, and of the last quarter only who is privileged.
 */
enum vm_page_pool_level {
	VM_PAGE_POOL_ENOUGH,
	VM_PAGE_POOL_LOW,
	VM_PAGE_POOL_RESERVE,
};

enum vm_page_pool_level vm_page_pool_level(void);

/* Pages that the pool lacks to its target; 0: none. */
uint64_t vm_page_pool_missing(void);

/* Every CPU gives the pages it has cached to the pool. Thread context; no locks. */
void vm_page_drain_caches(void);

struct vm_page_counts {
	uint64_t total; /* pages of RAM */
	uint64_t free;
	uint64_t zero_filled; /* faults since boot */
	uint64_t copied;
	uint64_t paged_in; /* pages that pagers brought since boot */
	uint64_t faults;
};

/* Sums the per-CPU counters; exact only when nothing runs. */
void vm_page_get_counts(struct vm_page_counts *out);

/* What one CPU counted: faults, zero_filled, copied and paged_in alone. */
void vm_page_get_cpu_counts(unsigned cpu, struct vm_page_counts *out);

/* Whole-page primitives on physical-map addresses. */
void page_zero(void *kva);
void page_copy(void *dst, const void *src);
