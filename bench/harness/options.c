/*
 * Parses the command line; see options.h.
 */
#include <harness/options.h>
#include <stdlib.h>
#include <string.h>

static bool
option_error(struct options *o, const char *error)
{
	o->error = error;
	return false;
}

static bool
parse_mode(struct options *o, const char *text)
{
	o->mode_given = true;
	o->count_mode = strcmp(text, "count") == 0;
	if (!o->count_mode && strcmp(text, "time") != 0) {
		return option_error(o, "--mode: choose count or time");
	}
	return true;
}

/* "1,2,4": ascending is not demanded, zero and junk are refused */
static bool
parse_workers(struct options *o, const char *text)
{
	o->nworkers = 0;
	for (;;) {
		char *end;
		unsigned long n = strtoul(text, &end, 10);

		if (end == text || n == 0 || n > 64 || o->nworkers == OPTIONS_WORKERS_MAX) {
			return option_error(o, "--workers: give up to 16 numbers from 1 to 64, such as 1,2");
		}
		o->workers[o->nworkers++] = (unsigned)n;
		if (*end == '\0') {
			return true;
		}
		if (*end != ',') {
			return option_error(o, "--workers: give numbers with commas, such as 1,2");
		}
		text = end + 1;
	}
}

/* The kernel says what is too short. */
static bool
parse_period(struct options *o, const char *text)
{
	char *end;

	o->sample_period = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0') {
		return option_error(o, "--sample: give a number of cycles, such as 10007");
	}
	return true;
}

static bool
parse_trace(struct options *o, const char *text)
{
	char *end;

	o->trace_iterations = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0') {
		return option_error(o, "--trace: give a number of iterations, such as 10");
	}
	return true;
}

/* How many words the option at argv[0] took; 0 for an error. */
static int
parse_one(struct options *o, int argc, char **argv)
{
	if (strcmp(argv[0], "--list") == 0) {
		o->list = true;
		return 1;
	}
	if (strcmp(argv[0], "--part") == 0) {
		o->part = true;
		return 1;
	}
	if (strcmp(argv[0], "--pair") == 0) {
		o->pair = true;
		return 1;
	}
	if (argc > 1 && strcmp(argv[0], "--mode") == 0) {
		return parse_mode(o, argv[1]) ? 2 : 0;
	}
	if (argc > 1 && strcmp(argv[0], "--workers") == 0) {
		return parse_workers(o, argv[1]) ? 2 : 0;
	}
	if (argc > 1 && strcmp(argv[0], "--sample") == 0) {
		return parse_period(o, argv[1]) ? 2 : 0;
	}
	if (argc > 1 && strcmp(argv[0], "--trace") == 0) {
		return parse_trace(o, argv[1]) ? 2 : 0;
	}
	if (argc > 1 && strcmp(argv[0], "--trace-types") == 0) {
		o->trace_types = argv[1];
		return 2;
	}
	option_error(o,
	    "options: --mode count|time, --workers LIST, --sample PERIOD, --trace N, --trace-types LIST, "
	    "--pair, --list, then names of rows");
	return 0;
}

bool
options_parse(struct options *o, int argc, char **argv)
{
	int at = 1;

	*o = (struct options){ .workers = { 1 }, .nworkers = 1, .trace_types = "" };
	while (at < argc && argv[at][0] == '-') {
		int took;

		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		took = parse_one(o, argc - at, argv + at);
		if (took == 0) {
			return false;
		}
		at += took;
	}
	o->names = argv + at;
	o->nnames = argc - at;
	return true;
}

static bool
name_matches(const char *name, const char *row)
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '*') {
		return strncmp(name, row, len - 1) == 0;
	}
	return strcmp(name, row) == 0;
}

bool
options_choose(const struct options *o, const char *row)
{
	for (int i = 0; i < o->nnames; i++) {
		if (name_matches(o->names[i], row)) {
			return true;
		}
	}
	return o->nnames == 0;
}
