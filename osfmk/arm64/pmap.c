/*
 * Page tables: see <vm/pmap.h> for the rules and pmap_internal.h for the geometry.
 *
 * Installing a table: the page is cleared, then linked by compare-exchange (release, so that a walker that
 * sees the link sees zeros; pairs with the address dependency of the walk). The loser of a race gives its
 * page back. Freeing a level 3 table: only by pmap_remove of a range that covers all of it, whose caller
 * keeps everybody else out of that range; the link is cleared, cached walks are invalidated, then the page
 * is free. A table that emptied piece by piece is found by vm_map_collect_tables. Levels 1 and 2 live until pmap_destroy.
 */
#include <arm64/pmap_internal.h>

#include <arm64/boot_info.h>
#include <arm64/commpage.h>
#include <kern/alloc_fail.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <mach/arm/commpage.h>

ZONE_DEFINE(pmap_zone, "pmap", sizeof(struct pmap), ZC_NONE);

static struct pmap kernel_pmap_store;
pmap_t kernel_pmap = &kernel_pmap_store;

#define PTE_COMMON     (ARM_PTE_PAGE | ARM_PTE_AF | ARM_PTE_SH_INNER)
#define PTE_USER       (PTE_COMMON | ARM_PTE_NG | ARM_PTE_AP_USER | ARM_PTE_PXN)
#define PTE_PROTECTION (ARM_PTE_AP_RO | ARM_PTE_UXN | ARM_PTE_PXN)

/* --- descriptors --- */

OS_INLINE pte_t
pte_read_only(vm_prot_t prot)
{
	return (prot & VM_PROT_WRITE) ? 0 : ARM_PTE_AP_RO;
}

OS_INLINE pte_t
pte_make(pmap_t pmap, ppnum_t pn, vm_prot_t prot, unsigned flags)
{
	pte_t pte = ptoa((pte_t)pn);

	if (os_likely(pmap != kernel_pmap)) {
		pte |= PTE_USER;
		pte |= (prot & VM_PROT_EXECUTE) ? 0 : ARM_PTE_UXN;
	} else {
		pte |= PTE_COMMON | ARM_PTE_UXN;
		pte |= (prot & VM_PROT_EXECUTE) ? 0 : ARM_PTE_PXN;
	}
	pte |= pte_read_only(prot);
	if (os_unlikely(flags & (PMAP_ENTER_DEVICE | PMAP_ENTER_NOCACHE))) {
		pte |= ARM_PTE_ATTR((flags & PMAP_ENTER_DEVICE) ? MAIR_DEVICE : MAIR_NORMAL_NC);
	}
	return pte;
}

static vm_prot_t
pte_prot(pmap_t pmap, pte_t pte)
{
	uint64_t never = pmap == kernel_pmap ? ARM_PTE_PXN : ARM_PTE_UXN;

	return VM_PROT_READ | ((pte & ARM_PTE_AP_RO) ? 0 : VM_PROT_WRITE) |
	       ((pte & never) ? 0 : VM_PROT_EXECUTE);
}

/* --- walking --- */

/* Entry for va in the level 3 table, NULL when there is none. */
OS_INLINE pte_t *
pmap_pte(pmap_t pmap, vm_map_offset_t va)
{
	pte_t l1, l2;

	l1 = os_atomic_load(&pmap->pm_table[pte_index(va, ARM_L1_SHIFT)], relaxed);
	if (os_unlikely(!pte_valid(l1))) {
		return NULL;
	}
	l2 = os_atomic_load(&pte_table(l1)[pte_index(va, ARM_L2_SHIFT)], relaxed);
	if (os_unlikely(!pte_valid(l2))) {
		return NULL;
	}
	return &pte_table(l2)[pte_index(va, ARM_L3_SHIFT)];
}

static void
pte_note_used(pte_t *table, unsigned index)
{
	uint64_t *summary = pte_summary(table);
	uint64_t bit = BIT(index >> PTE_SUMMARY_SHIFT);

	if (!(os_atomic_load(summary, relaxed) & bit)) {
		os_atomic_or(summary, bit, relaxed);
	}
}

static pte_t *
pmap_table_alloc(void)
{
	vm_page_t page = alloc_fail_now(ALLOC_FAIL_TABLE) ? NULL : vm_page_grab_zero();

	if (page == NULL) {
		return NULL;
	}
	page->vmp_reserved[0] = 0;
	return vm_page_kva(page);
}

