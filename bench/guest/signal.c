/*
 * Signals.
 */
#include <harness/bench.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t taken;

static void
on_signal(int sig)
{
	taken++;
}

/* One operation: the process sends itself a signal, its handler runs and returns. */
static void
signal_self(struct bench *b)
{
	struct sigaction action = { 0 };
	pid_t self = getpid();
	sig_atomic_t expected = 0;
	bool ok = true;

	action.sa_handler = on_signal;
	ok &= sigaction(SIGUSR1, &action, NULL) == 0;
	taken = 0;
	bench_loop(b)
	{
		ok &= kill(self, SIGUSR1) == 0;
		expected++;
	}
	bench_check(b, ok && taken == expected, "a signal was not taken");
	action.sa_handler = SIG_DFL;
	(void)sigaction(SIGUSR1, &action, NULL);
}
BENCHMARK("signal/self", signal_self);
