/*
 * What programs ask of the scheduler, for a thread and for its task, and what it comes to. Plain C, no locks:
 * thread_policy.c keeps the requests of threads, task_policy.c those of tasks.
 *
 * Base priority of a thread, the first that applies:
 *	real time		97, or what it asked for within 97..127
 *	QoS class		the class's, lowered by the relative priority to not below the next class;
 *				user-interactive in a foreground task one more
 *	otherwise		the task's (31, moved by nice and role) + importance (precedence)
 * raised to the class of an override; then at most 4 where the thread or its task is in the background. The legacy
 * calls (extended, time constraint, precedence) take a thread out of its QoS class.
 *
 * Timers. A thread whose timers need not be exact lets them wait for another interrupt (<kern/timer_call.h>): its sleeps,
 * the time-outs of its waits, and mk_timers that it arms without a leeway of their own. How long depends on a tier, the
 * first that applies:
 *	real time		none: exact
 *	latency tier		the override of the task, the thread's, the task's
 *	background		tier 3
 *	QoS class		maintenance, background: tier 3; utility: tier 2
 *	otherwise		none: exact
 *
 *	LATENCY_QOS_TIER_	0	1	2	3	4	5
 *	part of the time	exact	1/8	1/4	1/2	1	4
 *	at most, ms		0	1	5	20	75	100
 */
#pragma once

#include <kern/sched_policy.h>

/* QoS classes as thread policies number them; <mach/thread_policy.h> has the same for programs. */
enum sched_qos {
	SCHED_QOS_UNSPECIFIED,
	SCHED_QOS_MAINTENANCE,
	SCHED_QOS_BACKGROUND,
	SCHED_QOS_UTILITY,
	SCHED_QOS_LEGACY, /* default */
	SCHED_QOS_INITIATED,
	SCHED_QOS_INTERACTIVE,
	SCHED_QOS_COUNT
};

#define SCHED_RELPRI_MIN (-15)

/* Latency and throughput tiers: 0 unspecified, 1 the most demanding ... 6 the least. */
#define SCHED_TIER_COUNT 7

/* For one thread; zero is what a new one asks for. */
struct sched_request {
	uint8_t sr_qos;          /* enum sched_qos */
	uint8_t sr_override;     /* a class it counts for at least */
	int8_t sr_relpri;        /* SCHED_RELPRI_MIN..0, within the class */
	uint8_t sr_mode;         /* enum sched_mode */
	uint8_t sr_background;   /* 1: at most background */
	uint8_t sr_latency;      /* tier */
	uint8_t sr_throughput;   /* tier */
	uint8_t sr_realtime_pri; /* 0: BASEPRI_REALTIME */
	int16_t sr_importance;   /* to be added to the task's priority */
	bool sr_preemptible;     /* real time */
	uint32_t sr_period;      /* real time, ticks; told, not used */
	uint32_t sr_computation;
	uint32_t sr_constraint;
	int32_t sr_affinity; /* tag, 0 none */
};

/* Roles of tasks, as <mach/task_policy.h> numbers them. */
enum sched_role {
	SCHED_ROLE_UNSPECIFIED,
	SCHED_ROLE_FOREGROUND,
	SCHED_ROLE_BACKGROUND,
	SCHED_ROLE_CONTROL,
	SCHED_ROLE_GRAPHICS,
	SCHED_ROLE_THROTTLE,
	SCHED_ROLE_NONUI,
	SCHED_ROLE_DEFAULT,
	SCHED_ROLE_DARWIN_BACKGROUND,
	SCHED_ROLE_COUNT
};

/* For all threads of a task; zero is what a new one asks for. */
struct sched_task_request {
	int8_t st_nice;                 /* -20..20 */
	uint8_t st_role;                /* enum sched_role */
	uint8_t st_suppressed;          /* its CPU priority is to be that of the background */
	uint8_t st_latency;             /* tier, where a thread has none */
	uint8_t st_throughput;          /* the same */
	uint8_t st_latency_override;    /* stands above the threads' own */
	uint8_t st_throughput_override; /* the same */
};

/* The base priority of a task's threads that ask for nothing. */
int sched_task_priority(const struct sched_task_request *task);

/* The tiers in force for a thread; 0 unspecified. */
unsigned sched_latency_tier(const struct sched_request *request, const struct sched_task_request *task);
unsigned sched_throughput_tier(const struct sched_request *request, const struct sched_task_request *task);

/* The tier of a thread's timers; 0 for none, then they are exact. */
unsigned sched_timer_tier(const struct sched_request *request, const struct sched_task_request *task);

/* How late a timer of such a thread may come that is set for `ticks` from now. */
uint64_t sched_timer_leeway(unsigned tier, uint64_t ticks);

/* What a thread's request comes to in its task. */
void sched_resolve(
    const struct sched_request *request, const struct sched_task_request *task, struct sched_params *params);
