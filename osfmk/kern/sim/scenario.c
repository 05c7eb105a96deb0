/*
 * Scenarios. See scenario.h. The load grows with the machine, so that the same bounds hold for every size.
 */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#define US 1000ULL
#define MS 1000000ULL
#define S  1000000000ULL

#define FOREVER (UINT64_MAX / 8)

/* --- measuring --- */

static void
metric(struct outcome *out, const char *name, double value, int is_bound, double bound)
{
	out->metrics[out->nmetrics++] =
	    (struct metric){ .name = name, .value = value, .bound = bound, .is_bound = is_bound };
}

const struct metric *
outcome_fault(const struct outcome *out)
{
	for (unsigned i = 0; i < out->nmetrics; i++) {
		const struct metric *m = &out->metrics[i];

		if (m->is_bound != 0 && m->is_bound * m->value > m->is_bound * m->bound) {
			return m;
		}
	}
	return NULL;
}

/* CPU times of the threads of a class since they were last looked at. */
struct shares {
	unsigned n;
	double sum, squares, least, most;
};

static struct shares
shares_of(const struct sim *sim, const char *class, const uint64_t *before)
{
	struct shares s = { .least = 1e300 };

	for (unsigned i = 0; i < sim_threads(sim); i++) {
		struct sim_thread *thread = sim_thread(sim, i);
		double used = (double)(thread->st_cpu_time - before[i]);

		if (strcmp(thread->st_does.class, class) == 0) {
			s.n++;
			s.sum += used;
			s.squares += used * used;
			s.least = os_min(s.least, used);
			s.most = os_max(s.most, used);
		}
	}
	return s;
}

static uint64_t *
cpu_times(const struct sim *sim)
{
	uint64_t *times = calloc(sim_threads(sim), sizeof(*times));

	for (unsigned i = 0; i < sim_threads(sim); i++) {
		times[i] = sim_thread(sim, i)->st_cpu_time;
	}
	return times;
}

static double
longest_wait_ms(const struct sim *sim, const char *class)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < sim_threads(sim); i++) {
		struct sim_thread *thread = sim_thread(sim, i);

		if (strcmp(thread->st_does.class, class) == 0) {
			longest = os_max(longest, thread->st_longest_wait);
		}
	}
	return (double)longest / (double)MS;
}

static void
add_to_each(struct sim *sim, const struct sim_config *config, unsigned per_cpu, struct sim_behaviour does)
{
	for (unsigned i = 0; i < per_cpu * config->cpus; i++) {
		sim_add(sim, &does, i % config->cpus, sim_random(sim) % (10 * MS));
	}
}

static void
tell_delays(struct outcome *out, struct sim *sim, const char *class, double p99_ms)
{
	out->delays = *sim_delays(sim, class);
	out->has_delays = true;
	metric(out, "delay p50 (ms)", (double)sim_percentile(&out->delays, 0.50) / (double)MS, 0, 0);
	metric(out, "delay p99 (ms)", (double)sim_percentile(&out->delays, 0.99) / (double)MS, 1, p99_ms);
	metric(out, "delay max (ms)", (double)out->delays.max_ns / (double)MS, 0, 0);
}

static void
tell_moves(struct outcome *out, const struct sim *sim, const struct sim_config *config, uint64_t ns)
{
	const struct sim_totals *totals = sim_totals(sim);
	double cpu_seconds = (double)config->cpus * (double)ns / (double)S;

	metric(out, "steals per CPU and s", (double)totals->steals / cpu_seconds, 0, 0);
	metric(out, "rotations per CPU and s", (double)totals->rotations / cpu_seconds, 1, 25);
}

static const struct sim_behaviour hog = {
	.class = "hog", .base = BASEPRI_DEFAULT, .run_ns = FOREVER, .exact = true
};

/* --- scenarios --- */

