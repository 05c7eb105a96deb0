/*
 * Donation through RPC: <kern/rpc_push.h> has the rules.
 *
 * Locks: tp_lock of client and worker, the one at the lower address first; interrupts masked.
 */
#include <kern/rpc_push.h>

#include <arm64/machine_routines.h>
#include <kern/sched_priority.h>
#include <kern/task.h>

/* --- both ends of a link, locked --- */

static void
lock_pair(thread_t a, thread_t b) NO_THREAD_SAFETY
{
	assert(a != b);
	lck_spin_lock_nopreempt(a < b ? &a->push.tp_lock : &b->push.tp_lock);
	lck_spin_lock_nopreempt(a < b ? &b->push.tp_lock : &a->push.tp_lock);
}

static void
unlock_pair(thread_t a, thread_t b) NO_THREAD_SAFETY
{
	lck_spin_unlock_nopreempt(&a->push.tp_lock);
	lck_spin_unlock_nopreempt(&b->push.tp_lock);
}

/* The worker of `client`, both locked; NULL, and nothing locked, if it has none. */
static thread_t
lock_link(thread_t client)
{
	thread_t worker;

	while ((worker = os_atomic_load(&client->ipc.ith_worker, relaxed)) != THREAD_NULL) {
		lock_pair(client, worker);
		if (os_likely(os_atomic_load(&client->ipc.ith_worker, relaxed) == worker)) {
			break;
		}
		unlock_pair(client, worker);
		cpu_relax();
	}
	return worker;
}

/* --- pushes; both locked --- */

static void
push_add_locked(thread_t client, thread_t worker, int pri, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	pri_list_insert(&worker->push.tp_pushes, &client->push.tp_push, pri);
	os_atomic_store(&client->push.tp_on, worker, relaxed);
	client->push.tp_rpc_push = true;
	turnstile_promote_locked(worker, chain);
}

static void
push_remove_locked(thread_t client, thread_t worker, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	if (client->push.tp_on == worker && client->push.tp_rpc_push) {
		pri_list_remove(&worker->push.tp_pushes, &client->push.tp_push);
		os_atomic_store(&client->push.tp_on, THREAD_NULL, relaxed);
		turnstile_promote_locked(worker, chain);
	}
}

/* A client that has begun to wait for something else pushes there. */
static bool
may_push_locked(thread_t client, thread_t worker) NO_THREAD_SAFETY
{
	return client->push.tp_on == THREAD_NULL && client->push.tp_turnstile == NULL &&
	       !worker->push.tp_dead && !client->push.tp_dead;
}

static bool
light_is_enough(thread_t client, thread_t worker)
{
	return os_atomic_load(&worker->ipc.ith_client, relaxed) == THREAD_NULL &&
	       thread_sched_priority(client) <= thread_sched_priority(worker);
}

static void
link_locked(thread_t client, thread_t worker, bool exclusive, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	int pri = thread_sched_priority(client);

	if (worker->push.tp_dead || client->push.tp_dead ||
	    !os_atomic_cmpxchg(&client->ipc.ith_worker, THREAD_NULL, worker, relaxed)) {
		return; /* or it runs, and has called somebody else */
	}
	if (client->push.tp_on == worker) {
		return; /* a walk saw what rpc_push_fast_call stored */
	}
	if (exclusive && light_is_enough(client, worker)) {
		os_atomic_store(&worker->ipc.ith_client, client, relaxed);
	} else if (may_push_locked(client, worker)) {
		push_add_locked(client, worker, pri, chain);
	}
}

void
rpc_push_link(thread_t client, thread_t worker, bool exclusive)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	thread_t present = os_atomic_load(&client->ipc.ith_worker, relaxed);
	bool interrupts;

	if (client == worker || present == worker) {
		return;
	}
	if (present != THREAD_NULL) {
		rpc_push_end(client);
	} else if (exclusive && client == current_thread() && light_is_enough(client, worker) &&
		   os_atomic_cmpxchg(&client->ipc.ith_worker, THREAD_NULL, worker, relaxed)) {
		os_atomic_store(&worker->ipc.ith_client, client, relaxed);
		return;
	}
	interrupts = ml_set_interrupts_enabled(false);
	lock_pair(client, worker);
	link_locked(client, worker, exclusive, &chain);
	unlock_pair(client, worker);
	turnstile_propagate(&chain);
	ml_set_interrupts_enabled(interrupts);
}

