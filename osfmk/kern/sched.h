/*
 * Priorities and the constants of scheduling. The bands are Mach's.
 *
 *	127-97	real time; 97 unless asked for more
 *	 96	never queued: what a CPU that runs a real-time thread shows to wakers (<kern/sched_policy.h>)
 *	 95-80	kernel threads
 *	 79-64	reserved for the system
 *	 63-0	user: 46 user-interactive, 37 initiated, 31 default, 20 utility, 4 background, 0 idle
 */
#pragma once

#include <os/base.h>

#define NRQS 128 /* priorities */

#define MAXPRI              127
#define MAXPRI_REALTIME     MAXPRI
#define BASEPRI_REALTIME    97
#define MAXPRI_KERNEL       95
#define BASEPRI_PREEMPT     92
#define BASEPRI_KERNEL      81
#define MINPRI_KERNEL       80
#define MAXPRI_RESERVED     79
#define BASEPRI_GRAPHICS    76
#define MAXPRI_USER         63
#define BASEPRI_CONTROL     48
#define BASEPRI_FOREGROUND  47
#define BASEPRI_INTERACTIVE 46
#define BASEPRI_INITIATED   37
#define BASEPRI_DEFAULT     31
#define BASEPRI_UTILITY     20
#define MAXPRI_THROTTLE     4
#define MINPRI_USER         0
#define DEPRESSPRI          MINPRI_USER
#define IDLEPRI             (-1) /* the idle threads; never queued */

/* How the priority of a thread follows from what it does. */
enum sched_mode {
	TH_MODE_TIMESHARE, /* decays with use */
	TH_MODE_FIXED,     /* stays; round robin by quantum */
	TH_MODE_REALTIME,  /* stays, above all others; the earliest deadline first */
};

/* A thread runs this long before an equal gets its turn. Mach's standard quantum; what throttled and utility
 * threads get, who are let in by the starvation bound and shall not hold up the others for long. */
#define SCHED_QUANTUM_NS          10000000ULL
#define SCHED_QUANTUM_UTILITY_NS  4000000ULL
#define SCHED_QUANTUM_THROTTLE_NS 2000000ULL

/* Who is preempted with less than this part of its quantum left has had it: a switch for less is not worth its cost.
 * About Mach's 250 us. */
#define SCHED_SCRAPS 32

/* A real-time computation may be this long, Mach's limits. */
#define SCHED_COMPUTATION_MIN_NS 50000ULL
#define SCHED_COMPUTATION_MAX_NS 50000000ULL

/* Quanta of threads are kept in units of 2^10 ticks, so that 16 bits hold 50 ms of a 1 GHz counter. */
#define SCHED_QUANTUM_SHIFT 10

/* A woken thread that still waits for its waker's CPU after this time is offered to an idle CPU. Longer than
 * a wake-up followed by blocking takes, shorter than anybody notices. */
#define SCHED_BALANCE_NS 100000ULL

/* A CPU on which threads have to take turns looks this often for one that has fewer: four quanta, so that a
 * thread moves for fairness at most 25 times a second, 0.1 % of its time at 50 us for a cold cache. */
#define SCHED_ROTATE_NS 40000000ULL

/* A CPU that ran out of work polls for more this long before it waits for an interrupt: about what an interrupt
 * between CPUs costs both sides, so that polling at most doubles the price of a wait. */
#define SCHED_IDLE_POLL_NS 5000ULL

/*
 * Timeshare: the CPU time a thread used is halved every decay period, and each SCHED_USAGE_STEP_NS of what
 * is left costs it one level, never more than SCHED_PENALTY_MAX. One period of uninterrupted running costs
 * 125 / 8 = 15 levels: a hog of the default band ends below a utility thread that just woke up.
 */
#define SCHED_DECAY_PERIOD_NS 125000000ULL
#define SCHED_USAGE_STEP_NS   8000000ULL
#define SCHED_PENALTY_MAX     24

/* A waking thread that shares time takes the CPU of another user thread only if it is better by this. The
 * priorities of two that converse differ by a level or two at times, which shall not make each wake-up a preemption. */
#define SCHED_WAKE_MARGIN 4

/*
 * Starvation: a timeshare thread that waited this long behind timeshare threads gets a turn. Mach's worst-case
 * latencies of the default, utility and background classes.
 */
#define SCHED_PATIENCE_DEFAULT_NS  75000000ULL
#define SCHED_PATIENCE_UTILITY_NS  150000000ULL
#define SCHED_PATIENCE_THROTTLE_NS 250000000ULL

/*
 * The fail-safe: a program's real-time or fixed-priority thread that ran this long while others waited, without
 * once blocking, shares time like all others until SCHED_SAFE_NS later. Mach's 100 and 800 quanta.
 */
#define SCHED_UNSAFE_REALTIME_NS 1000000000ULL
#define SCHED_UNSAFE_FIXED_NS    8000000000ULL
#define SCHED_SAFE_NS            2000000000ULL

/* What the longest leeways of timers are multiples of; see sched_timer_leeway. */
#define SCHED_LEEWAY_STEP_NS 1000000ULL
