/*
 * Command line of a benchmark program. Pure; builds for the host too (options_test.c).
 *
 *	bench [--mode count|time] [--workers 1,2,4] [--sample PERIOD] [--trace N]
 *	      [--trace-types LIST] [--list] [--pair] [--part] [--] [NAME...]
 *
 * NAME is a row's name; a trailing '*' stands for any end ("ipc/" followed by '*'). Without names all rows
 * run. A sample PERIOD of 0 is none; --trace and its LIST are explained in trace.h. --pair: each of the rows named runs
 * beside each other one, and beside itself, for an observer to see what they share. --part: this process was started to
 * run one row of a larger run (own_process.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_WORKERS_MAX 16

struct options {
	bool list;
	bool part;
	bool pair;
	bool count_mode; /* valid when mode_given */
	bool mode_given;
	uint64_t sample_period;    /* cycles; 0: no sampling */
	uint64_t trace_iterations; /* of the traced batch; 0: no trace */
	const char *trace_types;
	unsigned workers[OPTIONS_WORKERS_MAX];
	size_t nworkers;
	char **names;
	int nnames;
	const char *error; /* one line for the user, when options_parse failed */
};

bool options_parse(struct options *o, int argc, char **argv);

/* True when the names choose this row. */
bool options_choose(const struct options *o, const char *row);
