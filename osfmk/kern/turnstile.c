/*
 * Turnstiles: <kern/turnstile.h> has the essay.
 */
#include <kern/turnstile.h>

#include <arm64/machine_routines.h>
#include <kern/rpc_push.h>
#include <kern/sched_priority.h>
#include <kern/zalloc.h>

LCK_CLASS_DECLARE_FLAGS(lck_class_push, "push", LCK_RANK_PUSH, LCK_CLASS_NESTS);

LCK_CLASS_DECLARE(turnstile_slot_class, "turnstile", LCK_RANK_TURNSTILE);
LCK_CLASS_DECLARE(turnstile_bucket_class, "turnstile bucket", LCK_RANK_TURNSTILE_BUCKET);

uint64_t turnstile_cycles;

/* A turnstile for an address. Lent by the threads that wait: one is in use, the others' are spare. */
struct turnstile_slot {
	struct list_node tl_link;  /* on the bucket; or on tl_spare of the one in use; bucket lock */
	struct list_node tl_spare; /* of the one in use; bucket lock */
	uintptr_t tl_space;        /* constant while in use */
	uint64_t tl_addr;          /* constant while in use */
	struct waitq tl_waitq;
};

static ZONE_DEFINE(
    turnstile_slot_zone, "turnstile slots", sizeof(struct turnstile_slot), ZC_TYPESTABLE | ZC_FRESH_ZERO);

/* --- chains --- */

void
turnstile_chain_add(struct turnstile_chain *chain, thread_t thread)
{
	for (unsigned i = 0; i < TURNSTILE_CHAIN_MAX; i++) {
		if (chain->tc_threads[i] == thread) {
			return;
		}
		if (chain->tc_threads[i] == THREAD_NULL) {
			chain->tc_threads[i] = thread;
			return;
		}
	}
	panic("a turnstile call changes more than %u threads", TURNSTILE_CHAIN_MAX);
}

/* --- pushes --- */

void
turnstile_promote_locked(thread_t thread, struct turnstile_chain *chain)
{
	int highest = pri_list_highest(&thread->push.tp_pushes);

	if (highest != thread->push.tp_promoted) {
		thread->push.tp_promoted = (int16_t)highest;
		thread_set_promotion(thread, highest);
		turnstile_chain_add(chain, thread);
	}
}

/*
 * On one inheritor: the push of `out` ends, that of `in` begins, either may be NULL. In one step, so that the
 * inheritor's priority does not dip between the two.
 */
static void
push_change(thread_t inheritor, thread_t out, thread_t in, int pri, struct turnstile_chain *chain)
{
	lck_spin_lock_nopreempt(&inheritor->push.tp_lock);
	if (out != THREAD_NULL && out->push.tp_on == inheritor) { /* else the inheritor has ended since */
		pri_list_remove(&inheritor->push.tp_pushes, &out->push.tp_push);
		os_atomic_store(&out->push.tp_on, THREAD_NULL, relaxed);
	}
	if (in != THREAD_NULL && !inheritor->push.tp_dead) {
		pri_list_insert(&inheritor->push.tp_pushes, &in->push.tp_push, pri);
		os_atomic_store(&in->push.tp_on, inheritor, relaxed);
		in->push.tp_rpc_push = false;
	}
	turnstile_promote_locked(inheritor, chain);
	lck_spin_unlock_nopreempt(&inheritor->push.tp_lock);
}

static thread_t
waiter_thread(struct pri_node *node)
{
	return node == NULL ? THREAD_NULL : os_containerof(node, struct thread, wait_node);
}

static thread_t
first_waiter_locked(struct waitq *wq) REQUIRES(wq->wq_lock)
{
	return waiter_thread(pri_list_first(&wq->wq_threads));
}