/* Five equal hogs for two CPUs, so that no CPU can have the same number as all others. */
static void
fair(const struct sim_config *config, struct outcome *out)
{
	unsigned n = config->cpus * 5 / 2 + 1;
	struct sim *sim = sim_create(config);
	struct shares s;
	uint64_t *before;

	for (unsigned i = 0; i < n; i++) {
		sim_add(sim, &hog, i % config->cpus, sim_random(sim) % (10 * MS));
	}
	sim_run(sim, S);
	before = cpu_times(sim);
	sim_run(sim, 5 * S);
	s = shares_of(sim, "hog", before);
	metric(out, "Jain's index", s.sum * s.sum / (s.n * s.squares), -1, 0.98);
	metric(out, "least share / mean", s.least / (s.sum / s.n), -1, 0.70);
	metric(out, "largest share / mean", s.most / (s.sum / s.n), 1, 1.40);
	metric(out, "largest lag (ms)", (s.sum / s.n - s.least) / (double)MS, 0, 0);
	metric(out, "CPU time used", s.sum / ((double)config->cpus * 4 * (double)S), -1, 0.99);
	tell_moves(out, sim, config, 5 * S);
	free(before);
	sim_destroy(sim);
}

/* Threads that mostly sleep, among hogs of the same priority. */
static void
interactive(const struct sim_config *config, struct outcome *out)
{
	struct sim *sim = sim_create(config);

	add_to_each(sim, config, 2, hog);
	add_to_each(sim, config, 2,
	    (struct sim_behaviour){
		.class = "interactive", .base = BASEPRI_DEFAULT, .run_ns = 400 * US, .sleep_ns = 10 * MS });
	sim_run(sim, S / 2); /* nobody is known for a hog from the beginning */
	*sim_delays(sim, "interactive") = (struct sim_delays){ 0 };
	sim_run(sim, 3 * S);
	tell_delays(out, sim, "interactive", 10.0);
	tell_moves(out, sim, config, 3 * S);
	sim_destroy(sim);
}

/* Utility and background hogs behind default ones. */
static void
starvation(const struct sim_config *config, struct outcome *out)
{
	struct sim_behaviour utility = hog, background = hog;
	struct sim *sim = sim_create(config);
	uint64_t *before;
	double all;

	utility.class = "utility";
	utility.base = BASEPRI_UTILITY;
	background.class = "background";
	background.base = MAXPRI_THROTTLE;
	add_to_each(sim, config, 2, hog);
	add_to_each(sim, config, 1, utility);
	add_to_each(sim, config, 2, background);
	before = cpu_times(sim);
	sim_run(sim, 4 * S);
	all = (double)config->cpus * 4 * (double)S;
	metric(out, "longest wait, default (ms)", longest_wait_ms(sim, "hog"), 1, 250);
	metric(out, "longest wait, utility (ms)", longest_wait_ms(sim, "utility"), 1, 350);
	metric(out, "longest wait, background (ms)", longest_wait_ms(sim, "background"), 1, 600);
	metric(out, "share, default", shares_of(sim, "hog", before).sum / all, -1, 0.5);
	metric(out, "share, utility", shares_of(sim, "utility", before).sum / all, 0, 0);
	metric(out, "share, background", shares_of(sim, "background", before).sum / all, 1, 0.2);
	free(before);
	sim_destroy(sim);
}

/* Four threads for each CPU wake at the same moment on one cluster. */
static void
storm(const struct sim_config *config, struct outcome *out)
{
	struct sim_behaviour does = { .class = "woken",
		.base = BASEPRI_DEFAULT,
		.run_ns = 2 * MS,
		.sleep_ns = FOREVER,
		.exact = true };
	struct sim *sim = sim_create(config);
	unsigned used = 0;
	bool *on = calloc(config->cpus, sizeof(*on));

	for (unsigned i = 0; i < 4 * config->cpus; i++) {
		sim_add(sim, &does, i % os_min(config->cpus, (unsigned)SCHED_CLUSTER_CPUS), MS);
	}
	sim_run(sim, 2 * S);
	for (unsigned i = 0; i < sim_threads(sim); i++) {
		unsigned cpu = sim_thread(sim, i)->st_last_cpu;

		used += !on[cpu];
		on[cpu] = true;
	}
	metric(out, "CPUs used / CPUs", (double)used / config->cpus, -1, 0.9);
	tell_delays(out, sim, "woken", 32.0);
	tell_moves(out, sim, config, 2 * S);
	free(on);
	sim_destroy(sim);
}

