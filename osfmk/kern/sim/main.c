/*
 * sched_sim [--cpus N,N...] [--seed N] [--only NAME]: runs the scenarios and prints their outcome as JSON. Exit status 1
 * when a bound was broken, 2 for wrong usage. ./x sim builds it and draws what it says.
 */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES_MAX 16

struct options {
	unsigned sizes[SIZES_MAX], nsizes;
	uint64_t seed;
	const char *only;
};

static bool
number(const char *text, uint64_t low, uint64_t high, uint64_t *value, const char **rest)
{
	char *end;

	*value = strtoull(text, &end, 10);
	*rest = end;
	return end != text && *value >= low && *value <= high;
}

static bool
parse_sizes(const char *text, struct options *options)
{
	uint64_t size;

	for (options->nsizes = 0; options->nsizes < SIZES_MAX; text++) {
		if (!number(text, 1, SIM_CPUS_MAX, &size, &text)) {
			return false;
		}
		options->sizes[options->nsizes++] = (unsigned)size;
		if (*text != ',') {
			return *text == '\0';
		}
	}
	return false;
}

static bool
parse(int argc, char **argv, struct options *options)
{
	const char *rest;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc) {
			return false;
		}
		if (strcmp(argv[i], "--only") == 0) {
			options->only = argv[i + 1];
		} else if (strcmp(argv[i], "--cpus") == 0) {
			if (!parse_sizes(argv[i + 1], options)) {
				return false;
			}
		} else if (strcmp(argv[i], "--seed") != 0 ||
			   !number(argv[i + 1], 0, UINT64_MAX, &options->seed, &rest) || *rest != '\0') {
			return false;
		}
	}
	return true;
}

static void
print_delays(const struct sim_delays *delays)
{
	static const double parts[] = { 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0 };

	printf(", \"delays_ns\": {");
	for (unsigned i = 0; i < os_countof(parts); i++) {
		printf("%s\"%g\": %llu", i == 0 ? "" : ", ", parts[i] * 100,
		    (unsigned long long)(delays->total == 0 ? 0 : sim_percentile(delays, parts[i])));
	}
	printf("}");
}

static void
print_outcome(const struct scenario *scenario, const struct outcome *out, bool first)
{
	printf(
	    "%s\n  {\"scenario\": \"%s\", \"about\": \"%s\", \"cpus\": %u, \"threads\": %u, \"metrics\": [",
	    first ? "" : ",", scenario->name, scenario->about, out->cpus, out->threads);
	for (unsigned i = 0; i < out->nmetrics; i++) {
		const struct metric *m = &out->metrics[i];

		printf("%s\n    {\"name\": \"%s\", \"value\": %.6g", i == 0 ? "" : ",", m->name, m->value);
		if (m->is_bound != 0) {
			printf(", \"%s\": %g", m->is_bound > 0 ? "at_most" : "at_least", m->bound);
		}
		printf("}");
	}
	printf("]");
	if (out->has_delays) {
		print_delays(&out->delays);
	}
	printf("}");
}

static bool
run_all(const struct options *options)
{
	bool kept = true, first = true;

	printf("{\"schema\": 1, \"seed\": %llu, \"outcomes\": [", (unsigned long long)options->seed);
	for (unsigned i = 0; i < nscenarios; i++) {
		for (unsigned k = 0; k < options->nsizes; k++) {
			struct sim_config config = { .cpus = options->sizes[k], .seed = options->seed };
			struct outcome out = { .cpus = config.cpus };

			if (options->only != NULL && strcmp(options->only, scenarios[i].name) != 0) {
				continue;
			}
			scenarios[i].run(&config, &out);
			kept = outcome_fault(&out) == NULL && kept;
			print_outcome(&scenarios[i], &out, first);
			first = false;
		}
	}
	printf("]}\n");
	return kept;
}

int
main(int argc, char **argv)
{
	struct options options = { .sizes = { 64, 256, 1024 }, .nsizes = 3, .seed = 1 };

	if (!parse(argc, argv, &options)) {
		fprintf(stderr, "usage: sched_sim [--cpus N,N...] [--seed N] [--only NAME]\n");
		return 2;
	}
	return run_all(&options) ? 0 : 1;
}
