/*
 * The one wait protocol.
 *
 * Problem. A sleeping thread can be ended by an event, by one of many concurrent wakers, by its deadline, by
 * thread_abort, by a signal, by the death of what it waits for. Exactly one of them must win, without a lock
 * that all of them share, and the thread must not run on a new CPU before its old CPU has let go of it.
 *
 * Idea. Each thread has one claim word (<kern/wait_word.h>). The thread publishes it, makes itself findable
 * (on a port, a waitq, a timer), and blocks. Whoever moves the word from WAITING to CLAIMED owns the wake-up.
 *
 *	the waiting thread                          a waker
 *	------------------                          -------
 *	wait_prepare(self, how, deadline)           finds thread and cookie on its queue
 *	[become visible: queue entry + cookie]      if (wait_claim(thread, cookie, result))
 *	thread_block(continuation)                          thread_make_runnable(thread)
 *
 * Rules.
 * 1. wait_prepare() publishes: whatever a waker may read of the thread (continuation, receive buffer) is
 *    written before it, and the cookie is valid after it. Between wait_prepare() and thread_block() or
 *    wait_cancel() preemption is off and the thread must not block, wait or return to user mode.
 * 2. The winner of a claim must make the thread runnable, once, or hand its CPU over to it. It may first
 *    write to the thread (deliver a message, a result): nobody else touches the thread between the two.
 * 3. A claimed thread must pass through thread_block(): its wake-up is under way even when the claim came
 *    before it blocked. wait_cancel() returns false in this case and the thread then blocks; it does not
 *    sleep long. So no waker needs to know whether the thread had already stopped.
 * 4. on_cpu: a CPU clears thread->on_cpu, with release, when it runs on another thread's registers and stack.
 * A waker that reads on_cpu as set puts the thread into the inbox of that CPU, which empties its inbox only
 *    when it chooses the next thread: by then it has let go of the thread, or the thread is the one that is
 *    choosing, and may choose itself. Nobody ever spins for on_cpu. [O1] the release store of 0, in the
 *    switch; [O2] the acquire load by the waker and by the handoff.
 * 5. Whoever loses a claim forgets the thread. Queues may hold entries of waits that are over; the cookie
 *    tells. Threads come from a type-stable zone, so a stale thread pointer is safe to claim through.
 *
 * A direct handoff is a claim whose winner is itself about to block: it switches to the claimed thread
 * without any run queue (<kern/handoff.h>).
 *
 * Deadlines. The thread's own timer carries the cookie, so a timer that fires late claims nothing. A wait
 * that ends early and goes on in the kernel cancels its timer; one that was completed on the thread's behalf
 * leaves it to expire or to be moved by the next timed wait.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/thread.h>
#include <kern/wait_word.h>

/* The rare halves of wait_prepare. */
void wait_prepare_abort(thread_t self);
void wait_set_deadline(thread_t self, uint64_t deadline);

/*
 * Opens a wait of the current thread: disables preemption, publishes the claim word, arms the deadline.
 *   how       THREAD_UNINT, or THREAD_ABORTSAFE: abort bits that are already pending end the wait at once
 *   deadline  absolute time (timebase), 0 for none
 */
OS_INLINE void
wait_prepare(thread_t self, wait_interrupt_t how, uint64_t deadline)
{
	disable_preemption();
	wait_word_begin(&self->wait_word, how); /* [A1] */
	if (how != THREAD_UNINT &&
	    os_unlikely(os_atomic_load(&self->machine.slow_flags, seq_cst) & AST_ABORT_MASK)) { /* [A1] */
		wait_prepare_abort(self);
	}
	if (os_unlikely(deadline != 0)) {
		wait_set_deadline(self, deadline);
	}
}

/*
 * The same for a trap handler that runs with interrupts masked and hands its CPU over: preemption is not
 * accounted (before thread_block or wait_cancel the caller disables it) and there is no deadline.
 */
OS_INLINE void
wait_prepare_masked(thread_t self, wait_interrupt_t how)
{
	wait_word_begin(&self->wait_word, how); /* [A1] */
	if (how != THREAD_UNINT &&
	    os_unlikely(os_atomic_load(&self->machine.slow_flags, seq_cst) & AST_ABORT_MASK)) { /* [A1] */
		wait_prepare_abort(self);
	}
}

/* Names the wait in progress; to be stored beside the queue entry. */
OS_INLINE uint64_t
wait_cookie(thread_t self)
{
	return wait_word_cookie(&self->wait_word);
}

/* Tries to end the wait that `cookie` names. Any context, any thread. See rule 2 for the winner's duty. */
OS_WARN_RESULT OS_INLINE bool
wait_claim(thread_t thread, uint64_t cookie, wait_result_t result)
{
	return wait_word_claim(&thread->wait_word, cookie, result);
}

/* The winner's duty: run queue of this CPU, of an idle one, or the inbox of the CPU it ran on. Any context. */
void thread_make_runnable(thread_t thread);

/* The same for a caller with interrupts masked. */
void thread_make_runnable_masked(thread_t thread);

/*
 * Waits until claimed. With a continuation does not return: the thread keeps no kernel stack and goes on in
 * continuation(param, result). Without one it keeps its stack and returns the result. Preemption is on
 * afterwards.
 */
wait_result_t thread_block(thread_continue_t continuation);
wait_result_t thread_block_parameter(thread_continue_t continuation, void *param);

/*
 * The same with the continuation that thread_set_continuation() stored before wait_prepare(): the form for
 * waits that somebody may complete on the thread's behalf (thread_complete_syscall()). Preemption is off from before that
 * store, since it clears the field.
 */
OS_NORETURN void thread_block_prepared(void);

/*
 * The thread decided not to block (the condition came true). True: the wait is over, preemption is on again.
 * False: somebody has claimed it; the caller must still call thread_block(), and gets that result.
 */
OS_WARN_RESULT bool wait_cancel(thread_t self);

/* Ends an interruptible wait in progress with THREAD_INTERRUPTED; false when there was none. To also catch
 * a wait that is about to begin, set one of AST_ABORT_MASK first. Any context. */
bool thread_abort_wait(thread_t thread);
