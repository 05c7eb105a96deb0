/* Signals: delivery to handlers, default actions, masks. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static volatile sig_atomic_t got;

static void
note(int number)
{
	got = number;
}

TEST(handler_runs_and_returns)
{
	struct sigaction action = { .sa_handler = note }, old;

	got = 0;
	REQUIRE(sigaction(SIGUSR1, &action, &old) == 0);
	EXPECT_EQ(raise(SIGUSR1), 0);
	EXPECT_EQ(got, SIGUSR1);
	EXPECT_EQ(sigaction(SIGUSR1, &old, &action), 0);
	EXPECT(action.sa_handler == note);
}

static siginfo_t info_seen;

static void
note_info(int number, siginfo_t *info, void *context)
{
	got = number;
	info_seen = *info;
}

TEST(handler_gets_information)
{
	struct sigaction action = { .sa_sigaction = note_info, .sa_flags = SA_SIGINFO }, old;

	REQUIRE(sigaction(SIGUSR2, &action, &old) == 0);
	EXPECT_EQ(kill(getpid(), SIGUSR2), 0);
	EXPECT_EQ(got, SIGUSR2);
	EXPECT_EQ(info_seen.si_signo, SIGUSR2);
	EXPECT_EQ(info_seen.si_pid, getpid());
	EXPECT_EQ(sigaction(SIGUSR2, &old, NULL), 0);
}

TEST(a_blocked_signal_waits)
{
	sigset_t set, old, pending;

	(void)signal(SIGUSR1, note);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	EXPECT_EQ(sigprocmask(SIG_BLOCK, &set, &old), 0);
	got = 0;
	EXPECT_EQ(raise(SIGUSR1), 0);
	EXPECT_EQ(got, 0);
	EXPECT_EQ(sigpending(&pending), 0);
	EXPECT(sigismember(&pending, SIGUSR1));
	EXPECT_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	EXPECT_EQ(got, SIGUSR1);
	(void)signal(SIGUSR1, SIG_DFL);
}

static int
raise_it(void *arg)
{
	(void)raise((int)(intptr_t)arg);
	return 0;
}

TEST(default_actions)
{
	EXPECT_EQ(ktap_in_child(raise_it, (void *)SIGTERM), 128 + SIGTERM);
	EXPECT_EQ(ktap_in_child(raise_it, (void *)SIGKILL), 128 + SIGKILL);
	EXPECT_EQ(ktap_in_child(raise_it, (void *)SIGABRT), 128 + SIGABRT);
	EXPECT_EQ(ktap_in_child(raise_it, (void *)SIGCHLD), 0);
	EXPECT_EQ(ktap_in_child(raise_it, (void *)SIGURG), 0);
}

TEST(kill_errors)
{
	EXPECT_EQ(kill(99999, SIGTERM), -1);
	EXPECT_EQ(errno, ESRCH);
	EXPECT_EQ(kill(getpid(), 77), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(kill(getpid(), 0), 0);
	EXPECT(signal(SIGKILL, note) == SIG_ERR);
	EXPECT_EQ(errno, EINVAL);
}

TEST(a_signal_ends_a_sleeping_child)
{
	int fds[2], status = 0;
	pid_t pid;
	char c;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		_exit(read(fds[0], &c, 1) == 1);
	}
	EXPECT_EQ(kill(pid, SIGTERM), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGTERM);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
mend_page(int number, siginfo_t *info, void *context)
{
	ucontext_t *uctx = context;

	got = number;
	info_seen = *info;
	uctx->uc_mcontext->__ss.__pc += 4; /* past the access */
}

TEST(a_fault_can_be_handled)
{
	struct sigaction action = { .sa_sigaction = mend_page, .sa_flags = SA_SIGINFO }, old;

	REQUIRE(sigaction(SIGSEGV, &action, &old) == 0);
	got = 0;
	__asm__ volatile("ldr w9, [%0]" : : "r"(0x123450000ULL) : "w9", "memory");
	EXPECT_EQ(got, SIGSEGV);
	EXPECT_EQ((uintptr_t)info_seen.si_addr, 0x123450000);
	EXPECT_EQ(sigaction(SIGSEGV, &old, NULL), 0);
}

TEST(writing_to_a_closed_pipe)
{
	int fds[2];

	REQUIRE(pipe(fds) == 0);
	(void)signal(SIGPIPE, note);
	got = 0;
	EXPECT_EQ(close(fds[0]), 0);
	EXPECT_EQ(write(fds[1], "x", 1), -1);
	EXPECT_EQ(errno, EPIPE);
	EXPECT_EQ(got, SIGPIPE);
	(void)signal(SIGPIPE, SIG_DFL);
	EXPECT_EQ(close(fds[1]), 0);
}

TEST(a_blocked_signal_waits_though_its_default_is_to_be_ignored)
{
	sigset_t child, old, pending;
	int number = 0, status;
	pid_t pid;

	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	REQUIRE(sigprocmask(SIG_BLOCK, &child, &old) == 0);
	pid = fork();
	if (pid == 0) {
		_exit(0);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid); /* posted by now, while nobody waits for the signal */
	EXPECT_EQ(sigpending(&pending), 0);
	EXPECT_EQ(sigismember(&pending, SIGCHLD), 1);
	EXPECT_EQ(sigwait(&child, &number), 0);
	EXPECT_EQ(number, SIGCHLD);

	(void)signal(SIGCHLD, SIG_IGN); /* ignored by request: never kept */
	EXPECT_EQ(kill(getpid(), SIGCHLD), 0);
	EXPECT_EQ(sigpending(&pending), 0);
	EXPECT_EQ(sigismember(&pending, SIGCHLD), 0);
	(void)signal(SIGCHLD, SIG_DFL);
	EXPECT_EQ(kill(getpid(), SIGCHLD), 0);
	EXPECT_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0); /* taken, and dropped */
	EXPECT_EQ(sigpending(&pending), 0);
	EXPECT_EQ(sigismember(&pending, SIGCHLD), 0);
}

static void *
call_on(void *arg)
{
	for (;;) {
		(void)getppid();
	}
	return arg;
}

/* Any thread may be the one that finds the signal. */
static int
kill_among_others(void *arg)
{
	pthread_t thread;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_create(&thread, NULL, call_on, NULL), 0);
	}
	(void)pthread_kill(thread, SIGUSR1);
	(void)kill(getpid(), SIGKILL);
	return 3;
}

TEST(who_kills_itself_does_not_return)
{
	(void)signal(SIGUSR1, SIG_IGN);
	for (int i = 0; i < 40; i++) {
		EXPECT_EQ(ktap_in_child(kill_among_others, NULL), 128 + SIGKILL);
	}
	(void)signal(SIGUSR1, SIG_DFL);
}
