/*
 * Tests of the scheduler and of waiting, in the kernel: order, hand-over between CPUs, waits that several
 * parties race to end, binding, preemption.
 */
#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/sched_prim.h>
#include <kern/sched_priority.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <ktest/ktest.h>

#define HANG_DEADLINE_NS (10 * NSEC_PER_SEC) /* a hang detector, not a measure */

static void
sleep_ns(uint64_t ns)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(ns));
	thread_block(THREAD_CONTINUE_NULL);
}

static thread_t
start(thread_continue_t fn, void *param, int pri)
{
	thread_t thread = THREAD_NULL;

	EXPECT_EQ(kernel_thread_create(fn, param, pri, "ktest", &thread), KERN_SUCCESS);
	return thread;
}

static void
finish(thread_t thread)
{
	thread_join(thread);
	thread_deallocate(thread);
}

/* --- a thread runs, ends and can be joined; many of them --- */

static uint32_t ran;

static void
count_and_end(void *param, wait_result_t result)
{
	os_atomic_inc(&ran, relaxed);
	EXPECT_EQ((uintptr_t)param, 0x1234);
	EXPECT_EQ(result, THREAD_AWAKENED);
	thread_terminate_self();
}

KTEST(sched_create_join)
{
	thread_t threads[40];

	ran = 0;
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < os_countof(threads); i++) {
			threads[i] = start(count_and_end, (void *)0x1234, BASEPRI_KERNEL);
		}
		for (unsigned i = 0; i < os_countof(threads); i++) {
			finish(threads[i]);
		}
	}
	EXPECT_EQ(ran, 5 * os_countof(threads));
}

/* --- binding puts a thread where it belongs --- */

