/*
 * /bin/bench: every benchmark of this folder in one program. See README.md one folder up.
 */
#include <harness/bench.h>

#include <stdio.h>

/* The start of this program's image, where the loader put it; the linker defines it. */
extern const char _mh_execute_header[];

int
main(int argc, char **argv)
{
	/* For the host, to name addresses of this program. */
	printf("bench-image: %p\n", (const void *)_mh_execute_header);
	fflush(stdout);
	return bench_main(argc, argv);
}
