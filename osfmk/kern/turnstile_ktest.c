/*
 * Tests of priority inheritance, in the kernel. Everything runs on one CPU under a thread of high priority, so
 * that each step is done when the test thread has slept: what a thread of lower priority does next, it has done, unless
 * the host took the CPU away meanwhile. EXPECT_PRIORITY gives it more time then.
 */
#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/gate.h>
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
	unsigned a_turn;   /* when it got a_next, counted from 1 */
	uint32_t a_has;    /* atomic: it has its own */
	uint32_t a_go;     /* atomic */
	thread_t a_thread;
};

static unsigned turns; /* guarded by the mutex that is taken in turns */

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

#define PRIORITY_PAUSES 10000

/* The thread's priority, once it is `pri`; or what it is after some seconds. */
static int
priority_in_the_end(thread_t thread, int pri)
{
	for (unsigned i = 0; i < PRIORITY_PAUSES && thread_sched_priority(thread) != pri; i++) {
		pause_a_little();
	}
	return thread_sched_priority(thread);
}

#define EXPECT_PRIORITY(thread, pri) EXPECT_EQ(priority_in_the_end((thread), (pri)), (pri))

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
		a->a_turn = ++turns;
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
	EXPECT_PRIORITY(holder.a_thread, 20);
	actor_start(&low, 15);
	EXPECT_PRIORITY(holder.a_thread, 20);
	actor_start(&high, 60);
	EXPECT_PRIORITY(holder.a_thread, 60);
	thread_reference(holder.a_thread);
	os_atomic_store(&holder.a_go, 1, release);
	actor_join(&holder);
	EXPECT_PRIORITY(holder.a_thread, 20);
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
	static const unsigned expected[COUNT] = { 5, 2, 4, 3, 6, 1 };
	struct actor holder = { .a_own = &mutexes[0] };
	struct actor waiters[COUNT];

	set_up();
	actor_start(&holder, 10);
	for (unsigned i = 0; i < COUNT; i++) {
		waiters[i] = (struct actor){ .a_next = &mutexes[0] };
		actor_start(&waiters[i], pris[i]);
	}
	EXPECT(pri_list_check(&mutexes[0].lm_waiters.wq_threads));
	EXPECT_PRIORITY(holder.a_thread, 60);
	turns = 0;
	os_atomic_store(&holder.a_go, 1, release);
	actor_join(&holder);
	for (unsigned i = 0; i < COUNT; i++) {
		actor_join(&waiters[i]);
		EXPECT_EQ(waiters[i].a_turn, expected[i]);
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
		EXPECT_PRIORITY(actors[i].a_thread, 10 + LENGTH - 1);
	}
	actor_start(&top, 70);
	for (unsigned i = 0; i < LENGTH; i++) {
		EXPECT_PRIORITY(actors[i].a_thread, 70);
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
	EXPECT_PRIORITY(a.a_thread, 50);
	stile_set_inheritor(&stiles[0], b.a_thread);
	EXPECT_PRIORITY(a.a_thread, 10);
	EXPECT_PRIORITY(b.a_thread, 50);
	stile_set_inheritor(&stiles[0], THREAD_NULL);
	EXPECT_PRIORITY(b.a_thread, 30);
	stile_set_inheritor(&stiles[0], a.a_thread);
	EXPECT_PRIORITY(a.a_thread, 50);
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
	EXPECT_PRIORITY(a.a_thread, 60);
	sleeper_join(&timed);
	EXPECT_EQ(timed.s_result, THREAD_TIMED_OUT);
	EXPECT_PRIORITY(a.a_thread, 40);
	EXPECT(thread_abort_wait(aborted.s_thread));
	sleeper_join(&aborted);
	EXPECT_EQ(aborted.s_result, THREAD_INTERRUPTED);
	EXPECT_PRIORITY(a.a_thread, 20);
	stile_wake_all(&stiles[0]);
	sleeper_join(&low);
	EXPECT_PRIORITY(a.a_thread, 10);
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
	EXPECT_PRIORITY(a.s_thread, 30);
	stile_set_inheritor(&stiles[0], b.s_thread); /* a waits for b, b for a */
	high.s_inheritor = b.s_thread;
	sleeper_start(&high, 50);
	EXPECT_PRIORITY(a.s_thread, 50);
	EXPECT_PRIORITY(b.s_thread, 50);
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
	EXPECT_PRIORITY(a.a_thread, 5);
	os_atomic_store(&a.a_go, 1, release);
	actor_join(&a);
	tear_down();
}

