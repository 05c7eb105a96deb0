/*
 * ulock_wait and ulock_wake.
 *
 * A word of memory that threads wait for is a struct ulock in a bucket of a fixed hash table. A waiter is a structure
 * on the sleeping thread's kernel stack, on the ulock's list in order of arrival. The bucket's lock makes "compare the
 * word, then sleep" one step against "change the word, then wake": the word is read under it, with a load that must
 * not fault; if it would, the lock is dropped, the page is made present and everything starts over. [U1] So a waker,
 * which takes the lock after its change, either finds the waiter or was seen by the comparison.
 *
 * Nothing is allocated while a bucket is locked. Each thread owns one struct ulock from its first wait on. The thread
 * that comes to a word first puts its own into the bucket; who comes later lends its own to that one's spares; who
 * leaves takes any of the spares, and the last takes the one in the bucket. So there are always as many as threads
 * that came and have not left, ul_refs, and the bucket holds words, not waiters.
 *
 * Waking is a claim of the wait protocol. The waker takes the waiter off the list, under the lock, before it makes the
 * thread runnable; a thread that was ended otherwise takes itself off. Nobody touches the structure after either.
 *
 * [U2] Between the two the waker also takes a struct ulock back for the thread, whose uu_ulock is the waker's to write as
 * long as the thread is claimed and not yet runnable. So who was woken does not need the lock again. Else all that are
 * woken at once would meet at it with their waker, and where the machine stops CPUs now and then, an emulator with fewer
 * cores, each would wait until all others have had a turn of the host's.
 *
 * Words are told apart by address space and address; those of the shared kinds by memory object and offset, so that
 * tasks which map the same memory meet.
 *
 * The owner of an unfair lock is named by the word itself; waiters who name none that lives get EOWNERDEAD. They wait in
 * order of priority on a turnstile, which pushes on the owner that the last of them named, and after a wake-up on the
 * thread that was woken: it will take the lock, or come back and name who has.
 *
 * Locks: the bucket's, then the turnstile's interlock.
 */
#include <bsd/kern/cancel.h>
#include <bsd/kern/ulock.h>

#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/turnstile.h>
#include <kern/wait.h>
#include <kern/zalloc.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <sys/ulock.h>
#include <vm/vm_map.h>

#define ULOCK_BUCKETS 512U /* power of two; 32 KiB: with 10,000 threads asleep 20 words in each */

/* Which word. uk_space is a map, or twice an object's id and 1; uk_where an address in it, or an offset. */
struct ulock_key {
	uint64_t uk_space;
	uint64_t uk_where;
};

/* (b) the bucket's lock */
struct ulock {
	struct list_node ul_link;    /* (b) in the bucket, or among the spares of another */
	struct list_node ul_waiters; /* (b) ulock_waiter.uw_link; not of unfair locks */
	struct waitq ul_turnstile;   /* whoever waits for an unfair lock */
	struct list_node ul_spares;  /* (b) lent by those that came later */
	struct ulock_key ul_key;     /* (b) */
	uint32_t ul_refs;            /* (b) threads that have lent one and not taken it back */
	uint32_t ul_count;           /* (b) of them, those that wait and are not claimed by a waker */
	uint32_t ul_opcode;          /* (b) what they wait with */
};

struct ulock_waiter {
	struct list_node uw_link; /* (b) unlinked: claimed by a waker */
	thread_t uw_thread;
	uint64_t uw_cookie;
	uint32_t uw_others; /* [U2] how many waited still */
};

struct ulock_bucket {
	lck_spin_t ub_lock;
	struct list_node ub_ulocks;
} OS_CACHE_ALIGNED;

LCK_CLASS_DECLARE(ulock_class, "ulock bucket", LCK_RANK_IPC_MISC);
ZONE_DEFINE(ulock_zone, "ulocks", sizeof(struct ulock), ZC_TYPESTABLE);
static struct ulock_bucket ulock_buckets[ULOCK_BUCKETS];

void
ulock_init(void)
{
	for (unsigned i = 0; i < ULOCK_BUCKETS; i++) {
		lck_spin_init(&ulock_buckets[i].ub_lock, &ulock_class);
		list_init(&ulock_buckets[i].ub_ulocks);
	}
}

void
ulock_thread_exit(struct uthread *uth)
{
	if (uth->uu_ulock != NULL) {
		waitq_destroy(&uth->uu_ulock->ul_turnstile);
		zfree(ulock_zone, uth->uu_ulock);
	}
}

