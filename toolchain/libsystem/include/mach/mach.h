/* The Mach interface. */
#pragma once

#include <mach/clock.h>
#include <mach/clock_priv.h>
#include <mach/clock_routines.h>
#include <mach/exception_types.h>
#include <mach/host_priv.h>
#include <mach/mach_error.h>
#include <mach/mach_host.h>
#include <mach/mach_init.h>
#include <mach/mach_param.h>
#include <mach/mach_port.h>
#include <mach/mach_time.h>
#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/mach_vm.h>
#include <mach/mig_errors.h>
#include <mach/notify.h>
#include <mach/semaphore.h>
#include <mach/sync_policy.h>
#include <mach/task.h>
#include <mach/task_special_ports.h>
#include <mach/thread_act.h>
#include <mach/thread_special_ports.h>
#include <mach/thread_switch.h>
#include <mach/vm_map.h>
#include <mach/vm_page_size.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

kern_return_t host_page_size(host_t host, vm_size_t *size);

/*
 * The loop of a server: `demux` answers each request on `rcv_name` with a reply, as servers that MIG wrote do. Ends
 * with the first error; _once after one request.
 */
mach_msg_return_t mach_msg_server(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *),
    mach_msg_size_t max_size, mach_port_t rcv_name, mach_msg_options_t options);
mach_msg_return_t mach_msg_server_once(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *),
    mach_msg_size_t max_size, mach_port_t rcv_name, mach_msg_options_t options);

/* Three ports that a child inherits. Lookup answers an array of memory that the caller deallocates. */
kern_return_t mach_ports_register(task_t target, mach_port_array_t ports, mach_msg_type_number_t count);
kern_return_t mach_ports_lookup(task_t target, mach_port_array_t *ports, mach_msg_type_number_t *count);

/* A weaker port of the task of a process than task_for_pid gives: 0, or -1 with a kern_return_t in errno. */
int task_read_for_pid(mach_port_name_t target, int pid, mach_port_name_t *task);
int task_inspect_for_pid(mach_port_name_t target, int pid, mach_port_name_t *task);

kern_return_t mach_port_construct(
    ipc_space_t target, mach_port_options_ptr_t options, uint64_t context, mach_port_name_t *name);

__END_DECLS
