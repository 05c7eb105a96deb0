/*
 * Reference strings, what is measured of them, and the bounds that the policy must keep: <vm/vm_age.h> gives the reasons.
 */
#pragma once

#include "replay.h"

#define WORKLOAD_METRICS 3

/* Memory, in eighths of what the workload wants at the most. */
#define WORKLOAD_SIZES 6
extern const unsigned workload_eighths[WORKLOAD_SIZES];

struct workload {
	const char *name;
	const char *about;
	uint32_t wants; /* pages: with so many, nothing worth keeping is brought back */
	void (*make)(struct trace *trace, uint64_t seed);
	/* Pages brought back, of all sizes together: the most that they may be, in parts of what others bring back. */
	double against_lru;
	double against_plain;     /* 0: the ages change nothing here */
	double against_lru_worst; /* the same of one size */
	enum replay_policy
	    twin; /* what the policy would be without this breaks a bound; REPLAY_OPT: nothing does */
};

struct workload_metric {
	const char *name;
	double value, at_most;
};

struct workload_outcome {
	uint32_t references, pages;
	uint32_t memory[WORKLOAD_SIZES];               /* pages */
	double share[REPLAY_POLICIES][WORKLOAD_SIZES]; /* of the references that brought a page back */
	double looks;                                  /* of Pluot's hand, for each page that was brought */
	struct workload_metric metrics[WORKLOAD_METRICS];
	unsigned nmetrics;
};

extern const struct workload workloads[];
extern const unsigned nworkloads;

void workload_run(const struct workload *workload, uint64_t seed, struct workload_outcome *out);

/* The first metric beyond its bound if `policy` were the kernel's; NULL if all are kept. */
const struct workload_metric *workload_fault(
    const struct workload *workload, struct workload_outcome *out, enum replay_policy policy);
