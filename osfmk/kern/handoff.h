/*
 * Direct handoff: the running thread, about to block, gives its CPU to a thread that it has claimed, past any
 * run queue. For message passing and semaphores.
 *
 *	wait_prepare(self, ...); [become visible]
 *	if (thread_handoff_ok(self, target) && wait_claim(target, cookie, THREAD_AWAKENED)) {
 *		thread_handoff_switch(self, target, continuation, param);
 *		... now running as target ...
 *		thread_return_to_user();
 *	}
 *
 * The quantum runs on: a pair that hands off to each other uses up one quantum between them, and their equals
 * get their turn. All with interrupts masked.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <kdebug/kdebug.h>
#include <kern/processor.h>
#include <kern/sched_policy.h>
#include <kern/thread.h>
#include <kern/wait.h>
#include <vm/pmap.h>

/* A thread that ran on another CPU last may come if it is off that CPU and not bound to one. */
OS_INLINE bool
thread_handoff_may_move(thread_t target, uint64_t where)
{
	return (uint32_t)where == 0 && target->bound_cpu == THREAD_CPU_ANY;
}

/*
 * May `self` give this CPU directly to `target`, which holds no stack? Not if target is still on a CPU ([O2]),
 * belongs elsewhere or is outranked by a queued thread. A waiting thread is bound to its last CPU if to any, so
 * that off this CPU and last on it, which is one comparison, is enough; and nothing queued outranks a target of the
 * priority that runs already, or self would have been preempted on its way here. Racy reads are harmless: `no` costs a
 * run queue round, a stale `yes` is corrected by the interrupt of whoever changed the answer.
 *
 * [O2]: the caller has read the claim word that it is going to claim (acquire) before, and claims it (acq_rel)
 * after this. on_cpu was set before that wait began; if it reads 0 and the claim succeeds, the CPU that the
 * wait began on has let go, and the claim orders all further use of the thread behind that.
 */
OS_INLINE bool
thread_handoff_ok_on(processor_t processor, thread_t self, thread_t target)
{
	uint64_t where = os_atomic_load(&target->where, relaxed);
	int pri = target->sched_pri;

	assert(!(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT)); /* seen at kernel exit */
	return (os_likely(where + 1 == os_atomic_load(&self->where, relaxed)) ||
		   thread_handoff_may_move(target, where)) &&
	       (os_likely(pri == processor->pr_current_pri) || processor->pr_ready_pri <= pri);
}

/* The same for a target that is claimed already, may hold a stack, and when self's turn may be over. */
OS_INLINE bool
thread_handoff_ok(thread_t self, thread_t target)
{
	return os_atomic_load(&target->on_cpu, acquire) == 0 && /* [O2] */
	       target->machine.kstack == 0 &&
	       !(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT) &&
	       thread_handoff_ok_on(current_processor(), self, target);
}

/* Charges the time since the last look to `self` and makes `target` the CPU's thread, for wakers and timers
 * of other CPUs to see. */
OS_INLINE void
processor_set_active(processor_t processor, thread_t self, thread_t target)
{
	uint64_t now = ml_get_timebase_raw();

	self->cpu_time += now - processor->pr_dispatched;
	processor->pr_dispatched = now;
	processor->pr_active = target;
	os_atomic_store(&target->where, os_atomic_load(&self->where, relaxed), relaxed);
}

/* Inbox entries that came while the priority shown to wakers was another one. */
__attribute__((preserve_most, cold)) void processor_recheck_inbox(processor_t processor);

/*
 * Shows the priority to wakers, then looks at the inbox: [D1], pairs with [D2] in the waker. A thread that
 * came in between and outranks the new one is not overlooked.
 */
OS_INLINE void
processor_show_priority(processor_t processor, int pri)
{
	if (pri != processor->pr_current_pri) {
		processor->pr_wake_pri = sched_wake_threshold(pri);
		os_atomic_store(&processor->pr_current_pri, sched_shown_priority(pri), seq_cst);  /* [D1] */
		if (os_unlikely(os_atomic_load(&processor->pr_inbox.ib_head, seq_cst) != NULL)) { /* [D1] */
			processor_recheck_inbox(processor);
		}
	}
}

void wait_timer_cancel(thread_t thread);

/* The resumed thread takes the result of its wait. THREAD_AWAKENED when it was not waiting. */
OS_INLINE wait_result_t
thread_finish_wait(thread_t self)
{
	if (os_unlikely(timer_call_is_set(&self->wait_timer))) {
		wait_timer_cancel(self);
	}
	return wait_word_finish(&self->wait_word);
}

/* The same for whoever claimed the wait and now runs as the thread. */
OS_INLINE void
thread_finish_own_claim(thread_t target, uint64_t cookie)
{
	if (os_unlikely(timer_call_is_set(&target->wait_timer))) {
		wait_timer_cancel(target);
	}
	wait_word_finish_own_claim(&target->wait_word, cookie);
}

/*
 * The switch alone, for callers that have this CPU's data at hand and finish target's wait themselves; `target` is a
 * user thread. Preemption counts are 0.
 */
OS_INLINE void
thread_handoff_switch_on(processor_t processor, struct pmap_cpu *pc, thread_t self, thread_t target)
{
	KDEBUG_THREAD(self, MACHDBG_CODE(DBG_MACH_SCHED, MACH_STACK_HANDOFF), 0, target->thread_id,
	    self->sched_pri, target->sched_pri);
	processor_set_active(processor, self, target);
	pmap_switch_on(target->pmap, pc, processor->pr_cpu);
	machine_stack_handoff(self, target);
	machine_switch_registers(self, target);
	processor_show_priority(processor, target->sched_pri);
	os_atomic_store(&self->on_cpu, 0, release); /* [O1]: nothing of self is used from here on */
}

/*
 * Switches from `self`, which will go on in continuation(param, result), to `target`, which has no stack and
 * whose wait self has claimed. Returns as target, on the same stack, interrupts masked, preemption count 0;
 * the result is that of target's wait.
 */
OS_INLINE wait_result_t
thread_handoff_switch(thread_t self, thread_t target, thread_continue_t continuation, void *param)
{
	thread_set_continuation(self, continuation, param);
	self->machine.preempt_count = 0;
	thread_handoff_switch_on(current_processor(), PERCPU_GET(pmap_cpu), self, target);
	return thread_finish_wait(target);
}

/* The same, and goes on in target's continuation. */
OS_NORETURN void thread_handoff_user(thread_t target);

/* For callers of thread_handoff_switch that do not complete target's call themselves: goes on where target
 * would have gone on. Interrupts masked, running as self. */
OS_NORETURN void thread_go_on(thread_t self, wait_result_t result);
