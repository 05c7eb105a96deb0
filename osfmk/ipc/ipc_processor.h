/*
 * The ports of processors and of the one processor set, and the calls on them. Structures and flavors are in
 * <mach/processor_info.h>.
 *
 * All CPUs are in one set for good: calls that would move something to another set fail.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/host_info.h>
#include <mach/processor_info.h>

struct vm_map_copy;

struct processor_set {
	ipc_port_t control_port; /* IKOT_PSET; made at first use, atomic */
	ipc_port_t name_port;    /* IKOT_PSET_NAME; the same */
};
typedef struct processor_set *processor_set_t;

processor_t convert_port_to_processor(ipc_port_t port);
processor_set_t convert_port_to_pset(ipc_port_t port);
/* The set's own port will do as well. */
processor_set_t convert_port_to_pset_name(ipc_port_t port);

/* --- on the host --- */

kern_return_t host_processors(host_t host, ipc_port_t **processors, mach_msg_type_number_t *count);
kern_return_t host_processor_sets(host_t host, ipc_port_t **names, mach_msg_type_number_t *count);
kern_return_t host_processor_set_priv(host_t host, processor_set_t name, ipc_port_t *set);
kern_return_t processor_set_default(host_t host, ipc_port_t *name);
kern_return_t processor_set_create(host_t host, ipc_port_t *set, ipc_port_t *name);
/* One structure a CPU, those that are off too. */
kern_return_t host_processor_info(host_t host, processor_flavor_t flavor, natural_t *processor_count,
    struct vm_map_copy **info, mach_msg_type_number_t *info_count);

/* --- on a processor; processor_start and processor_exit are in <kern/processor.h> --- */

kern_return_t processor_info(processor_t processor, processor_flavor_t flavor, ipc_port_t *host,
    processor_info_t info, mach_msg_type_number_t *count);
kern_return_t processor_control(
    processor_t processor, processor_info_t command, mach_msg_type_number_t count);
kern_return_t processor_assign(processor_t processor, processor_set_t set, boolean_t wait);
kern_return_t processor_get_assignment(processor_t processor, ipc_port_t *name);

/* --- on a set, or its name --- */

kern_return_t processor_set_statistics(processor_set_t set, processor_set_flavor_t flavor,
    processor_set_info_t info, mach_msg_type_number_t *count);
kern_return_t processor_set_info(processor_set_t set, processor_set_flavor_t flavor, ipc_port_t *host,
    processor_set_info_t info, mach_msg_type_number_t *count);
kern_return_t processor_set_destroy(processor_set_t set);
kern_return_t processor_set_max_priority(processor_set_t set, int priority, boolean_t change_threads);
kern_return_t processor_set_policy_enable(processor_set_t set, int policy);
kern_return_t processor_set_policy_disable(processor_set_t set, int policy, boolean_t change_threads);
/* The tasks of all processes, and all their threads. The kernel's own are not handed out. */
kern_return_t processor_set_tasks_with_flavor(
    processor_set_t set, mach_task_flavor_t flavor, ipc_port_t **tasks, mach_msg_type_number_t *count);
kern_return_t processor_set_tasks(processor_set_t set, ipc_port_t **tasks, mach_msg_type_number_t *count);
kern_return_t processor_set_threads(processor_set_t set, ipc_port_t **threads, mach_msg_type_number_t *count);

/* --- for host_statistics --- */

void host_cpu_load(host_cpu_load_info_data_t *load);
/* A load average as Mach scales it. */
integer_t host_load_scaled(uint32_t fixed);

/* --- on tasks and threads --- */

kern_return_t task_assign(task_t task, processor_set_t set, boolean_t assign_threads);
kern_return_t task_assign_default(task_t task, boolean_t assign_threads);
kern_return_t task_get_assignment(task_t task, ipc_port_t *name);
kern_return_t thread_assign(thread_t thread, processor_set_t set);
kern_return_t thread_assign_default(thread_t thread);
kern_return_t thread_get_assignment(thread_t thread, ipc_port_t *name);
