/* Device control. */
#pragma once

#include <sys/cdefs.h>
#include <sys/ioccom.h>
#include <sys/termios.h>

__BEGIN_DECLS

int ioctl(int fd, unsigned long request, ...);

__END_DECLS
