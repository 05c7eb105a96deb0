/*
 * The page allocator: see vm_page.h for where free pages live.
 *
 * The fast paths of grab and release work on the CPU's own vm_page_cpu with interrupts masked, which also
 * keeps the thread where it is; interrupt handlers may therefore use them. A CPU holds at most two batches
 * (vpc_free and vpc_spare), so going back and forth across a boundary never reaches the pool.
 */
#include <vm/vm_page.h>

#include <arm64/boot_info.h>
#include <arm64/machine_routines.h>
#include <kern/alloc_fail.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <pexpert/pexpert.h>
#include <vm/vm_page_internal.h>
#include <vm/vm_pageout.h>

/*
 * Pages in a batch: a sixteenth of the CPU's share of RAM, so that at most an eighth of RAM sleeps in
 * caches, within limits that make the pool rare (upper: 4 MiB) and still spread what there is (lower).
 */
#define VM_PAGE_BATCH_MIN 16
#define VM_PAGE_BATCH_MAX 256

/* The last pages, for those who free memory: one in so many of the reserve. */
#define VM_PAGE_LAST_SHARE 4

/* Runs of RAM never handed out: what boot leaves, plus what vm_page_free_boot_range gives. */
#define VM_PAGE_EXTENTS_MAX (BOOT_RESERVED_MAX + 8)

struct vm_page_extent {
	ppnum_t next; /* first frame not handed out */
	ppnum_t end;
};

PERCPU_DATA(struct vm_page_cpu, vm_page_cpu);

struct vm_page *vm_page_bias;
static ppnum_t vm_page_first, vm_page_end; /* frames of RAM */
static uint64_t vm_page_total;             /* pages of RAM that may be used */
static uint32_t vm_page_batch = VM_PAGE_BATCH_MIN;

LCK_CLASS_DECLARE(vm_page_pool_class, "vm page pool", LCK_RANK_VM_PAGE);
static LCK_SPIN_DECLARE(vm_page_pool_lock, &vm_page_pool_class);
static struct vm_page *pool_batches GUARDED_BY(vm_page_pool_lock);
static uint64_t pool_pages GUARDED_BY(vm_page_pool_lock); /* in batches and extents; atomic for readers */
/* Marks of vm_page.h; constant after boot. */
static uint64_t pool_low, pool_target, pool_reserve;

static struct vm_page_extent extents[VM_PAGE_EXTENTS_MAX] GUARDED_BY(vm_page_pool_lock);
static unsigned extent_count GUARDED_BY(vm_page_pool_lock);

OS_INLINE uint64_t
irq_save(void)
{
	uint64_t daif;

	__asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif)::"memory");
	return daif;
}

OS_INLINE void
irq_restore(uint64_t daif)
{
	__asm__ volatile("msr daif, %0" ::"r"(daif) : "memory");
}

OS_INLINE void
page_hand_out(struct vm_page *page)
{
	page->vmp_refs = 1;
	page->vmp_state = VM_PAGE_USED;
	page->vmp_flags = 0;
}

static void
pool_pages_add(int64_t pages) REQUIRES(vm_page_pool_lock)
{
	os_atomic_store(&pool_pages, pool_pages + (uint64_t)pages, relaxed);
}

/* What a CPU reserves at once: less when there is little. */
static uint32_t
reservation_size(void) REQUIRES(vm_page_pool_lock)
{
	uint64_t most = (uint64_t)vm_page_batch * VM_PAGE_RESERVATION_BATCHES;

	return (uint32_t)os_min(most, os_max(pool_pages / 16, (uint64_t)VM_PAGE_BATCH_MIN));
}

/*
 * One page out of the pool's extents; the smaller runs first, so that contiguous requests keep the big
 * ones.
 */
static bool
pool_take_extent(uint32_t want, ppnum_t *next, ppnum_t *end) REQUIRES(vm_page_pool_lock)
{
	for (unsigned i = 0; i < extent_count; i++) {
		struct vm_page_extent *extent = &extents[i];
		uint32_t have = extent->end - extent->next;

		if (have != 0) {
			*next = extent->next;
			extent->next += os_min(have, want);
			*end = extent->next;
			pool_pages_add(-(int64_t)(*end - *next));
			return true;
		}
	}
	return false;
}