/* Restores invariant 1 after the order or the inheritor changed. `before` was the first waiter. */
static void
repush_locked(struct waitq *wq, thread_t before, thread_t inheritor, struct turnstile_chain *chain)
    REQUIRES(wq->wq_lock)
{
	thread_t first = first_waiter_locked(wq);
	thread_t old = before != THREAD_NULL ? os_atomic_load(&before->push.tp_on, relaxed) : THREAD_NULL;

	if (first == THREAD_NULL) {
		inheritor = THREAD_NULL;
	}
	if (old == inheritor && (old == THREAD_NULL || (before == first && first->push.tp_push.pn_pri ==
									       first->wait_node.pn_pri))) {
		return;
	}
	if (old != THREAD_NULL) {
		bool same = old == inheritor;

		push_change(
		    old, before, same ? first : THREAD_NULL, same ? first->wait_node.pn_pri : -1, chain);
		if (same) {
			return;
		}
	}
	if (inheritor != THREAD_NULL) {
		push_change(inheritor, THREAD_NULL, first, first->wait_node.pn_pri, chain);
	}
}

/* --- waiting --- */

void
turnstile_wait_prepare_locked(struct waitq *wq, thread_t inheritor, wait_interrupt_t how, uint64_t deadline,
    struct turnstile_chain *chain)
{
	thread_t self = current_thread(), before = first_waiter_locked(wq);
	int pri;

	assert(self->waitq == NULL);
	if (os_unlikely(inheritor == self)) {
		inheritor = THREAD_NULL; /* nobody can help it */
	}
	wait_prepare(self, how, deadline);
	self->wait_queue_cookie = wait_cookie(self);
	self->push.tp_hashed = false;

	/*
	 * From here on a walk finds this thread, and no RPC pushes; what changed its priority before is seen by the
	 * load.
	 */
	lck_spin_lock_nopreempt(&self->push.tp_lock);
	self->push.tp_turnstile = wq;
	pri = thread_sched_priority(self);
	lck_spin_unlock_nopreempt(&self->push.tp_lock);
	if (os_unlikely(os_atomic_load(&self->ipc.ith_worker, relaxed) != THREAD_NULL ||
			os_atomic_load(&self->push.tp_on, relaxed) != THREAD_NULL)) {
		/* On its way into a receive, or just out of one: one push at a time. */
		rpc_push_leave(self, chain);
	}

	pri_list_insert(&wq->wq_threads, &self->wait_node, pri);
	os_atomic_store(&self->waitq, wq, relaxed);
	repush_locked(wq, before, inheritor, chain);
}

/* `thread` waits here no longer; whoever is first now pushes on `inheritor`. */
static void
leave_locked(struct waitq *wq, thread_t thread, thread_t inheritor, struct turnstile_chain *chain)
    REQUIRES(wq->wq_lock)
{
	thread_t before = first_waiter_locked(wq);

	pri_list_remove(&wq->wq_threads, &thread->wait_node);
	repush_locked(wq, before, inheritor, chain);
	lck_spin_lock_nopreempt(&thread->push.tp_lock);
	thread->push.tp_turnstile = NULL;
	lck_spin_unlock_nopreempt(&thread->push.tp_lock);
	os_atomic_store(&thread->waitq, NULL, release); /* [Q1] of waitq.c: it may use its nodes again */
}

thread_t
turnstile_claim_one_locked(
    struct waitq *wq, wait_result_t result, thread_t inheritor, struct turnstile_chain *chain)
{
	thread_t thread;

	while ((thread = first_waiter_locked(wq)) != THREAD_NULL) {
		uint64_t cookie = thread->wait_queue_cookie;

		leave_locked(wq, thread, inheritor, chain);
		if (wait_claim(thread, cookie, result)) {
			return thread;
		}
	}
	return THREAD_NULL;
}

unsigned
turnstile_claim_all_locked(
    struct waitq *wq, wait_result_t result, struct list_node *claimed, struct turnstile_chain *chain)
{
	thread_t thread;
	unsigned count = 0;

	turnstile_set_inheritor_locked(wq, THREAD_NULL, chain);
	while ((thread = turnstile_claim_one_locked(wq, result, THREAD_NULL, chain)) != THREAD_NULL) {
		list_push_back(claimed, &thread->wait_link);
		count++;
	}
	return count;
}

void
turnstile_set_inheritor_locked(struct waitq *wq, thread_t inheritor, struct turnstile_chain *chain)
{
	repush_locked(wq, first_waiter_locked(wq), inheritor, chain);
}

/* The first waiter's push tells who the inheritor is. */
static thread_t
inheritor_locked(struct waitq *wq) REQUIRES(wq->wq_lock)
{
	thread_t first = first_waiter_locked(wq);

	return first == THREAD_NULL ? THREAD_NULL : os_atomic_load(&first->push.tp_on, relaxed);
}

