/*
 * One CPU as the scheduler sees it.
 *
 * Lines are laid out by writer. In normal running a CPU writes its own lines only, and takes its own run
 * queue lock only; another CPU takes that lock to steal, to move a bound thread or to change the priority of
 * a queued one. Wake-ups from other CPUs go through pr_inbox.
 *
 * Signals. [D1] a CPU that changes what it runs stores pr_current_pri, then looks at its inbox, both
 * sequentially consistent; [D2] a waker pushes, then (full fence) reads pr_current_pri and interrupts if the
 * thread it pushed ranks above. One of the two sees the other. An idle CPU shows IDLEPRI, below everything.
 * pr_idle is for choosing a CPU only: a waker that sends its thread to an idle CPU takes the flag, so that
 * two wakers choose two CPUs.
 *
 * CPUs that go (processor.c). Wakers choose a CPU without asking whether it is there: that would be a cost on each
 * wake-up for something that hardly ever happens. Instead a thread that was sent to a CPU that is gone is found. [G1]
 * the leaving CPU, which runs nothing but its idle thread any more, stores pr_gone, then (full fence) empties its inbox
 * one last time, sending the threads elsewhere. [G2] a waker that has pushed (full fence [D2]) onto an empty inbox is
 * going to signal; before it does it looks at pr_gone: set, it empties the inbox itself. One of the two sees the
 * thread. A waker that pushed onto an inbox that was not empty relies on the one that found it empty. Once pr_gone is
 * set no thread is on the CPU (on_cpu), so what is found there may run anywhere; when pr_gone is cleared again by the
 * starting CPU, it looks at its inbox next. A thread bound to a CPU that goes is bound no longer.
 */
#pragma once

#include <kern/inbox.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/runq.h>
#include <kern/sched_place.h>
#include <kern/timer_heap.h>

/* Kernel stacks that a CPU keeps. Each thread that blocks in mid-kernel takes one with it. */
#define PROCESSOR_STACKS 7

struct processor {
	/* Own CPU, at every switch. */
	thread_t pr_active;      /* the running thread */
	thread_t pr_idle_thread; /* constant after start */
	uint64_t pr_dispatched;  /* when pr_active was given the CPU; timebase */
	uint64_t pr_quantum_end; /* when pr_active must make room for equals, if any wait */
	uint64_t pr_balance_at;  /* when a waiting thread is to be offered to an idle CPU; UINT64_MAX never */
	thread_t pr_only;        /* the only waiting thread, see sched_ready.h */
	int32_t pr_only_pri;     /* what it waits at */
	int32_t pr_ready_pri;    /* best waiting thread's; -1 none */
	int32_t pr_wake_pri;     /* sched_wake_threshold of what runs */
	uint64_t pr_switches;    /* statistics */
	uint64_t pr_preemptions;
	uint32_t pr_cpu;

	/* Own CPU; read by wakers on other CPUs. */
	union {
		struct sched_cpu pr_shown OS_CACHE_ALIGNED;
		struct {
			int32_t pr_current_pri;
			uint32_t pr_idle;
			uint32_t pr_online;
		};
	};
	uint32_t pr_gone; /* off; see above; atomic */

	/* Other CPUs. */
	struct inbox pr_inbox OS_CACHE_ALIGNED; /* threads made runnable for this CPU */
	uint32_t pr_signalled;                  /* a RESCHED interrupt is under way, or not needed; atomic */
	uint32_t
	    pr_recheck; /* a thread that this CPU has outside its run queue changed its priority; atomic */

	/* Own CPU, at the end of quanta and when idle. */
	uint64_t pr_rotate_at OS_CACHE_ALIGNED; /* when it looks for a CPU with fewer threads */
	uint64_t pr_look_at;                    /* when it looks after those who wait */
	uint64_t pr_random;                     /* state of sched_place_rotate */
	uint64_t
	    pr_foreign_locks; /* statistics: run queue locks of others that this CPU took, but for thefts */
	uint64_t pr_steal_locks; /* those that it took to rob, or to send a thread away */
	uint64_t pr_steals;      /* threads robbed */
	uint64_t pr_rotations;   /* threads sent to a CPU with fewer */
	uint64_t pr_starved;     /* boosts */

