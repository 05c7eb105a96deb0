/* System information. */
#include <errno.h>
#include <limits.h>
#include <mach/arm/commpage.h>
#include <mach/mach_init.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/syslimits.h>
#include <sys/times.h>
#include <unistd.h>

#include "internal.h"

int
sysctl(int *name, u_int namelen, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	return __sysctl(name, namelen, oldp, oldlenp, newp, newlen);
}

int
sysctlbyname(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
	return __sysctlbyname(name, strlen(name), oldp, oldlenp, newp, newlen);
}

int
getpagesize(void)
{
	return (int)vm_page_size;
}

/* The options of POSIX that there are; -1 without an error for those that there are not, and for no limit. */
static long
sysconf_threads(int name)
{
	switch (name) {
	case _SC_CLK_TCK:
		return CLK_TCK;
	case _SC_SEMAPHORES:
	case _SC_BARRIERS:
	case _SC_CLOCK_SELECTION:
	case _SC_CPUTIME:
	case _SC_MONOTONIC_CLOCK:
	case _SC_READER_WRITER_LOCKS:
	case _SC_SPIN_LOCKS:
	case _SC_THREAD_ATTR_STACKADDR:
	case _SC_THREAD_ATTR_STACKSIZE:
	case _SC_THREAD_CPUTIME:
	case _SC_THREAD_PRIO_INHERIT:
	case _SC_THREAD_PRIORITY_SCHEDULING:
	case _SC_THREAD_PROCESS_SHARED:
	case _SC_TIMEOUTS:
	case _SC_THREADS:
		return 200112; /* the edition of POSIX: 2001 */
	case _SC_SEM_VALUE_MAX:
		return SEM_VALUE_MAX;
	case _SC_THREAD_DESTRUCTOR_ITERATIONS:
		return PTHREAD_DESTRUCTOR_ITERATIONS;
	case _SC_THREAD_KEYS_MAX:
		return PTHREAD_KEYS_MAX;
	case _SC_THREAD_STACK_MIN:
		return PTHREAD_STACK_MIN;
	case _SC_SEM_NSEMS_MAX:
	case _SC_THREAD_PRIO_PROTECT:
	case _SC_THREAD_THREADS_MAX:
		return -1;
	default:
		errno = EINVAL;
		return -1;
	}
}

long
sysconf(int name)
{
	switch (name) {
	case _SC_ARG_MAX:
		return ARG_MAX;
	case _SC_OPEN_MAX:
		return OPEN_MAX;
	case _SC_PAGESIZE:
		return (long)vm_page_size;
	case _SC_NPROCESSORS_CONF:
		return *(const volatile uint8_t *)(COMMPAGE_ADDRESS + COMMPAGE_LOGICAL_CPUS);
	case _SC_NPROCESSORS_ONLN:
		return *(const volatile uint8_t *)(COMMPAGE_ADDRESS + COMMPAGE_ACTIVE_CPUS);
	default:
		return sysconf_threads(name);
	}
}

int
getloadavg(double *averages, int count)
{
	struct loadavg load;
	size_t size = sizeof(load);

	if (sysctlbyname("vm.loadavg", &load, &size, NULL, 0) != 0) {
		return -1;
	}
	count = count < 3 ? count : 3;
	for (int i = 0; i < count; i++) {
		averages[i] = (double)load.ldavg[i] / (double)load.fscale;
	}
	return count;
}
