/*
 * thread_get_state and thread_set_state: every flavour with every count, on threads that run, wait, are suspended, were
 * never started, have ended, and on the caller; with values that no thread may have. What is refused and what is masked
 * is the contract; that the machine still runs is the rest.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/semaphore.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"
#include "save_registers.h"

#define SELF           mach_task_self()
#define KERNEL_ADDRESS 0xfffffe0007004000ULL
#define PSR_NZCV       0xf0000000U
#define FLAVORS        140 /* all numbers that a header names are below */

union state {
	uint32_t words[THREAD_STATE_MAX];
	uint64_t wide[THREAD_STATE_MAX / 2];
	arm_thread_state64_t thread;
	arm_unified_thread_state_t unified;
	arm_neon_state64_t neon;
	arm_exception_state64_t exception;
};

static const struct flavor {
	thread_state_flavor_t flavor;
	mach_msg_type_number_t count;
	bool settable;
} flavors[] = {
	{ ARM_THREAD_STATE, ARM_UNIFIED_THREAD_STATE_COUNT, true },
	{ ARM_THREAD_STATE64, ARM_THREAD_STATE64_COUNT, true },
	{ ARM_EXCEPTION_STATE64, ARM_EXCEPTION_STATE64_COUNT, false },
	{ ARM_EXCEPTION_STATE64_V2, ARM_EXCEPTION_STATE64_V2_COUNT, false },
	{ ARM_NEON_STATE64, ARM_NEON_STATE64_COUNT, true },
	{ ARM_DEBUG_STATE64, ARM_DEBUG_STATE64_COUNT, true },
};
#define KNOWN (sizeof(flavors) / sizeof(flavors[0]))

static const struct flavor *
find_flavor(thread_state_flavor_t number)
{
	for (unsigned i = 0; i < KNOWN; i++) {
		if (flavors[i].flavor == number) {
			return &flavors[i];
		}
	}
	return NULL;
}

/* ---- Threads in each state ---- */

static _Atomic int leave, running;
static semaphore_t semaphore;
static mach_port_t port;
static int fds[2];

static void *
in_user_mode(void *arg)
{
	volatile double x = 1;

	while (!atomic_load(&leave)) {
		x = x * 1.5;
		atomic_store(&running, 1);
	}
	return NULL;
}

static void *
in_semaphore(void *arg)
{
	atomic_store(&running, 1);
	(void)semaphore_wait(semaphore);
	return NULL;
}

static void *
in_receive(void *arg)
{
	struct {
		mach_msg_header_t head;
		mach_msg_max_trailer_t trailer;
	} message;

	atomic_store(&running, 1);
	(void)mach_msg(&message.head, MACH_RCV_MSG, 0, sizeof(message), port, 0, MACH_PORT_NULL);
	return NULL;
}

static void *
in_read(void *arg)
{
	char c;

	atomic_store(&running, 1);
	(void)read(fds[0], &c, 1);
	return NULL;
}

static void *
in_sleep(void *arg)
{
	atomic_store(&running, 1);
	while (!atomic_load(&leave)) {
		usleep(100);
	}
	return NULL;
}

static void *(*const bodies[])(void *) = { in_user_mode, in_semaphore, in_receive, in_read, in_sleep };
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

