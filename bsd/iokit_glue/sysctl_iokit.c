/*
 * sysctl rows of the driver framework.
 */
#include <bsd/kern/sysctl_internal.h>

const struct sysctl_row sysctl_iokit_rows[] = {};
const size_t sysctl_iokit_count = os_countof(sysctl_iokit_rows);
