/* halt: asks process 1 to end, which stops the machine. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(void)
{
	if (kill(1, SIGTERM) < 0) {
		fprintf(stderr, "halt: %s\n", strerror(errno));
		return 1;
	}
	(void)sleep(10); /* the shell has no reason to prompt again */
	return 0;
}