static void
prepare(void)
{
	atomic_store(&leave, 0);
	EXPECT_EQ(semaphore_create(SELF, &semaphore, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(pipe(fds), 0);
}

/* Threads that still wait are woken, and the rights go. */
static void
clean_up(void)
{
	mach_msg_header_t message = {
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
		.msgh_size = sizeof(message),
		.msgh_remote_port = port,
	};

	atomic_store(&leave, 1);
	EXPECT_EQ(semaphore_signal(semaphore), KERN_SUCCESS);
	EXPECT_EQ(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0, 0), KERN_SUCCESS);
	EXPECT_EQ(write(fds[1], "x", 1), 1);
}

static void
drop_objects(void)
{
	EXPECT_EQ(semaphore_destroy(SELF, semaphore), KERN_SUCCESS);
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
	close(fds[0]);
	close(fds[1]);
}

static pthread_t
start_in(void *(*body)(void *))
{
	pthread_t thread;

	atomic_store(&running, 0);
	EXPECT_EQ(pthread_create(&thread, NULL, body, NULL), 0);
	while (!atomic_load(&running)) {
		sched_yield();
	}
	usleep(1000); /* for those that wait: most of the time they do by now, and both cases are right */
	return thread;
}

/* ---- Flavours and counts ---- */

static void
ask_all_flavors(thread_act_t thread)
{
	union state state;

	for (thread_state_flavor_t number = -2; number < FLAVORS; number++) {
		const struct flavor *known = find_flavor(number);
		mach_msg_type_number_t need = known != NULL ? known->count : 0;

		for (mach_msg_type_number_t count = 0; count <= 142; count += 71 / 2) {
			mach_msg_type_number_t got = count;
			kern_return_t want =
			    known != NULL && count >= need ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;

			memset(&state, 0, sizeof(state));
			EXPECT_EQ(thread_get_state(thread, number, state.words, &got), want);
			EXPECT(want != KERN_SUCCESS || got == need);
			for (unsigned i = 0; i < sizeof(state) / 8; i++) {
				EXPECT(!is_kernel_address(state.wide[i]));
			}
		}
	}
	for (unsigned i = 0; i < KNOWN; i++) {
		mach_msg_type_number_t got = flavors[i].count - 1;

		EXPECT_EQ(
		    thread_get_state(thread, flavors[i].flavor, state.words, &got), KERN_INVALID_ARGUMENT);
		got = THREAD_STATE_MAX;
		EXPECT_EQ(thread_get_state(thread, flavors[i].flavor, state.words, &got), KERN_SUCCESS);
		EXPECT_EQ(got, flavors[i].count);
	}
}

/* Wrong numbers and counts change nothing; the exception state cannot be set. */
static void
set_wrong_flavors(thread_act_t thread)
{
	union state state;

	memset(&state, 0xa5, sizeof(state));
	for (thread_state_flavor_t number = -2; number < FLAVORS; number++) {
		const struct flavor *known = find_flavor(number);
		mach_msg_type_number_t count = known != NULL && known->settable ? known->count - 1 : 140;

		EXPECT_EQ(thread_set_state(thread, number, state.words, count), KERN_INVALID_ARGUMENT);
		EXPECT_EQ(thread_set_state(thread, number, state.words, 0), KERN_INVALID_ARGUMENT);
	}
	state.unified.ash = (arm_state_hdr_t){ ARM_THREAD_STATE32, 17 };
	EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE, state.words, ARM_UNIFIED_THREAD_STATE_COUNT),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE64, state.words, THREAD_STATE_MAX + 1),
	    MIG_ARRAY_TOO_LARGE);
}

TEST(flavors_and_counts)
{
	thread_act_t self = mach_thread_self(), fresh;
	pthread_t threads[BODIES];

	prepare();
	for (unsigned i = 0; i < BODIES; i++) {
		threads[i] = start_in(bodies[i]);
		ask_all_flavors(pthread_mach_thread_np(threads[i]));
		set_wrong_flavors(pthread_mach_thread_np(threads[i]));
	}
	EXPECT_EQ(thread_suspend(pthread_mach_thread_np(threads[0])), KERN_SUCCESS);
	ask_all_flavors(pthread_mach_thread_np(threads[0]));
	set_wrong_flavors(pthread_mach_thread_np(threads[0]));
	EXPECT_EQ(thread_resume(pthread_mach_thread_np(threads[0])), KERN_SUCCESS);
	ask_all_flavors(self);
	set_wrong_flavors(self);
	EXPECT_EQ(thread_create(SELF, &fresh), KERN_SUCCESS);
	ask_all_flavors(fresh);
	set_wrong_flavors(fresh);
	EXPECT_EQ(thread_terminate(fresh), KERN_SUCCESS);
	clean_up();
	for (unsigned i = 0; i < BODIES; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	drop_objects();
	mach_port_deallocate(SELF, fresh);
	mach_port_deallocate(SELF, self);
}

/* ---- Values ---- */

static const uint32_t wrong_psr[] = {
	0x5,        /* EL1h */
	0x4,        /* EL1t */
	0x9,        /* EL2h */
	0xd,        /* EL3h */
	0x10,       /* 32-bit user mode */
	0x13,       /* 32-bit supervisor */
	0x3c0,      /* interrupts masked */
	0x3c5,      /* and EL1h */
	0x00300000, /* single step, illegal state */
	0x00400000, /* PAN */
	0x0fffffff, /* everything but the conditions */
	0xffffffff,
};
#define WRONG_PSR (sizeof(wrong_psr) / sizeof(wrong_psr[0]))

/* Of the processor state only the conditions are taken, on a thread that stays where it is. */
static void
set_wrong_psr(thread_act_t thread)
{
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	union state state, now;

	EXPECT_EQ(thread_get_state(thread, ARM_THREAD_STATE64, state.words, &count), KERN_SUCCESS);
	EXPECT_EQ(state.thread.__cpsr & ~PSR_NZCV & 0xfff, 0);
	for (unsigned i = 0; i < WRONG_PSR; i++) {
		union state wrong = state;

		wrong.thread.__cpsr = wrong_psr[i];
		wrong.thread.__pad = 0xdeadbeef;
		EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE64, wrong.words, count), KERN_SUCCESS);
		EXPECT_EQ(thread_get_state(thread, ARM_THREAD_STATE64, now.words, &count), KERN_SUCCESS);
		EXPECT_EQ(now.thread.__cpsr & ~PSR_NZCV, 0);
		EXPECT_EQ(now.thread.__pad, 0);
	}
	EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE64, state.words, count), KERN_SUCCESS);
}