/* --- the walk --- */

/* The turnstile that `thread` waits on, locked; NULL if it waits on none. Against the order of locks: by trying. */
static struct waitq *
lock_turnstile_of(thread_t thread) NO_THREAD_SAFETY
{
	struct waitq *wq;

	for (;;) {
		lck_spin_lock_nopreempt(&thread->push.tp_lock);
		wq = thread->push.tp_turnstile;
		if (wq == NULL || lck_spin_try_lock_nopreempt(&wq->wq_lock)) {
			break;
		}
		lck_spin_unlock_nopreempt(&thread->push.tp_lock);
		cpu_relax();
	}
	lck_spin_unlock_nopreempt(&thread->push.tp_lock);
	return wq;
}

static void
reorder_locked(struct waitq *wq, thread_t thread, struct turnstile_chain *chain) REQUIRES(wq->wq_lock)
{
	int pri = thread_sched_priority(thread);
	thread_t before = first_waiter_locked(wq), inheritor = inheritor_locked(wq);

	if (pri != thread->wait_node.pn_pri) {
		pri_list_remove(&wq->wq_threads, &thread->wait_node);
		pri_list_insert(&wq->wq_threads, &thread->wait_node, pri);
		repush_locked(wq, before, inheritor, chain);
	}
}

/* One hop. The thread that it changed, if it did; its own priority may have to be passed on. */
static thread_t
walk_hop(thread_t thread) NO_THREAD_SAFETY
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts = ml_set_interrupts_enabled(false);
	struct waitq *wq = lock_turnstile_of(thread);

	if (wq != NULL) {
		reorder_locked(wq, thread, &chain);
		lck_spin_unlock_nopreempt(&wq->wq_lock);
	} else {
		rpc_push_reorder(thread, &chain);
	}
	ml_set_interrupts_enabled(interrupts);
	return chain.tc_threads[0];
}

static void
walk(thread_t origin)
{
	thread_t thread = walk_hop(origin);

	for (unsigned hops = 1; thread != THREAD_NULL && hops < TURNSTILE_HOPS; hops++) {
		if (thread == origin) {
			os_atomic_inc(&turnstile_cycles, relaxed);
			return;
		}
		thread = walk_hop(thread);
	}
}

void
turnstile_propagate_slow(struct turnstile_chain *chain)
{
	for (unsigned i = 0; i < TURNSTILE_CHAIN_MAX && chain->tc_threads[i] != THREAD_NULL; i++) {
		walk(chain->tc_threads[i]);
	}
}

void
turnstile_waiter_priority_changed(thread_t thread)
{
	walk(thread);
	rpc_push_worker_lowered(thread);
}

/* --- threads --- */

/*
 * The last step of a thread's making. Memory that was never a thread is zero (ZC_FRESH_ZERO); what was one comes as
 * turnstile_thread_exit left it: a walk that knew the earlier thread may have the lock, and finds nothing. A client of
 * the earlier one may push at once.
 */
void
turnstile_thread_init(thread_t thread)
{
	struct thread_push *tp = &thread->push;
	bool interrupts;

	if (os_unlikely(tp->tp_pushes.next == NULL)) {
		lck_spin_init(&tp->tp_lock, &lck_class_push);
		list_init(&tp->tp_pushes);
		pri_node_init(&tp->tp_push);
		tp->tp_promoted = -1;
	}
	interrupts = lck_spin_lock_irq(&tp->tp_lock);
	tp->tp_dead = false; /* who pushes from here on sees all that was set up before */
	lck_spin_unlock_irq(&tp->tp_lock, interrupts);
}

/*
 * The thread ends: those that push on it keep waiting, for nobody in particular. Somebody who took its last request
 * late may have made it a client again; from tp_dead on nobody can. Interrupts masked.
 */
void
turnstile_thread_exit(thread_t thread)
{
	struct thread_push *tp = &thread->push;
	struct pri_node *push;

	lck_spin_lock_nopreempt(&tp->tp_lock);
	tp->tp_dead = true;
	while (os_unlikely((push = pri_list_first(&tp->tp_pushes)) != NULL)) {
		thread_t waiter = turnstile_push_thread(push);

		pri_list_remove(&tp->tp_pushes, push);
		os_atomic_store(&waiter->push.tp_on, THREAD_NULL, relaxed);
		if (waiter->push.tp_rpc_push) {
			os_atomic_cmpxchg(&waiter->ipc.ith_worker, thread, THREAD_NULL, relaxed);
		}
	}
	tp->tp_promoted = -1;
	lck_spin_unlock_nopreempt(&tp->tp_lock);
	rpc_push_thread_dead(thread);
}

