/*
 * Counting semaphores and their traps: <kern/semaphore.h> has the rules.
 *
 * A signal finds a waiter or raises the count; a wait lowers the count or joins the waiters: both under the
 * lock of the wait queue, which is all that a signal and a wait of one semaphore share: one lock an operation, so four
 * in a round trip of two threads that signal and wait each. A wait made by a trap
 * blocks in a continuation and holds no kernel stack. The combined trap gives the CPU straight to the thread
 * it wakes.
 */
#include <kern/semaphore.h>

#include <arm64/machine_routines.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_tt.h>
#include <kern/clock.h>
#include <kern/handoff.h>
#include <kern/mach_traps.h>
#include <kern/rpc_push.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/wait.h>
#include <kern/zalloc.h>
#include <mach/sync_policy.h>

static ZONE_DEFINE(semaphore_zone, "semaphores", sizeof(struct semaphore), ZC_TYPESTABLE);

/* --- life --- */

void
semaphore_reference(semaphore_t semaphore)
{
	uint32_t refs = os_atomic_inc_orig(&semaphore->ss_refs, relaxed);

	assert(refs > 0);
	(void)refs;
}

void
semaphore_dereference(semaphore_t semaphore)
{
	/* [S1] the release half orders each holder's last use before the acquire half of the last one. */
	if (os_atomic_dec(&semaphore->ss_refs, acq_rel) == 0) {
		assert(semaphore->ss_flags & SS_DEAD);
		zfree_smr(semaphore_zone, semaphore);
	}
}

