/* wait4: options and the status word. */
#pragma once

#include <sys/types.h>

#define WNOHANG    0x1
#define WUNTRACED  0x2
#define WEXITED    0x4
#define WSTOPPED   0x8
#define WCONTINUED 0x10
#define WNOWAIT    0x20

/* Status: low seven bits 0 = exited (code in bits 8-15), 0x7f = stopped (signal there), else the fatal
 * signal. */
#define _WSTATUS(x)                ((x) & 0177)
#define _WSTOPPED                  0177
#define WCOREFLAG                  0200
#define WIFEXITED(x)               (_WSTATUS(x) == 0)
#define WEXITSTATUS(x)             (((unsigned int)(x) >> 8) & 0xff)
#define WIFSIGNALED(x)             (_WSTATUS(x) != _WSTOPPED && _WSTATUS(x) != 0)
#define WTERMSIG(x)                _WSTATUS(x)
#define WIFSTOPPED(x)              (_WSTATUS(x) == _WSTOPPED && WSTOPSIG(x) != 0x13)
#define WIFCONTINUED(x)            (_WSTATUS(x) == _WSTOPPED && WSTOPSIG(x) == 0x13)
#define WSTOPSIG(x)                ((int)((unsigned int)(x) >> 8))
#define WCOREDUMP(x)               ((x) & WCOREFLAG)
#define W_EXITCODE(status, signal) ((status) << 8 | (signal))
#define W_STOPCODE(signal)         ((signal) << 8 | _WSTOPPED)

#define WAIT_ANY    (-1)
#define WAIT_MYPGRP 0

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

struct rusage;
pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait3(int *status, int options, struct rusage *usage);
pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage);

__END_DECLS
#endif
