/*
 * Restartable ranges: a thread that is interrupted inside one goes on at its recovery address, at the latest when
 * task_restartable_ranges_synchronize returns.
 */
#include <mach/mach.h>
#include <mach/task_restartable.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define SELF mach_task_self()

/*
 * uint64_t spin(volatile uint64_t *count): counts for ever, inside a range; returns when it is taken out of it. The
 * other one counts to `limit` and has no range.
 */
__asm__(".text\n"
	".p2align 2\n"
	"_spin:\n"
	"	mov	x2, #0\n"
	"_spin_start:\n"
	"	add	x2, x2, #1\n"
	"	str	x2, [x0]\n"
	"	b	_spin_start\n"
	"_spin_end:\n"
	"	brk	#1\n"
	"_spin_recover:\n"
	"	mov	x0, x2\n"
	"	ret\n");

uint64_t spin(volatile uint64_t *count);
extern const char spin_start[], spin_end[], spin_recover[];

static task_restartable_range_t
spin_range(void)
{
	return (task_restartable_range_t){ .location = (mach_vm_address_t)spin_start,
		.length = (uint16_t)(spin_end - spin_start),
		.recovery_offs = (uint16_t)(spin_recover - spin_start) };
}

struct spinner {
	pthread_t thread;
	volatile uint64_t count;
	volatile uint64_t rounds;
	volatile bool stop;
};

static void *
spin_often(void *arg)
{
	struct spinner *s = arg;

	while (!s->stop) {
		s->count = 0;
		(void)spin(&s->count);
		s->rounds++;
	}
	return NULL;
}

static int
registered(void *arg)
{
	task_restartable_range_t range = spin_range();
	struct spinner s[3];

	(void)arg;
	EXPECT_EQ(task_restartable_ranges_register(SELF, &range, 1), KERN_SUCCESS);
	EXPECT_EQ(task_restartable_ranges_register(SELF, &range, 1), KERN_NOT_SUPPORTED);
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_create(&s[i].thread, NULL, spin_often, &s[i]), 0);
	}
	for (int round = 0; round < 200; round++) {
		uint64_t before[3];

		for (int i = 0; i < 3; i++) {
			while (s[i].count == 0) {
				sched_yield(); /* until it is inside */
			}
			before[i] = s[i].rounds;
		}
		EXPECT_EQ(task_restartable_ranges_synchronize(SELF), KERN_SUCCESS);
		for (int i = 0; i < 3; i++) {
			while (s[i].rounds == before[i]) {
				sched_yield(); /* hangs if the thread were still inside */
			}
		}
	}
	for (int i = 0; i < 3; i++) {
		s[i].stop = true;
	}
	EXPECT_EQ(task_restartable_ranges_synchronize(SELF), KERN_SUCCESS);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_join(s[i].thread, NULL), 0);
	}
	return 0;
}

TEST(a_range_is_left_when_all_synchronize)
{
	EXPECT_EQ(ktap_in_child(registered, NULL), 0);
}

static volatile uint64_t counted;
static volatile uint64_t signal_pc;

static void
on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	signal_pc = ((ucontext_t *)context)->uc_mcontext->__ss.__pc;
}

static void *
send_signal(void *arg)
{
	while (counted == 0) {
		sched_yield();
	}
	EXPECT_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
	return NULL;
}

/* A child of fork has its parent's ranges; a signal finds the thread outside. */
static int
interrupted(void *arg)
{
	task_restartable_range_t range = spin_range();
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t self = pthread_self(), sender;
	int status = -1;
	pid_t pid;

	(void)arg;
	EXPECT_EQ(task_restartable_ranges_register(SELF, &range, 1), KERN_SUCCESS);
	pid = fork();
	if (pid == 0) {
		EXPECT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
		EXPECT_EQ(pthread_create(&sender, NULL, send_signal, &self), 0);
		while (signal_pc == 0) {
			(void)spin(&counted);
		}
		EXPECT_EQ(pthread_join(sender, NULL), 0);
		_exit(signal_pc - range.location >= range.length ? 0 : 1);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(a_signal_takes_a_thread_out_of_its_range)
{
	EXPECT_EQ(ktap_in_child(interrupted, NULL), 0);
}

static int
refused(void *arg)
{
	task_restartable_range_t two[2] = { spin_range(), spin_range() };
	task_restartable_range_t many[65];
	mach_port_t other = MACH_PORT_NULL;

	(void)arg;
	EXPECT_EQ(task_restartable_ranges_synchronize(SELF), KERN_SUCCESS); /* there are none */
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 0), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 2), KERN_INVALID_ARGUMENT); /* overlap */
	two[0].flags = 1;
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 1), KERN_INVALID_ARGUMENT);
	two[0] = spin_range();
	two[0].length = TASK_RESTARTABLE_OFFSET_MAX + 1;
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 1), KERN_INVALID_ARGUMENT);
	two[0] = spin_range();
	two[0].recovery_offs = TASK_RESTARTABLE_OFFSET_MAX + 1;
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 1), KERN_INVALID_ARGUMENT);
	two[0] = spin_range();
	two[0].location = ~0ULL - 100;
	EXPECT_EQ(task_restartable_ranges_register(SELF, two, 1), KERN_INVALID_ARGUMENT);
	memset(many, 0, sizeof(many));
	EXPECT_EQ(task_restartable_ranges_register(SELF, many, 65), MIG_ARRAY_TOO_LARGE);
	EXPECT_EQ(task_for_pid(SELF, getppid(), &other), KERN_SUCCESS);
	two[0] = spin_range();
	EXPECT_EQ(task_restartable_ranges_register(other, two, 1), KERN_FAILURE);
	EXPECT_EQ(task_restartable_ranges_synchronize(other), KERN_FAILURE);
	EXPECT_EQ(task_restartable_ranges_register(mach_host_self(), two, 1), KERN_INVALID_ARGUMENT);
	/* After all that the first one that is right is taken: out of order, with 64 of them. */
	for (int i = 0; i < 64; i++) {
		many[i] = (task_restartable_range_t){ .location = 0x200000000ULL + (uint64_t)(63 - i) * 64,
			.length = 64 };
	}
	EXPECT_EQ(task_restartable_ranges_register(SELF, many, 64), KERN_SUCCESS);
	return 0;
}

TEST(ranges_that_are_none)
{
	EXPECT_EQ(ktap_in_child(refused, NULL), 0);
}
