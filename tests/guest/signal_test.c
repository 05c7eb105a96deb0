/*
 * Signals: handlers, masks, restarts, exceptions, default actions.
 */
#include "ktap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static volatile double fp_value = 2.5;

static void
on_signal(int sig)
{
	fp_value *= 3.0; /* what the interrupted code has in its registers must survive */
	caught = sig;
}

static void
install(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_flags = flags };

	sa.sa_handler = handler;
	EXPECT_EQ(sigaction(sig, &sa, NULL), 0);
}

TEST(signal_handler_runs_and_returns)
{
	double live;

	fp_value = 2.5;
	live = fp_value * 2.0;
	caught = 0;
	install(SIGUSR1, on_signal, 0);
	EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
	EXPECT_EQ(caught, SIGUSR1);
	EXPECT(live == 5.0);
	install(SIGUSR1, SIG_DFL, 0);
}

TEST(signal_blocked_until_unmasked)
{
	sigset_t set, old, pending;

	caught = 0;
	install(SIGUSR2, on_signal, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	EXPECT_EQ(sigprocmask(SIG_BLOCK, &set, &old), 0);
	EXPECT_EQ(kill(getpid(), SIGUSR2), 0);
	EXPECT_EQ(caught, 0);
	EXPECT_EQ(sigpending(&pending), 0);
	EXPECT(sigismember(&pending, SIGUSR2));
	EXPECT_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	EXPECT_EQ(caught, SIGUSR2);
	install(SIGUSR2, SIG_DFL, 0);
}

TEST(signal_ignored)
{
	install(SIGTERM, SIG_IGN, 0);
	EXPECT_EQ(kill(getpid(), SIGTERM), 0);
	install(SIGTERM, SIG_DFL, 0);
	EXPECT_EQ(kill(getpid(), SIGCHLD), 0);
	EXPECT_EQ(kill(getpid(), 0), 0);
}

TEST(signal_errors)
{
	struct sigaction sa = { 0 };

	errno = 0;
	EXPECT_EQ(sigaction(SIGKILL, &sa, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	errno = 0;
	EXPECT_EQ(sigaction(99, NULL, &sa), -1);
	EXPECT_EQ(errno, EINVAL);
	errno = 0;
	EXPECT_EQ(kill(77777, SIGTERM), -1);
	EXPECT_EQ(errno, ESRCH);
	errno = 0;
	EXPECT_EQ(kill(getpid(), 77), -1);
	EXPECT_EQ(errno, EINVAL);
}

static void
on_segv(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	_exit(info->si_addr == (void *)0x1230 && info->si_code == SEGV_MAPERR && uc->uc_mcontext != NULL ? 42
													 : 1);
}

static int
child_status(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void
fault(void)
{
	*(volatile int *)0x1230 = 1;
}

static void
fault_caught(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	sa.sa_sigaction = on_segv;
	sigaction(SIGSEGV, &sa, NULL);
	fault();
}

static void
fault_blocked(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fault();
}

static void
undefined(void)
{
	__asm__ volatile("udf #1");
}

static void
breakpoint(void)
{
	__asm__ volatile("brk #1");
}

static void
write_text(void)
{
	*(volatile int *)(uintptr_t)&write_text = 0;
}

TEST(exceptions_become_signals)
{
	EXPECT_EQ(WTERMSIG(child_status(fault)), SIGSEGV);
	EXPECT_EQ(WTERMSIG(child_status(fault_blocked)), SIGSEGV);
	EXPECT_EQ(WTERMSIG(child_status(undefined)), SIGILL);
	EXPECT_EQ(WTERMSIG(child_status(breakpoint)), SIGTRAP);
	EXPECT_EQ(WTERMSIG(child_status(write_text)), SIGBUS);
	EXPECT_EQ(WTERMSIG(child_status(abort)), SIGABRT);
	EXPECT_EQ(WEXITSTATUS(child_status(fault_caught)), 42);
}

static void
on_alternate(int sig)
{
	char here;
	stack_t ss;

	_exit(sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK) != 0 && &here >= (char *)ss.ss_sp &&
		      &here < (char *)ss.ss_sp + ss.ss_size
		  ? 43
		  : 1);
}

static void
alternate_stack(void)
{
	static char stack[SIGSTKSZ];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&ss, NULL);
	install(SIGSEGV, on_alternate, SA_ONSTACK);
	fault();
}

TEST(signal_on_alternate_stack)
{
	EXPECT_EQ(WEXITSTATUS(child_status(alternate_stack)), 43);
}

/* A frame that the kernel did not build is not returned to. */
static void
forged_sigreturn(void)
{
	extern int __sigreturn(void *, int, void *);
	ucontext_t uc;

	memset(&uc, 0, sizeof(uc));
	_exit(__sigreturn(&uc, 1, (void *)0x1234) == -1 && errno == EINVAL ? 0 : 1);
}

TEST(forged_frames_are_refused)
{
	EXPECT_EQ(child_status(forged_sigreturn), 0);
}

/* A child that, once this thread waits, sends it the signal a few times, and then the byte if there is to be one. */
static pid_t
interrupter(int fd, bool byte)
{
	pid_t pid, reader = getpid();
	thread_act_t thread = MACH_PORT_NULL;
	task_t task = MACH_PORT_NULL;
	thread_act_array_t threads;
	mach_msg_type_number_t count;

	pid = fork();
	if (pid != 0) {
		return pid;
	}
	if (task_for_pid(mach_task_self(), reader, &task) != KERN_SUCCESS ||
	    task_threads(task, &threads, &count) != KERN_SUCCESS) {
		_exit(1);
	}
	thread = threads[0];
	for (unsigned i = 0; i < (byte ? 3 : 1); i++) {
		if (!ktap_wait_until_blocked(thread)) {
			_exit(2);
		}
		kill(reader, SIGUSR1);
	}
	_exit(byte && write(fd, "x", 1) != 1 ? 3 : 0);
}

static void
interrupt_read(int flags, int expected)
{
	int fds[2], status = -1;
	char c = 0;
	pid_t pid;
	ssize_t n;

	REQUIRE(pipe(fds) == 0);
	caught = 0;
	install(SIGUSR1, on_signal, flags);
	pid = interrupter(fds[1], expected == 1);
	errno = 0;
	n = read(fds[0], &c, 1);
	EXPECT_EQ(n, expected);
	EXPECT(n == 1 || errno == EINTR);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(caught, SIGUSR1);
	install(SIGUSR1, SIG_DFL, 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(signal_interrupts_a_call)
{
	interrupt_read(0, -1);
}

TEST(signal_restarts_a_call)
{
	interrupt_read(SA_RESTART, 1);
}

TEST(pipe_without_reader)
{
	int fds[2];

	REQUIRE(pipe(fds) == 0);
	caught = 0;
	install(SIGPIPE, on_signal, 0);
	close(fds[0]);
	errno = 0;
	EXPECT_EQ(write(fds[1], "x", 1), -1);
	EXPECT_EQ(errno, EPIPE);
	EXPECT_EQ(caught, SIGPIPE);
	install(SIGPIPE, SIG_DFL, 0);
	close(fds[1]);
}
