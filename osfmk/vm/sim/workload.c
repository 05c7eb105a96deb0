/*
 * The workloads: see workload.h. All sizes are in pages; they are small, since policies do not depend on the scale.
 */
#include "workload.h"

#include <math.h>
#include <os/base.h>
#include <os/panic.h>
#include <stdlib.h>
#include <string.h>

const unsigned workload_eighths[WORKLOAD_SIZES] = { 2, 3, 4, 5, 6, 7 };

/* --- random numbers --- */

struct random {
	uint64_t state;
};

/* xorshift64*: of good quality in its upper bits. */
static uint64_t
random_next(struct random *random)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state * 2685821657736338717ULL;
}

static struct random
random_from(uint64_t seed)
{
	struct random random = { (seed + 1) * 0x9e3779b97f4a7c15ULL };

	random_next(&random);
	return random;
}

static uint32_t
random_below(struct random *random, uint32_t n)
{
	return (uint32_t)((random_next(random) >> 32) * n >> 32);
}

/* Zipf's law: the k-th of n pages is used in proportion to 1 / k^exponent. Which page is the k-th is random. */
struct zipf {
	uint32_t n;
	double *sums;
	uint32_t *pages;
};

static struct zipf
zipf_make(struct random *random, uint32_t n, double exponent)
{
	struct zipf zipf = { n, calloc(n, sizeof(double)), calloc(n, sizeof(uint32_t)) };
	double sum = 0;

	if (zipf.sums == NULL || zipf.pages == NULL) {
		panic("no memory for a distribution");
	}
	for (uint32_t k = 0; k < n; k++) {
		uint32_t other = random_below(random, k + 1);

		zipf.sums[k] = sum += pow(k + 1, -exponent);
		zipf.pages[k] = zipf.pages[other];
		zipf.pages[other] = k;
	}
	return zipf;
}

static uint32_t
zipf_next(const struct zipf *zipf, struct random *random)
{
	double at = (double)(random_next(random) >> 11) / 9007199254740992.0 * zipf->sums[zipf->n - 1];
	uint32_t low = 0, high = zipf->n - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (zipf->sums[middle] < at) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return zipf->pages[low];
}

static void
zipf_free(struct zipf *zipf)
{
	free(zipf->sums);
	free(zipf->pages);
}

/* --- strings --- */

static void
use(struct trace *trace, uint32_t page)
{
	if (trace->count == trace->most) {
		trace->most = os_max(2 * trace->most, 1U << 16);
		trace->refs = realloc(trace->refs, trace->most * sizeof(*trace->refs));
		if (trace->refs == NULL) {
			panic("no memory for %u references", trace->most);
		}
	}
	trace->refs[trace->count++] = page;
	trace->pages = os_max(trace->pages, page + 1);
}

#define ZIPF_PAGES 4096u

static void
make_zipf(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);
	struct zipf zipf = zipf_make(&random, ZIPF_PAGES, 0.9);

	for (uint32_t i = 0; i < 30 * ZIPF_PAGES; i++) {
		use(trace, zipf_next(&zipf, &random));
	}
	zipf_free(&zipf);
}

/* What was used least becomes what is used most. */
static void
make_shift(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);
	struct zipf zipf = zipf_make(&random, ZIPF_PAGES, 0.9);

	for (uint32_t part = 0; part < 4; part++) {
		for (uint32_t i = 0; i < 8 * ZIPF_PAGES; i++) {
			uint32_t page = zipf_next(&zipf, &random);

			use(trace, part % 2 == 0 ? page : ZIPF_PAGES - 1 - page);
		}
	}
	zipf_free(&zipf);
}

#define LOOP_PAGES 2048u

static void
make_loop(struct trace *trace, uint64_t seed)
{
	(void)seed;
	for (uint32_t i = 0; i < 30 * LOOP_PAGES; i++) {
		use(trace, i % LOOP_PAGES);
	}
}

#define HOT_PAGES 1024u

/* Each second use is of a hot page, each other one of a page that was never used before. */
static void
make_scan(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);
	struct zipf zipf = zipf_make(&random, HOT_PAGES, 0.3);

	for (uint32_t i = 0; i < 30 * HOT_PAGES; i++) {
		use(trace, zipf_next(&zipf, &random));
		use(trace, HOT_PAGES + i);
	}
	zipf_free(&zipf);
}

/* Work, and then a scan during which nobody works, and again. */
static void
make_night(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);
	struct zipf zipf = zipf_make(&random, ZIPF_PAGES, 1.0);

	for (uint32_t night = 0; night < 6; night++) {
		for (uint32_t i = 0; i < 8 * ZIPF_PAGES; i++) {
			use(trace, zipf_next(&zipf, &random));
		}
		for (uint32_t i = 0; i < ZIPF_PAGES / 4; i++) {
			use(trace, ZIPF_PAGES + night * ZIPF_PAGES / 4 + i);
		}
	}
	zipf_free(&zipf);
}

