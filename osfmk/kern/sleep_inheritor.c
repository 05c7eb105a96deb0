/*
 * Sleeping with an inheritor: turnstiles by the address of the event. See <kern/sleep_inheritor.h>.
 */
#include <kern/sleep_inheritor.h>

#include <kern/turnstile.h>

/* The kernel's own addresses: no address space has this key. */
#define EVENT_SPACE 0

wait_result_t
lck_mtx_sleep_with_inheritor(lck_mtx_t *lock, lck_sleep_action_t action, event_t event, thread_t inheritor,
    wait_interrupt_t how, uint64_t deadline) NO_THREAD_SAFETY
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	wait_result_t result = THREAD_RESTART;
	bool reserved = turnstile_hash_reserve(), irq;

	if (reserved) {
		struct turnstile_bucket *bucket = turnstile_hash_lock(EVENT_SPACE, (uint64_t)event, &irq);

		turnstile_hash_wait_locked(
		    bucket, EVENT_SPACE, (uint64_t)event, inheritor, how, deadline, &chain);
		turnstile_hash_unlock(bucket, irq);
		turnstile_propagate(&chain);
	}
	lck_mtx_unlock(lock); /* not before: the waker holds it */
	if (reserved) {
		result = thread_block(THREAD_CONTINUE_NULL);
	}
	if (!(action & LCK_SLEEP_UNLOCK)) {
		lck_mtx_lock(lock);
	}
	return result;
}

/* One sleeper, runnable; NULL if there is none. */
static thread_t
wake_one(event_t event, wait_result_t result, bool transfer, bool reference)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq;
	struct turnstile_bucket *bucket = turnstile_hash_lock(EVENT_SPACE, (uint64_t)event, &irq);
	thread_t thread = turnstile_hash_claim_one_locked(
	    bucket, EVENT_SPACE, (uint64_t)event, result, THREAD_NULL, &chain);

	if (thread != THREAD_NULL) {
		if (transfer) {
			(void)turnstile_hash_set_inheritor_locked(
			    bucket, EVENT_SPACE, (uint64_t)event, thread, &chain);
		}
		if (reference) {
			thread_reference(thread);
		}
		thread_make_runnable_masked(thread);
	}
	turnstile_hash_unlock(bucket, irq);
	turnstile_propagate(&chain);
	return thread;
}

kern_return_t
wakeup_one_with_inheritor(event_t event, wait_result_t result, lck_wake_action_t action, thread_t *woken)
{
	thread_t thread = wake_one(event, result, !(action & LCK_WAKE_DO_NOT_TRANSFER_PUSH), woken != NULL);

	if (woken != NULL) {
		*woken = thread;
	}
	return thread != THREAD_NULL ? KERN_SUCCESS : KERN_NOT_WAITING;
}

kern_return_t
wakeup_all_with_inheritor(event_t event, wait_result_t result)
{
	kern_return_t kr = KERN_NOT_WAITING;

	while (wake_one(event, result, false, false) != THREAD_NULL) {
		kr = KERN_SUCCESS;
	}
	return kr;
}

kern_return_t
change_sleep_inheritor(event_t event, thread_t inheritor)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq;
	struct turnstile_bucket *bucket = turnstile_hash_lock(EVENT_SPACE, (uint64_t)event, &irq);
	bool waits =
	    turnstile_hash_set_inheritor_locked(bucket, EVENT_SPACE, (uint64_t)event, inheritor, &chain);

	turnstile_hash_unlock(bucket, irq);
	turnstile_propagate(&chain);
	return waits ? KERN_SUCCESS : KERN_NOT_WAITING;
}
