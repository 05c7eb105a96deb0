/*
 * Ports of processors. See <ipc/ipc_processor.h>.
 *
 * The objects live as long as the machine: a port's object needs no reference. Ports are made when somebody asks
 * for them.
 */
#include <ipc/ipc_processor.h>

#include <ipc/ipc.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_tt.h>
#include <ipc/port.h>
#include <kern/clock.h>
#include <kern/info.h>
#include <kern/load.h>
#include <kern/processor.h>
#include <kern/sched.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <mach/machine.h>
#include <mach/policy.h>
#include <string.h>
#include <vm/vm_map_copy.h>

static struct processor_set pset0;
static ipc_port_t processor_ports[MAX_CPUS]; /* made at first use; atomic */

/* --- ports and objects --- */

processor_t
convert_port_to_processor(ipc_port_t port)
{
	return ip_lasting_kobject(port, IKOT_PROCESSOR);
}

processor_set_t
convert_port_to_pset(ipc_port_t port)
{
	return ip_lasting_kobject(port, IKOT_PSET);
}

processor_set_t
convert_port_to_pset_name(ipc_port_t port)
{
	processor_set_t set = ip_lasting_kobject(port, IKOT_PSET_NAME);

	return set != NULL ? set : convert_port_to_pset(port);
}

/* A send right, or KERN_RESOURCE_SHORTAGE. */
static kern_return_t
give_port(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type, ipc_port_t *port)
{
	*port = ipc_self_port_send(slot, kobject, type);
	return *port != IP_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static kern_return_t
give_set_name(ipc_port_t *name)
{
	return give_port(&pset0.name_port, &pset0, IKOT_PSET_NAME, name);
}

static ipc_port_t
host_name_right(void)
{
	return ipc_port_make_send(realhost.host_port);
}

/* Send rights, one for each of n objects; the array is the reply's. */
static ipc_port_t *
port_array(uint32_t n)
{
	return n != 0 ? kalloc_flags(n * sizeof(ipc_port_t), Z_WAIT) : NULL;
}

/* --- on the host --- */

kern_return_t
host_processors(host_t host, ipc_port_t **processors, mach_msg_type_number_t *count)
{
	ipc_port_t *ports = port_array(cpu_count);

	(void)host;
	if (ports == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	percpu_foreach_cpu(cpu)
	{
		ports[cpu] = ipc_self_port_send(&processor_ports[cpu], processor_get(cpu), IKOT_PROCESSOR);
	}
	*processors = ports;
	*count = cpu_count;
	return KERN_SUCCESS;
}

kern_return_t
host_processor_sets(host_t host, ipc_port_t **names, mach_msg_type_number_t *count)
{
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;

	(void)host;
	*names = port_array(1);
	if (*names != NULL) {
		kr = give_set_name(*names);
		*count = 1;
	}
	return kr;
}

kern_return_t
host_processor_set_priv(host_t host, processor_set_t name, ipc_port_t *set)
{
	(void)host;
	return give_port(&name->control_port, name, IKOT_PSET, set);
}

kern_return_t
processor_set_default(host_t host, ipc_port_t *name)
{
	(void)host;
	return give_set_name(name);
}

kern_return_t
processor_set_create(host_t host, ipc_port_t *set, ipc_port_t *name)
{
	(void)host;
	(void)set;
	(void)name;
	return KERN_FAILURE;
}

/* --- what a CPU is and did --- */

/* Timebase ticks as the interfaces count them, CLOCK_TICKS a second; 32 bits, they wrap. */
#define CLOCK_TICKS 100

static unsigned int
clock_ticks(uint64_t timebase_ticks)
{
	return (unsigned int)(absolutetime_to_nanoseconds(timebase_ticks) / (NSEC_PER_SEC / CLOCK_TICKS));
}

static void
cpu_load(processor_t processor, unsigned int out[CPU_STATE_MAX])
{
	uint64_t ticks[CPU_STATE_MAX];

	processor_get_times(processor, ticks);
	for (unsigned state = 0; state < CPU_STATE_MAX; state++) {
		out[state] = clock_ticks(ticks[state]);
	}
}

void
host_cpu_load(host_cpu_load_info_data_t *load)
{
	uint64_t sums[CPU_STATE_MAX] = { 0 };

	processor_look();
	percpu_foreach_cpu(cpu)
	{
		uint64_t ticks[CPU_STATE_MAX];

		processor_get_times(processor_get(cpu), ticks);
		for (unsigned state = 0; state < CPU_STATE_MAX; state++) {
			sums[state] += ticks[state];
		}
	}
	for (unsigned state = 0; state < CPU_STATE_MAX; state++) {
		load->cpu_ticks[state] = clock_ticks(sums[state]);
	}
}

static kern_return_t
fill_processor_basic(void *object, void *info)
{
	processor_t processor = object;

	*(processor_basic_info_data_t *)info = (processor_basic_info_data_t){
		.cpu_type = CPU_TYPE_ARM64,
		.cpu_subtype = CPU_SUBTYPE_ARM64_ALL,
		.running = processor_is_running(processor),
		.slot_num = (int)processor->pr_cpu,
		.is_master = processor->pr_cpu == 0,
	};
	return KERN_SUCCESS;
}

static kern_return_t
fill_processor_load(void *object, void *info)
{
	processor_cpu_load_info_data_t *load = info;

	cpu_load(object, load->cpu_ticks);
	return KERN_SUCCESS;
}

static const struct info_flavor processor_flavors[] = {
	{ PROCESSOR_BASIC_INFO, { PROCESSOR_BASIC_INFO_COUNT }, fill_processor_basic },
	{ PROCESSOR_CPU_LOAD_INFO, { PROCESSOR_CPU_LOAD_INFO_COUNT }, fill_processor_load },
	{ PROCESSOR_CPU_STAT, { PROCESSOR_CPU_STAT_COUNT }, NULL },
	{ PROCESSOR_CPU_STAT64, { PROCESSOR_CPU_STAT64_COUNT }, NULL },
};
static const struct info_table processor_table = INFO_TABLE(processor_flavors, KERN_FAILURE);

#define PROCESSOR_WORDS_MAX PROCESSOR_CPU_STAT64_COUNT /* of any flavor */

/* Each CPU's structure behind that of the one before, in `list`, which has room for all. Their number of words. */
static kern_return_t
describe_processors(processor_flavor_t flavor, integer_t *list, uint32_t *total)
{
	*total = 0;
	percpu_foreach_cpu(cpu)
	{
		mach_msg_type_number_t words = PROCESSOR_WORDS_MAX;
		kern_return_t kr =
		    info_get(&processor_table, (uint32_t)flavor, processor_get(cpu), list + *total, &words);

		if (kr != KERN_SUCCESS) {
			return kr;
		}
		*total += words;
	}
	return KERN_SUCCESS;
}

kern_return_t
host_processor_info(host_t host, processor_flavor_t flavor, natural_t *processor_count, vm_map_copy_t *info,
    mach_msg_type_number_t *info_count)
{
	size_t room = cpu_count * PROCESSOR_WORDS_MAX * sizeof(integer_t);
	integer_t *list = kalloc_flags(room, Z_WAIT);
	uint32_t total;
	kern_return_t kr;

	(void)host;
	if (list == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	processor_look();
	kr = describe_processors(flavor, list, &total);
	if (kr == KERN_SUCCESS) {
		*info = vm_map_copy_of_kernel(list, total * sizeof(*list));
		*processor_count = cpu_count;
		*info_count = total;
		kr = *info != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	}
	kfree(list, room);
	return kr;
}

kern_return_t
processor_info(processor_t processor, processor_flavor_t flavor, ipc_port_t *host, processor_info_t info,
    mach_msg_type_number_t *count)
{
	kern_return_t kr;

	processor_look();
	kr = info_get(&processor_table, (uint32_t)flavor, processor, info, count);
	if (kr == KERN_SUCCESS) {
		*host = host_name_right();
	}
	return kr;
}

/* --- what a machine with one set and no commands does not do --- */

kern_return_t
processor_control(processor_t processor, processor_info_t command, mach_msg_type_number_t count)
{
	(void)processor;
	(void)command;
	(void)count;
	return KERN_FAILURE;
}

kern_return_t
processor_assign(processor_t processor, processor_set_t set, boolean_t wait)
{
	(void)processor;
	(void)set;
	(void)wait;
	return KERN_FAILURE;
}

kern_return_t
processor_get_assignment(processor_t processor, ipc_port_t *name)
{
	return processor_is_running(processor) ? give_set_name(name) : KERN_FAILURE;
}

kern_return_t
processor_set_destroy(processor_set_t set)
{
	(void)set;
	return KERN_FAILURE;
}

kern_return_t
processor_set_max_priority(processor_set_t set, int priority, boolean_t change_threads)
{
	(void)set;
	(void)priority;
	(void)change_threads;
	return KERN_INVALID_ARGUMENT;
}

kern_return_t
processor_set_policy_enable(processor_set_t set, int policy)
{
	(void)set;
	(void)policy;
	return KERN_INVALID_ARGUMENT;
}

kern_return_t
processor_set_policy_disable(processor_set_t set, int policy, boolean_t change_threads)
{
	(void)set;
	(void)policy;
	(void)change_threads;
	return KERN_INVALID_ARGUMENT;
}

kern_return_t
task_assign(task_t task, processor_set_t set, boolean_t assign_threads)
{
	(void)task;
	(void)set;
	(void)assign_threads;
	return KERN_FAILURE;
}

kern_return_t
task_assign_default(task_t task, boolean_t assign_threads)
{
	return task_assign(task, &pset0, assign_threads);
}

kern_return_t
task_get_assignment(task_t task, ipc_port_t *name)
{
	return os_atomic_load(&task->active, relaxed) ? give_set_name(name) : KERN_FAILURE;
}

kern_return_t
thread_assign(thread_t thread, processor_set_t set)
{
	(void)thread;
	(void)set;
	return KERN_FAILURE;
}

kern_return_t
thread_assign_default(thread_t thread)
{
	return thread_assign(thread, &pset0);
}

kern_return_t
thread_get_assignment(thread_t thread, ipc_port_t *name)
{
	(void)thread;
	return give_set_name(name);
}

/* --- what the set is --- */

#define QUANTUM_MS ((int)(SCHED_QUANTUM_NS / NSEC_PER_MSEC))

static kern_return_t
fill_set_basic(void *set, void *info)
{
	(void)set;
	*(processor_set_basic_info_data_t *)info = (processor_set_basic_info_data_t){
		.processor_count = (int)processor_running_count(),
		.default_policy = POLICY_TIMESHARE,
	};
	return KERN_SUCCESS;
}

static kern_return_t
fill_set_policies(void *set, void *info)
{
	(void)set;
	*(int *)info = POLICY_TIMESHARE | POLICY_RR | POLICY_FIFO;
	return KERN_SUCCESS;
}

/* Where threads of a policy begin. */
static kern_return_t
fill_set_default(void *set, void *info)
{
	(void)set;
	*(policy_rr_base_data_t *)info =
	    (policy_rr_base_data_t){ .base_priority = BASEPRI_DEFAULT, .quantum = QUANTUM_MS };
	return KERN_SUCCESS;
}

/* How far they may go. */
static kern_return_t
fill_set_limit(void *set, void *info)
{
	(void)set;
	*(policy_rr_limit_data_t *)info = (policy_rr_limit_data_t){ .max_priority = MAXPRI_KERNEL };
	return KERN_SUCCESS;
}

/* Of the policies' structures that of POLICY_RR is the longest: the others are its beginning. */
static const struct info_flavor set_flavors[] = {
	{ PROCESSOR_SET_BASIC_INFO, { PROCESSOR_SET_BASIC_INFO_COUNT }, fill_set_basic },
	{ PROCESSOR_SET_ENABLED_POLICIES, { PROCESSOR_SET_ENABLED_POLICIES_COUNT }, fill_set_policies },
	{ PROCESSOR_SET_TIMESHARE_DEFAULT, { POLICY_TIMESHARE_BASE_COUNT }, fill_set_default },
	{ PROCESSOR_SET_TIMESHARE_LIMITS, { POLICY_TIMESHARE_LIMIT_COUNT }, fill_set_limit },
	{ PROCESSOR_SET_RR_DEFAULT, { POLICY_RR_BASE_COUNT }, fill_set_default },
	{ PROCESSOR_SET_RR_LIMITS, { POLICY_RR_LIMIT_COUNT }, fill_set_limit },
	{ PROCESSOR_SET_FIFO_DEFAULT, { POLICY_FIFO_BASE_COUNT }, fill_set_default },
	{ PROCESSOR_SET_FIFO_LIMITS, { POLICY_FIFO_LIMIT_COUNT }, fill_set_limit },
};
static const struct info_table set_table = INFO_TABLE(set_flavors, KERN_FAILURE);

kern_return_t
processor_set_info(processor_set_t set, processor_set_flavor_t flavor, ipc_port_t *host,
    processor_set_info_t info, mach_msg_type_number_t *count)
{
	kern_return_t kr = info_get(&set_table, (uint32_t)flavor, set, info, count);

	if (kr == KERN_SUCCESS) {
		*host = host_name_right();
	}
	return kr;
}

integer_t
host_load_scaled(uint32_t fixed)
{
	return (integer_t)((uint64_t)fixed * LOAD_SCALE / LOAD_FIXED_ONE);
}

/* --- who is in it --- */

static uint32_t
members_thread_count(const struct task_list *members)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < members->count; i++) {
		n += os_atomic_load(&members->tasks[i]->thread_count, relaxed);
	}
	return n;
}

static kern_return_t
fill_set_load(void *set, void *info)
{
	struct load_averages averages;
	struct task_list members;
	kern_return_t kr = task_list_take(&members);

	(void)set;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	load_average_get(&averages);
	*(processor_set_load_info_data_t *)info = (processor_set_load_info_data_t){
		.task_count = (int)members.count,
		.thread_count = (int)members_thread_count(&members),
		.load_average = host_load_scaled(averages.la_threads[LOAD_5S]),
		.mach_factor = host_load_scaled(averages.la_factor[LOAD_5S]),
	};
	task_list_release(&members);
	return KERN_SUCCESS;
}

static const struct info_flavor set_statistics_flavors[] = {
	{ PROCESSOR_SET_LOAD_INFO, { PROCESSOR_SET_LOAD_INFO_COUNT }, fill_set_load },
};
static const struct info_table set_statistics_table = INFO_TABLE(set_statistics_flavors, KERN_FAILURE);

kern_return_t
processor_set_statistics(processor_set_t set, processor_set_flavor_t flavor, processor_set_info_t info,
    mach_msg_type_number_t *count)
{
	return info_get(&set_statistics_table, (uint32_t)flavor, set, info, count);
}

kern_return_t
processor_set_tasks_with_flavor(
    processor_set_t set, mach_task_flavor_t flavor, ipc_port_t **tasks, mach_msg_type_number_t *count)
{
	struct task_list members;
	kern_return_t kr = flavor <= TASK_FLAVOR_NAME ? task_list_take(&members) : KERN_INVALID_ARGUMENT;

	(void)set;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	*tasks = port_array(members.count);
	for (uint32_t i = 0; *tasks != NULL && i < members.count; i++) {
		task_reference(members.tasks[i]);
		(*tasks)[i] = convert_task_to_flavor(members.tasks[i], flavor);
	}
	*count = members.count;
	task_list_release(&members);
	return *tasks != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
processor_set_tasks(processor_set_t set, ipc_port_t **tasks, mach_msg_type_number_t *count)
{
	return processor_set_tasks_with_flavor(set, TASK_FLAVOR_CONTROL, tasks, count);
}

/* Appends the ports of a task's threads, those that there is room for. */
static kern_return_t
append_threads(task_t task, ipc_port_t *ports, uint32_t room, uint32_t *n)
{
	struct task_threads snapshot;
	kern_return_t kr = task_threads_snapshot(task, &snapshot);

	for (uint32_t i = 0; kr == KERN_SUCCESS && i < snapshot.count && *n < room; i++) {
		thread_reference(snapshot.threads[i]);
		ports[(*n)++] = convert_thread_to_port(snapshot.threads[i]);
	}
	if (kr == KERN_SUCCESS) {
		task_threads_release(&snapshot);
	}
	return kr;
}

/* The reply's array has the size of its count: room that new or dying threads left over is given back. */
static ipc_port_t *
port_array_shrink(ipc_port_t *ports, uint32_t room, uint32_t n)
{
	ipc_port_t *fit = ports;

	if (n != room) {
		fit = port_array(n);
		if (fit != NULL) {
			memcpy(fit, ports, n * sizeof(*fit));
		} else {
			for (uint32_t i = 0; i < n; i++) {
				ipc_port_release_send(ports[i]);
			}
		}
		kfree(ports, room * sizeof(*ports));
	}
	return fit;
}

kern_return_t
processor_set_threads(processor_set_t set, ipc_port_t **threads, mach_msg_type_number_t *count)
{
	struct task_list members;
	kern_return_t kr = task_list_take(&members);
	uint32_t room, n = 0;
	ipc_port_t *ports;

	(void)set;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	room = members_thread_count(&members);
	ports = port_array(room);
	for (uint32_t i = 0; ports != NULL && i < members.count; i++) {
		(void)append_threads(
		    members.tasks[i], ports, room, &n); /* one that is gone by now has none */
	}
	task_list_release(&members);
	*threads = ports != NULL ? port_array_shrink(ports, room, n) : NULL;
	*count = n;
	return *threads != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}