TEST(modes_of_the_cpu_are_masked)
{
	pthread_t thread;
	thread_act_t fresh;

	prepare();
	thread = start_in(in_user_mode);
	EXPECT_EQ(thread_suspend(pthread_mach_thread_np(thread)), KERN_SUCCESS);
	set_wrong_psr(pthread_mach_thread_np(thread));
	EXPECT_EQ(thread_resume(pthread_mach_thread_np(thread)), KERN_SUCCESS);
	EXPECT_EQ(thread_create(SELF, &fresh), KERN_SUCCESS);
	set_wrong_psr(fresh);
	EXPECT_EQ(thread_terminate(fresh), KERN_SUCCESS);
	mach_port_deallocate(SELF, fresh);
	atomic_store(&leave, 1);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	drop_objects();
}

static kern_return_t
set_own_state(uint64_t pc, uint64_t sp, uint32_t psr)
{
	thread_act_t self = mach_thread_self();
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	union state state;

	EXPECT_EQ(thread_get_state(self, ARM_THREAD_STATE64, state.words, &count), KERN_SUCCESS);
	if (pc != 0) {
		state.thread.__pc = pc;
	}
	if (sp != 0) {
		state.thread.__sp = sp;
	}
	state.thread.__cpsr = psr;
	return thread_set_state(self, ARM_THREAD_STATE64, state.words, count);
}

struct own_state {
	uint64_t pc, sp;
	uint32_t psr;
};

static int
live_with_own_state(void *arg)
{
	const struct own_state *wrong = arg;

	(void)set_own_state(wrong->pc, wrong->sp, wrong->psr);
	return getpid() > 0 ? 7 : 8;
}

/* The caller's own registers: it faults when it uses them, in user mode. */
TEST(own_registers_in_the_kernel_fault)
{
	struct own_state wrong[] = { { KERNEL_ADDRESS, 0, 0 }, { KERNEL_ADDRESS, KERNEL_ADDRESS, 0x3c5 },
		{ 0xffff800040000000, 0, 0x5 }, { ~0ull, 0, 0 }, { 0x800000000000, 0, 0 } };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int status = ktap_in_child(live_with_own_state, &wrong[i]);

		EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
	}
}

/* ---- While system calls return ---- */

#define ROUNDS 3000

static void *
make_calls(void *arg)
{
	uint64_t calls = 0;

	while (!atomic_load(&leave)) {
		/* a call that fails writes the carry flag, one that sleeps does so whenever it wakes */
		(void)close(-1);
		(void)sched_yield();
		usleep(1);
		calls++;
		atomic_store(&running, 1);
	}
	return (void *)(uintptr_t)calls;
}

/*
 * Puts back what it read, with a processor state that no program may have: the kernel's return from a call reads that
 * word and writes it, at any moment.
 */
