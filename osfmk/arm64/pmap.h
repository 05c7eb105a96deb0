/*
 * The arm64 pmap: what other files may see of it, and the inline switch.
 *
 * ASIDs. 16 bits, handed out in ascending order within a generation; a pmap's pm_context is generation and
 * ASID in one word. When the ASIDs run out, the generation advances: contexts loaded on some CPU at that
 * moment are kept, every other pmap takes a new ASID when it is next loaded, and each CPU drops its TLB
 * before it loads one of the new generation. Who writes: pc_active by its CPU (and tagged by others as
 * below), everything else in the slow half, under the locks that pmap_asid.c describes.
 *
 * [S1] pmap_switch publishes the pmap in pc_active by an exchange (full barrier), then [S2] reads its context
 * and compares it with pc_generation, which is what the generation was when this CPU last took the slow half.
 * [R1] Roll-over advances the generation, full barrier, then [R2] tags and reads every pc_active. Of two
 * accesses to pc_active one comes first: either the exchange finds the tag, and the slow half brings
 * pc_generation up to date; or roll-over finds the pmap, whose context is of the generation that
 * ends, and keeps its ASID. So a context of generation pc_generation may be used if the exchange found no tag. Model:
 * tests/models/asid.pml.
 *
 * [S3] A pmap that takes a new ASID forgets who may have held the old one, then publishes the context by a release, which
 * the switch's reading of it acquires: a CPU that finds its bit in pm_cpus set it for this context.
 *
 * PMAP_TAG_FLUSH in pc_active: this CPU must drop its TLB at its next switch. PMAP_TAG_DEAD: the pmap was destroyed
 * while this CPU had it loaded, and its next switch releases it.
 *
 * The end. A CPU keeps the last user pmap under kernel threads, so that a pmap may be loaded though nobody who runs
 * names it; it is freed when the last such CPU has let go.
 * [D1] A thread that leaves its task stops naming the pmap before it lets the task's lock go. Who destroys it does so
 * when the last has left, or when one alone has changed the map: from then on no CPU switches to it.
 * [D2] pmap_retire counts each CPU that has it loaded, then tags its word by a compare-exchange. A CPU that has
 * exchanged it for another one walks its tables until TTBR0_EL1 is written, as it likes: pc_loaded tells when it no
 * longer does, and is waited for. A CPU that has it in either is in pm_cpus, because roll-over keeps both.
 * [D3] The exchange [S1] comes after the tag, and releases the pmap once the other is loaded; or before, and the
 * compare-exchange fails: the CPU is counted down again.
 * [D4] The last who releases it lets a roll-over finish that may have found it loaded, at [R2], before it frees it.
 * Model: tests/models/pmap_retire.pml.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/percpu.h>
#include <os/atomic.h>
#include <os/bits.h>
#include <vm/vm_types.h>

#define PMAP_ASID_BITS 16
#define PMAP_TAG_FLUSH 1UL
#define PMAP_TAG_DEAD  2UL
#define PMAP_TAGS      3UL

/* pm_flags */
#define PM_RENEWING 0x1U /* a lock, see pmap_asid.c */
#define PM_NESTED   0x2U /* const: its tables are linked by others, see pmap_nest.c */

struct pmap {
	/* Read at each switch, written seldom. */
	uint64_t pm_context; /* generation << 16 | ASID; atomic; 0: never had one */
	pmap_paddr_t pm_root;
	uint64_t pm_cpus;               /* CPUs whose TLB may hold its translations; atomic */
	uint64_t *pm_table;             /* pm_root through the physical map */
	vm_map_offset_t pm_min, pm_max; /* addresses it translates */
	uint32_t pm_holders; /* while being destroyed: CPUs that still have it loaded, and the destroyer */
	uint32_t pm_flags;   /* PM_*; atomic */
	uint32_t pm_links;   /* tables of a nested pmap that this one has linked; atomic */
} OS_CACHE_ALIGNED;

static_assert(sizeof(struct pmap) == OS_CACHELINE, "one line");

struct pmap_cpu {
	uintptr_t pc_active;     /* the user pmap in TTBR0_EL1, and PMAP_TAG_*; 0 until the first */
	pmap_t pc_loaded;        /* own CPU: the same, set when TTBR0_EL1 is; atomic */
	uint64_t pc_generation;  /* own CPU: the last one it has seen, not shifted; 0: none */
	uint64_t pc_asid_misses; /* switches that had to take an ASID or flush */
	/* Own line: other CPUs look at pc_active. Invalidations sent, by kind: the one that was needed. */
	uint64_t pc_tlbi_local OS_CACHE_ALIGNED;
	uint64_t pc_tlbi_broadcast;
	uint64_t pc_tlbi_none;
	uint64_t pc_bit; /* its bit in pm_cpus; const once the CPU is up */
} OS_CACHE_ALIGNED;

PERCPU_DECLARE(struct pmap_cpu, pmap_cpu);

extern uint64_t pmap_asid_generation; /* << 16, like pm_context */
extern pmap_t kernel_pmap;

__attribute__((preserve_most, cold)) void pmap_switch_slow(pmap_t pmap, uintptr_t old, struct pmap_cpu *pc);

OS_INLINE void
pmap_load_ttbr0(pmap_t pmap, uint64_t context, struct pmap_cpu *pc)
{
	assert(pmap->pm_root == kvtophys((vm_offset_t)pmap->pm_table)); /* or it has been freed */
	__asm__ volatile("msr ttbr0_el1, %0\n\tisb" ::"r"(pmap->pm_root | context << 48) : "memory");
	os_atomic_store(&pc->pc_loaded, pmap, relaxed); /* behind the isb; pairs with [D2] */
}

/* Loads a user pmap unless it is loaded. `pc` and `cpu` are this CPU's. */
OS_INLINE void
pmap_switch_on(pmap_t pmap, struct pmap_cpu *pc, unsigned cpu)
{
	uintptr_t old;
	uint64_t context;

	if (os_atomic_load(&pc->pc_active, relaxed) == (uintptr_t)pmap) {
		return;
	}
	old = os_atomic_xchg(&pc->pc_active, (uintptr_t)pmap, seq_cst); /* [S1] with [R2], [D3] with [D2] */
	context = os_atomic_load(&pmap->pm_context, acquire);           /* [S2], [S3] */
	if (os_unlikely((old & PMAP_TAGS) != 0 || context >> PMAP_ASID_BITS != pc->pc_generation ||
			!(os_atomic_load(&pmap->pm_cpus, relaxed) >> cpu & 1))) {
		pmap_switch_slow(pmap, old, pc);
		return;
	}
	pmap_load_ttbr0(pmap, context, pc);
}

/* Preemption off. The kernel's own pmap changes nothing. */
OS_INLINE void
pmap_switch(pmap_t pmap)
{
	if (pmap != kernel_pmap) {
		pmap_switch_on(pmap, PERCPU_GET(pmap_cpu), ml_get_cpu_number());
	}
}
