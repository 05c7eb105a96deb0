/*
 * A mutex between threads of different priority, on one CPU. One operation: the bench thread takes the mutex and wakes
 * a thread of higher priority, which preempts it, wants the mutex, pushes on its holder and sleeps; the holder, at the
 * sleeper's priority now, lets go; the other preempts it again, takes the mutex, lets go and waits for the next
 * time. Four switches, a push and its end.
 */
#include <bench/kernel/kbench.h>
#include <kern/locks.h>
#include <kern/sched.h>
#include <kern/thread.h>
#include <kern/waitq.h>

static LCK_CLASS_DECLARE(kbench_mutex_class, "kbench mutex", LCK_RANK_PROC);
static LCK_MTX_DECLARE(kbench_mutex, &kbench_mutex_class);

static thread_t rival;
static uint64_t rival_turns; /* guarded by kbench_mutex */
static bool rival_stop;      /* atomic */

static void
rival_main(void *param, wait_result_t result)
{
	(void)param;
	(void)result;
	thread_bind_self(THREAD_CPU_BOOT);
	for (;;) {
		assert_wait(&rival_turns, THREAD_UNINT);
		thread_block(THREAD_CONTINUE_NULL);
		if (os_atomic_load(&rival_stop, relaxed)) {
			thread_terminate_self();
		}
		lck_mtx_lock(&kbench_mutex);
		rival_turns++;
		lck_mtx_unlock(&kbench_mutex);
	}
}

/* A thread that was woken from kernel code runs when preemption is next enabled. */
static void
preemption_point(void)
{
	disable_preemption();
	enable_preemption();
}

static bool
mutex_setup(bool begin)
{
	if (begin) {
		rival_turns = 0;
		os_atomic_store(&rival_stop, false, relaxed);
		if (thread_bind_self(THREAD_CPU_BOOT) != KERN_SUCCESS ||
		    kernel_thread_create(rival_main, NULL, BASEPRI_PREEMPT, "rival", &rival) !=
			KERN_SUCCESS) {
			return false;
		}
		preemption_point(); /* it waits for the first time */
		return true;
	}
	os_atomic_store(&rival_stop, true, relaxed);
	thread_wakeup(&rival_turns);
	thread_join(rival);
	thread_deallocate(rival);
	(void)thread_bind_self(THREAD_CPU_ANY);
	return true;
}

static bool
mutex_contended(uint64_t iterations)
{
	uint64_t before = rival_turns;

	for (uint64_t i = 0; i < iterations; i++) {
		lck_mtx_lock(&kbench_mutex);
		thread_wakeup(&rival_turns);
		preemption_point();
		lck_mtx_unlock(&kbench_mutex);
		preemption_point();
	}
	return rival_turns == before + iterations;
}
KBENCH("kernel/mutex_contended_pi", mutex_contended, .kb_setup = mutex_setup);