static struct ulock_bucket *
ulock_bucket(const struct ulock_key *key)
{
	uint64_t hash = ((key->uk_space >> 4) ^ (key->uk_where >> 2)) * 0x9e3779b97f4a7c15ULL;

	return &ulock_buckets[hash >> 55 & (ULOCK_BUCKETS - 1)];
}

static bool
ulock_is_64(uint32_t opcode)
{
	return opcode == UL_COMPARE_AND_WAIT64 || opcode == UL_COMPARE_AND_WAIT64_SHARED ||
	       opcode == UL_UNFAIR_LOCK64_SHARED;
}

static bool
ulock_is_shared(uint32_t opcode)
{
	return opcode == UL_COMPARE_AND_WAIT_SHARED || opcode == UL_COMPARE_AND_WAIT64_SHARED ||
	       opcode == UL_UNFAIR_LOCK64_SHARED;
}

static bool
ulock_has_owner(uint32_t opcode)
{
	return opcode == UL_UNFAIR_LOCK || opcode == UL_UNFAIR_LOCK64_SHARED;
}

static bool
ulock_opcode_ok(uint32_t opcode)
{
	return opcode >= UL_COMPARE_AND_WAIT && opcode <= UL_COMPARE_AND_WAIT64_SHARED;
}

/* 0, or EFAULT: a word of a shared kind in memory that nobody has touched yet, or where nothing is mapped. */
static int
ulock_key_make(vm_map_t map, user_addr_t addr, uint32_t opcode, struct ulock_key *key)
{
	uint64_t object_id, offset;

	*key = (struct ulock_key){ (uintptr_t)map, addr };
	if (!ulock_is_shared(opcode)) {
		return 0;
	}
	if (vm_map_find_object(map, addr, &object_id, &offset) != KERN_SUCCESS) {
		return EFAULT;
	}
	*key = (struct ulock_key){ object_id << 1 | 1, offset };
	return 0;
}

static bool
ulock_read_nofault(user_addr_t addr, bool wide, uint64_t *value)
{
	uint32_t word;

	if (wide) {
		return copyin_nofault_u64(addr, value);
	}
	if (!copyin_nofault_u32(addr, &word)) {
		return false;
	}
	*value = word;
	return true;
}

/* Makes the word's page present. EFAULT if it cannot be. */
static int
ulock_fault_in(user_addr_t addr)
{
	uint32_t word;

	return copyin(addr, &word, sizeof(word));
}

/* ---- Words that are waited for; the bucket is locked ---- */

static struct ulock *
ulock_find_locked(struct ulock_bucket *bucket, const struct ulock_key *key)
{
	list_foreach (n, &bucket->ub_ulocks) {
		struct ulock *ul = list_entry(n, struct ulock, ul_link);

		if (ul->ul_key.uk_where == key->uk_where && ul->ul_key.uk_space == key->uk_space) {
			return ul;
		}
	}
	return NULL;
}

/* The word's structure: `ul`, with the caller's own lent to it, or if that is NULL the caller's. */
static struct ulock *
ulock_lend_locked(
    struct ulock_bucket *bucket, const struct ulock_key *key, struct ulock *ul, struct uthread *uth)
{
	struct ulock *own = uth->uu_ulock;

	uth->uu_ulock = NULL;
	if (ul != NULL) {
		list_push_back(&ul->ul_spares, &own->ul_link);
		ul->ul_refs++;
		return ul;
	}
	own->ul_key = *key;
	own->ul_refs = 1;
	own->ul_count = 0;
	list_init(&own->ul_waiters);
	list_init(&own->ul_spares);
	list_push_back(&bucket->ub_ulocks, &own->ul_link);
	return own;
}

/* True: it was the last, and `ul` is the thread's. */
static bool
ulock_take_back_locked(struct ulock *ul, struct uthread *uth)
{
	struct ulock *mine = ul;
	bool last = --ul->ul_refs == 0;

	assert(uth->uu_ulock == NULL);
	if (!last) {
		assert(!list_empty(&ul->ul_spares));
		mine = list_entry(ul->ul_spares.next, struct ulock, ul_link);
	}
	list_remove(&mine->ul_link);
	uth->uu_ulock = mine;
	return last;
}

/* ---- Waiting ---- */

struct ulock_wait_args {
	uint32_t opcode;
	user_addr_t addr;
	uint64_t expected;
	uint64_t deadline; /* absolute time, 0: none */
	thread_t owner;    /* of an unfair lock, with a reference */
};

