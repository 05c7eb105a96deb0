/*
 * Tests of priority inheritance, in the kernel. Everything runs on one CPU under a thread of high priority, so
 * that each step is done when the test thread has slept: what a thread of lower priority does next, it has done.
 */
#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/sched_prim.h>
#include <kern/sched_priority.h>
#include <kern/thread.h>
#include <kern/turnstile.h>
#include <ktest/ktest.h>

static LCK_CLASS_DECLARE(test_mutex_class, "turnstile test", LCK_RANK_NONE);

#define NMUTEXES 4
static lck_mtx_t mutexes[NMUTEXES];

/* What a thread of these tests does: takes its own mutex, says so, takes another, ends. */
struct actor {
	lck_mtx_t *a_own;  /* NULL: none */
	lck_mtx_t *a_next; /* NULL: waits for a_go instead */
	uint32_t a_has;    /* atomic: it has its own */
	uint32_t a_go;     /* atomic */
	thread_t a_thread;
};

static void
pause_a_little(void)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(200 * NSEC_PER_USEC));
	thread_block(THREAD_CONTINUE_NULL);
}

static void
await(const uint32_t *flag)
{
	while (os_atomic_load(flag, acquire) == 0) {
		pause_a_little();
	}
}

static void
act(void *param, wait_result_t result) NO_THREAD_SAFETY
{
	struct actor *a = param;

	(void)result;
	thread_bind_self(0);
	if (a->a_own != NULL) {
		lck_mtx_lock(a->a_own);
	}
	os_atomic_store(&a->a_has, 1, release);
	if (a->a_next != NULL) {
		lck_mtx_lock(a->a_next);
		lck_mtx_unlock(a->a_next);
	} else {
		await(&a->a_go);
	}
	if (a->a_own != NULL) {
		lck_mtx_unlock(a->a_own);
	}
	thread_terminate_self();
}

static void
actor_start(struct actor *a, int pri)
{
	EXPECT_EQ(kernel_thread_create(act, a, pri, "actor", &a->a_thread), KERN_SUCCESS);
	await(&a->a_has);
	pause_a_little(); /* and it waits for the next one */
}

static void
actor_join(struct actor *a)
{
	thread_join(a->a_thread);
	thread_deallocate(a->a_thread);
}

static void
set_up(void)
{
	EXPECT_EQ(thread_bind_self(0), KERN_SUCCESS);
	for (unsigned i = 0; i < NMUTEXES; i++) {
		lck_mtx_init(&mutexes[i], &test_mutex_class);
	}
}

static void
tear_down(void)
{
	for (unsigned i = 0; i < NMUTEXES; i++) {
		lck_mtx_destroy(&mutexes[i]);
	}
	EXPECT_EQ(thread_bind_self(THREAD_CPU_ANY), KERN_SUCCESS);
}

/* The holder has the priority of the best waiter, and its own when the last one is gone. */
KTEST(turnstile_mutex)
{
	struct actor holder = { .a_own = &mutexes[0] };
	struct actor low = { .a_next = &mutexes[0] }, high = { .a_next = &mutexes[0] };

	set_up();
	actor_start(&holder, 20);
	EXPECT_EQ(thread_sched_priority(holder.a_thread), 20);
	actor_start(&low, 15);
	EXPECT_EQ(thread_sched_priority(holder.a_thread), 20);
	actor_start(&high, 60);
	EXPECT_EQ(thread_sched_priority(holder.a_thread), 60);
	thread_reference(holder.a_thread);
	os_atomic_store(&holder.a_go, 1, release);
	actor_join(&holder);
	EXPECT_EQ(thread_sched_priority(holder.a_thread), 20);
	thread_deallocate(holder.a_thread);
	actor_join(&high);
	actor_join(&low);
	tear_down();
}

/* Waiters are served by priority, and each new owner inherits from those still waiting. */
KTEST(turnstile_order)
{
	enum { COUNT = 6 };
	static const int16_t pris[COUNT] = { 30, 50, 40, 50, 20, 60 };
	struct actor holder = { .a_own = &mutexes[0] };
	struct actor waiters[COUNT];

	set_up();
	actor_start(&holder, 10);
	for (unsigned i = 0; i < COUNT; i++) {
		waiters[i] = (struct actor){ .a_next = &mutexes[0] };
		actor_start(&waiters[i], pris[i]);
	}
	EXPECT(pri_list_check(&mutexes[0].lm_waiters.wq_threads));
	EXPECT_EQ(thread_sched_priority(holder.a_thread), 60);
	os_atomic_store(&holder.a_go, 1, release);
	actor_join(&holder);
	for (unsigned i = 0; i < COUNT; i++) {
		actor_join(&waiters[i]);
	}
	tear_down();
}