/* The first pages, at most so many, of the pool's first batch. */
static void
pool_take_batch(struct vm_page_cpu *cpu, uint64_t most) REQUIRES(vm_page_pool_lock)
{
	struct vm_page *first = pool_batches, *last = first;
	uint32_t count = first->vmp_batch_count;

	pool_batches = first->vmp_batch;
	if (os_unlikely(count > most)) {
		for (uint64_t i = 1; i < most; i++) {
			last = last->vmp_next;
		}
		pool_batches = last->vmp_next;
		pool_batches->vmp_batch_count = count - (uint32_t)most;
		pool_batches->vmp_batch = first->vmp_batch;
		last->vmp_next = NULL;
		count = (uint32_t)most;
	}
	cpu->vpc_free = first;
	cpu->vpc_count = count;
	pool_pages_add(-(int64_t)count);
}

bool
vm_page_privileged(void)
{
	thread_t self = current_thread();

	return self->task == TASK_NULL || self->task == kernel_task || self->vm_privilege ||
	       vm_thread_must_end();
}

bool
vm_page_privilege(bool set)
{
	thread_t self = current_thread();
	bool before = self->vm_privilege;

	self->vm_privilege = set;
	return before;
}

/* What the caller has to leave in the pool. */
static uint64_t
pool_floor(bool user)
{
	return user ? pool_reserve : vm_page_privileged() ? 0 : pool_reserve / VM_PAGE_LAST_SHARE;
}

/*
 * The CPU has no free page: a batch from the pool, or a reservation of never-used pages. Of the reserve just one page,
 * since a program may take what is in the CPU's cache. Interrupts masked.
 */
static OS_COLD bool
vm_page_refill(struct vm_page_cpu *cpu, bool user)
{
	bool more = true, low;
	uint64_t most;

	lck_spin_lock_nopreempt(&vm_page_pool_lock);
	most = pool_pages > pool_reserve ? pool_pages - pool_reserve : 1;
	if (pool_pages <= pool_floor(user)) {
		more = false;
	} else if (pool_batches != NULL) {
		pool_take_batch(cpu, most);
	} else {
		more = pool_take_extent(
		    (uint32_t)os_min(most, (uint64_t)reservation_size()), &cpu->vpc_new, &cpu->vpc_new_end);
	}
	low = pool_pages < pool_low;
	lck_spin_unlock_nopreempt(&vm_page_pool_lock);
	if (os_unlikely(low)) {
		vm_pageout_wake();
	}
	return more;
}

/* Next page of the spare batch, of the reservation or of the pool. Interrupts masked. */
static OS_NOINLINE vm_page_t
vm_page_grab_slow(struct vm_page_cpu *cpu, bool user)
{
	for (;;) {
		vm_page_t page = cpu->vpc_free;

		if (page == NULL && cpu->vpc_spare != NULL) {
			page = cpu->vpc_spare;
			cpu->vpc_count = cpu->vpc_spare_count;
			cpu->vpc_spare = NULL;
			cpu->vpc_spare_count = 0;
		}
		if (page != NULL) {
			cpu->vpc_free = page->vmp_next;
			cpu->vpc_count--;
			return page;
		}
		if (cpu->vpc_new != cpu->vpc_new_end) {
			return vm_page_from_ppnum(cpu->vpc_new++);
		}
		if (!vm_page_refill(cpu, user)) {
			return NULL;
		}
	}
}

OS_INLINE vm_page_t
page_take(bool user)
{
	uint64_t daif = irq_save();
	struct vm_page_cpu *cpu = PERCPU_GET(vm_page_cpu);
	vm_page_t page;

	page = cpu->vpc_free;
	if (os_likely(page != NULL)) {
		cpu->vpc_free = page->vmp_next;
		cpu->vpc_count--;
	} else {
		page = vm_page_grab_slow(cpu, user);
		if (page == NULL) {
			irq_restore(daif);
			return NULL;
		}
	}
	irq_restore(daif);
	page_hand_out(page);
	return page;
}

OS_INLINE vm_page_t
page_grab(bool user)
{
	return alloc_fail_now(ALLOC_FAIL_PAGE) ? NULL : page_take(user);
}