void
rpc_push_link_queued(thread_t client, thread_t server, const struct ipc_space *space)
{
	task_t task; /* threads are type-stable; if this one is of another task now, so is the space */

	if (server == THREAD_NULL || os_atomic_load(&client->ipc.ith_worker, relaxed) != THREAD_NULL) {
		return;
	}
	task = os_atomic_load(&server->task, relaxed);
	if (task != TASK_NULL && task->ipc.space == space) {
		rpc_push_link(client, server, false);
	}
}

/* A client that runs may call again in the fast path: against the order of its stores, so that no half is left behind. */
static void
unlink_locked(thread_t client, thread_t worker, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	push_remove_locked(client, worker, chain);
	os_atomic_cmpxchg(&client->ipc.ith_worker, worker, THREAD_NULL, relaxed);
	os_atomic_cmpxchg(&worker->ipc.ith_client, client, THREAD_NULL, acq_rel);
}

void
rpc_push_end_chain(thread_t client, struct turnstile_chain *chain)
{
	thread_t worker = lock_link(client);

	if (worker != THREAD_NULL) {
		unlink_locked(client, worker, chain);
		unlock_pair(client, worker);
	}
}

void
rpc_push_leave(thread_t client, struct turnstile_chain *chain)
{
	thread_t worker;

	rpc_push_end_chain(client, chain);
	while (os_unlikely((worker = os_atomic_load(&client->push.tp_on, relaxed)) != THREAD_NULL)) {
		lock_pair(client, worker);
		push_remove_locked(client, worker, chain);
		unlock_pair(client, worker);
	}
}

void
rpc_push_over(thread_t self)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts = ml_set_interrupts_enabled(false);

	rpc_push_leave(self, &chain);
	turnstile_propagate(&chain);
	ml_set_interrupts_enabled(interrupts);
}

static void
unlink_chain(thread_t client, thread_t worker, struct turnstile_chain *chain)
{
	lock_pair(client, worker);
	unlink_locked(client, worker, chain);
	unlock_pair(client, worker);
}

void
rpc_push_unlink(thread_t client, thread_t worker)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts;

	if (client != worker) {
		interrupts = ml_set_interrupts_enabled(false);
		unlink_chain(client, worker, &chain);
		turnstile_propagate(&chain);
		ml_set_interrupts_enabled(interrupts);
	}
}

void
rpc_push_end(thread_t client)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts = ml_set_interrupts_enabled(false);

	rpc_push_end_chain(client, &chain);
	turnstile_propagate(&chain);
	ml_set_interrupts_enabled(interrupts);
}

/* A light link of this very thread takes no lock: it is the worker's and the claimer's. */
void
rpc_push_answer(thread_t client)
{
	thread_t self = current_thread();

	if (os_atomic_load(&client->ipc.ith_worker, relaxed) != self ||
	    os_atomic_load(&self->ipc.ith_client, relaxed) != client) {
		rpc_push_end(client);
		return;
	}
	os_atomic_store(&self->ipc.ith_client, THREAD_NULL, relaxed);
	os_atomic_store(&client->ipc.ith_worker, THREAD_NULL, relaxed);
	os_atomic_thread_fence(seq_cst); /* [R1] */
	if (os_unlikely(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PUSH)) {
		rpc_push_settle(self, client);
	}
}

/* --- changes of priority --- */

/* A walk, or the client itself, gives the worker the push that a light link will not do for any longer. */
static void
push_begin_locked(thread_t client, thread_t worker, int pri, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	push_add_locked(client, worker, pri, chain);
	os_atomic_or(&worker->machine.slow_flags, AST_PUSH, seq_cst); /* [R2] */
	os_atomic_or(&client->machine.slow_flags, AST_PUSH, seq_cst); /* [R2] */
	os_atomic_thread_fence(seq_cst);
	if (os_atomic_load(&client->ipc.ith_worker, relaxed) != worker) { /* answered meanwhile */
		push_remove_locked(client, worker, chain);
	} else {
		os_atomic_cmpxchg(&worker->ipc.ith_client, client, THREAD_NULL, relaxed);
	}
}

/* The client's priority is passed on, or, if the light link still does, nothing. */
static void
reorder_locked(thread_t client, thread_t worker, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	int pri = thread_sched_priority(client);

	if (client->push.tp_on == worker && client->push.tp_rpc_push) {
		os_atomic_cmpxchg(&worker->ipc.ith_client, client, THREAD_NULL, relaxed);
		if (client->push.tp_push.pn_pri != pri) {
			pri_list_remove(&worker->push.tp_pushes, &client->push.tp_push);
			pri_list_insert(&worker->push.tp_pushes, &client->push.tp_push, pri);
			turnstile_promote_locked(worker, chain);
		}
	} else if (pri > thread_sched_priority(worker) && may_push_locked(client, worker)) {
		push_begin_locked(client, worker, pri, chain);
	}
}

