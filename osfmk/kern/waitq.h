/*
 * Wait queues: where threads sleep that wait for anything but a message. First come, first woken.
 *
 * A waitq is a spin lock and a list of threads. Its memory must be static, type-stable or freed through SMR
 * when waits on it are interruptible or have deadlines: a thread that was ended by another party unlinks
 * itself after it resumes, and finds the queue through its own structure. For THREAD_UNINT waits without a
 * deadline it is enough that the queue is empty when it is freed.
 *
 * Locks: waitq lock, rank LCK_RANK_WAITQ; nothing is taken inside but the locks of the run queue.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/thread.h>
#include <kern/wait.h>

void waitq_init(struct waitq *wq);
/* With a lock of another class than LCK_RANK_WAITQ's. */
void waitq_init_class(struct waitq *wq, const struct lck_class *class);

/* All waiters must have been woken; who woke them may be about to let go of the queue's lock. */
void waitq_destroy(struct waitq *wq);

/*
 * Puts the current thread on the queue with its wait prepared: follow with thread_block() or, after a look
 * at the condition, waitq_cancel(). The caller tests its condition after this call, or holds a lock that
 * wakers also hold.
 */
void waitq_wait_prepare(struct waitq *wq, wait_interrupt_t how, uint64_t deadline);

/* The same for a caller that holds wq_lock (interrupts masked) because it guards the condition too. */
OS_INLINE void
waitq_wait_prepare_locked(struct waitq *wq, wait_interrupt_t how, uint64_t deadline) REQUIRES(wq->wq_lock)
{
	thread_t self = current_thread();

	assert(self->waitq == NULL);
	wait_prepare(self, how, deadline);
	self->wait_queue_cookie = wait_cookie(self);
	list_push_back(&wq->wq_threads, &self->wait_link);
	os_atomic_store(&self->waitq, wq, relaxed);
}

OS_INLINE void
waitq_unlink_locked(struct waitq *wq, thread_t thread) REQUIRES(wq->wq_lock)
{
	assert(os_atomic_load(&thread->waitq, relaxed) == wq);
	list_remove(&thread->wait_link);
	os_atomic_store(&thread->waitq, NULL, release); /* [Q1] pairs with the load in waitq_finish */
}

/* Unlinks `thread` and tries to end the wait it was linked for. */
OS_INLINE bool
waitq_unlink_and_claim_locked(struct waitq *wq, thread_t thread, wait_result_t result) REQUIRES(wq->wq_lock)
{
	uint64_t cookie = thread->wait_queue_cookie;

	waitq_unlink_locked(wq, thread);
	return wait_claim(thread, cookie, result);
}

/* Undoes waitq_wait_prepare without blocking; a claim that was faster is absorbed. Returns its result, or
 * THREAD_WAITING if there was none. */
wait_result_t waitq_cancel(struct waitq *wq);

/* Wakes the oldest waiter. False when nobody waited. Any context. */
bool waitq_wakeup_one(struct waitq *wq, wait_result_t result);
unsigned waitq_wakeup_all(struct waitq *wq, wait_result_t result);

/* Claims and unlinks the oldest waiter and returns it; the caller owes it thread_make_runnable() or a
 * handoff. NULL when nobody waits. */
OS_INLINE thread_t
waitq_claim_one_locked(struct waitq *wq, wait_result_t result) REQUIRES(wq->wq_lock)
{
	while (!list_empty(&wq->wq_threads)) {
		thread_t thread = list_entry(wq->wq_threads.next, struct thread, wait_link);

		if (os_likely(waitq_unlink_and_claim_locked(wq, thread, result))) {
			return thread;
		}
	}
	return THREAD_NULL;
}

/* The same for the newest. */
thread_t waitq_claim_newest_locked(struct waitq *wq, wait_result_t result) REQUIRES(wq->wq_lock);

/* The same for one thread, if it waits here. */
bool waitq_claim_thread_locked(struct waitq *wq, thread_t thread, wait_result_t result) REQUIRES(wq->wq_lock);

/* The same for the waiter of the highest priority, the oldest among equals. */
thread_t waitq_claim_highest_locked(struct waitq *wq, wait_result_t result) REQUIRES(wq->wq_lock);

/* All of them, for a caller that has to drop its lock first: appended to `claimed` by wait_link; the caller
 * owes each of them thread_make_runnable(). */
unsigned waitq_claim_all_locked(struct waitq *wq, wait_result_t result, struct list_node *claimed)
    REQUIRES(wq->wq_lock);

/* Makes every thread of such a list runnable; returns how many there were. Any context, no waitq lock. */
unsigned waitq_run_claimed(struct list_node *claimed);

/* Unlinks the current thread from the queue of a wait that has ended. Every resumed waiter calls it, by way
 * of thread_block(); continuations that run completed on the thread's behalf never were on a waitq. */
void waitq_finish(thread_t self);

/* Mach style: sleeping on an address. Static hashed queues, so always safe. */
void assert_wait(event_t event, wait_interrupt_t how);
void assert_wait_deadline(event_t event, wait_interrupt_t how, uint64_t deadline);
void thread_wakeup(event_t event);
void thread_wakeup_one(event_t event);
void thread_wakeup_with_result(event_t event, wait_result_t result);
/* Gives up an assert_wait instead of blocking. */
void clear_wait_self(void);

/*
 * The same for who keeps what the event says under the lock of the queue: the queue that threads sleep on which
 * wait for the event, beside others.
 */
struct waitq *event_waitq(event_t event);
void event_wait_prepare_locked(struct waitq *wq, event_t event, wait_interrupt_t how, uint64_t deadline)
    REQUIRES(wq->wq_lock);

/* waitq_claim_one_locked among those who wait for the event; *more: there is another. */
thread_t event_claim_one_locked(struct waitq *wq, event_t event, wait_result_t result, bool *more)
    REQUIRES(wq->wq_lock);

/* Start-up: before the first assert_wait. */
void waitq_bootstrap(void);
