/*
 * One CPU as the scheduler sees it.
 *
 * Lines are laid out by writer. In normal running a CPU writes its own lines only, and takes its own run
 * queue lock only; another CPU takes that lock to steal, to move a bound thread or to change the priority of
 * a queued one. Wake-ups from other CPUs go through pr_inbox.
 *
 * Idle. [D1] a CPU going idle sets pr_idle, then (full fence) looks at its inbox once more before it waits
 * for an interrupt; [D2] a waker pushes, then (full fence) reads pr_idle and pr_current_pri to decide on an
 * interrupt. One of the two sees the other.
 */
#pragma once

#include <kern/inbox.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/runq.h>
#include <kern/timer_heap.h>

struct processor {
	/* Own CPU, at every switch. */
	thread_t pr_active;      /* the running thread */
	thread_t pr_idle_thread; /* constant after start */
	uint64_t pr_dispatched;  /* when pr_active was given the CPU; timebase */
	uint64_t pr_quantum_end; /* when pr_active must make room for equals; UINT64_MAX none */
	uint64_t pr_switches;    /* statistics */
	uint64_t pr_handoffs;
	uint64_t pr_preemptions;
	uint32_t pr_cpu;

	/* Own CPU; read by wakers on other CPUs. */
	int32_t pr_current_pri OS_CACHE_ALIGNED; /* of pr_active; IDLEPRI when idle */
	uint32_t pr_idle;                        /* in or about to enter the wait for interrupts */
	uint32_t pr_online;                      /* may be given threads */

	/* Other CPUs. */
	struct inbox pr_inbox OS_CACHE_ALIGNED; /* threads made runnable for this CPU */
	uint32_t pr_signalled;                  /* a RESCHED interrupt is under way; atomic */

	/* Run queue: own CPU, rarely others. */
	lck_spin_t pr_runq_lock OS_CACHE_ALIGNED;
	struct run_queue pr_runq; /* guarded by pr_runq_lock */

	/* Timers: own CPU; others to cancel. */
	lck_spin_t pr_timer_lock OS_CACHE_ALIGNED;
	struct timer_heap pr_timers;  /* guarded by pr_timer_lock */
	uint64_t pr_timer_programmed; /* what the hardware timer stands at; own CPU */

	/* Free kernel stacks; own CPU, preemption off. */
	uint32_t pr_nstacks;
	uintptr_t pr_stacks[4];
};

PERCPU_DECLARE(struct processor, percpu_processor);

OS_INLINE processor_t
current_processor(void)
{
	return PERCPU_GET(percpu_processor);
}

OS_INLINE processor_t
processor_get(unsigned cpu)
{
	return PERCPU_GET_CPU(percpu_processor, cpu);
}
