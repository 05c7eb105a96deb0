/*
 * What is simulated, what is measured, and the bounds that the policy must keep: <kern/sched_policy.h> and
 * <kern/sched_place.h> give the reasons for them.
 */
#pragma once

#include "sim.h"

#define METRICS_MAX 12

struct metric {
	const char *name;
	double value;
	double bound; /* of no meaning where is_bound is 0 */
	int is_bound; /* 1: at most, -1: at least */
};

struct outcome {
	const char *scenario;
	unsigned cpus, threads;
	unsigned nmetrics;
	struct metric metrics[METRICS_MAX];
	struct sim_delays delays; /* of the class the scenario is about */
	bool has_delays;
};

struct scenario {
	const char *name;
	const char *about;
	enum sim_broken twin; /* a policy without this must break a bound */
	void (*run)(const struct sim_config *config, struct outcome *out);
};

extern const struct scenario scenarios[];
extern const unsigned nscenarios;

/* The first metric beyond its bound; NULL if all are kept. */
const struct metric *outcome_fault(const struct outcome *out);
