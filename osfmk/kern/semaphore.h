/*
 * Counting semaphores: the kernel objects behind semaphore ports.
 *
 * A semaphore is type-stable memory found by name under SMR (ipc/), so the traps take no reference: inside
 * the SMR section the object may die but not become anything else, and ss_active tells. A thread that has
 * gone to sleep does not touch the semaphore again; destruction wakes it with THREAD_RESTART.
 *
 * Lock: the lock of ss_waitq, LCK_RANK_WAITQ, interrupts masked, guards the count as well.
 *
 * Priority. Whoever waits for a semaphore waits for the next signal, and in general nobody knows who will make it: a
 * semaphore has no owner. One use has: as a lock, wait and signal by the same thread. So a semaphore that was
 * created with the value 1 is taken for a lock (SS_LOCK) as long as it is used like one, and then its holder, the thread
 * whose wait last succeeded and that has not signalled since, runs at no less than the priority of those that
 * wait, like the worker of an RPC (<kern/rpc_push.h>; a waiter's push goes through chains of both). The first signal by
 * another thread than the holder, signal_all or signal_thread shows that it is something else; it is never taken
 * for a lock again. Semaphores with other initial values, for which no such guess can be made, donate nothing, and pay
 * nothing. A holder that ends without a signal leaves nobody to push on. A signal moves every waiter's push to the
 * next holder: time by the number of waiters, on locks that are fought for.
 */
#pragma once

#include <kern/waitq.h>
#include <mach/clock_types.h>
#include <mach/kern_return.h>
#include <mach/port.h>

struct semaphore {
	struct waitq ss_waitq;
	int32_t ss_count;         /* > 0: waits that will not block; guarded by ss_waitq.wq_lock */
	uint32_t ss_flags;        /* SS_*; guarded by ss_waitq.wq_lock */
	uint32_t ss_refs;         /* atomic: 1 for the owning task's list, 1 for each user */
	task_t ss_owner;          /* NULL once destroyed; guarded by the owner's task lock */
	struct list_node ss_link; /* on the owner's task.semaphores; guarded by the owner's task lock */
	struct ipc_port *ss_port; /* made on first use, by ipc; IP_DEAD once destroyed; atomic */
	thread_t ss_holder;       /* with SS_LOCK; NULL: nobody; guarded by ss_waitq.wq_lock */
	uint64_t ss_holder_id;    /* its thread_id: it may be gone */
};

#define SS_DEAD        0x1U /* destroyed */
#define SS_BY_PRIORITY 0x2U /* wakes the waiter of the highest priority, not the oldest; constant */
#define SS_LOCK        0x4U /* used as a lock so far */
#define SS_NEWEST      0x8U /* wakes the newest waiter; constant */

/* MIG routines: 3418, 3419 and the 617200 family. The semaphore comes back with a reference. */
kern_return_t semaphore_create(task_t task, semaphore_t *semaphore, int policy, int value);
/* Ends all waits with KERN_TERMINATED. `task` must be the owner. Consumes no reference. */
kern_return_t semaphore_destroy(task_t task, semaphore_t semaphore);

kern_return_t semaphore_signal(semaphore_t semaphore);
kern_return_t semaphore_signal_all(semaphore_t semaphore);
/* thread NULL: any waiter. KERN_NOT_WAITING when it does not wait here; the count never changes. */
kern_return_t semaphore_signal_thread(semaphore_t semaphore, thread_t thread);
/* May block. deadline: absolute time, 0 none. */
kern_return_t semaphore_wait_deadline(semaphore_t semaphore, uint64_t deadline);
kern_return_t semaphore_wait(semaphore_t semaphore);
/* From now; zero is a poll. */
kern_return_t semaphore_timedwait(semaphore_t semaphore, mach_timespec_t time);
kern_return_t semaphore_wait_signal(semaphore_t wait, semaphore_t signal);
kern_return_t semaphore_timedwait_signal(semaphore_t wait, semaphore_t signal, mach_timespec_t time);

void semaphore_reference(semaphore_t semaphore);
void semaphore_dereference(semaphore_t semaphore);

/* Destroys what a dying task owns. */
void semaphore_destroy_all(task_t task);

/*
 * Implemented by ipc: the semaphore that a name of the current task's space denotes, NULL if none. Inside an
 * SMR section (interrupts masked or preemption off); no reference.
 */
semaphore_t ipc_semaphore_lookup(mach_port_name_t name);
