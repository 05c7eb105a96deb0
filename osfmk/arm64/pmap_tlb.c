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

/* Pages above which the whole ASID goes: one TLBI by address is about what refilling one entry costs. */
#define TLBI_RANGE_MAX 64

#define tlbi(op, arg) __asm__ volatile("tlbi " #op ", %0" ::"r"(arg) : "memory")
#define tlbi_all(op)  __asm__ volatile("tlbi " #op ::: "memory")

/* Operand of the by-address forms: ASID in the top bits, VA[55:12] below. */
OS_INLINE uint64_t
tlbi_va(uint64_t asid, vm_map_offset_t va)
{
	return asid << 48 | ((va >> 12) & BITS_MASK(43, 0));
}

/* 4 KiB units that one page advances the operand by. */
#define TLBI_PAGE_STEP (PAGE_SIZE >> 12)

static void
tlb_local(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (npages > TLBI_RANGE_MAX) {
		tlbi(aside1, asid << 48);
	} else if (tables) {
		for (uint64_t arg = tlbi_va(asid, start), n = npages; n != 0; n--, arg += TLBI_PAGE_STEP) {
			tlbi(vae1, arg);
		}
	} else {
		for (uint64_t arg = tlbi_va(asid, start), n = npages; n != 0; n--, arg += TLBI_PAGE_STEP) {
			tlbi(vale1, arg);
		}
	}
	dsb(nsh);
	isb();
}

static void
tlb_broadcast(uint64_t asid, vm_map_offset_t start, uint64_t npages, bool tables)
{
	if (npages > TLBI_RANGE_MAX) {
		tlbi(aside1is, asid << 48);
	} else if (tables) {
		for (uint64_t arg = tlbi_va(asid, start), n = npages; n != 0; n--, arg += TLBI_PAGE_STEP) {
			tlbi(vae1is, arg);
		}
	} else {
		for (uint64_t arg = tlbi_va(asid, start), n = npages; n != 0; n--, arg += TLBI_PAGE_STEP) {
			tlbi(vale1is, arg);
		}
	}
	dsb(ish);
	isb();
}

/* Kernel translations are global: every CPU may hold them, whatever its ASID. */
static void
tlb_kernel(vm_map_offset_t start, uint64_t npages)
{
	dsb(ishst); /* [T1] */
	if (npages > TLBI_RANGE_MAX) {
		tlbi_all(vmalle1is);
	} else {
		for (uint64_t arg = tlbi_va(0, start), n = npages; n != 0; n--, arg += TLBI_PAGE_STEP) {
			tlbi(vaae1is, arg);
		}
	}
	dsb(ish);
	isb();
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
		tlb_kernel(start, npages);
		return;
	}
	disable_preemption();
	pc = PERCPU_GET(pmap_cpu);
	dsb(ish);                                       /* [T1] */
	cpus = os_atomic_load(&pmap->pm_cpus, relaxed); /* [T2], pairs with [C1] */
	asid = pmap_asid(pmap);
	if (cpus == 0) {
		os_counter_add(&pc->pc_tlbi_none, 1);
	} else if (MACH_ASSERT && skip_on_purpose()) {
		kprintf("pmap: an invalidation of %llu pages from %#llx was left out on purpose\n",
		    (unsigned long long)npages, (unsigned long long)start);
	} else if (cpus == BIT(ml_get_cpu_number())) {
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
	tlbi(vae1, tlbi_va(pmap_asid(pmap), va));
	dsb(nsh);
	isb();
}