static void
pmap_table_free(pte_t *table)
{
	vm_page_release(vm_page_from_kva(table));
}

/* The table behind table[index], made if there is none. `noted`: the table at hand has a summary. */
static pte_t *
pmap_table_get(pte_t *table, unsigned index, bool noted)
{
	pte_t found = os_atomic_load(&table[index], relaxed);
	pte_t *child;

	if (pte_valid(found)) {
		return pte_table(found);
	}
	child = pmap_table_alloc();
	if (child == NULL) {
		return NULL;
	}
	if (noted) {
		pte_note_used(table, index);
	}
	/* What is found is 0, or ARM_PTE_UNNESTED, which may come meanwhile. */
	while (!os_atomic_cmpxchgv(
	    &table[index], found, kvtophys((vm_offset_t)child) | ARM_PTE_TABLE, &found, release)) {
		if (pte_valid(found)) {
			pmap_table_free(child);
			return pte_table(found);
		}
	}
	return child;
}

/*
 * The kernel's level 1 and 2 tables of the image come from boot code and have no struct vm_page of their
 * own in use.
 */
OS_NOINLINE pte_t *
pmap_pte_alloc(pmap_t pmap, vm_map_offset_t va)
{
	bool noted = pmap != kernel_pmap;
	pte_t *table = pmap_table_get(pmap->pm_table, pte_index(va, ARM_L1_SHIFT), noted);

	if (table != NULL) {
		table = pmap_table_get(table, pte_index(va, ARM_L2_SHIFT), noted);
	}
	return table == NULL ? NULL : &table[pte_index(va, ARM_L3_SHIFT)];
}

/* --- entering --- */

#define CTR_DIC BIT(29) /* instruction caches need no invalidation */
#define CTR_IDC BIT(28) /* data caches need no cleaning to the point of unification */

OS_COLD void
pmap_sync_instructions(vm_page_t page)
{
	uint64_t ctr = sysreg_read(ctr_el0);
	char *kva = vm_page_kva(page);

	if (!(ctr & CTR_IDC)) {
		for (size_t line = 0; line < PAGE_SIZE; line += OS_CACHELINE) {
			__asm__ volatile("dc cvau, %0" ::"r"(kva + line) : "memory");
		}
	}
	dsb(ish);
	if (!(ctr & CTR_DIC)) {
		__asm__ volatile("ic ialluis\n\tdsb ish" ::: "memory");
	}
	isb();
	os_atomic_or(&page->vmp_flags, (uint16_t)VM_PAGE_ICACHE_SYNCED, relaxed);
}

/* Kernel memory is used right after it is entered, without an exception return in between. */
OS_INLINE void
pmap_publish(pmap_t pmap)
{
	if (os_unlikely(pmap == kernel_pmap)) {
		dsb(ishst);
		isb();
	}
}

/* The entry is valid: rights change, another page comes, or a fault had nothing to do. */
static OS_NOINLINE kern_return_t
pmap_enter_valid(pmap_t pmap, vm_map_offset_t va, pte_t *ptep, pte_t old, pte_t new)
{
	if (pte_paddr(old) != pte_paddr(new)) {
		/* Break before make: no CPU may see both. */
		os_atomic_store(ptep, (pte_t)0, relaxed);
		pmap_tlb_invalidate(pmap, va, va + PAGE_SIZE, false);
		os_atomic_store(ptep, new, release); /* as in pmap_enter */
		pmap_publish(pmap);
		return KERN_SUCCESS;
	}
	os_atomic_store(ptep, new, release); /* as in pmap_enter */
	if ((new & ~old &PTE_PROTECTION) != 0) {
		pmap_tlb_invalidate(pmap, va, va + PAGE_SIZE, false);
	} else {
		/*
		 * More rights, or none changed: another CPU with the old entry faults, and comes here
		 * itself.
		 */
		pmap_tlb_invalidate_local(pmap, va);
	}
	return KERN_SUCCESS;
}

/* Of the kernel's half: kernel_pmap translates nothing else, and no other pmap does. */
OS_INLINE bool
va_is_kernel(vm_map_offset_t va)
{
	return va >> 63;
}