#define PHASE_PAGES 1536u

static void
make_phases(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);

	for (uint32_t phase = 0; phase < 15; phase++) {
		for (uint32_t i = 0; i < 8 * PHASE_PAGES; i++) {
			use(trace, phase % 3 * PHASE_PAGES + random_below(&random, PHASE_PAGES));
		}
	}
}

/* Half of the uses go around a loop, the others are of hot pages. */
static void
make_mixed(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);
	struct zipf zipf = zipf_make(&random, HOT_PAGES / 2, 0.5);

	for (uint32_t i = 0; i < 25 * LOOP_PAGES; i++) {
		use(trace, zipf_next(&zipf, &random));
		use(trace, HOT_PAGES / 2 + i % LOOP_PAGES);
	}
	zipf_free(&zipf);
}

static void
make_uniform(struct trace *trace, uint64_t seed)
{
	struct random random = random_from(seed);

	for (uint32_t i = 0; i < 20 * ZIPF_PAGES; i++) {
		use(trace, random_below(&random, ZIPF_PAGES));
	}
}

const struct workload workloads[] = {
	{ "zipf", "a few pages are used often, most seldom", ZIPF_PAGES, make_zipf, 0.97, 0.96, 1.10,
	    REPLAY_PLAIN },
	{ "shift", "the same; now and then what is used often changes", ZIPF_PAGES, make_shift, 0.98, 0.97,
	    1.10, REPLAY_PLAIN },
	{ "loop", "a loop over more than there is", LOOP_PAGES, make_loop, 0.87, 0.87, 1.01,
	    REPLAY_NO_RETURN },
	{ "scan", "hot pages, and a scan that uses each page once", 2 * HOT_PAGES, make_scan, 0.68, 0.75,
	    0.92, REPLAY_NO_RETURN },
	{ "night", "work, and scans in between during which nobody works", ZIPF_PAGES, make_night, 0.92, 0.92,
	    0.95, REPLAY_PLAIN },
	{ "phases", "three sets of pages, one after the other", 2 * PHASE_PAGES, make_phases, 1.13, 0, 1.35,
	    REPLAY_OPT },
	{ "mixed", "hot pages, and a loop over more than there is", LOOP_PAGES + HOT_PAGES / 2, make_mixed,
	    0.85, 0.85, 1.02, REPLAY_NO_RETURN },
	{ "uniform", "no page is used more than another", ZIPF_PAGES, make_uniform, 1.03, 0, 1.10,
	    REPLAY_OPT },
};

const unsigned nworkloads = os_countof(workloads);

/* --- measuring --- */

static double
sum(const double *share)
{
	double total = 0;

	for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
		total += share[i];
	}
	return total;
}

static double
worst_ratio(const double *share, const double *of)
{
	double worst = 0;

	for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
		if (of[i] > 0.001) {
			worst = os_max(worst, share[i] / of[i]);
		}
	}
	return worst;
}

const struct workload_metric *
workload_fault(const struct workload *workload, struct workload_outcome *out, enum replay_policy policy)
{
	const double *share = out->share[policy];

	out->nmetrics = 0;
	out->metrics[out->nmetrics++] = (struct workload_metric){ "brought back, parts of LRU's",
		sum(share) / sum(out->share[REPLAY_LRU]), workload->against_lru };
	out->metrics[out->nmetrics++] = (struct workload_metric){ "the same, memory where it is worst",
		worst_ratio(share, out->share[REPLAY_LRU]), workload->against_lru_worst };
	if (workload->against_plain != 0) {
		out->metrics[out->nmetrics++] = (struct workload_metric){ "parts of the hand's without ages",
			sum(share) / sum(out->share[REPLAY_PLAIN]), workload->against_plain };
	}
	for (unsigned i = 0; i < out->nmetrics; i++) {
		if (!(out->metrics[i].value <= out->metrics[i].at_most)) {
			return &out->metrics[i];
		}
	}
	return NULL;
}

void
workload_run(const struct workload *workload, uint64_t seed, struct workload_outcome *out)
{
	struct trace trace = { .count = 0 };
	uint64_t looks = 0, brought = 0;

	workload->make(&trace, seed);
	*out = (struct workload_outcome){ .references = trace.count, .pages = trace.pages };
	for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
		out->memory[i] = workload->wants * workload_eighths[i] / 8;
		for (unsigned policy = 0; policy < REPLAY_POLICIES; policy++) {
			struct replay_outcome one = replay(&trace, policy, out->memory[i]);

			out->share[policy][i] = (double)one.returns / trace.count;
			if (policy == REPLAY_VM) {
				looks += one.looks;
				brought += one.returns + trace.pages;
			}
		}
	}
	out->looks = (double)looks / (double)brought;
	free(trace.refs);
}
