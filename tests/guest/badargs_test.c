/*
 * Hostile arguments to every trap and call: each combination must come back, or end this process by a signal, and
 * the system must go on. The calls run in children, many in each, with addresses that are null, unmapped, misaligned,
 * in the kernel's half or read-only, and numbers at the ends of their ranges.
 */
#include <fcntl.h>
#include <mach/mach.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ktap.h"

static const char read_only[64] = "read-only";
static uint64_t random_state;

/* xorshift: the same sequence in each run. */
static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t
hostile_value(void)
{
	static uint64_t page[4];
	const uint64_t values[] = {
		0,
		1,
		2,
		3,
		5,
		24,
		64,
		16383,
		16384,
		(uint64_t)-1,
		(uint64_t)-2,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffff800000000000,
		0xfffffe0007004000,
		0x00007ffffffff000,
		0x0000000fffffc000,
		0x100,
		0x10000,
		(uint64_t)read_only,
		(uint64_t)page,
		(uint64_t)page + 1,
		(uint64_t)"no/such/file",
		0x103,
		0x203,
		0x307,
		0xdeadbeefdeadbeef,
	};
	return values[next_random() % (sizeof(values) / sizeof(values[0]))];
}

static void
hostile_call(int64_t number)
{
	register uint64_t x0 __asm__("x0") = hostile_value();
	register uint64_t x1 __asm__("x1") = hostile_value();
	register uint64_t x2 __asm__("x2") = hostile_value();
	register uint64_t x3 __asm__("x3") = hostile_value();
	register uint64_t x4 __asm__("x4") = hostile_value();
	register uint64_t x5 __asm__("x5") = hostile_value();
	register uint64_t x6 __asm__("x6") = hostile_value();
	register uint64_t x7 __asm__("x7") = hostile_value();
	register int64_t x16 __asm__("x16") = number;

	__asm__ volatile("svc #0x80"
	    : "+r"(x0), "+r"(x1)
	    : "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x6), "r"(x7), "r"(x16)
	    : "memory", "cc");
}

/*
 * Calls that would end, stop or fork the child, wait for ever, or take its memory away: those that wait are below,
 * those on memory in vm_badargs_test.c.
 */
static bool
is_left_out(int64_t number)
{
	static const int16_t calls[] = {
		SYS_exit, SYS_fork, SYS_wait4, SYS_wait4_nocancel, SYS_read, SYS_read_nocancel, SYS_readv,
		SYS_readv_nocancel, SYS_kill, SYS_reboot, SYS_munmap, SYS_mprotect, SYS_mmap, SYS_madvise,
		SYS_sigsuspend, SYS_bsdthread_create, SYS_bsdthread_terminate, SYS_bsdthread_register,
		SYS_sigreturn, SYS_close, SYS_write, SYS_write_nocancel, SYS_writev, SYS_writev_nocancel,
		SYS_pwrite, SYS_pwrite_nocancel, SYS___semwait_signal, SYS_ulock_wait, SYS_ulock_wait2,
		SYS_sigprocmask, SYS___pthread_sigmask, SYS_sigaction, SYS_posix_spawn, SYS_select, SYS_poll,
		SYS_dup2, SYS___pthread_kill, SYS_sigaltstack, SYS_sigsuspend_nocancel, SYS___sigwait,
		SYS___sigwait_nocancel, SYS___semwait_signal_nocancel, SYS_sem_wait, SYS_sem_wait_nocancel,
		SYS_psynch_mutexwait, SYS_psynch_cvwait, SYS_psynch_rw_rdlock, SYS_psynch_rw_longrdlock,
		SYS_psynch_rw_wrlock, SYS_psynch_rw_yieldwrlock, SYS_psynch_rw_upgrade, SYS_workq_kernreturn,
		SYS_select_nocancel, SYS_poll_nocancel, SYS_close_nocancel, -10, -12, -14, -15, /* memory */
		-36, -37, -38, -39, /* semaphore waits: with a semaphore's name they may sleep */
		-90, -62,           /* sleeps */
		-31, -32, -47,      /* mach_msg: has its own test, with time-outs */
		-61,                /* thread_switch may sleep */
	};
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i] == number) {
			return true;
		}
	}
	return false;
}

struct range {
	int64_t first, last;
	unsigned rounds;
};

static int
hammer(void *arg)
{
	const struct range *range = arg;

	for (unsigned round = 0; round < range->rounds; round++) {
		for (int64_t number = range->first; number <= range->last; number++) {
			if (!is_left_out(number)) {
				hostile_call(number);
			}
		}
	}
	return 0;
}

static void
hammer_in_child(int64_t first, int64_t last)
{
	struct range range = { first, last, 20 };
	int status;

	random_state = 0x9e3779b97f4a7c15 ^ (uint64_t)first;
	status = ktap_in_child(hammer, &range);
	EXPECT(status == 0 || status == 128 + 12 || status == 128 + 11 || status == 128 + 10);
}

TEST(every_bsd_call_survives_hostile_arguments)
{
	for (int64_t first = 1; first < 560; first += 16) {
		hammer_in_child(first, first + 15);
	}
}

