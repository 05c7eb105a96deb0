/*
 * Timers: a function called at an absolute time, in interrupt context, on the CPU that set it.
 *
 * Each CPU keeps its timers in a pairing heap by deadline under its own lock, which other CPUs take only to
 * cancel. The CPU's hardware timer stands at the earlier of the first deadline and the end of the quantum; a CPU without
 * either is not interrupted.
 *
 * Leeway. Who sets a timer says how late it may come; for what programs set, the tier of their thread does
 * (thread_timer_leeway). Such a timer is queued at the latest time it allows. An interrupt for any reason calls
 * the first of the queue for as long as it could be called by then: timers with leeway join those that have none.
 *
 * Lock: the CPU's timer lock, LCK_RANK_TIMER, interrupts masked. Functions are called without it.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/timer_heap.h>
#include <os/atomic.h>

typedef void (*timer_call_fn_t)(void *param0, uint64_t param1);

struct timer_call {
	struct timer_heap_entry tc_entry; /* guarded by the lock of the queue tc_cpu names */
	timer_call_fn_t tc_fn;
	void *tc_param0;
	uint64_t tc_param1;
	uint32_t tc_cpu; /* 1 + CPU whose queue holds it, 0 when not set; atomic */
	uint32_t
	    tc_leeway; /* ticks that the_deadline is later than it could be called; with tc_entry's lock */
};

typedef struct timer_call *timer_call_t;

void timer_call_setup(timer_call_t call, timer_call_fn_t fn, void *param0);

/*
 * Sets the timer on this CPU; if it was set (here or elsewhere) it is moved. param1 is handed to the
 * function: a late call of an earlier setting can be told by it. Calls of one timer are the caller's to
 * serialise. Any context but NMI-like ones.
 */
void timer_call_enter(timer_call_t call, uint64_t deadline, uint64_t param1);

/* The same, between `deadline` and `leeway` ticks later. */
void timer_call_enter_leeway(timer_call_t call, uint64_t deadline, uint64_t leeway, uint64_t param1);

/* True if it was set and now is not; false if it was not set or its function has been or is being called. */
bool timer_call_cancel(timer_call_t call);

/*
 * Set, and its function not about to be called: a look. It is exact for whoever serialises enter and cancel; who has
 * heard from the function knows that the setting it was called for is set no longer.
 */
OS_INLINE bool
timer_call_is_set(timer_call_t call)
{
	return os_atomic_load(&call->tc_cpu, relaxed) != 0;
}

/* From the timer interrupt, interrupts masked: calls what is due and arms the next deadline. */
void timer_interrupt(void);

/* This CPU's timer interrupts at `deadline` at the latest. Interrupts masked. */
void timer_need_by(processor_t processor, uint64_t deadline);

/* `from` is off and stays so for the time of the call: its timers are this CPU's. Thread context. */
void timer_queue_take_over(processor_t from);

/* Start-up: an empty queue. */
void timer_queue_init(processor_t processor);
