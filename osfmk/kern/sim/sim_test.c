/*
 * The policy keeps the bounds of every scenario; a twin of it that lacks one part breaks a bound of the scenario that
 * is about this part; and a simulation is a function of its seed. ./x sim runs the same on larger machines.
 */
#include "scenario.h"

#include <kern/assert.h>
#include <stdio.h>
#include <string.h>

#define CPUS 48 /* three clusters */

static struct outcome
run(const struct scenario *scenario, uint64_t seed, unsigned broken)
{
	struct sim_config config = { .cpus = CPUS, .seed = seed, .broken = broken };
	struct outcome out = { .cpus = CPUS };

	scenario->run(&config, &out);
	return out;
}

static void
test_bounds(const struct scenario *scenario, uint64_t seed)
{
	struct outcome out = run(scenario, seed, SIM_SOUND);
	const struct metric *fault = outcome_fault(&out);

	if (fault != NULL) {
		panic("%s, seed %llu: %s is %g, the bound is %g", scenario->name, (unsigned long long)seed,
		    fault->name, fault->value, fault->bound);
	}
}

static void
test_twin(const struct scenario *scenario)
{
	struct outcome out = run(scenario, 1, scenario->twin);

	if (outcome_fault(&out) == NULL) {
		panic("%s: nobody notices the broken twin", scenario->name);
	}
}

static void
test_repeats(const struct scenario *scenario)
{
	struct outcome a = run(scenario, 7, SIM_SOUND), b = run(scenario, 7, SIM_SOUND);

	release_assert(a.nmetrics == b.nmetrics);
	for (unsigned i = 0; i < a.nmetrics; i++) {
		release_assert(a.metrics[i].value == b.metrics[i].value);
	}
}

int
main(void)
{
	for (unsigned i = 0; i < nscenarios; i++) {
		test_bounds(&scenarios[i], 1);
		test_bounds(&scenarios[i], 2);
		test_twin(&scenarios[i]);
	}
	test_repeats(&scenarios[0]);
	puts("ok");
	return 0;
}
