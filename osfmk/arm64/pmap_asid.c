/*
 * ASIDs by generation, and the slow half of pmap_switch: see <arm64/pmap.h> for the protocol.
 *
 * Every new address space needs an ASID, so that CPUs that make processes must not meet in taking one. A CPU takes them
 * from a block of its own, under a lock that nobody else takes in normal running, and a new block under asid_lock every
 * ASID_BLOCK times. Roll-over holds asid_lock and the locks of all CPUs: no slow half is under way then, the generation
 * stands still for whoever holds his CPU's lock, and all blocks end with it.
 *
 * Roll-over looks at every pmap that it finds loaded. Its CPU may load another one and a third CPU destroy it meanwhile:
 * who frees a pmap takes the lock of a CPU in between, which a roll-over that has found it holds until it is done.
 *
 * Two CPUs may load one pmap for the first time at once. PM_RENEWING in pm_flags, a lock of one bit, makes looking at its
 * context, renewing it and adding the CPU to pm_cpus one step.
 *
 * Order: asid_lock, locks of the CPUs in ascending order, PM_RENEWING. All with interrupts masked.
 */
#include <arm64/pmap_internal.h>

#include <arm64/arm_vm.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <os/bits.h>

/*
 * ASIDs of one generation; 0 belongs to the empty table that a CPU has before its first user pmap. Debug
 * builds use a few only, so that the generation rolls over all the time. More than two for each of MAX_CPUS, or
 * roll-over could find none free.
 */
#if MACH_ASSERT
#define ASID_LIMIT 160U
#define ASID_BLOCK 4U
#else
#define ASID_LIMIT (1U << PMAP_ASID_BITS)
#define ASID_BLOCK 64U
#endif
static_assert(ASID_LIMIT > 2 * MAX_CPUS + 1, "every CPU may keep two over a roll-over");

#define ASID_GENERATION_FIRST \
	(1ULL << PMAP_ASID_BITS) /* 0 is the generation of a pmap that never had an ASID */

PERCPU_DATA(struct pmap_cpu, pmap_cpu);

OS_CACHE_ALIGNED uint64_t pmap_asid_generation = ASID_GENERATION_FIRST;

LCK_CLASS_DECLARE(asid_lock_class, "asid", LCK_RANK_ASID);

/*
 * A CPU's ASIDs of the current generation. (a) ac_lock: the CPU itself or, in a roll-over, who holds asid_lock; a bare
 * word, because roll-over holds more of them than the checker of lock orders keeps.
 */
struct asid_cpu {
	struct qspin ac_lock;
	uint32_t ac_next; /* (a) */
	uint32_t ac_end;  /* (a) */
} OS_CACHE_ALIGNED;

static struct asid_cpu asid_cpus[MAX_CPUS];
static LCK_SPIN_DECLARE(asid_lock, &asid_lock_class);
static OS_CACHE_ALIGNED uint32_t asid_next GUARDED_BY(asid_lock) = 1; /* first of no block */

/* What CPUs had loaded at the last roll-over. Written in it, read under the lock of any CPU. */
static uint64_t asid_kept[BITMAP_WORDS(1U << PMAP_ASID_BITS)];

static void
asid_cpu_lock(struct asid_cpu *ac)
{
	while (!qspin_try_lock(&ac->ac_lock)) {
		cpu_relax();
	}
}

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
asid_keep(pmap_t pmap, uint64_t previous)
{
	uint64_t asid = pmap_asid(pmap);

	if ((pmap->pm_context ^ previous) >> PMAP_ASID_BITS == 0) {
		bitmap_set(asid_kept, (unsigned)asid);
		os_atomic_store(&pmap->pm_context, pmap_asid_generation | asid, relaxed);
	}
}

static void
asid_new_generation(void)
{
	uint64_t previous = pmap_asid_generation;

	os_atomic_store(&pmap_asid_generation, previous + (1ULL << PMAP_ASID_BITS), relaxed);
	os_atomic_thread_fence(seq_cst); /* [R1] */
	__builtin_memset(asid_kept, 0, sizeof(asid_kept));
	percpu_foreach_cpu(cpu)
	{
		struct pmap_cpu *pc = PERCPU_GET_CPU(pmap_cpu, cpu);
		pmap_t pmap = tag_for_flush(pc), loaded = os_atomic_load(&pc->pc_loaded, relaxed);

		if (pmap != NULL) {
			asid_keep(pmap, previous);
		}
		if (loaded != NULL && loaded != pmap) { /* it is just being exchanged for the other */
			asid_keep(loaded, previous);
		}
		asid_cpus[cpu].ac_next = asid_cpus[cpu].ac_end = 0;
	}
}