void
turnstile_thread_free(thread_t thread)
{
	assert(thread->push.tp_on == THREAD_NULL && thread->push.tp_turnstile == NULL);
	if (thread->push.tp_slot != NULL) {
		zfree(turnstile_slot_zone, thread->push.tp_slot);
		thread->push.tp_slot = NULL;
	}
}

/* --- by address --- */

/* Addresses collide within a bucket only in the look-up. A power of two. */
#define BUCKET_BITS 8

struct turnstile_bucket {
	lck_spin_t tb_lock;        /* LCK_RANK_TURNSTILE_BUCKET, interrupts masked */
	struct list_node tb_slots; /* in use; tb_lock */
} OS_CACHE_ALIGNED;

static struct turnstile_bucket buckets[1U << BUCKET_BITS];

void
turnstile_bootstrap(void)
{
	for (unsigned i = 0; i < os_countof(buckets); i++) {
		lck_spin_init(&buckets[i].tb_lock, &turnstile_bucket_class);
		list_init(&buckets[i].tb_slots);
	}
}

/* Fibonacci hashing, as in waitq.c. */
static struct turnstile_bucket *
bucket_of(uintptr_t space, uint64_t addr)
{
	uint64_t key = (space >> 6) ^ (addr >> 2);

	return &buckets[(key * 0x9e3779b97f4a7c15ULL) >> (64 - BUCKET_BITS)];
}

bool
turnstile_hash_reserve(void)
{
	thread_t self = current_thread();
	struct turnstile_slot *slot = self->push.tp_slot;

	if (slot == NULL) {
		slot = zalloc(turnstile_slot_zone);
		if (slot == NULL) {
			return false;
		}
		if (slot->tl_link.next == NULL) { /* its first use */
			list_init(&slot->tl_link);
			list_init(&slot->tl_spare);
			waitq_init_class(&slot->tl_waitq, &turnstile_slot_class);
		}
		self->push.tp_slot = slot;
	}
	return true;
}

struct turnstile_bucket *
turnstile_hash_lock(uintptr_t space, uint64_t addr, bool *interrupts)
{
	struct turnstile_bucket *bucket = bucket_of(space, addr);

	*interrupts = lck_spin_lock_irq(&bucket->tb_lock);
	return bucket;
}

void
turnstile_hash_unlock(struct turnstile_bucket *bucket, bool interrupts)
{
	lck_spin_unlock_irq(&bucket->tb_lock, interrupts);
}

static struct turnstile_slot *
slot_find_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr)
{
	list_foreach (link, &bucket->tb_slots) {
		struct turnstile_slot *slot = list_entry(link, struct turnstile_slot, tl_link);

		if (slot->tl_addr == addr && slot->tl_space == space) {
			return slot;
		}
	}
	return NULL;
}

/* The current thread lends its slot to the address; the slot in use. */
static struct turnstile_slot *
slot_lend_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr)
{
	thread_t self = current_thread();
	struct turnstile_slot *own = self->push.tp_slot, *slot = slot_find_locked(bucket, space, addr);

	assert(own != NULL);
	self->push.tp_slot = NULL;
	if (slot != NULL) {
		list_push_back(&slot->tl_spare, &own->tl_link);
		return slot;
	}
	own->tl_space = space;
	own->tl_addr = addr;
	list_push_back(&bucket->tb_slots, &own->tl_link);
	return own;
}

/* A thread that leaves gets a spare slot back; the last one, of as many as there are waiters, the one in use. */
static void
slot_return_locked(struct turnstile_slot *slot, thread_t thread)
{
	struct list_node *link = list_pop_front(&slot->tl_spare);

	if (link == NULL) {
		link = &slot->tl_link;
		list_remove(link);
	}
	thread->push.tp_slot = list_entry(link, struct turnstile_slot, tl_link);
}

