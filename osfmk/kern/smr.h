/*
 * Safe memory reclamation by published epochs.
 *
 * Readers of lock-free structures run between smr_enter() and smr_leave(). Whoever unlinks an object hands
 * it to smr_call() (or zfree_smr()), and it is given back only when no reader that could have found it is
 * left.
 *
 * Idea. One global epoch, odd, that only reclamation advances. A CPU that enters publishes the epoch it saw
 * in its own line; outside it publishes 0. So user mode, idle and preempted kernel code do not hold up
 * anything, and readers write nothing shared. An object unlinked before the epoch moved to G may be freed
 * when every CPU shows 0 or at least G.
 *
 * Ordering. [R1] enter: publish the epoch, then a full fence, then the reads of the section. [S1] advance: a
 * full fence between the unlinking and the reading of the CPUs' epochs. So either the scan sees the reader's
 * epoch, or the reader sees the unlinked state. [R2] leave: release store of 0, [S2] acquire load by the
 * scan: what the reader read, it read before the object is reused. A reader that read the epoch just before
 * an advance publishes an old value: it only delays the grace period.
 *
 * Sections have preemption off (or interrupts masked), nest, and must not block. Interrupt handlers must not
 * enter: they could advance no epoch but would clear the section they interrupted.
 */
#pragma once

#include <kern/percpu.h>
#include <kern/preempt.h>
#include <kern/smr_epoch.h>
#include <os/atomic.h>

struct smr_node {
	struct smr_node *sn_next;
	void (*sn_free)(struct smr_node *);
};

extern smr_epoch_t smr_global_epoch; /* atomic; own line; written once per reclaimed batch */
PERCPU_DECLARE(struct smr_cpu, percpu_smr);

/* For code with preemption off or interrupts masked. */
OS_INLINE void
smr_enter_nopreempt(void)
{
	smr_epoch_enter(PERCPU_GET(percpu_smr), &smr_global_epoch);
}

OS_INLINE void
smr_leave_nopreempt(void)
{
	struct smr_cpu *self = PERCPU_GET(percpu_smr);

	assert(self->sc_depth > 0);
	smr_epoch_leave(self);
}

/*
 * Trap handlers that run with interrupts masked from the entry: they cannot be inside a section already, and
 * if they call nothing that enters one, the nesting need not be counted.
 */
OS_INLINE void
smr_enter_outermost(struct smr_cpu *cpu)
{
	assert(cpu->sc_depth == 0);
	os_atomic_store(&cpu->sc_epoch, os_atomic_load(&smr_global_epoch, relaxed), relaxed);
	os_atomic_thread_fence(seq_cst); /* [R1] */
}

OS_INLINE void
smr_leave_outermost(struct smr_cpu *cpu)
{
	assert(cpu->sc_depth == 0);
	os_atomic_store(&cpu->sc_epoch, 0, release); /* [R2] */
}

/* The same in fewer instructions for a caller that has the base of its CPU's variables at hand. */
OS_INLINE void
smr_enter_trap(uintptr_t percpu_base)
{
	static_assert(offsetof(struct smr_cpu, sc_epoch) == 0, "the first word");
	PERCPU_STORE_WORD(percpu_smr, percpu_base, os_atomic_load(&smr_global_epoch, relaxed));
	os_atomic_thread_fence(seq_cst); /* [R1] */
}

/* The caller has a full barrier between its last use of what the section protects and this: [R2]. */
OS_INLINE void
smr_leave_trap_ordered(uintptr_t percpu_base)
{
	PERCPU_STORE_WORD(percpu_smr, percpu_base, 0);
}

OS_INLINE void
smr_enter(void)
{
	disable_preemption();
	smr_enter_nopreempt();
}

OS_INLINE void
smr_leave(void)
{
	smr_leave_nopreempt();
	enable_preemption();
}

/* True inside a section; for assertions. */
bool smr_entered(void);

/* Accessors: a pointer read inside a section, and its publication. */
#define smr_load(p)     os_atomic_load((p), acquire)
#define smr_store(p, v) os_atomic_store((p), (v), release)

/*
 * For much that is freed often and can wait: nothing shared is written. smr_goal() names the epoch at which
 * what was unlinked before the call is out of reach, smr_request() asks the SMR thread to bring it about within
 * some milliseconds (own CPU only, cheap when asked already), smr_reached() tells when it has.
 *
 * smr_goal is one step beyond the epoch it reads after a fence [S1]: a reader that saw the object fenced its
 * entry [R1] before that, so it published no later epoch. It counts as reached only when the SMR thread has
 * moved the epoch there and found no CPU behind, and has said so in smr_reached_epoch.
 */
extern smr_epoch_t smr_reached_epoch; /* atomic; own line; written once per grace period */

OS_INLINE smr_epoch_t
smr_goal(void)
{
	os_atomic_thread_fence(seq_cst); /* [S1] */
	return os_atomic_load(&smr_global_epoch, relaxed) + SMR_EPOCH_STEP;
}

OS_INLINE bool
smr_reached(smr_epoch_t goal)
{
	return (int64_t)(os_atomic_load(&smr_reached_epoch, acquire) - goal) >= 0; /* [S2], by proxy */
}

void smr_request(void);

/* Tries to reach `goal` now, at the price of looking at every CPU. */
bool smr_expedite(smr_epoch_t goal);

/* Moves the epoch on and returns what smr_poll() must reach for everything unlinked before this call. */
smr_epoch_t smr_advance(void);

/* True when every reader that could see what was unlinked before `goal` was handed out has left. */
bool smr_poll(smr_epoch_t goal);

/* Calls fn(node) after a grace period, in a kernel thread, preemption on. Never fails, never blocks; callable
 * with interrupts masked. */
void smr_call(struct smr_node *node, void (*fn)(struct smr_node *));

/* Waits for a grace period. May block; not inside a section. */
void smr_synchronize(void);

/* This CPU goes: its deferred calls are made soon, without it. Interrupts masked. */
void smr_cpu_leave(void);

/* Start-up: the kernel thread that runs smr_call's work. */
void smr_thread_start(void);