/* A waits for B's, B for C's, C for D's: all inherit, and all of it ends. */
KTEST(turnstile_chain)
{
	enum { LENGTH = 4 };
	struct actor actors[LENGTH], top = { .a_next = &mutexes[LENGTH - 1] };

	set_up();
	for (unsigned i = 0; i < LENGTH; i++) {
		actors[i] = (struct actor){ .a_own = &mutexes[i], .a_next = i == 0 ? NULL : &mutexes[i - 1] };
		actor_start(&actors[i], 10 + (int)i);
	}
	for (unsigned i = 0; i < LENGTH; i++) {
		EXPECT_EQ(thread_sched_priority(actors[i].a_thread), 10 + LENGTH - 1);
	}
	actor_start(&top, 70);
	for (unsigned i = 0; i < LENGTH; i++) {
		EXPECT_EQ(thread_sched_priority(actors[i].a_thread), 70);
	}
	os_atomic_store(&actors[0].a_go, 1, release);
	for (unsigned i = 0; i < LENGTH; i++) {
		actor_join(&actors[i]);
	}
	actor_join(&top);
	tear_down();
}

/* --- turnstiles by themselves: owner change, time-out, abort, cycle --- */

static struct waitq stiles[2];

/* Waits on a turnstile that has an inheritor; a_go is the deadline in microseconds, 0 none. */
struct sleeper {
	struct waitq *s_stile;
	thread_t s_inheritor;
	uint64_t s_timeout_us;
	uint32_t s_there; /* atomic */
	wait_result_t s_result;
	thread_t s_thread;
};

static void
sleep_on_stile(void *param, wait_result_t result)
{
	struct sleeper *s = param;
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	uint64_t deadline =
	    s->s_timeout_us == 0 ? 0 : clock_interval_to_deadline_ns(s->s_timeout_us * NSEC_PER_USEC);
	bool irq;

	(void)result;
	thread_bind_self(0);
	os_atomic_store(&s->s_there, 1, release);
	irq = lck_spin_lock_irq(&s->s_stile->wq_lock);
	turnstile_wait_prepare_locked(s->s_stile, s->s_inheritor, THREAD_ABORTSAFE, deadline, &chain);
	lck_spin_unlock_irq(&s->s_stile->wq_lock, irq);
	turnstile_propagate(&chain);
	s->s_result = thread_block(THREAD_CONTINUE_NULL);
	thread_terminate_self();
}

static void
sleeper_start(struct sleeper *s, int pri)
{
	EXPECT_EQ(kernel_thread_create(sleep_on_stile, s, pri, "sleeper", &s->s_thread), KERN_SUCCESS);
	await(&s->s_there);
	pause_a_little();
}

static void
sleeper_join(struct sleeper *s)
{
	thread_join(s->s_thread);
	thread_deallocate(s->s_thread);
}

static void
stile_set_inheritor(struct waitq *wq, thread_t inheritor)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq = lck_spin_lock_irq(&wq->wq_lock);

	turnstile_set_inheritor_locked(wq, inheritor, &chain);
	lck_spin_unlock_irq(&wq->wq_lock, irq);
	turnstile_propagate(&chain);
}

static void
stile_wake_all(struct waitq *wq)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	bool irq = lck_spin_lock_irq(&wq->wq_lock);

	turnstile_claim_all_locked(wq, THREAD_AWAKENED, &claimed, &chain);
	waitq_run_claimed(&claimed);
	lck_spin_unlock_irq(&wq->wq_lock, irq);
	turnstile_propagate(&chain);
}

static void
stiles_set_up(void)
{
	set_up();
	waitq_init(&stiles[0]);
	waitq_init(&stiles[1]);
}