void
turnstile_hash_wait_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    thread_t inheritor, wait_interrupt_t how, uint64_t deadline, struct turnstile_chain *chain)
{
	struct turnstile_slot *slot = slot_lend_locked(bucket, space, addr);

	lck_spin_lock_nopreempt(&slot->tl_waitq.wq_lock);
	turnstile_wait_prepare_locked(&slot->tl_waitq, inheritor, how, deadline, chain);
	current_thread()->push.tp_hashed = true;
	lck_spin_unlock_nopreempt(&slot->tl_waitq.wq_lock);
}

/* Like turnstile_claim_one_locked, one waiter at a time: each has a slot to get back before it may go. */
static thread_t
slot_claim_one_locked(struct turnstile_slot *slot, wait_result_t result, thread_t inheritor,
    struct turnstile_chain *chain) REQUIRES(slot->tl_waitq.wq_lock)
{
	thread_t thread;

	while ((thread = first_waiter_locked(&slot->tl_waitq)) != THREAD_NULL) {
		uint64_t cookie = thread->wait_queue_cookie;

		slot_return_locked(slot, thread);
		leave_locked(&slot->tl_waitq, thread, inheritor, chain);
		if (wait_claim(thread, cookie, result)) {
			return thread;
		}
	}
	return THREAD_NULL;
}

thread_t
turnstile_hash_claim_one_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    wait_result_t result, thread_t inheritor, struct turnstile_chain *chain)
{
	struct turnstile_slot *slot = slot_find_locked(bucket, space, addr);
	thread_t thread;

	if (slot == NULL) {
		return THREAD_NULL;
	}
	lck_spin_lock_nopreempt(&slot->tl_waitq.wq_lock);
	thread = slot_claim_one_locked(slot, result, inheritor, chain);
	lck_spin_unlock_nopreempt(&slot->tl_waitq.wq_lock);
	return thread;
}

bool
turnstile_hash_set_inheritor_locked(struct turnstile_bucket *bucket, uintptr_t space, uint64_t addr,
    thread_t inheritor, struct turnstile_chain *chain)
{
	struct turnstile_slot *slot = slot_find_locked(bucket, space, addr);

	if (slot == NULL) {
		return false;
	}
	lck_spin_lock_nopreempt(&slot->tl_waitq.wq_lock);
	turnstile_set_inheritor_locked(&slot->tl_waitq, inheritor, chain);
	lck_spin_unlock_nopreempt(&slot->tl_waitq.wq_lock);
	return true;
}

/* --- the end of a wait that the turnstile did not end --- */

/* Unless a waker was faster. The inheritor stays. */
static void
finish_locked(thread_t self, struct waitq *wq, struct turnstile_chain *chain) REQUIRES(wq->wq_lock)
{
	if (os_atomic_load(&self->waitq, relaxed) == wq) {
		leave_locked(wq, self, inheritor_locked(wq), chain);
	}
}

static void
finish_hashed(thread_t self, struct waitq *wq, struct turnstile_chain *chain) NO_THREAD_SAFETY
{
	/* Slots are type-stable. If self waits here no longer, the key may be of another use, and nothing is done. */
	struct turnstile_slot *slot = os_containerof(wq, struct turnstile_slot, tl_waitq);
	struct turnstile_bucket *bucket = bucket_of(slot->tl_space, slot->tl_addr);

	lck_spin_lock_nopreempt(&bucket->tb_lock);
	if (os_atomic_load(&self->waitq, relaxed) == wq) { /* then the bucket is the right one */
		lck_spin_lock_nopreempt(&wq->wq_lock);
		slot_return_locked(slot, self);
		finish_locked(self, wq, chain);
		lck_spin_unlock_nopreempt(&wq->wq_lock);
	}
	lck_spin_unlock_nopreempt(&bucket->tb_lock);
}

void
turnstile_finish(thread_t self, struct waitq *wq)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	bool interrupts = ml_set_interrupts_enabled(false);

	if (self->push.tp_hashed) {
		finish_hashed(self, wq, &chain);
	} else {
		lck_spin_lock_nopreempt(&wq->wq_lock);
		finish_locked(self, wq, &chain);
		lck_spin_unlock_nopreempt(&wq->wq_lock);
	}
	ml_set_interrupts_enabled(interrupts);
	turnstile_propagate(&chain);
}