/* Bursts that would fill nine tenths of the machine if no CPU ever idled while threads wait. */
static void
conserve(const struct sim_config *config, struct outcome *out)
{
	struct sim *sim = sim_create(config);
	double all = (double)config->cpus * 2 * (double)S;

	add_to_each(sim, config, 3,
	    (struct sim_behaviour){
		.class = "burst", .base = BASEPRI_DEFAULT, .run_ns = 3 * MS, .sleep_ns = 7 * MS });
	sim_run(sim, 2 * S);
	metric(out, "idle while threads wait", (double)sim_totals(sim)->idle_with_work_ns / all, 1, 0.03);
	metric(out, "idle", (double)sim_totals(sim)->idle_ns / all, 0, 0);
	tell_delays(out, sim, "burst", 15.0);
	tell_moves(out, sim, config, 2 * S);
	sim_destroy(sim);
}

/* Two threads for a CPU wake where one can run, and no queue ever shows that it has some to spare. */
static void
hints(const struct sim_config *config, struct outcome *out)
{
	struct sim_config lossy = *config;
	struct sim *sim;

	lossy.broken |= SIM_LOSE_HINTS | SIM_NO_PLACE | SIM_NO_ROTATE;
	sim = sim_create(&lossy);
	for (unsigned i = 0; i < config->cpus; i++) {
		sim_add(sim,
		    &(struct sim_behaviour){
			.class = "burst", .base = BASEPRI_DEFAULT, .run_ns = 3 * MS, .sleep_ns = 7 * MS },
		    i / 2 * 2, sim_random(sim) % (10 * MS));
	}
	sim_run(sim, 2 * S);
	tell_delays(out, sim, "burst", 1.0);
	tell_moves(out, sim, config, 2 * S);
	sim_destroy(sim);
}

/* Short and long computations on each CPU, 30 % of it, among hogs: deadlines that first come first served misses. */
static void
realtime(const struct sim_config *config, struct outcome *out)
{
	static const struct sim_behaviour tight = { .class = "tight",
		.mode = TH_MODE_REALTIME,
		.base = BASEPRI_REALTIME,
		.run_ns = 1 * MS,
		.period_ns = 10 * MS,
		.constraint_ns = 4 * MS,
		.exact = true };
	static const struct sim_behaviour loose = { .class = "loose",
		.mode = TH_MODE_REALTIME,
		.base = BASEPRI_REALTIME,
		.run_ns = 8 * MS,
		.period_ns = 40 * MS,
		.constraint_ns = 35 * MS,
		.exact = true };
	struct sim *sim = sim_create(config);
	uint64_t runs = 0, late = 0;

	add_to_each(sim, config, 2, hog);
	add_to_each(sim, config, 1, tight);
	add_to_each(sim, config, 1, loose);
	sim_run(sim, 3 * S);
	for (unsigned i = 0; i < sim_threads(sim); i++) {
		struct sim_thread *thread = sim_thread(sim, i);

		if (thread->st_does.mode == TH_MODE_REALTIME) {
			runs += thread->st_runs;
			late += thread->st_late;
		}
	}
	metric(out, "deadlines", (double)runs, -1, 1);
	metric(out, "missed", runs == 0 ? 1 : (double)late / (double)runs, 1, 0.001);
	tell_delays(out, sim, "tight", 2.0);
	sim_destroy(sim);
}

