/*
 * Wait queues: <kern/waitq.h> has the rules.
 *
 * A thread is linked exactly while its waitq field names the queue, and both change only with the queue's
 * lock held. A waker unlinks first and claims afterwards: once [Q1] is stored, a thread whose wait somebody
 * else has ended may start its next wait and use the link again, and the claim with the old cookie fails.
 */
#include <kern/waitq.h>

#include <kern/thread.h>
#include <kern/turnstile.h>
#include <kern/wait.h>

/* Buckets of the event queues; a collision costs a longer look-up, nothing else. */
#define EVENT_HASH_BITS 8
#define EVENT_HASH_SIZE (1U << EVENT_HASH_BITS)

static LCK_CLASS_DECLARE(waitq_lock_class, "waitq", LCK_RANK_WAITQ);

struct event_bucket {
	struct waitq wq;
} OS_CACHE_ALIGNED;

static struct event_bucket event_buckets[EVENT_HASH_SIZE];

void
waitq_init_class(struct waitq *wq, const struct lck_class *class)
{
	lck_spin_init(&wq->wq_lock, class);
	list_init(&wq->wq_threads);
}

void
waitq_init(struct waitq *wq)
{
	waitq_init_class(wq, &waitq_lock_class);
}

void
waitq_destroy(struct waitq *wq)
{
	lck_spin_settle(&wq->wq_lock);
	assert(list_empty(&wq->wq_threads));
}

static thread_t
waitq_thread(struct list_node *link)
{
	return list_entry(link, struct thread, wait_link);
}

void
waitq_wait_prepare(struct waitq *wq, wait_interrupt_t how, uint64_t deadline)
{
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);

	waitq_wait_prepare_locked(wq, how, deadline);
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
}

void
waitq_finish(thread_t self)
{
	struct waitq *wq = os_atomic_load(&self->waitq, acquire); /* pairs with [Q1] */
	bool interrupts;

	if (wq == NULL) {
		return;
	}
	if (self->push.tp_turnstile != NULL) {
		turnstile_finish(self, wq);
		return;
	}
	interrupts = lck_spin_lock_irq(&wq->wq_lock);
	if (self->waitq == wq) {
		waitq_unlink_locked(wq, self);
	}
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
}

wait_result_t
waitq_cancel(struct waitq *wq)
{
	thread_t self = current_thread();

	(void)wq;
	if (!wait_cancel(self)) {
		return thread_block(THREAD_CONTINUE_NULL);
	}
	waitq_finish(self);
	return THREAD_WAITING;
}

static thread_t
waitq_highest_locked(struct waitq *wq) REQUIRES(wq->wq_lock)
{
	thread_t highest = THREAD_NULL;

	list_foreach (link, &wq->wq_threads) {
		thread_t thread = waitq_thread(link);

		if (highest == THREAD_NULL || thread->sched_pri > highest->sched_pri) {
			highest = thread;
		}
	}
	return highest;
}

thread_t
waitq_claim_newest_locked(struct waitq *wq, wait_result_t result)
{
	while (!list_empty(&wq->wq_threads)) {
		thread_t thread = list_entry(wq->wq_threads.prev, struct thread, wait_link);

		if (waitq_unlink_and_claim_locked(wq, thread, result)) {
			return thread;
		}
	}
	return THREAD_NULL;
}

thread_t
waitq_claim_highest_locked(struct waitq *wq, wait_result_t result)
{
	thread_t thread;

	while ((thread = waitq_highest_locked(wq)) != THREAD_NULL) {
		if (waitq_unlink_and_claim_locked(wq, thread, result)) {
			return thread;
		}
	}
	return THREAD_NULL;
}

bool
waitq_claim_thread_locked(struct waitq *wq, thread_t thread, wait_result_t result)
{
	return os_atomic_load(&thread->waitq, relaxed) == wq &&
	       waitq_unlink_and_claim_locked(wq, thread, result);
}

bool
waitq_wakeup_one(struct waitq *wq, wait_result_t result)
{
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);
	thread_t thread = waitq_claim_one_locked(wq, result);

	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	if (thread == THREAD_NULL) {
		return false;
	}
	thread_make_runnable(thread);
	return true;
}