KTEST(turnstile_owner_change)
{
	struct actor a = { 0 }, b = { 0 };
	struct sleeper s = { .s_stile = &stiles[0] };

	stiles_set_up();
	actor_start(&a, 10);
	actor_start(&b, 30);
	s.s_inheritor = a.a_thread;
	sleeper_start(&s, 50);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 50);
	stile_set_inheritor(&stiles[0], b.a_thread);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 10);
	EXPECT_EQ(thread_sched_priority(b.a_thread), 50);
	stile_set_inheritor(&stiles[0], THREAD_NULL);
	EXPECT_EQ(thread_sched_priority(b.a_thread), 30);
	stile_set_inheritor(&stiles[0], a.a_thread);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 50);
	/* The inheritor ends; the waiter does not notice. */
	os_atomic_store(&a.a_go, 1, release);
	actor_join(&a);
	stile_wake_all(&stiles[0]);
	sleeper_join(&s);
	EXPECT_EQ(s.s_result, THREAD_AWAKENED);
	os_atomic_store(&b.a_go, 1, release);
	actor_join(&b);
	tear_down();
}

/* A deadline and an abort end the push as a wake-up does; the next waiter takes over. */
KTEST(turnstile_timeout_abort)
{
	struct actor a = { 0 };
	struct sleeper timed = { .s_stile = &stiles[0], .s_timeout_us = 20000 };
	struct sleeper aborted = { .s_stile = &stiles[0] }, low = { .s_stile = &stiles[0] };

	stiles_set_up();
	actor_start(&a, 10);
	timed.s_inheritor = aborted.s_inheritor = low.s_inheritor = a.a_thread;
	sleeper_start(&low, 20);
	sleeper_start(&aborted, 40);
	sleeper_start(&timed, 60);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 60);
	sleeper_join(&timed);
	EXPECT_EQ(timed.s_result, THREAD_TIMED_OUT);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 40);
	EXPECT(thread_abort_wait(aborted.s_thread));
	sleeper_join(&aborted);
	EXPECT_EQ(aborted.s_result, THREAD_INTERRUPTED);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 20);
	stile_wake_all(&stiles[0]);
	sleeper_join(&low);
	EXPECT_EQ(thread_sched_priority(a.a_thread), 10);
	os_atomic_store(&a.a_go, 1, release);
	actor_join(&a);
	tear_down();
}

/* Two threads that wait for each other: both get the best priority that waits for either, and the walk ends. */
KTEST(turnstile_cycle)
{
	struct sleeper a = { .s_stile = &stiles[0] }, b = { .s_stile = &stiles[1] };
	struct sleeper high = { .s_stile = &stiles[0] };
	uint64_t cycles = turnstile_cycles;

	stiles_set_up();
	sleeper_start(&a, 20);
	b.s_inheritor = a.s_thread;
	sleeper_start(&b, 30);
	EXPECT_EQ(thread_sched_priority(a.s_thread), 30);
	stile_set_inheritor(&stiles[0], b.s_thread); /* a waits for b, b for a */
	high.s_inheritor = b.s_thread;
	sleeper_start(&high, 50);
	EXPECT_EQ(thread_sched_priority(a.s_thread), 50);
	EXPECT_EQ(thread_sched_priority(b.s_thread), 50);
	EXPECT(turnstile_cycles >= cycles);
	stile_wake_all(&stiles[0]);
	stile_wake_all(&stiles[1]);
	sleeper_join(&a);
	sleeper_join(&b);
	sleeper_join(&high);
	tear_down();
}

/* Many waiters of many priorities, ended in all ways at once. */
KTEST(turnstile_many)
{
	enum { COUNT = 60 };
	static struct sleeper sleepers[COUNT];
	struct actor a = { 0 };

	stiles_set_up();
	actor_start(&a, 5);
	for (unsigned i = 0; i < COUNT; i++) {
		sleepers[i] = (struct sleeper){ .s_stile = &stiles[0],
			.s_inheritor = a.a_thread,
			.s_timeout_us = i % 3 == 0 ? 1 + i * 500 : 0 };
		sleeper_start(&sleepers[i], 6 + (int)(i * 7 % 50));
		EXPECT(pri_list_check(&stiles[0].wq_threads));
	}
	for (unsigned i = 1; i < COUNT; i += 3) {
		thread_abort_wait(sleepers[i].s_thread);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		if (i % 3 != 2) {
			sleeper_join(&sleepers[i]);
		}
	}
	EXPECT(thread_sched_priority(a.a_thread) > 5);
	stile_wake_all(&stiles[0]);
	for (unsigned i = 2; i < COUNT; i += 3) {
		sleeper_join(&sleepers[i]);
	}
	EXPECT_EQ(thread_sched_priority(a.a_thread), 5);
	os_atomic_store(&a.a_go, 1, release);
	actor_join(&a);
	tear_down();
}
