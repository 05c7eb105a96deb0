/*
 * The scheduling policy: how the priority of a thread follows from what was asked for it and from what it does.
 * Plain C on plain structures, without locks, threads or CPUs, so that the same source is the kernel's and the
 * simulator's (osfmk/kern/sim). Where a thread runs is <kern/sched_place.h>.
 *
 * The rule. On each CPU the thread of the highest priority runs, equals take turns by quantum. A thread's
 * priority is
 *
 *	max(own, push, boost)	own = base                      fixed, real time
 *				      base - decayed use        timeshare
 *				push    turnstiles: somebody more important waits for this thread
 *				boost   it has starved
 *
 * Decay. The time a timeshare thread ran is added to its usage when somebody else wants the CPU: at the end of a
 * quantum, when a better one takes the CPU before that, and when it wakes where others run or wait (a thread that
 * always sleeps just before its quantum ends does not get away). What was used while nobody wanted the CPU counts as if
 * it had been used evenly since the last charge, so that work done long ago is not held against a thread. Usage is
 * halved every decay period. A thread that runs all the time comes to 2 periods = 250 ms; N that share a CPU come to
 * 250/N ms each, so equals lose the same and stay equals, and who mostly sleeps stays near its base and goes first. A
 * hog of a higher band sinks below the base of the next one, so bands are shares, not walls.
 *
 * Two that converse are charged at different moments, so their priorities differ by a level now and then. A waking
 * thread that shares time therefore takes the CPU of another user thread only if it is better by SCHED_WAKE_MARGIN;
 * else it waits for the end of the quantum like an equal. Fixed and real-time threads are obeyed to the level.
 *
 * Who waits decays too: once in a quantum the first thread of each list is looked at, and joins the list of the
 * priority that it has by then. That is bounded by the number of priorities, and whoever is first stays first until it
 * has been looked at.
 *
 * Starvation. Decay ends at SCHED_PENALTY_MAX levels, so background threads could wait for ever behind a default
 * hog. A thread that waited longer than its class may (sched_patience) is boosted to the level of those who run,
 * until it waits or for one quantum, and no two boosted turns follow each other. With n starving threads each gets a
 * turn at least every patience + n * (quantum + its own quantum). This holds among timeshare threads; fixed priorities
 * are obeyed strictly, but only as long as their owners behave:
 *
 * Fail-safe. A program's fixed or real-time thread that runs for SCHED_UNSAFE_* while others wait, without
 * blocking, becomes a timeshare thread of default priority for SCHED_SAFE_NS. So a timeshare thread waits for a hog
 * of any kind at most SCHED_UNSAFE_FIXED_NS and its patience.
 *
 * Real time. A thread with a time constraint has the deadline wake-up + constraint. Among those of one priority
 * the earliest deadline is first: a CPU that runs a real-time thread shows priority - 1 to wakers, so that an
 * equal asks for the CPU like a better one, and deadlines decide (sched_preempts). Its quantum is its computation; if
 * that is used up it goes behind those who are within theirs. A thread that was pushed into the band has no
 * deadline of its own; somebody's depends on it, and it queues as if its deadline were the moment it came.
 *
 * Handoff. A thread that hands its CPU over in a call passes the rest of its quantum on; the pair is charged like
 * one thread.
 *
 * Preemption. A thread whose CPU a better one takes keeps its place in front of its equals and what is left of its
 * quantum (se_left); only who has used its quantum up, or waited, begins a new one. Else one that is preempted
 * more often than once in a quantum would never come to the end of any, and its equals would wait for ever. The same
 * would be true of one that is over whenever it happens to be pushed: at the pushed priority there is nobody to make
 * room for. So who comes to the end of its quantum while it is pushed, or is pushed from its place behind its equals,
 * owes them their turn (SE_OWES) and goes behind them at the first preemption without a push. A thread
 * that does not wait thus runs before an equal for at most a quantum and one push.
 */
#pragma once

#include <kern/sched.h>

/* The constants of <kern/sched.h> in ticks of the clock; constant after sched_policy_init. */
struct sched_ticks {
	uint64_t quantum, quantum_utility, quantum_throttle;
	uint64_t computation_min, computation_max;
	uint64_t balance, rotate, idle_poll;
	uint64_t decay_period, usage_step;
	uint64_t patience_default, patience_utility, patience_throttle;
	uint64_t unsafe_realtime, unsafe_fixed, safe;
	uint64_t leeway_step;
};

extern struct sched_ticks sched_ticks;

/* Start-up. ns_to_ticks converts. */
void sched_policy_init(uint64_t (*ns_to_ticks)(uint64_t ns));

/* What policy knows of a thread. Who writes it: the thread's scheduling lock serialises. */
struct sched_entity {
	uint64_t se_usage;      /* timeshare: decayed ticks; others: 1, so that each wake-up is looked at */
	uint64_t se_look_at;    /* when a wake-up is looked at next, unless se_usage is 0; 0: the next one */
	uint64_t se_decay_at;   /* when se_usage is halved next */
	uint64_t se_charged;    /* the thread's CPU time that usage contains */
	uint64_t se_charged_at; /* when that was */
	uint64_t
	    se_unsafe; /* fixed and real time: ticks on the CPU while others waited, since it blocked; in the
			          * fail-safe: when that ends */
	uint64_t se_deadline;    /* real time */
	uint32_t se_computation; /* real time; ticks */
	uint32_t se_constraint;  /* the same */
	int16_t se_base;         /* of the mode in use */
	int16_t se_push;         /* -1: nobody pushes */
	int16_t se_boost;        /* -1: has not starved */
	int16_t se_asked_base;   /* what the fail-safe put aside */
	uint8_t se_mode;         /* enum sched_mode, in use */
	uint8_t se_asked_mode;   /* what the fail-safe put aside */
	uint8_t se_flags;        /* SE_* */
	uint32_t se_left;        /* ticks of its quantum that a preemption left it; 0: it begins a new one */
	int8_t se_quantum_log2;  /* quanta of twice or half the length: 1, 0, -1 */
};