/* An empty slot ends the child with SIGSYS, so each trap gets its own. */
TEST(every_mach_trap_survives_hostile_arguments)
{
	for (int64_t number = 1; number < 128; number++) {
		hammer_in_child(-number, -number);
	}
}

/*
 * Calls that may wait: they are made while another thread aborts every wait. Without the calls that end the process or
 * the thread, or write to the console.
 */
static const int16_t waiting_calls[] = { SYS_wait4, SYS_wait4_nocancel, SYS_read, SYS_read_nocancel,
	SYS_readv, SYS_readv_nocancel, SYS_select, SYS_select_nocancel, SYS_poll, SYS_poll_nocancel,
	SYS_sigsuspend, SYS_sigsuspend_nocancel, SYS___semwait_signal, SYS___semwait_signal_nocancel,
	SYS_sem_wait, SYS_sem_wait_nocancel, SYS_ulock_wait, SYS_ulock_wait2, -36, -37, -38, -39, -61, -62,
	-90 };
#define WAITING_CALLS (sizeof(waiting_calls) / sizeof(waiting_calls[0]))

struct waiting {
	uint32_t call; /* of the list */
	atomic_bool over;
	mach_port_t caller;
};

static void *
end_waits(void *arg)
{
	struct waiting *w = arg;

	while (!w->over) {
		(void)thread_abort(w->caller);
		usleep(500);
	}
	return NULL;
}

static int
hammer_waiting(void *arg)
{
	struct waiting *w = arg;
	pthread_t ender;

	w->caller = mach_thread_self();
	w->over = false;
	if (!EXPECT_EQ(pthread_create(&ender, NULL, end_waits, w), 0)) {
		return 1;
	}
	for (unsigned round = 0; round < 20; round++) {
		hostile_call(waiting_calls[w->call]);
	}
	w->over = true;
	EXPECT_EQ(pthread_join(ender, NULL), 0);
	return 0;
}

TEST(calls_that_wait_survive_hostile_arguments)
{
	for (unsigned call = 0; call < WAITING_CALLS; call++) {
		struct waiting w = { .call = call };
		int status;

		random_state = 0x9e3779b97f4a7c15 ^ call;
		status = ktap_in_child(hammer_waiting, &w);
		EXPECT(status == 0 || status == 128 + 12 || status == 128 + 11 || status == 128 + 10);
	}
}

/* Messages with random headers and bodies; every receive polls. */
static int
hammer_messages(void *arg)
{
	static _Alignas(16) uint32_t buffer[256];
	mach_port_t port = mig_get_reply_port();

	random_state = 0x1234567;
	(void)mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
	for (unsigned i = 0; i < 3000; i++) {
		mach_msg_header_t *head = (mach_msg_header_t *)(void *)buffer;
		mach_port_t targets[] = { port, mach_task_self(), mach_host_self(), 0, 0xffffffff,
			(mach_port_t)hostile_value() };
		mach_msg_size_t size = (mach_msg_size_t)(next_random() % 300);

		for (unsigned w = 0; w < sizeof(buffer) / 4; w++) {
			buffer[w] =
			    (uint32_t)(next_random() % 8 == 0 ? hostile_value() : next_random() & 0x1f);
		}
		head->msgh_bits = (uint32_t)(next_random() & 0x801f1f1f);
		head->msgh_remote_port = targets[next_random() % 6];
		head->msgh_local_port = next_random() % 2 ? port : 0;
		head->msgh_id = (mach_msg_id_t)(next_random() % 2 ? 3200 + next_random() % 30
								  : 4800 + next_random() % 20);
		if (head->msgh_remote_port == mach_task_self() && head->msgh_id >= 4800) {
			head->msgh_id = 3404; /* not at our own memory */
		}
		(void)mach_msg2_trap(buffer,
		    MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT |
			(next_random() % 2 ? MACH64_SEND_KOBJECT_CALL : MACH64_SEND_MQ_CALL),
		    head->msgh_bits | (uint64_t)size << 32,
		    head->msgh_remote_port | (uint64_t)head->msgh_local_port << 32,
		    (uint64_t)(uint32_t)head->msgh_id << 32, (next_random() % 6) | (uint64_t)port << 32,
		    next_random() % 3 ? sizeof(buffer) : next_random() % 64, 0);
	}
	return 0;
}

TEST(random_messages_are_refused_or_answered)
{
	EXPECT_EQ(ktap_in_child(hammer_messages, NULL), 0);
}

TEST(paths_and_buffers_that_are_not_there)
{
	char big[5000];

	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	EXPECT_EQ(open(NULL, O_RDONLY), -1);
	EXPECT_EQ(open((const char *)0xffff800000000000, O_RDONLY), -1);
	EXPECT_EQ(open(big, O_RDONLY), -1);
	EXPECT_EQ(write(STDOUT_FILENO, NULL, 10), -1);
	EXPECT_EQ(write(STDOUT_FILENO, (void *)0xfffffe0007004000, 10), -1);
	EXPECT_EQ(read(STDIN_FILENO, (void *)(uintptr_t)read_only, (size_t)-1), -1);
	EXPECT_EQ(execve(NULL, NULL, NULL), -1);
	EXPECT_EQ(execve("/bin/true", (char *const *)8, NULL), -1);
}
