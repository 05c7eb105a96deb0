/*
 * Exception actions: for each kind of exception, the port that hears of it and in what form. A thread, a task
 * and the host have one set each; the thread's is made when it is first given one.
 *
 * The ports are naked send rights under `lock`, a leaf but for atomics on ports. A look at `port` without the
 * lock tells whether there is anything to take it for.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <mach/exception_types.h>
#include <mach/thread_status.h>

struct host;

struct exception_action {
	ipc_port_t port;               /* send right or IP_NULL */
	thread_state_flavor_t flavor;  /* for behaviors that carry a state */
	exception_behavior_t behavior; /* EXCEPTION_* with MACH_EXCEPTION_CODES */
};

struct exc_actions {
	lck_spin_t lock;
	bool closed; /* (l) its thread has ended: nothing is set any more */
	struct exception_action action[EXC_TYPES_COUNT]; /* (l) by exception type; [0] unused */
};

void exc_actions_init(struct exc_actions *actions);

/* A child's set becomes what its parent's is; the child is not known to anybody yet. */
void exc_actions_inherit(struct exc_actions *child, struct exc_actions *parent);

/* No action is left. */
void exc_actions_clear(struct exc_actions *actions);

/* The action for an exception, with a send right of the caller's; false if there is none or its port is dead. */
OS_WARN_RESULT bool exc_actions_get(
    struct exc_actions *actions, unsigned type, struct exception_action *action);

/*
 * The thread's own set: emptied when its task executes another program; closed when the thread ends; its memory goes
 * with the last reference to the thread.
 */
void exc_actions_thread_exec(thread_t thread);
void exc_actions_thread_close(thread_t thread);
void exc_actions_thread_free(thread_t thread);

/* MIG routines: the right in `port` is taken over on KERN_SUCCESS. get and swap are served by codecs of their own. */
kern_return_t thread_set_exception_ports(thread_t thread, exception_mask_t mask, ipc_port_t port,
    exception_behavior_t behavior, thread_state_flavor_t flavor);
kern_return_t task_set_exception_ports(task_t task, exception_mask_t mask, ipc_port_t port,
    exception_behavior_t behavior, thread_state_flavor_t flavor);
kern_return_t host_set_exception_ports(struct host *host, exception_mask_t mask, ipc_port_t port,
    exception_behavior_t behavior, thread_state_flavor_t flavor);
