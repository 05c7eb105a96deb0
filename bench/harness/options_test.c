/*
 * The command line of a benchmark program, right and wrong.
 */
#include <harness/options.h>

#include <stdio.h>
#include <string.h>

static int number, failures;

static void
result(bool ok, const char *name)
{
	printf("%sok %d %s\n", ok ? "" : "not ", ++number, name);
	failures += !ok;
}

#define WORDS_MAX 14

/* Parses the words of a line. */
static bool
parse(struct options *o, const char *line)
{
	static char copy[256];
	static char *words[WORDS_MAX + 1];
	int count = 0;

	snprintf(copy, sizeof(copy), "bench %s", line);
	for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " ")) {
		words[count++] = word;
	}
	words[count] = NULL;
	return options_parse(o, count, words);
}

static void
test_defaults(void)
{
	struct options o;
	bool ok = parse(&o, "") && !o.list && !o.mode_given && o.nworkers == 1 && o.workers[0] == 1;

	result(ok && options_choose(&o, "a/b"), "defaults");
}

static void
test_all_options(void)
{
	struct options o;
	bool ok = parse(&o, "--mode count --workers 1,2,4 --sample 10007 --part --pair -- a/b c/*") &&
		  o.mode_given && o.part && o.pair && o.count_mode && o.sample_period == 10007;

	ok &= o.nworkers == 3 && o.workers[2] == 4;
	ok &= options_choose(&o, "a/b") && !options_choose(&o, "a/bc") && options_choose(&o, "c/anything");
	result(ok && !options_choose(&o, "d"), "all_options");
}

static void
test_list(void)
{
	struct options o;

	result(parse(&o, "--list") && o.list, "list");
}

static void
test_refused(void)
{
	static const char *const lines[] = { "--mode fast", "--mode", "--workers 0", "--workers 1,",
		"--workers x", "--workers 65", "--workers 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "--unknown",
		"--sample 1x", "--sample", "-x" };
	struct options o;
	bool ok = true;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ok &= !parse(&o, lines[i]) && o.error != NULL && strchr(o.error, '\n') == NULL;
	}
	result(ok, "refused");
}

int
main(void)
{
	puts("KTAP version 1");
	test_defaults();
	test_all_options();
	test_list();
	test_refused();
	printf("1..%d\n", number);
	return failures != 0;
}