enum ulock_step { ULOCK_SLEEP, ULOCK_CHANGED, ULOCK_FAULT, ULOCK_MISMATCH };

/* Onto the queue, with the wait prepared. */
static void
ulock_join_locked(struct ulock *ul, struct ulock_waiter *w, const struct ulock_wait_args *args,
    struct turnstile_chain *chain)
{
	struct waitq *turnstile = &ul->ul_turnstile;
	bool interrupts;

	ul->ul_opcode = args->opcode;
	ul->ul_count++;
	if (args->owner != THREAD_NULL) {
		interrupts = lck_spin_lock_irq(&turnstile->wq_lock);
		turnstile_wait_prepare_locked(
		    turnstile, args->owner, THREAD_ABORTSAFE, args->deadline, chain);
		lck_spin_unlock_irq(&turnstile->wq_lock, interrupts);
		return;
	}
	wait_prepare(w->uw_thread, THREAD_ABORTSAFE, args->deadline);
	w->uw_cookie = wait_cookie(w->uw_thread);
	list_push_back(&ul->ul_waiters, &w->uw_link);
}

/* Compares, and if equal joins those that wait. */
static enum ulock_step
ulock_enqueue(struct ulock_bucket *bucket, const struct ulock_key *key, struct ulock_waiter *w,
    const struct ulock_wait_args *args, struct ulock **ulp)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	enum ulock_step step = ULOCK_SLEEP;
	struct ulock *ul;
	uint64_t value;

	lck_spin_lock(&bucket->ub_lock);
	ul = ulock_find_locked(bucket, key);
	if (!ulock_read_nofault(args->addr, ulock_is_64(args->opcode), &value)) { /* [U1] */
		step = ULOCK_FAULT;
	} else if (value != args->expected) {
		step = ULOCK_CHANGED;
	} else if (ul != NULL && ul->ul_count != 0 && ul->ul_opcode != args->opcode) {
		step = ULOCK_MISMATCH;
	} else {
		*ulp = ulock_lend_locked(bucket, key, ul, current_uthread());
		ulock_join_locked(*ulp, w, args, &chain);
	}
	lck_spin_unlock(&bucket->ub_lock);
	turnstile_propagate(&chain);
	return step;
}

/* Of a waiter that no waker has done with, or that had an owner to wait for. */
static void
ulock_leave(struct ulock_bucket *bucket, struct ulock *ul, struct ulock_waiter *w, bool claimed)
{
	lck_spin_lock(&bucket->ub_lock);
	if (!claimed) {
		list_remove(&w->uw_link);
		ul->ul_count--;
	}
	w->uw_others = ul->ul_count;
	(void)ulock_take_back_locked(ul, current_uthread());
	lck_spin_unlock(&bucket->ub_lock);
}

/* Sleeps; *others is how many wait for the word still. */
static int
ulock_sleep(struct ulock_bucket *bucket, struct ulock *ul, struct ulock_waiter *w, uint32_t *others)
{
	wait_result_t result = thread_block(THREAD_CONTINUE_NULL);

	if (current_uthread()->uu_ulock == NULL) { /* [U2] */
		ulock_leave(bucket, ul, w, result == THREAD_AWAKENED);
	}
	*others = w->uw_others;
	switch (result) {
	case THREAD_TIMED_OUT:
		return ETIMEDOUT;
	case THREAD_INTERRUPTED:
		return EINTR;
	default:
		return 0;
	}
}

/* The thread that the value of an unfair lock names, with a reference. The name's low two bits are the lock's. */
static thread_t
ulock_owner(uint64_t value)
{
	thread_t owner = port_name_to_thread((mach_port_name_t)value | 3);

	if (owner != THREAD_NULL && !owner->active) {
		thread_deallocate(owner);
		owner = THREAD_NULL;
	}
	return owner;
}

static int
ulock_wait_on(const struct ulock_wait_args *args, uint32_t *others)
{
	struct ulock_waiter w = { .uw_thread = current_thread() };
	struct ulock_bucket *bucket = NULL;
	struct ulock *ul = NULL;
	struct ulock_key key;
	int error;

	list_init(&w.uw_link);
	for (;;) {
		enum ulock_step step = ULOCK_FAULT;

		if (ulock_key_make(current_task()->map, args->addr, args->opcode, &key) == 0) {
			bucket = ulock_bucket(&key);
			step = ulock_enqueue(bucket, &key, &w, args, &ul);
		}
		switch (step) {
		case ULOCK_SLEEP:
			return ulock_sleep(bucket, ul, &w, others);
		case ULOCK_CHANGED:
			return 0;
		case ULOCK_MISMATCH:
			return EDOM;
		case ULOCK_FAULT:
			error = ulock_fault_in(args->addr);
			if (error != 0) {
				return error;
			}
			break;
		}
	}
}