OS_INLINE vm_page_t
page_grab_zero(bool user)
{
	vm_page_t page = page_grab(user);

	if (os_likely(page != NULL)) {
		page_zero(vm_page_kva(page));
	}
	return page;
}

vm_page_t
vm_page_grab(void)
{
	return page_grab(false);
}

vm_page_t
vm_page_grab_last(void)
{
	bool before = vm_page_privilege(true);
	vm_page_t page = page_take(false);

	(void)vm_page_privilege(before);
	return page;
}

vm_page_t
vm_page_grab_user(void)
{
	return page_grab(true);
}

vm_page_t
vm_page_grab_zero(void)
{
	return page_grab_zero(false);
}

vm_page_t
vm_page_grab_zero_user(void)
{
	return page_grab_zero(true);
}

/* A list of pages becomes a batch of the pool. Interrupts masked. */
static void
pool_give_batch(struct vm_page *first, uint32_t count)
{
	first->vmp_batch_count = count;
	lck_spin_lock_nopreempt(&vm_page_pool_lock);
	first->vmp_batch = pool_batches;
	pool_batches = first;
	pool_pages_add(count);
	lck_spin_unlock_nopreempt(&vm_page_pool_lock);
}

/* vpc_free holds a whole batch: it becomes the spare, and the spare goes to the pool. Interrupts masked. */
static OS_NOINLINE void
vm_page_rotate(struct vm_page_cpu *cpu)
{
	struct vm_page *surplus = cpu->vpc_spare;
	uint32_t count = cpu->vpc_spare_count;

	cpu->vpc_spare = cpu->vpc_free;
	cpu->vpc_spare_count = cpu->vpc_count;
	cpu->vpc_free = NULL;
	cpu->vpc_count = 0;
	if (surplus != NULL) {
		pool_give_batch(surplus, count);
	}
}

OS_INLINE void
vm_page_push(struct vm_page_cpu *cpu, vm_page_t page)
{
	assert(page->vmp_state == VM_PAGE_USED);
	page->vmp_state = VM_PAGE_FREE;
	page->vmp_next = cpu->vpc_free;
	cpu->vpc_free = page;
	if (os_unlikely(++cpu->vpc_count >= vm_page_batch)) {
		vm_page_rotate(cpu);
	}
}

void
vm_page_cpu_drain(void)
{
	struct vm_page_cpu *cpu = PERCPU_GET(vm_page_cpu);

	while (cpu->vpc_new != cpu->vpc_new_end) {
		vm_page_t page = vm_page_from_ppnum(cpu->vpc_new++);

		page_hand_out(page);
		vm_page_push(cpu, page);
	}
	vm_page_rotate(cpu); /* the spare batch to the pool; what is free becomes the spare one */
	vm_page_rotate(cpu);
}

void
vm_page_release(vm_page_t page)
{
	uint64_t daif = irq_save();

	vm_page_push(PERCPU_GET(vm_page_cpu), page);
	irq_restore(daif);
}

void
vm_page_release_list(vm_page_t first)
{
	while (first != NULL) {
		vm_page_t next = first->vmp_next;

		vm_page_release(first);
		first = next;
	}
}

void
vm_page_ref(vm_page_t page)
{
	os_atomic_inc(&page->vmp_refs, relaxed);
}

/* Takes [start, end) out of the extents. Boot only. */
static void
extents_exclude(pmap_paddr_t start, pmap_paddr_t end) REQUIRES(vm_page_pool_lock)
{
	ppnum_t first = (ppnum_t)atop(start), last = (ppnum_t)atop(round_page(end));

	for (unsigned i = 0; i < extent_count; i++) {
		struct vm_page_extent *extent = &extents[i];

		if (last <= extent->next || first >= extent->end) {
			continue;
		}
		if (first > extent->next && last < extent->end) {
			release_assert(extent_count < VM_PAGE_EXTENTS_MAX);
			extents[extent_count++] = (struct vm_page_extent){ last, extent->end };
			extent->end = first;
		} else if (first > extent->next) {
			extent->end = first;
		} else {
			extent->next = os_min(last, extent->end);
		}
	}
}

