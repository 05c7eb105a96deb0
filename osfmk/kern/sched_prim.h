/*
 * The scheduler's verbs.
 *
 * Choice. Each CPU runs the thread of the highest priority of those that wait for it (<kern/sched_ready.h>);
 * equals take turns by quantum, whose timer is armed only while somebody waits. A waking thread goes to the
 * CPU it last ran on if that is idle or runs something lower, or if it is the waker's and nobody waits there;
 * else to an idle CPU near by, else back to its last one. A thread that has waited for SCHED_BALANCE_NS is
 * offered to an idle CPU; a CPU that becomes idle looks for a queue with a thread to spare (steal).
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

/* From the timer interrupt: the quantum may be over. Returns the time of the next look, UINT64_MAX for none. */
uint64_t sched_timer(processor_t processor, uint64_t now);

/* Start-up: the structures of `cpu`, before it runs; the loop of an idle thread. */
void processor_init(unsigned cpu, thread_t idle_thread);
OS_NORETURN void idle_loop(void);

/* --- kernel stacks of CPUs (kstack.c) --- */

/* A stack for a thread that is switched to, 0 if the cache and the pool are empty. Interrupts masked. */
uintptr_t kstack_take(processor_t processor);
/* Back into the cache; it may be the stack in use, which is left before interrupts are on again. */
void kstack_put(processor_t processor, uintptr_t stack);
/* Start-up: fills the pool; starts the thread that keeps it filled. */
void kstack_init(void);
void kstack_thread_start(void);
