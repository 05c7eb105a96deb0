/* Signals. */
#pragma once

#include <sys/cdefs.h>
#include <sys/signal.h>

typedef int sig_atomic_t;

struct _opaque_pthread_t;

__BEGIN_DECLS

int kill(pid_t pid, int signal);
int killpg(pid_t pgrp, int signal);
int raise(int signal);
int sigaction(int signal, const struct sigaction *__restrict action, struct sigaction *__restrict old);
void (*signal(int signal, void (*handler)(int)))(int);
int sigprocmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigaltstack(const stack_t *__restrict stack, stack_t *__restrict old);
int sigwait(const sigset_t *__restrict set, int *__restrict signal);
int siginterrupt(int signal, int interrupts);
int pthread_kill(struct _opaque_pthread_t *thread, int signal);
int pthread_sigmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old);

__END_DECLS

#define sigemptyset(set)      (*(set) = 0, 0)
#define sigfillset(set)       (*(set) = ~(sigset_t)0, 0)
#define sigaddset(set, sig)   (*(set) |= sigmask(sig), 0)
#define sigdelset(set, sig)   (*(set) &= ~sigmask(sig), 0)
#define sigismember(set, sig) ((*(set) & sigmask(sig)) != 0)
