/*
 * Counting semaphores: the kernel objects behind semaphore ports.
 *
 * A semaphore is type-stable memory found by name under SMR (ipc/), so the traps take no reference: inside
 * the SMR section the object may die but not become anything else, and ss_active tells. A thread that has
 * gone to sleep does not touch the semaphore again; destruction wakes it with THREAD_RESTART.
 *
 * Lock: the lock of ss_waitq, LCK_RANK_WAITQ, interrupts masked, guards the count as well.
 */
#pragma once

#include <kern/waitq.h>
#include <mach/kern_return.h>
#include <mach/port.h>

struct semaphore {
	struct waitq ss_waitq;
	int32_t ss_count;         /* > 0: waits that will not block; guarded by ss_waitq.wq_lock */
	bool ss_active;           /* false once destroyed; guarded by ss_waitq.wq_lock */
	bool ss_by_priority;      /* wakes the waiter of the highest priority, not the oldest; constant */
	uint32_t ss_refs;         /* atomic: 1 for the owning task's list, 1 for each user */
	task_t ss_owner;          /* NULL once destroyed; guarded by the owner's task lock */
	struct list_node ss_link; /* on the owner's task.semaphores; guarded by the owner's task lock */
	struct ipc_port *ss_port; /* made on first use, by ipc; IP_DEAD once destroyed; atomic */
};

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

void semaphore_reference(semaphore_t semaphore);
void semaphore_dereference(semaphore_t semaphore);

/* Destroys what a dying task owns. */
void semaphore_destroy_all(task_t task);

/*
 * Implemented by ipc: the semaphore that a name of the current task's space denotes, NULL if none. Inside an
 * SMR section (interrupts masked or preemption off); no reference.
 */
semaphore_t ipc_semaphore_lookup(mach_port_name_t name);
