/* Options of one letter: "ab:" means -a, and -b with an argument, in the same word or the next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1, opterr = 1, optopt, optreset;

static const char *place = ""; /* the rest of the word that is being read */

static int
complain(const char *options, const char *what, int result)
{
	if (opterr && *options != ':') {
		fprintf(stderr, "%s: %s -- %c\n", getprogname(), what, optopt);
	}
	return result;
}

/* Begins the next word if it has options; 0: there are no more. */
static int
next_word(int argc, char *const argv[])
{
	optreset = 0;
	if (optind >= argc || argv[optind][0] != '-' || argv[optind][1] == '\0') {
		place = "";
		return 0;
	}
	if (strcmp(argv[optind], "--") == 0) {
		optind++;
		place = "";
		return 0;
	}
	place = argv[optind] + 1;
	return 1;
}

int
getopt(int argc, char *const argv[], const char *options)
{
	const char *found;

	if ((optreset || *place == '\0') && !next_word(argc, argv)) {
		return -1;
	}
	optopt = (unsigned char)*place++;
	found = optopt != ':' ? strchr(options, optopt) : NULL;
	if (found == NULL || found[1] != ':') {
		optind += *place == '\0';
		return found != NULL ? optopt : complain(options, "no such option", '?');
	}
	optind++;
	if (*place != '\0') {
		optarg = (char *)(uintptr_t)place;
	} else if (optind < argc) {
		optarg = argv[optind++];
	} else {
		place = "";
		return complain(options, "option needs an argument", *options == ':' ? ':' : '?');
	}
	place = "";
	return optopt;
}