/* --- gates and sleeping with an inheritor --- */

static lck_mtx_t outer;
static gate_t gate;

/* Waits at the gate, or sleeps with an inheritor if it has one. */
struct visitor {
	thread_t v_inheritor;
	uint32_t v_there; /* atomic */
	int v_result;
	thread_t v_thread;
};

static void
visit(void *param, wait_result_t result)
{
	struct visitor *v = param;

	(void)result;
	thread_bind_self(0);
	lck_mtx_lock(&outer);
	os_atomic_store(&v->v_there, 1, release);
	if (v->v_inheritor != THREAD_NULL) {
		v->v_result = lck_mtx_sleep_with_inheritor(
		    &outer, LCK_SLEEP_DEFAULT, &outer, v->v_inheritor, THREAD_UNINT, 0);
	} else {
		v->v_result = (int)lck_mtx_gate_wait(&outer, &gate, LCK_SLEEP_DEFAULT, THREAD_UNINT, 0);
		if (v->v_result == GATE_HANDOFF) {
			lck_mtx_gate_open(&outer, &gate);
		}
	}
	lck_mtx_unlock(&outer);
	thread_terminate_self();
}

static void
visitor_start(struct visitor *v, int pri)
{
	EXPECT_EQ(kernel_thread_create(visit, v, pri, "visitor", &v->v_thread), KERN_SUCCESS);
	await(&v->v_there);
	pause_a_little();
}

static void
visitor_join(struct visitor *v)
{
	thread_join(v->v_thread);
	thread_deallocate(v->v_thread);
}

/* Closes the gate, says so, keeps it until told, then hands it over. */
static void
keep_gate(void *param, wait_result_t result)
{
	struct actor *a = param;

	(void)result;
	thread_bind_self(0);
	lck_mtx_lock(&outer);
	EXPECT_EQ(lck_mtx_gate_try_close(&outer, &gate), KERN_SUCCESS);
	EXPECT_EQ(lck_mtx_gate_try_close(&outer, &gate), KERN_FAILURE);
	lck_mtx_unlock(&outer);
	os_atomic_store(&a->a_has, 1, release);
	await(&a->a_go);
	lck_mtx_lock(&outer);
	EXPECT_EQ(lck_mtx_gate_handoff(&outer, &gate, GATE_HANDOFF_DEFAULT), KERN_SUCCESS);
	lck_mtx_unlock(&outer);
	thread_terminate_self();
}

/* The keeper inherits; the gate goes to the best waiter, which opens it for the other. */
KTEST(turnstile_gate)
{
	struct actor keeper = { 0 };
	struct visitor low = { 0 }, high = { 0 };

	set_up();
	lck_mtx_init(&outer, &test_mutex_class);
	lck_mtx_gate_init(&outer, &gate);
	EXPECT_EQ(kernel_thread_create(keep_gate, &keeper, 10, "keeper", &keeper.a_thread), KERN_SUCCESS);
	await(&keeper.a_has);
	visitor_start(&low, 20);
	EXPECT_PRIORITY(keeper.a_thread, 20);
	visitor_start(&high, 60);
	EXPECT_PRIORITY(keeper.a_thread, 60);
	os_atomic_store(&keeper.a_go, 1, release);
	visitor_join(&high);
	visitor_join(&low);
	actor_join(&keeper);
	EXPECT_EQ(high.v_result, GATE_HANDOFF);
	EXPECT_EQ(low.v_result, GATE_OPENED);
	lck_mtx_gate_destroy(&outer, &gate);
	lck_mtx_destroy(&outer);
	tear_down();
}