/* The structs come from the space behind the kernel image; they need not be cleared. */
static void
vm_page_array_place(void)
{
	size_t bytes = (size_t)(vm_page_end - vm_page_first) * sizeof(struct vm_page);
	pmap_paddr_t where = round_page(boot_info.first_free);

	boot_info.first_free = where + round_page(bytes);
	vm_page_bias = (struct vm_page *)phystoptr(where) - vm_page_first;
}

/* The boot argument maxmem=MiB: RAM behind that is not used, but for what boot has put there. */
static void
exclude_beyond_maxmem(void) REQUIRES(vm_page_pool_lock)
{
	uint64_t mib;

	if (pe_boot_arg_number("maxmem", &mib) && mib < (boot_info.ram.end - boot_info.ram.start) >> 20) {
		extents_exclude(boot_info.ram.start + (mib << 20), boot_info.ram.end);
		vm_page_total = mib << (20 - PAGE_SHIFT);
	}
}

/* Low: a 32nd of RAM, and what a few CPUs take at once; the target is half more. Reserve: a quarter of low. */
static void
pool_marks_set(void)
{
	uint64_t total = vm_page_total;

	pool_low = os_max(total / 32, 2 * (uint64_t)vm_page_batch);
	pool_target = pool_low + pool_low / 2;
	pool_reserve = pool_low / 4;
}

void
vm_page_bootstrap(void)
{
	uint64_t share;

	vm_page_first = (ppnum_t)atop(boot_info.ram.start);
	vm_page_end = (ppnum_t)atop(boot_info.ram.end);
	vm_page_total = vm_page_end - vm_page_first;
	share = vm_page_total / (16 * (uint64_t)cpu_count);
	vm_page_batch = (uint32_t)os_max(VM_PAGE_BATCH_MIN, os_min(share, (uint64_t)VM_PAGE_BATCH_MAX));
	vm_page_array_place();
	boot_alloc_finish();

	lck_spin_lock(&vm_page_pool_lock);
	extents[0] = (struct vm_page_extent){ vm_page_first, vm_page_end };
	extent_count = 1;
	for (unsigned i = 0; i < boot_info.reserved_count; i++) {
		extents_exclude(boot_info.reserved[i].start, boot_info.reserved[i].end);
	}
	extents_exclude(kernel_phys_base, boot_info.first_free);
	exclude_beyond_maxmem();
	for (unsigned i = 0; i < extent_count; i++) {
		pool_pages_add(extents[i].end - extents[i].next);
	}
	pool_marks_set();
	lck_spin_unlock(&vm_page_pool_lock);
}

void
vm_page_free_boot_range(pmap_paddr_t start, pmap_paddr_t end)
{
	ppnum_t first = (ppnum_t)atop(round_page(start)), last = (ppnum_t)atop(trunc_page(end));
	bool interrupts;

	if (first >= last) {
		return;
	}
	interrupts = lck_spin_lock_irq(&vm_page_pool_lock);
	if (extent_count < VM_PAGE_EXTENTS_MAX) {
		extents[extent_count++] = (struct vm_page_extent){ first, last };
		pool_pages_add(last - first);
	}
	lck_spin_unlock_irq(&vm_page_pool_lock, interrupts);
}

void
vm_page_adopt_boot_range(pmap_paddr_t start, pmap_paddr_t end)
{
	assert(page_aligned(start | end));
	for (; start < end; start += PAGE_SIZE) {
		vm_page_t page = vm_page_from_ppnum((ppnum_t)atop(start));

		page->vmp_refs = 1;
		page->vmp_state = VM_PAGE_BOOT;
		page->vmp_flags = 0;
	}
}

vm_page_t
vm_page_grab_contiguous(unsigned npages)
{
	vm_page_t first = NULL;
	bool interrupts = lck_spin_lock_irq(&vm_page_pool_lock);

	for (unsigned i = 0; i < extent_count && first == NULL; i++) {
		struct vm_page_extent *extent = &extents[i];

		if (extent->end - extent->next >= npages) {
			first = vm_page_from_ppnum(extent->next);
			extent->next += npages;
			pool_pages_add(-(int64_t)npages);
		}
	}
	lck_spin_unlock_irq(&vm_page_pool_lock, interrupts);
	for (unsigned i = 0; first != NULL && i < npages; i++) {
		page_hand_out(first + i);
	}
	return first;
}

