/*
 * A machine of any size that runs the kernel's scheduling policy in simulated time.
 *
 * What decides is the kernel's own source: <kern/sched_policy.h> (priorities, decay, deadlines, starvation, fail-safe),
 * <kern/sched_place.h> (where threads run), <kern/runq.h>. What sim.c adds is what sched_prim.c does around it, in the
 * same steps and with the same names, and threads that only run and sleep. Time is in nanoseconds and is the tick.
 *
 * A simulation is a function of its threads and its seed: events at the same time happen in the order in which they
 * were set.
 *
 * Left out: the time an interrupt takes, kernel code, locks. A switch costs SIM_SWITCH_NS, a thread that comes to
 * another CPU has SIM_MIGRATE_NS more to run, for its cold cache.
 */
#pragma once

#include <kern/runq.h>
#include <kern/sched_place.h>
#include <kern/sched_policy.h>

#define SIM_CPUS_MAX   1024
#define SIM_SWITCH_NS  2000ULL
#define SIM_MIGRATE_NS 20000ULL

/* What of the policy is left out, to see that its absence is noticed. */
enum sim_broken {
	SIM_SOUND = 0,
	SIM_NO_DECAY = 1,     /* use is never charged */
	SIM_NO_BOOST = 2,     /* the starving are not let in */
	SIM_NO_STEAL = 4,     /* idle CPUs do not look for work, nobody offers it */
	SIM_NO_ROTATE = 8,    /* threads do not move for fairness */
	SIM_NO_DEADLINE = 16, /* real-time threads queue in the order in which they came */
	SIM_NO_PLACE = 32,    /* threads wake where they ran last */
	SIM_NO_CHARGE = 64,   /* who sleeps before its quantum ends pays nothing */
	SIM_NO_FAILSAFE = 128,
	SIM_NO_REST = 256,     /* who was preempted begins a new quantum */
	SIM_NO_OFFER = 512,    /* a hint that is lost is not put back */
	SIM_LOSE_HINTS = 1024, /* each queue that fills finds its hint set, and a thief clears it then */
};

/* What a thread does: runs for `run_ns`, sleeps for `sleep_ns`, and again; both vary by up to half at random. */
struct sim_behaviour {
	const char *class; /* threads of one class are reported together */
	enum sched_mode mode;
	int base;
	uint64_t run_ns;
	uint64_t sleep_ns;  /* 0: never sleeps */
	uint64_t period_ns; /* real time: wakes at fixed distances instead, and is late after constraint_ns */
	uint64_t constraint_ns;
	bool exact; /* no variation */
};

struct sim_thread {
	struct runq_entry st_entry;
	struct timer_heap_entry st_timer; /* while it sleeps */
	struct sched_entity st_se;
	struct sim_behaviour st_does;
	struct sim_cpu *st_queue; /* on whose run queue it is */
	uint64_t st_cpu_time;
	uint64_t st_left;          /* of this run */
	uint64_t st_woke;          /* when this run became due */
	uint64_t st_ready_since;   /* when it began to wait for a CPU */
	uint64_t st_longest_wait;  /* for a CPU */
	uint64_t st_runs, st_late; /* runs ended; of those after the constraint */
	uint64_t st_migrations;
	uint32_t st_last_cpu;
	uint32_t st_id;
	int st_pri;
	bool st_has_waited; /* the delay of this wake-up is told already */
};

/* Delays of wake-ups, in buckets of a quarter of an octave. */
#define SIM_BUCKETS 160
struct sim_delays {
	uint64_t count[SIM_BUCKETS];
	uint64_t total, max_ns;
};

struct sim_config {
	unsigned cpus;
	uint64_t seed;
	unsigned broken; /* enum sim_broken, or'ed */
};

struct sim_totals {
	uint64_t switches, wakes, steals, rotations, offers, boosts, idle_ns, idle_with_work_ns;
};

struct sim;

struct sim *sim_create(const struct sim_config *config);
void sim_destroy(struct sim *sim);

/* A thread that wakes for the first time at `start`, last run on `cpu`. */
struct sim_thread *sim_add(struct sim *sim, const struct sim_behaviour *does, unsigned cpu, uint64_t start);

/* Until `end`. May be called again. */
void sim_run(struct sim *sim, uint64_t end);

uint64_t sim_random(struct sim *sim);
unsigned sim_threads(const struct sim *sim);
struct sim_thread *sim_thread(const struct sim *sim, unsigned n);
const struct sim_totals *sim_totals(const struct sim *sim);

/* The delays from wake-up to running of a class. */
struct sim_delays *sim_delays(struct sim *sim, const char *class);
/* The delay that `part` of them (0..1) did not exceed, ns. */
uint64_t sim_percentile(const struct sim_delays *delays, double part);