#define SE_TRUSTED     0x01 /* a kernel thread: no fail-safe */
#define SE_FAILSAFE    0x02 /* caught by it */
#define SE_UNPREEMPTED 0x04 /* real time: an earlier deadline of the same priority waits for it */
#define SE_OWES        0x08 /* has passed its equals, or its quantum, by a push */

/* What is asked for a thread. */
struct sched_params {
	enum sched_mode mode;
	int base;
	uint32_t computation; /* real time; ticks */
	uint32_t constraint;
	bool preemptible;
	int quantum_log2;
	unsigned timer_tier; /* of its timers: <kern/sched_request.h> */
};

/* Usage to begin with: who is watched by the clock or the fail-safe is looked at whenever it wakes. */
OS_INLINE uint64_t
sched_initial_usage(enum sched_mode mode, bool trusted)
{
	return mode == TH_MODE_REALTIME || (mode == TH_MODE_FIXED && !trusted);
}

/* The memory is zero. */
OS_INLINE void
sched_entity_init(struct sched_entity *se, enum sched_mode mode, int base, bool trusted, uint64_t now)
{
	se->se_charged_at = now;
	se->se_usage = sched_initial_usage(mode, trusted);
	se->se_push = se->se_boost = -1;
	se->se_base = se->se_asked_base = (int16_t)base;
	se->se_mode = se->se_asked_mode = (uint8_t)mode;
	se->se_flags = trusted ? SE_TRUSTED : 0;
}

/*
 * The first deadline of a real-time thread counts from now. A thread caught by the fail-safe stays caught, and gets the
 * new parameters afterwards.
 */
void sched_entity_set(struct sched_entity *se, const struct sched_params *params, uint64_t now);

/* What a thread with `usage` ticks of decayed CPU time is queued by. */
int sched_decayed_priority(int base_pri, uint64_t usage);

/* The thread's priority now. */
int sched_entity_priority(const struct sched_entity *se);

/* How long it may run at a time, ticks; and when it runs next. */
uint64_t sched_entity_quantum(const struct sched_entity *se);

OS_INLINE uint64_t
sched_entity_turn(const struct sched_entity *se)
{
	return se->se_left != 0 ? se->se_left : sched_entity_quantum(se);
}

/* Turnstiles push it to `pri`; -1: nobody does. `queued`: it waits for a CPU. */
void sched_entity_push(struct sched_entity *se, int pri, bool queued);

/* The thread has used `cpu_time` in its life; a timeshare thread pays for what is new. */
void sched_entity_charge(struct sched_entity *se, uint64_t cpu_time, uint64_t now);

/* Its share of a CPU of late, in thousandths. */
unsigned sched_entity_share(const struct sched_entity *se, uint64_t cpu_time, uint64_t now);

/*
 * A better thread takes its CPU when `left` ticks are left of its quantum: it pays for what it used. True if that was
 * as good as all, and it goes behind its equals; else it stays in front of them.
 */
bool sched_entity_preempted(struct sched_entity *se, uint64_t cpu_time, uint64_t left, uint64_t now);

/* Its quantum ended while somebody waited. Ends a boost, a computation, trust. */
void sched_entity_expired(struct sched_entity *se, uint64_t cpu_time, uint64_t now);

/* It has starved: at least `pri` until it has run for a quantum, or waits. */
void sched_entity_boost(struct sched_entity *se, int pri);

/* It wakes: a new quantum; what it used long ago is forgotten, a real-time thread gets its deadline. */
void sched_entity_wake(struct sched_entity *se, uint64_t now);

/* Is there anything for sched_entity_wake to do? Most have nothing to forget, or not yet. */
OS_INLINE bool
sched_entity_wake_due(const struct sched_entity *se, uint64_t now)
{
	return now >= se->se_look_at;
}

/* It has waited for a CPU: is there anything to forget by now? Then sched_entity_wake's decay is to be done. */
OS_INLINE bool
sched_entity_aged(const struct sched_entity *se, uint64_t now)
{
	return se->se_mode == TH_MODE_TIMESHARE && se->se_usage != 0 && now >= se->se_decay_at;
}

void sched_entity_age(struct sched_entity *se, uint64_t now);

/* The deadline it queues by at a real-time priority. */
uint64_t sched_entity_deadline(const struct sched_entity *se, uint64_t now);

/* A thread that waits at `pri` shall get a turn after this time, ticks. */
uint64_t sched_patience(int pri);

/* What a CPU that runs a thread of `pri` shows to wakers. */
OS_INLINE int
sched_shown_priority(int pri)
{
	return pri - (os_unlikely(pri >= BASEPRI_REALTIME) ? 1 : 0);
}

/* A waking thread that shares time asks for the CPU of one of `pri` if it is better than this. */
OS_INLINE int
sched_wake_threshold(int pri)
{
	return (unsigned)pri <= MAXPRI_USER ? pri + SCHED_WAKE_MARGIN - 1 : sched_shown_priority(pri);
}

/*
 * Does the best waiting thread, of priority `pri` and deadline `deadline`, get the CPU of a thread of priority
 * `running`? `expired`: the latter's turn is over.
 */
bool sched_preempts(
    int pri, uint64_t deadline, int running, const struct sched_entity *running_se, bool expired);