/* What pmap_enter leaves: kernel memory, code, devices, and spans that have no table yet (ptep is NULL). */
static OS_NOINLINE kern_return_t
pmap_enter_slow(pmap_t pmap, vm_map_offset_t va, pte_t *ptep, ppnum_t pn, vm_prot_t prot, unsigned flags)
{
	pte_t old, new = pte_make(pmap, pn, prot, flags);

	if (ptep == NULL) {
		ptep = pmap_pte_alloc(pmap, va);
		if (ptep == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	if ((prot & VM_PROT_EXECUTE) && !(vm_page_from_ppnum(pn)->vmp_flags & VM_PAGE_ICACHE_SYNCED)) {
		pmap_sync_instructions(vm_page_from_ppnum(pn));
	}
	old = os_atomic_load(ptep, relaxed);
	if (os_likely(old == 0)) {
		os_atomic_store(ptep, new, release); /* as in pmap_enter */
		pmap_publish(pmap);
		return KERN_SUCCESS;
	}
	assert((flags & PMAP_ENTER_REPLACE) || pte_paddr(old) == pte_paddr(new));
	return pmap_enter_valid(pmap, va, ptep, old, new);
}

kern_return_t
pmap_enter(pmap_t pmap, vm_map_offset_t va, ppnum_t pn, vm_prot_t prot, unsigned flags)
{
	pte_t *ptep = pmap_pte(pmap, va);
	pte_t old, new = ptoa((pte_t)pn) | PTE_USER | ARM_PTE_UXN | pte_read_only(prot);

	assert(va >= pmap->pm_min && va < pmap->pm_max && !pmap_links_table(pmap, va));
	if (os_unlikely(ptep == NULL || va_is_kernel(va) || (prot & VM_PROT_EXECUTE) ||
			(flags & (PMAP_ENTER_DEVICE | PMAP_ENTER_NOCACHE)))) {
		return pmap_enter_slow(pmap, va, ptep, pn, prot, flags);
	}
	old = os_atomic_load(ptep, relaxed);
	if (os_unlikely(old != 0)) {
		assert((flags & PMAP_ENTER_REPLACE) || pte_paddr(old) == pte_paddr(new));
		return pmap_enter_valid(pmap, va, ptep, old, new);
	}
	/*
	 * Release: the page's contents are there before another CPU can reach them through this entry. User code
	 * gets to it by an exception return; a walk that still misses it only faults again.
	 */
	os_atomic_store(ptep, new, release);
	return KERN_SUCCESS;
}

void
pmap_enter_absent(pmap_t pmap, vm_map_offset_t va, const vm_page_t *pages, uint32_t which, vm_prot_t prot)
{
	pte_t *ptep = pmap_pte(pmap, va), attributes = pte_make(pmap, 0, prot, 0);

	assert(pmap != kernel_pmap &&
	       pte_index(va, ARM_L3_SHIFT) + 32 - (unsigned)__builtin_clz(which | 1) <= ARM_PTE_COUNT);
	if (os_unlikely(ptep == NULL)) {
		return;
	}
	for (; which != 0; which &= which - 1) {
		unsigned i = (unsigned)__builtin_ctz(which);

		if (os_atomic_load(&ptep[i], relaxed) == 0 &&
		    (!(prot & VM_PROT_EXECUTE) || (pages[i]->vmp_flags & VM_PAGE_ICACHE_SYNCED))) {
			os_atomic_store(
			    &ptep[i], attributes | vm_page_paddr(pages[i]), release); /* as above */
		}
	}
}

bool
pmap_follows_mapped(pmap_t pmap, vm_map_offset_t va)
{
	pte_t *ptep = pte_index(va, ARM_L3_SHIFT) == 0 ? NULL : pmap_pte(pmap, va);

	return ptep != NULL && pte_valid(os_atomic_load(ptep - 1, relaxed));
}

/* --- ranges --- */

/*
 * End of the part of [va, end) that lies in one table of entries `1 << shift` bytes each times
 * ARM_PTE_COUNT.
 */
OS_INLINE vm_map_offset_t
table_span_end(vm_map_offset_t va, vm_map_offset_t end, unsigned shift)
{
	vm_map_offset_t next = ((va >> shift) + 1) << shift;

	return next - 1 < end - 1 ? next : end;
}

/*
 * Calls fn for each level 3 table of the pmap's own in [start, end): its first entry concerned, how many, and the
 * level 2 entry it hangs from.
 */
typedef void (*pmap_leaf_fn)(pte_t *l2, pte_t *ptep, unsigned count, vm_map_offset_t va, void *context);

static void
pmap_foreach_leaf(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end, pmap_leaf_fn fn, void *context)
{
	for (vm_map_offset_t va = start, next; va < end; va = next) {
		pte_t l1 = os_atomic_load(&pmap->pm_table[pte_index(va, ARM_L1_SHIFT)], relaxed), l2;
		pte_t *l2p;

		if (!pte_valid(l1)) {
			next = table_span_end(va, end, ARM_L1_SHIFT);
			continue;
		}
		next = table_span_end(va, end, ARM_L2_SHIFT);
		l2p = &pte_table(l1)[pte_index(va, ARM_L2_SHIFT)];
		l2 = os_atomic_load(l2p, relaxed);
		if (!pte_valid(l2)) {
			continue;
		}
		__asm__("" : "+r"(l2)); /* keeps two tests of a bit, which are shorter than one of a mask */
		if (os_likely(!(l2 & ARM_PTE_NESTED))) {
			fn(l2p, &pte_table(l2)[pte_index(va, ARM_L3_SHIFT)], (unsigned)atop(next - va), va,
			    context);
		}
	}
}

/* What a removal or protection has to invalidate, and tables that died. */
struct pmap_batch {
	pmap_t pmap;
	vm_map_offset_t first, end; /* range of entries changed; empty when first > end */
	vm_prot_t prot;
	pte_t *dead_tables; /* linked through their first entry */
	uint64_t aged;      /* pmap_age: entries that lost the flag */
};

OS_INLINE void
batch_note(struct pmap_batch *batch, vm_map_offset_t va)
{
	if (va < batch->first) {
		batch->first = va;
	}
	batch->end = va + PAGE_SIZE;
}

static void
batch_finish(struct pmap_batch *batch)
{
	pte_t *table = batch->dead_tables;

	if (batch->first < batch->end || table != NULL) {
		pmap_tlb_invalidate(batch->pmap, batch->first, batch->end, table != NULL);
	}
	while (table != NULL) {
		pte_t *next = (pte_t *)*table;

		pmap_table_free(table);
		table = next;
	}
}

/* The whole table was in the range, and the caller keeps everybody out of it: unlink it. */
static void
batch_retire_table(struct pmap_batch *batch, pte_t *l2, pte_t *table, vm_map_offset_t va)
{
	os_atomic_store(l2, (pte_t)ARM_PTE_UNNESTED, relaxed); /* matters in the shared region alone */
	*table = (pte_t)batch->dead_tables;
	batch->dead_tables = table;
	batch_note(batch, va);
	batch->end = va + (1ULL << ARM_L2_SHIFT);
}

static void
remove_leaf(pte_t *l2, pte_t *ptep, unsigned count, vm_map_offset_t va, void *context)
{
	struct pmap_batch *batch = context;

	for (unsigned i = 0; i < count; i++) {
		if (os_atomic_load(&ptep[i], relaxed) != 0) {
			os_atomic_store(&ptep[i], (pte_t)0, relaxed);
			batch_note(batch, va + ptoa((vm_map_offset_t)i));
		}
	}
	if (count == ARM_PTE_COUNT && batch->pmap != kernel_pmap && !(batch->pmap->pm_flags & PM_NESTED)) {
		batch_retire_table(batch, l2, ptep, va);
	}
}

void
pmap_remove(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end)
{
	struct pmap_batch batch = { .pmap = pmap, .first = UINT64_MAX };

	assert(start >= pmap->pm_min && end <= pmap->pm_max && page_aligned(start | end));
	pmap_foreach_leaf(pmap, start, end, remove_leaf, &batch);
	batch_finish(&batch);
}

/* Another CPU may be entering a page with fewer rights at the same time: both orders end with fewer. */
static void
protect_leaf(pte_t *l2, pte_t *ptep, unsigned count, vm_map_offset_t va, void *context)
{
	struct pmap_batch *batch = context;
	pte_t lost = (batch->prot & VM_PROT_WRITE) ? 0 : ARM_PTE_AP_RO;

	(void)l2;
	if (!(batch->prot & VM_PROT_EXECUTE)) {
		lost |= batch->pmap == kernel_pmap ? ARM_PTE_PXN : ARM_PTE_UXN;
	}
	for (unsigned i = 0; i < count; i++) {
		pte_t old = os_atomic_load(&ptep[i], relaxed);

		while (pte_valid(old) && (old & lost) != lost) {
			if (os_atomic_cmpxchgv(&ptep[i], old, old | lost, &old, relaxed)) {
				batch_note(batch, va + ptoa((vm_map_offset_t)i));
				break;
			}
		}
	}
}

void
pmap_protect(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot)
{
	struct pmap_batch batch = { .pmap = pmap, .first = UINT64_MAX, .prot = prot };

	if ((prot & (VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE)) == VM_PROT_NONE) {
		pmap_remove(pmap, start, end);
		return;
	}
	assert(start >= pmap->pm_min && end <= pmap->pm_max && page_aligned(start | end));
	pmap_foreach_leaf(pmap, start, end, protect_leaf, &batch);
	batch_finish(&batch);
}

/* The architecture lets no TLB keep an entry without the flag: once the old ones are gone, a use faults. */
static void
age_leaf(pte_t *l2, pte_t *ptep, unsigned count, vm_map_offset_t va, void *context)
{
	struct pmap_batch *batch = context;

	(void)l2;
	for (unsigned i = 0; i < count; i++) {
		pte_t old = os_atomic_load(&ptep[i], relaxed);

		while (pte_valid(old) && (old & ARM_PTE_AF)) {
			if (os_atomic_cmpxchgv(&ptep[i], old, old & ~(pte_t)ARM_PTE_AF, &old, relaxed)) {
				batch_note(batch, va + ptoa((vm_map_offset_t)i));
				batch->aged++;
				break;
			}
		}
	}
}

uint64_t
pmap_age(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end)
{
	struct pmap_batch batch = { .pmap = pmap, .first = UINT64_MAX };

	assert(pmap != kernel_pmap && page_aligned(start | end));
	pmap_foreach_leaf(pmap, start, end, age_leaf, &batch);
	batch_finish(&batch);
	return batch.aged;
}

static void
count_leaf(pte_t *l2, pte_t *ptep, unsigned count, vm_map_offset_t va, void *context)
{
	uint64_t *total = context;

	(void)l2;
	(void)va;
	for (unsigned i = 0; i < count; i++) {
		*total += pte_valid(os_atomic_load(&ptep[i], relaxed));
	}
}

uint64_t
pmap_resident_count(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end)
{
	uint64_t total = 0;

	pmap_foreach_leaf(pmap, start, end, count_leaf, &total);
	return total;
}

bool
pmap_next_table(pmap_t pmap, vm_map_offset_t *va, vm_map_offset_t end)
{
	for (vm_map_offset_t at = *va; at < end;) {
		pte_t *l2 = pmap_level2(pmap, at);
		pte_t entry = l2 == NULL ? 0 : os_atomic_load(l2, relaxed);

		if (pte_valid(entry) && !(entry & ARM_PTE_NESTED)) {
			*va = at & ~((1ULL << ARM_L2_SHIFT) - 1);
			return true;
		}
		at = table_span_end(at, end, l2 == NULL ? ARM_L1_SHIFT : ARM_L2_SHIFT);
	}
	return false;
}

bool
pmap_lookup(pmap_t pmap, vm_map_offset_t va, ppnum_t *pn, vm_prot_t *prot)
{
	pte_t *ptep = pmap_pte(pmap, va);
	pte_t pte =
	    ptep == NULL ? 0 : os_atomic_load(ptep, acquire); /* the page's contents; pairs with pmap_enter */

	if (!pte_valid(pte)) {
		return false;
	}
	*pn = (ppnum_t)atop(pte_paddr(pte));
	*prot = pte_prot(pmap, pte);
	return true;
}

bool
pmap_is_referenced(pmap_t pmap, vm_map_offset_t va)
{
	pte_t *ptep = pmap_pte(pmap, va);
	pte_t pte = ptep == NULL ? 0 : os_atomic_load(ptep, relaxed);

	return pte_valid(pte) && (pte & ARM_PTE_AF) != 0;
}

/* --- life --- */

void
pmap_bootstrap(void)
{
	pmap_tlb_init();
	pmap_cpu_init();
	*kernel_pmap = (struct pmap){
		.pm_table = boot_info.kernel_root,
		.pm_root = static_vtop((uintptr_t)boot_info.kernel_root),
		.pm_min = KMEM_BASE,
		.pm_max = IO_MAP_BASE + IO_MAP_SIZE,
		.pm_cpus = ~0ULL,
	};
}

/* Links the shared table of the commpage, which pmap_destroy leaves alone. */
static bool
pmap_link_commpage(pmap_t pmap)
{
	pte_t *l2 = pmap_table_get(pmap->pm_table, pte_index(COMMPAGE_ADDRESS, ARM_L1_SHIFT), true);

	if (l2 == NULL) {
		return false;
	}
	l2[pte_index(COMMPAGE_ADDRESS, ARM_L2_SHIFT)] = commpage_l3_table | ARM_PTE_TABLE | ARM_PTE_NESTED;
	return true;
}

pmap_t
pmap_create(void)
{
	pmap_t pmap = zalloc_flags(pmap_zone, Z_ZERO);

	if (pmap == NULL) {
		return NULL;
	}
	pmap->pm_min = MACH_VM_MIN_ADDRESS;
	pmap->pm_max = MACH_VM_MAX_ADDRESS;
	pmap->pm_table = pmap_table_alloc();
	if (pmap->pm_table == NULL) {
		zfree(pmap_zone, pmap);
		return NULL;
	}
	pmap->pm_root = kvtophys((vm_offset_t)pmap->pm_table);
	if (!pmap_link_commpage(pmap)) {
		pmap_table_free(pmap->pm_table);
		zfree(pmap_zone, pmap);
		return NULL;
	}
	return pmap;
}

/* Calls fn for each valid entry of a table that has a summary. */
static void
pte_foreach_used(pte_t *table, void (*fn)(pte_t *entry))
{
	for (uint64_t runs = *pte_summary(table); runs != 0; runs &= runs - 1) {
		pte_t *entry = &table[bit_first(runs) << PTE_SUMMARY_SHIFT];

		for (unsigned i = 0; i < PTE_SUMMARY_ENTRIES; i++) {
			if (pte_valid(entry[i])) {
				fn(&entry[i]);
			}
		}
	}
}

static void
free_leaf_table(pte_t *entry)
{
	if (!(*entry & ARM_PTE_NESTED)) {
		pmap_table_free(pte_table(*entry));
	}
}

static void
free_middle_table(pte_t *entry)
{
	pte_t *table = pte_table(*entry);

	pte_foreach_used(table, free_leaf_table);
	pmap_table_free(table);
}

/*
 * Takes up to `max` links to level 2 tables out of the root. All of them: *count is below max.
 */
static void
pmap_unlink_tables(pmap_t pmap, pte_t *saved, unsigned max, unsigned *count)
{
	pte_t *table = pmap->pm_table;

	*count = 0;
	for (uint64_t runs = *pte_summary(table); runs != 0; runs &= runs - 1) {
		pte_t *entry = &table[bit_first(runs) << PTE_SUMMARY_SHIFT];

		for (unsigned i = 0; i < PTE_SUMMARY_ENTRIES && *count < max; i++) {
			if (pte_valid(entry[i])) {
				saved[(*count)++] = entry[i];
				os_atomic_store(&entry[i], (pte_t)0, relaxed);
			}
		}
	}
}

void
pmap_release(pmap_t pmap)
{
	/* acq_rel: the last one sees that nobody uses the tables any more. */
	if (os_atomic_dec(&pmap->pm_holders, acq_rel) == 0) {
		pmap_wait_for_roll_over(pmap);
		pmap_table_free(pmap->pm_table);
		zfree(pmap_zone, pmap);
	}
}

#define UNLINK_BATCH 32

/*
 * CPUs that still have the pmap loaded keep an empty root: every level below goes at once, after one
 * invalidation of the whole ASID. A batch of level 2 tables at a time, each maps 64 GiB; more than one
 * batch is rare.
 */
void
pmap_destroy(pmap_t pmap)
{
	pte_t saved[UNLINK_BATCH];
	unsigned count;

	assert(pmap != kernel_pmap);
	do {
		pmap_unlink_tables(pmap, saved, UNLINK_BATCH, &count);
		pmap_tlb_invalidate_all(pmap);
		for (unsigned i = 0; i < count; i++) {
			free_middle_table(&saved[i]);
		}
	} while (count == UNLINK_BATCH);
	pmap->pm_holders = 1;
	pmap_retire(pmap);
	pmap_forget_links(pmap);
	pmap_release(pmap);
}
