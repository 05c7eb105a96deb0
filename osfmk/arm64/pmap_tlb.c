/*
 * TLB invalidation.
 *
 * [T1] The caller has stored to the tables; DSB makes the stores visible to walkers and orders them before
 * [T2] the read of pm_cpus. [C1] A CPU that loads the pmap for the first time sets its bit, then DSB, then
 * [C2] writes TTBR0_EL1 (pmap_switch_slow). So either we see the bit and reach the CPU, or its walks see
 * the new entries.
 *
 * The CPU set is read with preemption off, so "this CPU only" stays true until the invalidation is done.
 */
#include <arm64/pmap_internal.h>

#include <kern/preempt.h>
#include <os/panic.h>
#include <pexpert/pexpert.h>

#define tlbi(op, arg) __asm__ volatile("tlbi " #op ", %0" ::"r"(arg) : "memory")
#define tlbi_all(op)  __asm__ volatile("tlbi " #op ::: "memory")

/* By range: FEAT_TLBIRANGE, which the compiler need not know the CPU to have. */
#define tlbi_range(op, arg) \
	__asm__ volatile(".arch_extension tlb-rmi\n\ttlbi " #op ", %0" ::"r"(arg) : "memory")

/* Has the machine TLBI by range? Set at boot, then read-only. */
static bool have_ranges;

/*
 * Pages above which everything of the ASID goes. By address, one TLBI is about what refilling one entry costs; by range,
 * up to five TLBIs take what they can describe.
 */
#define TLBI_PAGES_MAX 64
#define TLBI_RANGE_MAX (1ULL << 21)

/* Operand of the by-address forms: ASID in the top bits, VA[55:12] below. */
OS_INLINE uint64_t
tlbi_va(uint64_t asid, vm_map_offset_t va)
{
	return asid << 48 | ((va >> 12) & BITS_MASK(43, 0));
}

/* 4 KiB units that one page advances the operand by. */
#define TLBI_PAGE_STEP (PAGE_SIZE >> 12)

/*
 * Operand of the by-range forms: (num + 1) << (5 * scale + 1) pages from va on. The translation granule is 2, 16 KiB, and
 * the level is left open.
 */
OS_INLINE uint64_t
tlbi_va_range(uint64_t asid, vm_map_offset_t va, unsigned scale, uint64_t num)
{
	return asid << 48 | 2ULL << 46 | (uint64_t)scale << 44 | num << 39 |
	       ((va >> PAGE_SHIFT) & BITS_MASK(36, 0));
}

/*
 * Pages [start, start + npages), at most TLBI_RANGE_MAX, from the lowest digit of the length on: an odd page alone, then
 * at most 32 units of 2, 64, 2048 and 65536 pages each.
 */
#define TLBI_RANGE(page_op, range_op, asid, start, npages)                                          \
	do {                                                                                        \
		vm_map_offset_t va_ = (start);                                                      \
		uint64_t left_ = (npages);                                                          \
                                                                                                    \
		if (left_ & 1) {                                                                    \
			tlbi(page_op, tlbi_va(asid, va_));                                          \
			va_ += PAGE_SIZE;                                                           \
		}                                                                                   \
		left_ >>= 1;                                                                        \
		for (unsigned scale_ = 0; left_ != 0; scale_++, left_ >>= 5) {                      \
			uint64_t units_ = left_ & 31;                                               \
                                                                                                    \
			if (scale_ == 3) {                                                          \
				units_ = left_; /* 32 at most */                                    \
				left_ = 0;                                                          \
			}                                                                           \
			if (units_ != 0) {                                                          \
				tlbi_range(range_op, tlbi_va_range(asid, va_, scale_, units_ - 1)); \
				va_ += ptoa(units_ << (5 * scale_ + 1));                            \
			}                                                                           \
		}                                                                                   \
	} while (0)

/* The same one by one. */
#define TLBI_PAGES(page_op, asid, start, npages)                                   \
	do {                                                                       \
		for (uint64_t arg_ = tlbi_va(asid, start), n_ = (npages); n_ != 0; \
		    n_--, arg_ += TLBI_PAGE_STEP) {                                \
			tlbi(page_op, arg_);                                       \
		}                                                                  \
	} while (0)

#define TLBI_MANY(page_op, range_op, all, asid, start, npages)              \
	do {                                                                \
		if (have_ranges && (npages) <= TLBI_RANGE_MAX) {            \
			TLBI_RANGE(page_op, range_op, asid, start, npages); \
		} else if ((npages) <= TLBI_PAGES_MAX) {                    \
			TLBI_PAGES(page_op, asid, start, npages);           \
		} else {                                                    \
			all;                                                \
		}                                                           \
	} while (0)

/* More than one page, or cached walks as well. */
static OS_NOINLINE void
tlbi_many_local(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (tables) {
		TLBI_MANY(vae1, rvae1, tlbi(aside1, asid << 48), asid, start, npages);
	} else {
		TLBI_MANY(vale1, rvale1, tlbi(aside1, asid << 48), asid, start, npages);
	}
}

static OS_NOINLINE void
tlbi_many_broadcast(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (tables) {
		TLBI_MANY(vae1is, rvae1is, tlbi(aside1is, asid << 48), asid, start, npages);
	} else {
		TLBI_MANY(vale1is, rvale1is, tlbi(aside1is, asid << 48), asid, start, npages);
	}
}

/* One page, and no cached walks: npages == 1 && !tables in one comparison. */
OS_INLINE bool
one_leaf(uint64_t npages, bool tables)
{
	return ((npages ^ 1) | tables) == 0;
}

OS_INLINE void
tlb_local(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (os_likely(one_leaf(npages, tables))) {
		tlbi(vale1, tlbi_va(asid, start));
	} else {
		tlbi_many_local(asid, start, npages, tables);
	}
	dsb(nsh);
	isb();
}

OS_INLINE void
tlb_broadcast(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (os_likely(one_leaf(npages, tables))) {
		tlbi(vale1is, tlbi_va(asid, start));
	} else {
		tlbi_many_broadcast(asid, start, npages, tables);
	}
	dsb(ish);
	isb();
}

/*
 * What every CPU may hold, whatever its ASID: the kernel's translations, which are global, and those of a nested pmap,
 * which belong to the ASIDs of all who link its tables.
 */
static void
tlb_everywhere(vm_map_offset_t start, uint64_t npages)
{
	dsb(ishst); /* [T1] */
	TLBI_MANY(vaae1is, rvaae1is, tlbi_all(vmalle1is), 0, start, npages);
	dsb(ish);
	isb();
}

#define ISAR0_TLB(isar0) ((isar0) >> 56 & 0xf) /* 2: by range, too */

void
pmap_tlb_init(void)
{
	have_ranges = ISAR0_TLB(sysreg_read(id_aa64isar0_el1)) >= 2;
}

/*
 * Debug builds: the boot argument pmap_skip_tlbi=N leaves out the Nth invalidation of a user address space that any CPU
 * would have had to make, so that the checker of stale translations (x stale) can show that it finds one.
 */
static bool
skip_on_purpose(void)
{
	static uint64_t count; /* atomic */
	uint64_t skip = 0;

	return pe_boot_arg_number("pmap_skip_tlbi", &skip) && os_atomic_inc(&count, relaxed) == skip;
}

void
pmap_tlb_invalidate(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end, bool tables)
{
	uint64_t npages = atop(end - start), cpus, asid;
	struct pmap_cpu *pc;

	if (pmap == kernel_pmap) {
		tlb_everywhere(start, npages);
		return;
	}
	disable_preemption();
	pc = PERCPU_GET(pmap_cpu);
	dsb(ish);                                       /* [T1] */
	cpus = os_atomic_load(&pmap->pm_cpus, relaxed); /* [T2], pairs with [C1] */
	asid = pmap_asid(pmap);
	if (cpus == 0) {
		if (os_unlikely(pmap->pm_flags & PM_NESTED)) {
			os_counter_add(&pc->pc_tlbi_broadcast, 1);
			tlb_everywhere(start, npages);
		} else {
			os_counter_add(&pc->pc_tlbi_none, 1);
		}
	} else if (MACH_ASSERT && skip_on_purpose()) {
		kprintf("pmap: an invalidation of %llu pages from %#llx was left out on purpose\n",
		    (unsigned long long)npages, (unsigned long long)start);
	} else if (cpus == pc->pc_bit) {
		os_counter_add(&pc->pc_tlbi_local, 1);
		tlb_local(asid, start, npages, tables);
	} else {
		os_counter_add(&pc->pc_tlbi_broadcast, 1);
		tlb_broadcast(asid, start, npages, tables);
	}
	enable_preemption();
}

void
pmap_tlb_invalidate_all(pmap_t pmap)
{
	pmap_tlb_invalidate(pmap, pmap->pm_min, pmap->pm_max, true);
}

void
pmap_tlb_invalidate_local(pmap_t pmap, vm_map_offset_t va)
{
	dsb(nshst);
	if (os_unlikely(pmap->pm_flags & PM_NESTED)) {
		tlbi(vaae1, tlbi_va(0, va));
	} else {
		tlbi(vae1, tlbi_va(pmap_asid(pmap), va));
	}
	dsb(nsh);
	isb();
}
