/* sysctl: the names by number. */
#pragma once

#include <sys/types.h>

#define CTL_MAXNAME 12

#define CTL_UNSPEC  0
#define CTL_KERN    1
#define CTL_VM      2
#define CTL_VFS     3
#define CTL_NET     4
#define CTL_DEBUG   5
#define CTL_HW      6
#define CTL_MACHDEP 7
#define CTL_USER    8
#define CTL_MAXID   9

#define KERN_OSTYPE     1
#define KERN_OSRELEASE  2
#define KERN_OSREV      3
#define KERN_VERSION    4
#define KERN_MAXPROC    6
#define KERN_MAXFILES   7
#define KERN_ARGMAX     8
#define KERN_HOSTNAME   10
#define KERN_PROC       14
#define KERN_BOOTTIME   21
#define KERN_KDEBUG     24
#define KERN_PROCARGS   38
#define KERN_PROCARGS2  49
#define KERN_USRSTACK64 59
#define KERN_OSVERSION  65

#define VM_LOADAVG 2

/* vm.loadavg: threads that run or wait for a CPU, over 1, 5 and 15 minutes, in parts of fscale. */
struct loadavg {
	uint32_t ldavg[3];
	long fscale;
};

#define HW_MACHINE   1
#define HW_MODEL     2
#define HW_NCPU      3
#define HW_BYTEORDER 4
#define HW_PHYSMEM   5
#define HW_USERMEM   6
#define HW_PAGESIZE  7
#define HW_CACHELINE 16
#define HW_TB_FREQ   23
#define HW_MEMSIZE   24
#define HW_AVAILCPU  25

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int sysctl(int *name, u_int namelen, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
int sysctlbyname(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);

__END_DECLS
#endif