static void
asid_roll_over(void) REQUIRES(asid_lock)
{
	percpu_foreach_cpu(cpu)
	{
		asid_cpu_lock(&asid_cpus[cpu]);
	}
	asid_new_generation();
	asid_next = 1;
	percpu_foreach_cpu(cpu)
	{
		qspin_unlock(&asid_cpus[cpu].ac_lock);
	}
}

/* The CPU's block is used up: another one. Its lock is held on entry and on exit, and dropped between. */
static void
asid_take_block(struct asid_cpu *ac)
{
	qspin_unlock(&ac->ac_lock);
	lck_spin_lock_nopreempt(&asid_lock);
	if (asid_next >= ASID_LIMIT) {
		asid_roll_over();
	}
	asid_cpu_lock(ac);
	ac->ac_next = asid_next;
	ac->ac_end = asid_next = os_min(asid_next + ASID_BLOCK, ASID_LIMIT);
	lck_spin_unlock_nopreempt(&asid_lock);
}

/* The CPU's lock is held, and may have been dropped for a while: the generation may be another. */
static uint32_t
asid_take(struct asid_cpu *ac)
{
	for (;;) {
		while (ac->ac_next < ac->ac_end) {
			uint32_t asid = ac->ac_next++;

			if (!bitmap_test(asid_kept, asid)) {
				return asid;
			}
		}
		asid_take_block(ac);
	}
}

/* The acquire and the release of these two pair with each other. */
static void
pmap_renewing_lock(pmap_t pmap)
{
	while (os_atomic_or_orig(&pmap->pm_flags, PM_RENEWING, acquire) & PM_RENEWING) {
		cpu_relax();
	}
}

static void
pmap_renewing_unlock(pmap_t pmap)
{
	os_atomic_and(&pmap->pm_flags, ~PM_RENEWING, release);
}

static bool
pmap_context_is_old(pmap_t pmap)
{
	return (os_atomic_load(&pmap->pm_context, relaxed) ^ pmap_asid_generation) >> PMAP_ASID_BITS != 0;
}

/*
 * Gives the pmap an ASID of this generation if it has none, and adds the CPU to its users. The CPU's lock is held. An
 * ASID that another CPU's renewal makes superfluous is lost until the next generation.
 */
static void
asid_renew(pmap_t pmap, struct asid_cpu *ac)
{
	uint32_t asid = pmap_context_is_old(pmap) ? asid_take(ac) : 0;

	pmap_renewing_lock(pmap);
	if (asid != 0 && pmap_context_is_old(pmap)) {
		os_atomic_store(&pmap->pm_cpus, 0, relaxed);
		os_atomic_store(&pmap->pm_context, pmap_asid_generation | asid, release); /* [S3] */
	}
	os_atomic_or(&pmap->pm_cpus, BIT(ml_get_cpu_number()), relaxed); /* [C1] */
	pmap_renewing_unlock(pmap);
}