kern_return_t
semaphore_create(task_t task, semaphore_t *out, int policy, int value)
{
	static const uint32_t flags_of_policy[] = {
		[SYNC_POLICY_FIFO] = 0,
		[SYNC_POLICY_FIXED_PRIORITY] = SS_BY_PRIORITY,
		[SYNC_POLICY_LIFO] = SS_NEWEST,
	};
	semaphore_t semaphore;

	if (task == TASK_NULL || value < 0 || policy < 0 || (unsigned)policy >= os_countof(flags_of_policy)) {
		return KERN_INVALID_ARGUMENT;
	}
	semaphore = zalloc_wait(semaphore_zone);
	if (semaphore == SEMAPHORE_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	waitq_init(&semaphore->ss_waitq);
	semaphore->ss_count = value;
	semaphore->ss_flags = flags_of_policy[policy] | (value == 1 ? SS_LOCK : 0);
	semaphore->ss_holder = THREAD_NULL;
	semaphore->ss_refs = 2; /* the owner's list and the caller */
	semaphore->ss_owner = task;
	semaphore->ss_port = IP_NULL;

	lck_mtx_lock(&task->lock);
	if (!task->active) {
		lck_mtx_unlock(&task->lock);
		zfree(semaphore_zone, semaphore);
		return KERN_INVALID_TASK;
	}
	list_push_back(&task->semaphores, &semaphore->ss_link);
	lck_mtx_unlock(&task->lock);
	*out = semaphore;
	return KERN_SUCCESS;
}

/* --- the holder of a semaphore used as a lock --- */

static thread_t
waiter_of(struct list_node *link)
{
	return list_entry(link, struct thread, wait_link);
}

/* `holder` has it now, and those that wait push on it; NULL: nobody. */
static void
set_holder_locked(semaphore_t semaphore, thread_t holder) REQUIRES(semaphore->ss_waitq.wq_lock)
{
	semaphore->ss_holder = holder;
	if (holder != THREAD_NULL) {
		semaphore->ss_holder_id = holder->thread_id;
		list_foreach (link, &semaphore->ss_waitq.wq_threads) {
			rpc_push_link(waiter_of(link), holder, false);
		}
	}
}

/* Is the thread that is said to hold it still there? */
static bool
holder_exists_locked(semaphore_t semaphore) REQUIRES(semaphore->ss_waitq.wq_lock)
{
	return semaphore->ss_holder != THREAD_NULL &&
	       os_atomic_load(&semaphore->ss_holder->thread_id, relaxed) == semaphore->ss_holder_id;
}

/* It is used as something else than a lock. */
static void
no_lock_locked(semaphore_t semaphore) REQUIRES(semaphore->ss_waitq.wq_lock)
{
	if (semaphore->ss_flags & SS_LOCK) {
		semaphore->ss_flags &= ~SS_LOCK;
		semaphore->ss_holder = THREAD_NULL;
		list_foreach (link, &semaphore->ss_waitq.wq_threads) {
			rpc_push_end(waiter_of(link));
		}
	}
}

/* Ends every wait; later uses fail. The caller has taken the semaphore off its owner's list. */
static void
semaphore_kill(semaphore_t semaphore)
{
	struct list_node claimed = LIST_HEAD_INIT(claimed);
	bool interrupts = lck_spin_lock_irq(&semaphore->ss_waitq.wq_lock);

	no_lock_locked(semaphore);
	semaphore->ss_flags |= SS_DEAD;
	waitq_claim_all_locked(&semaphore->ss_waitq, THREAD_RESTART, &claimed);
	lck_spin_unlock_irq(&semaphore->ss_waitq.wq_lock, interrupts);
	waitq_run_claimed(&claimed);

	/* IP_DEAD keeps a port from being made later; conversions that have begun hold references. */
	ipc_semaphore_disable(os_atomic_xchg(&semaphore->ss_port, IP_DEAD, acq_rel));
	semaphore_dereference(semaphore);
}

kern_return_t
semaphore_destroy(task_t task, semaphore_t semaphore)
{
	if (task == TASK_NULL || semaphore == SEMAPHORE_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&task->lock);
	if (semaphore->ss_owner != task) {
		bool destroyed = semaphore->ss_owner == TASK_NULL;

		lck_mtx_unlock(&task->lock);
		return destroyed ? KERN_TERMINATED : KERN_INVALID_RIGHT;
	}
	semaphore->ss_owner = TASK_NULL;
	list_remove(&semaphore->ss_link);
	lck_mtx_unlock(&task->lock);
	semaphore_kill(semaphore);
	return KERN_SUCCESS;
}

void
semaphore_destroy_all(task_t task)
{
	struct list_node *link;

	for (;;) {
		semaphore_t semaphore;

		lck_mtx_lock(&task->lock);
		link = list_pop_front(&task->semaphores);
		if (link == NULL) {
			lck_mtx_unlock(&task->lock);
			return;
		}
		semaphore = list_entry(link, struct semaphore, ss_link);
		semaphore->ss_owner = TASK_NULL;
		lck_mtx_unlock(&task->lock);
		semaphore_kill(semaphore);
	}
}

/* --- signal: the part under the lock --- */

/* The waiter whose turn it is, claimed; or none. */
OS_INLINE thread_t
semaphore_claim_waiter_locked(semaphore_t semaphore) REQUIRES(semaphore->ss_waitq.wq_lock)
{
	if (semaphore->ss_flags & SS_BY_PRIORITY) {
		return waitq_claim_highest_locked(&semaphore->ss_waitq, THREAD_AWAKENED);
	}
	if (semaphore->ss_flags & SS_NEWEST) {
		return waitq_claim_newest_locked(&semaphore->ss_waitq, THREAD_AWAKENED);
	}
	return waitq_claim_one_locked(&semaphore->ss_waitq, THREAD_AWAKENED);
}

/* The same for one that has a flag. False: it is dead. */
static OS_NOINLINE bool
semaphore_claim_special_locked(semaphore_t semaphore, thread_t *waiter) REQUIRES(semaphore->ss_waitq.wq_lock)
{
	if (semaphore->ss_flags & SS_DEAD) {
		return false;
	}
	if ((semaphore->ss_flags & SS_LOCK) && semaphore->ss_holder != current_thread()) {
		no_lock_locked(semaphore);
	}
	*waiter = semaphore_claim_waiter_locked(semaphore);
	if (semaphore->ss_flags & SS_LOCK) {
		if (*waiter != THREAD_NULL) {
			rpc_push_end(*waiter);
		}
		set_holder_locked(semaphore, *waiter);
	}
	return true;
}

/*
 * Signals; a waiter that this wakes comes back claimed, and the caller owes it thread_make_runnable() or the
 * CPU. Interrupts masked. KERN_FAILURE when the count is at its limit.
 */
OS_INLINE kern_return_t
semaphore_signal_claim(semaphore_t semaphore, thread_t *waiter)
{
	kern_return_t kr = KERN_SUCCESS;

	*waiter = THREAD_NULL;
	lck_spin_lock_nopreempt(&semaphore->ss_waitq.wq_lock);
	if (os_likely(semaphore->ss_flags == 0)) {
		*waiter = waitq_claim_one_locked(&semaphore->ss_waitq, THREAD_AWAKENED);
	} else if (!semaphore_claim_special_locked(semaphore, waiter)) {
		kr = KERN_TERMINATED;
		goto unlock;
	}
	if (*waiter == THREAD_NULL) {
		if (semaphore->ss_count == INT32_MAX) {
			kr = KERN_FAILURE;
		} else {
			semaphore->ss_count++;
		}
	}
unlock:
	lck_spin_unlock_nopreempt(&semaphore->ss_waitq.wq_lock);
	return kr;
}

kern_return_t
semaphore_signal(semaphore_t semaphore)
{
	bool interrupts;
	thread_t waiter;
	kern_return_t kr;

	if (semaphore == SEMAPHORE_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	interrupts = ml_set_interrupts_enabled(false);
	kr = semaphore_signal_claim(semaphore, &waiter);
	if (waiter != THREAD_NULL) {
		thread_make_runnable(waiter);
	}
	ml_set_interrupts_enabled(interrupts);
	return kr;
}

kern_return_t
semaphore_signal_all(semaphore_t semaphore)
{
	bool active;
	bool interrupts;
	struct list_node claimed = LIST_HEAD_INIT(claimed);

	if (semaphore == SEMAPHORE_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	interrupts = lck_spin_lock_irq(&semaphore->ss_waitq.wq_lock);
	active = !(semaphore->ss_flags & SS_DEAD);
	no_lock_locked(semaphore);
	waitq_claim_all_locked(&semaphore->ss_waitq, THREAD_AWAKENED, &claimed);
	lck_spin_unlock_irq(&semaphore->ss_waitq.wq_lock, interrupts);
	waitq_run_claimed(&claimed);
	return active ? KERN_SUCCESS : KERN_TERMINATED;
}

kern_return_t
semaphore_signal_thread(semaphore_t semaphore, thread_t thread)
{
	kern_return_t kr;
	bool interrupts;

	if (semaphore == SEMAPHORE_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	interrupts = lck_spin_lock_irq(&semaphore->ss_waitq.wq_lock);
	no_lock_locked(semaphore);
	if (thread == THREAD_NULL) {
		thread = waitq_claim_one_locked(&semaphore->ss_waitq, THREAD_AWAKENED);
		kr = thread != THREAD_NULL ? KERN_SUCCESS : KERN_NOT_WAITING;
	} else if (semaphore->ss_flags & SS_DEAD) {
		kr = KERN_TERMINATED;
	} else if (waitq_claim_thread_locked(&semaphore->ss_waitq, thread, THREAD_AWAKENED)) {
		kr = KERN_SUCCESS;
	} else {
		kr = KERN_NOT_WAITING;
	}
	lck_spin_unlock_irq(&semaphore->ss_waitq.wq_lock, interrupts);
	if (kr == KERN_SUCCESS) {
		thread_make_runnable(thread);
	}
	return kr;
}

/* --- wait --- */

static kern_return_t
semaphore_wait_result(wait_result_t wresult)
{
	rpc_push_replied(current_thread()); /* the signal has ended it; time-out and abort have not */
	switch (wresult) {
	case THREAD_AWAKENED:
		return KERN_SUCCESS;
	case THREAD_TIMED_OUT:
		return KERN_OPERATION_TIMED_OUT;
	case THREAD_INTERRUPTED:
		return KERN_ABORTED;
	default:
		return KERN_TERMINATED;
	}
}

/* What a wait is told when it must not sleep. */
#define SEMAPHORE_POLL UINT64_MAX

/* What follows, of one without flags. */
OS_INLINE bool
semaphore_wait_plain_locked(semaphore_t semaphore, uint64_t deadline, kern_return_t *kr)
    REQUIRES(semaphore->ss_waitq.wq_lock)
{
	if (semaphore->ss_count > 0) {
		semaphore->ss_count--;
		*kr = KERN_SUCCESS;
	} else if (deadline == SEMAPHORE_POLL) {
		*kr = KERN_OPERATION_TIMED_OUT;
	} else {
		waitq_wait_prepare_locked(&semaphore->ss_waitq, THREAD_ABORTSAFE, deadline);
		return false;
	}
	return true;
}

static OS_NOINLINE bool
semaphore_wait_special_locked(semaphore_t semaphore, uint64_t deadline, kern_return_t *kr)
    REQUIRES(semaphore->ss_waitq.wq_lock)
{
	thread_t self = current_thread();
	bool over;

	if (semaphore->ss_flags & SS_DEAD) {
		*kr = KERN_TERMINATED;
		return true;
	}
	over = semaphore_wait_plain_locked(semaphore, deadline, kr);
	if (semaphore->ss_flags & SS_LOCK) {
		if (!over && holder_exists_locked(semaphore)) {
			rpc_push_link(self, semaphore->ss_holder, false);
		} else if (over && *kr == KERN_SUCCESS) {
			set_holder_locked(semaphore, self);
		}
	}
	return over;
}

/*
 * True: the wait is over, with *kr. False: the caller is on the queue with its wait prepared and must block.
 * Interrupts masked.
 */
OS_INLINE bool
semaphore_wait_begin(semaphore_t semaphore, uint64_t deadline, kern_return_t *kr)
{
	bool over;

	lck_spin_lock_nopreempt(&semaphore->ss_waitq.wq_lock);
	if (os_likely(semaphore->ss_flags == 0)) {
		over = semaphore_wait_plain_locked(semaphore, deadline, kr);
	} else {
		over = semaphore_wait_special_locked(semaphore, deadline, kr);
	}
	lck_spin_unlock_nopreempt(&semaphore->ss_waitq.wq_lock);
	return over;
}

kern_return_t
semaphore_wait_deadline(semaphore_t semaphore, uint64_t deadline)
{
	bool interrupts, over;
	kern_return_t kr;

	if (semaphore == SEMAPHORE_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	interrupts = ml_set_interrupts_enabled(false);
	over = semaphore_wait_begin(semaphore, deadline, &kr);
	ml_set_interrupts_enabled(interrupts);
	return over ? kr : semaphore_wait_result(thread_block(THREAD_CONTINUE_NULL));
}

/* Seconds and nanoseconds from now; zero for both is a poll. KERN_INVALID_VALUE for a bad fraction. */
static kern_return_t
semaphore_deadline(uint32_t sec, clock_res_t nsec, uint64_t *deadline)
{
	if (nsec < 0 || (uint64_t)nsec >= NSEC_PER_SEC) {
		return KERN_INVALID_VALUE;
	}
	*deadline = sec == 0 && nsec == 0
			? SEMAPHORE_POLL
			: clock_interval_to_deadline_ns((uint64_t)sec * NSEC_PER_SEC + (uint64_t)nsec);
	return KERN_SUCCESS;
}

kern_return_t
semaphore_wait(semaphore_t semaphore)
{
	return semaphore_wait_deadline(semaphore, 0);
}

kern_return_t
semaphore_timedwait(semaphore_t semaphore, mach_timespec_t time)
{
	uint64_t deadline;
	kern_return_t kr = semaphore_deadline(time.tv_sec, time.tv_nsec, &deadline);

	return kr == KERN_SUCCESS ? semaphore_wait_deadline(semaphore, deadline) : kr;
}

/* One is signalled, the other waited for; if the signal fails nothing is waited for. */
static kern_return_t
semaphore_wait_signal_until(semaphore_t wait, semaphore_t signal, uint64_t deadline)
{
	thread_t waiter = THREAD_NULL;
	bool interrupts = ml_set_interrupts_enabled(false), over = true;
	kern_return_t kr = semaphore_signal_claim(signal, &waiter);

	if (kr == KERN_SUCCESS) {
		over = semaphore_wait_begin(wait, deadline, &kr);
	}
	if (waiter != THREAD_NULL) {
		thread_make_runnable_masked(waiter);
	}
	ml_set_interrupts_enabled(interrupts);
	return over ? kr : semaphore_wait_result(thread_block(THREAD_CONTINUE_NULL));
}

kern_return_t
semaphore_wait_signal(semaphore_t wait, semaphore_t signal)
{
	return semaphore_wait_signal_until(wait, signal, 0);
}

kern_return_t
semaphore_timedwait_signal(semaphore_t wait, semaphore_t signal, mach_timespec_t time)
{
	uint64_t deadline;
	kern_return_t kr = semaphore_deadline(time.tv_sec, time.tv_nsec, &deadline);

	return kr == KERN_SUCCESS ? semaphore_wait_signal_until(wait, signal, deadline) : kr;
}

/* --- traps; all enter with interrupts masked --- */

static void
semaphore_wait_continue(void *param, wait_result_t wresult)
{
	(void)param;
	thread_syscall_return(semaphore_wait_result(wresult));
}

OS_INLINE kern_return_t
semaphore_wait_trap_deadline(mach_port_name_t name, uint64_t deadline)
{
	semaphore_t semaphore;
	kern_return_t kr = KERN_INVALID_NAME;
	bool over = true;

	smr_enter_outermost(PERCPU_GET(percpu_smr));
	semaphore = ipc_semaphore_lookup(name);
	if (os_likely(semaphore != SEMAPHORE_NULL)) {
		thread_set_continuation(current_thread(), semaphore_wait_continue, NULL);
		over = semaphore_wait_begin(semaphore, deadline, &kr);
	}
	smr_leave_outermost(PERCPU_GET(percpu_smr));
	if (!over) {
		thread_block_prepared();
	}
	return kr;
}

kern_return_t
semaphore_wait_trap(mach_port_name_t wait_name)
{
	return semaphore_wait_trap_deadline(wait_name, 0);
}

kern_return_t
semaphore_timedwait_trap(mach_port_name_t wait_name, uint32_t sec, clock_res_t nsec)
{
	uint64_t deadline;
	kern_return_t kr = semaphore_deadline(sec, nsec, &deadline);

	return kr == KERN_SUCCESS ? semaphore_wait_trap_deadline(wait_name, deadline) : kr;
}

/*
 * A claimed waiter that waits in the trap and is off its CPU (else it may still be storing its continuation)
 * has nothing left to do in the kernel: its result is known here.
 */
OS_INLINE void
semaphore_complete(thread_t waiter)
{
	if (os_likely(os_atomic_load(&waiter->on_cpu, acquire) == 0 &&
		      waiter->continuation == semaphore_wait_continue)) {
		thread_complete_syscall(waiter, KERN_SUCCESS);
	}
}

kern_return_t
semaphore_signal_trap(mach_port_name_t signal_name)
{
	semaphore_t semaphore;
	thread_t waiter = THREAD_NULL;
	kern_return_t kr = KERN_INVALID_NAME;

	smr_enter_outermost(PERCPU_GET(percpu_smr));
	semaphore = ipc_semaphore_lookup(signal_name);
	if (os_likely(semaphore != SEMAPHORE_NULL)) {
		kr = semaphore_signal_claim(semaphore, &waiter);
	}
	smr_leave_outermost(PERCPU_GET(percpu_smr));
	if (waiter != THREAD_NULL) {
		semaphore_complete(waiter);
		thread_make_runnable_masked(waiter);
	}
	return kr;
}

kern_return_t
semaphore_signal_all_trap(mach_port_name_t signal_name)
{
	semaphore_t semaphore;
	kern_return_t kr = KERN_INVALID_NAME;

	smr_enter_nopreempt();
	semaphore = ipc_semaphore_lookup(signal_name);
	if (semaphore != SEMAPHORE_NULL) {
		kr = semaphore_signal_all(semaphore);
	}
	smr_leave_nopreempt();
	return kr;
}

kern_return_t
semaphore_signal_thread_trap(mach_port_name_t signal_name, mach_port_name_t thread_name)
{
	thread_t thread = THREAD_NULL;
	semaphore_t semaphore;
	kern_return_t kr = KERN_INVALID_NAME;

	if (thread_name != MACH_PORT_NULL) {
		thread = port_name_to_thread(thread_name);
		if (thread == THREAD_NULL) {
			return KERN_INVALID_ARGUMENT;
		}
	}
	smr_enter();
	semaphore = ipc_semaphore_lookup(signal_name);
	if (semaphore != SEMAPHORE_NULL) {
		kr = semaphore_signal_thread(semaphore, thread);
	}
	smr_leave();
	if (thread != THREAD_NULL) {
		thread_deallocate(thread);
	}
	return kr;
}

/*
 * Both semaphores are found before either is touched. The wait is prepared first: from then on its end may
 * be claimed by anybody, and the thread must pass through the switch, which it does on either branch.
 */
static kern_return_t
semaphore_wait_signal_deadline(mach_port_name_t wait_name, mach_port_name_t signal_name, uint64_t deadline)
{
	semaphore_t wait, signal;
	thread_t self = current_thread(), waiter = THREAD_NULL;
	kern_return_t kr = KERN_INVALID_NAME;
	bool over = true;

	smr_enter_outermost(PERCPU_GET(percpu_smr));
	wait = ipc_semaphore_lookup(wait_name);
	signal = ipc_semaphore_lookup(signal_name);
	if (wait != SEMAPHORE_NULL && signal != SEMAPHORE_NULL) {
		thread_set_continuation(self, semaphore_wait_continue, NULL);
		kr = semaphore_signal_claim(signal, &waiter);
		if (kr == KERN_SUCCESS) {
			over = semaphore_wait_begin(wait, deadline, &kr);
		}
	}
	smr_leave_outermost(PERCPU_GET(percpu_smr));
	if (waiter != THREAD_NULL) {
		semaphore_complete(waiter);
		if (!over && thread_handoff_ok(self, waiter)) {
			thread_handoff_user(waiter);
		}
		thread_make_runnable_masked(waiter);
	}
	if (!over) {
		thread_block_prepared();
	}
	return kr;
}

kern_return_t
semaphore_wait_signal_trap(mach_port_name_t wait_name, mach_port_name_t signal_name)
{
	return semaphore_wait_signal_deadline(wait_name, signal_name, 0);
}

kern_return_t
semaphore_timedwait_signal_trap(
    mach_port_name_t wait_name, mach_port_name_t signal_name, uint32_t sec, clock_res_t nsec)
{
	uint64_t deadline;
	kern_return_t kr = semaphore_deadline(sec, nsec, &deadline);

	return kr == KERN_SUCCESS ? semaphore_wait_signal_deadline(wait_name, signal_name, deadline) : kr;
}
