/* Giving up the CPU. */
#include <mach/mach_traps.h>
#include <sched.h>

int
sched_yield(void)
{
	(void)swtch_pri(0);
	return 0;
}
