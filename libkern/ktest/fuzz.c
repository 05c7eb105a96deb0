/*
 * What makes a fuzzer a test; see fuzz.h.
 */
#include <libkern/ktest/fuzz.h>

#include <stdlib.h>

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char once[] = "-runs=" FUZZ_RUNS, longer[] = "-runs=" FUZZ_RUNS_LONG, seed[] = "-seed=1";
	static char length[] = "-max_len=512", quiet[] = "-verbosity=0", folder[] = "-artifact_prefix=/tmp/";
	static char *arguments[7];
	const char *is_long = getenv("TEST_LONG");

	if (*argc == 1) {
		arguments[0] = (*argv)[0];
		arguments[1] = is_long != NULL && is_long[0] != '\0' ? longer : once;
		arguments[2] = seed;
		arguments[3] = length;
		arguments[4] = quiet;
		arguments[5] = folder;
		*argc = 6;
		*argv = arguments;
		atexit(fuzz_check_reached);
	}
	return 0;
}
