/* Signals. */
#pragma once

#include <sys/signal.h>

typedef int sig_atomic_t;

int kill(pid_t pid, int signal);
int raise(int signal);
int sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old);
void (*signal(int signal, void (*handler)(int)))(int);
int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigaltstack(const stack_t *restrict stack, stack_t *restrict old);
int sigwait(const sigset_t *restrict set, int *restrict signal);
struct _opaque_pthread_t;
int pthread_kill(struct _opaque_pthread_t *thread, int signal);
int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old);

#define sigemptyset(set)      (*(set) = 0, 0)
#define sigfillset(set)       (*(set) = ~(sigset_t)0, 0)
#define sigaddset(set, sig)   (*(set) |= sigmask(sig), 0)
#define sigdelset(set, sig)   (*(set) &= ~sigmask(sig), 0)
#define sigismember(set, sig) ((*(set) & sigmask(sig)) != 0)
