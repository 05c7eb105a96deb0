/*
 * ASIDs by generation, and the slow half of pmap_switch: see <arm64/pmap.h> for the protocol.
 */
#include <arm64/pmap_internal.h>

#include <arm64/arm_vm.h>
#include <kern/assert.h>
#include <kern/locks.h>

/*
 * ASIDs of one generation; 0 belongs to the empty table that a CPU has before its first user pmap. Debug
 * builds use a few only, so that the generation rolls over all the time. More than MAX_CPUS, or roll-over
 * could find none free.
 */
#if MACH_ASSERT
#define ASID_LIMIT 128U
#else
#define ASID_LIMIT (1U << PMAP_ASID_BITS)
#endif
static_assert(ASID_LIMIT > MAX_CPUS + 1, "every CPU may keep one over a roll-over");

#define ASID_GENERATION_FIRST \
	(1ULL << PMAP_ASID_BITS) /* 0 is the generation of a pmap that never had an ASID */

PERCPU_DATA(struct pmap_cpu, pmap_cpu);

OS_CACHE_ALIGNED uint64_t pmap_asid_generation = ASID_GENERATION_FIRST;

LCK_CLASS_DECLARE(asid_lock_class, "asid", LCK_RANK_ASID);
static LCK_SPIN_DECLARE(asid_lock, &asid_lock_class);
static uint32_t asid_next GUARDED_BY(asid_lock) = 1;
static uint64_t asid_kept[BITMAP_WORDS(1U << PMAP_ASID_BITS)] GUARDED_BY(
    asid_lock); /* loaded at the last roll-over */

static pmap_t
active_pmap(uintptr_t word)
{
	return (pmap_t)(word & ~PMAP_TAGS);
}

/* Sets PMAP_TAG_FLUSH in the CPU's word and returns the pmap it has loaded. */
static pmap_t
tag_for_flush(struct pmap_cpu *pc)
{
	/* [R2], pairs with [S1] */
	return active_pmap(os_atomic_or_orig(&pc->pc_active, PMAP_TAG_FLUSH, seq_cst));
}

/*
 * What a CPU has loaded keeps its ASID and enters the new generation with it. A pmap whose context is older
 * still has only been published: its switch has yet to take an ASID, and will see that it must.
 */
static void
asid_keep(pmap_t pmap, uint64_t previous) REQUIRES(asid_lock)
{
	uint64_t asid = pmap_asid(pmap);

	if ((pmap->pm_context ^ previous) >> PMAP_ASID_BITS == 0) {
		bitmap_set(asid_kept, (unsigned)asid);
		os_atomic_store(&pmap->pm_context, pmap_asid_generation | asid, relaxed);
	}
}

static void
asid_roll_over(void) REQUIRES(asid_lock)
{
	uint64_t previous = pmap_asid_generation;

	os_atomic_store(&pmap_asid_generation, previous + (1ULL << PMAP_ASID_BITS), relaxed);
	os_atomic_thread_fence(seq_cst); /* [R1] */
	__builtin_memset(asid_kept, 0, sizeof(asid_kept));
	percpu_foreach_cpu(cpu)
	{
		pmap_t pmap = tag_for_flush(PERCPU_GET_CPU(pmap_cpu, cpu));

		if (pmap != NULL) {
			asid_keep(pmap, previous);
		}
	}
	asid_next = 1;
}

static uint32_t
asid_take(void) REQUIRES(asid_lock)
{
	for (;;) {
		while (asid_next < ASID_LIMIT) {
			uint32_t asid = asid_next++;

			if (!bitmap_test(asid_kept, asid)) {
				return asid;
			}
		}
		asid_roll_over();
	}
}

/* Nobody has used the pmap under its new number yet. */
static void
asid_renew(pmap_t pmap) REQUIRES(asid_lock)
{
	uint32_t asid = asid_take();

	os_atomic_store(&pmap->pm_cpus, 0, relaxed);
	os_atomic_store(&pmap->pm_context, pmap_asid_generation | asid, relaxed);
}

static void
flush_this_cpu(void)
{
	__asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

/*
 * pmap_switch found something to do. `old` is what pc_active held before it was set to `pmap`. Preemption
 * off; interrupts in any state, because nobody takes asid_lock in an interrupt handler.
 */
void
pmap_switch_slow(pmap_t pmap, uintptr_t old, struct pmap_cpu *pc)
{
	bool flush, interrupts = lck_spin_lock_irq(&asid_lock);

	if ((pmap->pm_context ^ pmap_asid_generation) >> PMAP_ASID_BITS != 0) {
		asid_renew(pmap);
	}
	pc->pc_generation = pmap_asid_generation >> PMAP_ASID_BITS;
	os_atomic_or(&pmap->pm_cpus, BIT(ml_get_cpu_number()), relaxed); /* [C1] */
	/* A roll-over, by us or by another CPU since the exchange, may have tagged the word again. */
	flush = ((old | os_atomic_and_orig(&pc->pc_active, ~PMAP_TAG_FLUSH, relaxed)) & PMAP_TAG_FLUSH) != 0;
	lck_spin_unlock_irq(&asid_lock, interrupts);

	os_counter_add(&pc->pc_asid_misses, 1);
	if (flush) {
		flush_this_cpu();
	}
	dsb(ish);                                /* [C1] before [C2] */
	pmap_load_ttbr0(pmap, pmap->pm_context); /* [C2] */
	if (old & PMAP_TAG_DEAD) {
		pmap_release(active_pmap(old));
	}
}

/*
 * The holders are counted up before the tag is set, because the CPU may release right after. A CPU that
 * switches away at this moment does not see the tag and does not count.
 */
void
pmap_retire(pmap_t pmap)
{
	percpu_foreach_cpu(cpu)
	{
		struct pmap_cpu *pc = PERCPU_GET_CPU(pmap_cpu, cpu);
		uintptr_t word = os_atomic_load(&pc->pc_active, relaxed);

		while (active_pmap(word) == pmap) {
			os_atomic_inc(&pmap->pm_holders, relaxed);
			/* acq_rel: pairs with the exchange in pmap_switch */
			if (os_atomic_cmpxchgv(&pc->pc_active, word, word | PMAP_TAG_DEAD, &word, acq_rel)) {
				break;
			}
			os_atomic_dec(&pmap->pm_holders, relaxed);
		}
	}
}

/*
 * The machine layer has loaded the kernel's tables and, for user addresses, an empty one with ASID 0, and the TLB is empty.
 * A roll-over while the CPU was off may have tagged its word: that costs a flush too many.
 */
void
pmap_cpu_init(void)
{
	assert(active_pmap(PERCPU_GET(pmap_cpu)->pc_active) == NULL);
}

/* This CPU goes: it holds no pmap any more. Interrupts masked; a user pmap is loaded or none. */
void
pmap_cpu_leave(void)
{
	struct pmap_cpu *pc = PERCPU_GET(pmap_cpu);
	uintptr_t old;

	sysreg_write(ttbr0_el1, static_vtop((uintptr_t)empty_root));
	isb();
	flush_this_cpu();
	old = os_atomic_xchg(&pc->pc_active, 0, acq_rel); /* pairs with pmap_retire */
	pc->pc_generation = 0;
	if (old & PMAP_TAG_DEAD) {
		pmap_release(active_pmap(old));
	}
}
