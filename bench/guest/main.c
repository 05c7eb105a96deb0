/*
 * /bin/bench: every benchmark of this folder in one program. See README.md one folder up.
 */
#include <harness/bench.h>

int
main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