/* Of the own, to lend. Freed with the thread. */
static int
ulock_ensure_own(struct uthread *uth)
{
	if (os_unlikely(uth->uu_ulock == NULL)) {
		uth->uu_ulock = zalloc_wait(ulock_zone);
		if (uth->uu_ulock == NULL) {
			return ENOMEM;
		}
		list_init(&uth->uu_ulock->ul_link);
		waitq_init(&uth->uu_ulock->ul_turnstile);
	}
	return 0;
}

static int
ulock_wait(uint32_t operation, user_addr_t addr, uint64_t value, uint64_t deadline, uint32_t *others)
{
	struct ulock_wait_args args = {
		.opcode = operation & UL_OPCODE_MASK, .addr = addr, .expected = value, .deadline = deadline
	};
	bool wide = ulock_is_64(args.opcode);
	int error;

	*others = 0;
	if (!ulock_opcode_ok(args.opcode) || addr == 0 || !os_is_aligned(addr, wide ? 8 : 4) ||
	    (operation & UL_FLAGS_MASK & ~ULF_WAIT_MASK) != 0) {
		return EINVAL;
	}
	if (!wide) {
		args.expected = (uint32_t)value;
	}
	if ((operation & ULF_WAIT_CANCEL_POINT) != 0 && cancel_requested()) {
		return EINTR;
	}
	error = ulock_ensure_own(current_uthread());
	if (error != 0) {
		return error;
	}
	if (!ulock_has_owner(args.opcode)) {
		return ulock_wait_on(&args, others);
	}
	args.owner = ulock_owner(value);
	if (args.owner == THREAD_NULL) {
		return EOWNERDEAD;
	}
	error = ulock_wait_on(&args, others);
	thread_deallocate(args.owner);
	return error;
}

/* ---- Waking ---- */

/*
 * Wakes up to `limit` sleepers, only `chosen` if that is not NULL; how many it woke. After the
 * last, `ul` is that one's.
 */
static unsigned
ulock_wake_locked(struct ulock *ul, thread_t chosen, unsigned limit)
{
	unsigned woken = 0;

	list_foreach_safe(n, &ul->ul_waiters)
	{
		struct ulock_waiter *w = list_entry(n, struct ulock_waiter, uw_link);
		thread_t thread = w->uw_thread;

		if (woken == limit) {
			break;
		}
		if ((chosen == THREAD_NULL || thread == chosen) &&
		    wait_claim(thread, w->uw_cookie, THREAD_AWAKENED)) {
			bool last;

			list_remove(&w->uw_link);
			w->uw_others = --ul->ul_count;
			last = ulock_take_back_locked(ul, thread->uthread); /* [U2] */
			thread_make_runnable(thread);
			woken++;
			if (last) {
				break;
			}
		}
	}
	return woken;
}

/* The same for an unfair lock; who is woken is helped by those that wait still. */
static unsigned
ulock_wake_unfair_locked(struct ulock *ul, unsigned limit, struct turnstile_chain *chain)
{
	struct waitq *turnstile = &ul->ul_turnstile;
	unsigned woken = 0;

	while (woken < limit) {
		bool interrupts = lck_spin_lock_irq(&turnstile->wq_lock);
		thread_t thread = turnstile_claim_one_locked(turnstile, THREAD_AWAKENED, THREAD_NULL, chain);

		if (thread != THREAD_NULL && limit == 1) {
			turnstile_set_inheritor_locked(turnstile, thread, chain);
		}
		lck_spin_unlock_irq(&turnstile->wq_lock, interrupts);
		if (thread == THREAD_NULL) {
			break;
		}
		ul->ul_count--;
		thread_make_runnable(thread);
		woken++;
	}
	return woken;
}

