/*
 * MIG routines on the ports of tasks and threads.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/kobject_types.h>
#include <kern/kern_types.h>

/*
 * A send right to the port of `kobject` that is in *slot: made on first use and published by compare-exchange; IP_DEAD there
 * means that the object has ended. IP_NULL: no memory.
 */
ipc_port_t ipc_self_port_send(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type);

/* Rights handed out are send rights; a right handed in is taken over on KERN_SUCCESS. */
kern_return_t task_get_special_port(task_t task, int which, ipc_port_t *port);
kern_return_t task_set_special_port(task_t task, int which, ipc_port_t port);
kern_return_t mach_ports_register3(task_t task, ipc_port_t port1, ipc_port_t port2, ipc_port_t port3);
kern_return_t mach_ports_lookup3(task_t task, ipc_port_t *port1, ipc_port_t *port2, ipc_port_t *port3);
kern_return_t thread_get_special_port(thread_t thread, int which, ipc_port_t *port);
kern_return_t thread_set_special_port(thread_t thread, int which, ipc_port_t port);

/* Send rights to the ports of all threads; the kalloc'ed array goes to the caller with the rights. */
kern_return_t task_threads(task_t task, ipc_port_t **list, mach_msg_type_number_t *count);

/* A semaphore has ended: its port, if it had one, dies. Takes what was in semaphore.ss_port. */
void ipc_semaphore_disable(ipc_port_t port);
