/*
 * Gates: <kern/gate.h>.
 */
#include <kern/gate.h>

#include <kern/turnstile.h>

static LCK_CLASS_DECLARE(gate_class, "gate", LCK_RANK_TURNSTILE);

void
lck_mtx_gate_init(lck_mtx_t *lock, gate_t *gate)
{
	(void)lock;
	gate->gt_holder = THREAD_NULL;
	waitq_init_class(&gate->gt_waiters, &gate_class);
}

void
lck_mtx_gate_destroy(lck_mtx_t *lock, gate_t *gate)
{
	(void)lock;
	assert(gate->gt_holder == THREAD_NULL);
	waitq_destroy(&gate->gt_waiters);
}

kern_return_t
lck_mtx_gate_try_close(lck_mtx_t *lock, gate_t *gate)
{
	lck_mtx_assert_owned(lock);
	if (gate->gt_holder != THREAD_NULL) {
		return KERN_FAILURE;
	}
	gate->gt_holder = current_thread(); /* nobody waits: an open gate has no waiters */
	return KERN_SUCCESS;
}

void
lck_mtx_gate_close(lck_mtx_t *lock, gate_t *gate)
{
	kern_return_t kr = lck_mtx_gate_try_close(lock, gate);

	assert(kr == KERN_SUCCESS);
	(void)kr;
}

void
lck_mtx_gate_open(lck_mtx_t *lock, gate_t *gate)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	bool irq;

	lck_mtx_gate_assert(lock, gate, GATE_ASSERT_HELD);
	gate->gt_holder = THREAD_NULL;
	irq = lck_spin_lock_irq(&gate->gt_waiters.wq_lock);
	(void)turnstile_claim_all_locked(&gate->gt_waiters, THREAD_AWAKENED, &claimed, &chain);
	(void)waitq_run_claimed(&claimed);
	lck_spin_unlock_irq(&gate->gt_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
}

kern_return_t
lck_mtx_gate_handoff(lck_mtx_t *lock, gate_t *gate, gate_handoff_flags_t flags)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	thread_t next;
	bool irq;

	lck_mtx_gate_assert(lock, gate, GATE_ASSERT_HELD);
	irq = lck_spin_lock_irq(&gate->gt_waiters.wq_lock);
	next = turnstile_claim_one_locked(&gate->gt_waiters, THREAD_AWAKENED, THREAD_NULL, &chain);
	if (next != THREAD_NULL) {
		turnstile_set_inheritor_locked(&gate->gt_waiters, next, &chain);
		gate->gt_holder = next;
		thread_make_runnable_masked(next);
	} else if (flags & GATE_HANDOFF_OPEN_IF_NO_WAITERS) {
		gate->gt_holder = THREAD_NULL;
	}
	lck_spin_unlock_irq(&gate->gt_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
	return next != THREAD_NULL ? KERN_SUCCESS : KERN_NOT_WAITING;
}

void
lck_mtx_gate_steal(lck_mtx_t *lock, gate_t *gate)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool irq;

	lck_mtx_gate_assert(lock, gate, GATE_ASSERT_CLOSED);
	irq = lck_spin_lock_irq(&gate->gt_waiters.wq_lock);
	gate->gt_holder = current_thread();
	turnstile_set_inheritor_locked(&gate->gt_waiters, current_thread(), &chain);
	lck_spin_unlock_irq(&gate->gt_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
}

gate_wait_result_t
lck_mtx_gate_wait(lck_mtx_t *lock, gate_t *gate, lck_sleep_action_t action, wait_interrupt_t how,
    uint64_t deadline) NO_THREAD_SAFETY
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	thread_t self = current_thread();
	wait_result_t result;
	bool irq;

	lck_mtx_gate_assert(lock, gate, GATE_ASSERT_CLOSED);
	assert(gate->gt_holder != self);
	irq = lck_spin_lock_irq(&gate->gt_waiters.wq_lock);
	turnstile_wait_prepare_locked(&gate->gt_waiters, gate->gt_holder, how, deadline, &chain);
	lck_spin_unlock_irq(&gate->gt_waiters.wq_lock, irq);
	turnstile_propagate(&chain);
	lck_mtx_unlock(lock);
	result = thread_block(THREAD_CONTINUE_NULL);
	if (!(action & LCK_SLEEP_UNLOCK)) {
		lck_mtx_lock(lock);
	}
	switch (result) {
	case THREAD_TIMED_OUT:
		return GATE_TIMED_OUT;
	case THREAD_INTERRUPTED:
		return GATE_INTERRUPTED;
	default: /* only this thread could give away what it was given */
		return os_atomic_load(&gate->gt_holder, relaxed) == self ? GATE_HANDOFF : GATE_OPENED;
	}
}

void
lck_mtx_gate_assert(lck_mtx_t *lock, gate_t *gate, gate_assert_flags_t flags)
{
	lck_mtx_assert_owned(lock);
	switch (flags) {
	case GATE_ASSERT_OPEN:
		assert(gate->gt_holder == THREAD_NULL);
		break;
	case GATE_ASSERT_CLOSED:
		assert(gate->gt_holder != THREAD_NULL);
		break;
	default:
		assert(gate->gt_holder == current_thread());
		break;
	}
}