/* Threads that sleep for a moment before each quantum ends, against honest ones. */
static void
cheat(const struct sim_config *config, struct outcome *out)
{
	struct sim *sim = sim_create(config);
	uint64_t *before;
	struct shares honest, cheats;

	add_to_each(sim, config, 2, hog);
	add_to_each(sim, config, 2,
	    (struct sim_behaviour){ .class = "cheat",
		.base = BASEPRI_DEFAULT,
		.run_ns = 9 * MS,
		.sleep_ns = 200 * US,
		.exact = true });
	sim_run(sim, S);
	before = cpu_times(sim);
	sim_run(sim, 4 * S);
	honest = shares_of(sim, "hog", before);
	cheats = shares_of(sim, "cheat", before);
	metric(out, "cheat's share / honest one's", cheats.sum / honest.sum, 1, 1.3);
	metric(out, "least honest share / mean", honest.least / (honest.sum / honest.n), -1, 0.5);
	free(before);
	sim_destroy(sim);
}

/* A fixed-priority hog on each CPU that never sleeps. */
static void
failsafe(const struct sim_config *config, struct outcome *out)
{
	struct sim_behaviour fixed = hog;
	struct sim *sim = sim_create(config);
	uint64_t *before;

	fixed.class = "fixed";
	fixed.mode = TH_MODE_FIXED;
	fixed.base = 55;
	add_to_each(sim, config, 1, fixed);
	add_to_each(sim, config, 1, hog);
	before = cpu_times(sim);
	sim_run(sim, 14 * S);
	metric(out, "longest wait, timeshare (ms)", longest_wait_ms(sim, "hog"), 1, 8500);
	metric(out, "share, timeshare",
	    shares_of(sim, "hog", before).sum / ((double)config->cpus * 14 * (double)S), -1, 0.05);
	free(before);
	sim_destroy(sim);
}

/* Two equals of fixed priority on each CPU, and a better one that takes it three times in a quantum. */
static void
preempted(const struct sim_config *config, struct outcome *out)
{
	struct sim_behaviour equal = hog;
	struct sim *sim = sim_create(config);
	uint64_t *before;
	struct shares s;

	equal.class = "equal";
	equal.mode = TH_MODE_FIXED;
	equal.base = BASEPRI_INITIATED;
	add_to_each(sim, config, 2, equal);
	add_to_each(sim, config, 1,
	    (struct sim_behaviour){ .class = "better",
		.mode = TH_MODE_FIXED,
		.base = BASEPRI_INTERACTIVE,
		.run_ns = 300 * US,
		.sleep_ns = 3 * MS });
	before = cpu_times(sim);
	sim_run(sim, 4 * S);
	s = shares_of(sim, "equal", before);
	metric(out, "longest wait, equal (ms)", longest_wait_ms(sim, "equal"), 1, 200);
	metric(out, "least share / mean", s.least / (s.sum / s.n), -1, 0.5);
	metric(out, "largest share / mean", s.most / (s.sum / s.n), 1, 1.5);
	free(before);
	sim_destroy(sim);
}

const struct scenario scenarios[] = {
	{ "fair", "five equal hogs for two CPUs", SIM_NO_ROTATE, fair },
	{ "interactive", "threads that mostly sleep, among hogs", SIM_NO_DECAY, interactive },
	{ "starvation", "utility and background hogs behind default ones", SIM_NO_BOOST, starvation },
	{ "storm", "four threads for each CPU wake at once on one cluster", SIM_NO_PLACE | SIM_NO_STEAL,
	    storm },
	{ "conserve", "bursts that fill nine tenths of the machine", SIM_NO_STEAL, conserve },
	{ "hints", "queues that never show that they have threads to spare", SIM_NO_OFFER, hints },
	{ "realtime", "tight and loose deadlines among hogs", SIM_NO_DEADLINE, realtime },
	{ "cheat", "threads that sleep just before their quantum ends", SIM_NO_CHARGE, cheat },
	{ "failsafe", "a fixed-priority hog on each CPU", SIM_NO_FAILSAFE, failsafe },
	{ "preempted", "equals of fixed priority under a better one", SIM_NO_REST, preempted },
};

const unsigned nscenarios = os_countof(scenarios);