static void
disturb(thread_act_t thread, unsigned round)
{
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	union state state;

	EXPECT_EQ(thread_suspend(thread), KERN_SUCCESS);
	EXPECT_EQ(thread_get_state(thread, ARM_THREAD_STATE64, state.words, &count), KERN_SUCCESS);
	state.thread.__cpsr |= wrong_psr[round % WRONG_PSR] & ~PSR_NZCV;
	EXPECT_EQ(thread_set_state(thread, ARM_THREAD_STATE64, state.words, count), KERN_SUCCESS);
	EXPECT_EQ(thread_resume(thread), KERN_SUCCESS);
}

/* In a child: what a call answers may be lost when the registers of before are put back. */
static int
disturb_calls(void *arg)
{
	pthread_t threads[2];

	prepare();
	threads[0] = start_in(make_calls);
	threads[1] = start_in(make_calls);
	for (unsigned i = 0; i < ROUNDS; i++) {
		disturb(pthread_mach_thread_np(threads[i % 2]), i);
	}
	atomic_store(&running, 0);
	while (!atomic_load(&running)) {
		sched_yield();
	}
	return 7;
}

TEST(states_set_while_calls_return)
{
	EXPECT_EQ(ktap_in_child(disturb_calls, NULL), 7);
}

/* ---- Two that ask each other, threads that end meanwhile ---- */

static thread_act_t asked[2];
static pthread_barrier_t both;

static void *
ask_other(void *arg)
{
	thread_act_t other;
	union state state;

	(void)pthread_barrier_wait(&both); /* both are known */
	other = asked[1 - (uintptr_t)arg];
	for (unsigned i = 0; i < 300; i++) {
		mach_msg_type_number_t count = ARM_NEON_STATE64_COUNT;

		if (!EXPECT_EQ(
			thread_get_state(other, ARM_NEON_STATE64, state.words, &count), KERN_SUCCESS)) {
			break;
		}
	}
	(void)pthread_barrier_wait(&both); /* neither ends before the other is done */
	return NULL;
}

/* Each holds the other now and then: neither may wait for the other's next step in user mode. */
#define SUSPENDERS       3
#define SUSPENDER_ROUNDS 300

static _Atomic uint64_t moves;
static thread_act_t moving;

static void *
move(void *arg)
{
	while (!atomic_load(&leave)) {
		atomic_fetch_add(&moves, 1);
	}
	return arg;
}

/* Between its own suspend and resume each finds the thread standing still, whoever else has it suspended. */
static void *
suspend_and_look(void *arg)
{
	bool still = true;

	for (int i = 0; i < SUSPENDER_ROUNDS && still; i++) {
		uint64_t seen;

		EXPECT_EQ(thread_suspend(moving), KERN_SUCCESS);
		seen = atomic_load(&moves);
		for (int j = 0; j < 2000 && still; j++) {
			still = EXPECT_EQ(atomic_load(&moves), seen);
		}
		EXPECT_EQ(thread_resume(moving), KERN_SUCCESS);
	}
	return arg;
}

TEST(suspended_by_several_at_once)
{
	pthread_t suspenders[SUSPENDERS], thread;

	atomic_store(&leave, 0);
	REQUIRE(pthread_create(&thread, NULL, move, NULL) == 0);
	moving = pthread_mach_thread_np(thread);
	for (int i = 0; i < SUSPENDERS; i++) {
		REQUIRE(pthread_create(&suspenders[i], NULL, suspend_and_look, NULL) == 0);
	}
	for (int i = 0; i < SUSPENDERS; i++) {
		EXPECT_EQ(pthread_join(suspenders[i], NULL), 0);
	}
	EXPECT_EQ(thread_resume(moving), KERN_FAILURE);
	atomic_store(&leave, 1);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
}

TEST(threads_that_ask_each_other)
{
	pthread_t threads[2];

	EXPECT_EQ(pthread_barrier_init(&both, NULL, 3), 0);
	for (uintptr_t i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, ask_other, (void *)i), 0);
		asked[i] = pthread_mach_thread_np(threads[i]);
	}
	(void)pthread_barrier_wait(&both);
	(void)pthread_barrier_wait(&both);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(pthread_barrier_destroy(&both), 0);
}

