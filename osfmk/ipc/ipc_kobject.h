/*
 * Ports that stand for kernel objects, and the way back from a right to the object.
 *
 * A kernel object's port is owned by ipc_space_kernel. ip_kobject is set while the object lives and cleared
 * under the port's lock when it goes; convert_* functions read it in an SMR section or under that lock and
 * return the object with a reference of its own. A message to such a port is not queued: the sender's thread
 * runs the server routine (ipc_kobject_server).
 */
#pragma once

#include <ipc/exc_actions.h>
#include <ipc/ipc_types.h>
#include <ipc/kobject_types.h>
#include <kern/kern_types.h>
#include <mach/host_special_ports.h>
#include <mach/task_info.h>
#include <mach/thread_info.h>
#include <vm/vm_types.h>

/* The host and the clocks exist once; a pointer says which. */
struct host {
	ipc_port_t host_port;
	ipc_port_t host_priv_port;
	ipc_port_t io_main_port; /* set once, by iokit */
	struct exc_actions exc_actions;
	lck_spin_t special_lock;
	ipc_port_t special[HOST_MAX_SPECIAL_PORT + 1]; /* (special_lock) send rights of daemons */
};
typedef struct host *host_t;

struct clock_service {
	int clock_id; /* SYSTEM_CLOCK, CALENDAR_CLOCK */
	ipc_port_t clock_port;
	ipc_port_t control_port;
};
typedef struct clock_service *clock_serv_t;

extern struct host realhost;

/* A port for `kobject`, with one reference for the caller, who kills it with ipc_kobject_dealloc_port. */
ipc_port_t ipc_kobject_alloc_port(void *kobject, ipc_kobject_type_t type);
void ipc_kobject_dealloc_port(ipc_port_t port);

/*
 * For kinds that iokit serves. The object behind a port of that kind, without a reference (the caller's own lock
 * keeps it); a send right; whether there is one; and the request to call iokit_no_senders when there is none left,
 * at once if so.
 */
void *ipc_kobject_get(ipc_port_t port, ipc_kobject_type_t type);
ipc_port_t ipc_kobject_make_send(ipc_port_t port);
bool ipc_kobject_has_senders(ipc_port_t port);
void ipc_kobject_arm_no_senders(ipc_port_t port);

/* After this no conversion finds the object. The port itself lives on. */
void ipc_kobject_disable(ipc_port_t port);

/* The calling thread serves the request and consumes it; *reply is the answer to be sent, or NULL. */
void ipc_kobject_server(ipc_kmsg_t request, ipc_kmsg_t *reply);

/* The routine that serves requests of this id; NULL if none does. */
struct mig_routine;
const struct mig_routine *ipc_kobject_routine(mach_msg_id_t id);

/*
 * Rights to objects, with a reference on the object; NULL when the port is something else or dead. Of a task and a
 * thread the name says the weakest flavor that will do; without one it is the control port.
 */
task_t convert_port_to_task(ipc_port_t port);
task_t convert_port_to_task_read(ipc_port_t port);
task_t convert_port_to_task_inspect(ipc_port_t port);
task_t convert_port_to_task_name(ipc_port_t port);
ipc_space_t convert_port_to_space(ipc_port_t port);
ipc_space_t convert_port_to_space_read(ipc_port_t port);
ipc_space_t convert_port_to_space_inspect(ipc_port_t port);
vm_map_t convert_port_to_map(ipc_port_t port);
vm_map_t convert_port_to_map_read(ipc_port_t port);
thread_t convert_port_to_thread(ipc_port_t port);
thread_t convert_port_to_thread_read(ipc_port_t port);
thread_t convert_port_to_thread_inspect(ipc_port_t port);
semaphore_t convert_port_to_semaphore(ipc_port_t port);
host_t convert_port_to_host(ipc_port_t port);
host_t convert_port_to_host_priv(ipc_port_t port);
clock_serv_t convert_port_to_clock(ipc_port_t port);
clock_serv_t convert_port_to_clock_ctrl(ipc_port_t port);

/* The memory entry, without a reference: it lives as long as the caller has the send right. */
vm_named_entry_t convert_port_to_named_entry(ipc_port_t port);

/* Objects to send rights; the object's reference is consumed. IP_NULL for NULL. */
ipc_port_t convert_task_to_port(task_t task);
ipc_port_t convert_task_to_flavor(task_t task, mach_task_flavor_t flavor);
ipc_port_t convert_thread_to_port(thread_t thread);
ipc_port_t convert_thread_to_flavor(thread_t thread, mach_thread_flavor_t flavor);
ipc_port_t convert_semaphore_to_port(semaphore_t semaphore);

/* Names of the calling task to objects, without the cost of a right: for traps. NULL: no such thing. */
task_t port_name_to_task(mach_port_name_t name);
task_t port_name_to_task_name(mach_port_name_t name);
thread_t port_name_to_thread(mach_port_name_t name);
kern_return_t port_name_to_semaphore(mach_port_name_t name, semaphore_t *semaphore);

/* True if `name` is the calling task's own control port: the condition of every _kernelrpc_ trap. */
bool port_name_is_current_task(mach_port_name_t name);
