/* The system's name. */
#pragma once

#include <sys/cdefs.h>

__BEGIN_DECLS

#define _SYS_NAMELEN 256

struct utsname {
	char sysname[_SYS_NAMELEN];
	char nodename[_SYS_NAMELEN];
	char release[_SYS_NAMELEN];
	char version[_SYS_NAMELEN];
	char machine[_SYS_NAMELEN];
};

int uname(struct utsname *name);

__END_DECLS
