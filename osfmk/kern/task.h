/*
 * Tasks: an address space, a port space and threads.
 *
 * Life. A task is made active and without threads. It ends in one of two ways: task_terminate_internal, or
 * the exit of its last thread. Whoever brings about "not active and no threads" finishes it, once: names,
 * semaphores and address space go, and the reference for being alive is dropped. The memory stays until the
 * last reference.
 *
 * Lock letters: (c) constant after creation, (t) task lock (mutex, LCK_RANK_TASK; blocking), (a) atomic, (i)
 * ipc's own rules. Order: task lock, then a thread's mutex.
 */
#pragma once

#include <ipc/ipc_task.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/sched_request.h>
#include <kern/thread.h>
#include <mach/message.h>
#include <mach/task_info.h>
#include <os/list.h>

struct vm_map;
struct proc;
struct restartable_ranges;

struct task {
	/* read by every trap */
	struct vm_map *map; /* (c) until the last thread is gone; exec replaces it while single-threaded */
	void
	    *bsd_info; /* (c) struct proc, for the task's own threads; NULL for kernel_task before bsd_init */
	bool active;   /* (t) false once terminating; may be looked at without the lock */
	struct restartable_ranges *restartable; /* (a) <kern/restartable.h>; NULL: none */

	uint32_t ref_count OS_CACHE_ALIGNED; /* (a) */
	uint32_t suspend_count;              /* (t) holds every thread */
	uint32_t user_stop_count;            /* (t) task_suspend by programs */
	uint32_t token_stop_count;           /* (t) how many of these a token takes back */
	uint32_t thread_count;               /* (t) */
	struct list_node threads;            /* (t) thread.task_link */
	lck_mtx_t lock;
	struct list_node semaphores;     /* (t) semaphore.ss_link */
	struct ipc_task_state ipc;       /* (i) name space; special, registered and exception ports */
	struct cpu_usage dead_usage;     /* (t) of threads that have exited */
	uint64_t unique_id;              /* (c) */
	int32_t bsd_pid;                 /* (c) the process's number, which a task may outlive; -1: none */
	int16_t priority;                /* (t) base of new threads */
	uint8_t timer_tier;              /* (t) the same: sched_timer_tier */
	struct sched_task_request sched; /* (t) what is asked for all its threads; see <kern/task_policy.h> */
	struct arm_debug_state64 *debug; /* (t) what new threads have in their debug registers, or NULL */
	bool halting;                    /* (t) a thread ends all others; no new ones meanwhile */
	bool kdebug_marked;              /* (a) the trace's filter looks at it; see kdebug/filter.h */
	bool usage_wanted; /* (t) its threads are watched, see usage.h; may be looked at without the lock */
	bool disabling;    /* (t) somebody kills the ports: the last thread waits for it */
};

extern task_t kernel_task;

/*
 * A task with one reference for the caller and one for being alive, without threads. Its map is a
 * copy-on-write copy of parent's if inherit_memory, else empty; ports are inherited as ipc_task_init says.
 * KERN_RESOURCE_SHORTAGE leaves nothing behind.
 */
kern_return_t task_create_internal(task_t parent, bool inherit_memory, task_t *task);

/* The same with a map that the caller made; taken over on success. */
kern_return_t task_create_with_map(task_t parent, struct vm_map *map, task_t *task);

/*
 * Terminates: no new threads, every thread but the current one asked to die, ports disabled. Names and map
 * go with the last thread. Does not wait. KERN_TERMINATED if it was under way already.
 */
kern_return_t task_terminate_internal(task_t task);

/*
 * For exec, by a thread of the task: all its other threads die and are waited for, and no new ones are made until
 * task_swap_map. KERN_FAILURE if another thread is already doing it, KERN_ABORTED if this one must die.
 */
kern_return_t task_halt_other_threads(task_t task);

void task_reference(task_t task);
void task_deallocate(task_t task);

/* Stop and restart all threads; counted. Suspend waits until every thread but the caller has left user mode. */
kern_return_t task_suspend(task_t task);
kern_return_t task_resume(task_t task);

/*
 * task_suspend that task_resume does not take back but task_resume_token, which is to be called once for each success
 * (<ipc/task_suspension.h>). Nothing happens to a task that has ended.
 */
kern_return_t task_suspend_token(task_t task);
void task_resume_token(task_t task);

/* The address space with a reference; NULL: it has gone with the last thread. Takes the task's lock. */
OS_WARN_RESULT struct vm_map *task_map_reference(task_t task);

/* The threads of a task at one moment, each with a reference. */
struct task_threads {
	thread_t *threads;
	uint32_t count;
	size_t bytes; /* allocated for the array */
};
kern_return_t task_threads_snapshot(task_t task, struct task_threads *snapshot);
void task_threads_release(struct task_threads *snapshot);

/* The tasks of all processes, each with a reference. Not kernel_task. */
struct task_list {
	task_t *tasks;
	uint32_t count;
	size_t bytes; /* allocated for the array */
};
kern_return_t task_list_take(struct task_list *list);
void task_list_release(struct task_list *list);

/* Replaces the address space (exec) after task_halt_other_threads; returns the old map with the task's reference. */
struct vm_map *task_swap_map(task_t task, thread_t thread, struct vm_map *map);

/* For thread.c. A new thread joins: KERN_TERMINATED when the task takes no more; KERN_RESOURCE_SHORTAGE. */
kern_return_t task_add_thread(task_t task, thread_t thread);
/* The running thread, past its last return to user mode, leaves; ends the task if it was the last. Goes on
 * as a thread of kernel_task without an address space. */
void task_remove_current_thread(task_t task, thread_t self);

/* A number that no other object of the machine gets. */
uint64_t unique_id_allocate(void);

/* MIG routine 3401: the caller's own task as well, which then ends on its way to user mode. */
kern_return_t task_terminate(task_t task);

/* MIG routine 3405. KERN_TERMINATED when the task has no address space any more. */
kern_return_t task_info(task_t task, task_flavor_t flavor, task_info_t info, mach_msg_type_number_t *count);

/* MIG routine 3406. */
kern_return_t task_set_info(
    task_t task, task_flavor_t flavor, task_info_t info, mach_msg_type_number_t count);

/*
 * MIG routines 3433 and 3434: the register state of a task is ARM_DEBUG_STATE64, with which its new threads begin.
 * Those it has keep theirs. KERN_INVALID_ARGUMENT for other flavors.
 */
kern_return_t task_get_state(task_t task, int flavor, uint32_t *state, mach_msg_type_number_t *count);
kern_return_t task_set_state(task_t task, int flavor, uint32_t *state, mach_msg_type_number_t count);

/* Start-up: kernel_task, before its first thread; its ports are made by ipc_init. */
void task_init(void);
