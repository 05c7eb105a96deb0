/*
 * The scheduler's verbs.
 *
 * Choice. Each CPU runs the thread of the highest priority on its own run queue; equals take turns by
 *quantum. The quantum timer is armed only while a competitor waits. A waking thread goes to the CPU it last
 *ran on if that is idle or runs something lower, else to an idle CPU near by, else back to its last CPU. An
 *idle CPU that finds nothing looks for a queue with a thread to spare and takes it (steal).
 *
 * Switch. Three ways, all with interrupts masked and all ending in sched_switch_done() in the new thread's
 * context, which lets go of the old one:
 *	old keeps its stack, new has one       machine_switch_context
 *	old keeps its stack, new has none      machine_switch_to_fresh on a stack of the CPU's cache
 *	old gives up its stack                 machine_switch_registers; new takes the stack over, or
 *	                                       resumes its own and the stack goes to the cache
 *
 * Locks: a CPU's run queue lock (LCK_RANK_RUNQ) with interrupts masked; never two at a time.
 */
#pragma once

#include <kern/processor.h>
#include <kern/thread.h>

/*
 * May `self`, about to block with its wait prepared, give this CPU directly to `target`, whose wait it has
 * claimed or is about to claim? Interrupts masked. Racy reads are harmless: `no` costs a run queue round,
 * `yes` is re-established by whoever changes the answer (they interrupt this CPU).
 */
OS_INLINE bool
thread_handoff_ok(thread_t self, thread_t target)
{
	processor_t processor = current_processor();

	(void)self;
	return os_atomic_load(&target->on_cpu, acquire) == 0 && /* [O2] */
	       run_queue_highest(&processor->pr_runq) <= target->sched_pri &&
	       (target->bound_cpu == THREAD_CPU_ANY || target->bound_cpu == (int)processor->pr_cpu);
}

/*
 * The current thread has prepared its wait and set its continuation; `target` is claimed by it and
 * thread_handoff_ok. Switches without a run queue; the quantum runs on. Interrupts masked.
 */
OS_NORETURN void thread_handoff_user(thread_t target);

/* For a caller that may or may not block in a continuation: gives way to another runnable thread of at least
 * `pri`. True if another thread ran. Interrupts masked on entry for the _user form, which returns to user
 * mode with x0 = whether another thread ran. */
bool thread_yield(void);

/* Makes a new or stopped thread runnable (it is not waiting). */
void thread_setrun(thread_t thread);

/* RESCHED interrupt: called by the machine layer with interrupts masked. */
void sched_signal_interrupt(void);

/* Start-up: this CPU's structures; the loop of an idle thread. */
void sched_init(void);
void processor_init(unsigned cpu, thread_t idle_thread);
OS_NORETURN void idle_continue(void *param, wait_result_t wresult);

/* CPUs that may run threads. */
unsigned sched_online_count(void);