static void
visit_all_cpus(void *param, wait_result_t result)
{
	percpu_foreach_cpu(cpu)
	{
		EXPECT_EQ(thread_bind_self((int)cpu), KERN_SUCCESS);
		for (unsigned i = 0; i < 10; i++) {
			EXPECT_EQ(ml_get_cpu_number(), cpu);
			thread_yield(SCHED_YIELD_ANY);
		}
	}
	EXPECT_EQ(thread_bind_self((int)cpu_count), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_bind_self(-2), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
	thread_terminate_self();
}

KTEST(sched_bind)
{
	thread_t threads[6];

	for (unsigned i = 0; i < os_countof(threads); i++) {
		threads[i] = start(visit_all_cpus, NULL, BASEPRI_KERNEL);
	}
	for (unsigned i = 0; i < os_countof(threads); i++) {
		finish(threads[i]);
	}
}

/* What depends on how long the host lets CPUs stand still shows itself sooner or later. */
static bool
shows(bool (*what)(void))
{
	for (unsigned tries = 0; tries < 200; tries++) {
		if (what()) {
			return true;
		}
	}
	return false;
}

/* --- the higher priority runs first; equals take turns --- */

static unsigned order[8], norder;

static void
append_order(void *param, wait_result_t result)
{
	order[norder++] = (unsigned)(uintptr_t)param;
	thread_terminate_self();
}

KTEST(sched_priority_order)
{
	static const int priorities[] = { 50, 70, 60, 70 };
	thread_t threads[os_countof(priorities)];
	int self_pri = current_thread()->sched_pri;

	EXPECT_EQ(thread_bind_self(0), KERN_SUCCESS);
	EXPECT(self_pri > 70);
	norder = 0;
	for (unsigned i = 0; i < os_countof(priorities); i++) {
		thread_t thread;

		/* Bound by inheritance of the last CPU only if no other CPU is idle: so disable the choice. */
		thread = start(append_order, (void *)(uintptr_t)i, priorities[i]);
		threads[i] = thread;
	}
	for (unsigned i = 0; i < os_countof(priorities); i++) {
		finish(threads[i]);
	}
	EXPECT_EQ(norder, os_countof(priorities));
	if (cpu_count == 1) {
		EXPECT_EQ(order[0], 1);
		EXPECT_EQ(order[1], 3);
		EXPECT_EQ(order[2], 2);
		EXPECT_EQ(order[3], 0);
	}
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
}

/* --- real time: the earliest deadline first, above all others --- */

static void
ask_for_realtime(thread_t thread, uint64_t constraint_ns)
{
	struct sched_params params = {
		.mode = TH_MODE_REALTIME,
		.base = BASEPRI_REALTIME,
		.computation = (uint32_t)nanoseconds_to_absolutetime(NSEC_PER_MSEC),
		.constraint = (uint32_t)nanoseconds_to_absolutetime(constraint_ns),
		.preemptible = true,
	};

	thread_set_sched_params(thread, &params);
}

/* Not if the host stops this CPU for as long as a computation may take before its thread has said that it runs. */
static bool
deadlines_give_the_order(void)
{
	static const unsigned ms[] = { 3000, 1000, 2000 }; /* far apart, for the same reason */
	thread_t threads[os_countof(ms)];

	norder = 0;
	for (unsigned i = 0; i < os_countof(ms); i++) {
		threads[i] = start(append_order, (void *)(uintptr_t)ms[i], BASEPRI_DEFAULT);
	}
	disable_preemption();
	for (unsigned i = 0; i < os_countof(ms); i++) {
		ask_for_realtime(threads[i], ms[i] * NSEC_PER_MSEC);
		EXPECT_EQ(thread_sched_priority(threads[i]), BASEPRI_REALTIME);
	}
	enable_preemption();
	for (unsigned i = 0; i < os_countof(ms); i++) {
		finish(threads[i]);
	}
	EXPECT_EQ(norder, os_countof(ms));
	return order[0] == 1000 && order[1] == 2000 && order[2] == 3000;
}

KTEST(sched_deadline_order)
{
	if (cpu_count == 1) { /* other CPUs would take them */
		EXPECT(shows(deadlines_give_the_order));
	}
}

static uint32_t stop_spinning;

static void
spin_until_stopped(void *param, wait_result_t result)
{
	uint64_t *turns = param;

	thread_bind_self(0);
	while (!os_atomic_load(&stop_spinning, relaxed)) {
		os_atomic_inc(turns, relaxed);
		cpu_relax();
	}
	thread_terminate_self();
}

/* Two threads that never block share a CPU by quantum; a sleeper of higher priority gets through. */
KTEST(sched_quantum)
{
	static uint64_t turns[2];
	thread_t threads[2];

	os_atomic_store(&stop_spinning, 0, relaxed);
	turns[0] = turns[1] = 0;
	for (unsigned i = 0; i < 2; i++) {
		threads[i] = start(spin_until_stopped, &turns[i], BASEPRI_DEFAULT);
	}
	for (unsigned i = 0; i < 100 && (turns[0] == 0 || turns[1] == 0); i++) {
		sleep_ns(10 * NSEC_PER_MSEC);
	}
	EXPECT(os_atomic_load(&turns[0], relaxed) > 0);
	EXPECT(os_atomic_load(&turns[1], relaxed) > 0);
	os_atomic_store(&stop_spinning, 1, relaxed);
	finish(threads[0]);
	finish(threads[1]);
}

/* --- what is left of a quantum outlives a preemption, and ends with a wait --- */

static uint32_t rival_turns, rival_stop;

static void
rival_main(void *param, wait_result_t result)
{
	thread_bind_self(0);
	while (!os_atomic_load(&rival_stop, relaxed)) {
		assert_wait(&rival_turns, THREAD_UNINT);
		thread_block(THREAD_CONTINUE_NULL);
		os_atomic_inc(&rival_turns, relaxed);
	}
	thread_terminate_self();
}

/* The better thread takes this CPU for a moment; false if it was not ready for it. */
static bool
let_rival_in(void)
{
	uint32_t before = os_atomic_load(&rival_turns, relaxed);

	thread_wakeup(&rival_turns);
	disable_preemption();
	enable_preemption();
	return os_atomic_load(&rival_turns, relaxed) != before;
}

/* How long the current thread may run, from when it was given the CPU; *since: how long ago that was. */
static uint64_t
turn(uint64_t *since)
{
	bool irq = ml_set_interrupts_enabled(false);
	processor_t processor = current_processor();
	uint64_t ticks = processor->pr_quantum_end - processor->pr_dispatched;

	*since = ml_get_timebase_raw() - processor->pr_dispatched;
	ml_set_interrupts_enabled(irq);
	return ticks;
}

/* Half of it is used; a better thread comes. Is half of it left? Not if this CPU stood still meanwhile. */
static bool
rest_is_kept(void)
{
	uint64_t whole = sched_ticks.quantum, since, rest;

	do {
		rest = turn(&since);
	} while (since < whole / 2);
	if (!let_rival_in()) {
		sleep_ns(NSEC_PER_MSEC);
		return false;
	}
	return turn(&since) <= os_max(rest, whole / 2) - whole / 4;
}

static bool
wait_renews(void)
{
	uint64_t since;

	sleep_ns(NSEC_PER_MSEC);
	return turn(&since) >= sched_ticks.quantum - (1U << SCHED_QUANTUM_SHIFT);
}

KTEST(sched_quantum_goes_on)
{
	thread_t rival;

	EXPECT_EQ(thread_bind_self(0), KERN_SUCCESS);
	os_atomic_store(&rival_stop, 0, relaxed);
	rival = start(rival_main, NULL, BASEPRI_PREEMPT);
	EXPECT(shows(wait_renews));
	EXPECT(shows(rest_is_kept));
	EXPECT(shows(wait_renews));
	os_atomic_store(&rival_stop, 1, relaxed);
	while (!os_atomic_load(&rival->exited, relaxed)) {
		thread_wakeup(&rival_turns);
		sleep_ns(NSEC_PER_MSEC);
	}
	finish(rival);
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
}

/* --- deadlines --- */

KTEST(sched_deadline)
{
	uint64_t before = mach_absolute_time(), ns;

	sleep_ns(2 * NSEC_PER_MSEC);
	ns = absolutetime_to_nanoseconds(mach_absolute_time() - before);
	EXPECT(ns >= 2 * NSEC_PER_MSEC);
	wait_prepare(current_thread(), THREAD_UNINT, 1); /* long past */
	EXPECT_EQ(thread_block(THREAD_CONTINUE_NULL), THREAD_TIMED_OUT);
	EXPECT_EQ(clock_wait_until(1), KERN_SUCCESS);
}

/* --- ping-pong over wait queues --- */

#define PINGPONG_ROUNDS 2000

static struct waitq ball[2];
static uint32_t ball_at[2]; /* guarded by the lock of the queue */

static void
wait_for_ball(unsigned side)
{
	bool irq = lck_spin_lock_irq(&ball[side].wq_lock);

	while (ball_at[side] == 0) {
		waitq_wait_prepare_locked(
		    &ball[side], THREAD_UNINT, clock_interval_to_deadline_ns(HANG_DEADLINE_NS));
		lck_spin_unlock_irq(&ball[side].wq_lock, irq);
		EXPECT_EQ(thread_block(THREAD_CONTINUE_NULL), THREAD_AWAKENED);
		irq = lck_spin_lock_irq(&ball[side].wq_lock);
	}
	ball_at[side] = 0;
	lck_spin_unlock_irq(&ball[side].wq_lock, irq);
}

static void
throw_ball(unsigned side)
{
	bool irq = lck_spin_lock_irq(&ball[side].wq_lock);

	ball_at[side] = 1;
	lck_spin_unlock_irq(&ball[side].wq_lock, irq);
	waitq_wakeup_one(&ball[side], THREAD_AWAKENED);
}

static void
pong(void *param, wait_result_t result)
{
	thread_bind_self((int)(uintptr_t)param);
	for (unsigned i = 0; i < PINGPONG_ROUNDS; i++) {
		wait_for_ball(1);
		throw_ball(0);
	}
	thread_terminate_self();
}

static void
pingpong_with(int cpu)
{
	thread_t peer;

	ball_at[0] = ball_at[1] = 0;
	peer = start(pong, (void *)(intptr_t)cpu, BASEPRI_KERNEL);
	for (unsigned i = 0; i < PINGPONG_ROUNDS; i++) {
		throw_ball(1);
		wait_for_ball(0);
	}
	finish(peer);
}

KTEST(sched_pingpong)
{
	waitq_init(&ball[0]);
	waitq_init(&ball[1]);
	EXPECT_EQ(thread_bind_self(0), KERN_SUCCESS);
	pingpong_with(0);
	pingpong_with((int)cpu_count - 1);
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
	pingpong_with(THREAD_CPU_ANY);
	waitq_destroy(&ball[0]);
	waitq_destroy(&ball[1]);
}

/* --- nobody takes another CPU's run queue lock, but to look for work or to change a priority --- */

static uint64_t
foreign_locks(void)
{
	uint64_t sum = 0;

	percpu_foreach_cpu(cpu)
	{
		sum += os_atomic_load(&processor_get(cpu)->pr_foreign_locks, relaxed);
	}
	return sum;
}

KTEST(sched_own_locks)
{
	uint64_t before;

	waitq_init(&ball[0]);
	waitq_init(&ball[1]);
	EXPECT_EQ(thread_bind_self(0), KERN_SUCCESS);
	before = foreign_locks();
	pingpong_with((int)cpu_count - 1);
	EXPECT_EQ(foreign_locks(), before);
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
	waitq_destroy(&ball[0]);
	waitq_destroy(&ball[1]);
}

/* --- a wait that wakers, a deadline and aborts race to end --- */

#define RACE_ROUNDS 1000

static struct waitq race_queue;
static thread_t racer;                   /* atomic */
static uint32_t race_over;               /* atomic */
static uint64_t race_wakes, race_aborts; /* atomic: claims that the wakers won */

static void
race_waker(void *param, wait_result_t result)
{
	while (!os_atomic_load(&race_over, relaxed)) {
		if (waitq_wakeup_one(&race_queue, THREAD_AWAKENED)) {
			os_atomic_inc(&race_wakes, relaxed);
		}
		sleep_ns(10 * NSEC_PER_USEC);
	}
	thread_terminate_self();
}

static void
race_aborter(void *param, wait_result_t result)
{
	while (!os_atomic_load(&race_over, relaxed)) {
		if (thread_abort_wait(os_atomic_load(&racer, relaxed))) {
			os_atomic_inc(&race_aborts, relaxed);
		}
		sleep_ns(15 * NSEC_PER_USEC);
	}
	thread_terminate_self();
}

/* One wait; its result is counted. */
static void
race_once(unsigned i, uint64_t counts[4])
{
	uint64_t deadline = clock_interval_to_deadline_ns((i % 8) * 10 * NSEC_PER_USEC);
	wait_result_t result;

	waitq_wait_prepare(&race_queue, THREAD_ABORTSAFE, deadline);
	if (i % 16 == 0) {
		result = waitq_cancel(&race_queue);
		if (result == THREAD_WAITING) {
			return;
		}
	} else {
		result = thread_block(THREAD_CONTINUE_NULL);
	}
	counts[result & 3]++;
}

KTEST(sched_wait_race)
{
	uint64_t counts[4] = { 0 }, give_up;
	thread_t threads[4];

	waitq_init(&race_queue);
	race_over = 0;
	race_wakes = race_aborts = 0;
	os_atomic_store(&racer, current_thread(), relaxed);
	for (unsigned i = 0; i < os_countof(threads); i++) {
		threads[i] = start(i % 2 == 0 ? race_waker : race_aborter, NULL, BASEPRI_DEFAULT);
	}
	/* On a machine with fewer CPUs than this one has, a queued lock waits for CPUs that do not run. */
	give_up = clock_interval_to_deadline_ns(2 * NSEC_PER_SEC);
	for (unsigned i = 0; i < RACE_ROUNDS && mach_absolute_time() < give_up; i++) {
		race_once(i, counts);
	}
	os_atomic_store(&race_over, 1, relaxed);
	for (unsigned i = 0; i < os_countof(threads); i++) {
		finish(threads[i]);
	}
	EXPECT_EQ(counts[THREAD_AWAKENED], race_wakes);
	EXPECT_EQ(counts[THREAD_INTERRUPTED], race_aborts);
	race_once(1, counts); /* nobody is left to be faster than the deadline */
	EXPECT(counts[THREAD_TIMED_OUT] > 0);
	waitq_destroy(&race_queue);
}

/* --- an abort that comes before the wait --- */

KTEST(sched_abort_before_wait)
{
	struct waitq wq;

	waitq_init(&wq);
	thread_ast_set(current_thread(), AST_ABORT);
	waitq_wait_prepare(&wq, THREAD_ABORTSAFE, 0);
	EXPECT_EQ(thread_block(THREAD_CONTINUE_NULL), THREAD_INTERRUPTED);
	waitq_wait_prepare(&wq, THREAD_UNINT, clock_interval_to_deadline_ns(NSEC_PER_MSEC));
	EXPECT_EQ(thread_block(THREAD_CONTINUE_NULL), THREAD_TIMED_OUT);
	thread_ast_clear(AST_ABORT);
	waitq_destroy(&wq);
}

/* --- continuations: a thread that sleeps without a stack, many times --- */

static uint32_t continued;

static void
continue_or_end(void *param, wait_result_t result)
{
	thread_t self = current_thread();
	uintptr_t left = (uintptr_t)param;

	EXPECT(preemption_enabled());
	EXPECT(ml_get_interrupts_enabled());
	os_atomic_inc(&continued, relaxed);
	if (left == 0) {
		thread_terminate_self();
	}
	wait_prepare(self, THREAD_UNINT, clock_interval_to_deadline_ns((left % 3) * 20 * NSEC_PER_USEC));
	thread_block_parameter(continue_or_end, (void *)(left - 1));
}

KTEST(sched_continuations)
{
	thread_t threads[8];

	continued = 0;
	for (unsigned i = 0; i < os_countof(threads); i++) {
		threads[i] = start(continue_or_end, (void *)100, BASEPRI_DEFAULT);
	}
	for (unsigned i = 0; i < os_countof(threads); i++) {
		finish(threads[i]);
	}
	EXPECT_EQ(continued, 101 * os_countof(threads));
}

/* --- mutex and rw lock over all CPUs --- */

static LCK_CLASS_DECLARE(test_mtx_class, "ktest mutex", LCK_RANK_PROC);
static LCK_MTX_DECLARE(test_mtx, &test_mtx_class);
static LCK_CLASS_DECLARE(test_rw_class, "ktest rw", LCK_RANK_PROC);
static LCK_RW_DECLARE(test_rw, &test_rw_class);
static uint64_t test_counter, test_copy;

#define LOCK_ROUNDS 1000

static void
lock_worker(void *param, wait_result_t result)
{
	for (unsigned i = 0; i < LOCK_ROUNDS; i++) {
		lck_mtx_lock(&test_mtx);
		test_counter++;
		if (i % 64 == 0) {
			thread_yield(SCHED_YIELD_ANY); /* others find the owner off its CPU */
		}
		lck_mtx_unlock(&test_mtx);
	}
	thread_terminate_self();
}

static void
rw_write(lck_rw_t *lock, bool yield)
{
	test_counter++;
	if (yield) {
		thread_yield(SCHED_YIELD_ANY);
	}
	test_copy++;
}

/* Reads, writes, reads that become writes and writes that become reads; readers leave on other CPUs too. */
static void
rw_worker(void *param, wait_result_t result) NO_THREAD_SAFETY
{
	lck_rw_t *lock = param;

	for (unsigned i = 0; i < LOCK_ROUNDS; i++) {
		if (i % 8 == 0) {
			lck_rw_lock_exclusive(lock);
			rw_write(lock, i % 64 == 0);
			lck_rw_unlock_exclusive(lock);
		} else if (i % 8 == 1) {
			lck_rw_lock_exclusive(lock);
			lck_rw_lock_exclusive_to_shared(lock);
			EXPECT_EQ(test_counter, test_copy);
			lck_rw_unlock_shared(lock);
		} else {
			lck_rw_lock_shared(lock);
			EXPECT_EQ(test_counter, test_copy);
			if (i % 32 == 2) {
				thread_yield(SCHED_YIELD_ANY);
			}
			if (i % 8 != 2) {
				lck_rw_unlock_shared(lock);
			} else if (lck_rw_lock_shared_to_exclusive(lock)) {
				rw_write(lock, false);
				rw_write(lock, false);
				lck_rw_unlock_exclusive(lock);
			}
		}
	}
	thread_terminate_self();
}

static void
run_workers(thread_continue_t fn, void *param)
{
	thread_t threads[8];

	test_counter = test_copy = 0;
	for (unsigned i = 0; i < os_countof(threads); i++) {
		threads[i] = start(fn, param, BASEPRI_DEFAULT);
	}
	for (unsigned i = 0; i < os_countof(threads); i++) {
		finish(threads[i]);
	}
}

KTEST(lock_mutex)
{
	run_workers(lock_worker, NULL);
	EXPECT_EQ(test_counter, 8 * LOCK_ROUNDS);
}

/* Writes are whole whoever made them: 125 of each worker, and two for each upgrade that did not fail. */
static void
expect_rw(lck_rw_t *lock) NO_THREAD_SAFETY
{
	run_workers(rw_worker, lock);
	EXPECT(test_counter >= 8 * LOCK_ROUNDS / 8 && test_counter <= 3 * 8 * LOCK_ROUNDS / 8);
	EXPECT_EQ(test_counter % 2, 0);
	EXPECT_EQ(test_copy, test_counter);
	EXPECT(lck_rw_try_lock_exclusive(lock));
	EXPECT(!lck_rw_try_lock_shared(lock));
	lck_rw_unlock_exclusive(lock);
	EXPECT(lck_rw_try_lock_shared(lock));
	EXPECT(!lck_rw_try_lock_exclusive(lock));
	lck_rw_unlock_shared(lock);
}

KTEST(lock_rw)
{
	expect_rw(&test_rw);
}

/* Slots come back: more locks one after the other than there are slots, and one too many at a time. */
KTEST(lock_rw_spread)
{
	static lck_rw_t locks[32];
	unsigned spread = 0;

	for (unsigned i = 0; i < os_countof(locks); i++) {
		lck_rw_init(&locks[i], &test_rw_class);
		spread += lck_rw_spread(&locks[i]);
	}
	EXPECT(spread > 0 && spread < os_countof(locks));
	expect_rw(&locks[0]);
	expect_rw(&locks[os_countof(locks) - 1]);
	for (unsigned i = 0; i < os_countof(locks); i++) {
		lck_rw_destroy(&locks[i]);
	}
	for (unsigned i = 0; i < os_countof(locks); i++) {
		lck_rw_init(&locks[i], &test_rw_class);
		EXPECT(lck_rw_spread(&locks[i]));
		lck_rw_destroy(&locks[i]);
	}
}