	/* Run queue: own CPU, rarely others. */
	lck_spin_t pr_runq_lock OS_CACHE_ALIGNED;
	struct run_queue pr_runq; /* guarded by pr_runq_lock */

	/* Timers: own CPU; others to cancel. */
	lck_spin_t pr_timer_lock OS_CACHE_ALIGNED;
	struct timer_heap pr_timers;  /* guarded by pr_timer_lock */
	uint64_t pr_timer_programmed; /* what the hardware timer stands at; own CPU */

	/* Free kernel stacks; own CPU, interrupts masked. */
	uint32_t pr_nstacks OS_CACHE_ALIGNED;
	uintptr_t pr_stacks[PROCESSOR_STACKS];
};

static_assert(offsetof(struct processor, pr_current_pri) ==
		      offsetof(struct processor, pr_shown) + offsetof(struct sched_cpu, pr_current_pri) &&
		  offsetof(struct processor, pr_idle) ==
		      offsetof(struct processor, pr_shown) + offsetof(struct sched_cpu, pr_idle) &&
		  offsetof(struct processor, pr_online) ==
		      offsetof(struct processor, pr_shown) + offsetof(struct sched_cpu, pr_online),
    "one and the same");

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

/* --- coming and going (processor.c) --- */

enum processor_state {
	PROCESSOR_OFF_LINE,
	PROCESSOR_STARTING,
	PROCESSOR_RUNNING,
	PROCESSOR_STOPPING,
};

/* What is seldom needed of a CPU, outside of its per-CPU page. Written with the processor mutex; read by anybody. */
struct processor_record {
	uint32_t ps_state;  /* enum processor_state */
	uint64_t ps_since;  /* when it was started last; timebase */
	uint64_t ps_before; /* ticks that it was running before that */
	/* Of its cycles since it was started those in user mode, and all; own CPU, as of the last look. */
	uint64_t ps_user_cycles;
	uint64_t ps_cycles;
	uint64_t ps_user_before; /* ticks in user mode before it was started last */
} OS_CACHE_ALIGNED;

extern struct processor_record processor_records[MAX_CPUS];

/*
 * Starts a CPU that is off and waits until it runs threads; KERN_FAILURE if it is not off, or does not start. Stops
 * one, whose threads, timers and memory go to the others: KERN_FAILURE for the boot CPU, which stays; KERN_SUCCESS
 * also if it is off already. Thread context; may block. No thread waits longer than the stopping takes.
 */
kern_return_t processor_start(processor_t processor);
kern_return_t processor_exit(processor_t processor);

bool processor_is_running(processor_t processor);
unsigned processor_running_count(void);

/* Start-up. The first also makes the idle thread. */
bool processor_start_at_boot(unsigned cpu);
void processor_boot_is_running(void);

/* The idle thread's last function on a CPU whose pr_online is 0. Interrupts masked. */
OS_NORETURN void processor_leave(processor_t processor);

/* Has each CPU look at its counters, for processor_get_times. Thread context, no locks; may block. */
void processor_look(void);
/* This CPU; interrupts masked. */
void processor_look_here(void);
/* Of the time since the CPU was started, what it spent in user mode; ticks. */
uint64_t processor_user_ticks(const struct processor_record *record, uint64_t ticks_on);

/*
 * Time that the CPU spent in each CPU_STATE_* (<mach/machine.h>) since the machine started, in timebase ticks. Times off
 * are in none. It goes on while it is being read. User time is as of the last processor_look(); where the CPU has no
 * 64-bit counters for it (<kern/usage.h>), all time that is not idle counts as user time.
 */
void processor_get_times(processor_t processor, uint64_t ticks[4]);
