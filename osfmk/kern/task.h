/*
 * Tasks: an address space, a port space and threads.
 *
 * Lock letters: (c) constant after creation, (t) task lock (mutex, LCK_RANK_TASK), (l) threads_lock (spin),
 * (a) atomic, (i) ipc's own rules.
 */
#pragma once

#include <ipc/ipc_task.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/thread.h>
#include <os/list.h>

struct vm_map;
struct proc;

struct task {
	/* read by every trap */
	struct vm_map *map; /* (c) until the last thread is gone; exec replaces it while single-threaded */
	void *bsd_info;     /* (c) struct proc; NULL for kernel_task before bsd_init */
	bool active;        /* (t) false once terminating */

	uint32_t ref_count OS_CACHE_ALIGNED; /* (a) */
	uint32_t suspend_count;              /* (t) holds every thread */
	uint32_t user_stop_count;            /* (t) task_suspend by programs */
	uint32_t thread_count;               /* (t) */
	struct list_node threads;            /* (t) thread.task_link */
	lck_mtx_t lock;
	struct list_node semaphores; /* (t) semaphore.ss_link */
	struct ipc_task_state ipc;   /* (i) name space; special, registered and exception ports */
	uint64_t dead_cpu_time;      /* (t) of threads that have exited, ticks */
	uint64_t unique_id;          /* (c) */
	int16_t priority;            /* (t) base of new threads */
	bool halting;                /* (t) somebody waits for the last thread */
};

extern task_t kernel_task;

/*
 * A task with one reference for the caller and one for being alive, without threads. Its map is a
 * copy-on-write copy of parent's if inherit_memory, else empty; ports are inherited as ipc_task_init says.
 */
kern_return_t task_create_internal(task_t parent, bool inherit_memory, task_t *task);

/*
 * Terminates: no new threads, every thread but the current one asked to die, port names gone. The map goes
 * with the last thread. Does not wait. Idempotent.
 */
kern_return_t task_terminate_internal(task_t task);

/* Called by a thread of the task: all other threads die and are waited for (exec, exit). KERN_FAILURE if
 * another thread is already doing it. */
kern_return_t task_halt_other_threads(task_t task);

void task_reference(task_t task);
void task_deallocate(task_t task);

/* Stops and restarts all threads; counted. */
kern_return_t task_hold(task_t task);
kern_return_t task_release(task_t task);
kern_return_t task_suspend(task_t task);
kern_return_t task_resume(task_t task);

/* Replaces the address space (exec), which `task` must be the only user of; returns the old map. */
struct vm_map *task_swap_map(task_t task, thread_t thread, struct vm_map *map);

/* Start-up. */
void task_init(void);