bool
rpc_push_reorder(thread_t client, struct turnstile_chain *chain)
{
	thread_t worker = lock_link(client);

	if (worker == THREAD_NULL) {
		if (os_atomic_load(&client->on_cpu, relaxed) == 0 || client->task == kernel_task) {
			return false;
		}
		os_atomic_or(
		    &client->machine.slow_flags, AST_PUSH, seq_cst); /* [R2] about to call somebody? */
		os_atomic_thread_fence(seq_cst);
		worker = lock_link(client);
		if (worker == THREAD_NULL) {
			return false;
		}
	}
	reorder_locked(client, worker, chain);
	unlock_pair(client, worker);
	return true;
}

/*
 * Under the lock, so that whoever has set it is done, and what he found is still what it was. A call that was answered
 * twice may have lost its link without its push; in user mode it has none.
 */
void
rpc_push_ast(thread_t self)
{
	bool interrupts = lck_spin_lock_irq(&self->push.tp_lock);

	thread_ast_clear(AST_PUSH);
	lck_spin_unlock_irq(&self->push.tp_lock, interrupts);
	if (os_unlikely(os_atomic_load(&self->push.tp_on, relaxed) != THREAD_NULL)) {
		rpc_push_over(self);
	}
}

void
rpc_push_settle(thread_t self, thread_t peer)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts = ml_set_interrupts_enabled(false);

	lock_pair(self, peer);
	if (os_atomic_load(&peer->ipc.ith_worker, relaxed) != self) {
		push_remove_locked(peer, self, &chain);
	}
	if (os_atomic_load(&self->ipc.ith_worker, relaxed) == peer) {
		reorder_locked(self, peer, &chain);
	}
	unlock_pair(self, peer);
	turnstile_propagate(&chain);
	ml_set_interrupts_enabled(interrupts);
}

void
rpc_push_worker_lowered(thread_t worker)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	thread_t client = os_atomic_load(&worker->ipc.ith_client, relaxed);
	bool interrupts = ml_set_interrupts_enabled(false);

	if (client != THREAD_NULL) {
		rpc_push_reorder(client, &chain);
		turnstile_propagate(&chain);
	}
	ml_set_interrupts_enabled(interrupts);
}

/* --- the fast path, when a light link will not do; interrupts masked --- */

/*
 * The light link that the stores of the fast path took off the worker. Its client may have ended it meanwhile, and found
 * nothing to end; and who lowered the worker did not see it.
 */
static void
light_link_restore(thread_t client, thread_t worker)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;

	lock_pair(client, worker);
	if (os_atomic_load(&client->ipc.ith_worker, relaxed) == worker) {
		os_atomic_store(&worker->ipc.ith_client, client, relaxed);
		reorder_locked(client, worker, &chain);
	}
	unlock_pair(client, worker);
	turnstile_propagate(&chain);
}

/* The stores are taken back: the worker has another light link, or needs none. */
__attribute__((preserve_most)) void
rpc_push_fast_call_slow(thread_t client, thread_t worker, thread_t linked)
{
	os_atomic_store(&worker->ipc.ith_client, THREAD_NULL, relaxed);
	os_atomic_store(&client->ipc.ith_worker, THREAD_NULL, relaxed);
	if (linked != RPC_PUSH_DONATES) {
		light_link_restore(linked, worker);
	}
	rpc_push_link(client, worker, true);
}

__attribute__((preserve_most)) void
rpc_push_fast_reply_slow(thread_t client, thread_t worker, thread_t linked)
{
	if (linked != THREAD_NULL) {
		light_link_restore(linked, worker);
	}
	rpc_push_replied(client);
}

/* --- the end of threads --- */

void
rpc_push_thread_dead(thread_t thread)
{
	struct turnstile_chain chain;
	thread_t client = os_atomic_load(&thread->ipc.ith_client, relaxed);

	if (os_likely(client == THREAD_NULL &&
		      os_atomic_load(&thread->ipc.ith_worker, relaxed) == THREAD_NULL &&
		      os_atomic_load(&thread->push.tp_on, relaxed) == THREAD_NULL)) {
		return;
	}
	chain = (struct turnstile_chain)TURNSTILE_CHAIN_INIT;
	rpc_push_leave(thread, &chain);
	if (client != THREAD_NULL) {
		unlink_chain(client, thread, &chain);
	}
	turnstile_propagate(&chain);
}