static void
expect_dead(kern_return_t kr)
{
	EXPECT(kr == KERN_SUCCESS || kr == KERN_TERMINATED || kr == MACH_SEND_INVALID_DEST ||
	       kr == KERN_INVALID_ARGUMENT);
}

TEST(states_of_threads_that_end)
{
	union state state;

	for (unsigned round = 0; round < 100; round++) {
		mach_msg_type_number_t count = ARM_NEON_STATE64_COUNT;
		thread_act_t thread;

		REQUIRE(thread_create(SELF, &thread) == KERN_SUCCESS);
		memset(&state, 0, sizeof(state));
		EXPECT_EQ(thread_set_state(thread, ARM_NEON_STATE64, state.words, ARM_NEON_STATE64_COUNT),
		    KERN_SUCCESS);
		if (round % 2 == 0) {
			state.thread.__pc = (uintptr_t)in_user_mode;
			(void)thread_set_state(
			    thread, ARM_THREAD_STATE64, state.words, ARM_THREAD_STATE64_COUNT);
		}
		EXPECT_EQ(thread_terminate(thread), KERN_SUCCESS);
		for (unsigned i = 0; i < 4; i++) {
			expect_dead(thread_get_state(thread, ARM_NEON_STATE64, state.words, &count));
			expect_dead(
			    thread_set_state(thread, ARM_NEON_STATE64, state.words, ARM_NEON_STATE64_COUNT));
			expect_dead(thread_suspend(thread));
			sched_yield();
		}
		EXPECT_EQ(mach_port_deallocate(SELF, thread), KERN_SUCCESS);
	}
}

/* ---- Vector registers ---- */

static _Atomic int vectors_set;

static void *
see_vectors(void *arg)
{
	uint64_t d0, d31, fpcr;

	atomic_store(&running, 1);
	while (!atomic_load(&vectors_set)) {}
	__asm__ volatile("fmov %0, d0\n\tfmov %1, d31\n\tmrs %2, fpcr" : "=r"(d0), "=r"(d31), "=r"(fpcr));
	__asm__ volatile("msr fpcr, xzr");
	return (void *)(uintptr_t)(d0 == 0x1111 && d31 == 0x3131 && fpcr == 0x400000);
}

/* A thread that never used them gets what was set; all bits in the control registers are no more than that. */
TEST(vector_registers_are_set)
{
	union state state;
	mach_msg_type_number_t count = ARM_NEON_STATE64_COUNT;
	pthread_t thread;
	thread_act_t target;
	void *right;

	atomic_store(&vectors_set, 0);
	thread = start_in(see_vectors);
	target = pthread_mach_thread_np(thread);
	memset(&state, 0xff, sizeof(state));
	EXPECT_EQ(thread_suspend(target), KERN_SUCCESS);
	EXPECT_EQ(thread_set_state(target, ARM_NEON_STATE64, state.words, count), KERN_SUCCESS);
	memset(&state, 0, sizeof(state));
	state.neon.__v[0] = 0x1111;
	state.neon.__v[31] = 0x3131;
	state.neon.__fpcr = 0x400000;
	EXPECT_EQ(thread_set_state(target, ARM_NEON_STATE64, state.words, count), KERN_SUCCESS);
	EXPECT_EQ(thread_resume(target), KERN_SUCCESS);
	atomic_store(&vectors_set, 1);
	EXPECT_EQ(pthread_join(thread, &right), 0);
	EXPECT_EQ((uintptr_t)right, 1);
}

/* ---- Suspend counts ---- */

TEST(suspend_counts_nest)
{
	pthread_t thread;
	thread_act_t target;

	prepare();
	thread = start_in(in_sleep);
	target = pthread_mach_thread_np(thread);
	EXPECT_EQ(thread_resume(target), KERN_FAILURE);
	for (unsigned i = 0; i < 1000; i++) {
		EXPECT_EQ(thread_suspend(target), KERN_SUCCESS);
	}
	for (unsigned i = 0; i < 1000; i++) {
		EXPECT_EQ(thread_resume(target), KERN_SUCCESS);
	}
	EXPECT_EQ(thread_resume(target), KERN_FAILURE);
	atomic_store(&leave, 1);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	drop_objects();
}
