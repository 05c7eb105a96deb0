/*
 * /bin/bench: every benchmark of this folder in one program. See README.md one folder up.
 */
#include <harness/bench.h>
#include <harness/platform.h>

#include <stdio.h>

int
main(int argc, char **argv)
{
	/* For the host, to name addresses of this program. */
	printf("bench-image: %p\n", platform_image());
	fflush(stdout);
	return bench_main(argc, argv);
}
