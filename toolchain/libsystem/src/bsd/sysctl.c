/* System information. */
#include <errno.h>
#include <mach/arm/commpage.h>
#include <mach/mach_init.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/syslimits.h>
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
		errno = EINVAL;
		return -1;
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