/*
 * Claimed threads are the claimer's until they are made runnable, so their links can carry them from under
 * the lock to where the run queues may be touched.
 */
unsigned
waitq_run_claimed(struct list_node *claimed)
{
	struct list_node *link;
	unsigned count = 0;

	while ((link = list_pop_front(claimed)) != NULL) {
		thread_make_runnable(waitq_thread(link));
		count++;
	}
	return count;
}

unsigned
waitq_claim_all_locked(struct waitq *wq, wait_result_t result, struct list_node *claimed)
{
	thread_t thread;
	unsigned count = 0;

	while ((thread = waitq_claim_one_locked(wq, result)) != THREAD_NULL) {
		list_push_back(claimed, &thread->wait_link);
		count++;
	}
	return count;
}

unsigned
waitq_wakeup_all(struct waitq *wq, wait_result_t result)
{
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);

	waitq_claim_all_locked(wq, result, &claimed);
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	return waitq_run_claimed(&claimed);
}

/* --- events --- */

void
waitq_bootstrap(void)
{
	for (unsigned i = 0; i < EVENT_HASH_SIZE; i++) {
		waitq_init(&event_buckets[i].wq);
	}
}

/* Fibonacci hashing: the multiplier is 2^64 divided by the golden ratio. */
struct waitq *
event_waitq(event_t event)
{
	uint64_t hash = (uint64_t)(uintptr_t)event * 0x9e3779b97f4a7c15ULL;

	return &event_buckets[hash >> (64 - EVENT_HASH_BITS)].wq;
}

void
event_wait_prepare_locked(struct waitq *wq, event_t event, wait_interrupt_t how, uint64_t deadline)
{
	current_thread()->wait_event = event;
	waitq_wait_prepare_locked(wq, how, deadline);
}

void
assert_wait_deadline(event_t event, wait_interrupt_t how, uint64_t deadline)
{
	struct waitq *wq = event_waitq(event);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);

	event_wait_prepare_locked(wq, event, how, deadline);
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
}

void
assert_wait(event_t event, wait_interrupt_t how)
{
	assert_wait_deadline(event, how, 0);
}

thread_t
event_claim_one_locked(struct waitq *wq, event_t event, wait_result_t result, bool *more)
{
	thread_t claimed = THREAD_NULL;

	*more = false;
	list_foreach_safe(link, &wq->wq_threads)
	{
		thread_t thread = waitq_thread(link);

		if (thread->wait_event != event) {
			continue;
		}
		if (claimed != THREAD_NULL) {
			*more = true;
			break;
		}
		if (waitq_unlink_and_claim_locked(wq, thread, result)) {
			claimed = thread;
		}
	}
	return claimed;
}

/* Wakes up to `limit` threads that wait for exactly this event, oldest first. */
static void
event_wakeup(event_t event, wait_result_t result, unsigned limit)
{
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	struct waitq *wq = event_waitq(event);
	bool interrupts = lck_spin_lock_irq(&wq->wq_lock);

	list_foreach_safe(link, &wq->wq_threads)
	{
		thread_t thread = waitq_thread(link);

		if (limit == 0) {
			break;
		}
		if (thread->wait_event == event && waitq_unlink_and_claim_locked(wq, thread, result)) {
			list_push_back(&claimed, &thread->wait_link);
			limit--;
		}
	}
	lck_spin_unlock_irq(&wq->wq_lock, interrupts);
	waitq_run_claimed(&claimed);
}

void
thread_wakeup(event_t event)
{
	event_wakeup(event, THREAD_AWAKENED, UINT32_MAX);
}

void
thread_wakeup_one(event_t event)
{
	event_wakeup(event, THREAD_AWAKENED, 1);
}

void
thread_wakeup_with_result(event_t event, wait_result_t result)
{
	event_wakeup(event, result, UINT32_MAX);
}

void
clear_wait_self(void)
{
	(void)waitq_cancel(NULL);
}