KTEST(turnstile_sleep_with_inheritor)
{
	struct actor a = { 0 }, b = { 0 };
	struct visitor low = { 0 }, high = { 0 };
	thread_t woken = THREAD_NULL;

	set_up();
	lck_mtx_init(&outer, &test_mutex_class);
	actor_start(&a, 10);
	actor_start(&b, 12);
	low.v_inheritor = high.v_inheritor = a.a_thread;
	EXPECT_EQ(change_sleep_inheritor(&outer, b.a_thread), KERN_NOT_WAITING);
	visitor_start(&low, 30);
	visitor_start(&high, 50);
	EXPECT_PRIORITY(a.a_thread, 50);
	EXPECT_EQ(change_sleep_inheritor(&outer, b.a_thread), KERN_SUCCESS);
	EXPECT_PRIORITY(a.a_thread, 10);
	EXPECT_PRIORITY(b.a_thread, 50);
	EXPECT_EQ(wakeup_one_with_inheritor(&outer, THREAD_AWAKENED, LCK_WAKE_DO_NOT_TRANSFER_PUSH, &woken),
	    KERN_SUCCESS);
	EXPECT_EQ(woken, high.v_thread);
	thread_deallocate(woken);
	EXPECT_PRIORITY(b.a_thread, 12);
	EXPECT_EQ(wakeup_all_with_inheritor(&outer, THREAD_RESTART), KERN_SUCCESS);
	EXPECT_EQ(wakeup_all_with_inheritor(&outer, THREAD_RESTART), KERN_NOT_WAITING);
	visitor_join(&high);
	visitor_join(&low);
	EXPECT_EQ(high.v_result, THREAD_AWAKENED);
	EXPECT_EQ(low.v_result, THREAD_RESTART);
	os_atomic_store(&a.a_go, 1, release);
	os_atomic_store(&b.a_go, 1, release);
	actor_join(&a);
	actor_join(&b);
	lck_mtx_destroy(&outer);
	tear_down();
}

/* --- a writer of a read-write lock --- */

static lck_rw_t rw;

static void
write_long(void *param, wait_result_t result)
{
	struct actor *a = param;

	(void)result;
	thread_bind_self(0);
	lck_rw_lock_exclusive(&rw);
	os_atomic_store(&a->a_has, 1, release);
	await(&a->a_go);
	lck_rw_unlock_exclusive(&rw);
	thread_terminate_self();
}

static void
read_once(void *param, wait_result_t result)
{
	struct actor *a = param;

	(void)result;
	thread_bind_self(0);
	os_atomic_store(&a->a_has, 1, release);
	lck_rw_lock_shared(&rw);
	lck_rw_unlock_shared(&rw);
	thread_terminate_self();
}

KTEST(turnstile_rw_writer)
{
	struct actor writer = { 0 }, reader = { 0 };

	set_up();
	lck_rw_init(&rw, &test_mutex_class);
	EXPECT_EQ(kernel_thread_create(write_long, &writer, 10, "writer", &writer.a_thread), KERN_SUCCESS);
	await(&writer.a_has);
	EXPECT_EQ(kernel_thread_create(read_once, &reader, 50, "reader", &reader.a_thread), KERN_SUCCESS);
	await(&reader.a_has);
	pause_a_little();
	EXPECT_PRIORITY(writer.a_thread, 50);
	os_atomic_store(&writer.a_go, 1, release);
	thread_join(writer.a_thread);
	EXPECT_PRIORITY(writer.a_thread, 10);
	thread_deallocate(writer.a_thread);
	actor_join(&reader);
	lck_rw_destroy(&rw);
	tear_down();
}