static void
flush_this_cpu(void)
{
	__asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

/*
 * pmap_switch found something to do. `old` is what pc_active held before it was set to `pmap`. Preemption
 * off; interrupts in any state, because nobody takes these locks in an interrupt handler.
 */
void
pmap_switch_slow(pmap_t pmap, uintptr_t old, struct pmap_cpu *pc)
{
	struct asid_cpu *ac = &asid_cpus[ml_get_cpu_number()];
	bool flush, interrupts = ml_set_interrupts_enabled(false);

	assert(!(old & PMAP_TAG_DEAD) || active_pmap(old) != pmap); /* or it is loaded after its end */
	asid_cpu_lock(ac);
	asid_renew(pmap, ac);
	pc->pc_generation = pmap_asid_generation >> PMAP_ASID_BITS;
	/* A roll-over, by us or by another CPU since the exchange, may have tagged the word again. */
	flush = ((old | os_atomic_and_orig(&pc->pc_active, ~PMAP_TAG_FLUSH, relaxed)) & PMAP_TAG_FLUSH) != 0;
	qspin_unlock(&ac->ac_lock);
	ml_set_interrupts_enabled(interrupts);

	os_counter_add(&pc->pc_asid_misses, 1);
	if (flush) {
		flush_this_cpu();
	}
	dsb(ish);                                    /* [C1] before [C2] */
	pmap_load_ttbr0(pmap, pmap->pm_context, pc); /* [C2] */
	if (old & PMAP_TAG_DEAD) {
		pmap_release(active_pmap(old));
	}
}

/*
 * The holders are counted up before the tag is set, because the CPU may release right after. A CPU that
 * switches away at this moment does not see the tag and does not count. False: it has another pmap, or will in a moment.
 */
static bool
tag_for_release(pmap_t pmap, struct pmap_cpu *pc)
{
	uintptr_t word = os_atomic_load(&pc->pc_active, relaxed);

	while (active_pmap(word) == pmap) {
		os_atomic_inc(&pmap->pm_holders, relaxed);
		/* [D2], pairs with [D3] */
		if (os_atomic_cmpxchgv(&pc->pc_active, word, word | PMAP_TAG_DEAD, &word, acq_rel)) {
			return true;
		}
		os_atomic_dec(&pmap->pm_holders, relaxed);
	}
	return false;
}

/* A CPU in the middle of a switch waits for no more than the locks of a roll-over. */
void
pmap_retire(pmap_t pmap)
{
	/* who has it loaded is among them: pm_cpus is cleared for a pmap that nobody has loaded */
	for (uint64_t cpus = os_atomic_load(&pmap->pm_cpus, relaxed); cpus != 0; cpus &= cpus - 1) {
		struct pmap_cpu *pc = PERCPU_GET_CPU(pmap_cpu, bit_first(cpus));

		if (!tag_for_release(pmap, pc)) {
			while (os_atomic_load(&pc->pc_loaded, acquire) == pmap) { /* [D2] */
				cpu_relax();
			}
		}
	}
}

#if MACH_ASSERT
static void
check_nobody_has_loaded(pmap_t pmap)
{
	percpu_foreach_cpu(cpu)
	{
		struct pmap_cpu *pc = PERCPU_GET_CPU(pmap_cpu, cpu);

		assert(active_pmap(os_atomic_load(&pc->pc_active, relaxed)) != pmap);
		assert(os_atomic_load(&pc->pc_loaded, relaxed) != pmap);
	}
}
#else
#define check_nobody_has_loaded(pmap) ((void)(pmap))
#endif

void
pmap_wait_for_roll_over(pmap_t pmap)
{
	bool interrupts = ml_set_interrupts_enabled(false);
	struct asid_cpu *ac = &asid_cpus[ml_get_cpu_number()];

	asid_cpu_lock(ac); /* [D4], with that of asid_roll_over */
	qspin_unlock(&ac->ac_lock);
	ml_set_interrupts_enabled(interrupts);
	check_nobody_has_loaded(pmap);
}

/*
 * The machine layer has loaded the kernel's tables and, for user addresses, an empty one with ASID 0, and the TLB is
 * empty. A roll-over while the CPU was off may have tagged its word: that costs a flush too many.
 */
void
pmap_cpu_init(void)
{
	struct pmap_cpu *pc = PERCPU_GET(pmap_cpu);

	assert(active_pmap(pc->pc_active) == NULL);
	pc->pc_bit = BIT(ml_get_cpu_number());
}

/* This CPU goes: it holds no pmap any more. Interrupts masked; a user pmap is loaded or none. */
void
pmap_cpu_leave(void)
{
	struct asid_cpu *ac = &asid_cpus[ml_get_cpu_number()];
	struct pmap_cpu *pc = PERCPU_GET(pmap_cpu);
	uintptr_t old;

	sysreg_write(ttbr0_el1, static_vtop((uintptr_t)empty_root));
	isb();
	flush_this_cpu();
	os_atomic_store(&pc->pc_loaded, NULL, relaxed);
	asid_cpu_lock(ac);
	old = os_atomic_xchg(&pc->pc_active, 0, acq_rel); /* [D3], pairs with [D2] */
	qspin_unlock(&ac->ac_lock);
	pc->pc_generation = 0;
	if (old & PMAP_TAG_DEAD) {
		pmap_release(active_pmap(old));
	}
}
