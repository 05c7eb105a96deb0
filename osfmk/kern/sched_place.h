/*
 * Where threads run: the CPU a waking thread goes to, and how work comes to CPUs that lack it. Plain C over what
 * CPUs show of themselves (struct sched_cpu), so that the same source is the kernel's and the simulator's, which
 * supply the functions at the end.
 *
 * Wake-up, in this order:
 *	1. where it is bound
 *	2. its last CPU (or the one of its affinity tag), if that is idle or runs something lower: its cache lines are there
 *	3. the waker's CPU if that is its last one and nobody waits there: the waker may be about to block (wake-affine);
 *	   if it does not, the balance timer finds the thread after SCHED_BALANCE_NS
 *	4. an idle CPU, near first (below)
 *	5. real time: the CPU of its cluster that runs the least, if lower
 *	6. its last CPU, where it waits
 * A handoff passes all this by: the thread runs at once, on its waker's CPU.
 *
 * Finding an idle CPU. Each CPU shows a flag, pr_idle, that a waker takes by compare-exchange, so that two wakers
 * choose two CPUs. Looking at all of them would read a line of every CPU of a large machine, so CPUs form clusters
 * of SCHED_CLUSTER_CPUS with one hint word each: bit n is set by CPU n when it goes to sleep and finds it clear, and
 * cleared only by a waker that finds CPU n busy. So the word is read, not written, while CPUs idle and wake in
 * the same pattern, and it is never believed. A waker looks at its thread's cluster and at SCHED_CLUSTERS_TRIED
 * others, beginning at one that depends on the thread, at most SCHED_FLAGS_TRIED flags in all: the search is bounded
 * whatever the machine's size, and an idle CPU that it misses finds work by itself:
 *
 * Stealing. A CPU with nothing to do looks for a queue with threads to spare: its own cluster, then all others once
 * around, by a hint word of the same kind (set by a CPU whose run queue was empty and now is not; cleared by a thief
 * that finds nothing). It takes the thread of the highest priority that has waited longest. Locality: a thread alone
 * in front of its CPU (pr_only, <kern/sched_ready.h>) is out of reach until it has waited for SCHED_BALANCE_NS, so
 * that threads that converse are not torn apart; of those queued, the one that has waited longest has the
 * coldest cache; near clusters are robbed first. Work is conserved: a CPU goes to sleep only after it saw no
 * hint; a queue that fills afterwards is offered to an idle CPU by its own balance timer, once SCHED_BALANCE_NS have
 * passed and at the end of each quantum as long as threads wait. A hint may be lost: the CPU finds it set, and does not
 * set it, a moment before a thief that found nothing clears it. The offer puts it back. [S1] the thief clears
 * it, full fence, looks at the queue; [S2] the CPU has filled the queue, full fence, looks at the hint: one
 * of them sees, and sets it.
 *
 * Fairness. Stealing leaves k + 1 equal hogs on k CPUs as they fell: two share a CPU, the others have one each. So a
 * CPU on which threads have to take turns looks every SCHED_ROTATE_NS at three others, two near and one
 * anywhere, chosen at random, and sends the next waiting thread to one that has fewer threads, or that runs something
 * lower. With n threads on k CPUs the load of each tends to n/k rounded up or down, and where n/k is no integer the
 * surplus moves on all the time: each thread is among those with less in turns, and shares become equal over
 * k * SCHED_ROTATE_NS. Locality: a thread moves at most every SCHED_ROTATE_NS on average, none moves when loads are
 * equal, and two choices out of many bring the longest queue near the mean (power of two choices) without anybody
 * reading all queues.
 *
 * Cost of the hot path: none of this runs when a thread wakes on its own CPU with nobody waiting there, when a
 * thread blocks with another waiting, or in a handoff.
 */
#pragma once

#include <kern/sched.h>
#include <os/atomic.h>

#define SCHED_CLUSTER_CPUS \
	16 /* CPUs that share an interrupt controller's affinity group, thus probably a cache */
#define SCHED_CLUSTERS_TRIED 4
#define SCHED_FLAGS_TRIED    16

/* What a CPU shows to others. Own CPU writes; see <kern/processor.h> for the order. */
struct sched_cpu {
	int32_t pr_current_pri; /* sched_shown_priority of what runs; IDLEPRI when idle */
	uint32_t pr_idle;       /* waits for interrupts and no waker has chosen it; atomic */
	uint32_t pr_online;     /* may be given threads */
};

/* Hints of a cluster; bit n is its n-th CPU. Atomic, never believed. */
struct sched_cluster {
	uint32_t sc_idle OS_CACHE_ALIGNED;  /* may be idle */
	uint32_t sc_spare OS_CACHE_ALIGNED; /* may have threads to spare */
};

/* Where a thread may run and would like to: sched_binding() of what the thread keeps. */
#define SCHED_CPU_ANY (-1)

/* The thread stays on `cpu`, or likes to be there (affinity); as one number with SCHED_CPU_ANY. */
#define SCHED_BIND(cpu)   ((int)(cpu))
#define SCHED_AFFINE(cpu) (-2 - (int)(cpu))

/* May a thief or a balancer take it elsewhere? */
OS_INLINE bool
sched_may_move(int binding)
{
	return binding < 0;
}

/* A wake-up to be placed. */
struct sched_wake {
	unsigned here;      /* the waker's CPU */
	unsigned last;      /* the thread's last one */
	int binding;        /* SCHED_CPU_ANY, SCHED_BIND, SCHED_AFFINE */
	int pri;            /* the thread's */
	bool waiting_here;  /* somebody waits for the waker's CPU */
	unsigned long salt; /* differs between threads */
};

/* The CPU that the thread goes to. If it was idle, its flag has been taken. */
unsigned sched_place_wake(const struct sched_wake *wake);

/* An idle CPU whose flag has been taken, or -1. */
int sched_place_idle(unsigned near, unsigned long salt);

/* CPU `cpu` goes to sleep: shows it. */
void sched_show_idle(unsigned cpu);

/* The run queue of `cpu` is no longer empty; has not been for a while, and an idle CPU is going to be asked to come. */
void sched_show_spare(unsigned cpu);
void sched_offer_spare(unsigned cpu);

/*
 * The CPUs that a thief on `thief` may rob, one after another; -1 when there are no more. The thief calls
 * sched_steal_nothing for those that had nothing.
 */
struct sched_steal {
	unsigned thief;
	unsigned cluster; /* how many clusters on */
	uint32_t left;    /* CPUs of this cluster still to be tried */
};
void sched_steal_begin(struct sched_steal *steal, unsigned thief);
int sched_steal_next(struct sched_steal *steal);
void sched_steal_nothing(unsigned victim);

/*
 * `cpu` has had `waiting` threads waiting for SCHED_ROTATE_NS, the next of priority `pri`: the CPU that shall have
 * it, or -1. *random is the caller's generator, not 0.
 */
int sched_place_rotate(unsigned cpu, unsigned waiting, int pri, uint64_t *random);

/* --- supplied by the kernel and by the simulator --- */

unsigned sched_cpus(void);
struct sched_cpu *sched_cpu(unsigned cpu);
/* Threads in its run queue; atomic. */
unsigned sched_cpu_waiting(unsigned cpu);
struct sched_cluster *sched_cluster(unsigned cluster);
