/*
 * Work queues: pools of threads that the kernel keeps for a process. See pthread_workq.c.
 */
#pragma once

#include <bsd/kern/proc.h>

struct sysctl_request;
struct sysctl_row;

void workq_init(void); /* bsd_init */

/* exec, single-threaded, and exit, without threads: the process has no work queue any more. */
void workq_leave(struct proc *p);

/* From bsd_thread_exit, in the thread itself or for one that never ran. */
void workq_thread_exit(struct uthread *uth);

/* kern.wq_reduce_pool_window_usecs: how long an idle thread is kept. */
int sysctl_workq_window(const struct sysctl_row *row, struct sysctl_request *req);
