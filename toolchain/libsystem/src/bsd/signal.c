/* Signals. The kernel enters handlers through a trampoline that ends with sigreturn. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define INFOSTYLE_SIGINFO      30
#define INFOSTYLE_END_ALTSTACK ((int)0x80000000)

/* The token proves to sigreturn that the kernel made the frame. */
static void
trampoline(void *handler, int infostyle, int number, siginfo_t *info, void *uctx, void *token)
{
	if (infostyle == INFOSTYLE_SIGINFO) {
		((void (*)(int, siginfo_t *, void *))handler)(number, info, uctx);
	} else {
		((void (*)(int))handler)(number);
	}
	(void)__sigreturn(uctx, infostyle, token);
	abort();
}

int
sigaction(int signal, const struct sigaction *restrict action, struct sigaction *restrict old)
{
	struct __sigaction new;

	if (action == NULL) {
		return __sigaction(signal, NULL, old);
	}
	new = (struct __sigaction){
		.__sigaction_u = action->__sigaction_u,
		.sa_tramp = (void (*)(void *, int, int, siginfo_t *, void *))(void *)trampoline,
		.sa_mask = action->sa_mask,
		.sa_flags = action->sa_flags,
	};
	return __sigaction(signal, &new, old);
}

void (*signal(int number, void (*handler)(int)))(int)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct sigaction old;

	return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

int
kill(pid_t pid, int signal)
{
	return __kill(pid, signal, 1);
}

/* 0: the caller's own group. */
int
killpg(pid_t pgrp, int signal)
{
	if (pgrp < 0 || pgrp == 1) {
		errno = pgrp < 0 ? EINVAL : ESRCH;
		return -1;
	}
	return kill(-pgrp, signal);
}

/* Do calls that the signal's handler interrupts end with EINTR, or begin again? */
int
siginterrupt(int signal, int interrupts)
{
	struct sigaction action;

	if (sigaction(signal, NULL, &action) < 0) {
		return -1;
	}
	action.sa_flags = interrupts ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
	return sigaction(signal, &action, NULL);
}

/* To the calling thread. */
int
raise(int signal)
{
	int error = pthread_kill(pthread_self(), signal);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return 0;
}

/* Handlers of other signals may run meanwhile. */
int
sigwait(const sigset_t *restrict set, int *restrict signal)
{
	while (__sigwait(set, signal) < 0) {
		if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

int
sigsuspend(const sigset_t *mask)
{
	return __sigsuspend(*mask);
}

/* Until a handler has run. */
int
pause(void)
{
	sigset_t mask = 0;

	(void)__pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return __sigsuspend(mask);
}

int
pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	return __pthread_sigmask(how, set, old) < 0 ? errno : 0;
}

/* The C parts of sigsetjmp and siglongjmp (setjmp.S). */
void _sigjmp_save(sigset_t *mask);
void _sigjmp_leave(void);
void _sigjmp_restore(const sigset_t *mask);

void
_sigjmp_save(sigset_t *mask)
{
	*mask = 0;
	(void)__pthread_sigmask(SIG_BLOCK, NULL, mask);
}

/* Still on the stack that is left, be it the alternate one: no handler may begin on it until the jump is made. */
void
_sigjmp_leave(void)
{
	sigset_t all = ~(sigset_t)0;

	(void)__pthread_sigmask(SIG_SETMASK, &all, NULL);
	(void)__sigreturn(NULL, INFOSTYLE_END_ALTSTACK, NULL);
}

void
_sigjmp_restore(const sigset_t *mask)
{
	(void)__pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* If the signal does not end the program, an instruction that cannot be executed does. */
void
abort(void)
{
	(void)raise(SIGABRT);
	__builtin_trap();
}
