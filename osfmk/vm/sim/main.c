/*
 * page_sim [--seed N] [--only NAME]: replays the workloads and prints their outcome as JSON. Exit status 1 when a bound
 * was broken, 2 for wrong usage. ./x paging builds it and draws what it says.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
parse(int argc, char **argv, uint64_t *seed, const char **only)
{
	for (int i = 1; i < argc; i += 2) {
		char *end = NULL;

		if (i + 1 == argc) {
			return false;
		}
		if (strcmp(argv[i], "--only") == 0) {
			*only = argv[i + 1];
		} else if (strcmp(argv[i], "--seed") == 0) {
			*seed = strtoull(argv[i + 1], &end, 10);
		}
		if (end != NULL ? *end != '\0' || end == argv[i + 1] : strcmp(argv[i], "--only") != 0) {
			return false;
		}
	}
	return true;
}

static void
print_shares(const struct workload_outcome *out)
{
	printf(", \"memory\": [");
	for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
		printf("%s%u", i == 0 ? "" : ", ", out->memory[i]);
	}
	printf("], \"shares\": {");
	for (unsigned policy = 0; policy < REPLAY_POLICIES; policy++) {
		printf("%s\n    \"%s\": [", policy == 0 ? "" : ",", replay_names[policy]);
		for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
			printf("%s%.6f", i == 0 ? "" : ", ", out->share[policy][i]);
		}
		printf("]");
	}
	printf("}");
}

static void
print_outcome(const struct workload *workload, const struct workload_outcome *out, bool first)
{
	printf("%s\n  {\"workload\": \"%s\", \"about\": \"%s\", \"references\": %u, \"pages\": %u, "
	       "\"wants\": %u, "
	       "\"looks\": %.2f, \"metrics\": [",
	    first ? "" : ",", workload->name, workload->about, out->references, out->pages, workload->wants,
	    out->looks);
	for (unsigned i = 0; i < out->nmetrics; i++) {
		const struct workload_metric *m = &out->metrics[i];

		printf("%s\n    {\"name\": \"%s\", \"value\": %.4f, \"at_most\": %g}", i == 0 ? "" : ",",
		    m->name, m->value, m->at_most);
	}
	printf("]");
	print_shares(out);
	printf("}");
}

int
main(int argc, char **argv)
{
	bool kept = true, first = true;
	const char *only = NULL;
	uint64_t seed = 1;

	if (!parse(argc, argv, &seed, &only)) {
		fprintf(stderr, "usage: page_sim [--seed N] [--only NAME]\n");
		return 2;
	}
	printf("{\"schema\": 1, \"seed\": %llu, \"outcomes\": [", (unsigned long long)seed);
	for (unsigned i = 0; i < nworkloads; i++) {
		struct workload_outcome out;

		if (only != NULL && strcmp(only, workloads[i].name) != 0) {
			continue;
		}
		workload_run(&workloads[i], seed, &out);
		kept = workload_fault(&workloads[i], &out, REPLAY_VM) == NULL && kept;
		print_outcome(&workloads[i], &out, first);
		first = false;
	}
	printf("]}\n");
	return kept ? 0 : 1;
}
