/*
 * MIG routines on the ports of tasks and threads.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/kobject_types.h>
#include <kern/kern_types.h>
#include <mach/boolean.h>
#include <mach/task_info.h>
#include <vm/vm_types.h>

/*
 * A send right, or a send-once right, to the port of `kobject` that is in *slot: made on first use and published by
 * compare-exchange; IP_DEAD there means that the object has ended. IP_NULL: no memory.
 */
ipc_port_t ipc_self_port_send(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type);
ipc_port_t ipc_self_port_sonce(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type);

/* Rights handed out are send rights; a right handed in is taken over on KERN_SUCCESS. */
kern_return_t task_get_special_port_from_port(ipc_port_t own, int which, ipc_port_t *port);
kern_return_t task_set_special_port(task_t task, int which, ipc_port_t port);
kern_return_t mach_ports_register3(task_t task, ipc_port_t port1, ipc_port_t port2, ipc_port_t port3);
kern_return_t mach_ports_lookup3(task_t task, ipc_port_t *port1, ipc_port_t *port2, ipc_port_t *port3);
kern_return_t thread_get_special_port_from_port(ipc_port_t own, int which, ipc_port_t *port);
kern_return_t thread_set_special_port(thread_t thread, int which, ipc_port_t port);

/*
 * Send rights to the ports of all threads, of the flavor that the task's port has; the kalloc'ed array goes to the
 * caller with the rights.
 */
kern_return_t task_threads_from_port(ipc_port_t own, ipc_port_t **list, mach_msg_type_number_t *count);

/*
 * For the traps by process number: a send right to a port of that flavor appears in the caller's space, its name (or
 * MACH_PORT_NULL) at `uname`.
 */
kern_return_t task_port_for_pid(
    mach_port_name_t target, int pid, user_addr_t uname, mach_task_flavor_t flavor);

/* The task of a port of a kind that stands for one, with a reference. */
task_t ipc_port_to_task(ipc_port_t port, ipc_kobject_type_t type);

kern_return_t task_get_exc_guard_behavior(task_t task, task_exc_guard_behavior_t *behavior);
kern_return_t task_set_exc_guard_behavior(task_t task, task_exc_guard_behavior_t behavior);
kern_return_t mach_task_is_self(task_t task, boolean_t *is_self);

/* The kernel object that a send right of the current task denotes, if of that kind. Inside an SMR section. */
ipc_port_t ipc_name_to_kobject_port(mach_port_name_t name, ipc_kobject_type_t type);

/* A semaphore has ended: its port, if it had one, dies. Takes what was in semaphore.ss_port. */
void ipc_semaphore_disable(ipc_port_t port);
