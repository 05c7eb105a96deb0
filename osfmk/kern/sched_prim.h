/*
 * The scheduler's verbs. What they decide is policy: priorities and turns in <kern/sched_policy.h>, CPUs in
 * <kern/sched_place.h>; both build without a kernel and are simulated (osfmk/kern/sim). Here the decisions are
 * carried out.
 *
 * Each CPU runs the thread of the highest priority of those that wait for it (<kern/sched_ready.h>); equals take
 * turns by quantum, whose timer is armed only while somebody waits. The end of a quantum is where all that takes
 * time is done: use is charged, the starving are let in, a CPU with fewer threads is looked for. A thread that has
 * waited for SCHED_BALANCE_NS is offered to an idle CPU; a CPU that becomes idle looks for a queue with a thread to
 * spare.
 *
 * Switch. Three ways, all with interrupts masked and all ending in sched_let_go() in the new thread's
 * context, which lets go of the old one:
 *	old keeps its stack, new has one       machine_switch_context
 *	old keeps its stack, new has none      machine_switch_to_fresh on a stack of the CPU's cache
 *	old gives up its stack                 machine_switch_registers; new takes the stack over, or
 *	                                       resumes its own and the stack goes to the cache
 *
 * Locks: a CPU's run queue lock (LCK_RANK_RUNQ) with interrupts masked; never two at a time. None is taken
 * while at most one thread waits.
 */
#pragma once

#include <kern/processor.h>
#include <kern/thread.h>

/*
 * Gives way to another runnable thread. From kernel code, preemption on. True if another thread ran.
 *   SCHED_YIELD_EQUAL  to threads of at least this priority
 *   SCHED_YIELD_ANY    to any thread, by waiting behind all of them, for a quantum at most
 */
enum sched_yield { SCHED_YIELD_EQUAL, SCHED_YIELD_ANY };
bool thread_yield(enum sched_yield how);

/*
 * The same for a trap that does nothing else: interrupts masked; the thread gives up its stack and returns to
 * user mode with `result` in x0. Returns false, without effect, when there is nobody to run.
 */
bool thread_yield_user(enum sched_yield how, uint64_t result);

/* Likewise, to one thread, which must be waiting for this CPU; else false. */
bool thread_yield_to_user(thread_t target, uint64_t result);

/* Makes a new or stopped thread runnable (it is not waiting). Any context. */
void thread_setrun(thread_t thread);

/* The current thread leaves its last CPU. Does not return; interrupts masked. */
OS_NORETURN void thread_exit_switch(void);

/* RESCHED interrupt: called by the machine layer with interrupts masked. */
void sched_signal_interrupt(void);

/* Has `thread`, which waits at DEPRESSPRI, given way for a time that it named? */
bool thread_depressed_for_a_time(thread_t thread);

/*
 * thread_switch with a time: thread_yield_user(SCHED_YIELD_ANY), but behind all others until it runs or `ns` have
 * passed, instead of a quantum. Returns without effect when there is nobody to run.
 */
void thread_depress_user(uint64_t ns, uint64_t result);

/* MIG routine 3609: ends a depression. KERN_NOT_DEPRESSED when there is none. */
kern_return_t thread_depress_abort(thread_t thread);

/*
 * `thread` likes to be where the threads of its task with the same tag are; 0: wherever it was last. Each tag of a task
 * has a CPU; tags that follow each other have CPUs that do, so that a program with a tag for each of its working sets
 * spreads them. It is a liking: where that CPU has something as good to do the thread wakes elsewhere, and idle CPUs
 * and the balance of queues move it. The current thread goes there if that CPU runs something lower, others when they
 * next wake. Neither threads that it makes nor child processes have its tag.
 */
void thread_set_affinity(thread_t thread, int tag);

/*
 * From any CPU: `processor` looks again at the priorities of the thread it runs and of pr_only. No lock of the
 * scheduler is held: this CPU may find other threads in its inbox meanwhile.
 */
void processor_request_recheck(processor_t processor);

/* From the timer interrupt: the quantum may be over. Returns the time of the next look, UINT64_MAX for none. */
uint64_t sched_timer(processor_t processor, uint64_t now);

/*
 * A CPU that goes; interrupts masked, on it. The first is the last act of its last thread, which has been through
 * thread_retire_self(): sends away whoever waits and leaves the CPU to its idle thread. The second sends
 * away whoever came meanwhile.
 */
OS_NORETURN void sched_leave_processor(void);
void sched_evacuate(processor_t processor);

/* Start-up: the structures of `cpu`, before it runs for the first time; before each time; the loop of an idle thread. */
void processor_init(unsigned cpu, thread_t idle_thread);
void processor_prepare(processor_t processor);
OS_NORETURN void idle_loop(void);

/* --- kernel stacks of CPUs (kstack.c) --- */

/* A stack for a thread that is switched to, 0 if the cache and the pool are empty. Interrupts masked. */
uintptr_t kstack_take(processor_t processor);
/* Back into the cache; it may be the stack in use, which is left before interrupts are on again. */
void kstack_put(processor_t processor, uintptr_t stack);
/* The CPU goes: all it keeps. Interrupts masked. */
void kstack_drain(processor_t processor);
/* Start-up: fills the pool; starts the thread that keeps it filled. */
void kstack_init(void);
void kstack_thread_start(void);