enum vm_page_pool_level
vm_page_pool_level(void)
{
	uint64_t pages = os_atomic_load(&pool_pages, relaxed);

	return pages <= pool_reserve ? VM_PAGE_POOL_RESERVE
	       : pages < pool_low    ? VM_PAGE_POOL_LOW
				     : VM_PAGE_POOL_ENOUGH;
}

uint64_t
vm_page_pool_missing(void)
{
	uint64_t pages = os_atomic_load(&pool_pages, relaxed);

	return pages < pool_target ? pool_target - pages : 0;
}

/* Reserved pages that were never handed out, as a list. */
static struct vm_page *
drain_reservation(struct vm_page_cpu *cpu)
{
	struct vm_page *list = NULL;

	while (cpu->vpc_new != cpu->vpc_new_end) {
		struct vm_page *page = vm_page_from_ppnum(--cpu->vpc_new_end);

		page->vmp_state = VM_PAGE_FREE;
		page->vmp_next = list;
		list = page;
	}
	return list;
}

static void
drain_this_cpu(void *arg)
{
	struct vm_page_cpu *cpu = PERCPU_GET(vm_page_cpu);
	uint32_t reserved = cpu->vpc_new_end - cpu->vpc_new;
	struct vm_page *list;

	(void)arg;
	if (cpu->vpc_free != NULL) {
		pool_give_batch(cpu->vpc_free, cpu->vpc_count);
		cpu->vpc_free = NULL;
		cpu->vpc_count = 0;
	}
	if (cpu->vpc_spare != NULL) {
		pool_give_batch(cpu->vpc_spare, cpu->vpc_spare_count);
		cpu->vpc_spare = NULL;
		cpu->vpc_spare_count = 0;
	}
	list = drain_reservation(cpu);
	if (list != NULL) {
		pool_give_batch(list, reserved);
	}
}

void
vm_page_drain_caches(void)
{
	cpu_call_all(drain_this_cpu, NULL);
}

void
vm_page_get_counts(struct vm_page_counts *out)
{
	*out =
	    (struct vm_page_counts){ .total = vm_page_total, .free = os_atomic_load(&pool_pages, relaxed) };
	percpu_foreach_cpu(cpu)
	{
		const struct vm_page_cpu *pc = PERCPU_GET_CPU(vm_page_cpu, cpu);

		out->free +=
		    os_atomic_load(&pc->vpc_count, relaxed) + os_atomic_load(&pc->vpc_spare_count, relaxed);
		out->free +=
		    os_atomic_load(&pc->vpc_new_end, relaxed) - os_atomic_load(&pc->vpc_new, relaxed);
		out->faults += os_atomic_load(&pc->vpc_faults, relaxed);
		out->zero_filled += os_atomic_load(&pc->vpc_zero_filled, relaxed);
		out->copied += os_atomic_load(&pc->vpc_copied, relaxed);
		out->paged_in += os_atomic_load(&pc->vpc_paged_in, relaxed);
	}
}

void
vm_page_get_cpu_counts(unsigned cpu, struct vm_page_counts *out)
{
	const struct vm_page_cpu *pc = PERCPU_GET_CPU(vm_page_cpu, cpu);

	*out = (struct vm_page_counts){ .faults = os_atomic_load(&pc->vpc_faults, relaxed),
		.zero_filled = os_atomic_load(&pc->vpc_zero_filled, relaxed),
		.copied = os_atomic_load(&pc->vpc_copied, relaxed),
		.paged_in = os_atomic_load(&pc->vpc_paged_in, relaxed) };
}

void page_zero_zva(void *kva);
void page_zero_stores(void *kva);

#define DCZID_DZP (1U << 4) /* DC ZVA prohibited */
#define DCZID_BS  0xfU      /* log2 of the words it clears: 4 is 64 bytes */

void
page_zero(void *kva)
{
	uint64_t dczid;

	__asm__("mrs %0, dczid_el0" : "=r"(dczid));
	if (os_likely((dczid & (DCZID_DZP | DCZID_BS)) == 4)) {
		page_zero_zva(kva);
	} else {
		page_zero_stores(kva);
	}
}