/* ENOENT: nobody waits; EDOM: they wait with another opcode; EALREADY: `chosen` does not. */
static int
ulock_wake(const struct ulock_key *key, uint32_t opcode, thread_t chosen, unsigned limit)
{
	struct turnstile_chain chain = TURNSTILE_CHAIN_INIT;
	struct ulock_bucket *bucket = ulock_bucket(key);
	struct ulock *ul;
	unsigned woken;
	int error = 0;

	lck_spin_lock(&bucket->ub_lock);
	ul = ulock_find_locked(bucket, key);
	if (ul == NULL || ul->ul_count == 0) {
		error = ENOENT;
	} else if (ul->ul_opcode != opcode) {
		error = EDOM;
	} else {
		woken = ulock_has_owner(opcode) ? ulock_wake_unfair_locked(ul, limit, &chain)
						: ulock_wake_locked(ul, chosen, limit);
		error = woken != 0 ? 0 : chosen != THREAD_NULL ? EALREADY : ENOENT;
	}
	lck_spin_unlock(&bucket->ub_lock);
	turnstile_propagate(&chain);
	return error;
}

void
ulock_wake_all(vm_map_t map, user_addr_t addr)
{
	const struct ulock_key key = { (uintptr_t)map, addr };

	(void)ulock_wake(&key, UL_COMPARE_AND_WAIT, THREAD_NULL, UINT32_MAX);
}

static bool
ulock_wake_args_ok(uint32_t opcode, uint32_t flags, user_addr_t addr)
{
	bool owned = ulock_has_owner(opcode);

	return ulock_opcode_ok(opcode) && addr != 0 && os_is_aligned(addr, ulock_is_64(opcode) ? 8 : 4) &&
	       (flags & ~ULF_WAKE_MASK) == 0 &&
	       !((flags & ULF_WAKE_THREAD) != 0 && ((flags & ULF_WAKE_ALL) != 0 || owned)) &&
	       !((flags & ULF_WAKE_ALLOW_NON_OWNER) != 0 && !owned);
}

static int
ulock_wake_call(uint32_t opcode, uint32_t flags, user_addr_t addr, uint64_t wake_value)
{
	unsigned limit = (flags & ULF_WAKE_ALL) != 0 ? UINT32_MAX : 1;
	thread_t chosen = THREAD_NULL;
	struct ulock_key key;
	int error;

	if (!ulock_wake_args_ok(opcode, flags, addr)) {
		return EINVAL;
	}
	if (ulock_key_make(current_task()->map, addr, opcode, &key) != 0) {
		return ENOENT; /* nobody can have waited there */
	}
	if ((flags & ULF_WAKE_THREAD) == 0) {
		return ulock_wake(&key, opcode, THREAD_NULL, limit);
	}
	chosen = port_name_to_thread((mach_port_name_t)wake_value);
	if (chosen == THREAD_NULL) {
		return ESRCH;
	}
	error = ulock_wake(&key, opcode, chosen, limit);
	thread_deallocate(chosen);
	return error;
}

/* ---- Calls ---- */

/* ULF_NO_ERRNO: a negative errno as the value, and no carry. */
static sysret_t
ulock_result(uint32_t operation, int error, uint32_t value)
{
	if (error == 0) {
		return (sysret_t){ .value = value };
	}
	if ((operation & ULF_NO_ERRNO) != 0) {
		return (sysret_t){ .value = -error };
	}
	return (sysret_t){ .error = error };
}

/* Time-out in us. The result is how many others wait still. */
sysret_t
sys_ulock_wait(uint32_t operation, user_addr_t addr, uint64_t value, uint32_t timeout)
{
	uint64_t deadline = timeout != 0 ? clock_interval_to_deadline_ns(timeout * NSEC_PER_USEC) : 0;
	uint32_t others;
	int error = ulock_wait(operation, addr, value, deadline, &others);

	return ulock_result(operation, error, others);
}

/* Time-out in ns, or with ULF_DEADLINE an absolute time. */
sysret_t
sys_ulock_wait2(uint32_t operation, user_addr_t addr, uint64_t value, uint64_t timeout, uint64_t value2)
{
	uint64_t deadline = timeout;
	uint32_t others;
	int error;

	if (timeout != 0 && (operation & ULF_DEADLINE) == 0) {
		deadline = clock_interval_to_deadline_ns(timeout);
	}
	error = ulock_wait(operation, addr, value, deadline, &others);
	return ulock_result(operation, error, others);
}

sysret_t
sys_ulock_wake(uint32_t operation, user_addr_t addr, uint64_t wake_value)
{
	int error = ulock_wake_call(operation & UL_OPCODE_MASK, operation & UL_FLAGS_MASK, addr, wake_value);

	return ulock_result(operation, error, 0);
}
