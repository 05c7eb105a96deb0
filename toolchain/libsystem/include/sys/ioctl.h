/* Device control. */
#pragma once

#include <sys/ioccom.h>
#include <sys/termios.h>

int ioctl(int fd, unsigned long request, ...);
