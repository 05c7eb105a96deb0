/* Terminals. */
#pragma once

#include <sys/cdefs.h>
#include <sys/termios.h>

__BEGIN_DECLS

#define TCSANOW   0
#define TCSADRAIN 1
#define TCSAFLUSH 2

int tcgetattr(int fd, struct termios *t);
int tcsetattr(int fd, int when, const struct termios *t);
pid_t tcgetpgrp(int fd);
int tcsetpgrp(int fd, pid_t pgrp);
void cfmakeraw(struct termios *t);

__END_DECLS
