/*
 * The host and clock ports and their MIG routines.
 */
#include <ipc/ipc.h>

#include <arm64/cpu_data.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_processor.h>
#include <ipc/port.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/load.h>
#include <kern/processor.h>
#include <kern/sched.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/version.h>
#include <kern/zalloc.h>
#include <mach/clock_types.h>
#include <mach/host_info.h>
#include <mach/machine.h>
#include <string.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_types.h>
#include <vm/vm_user.h>

struct host realhost;

/* The first form of HOST_VM_INFO64. */
#define VM64_OLD_COUNT 24

static struct clock_service clocks[] = { { .clock_id = SYSTEM_CLOCK }, { .clock_id = CALENDAR_CLOCK } };

static ipc_port_t
ipc_host_make_port(void *kobject, ipc_kobject_type_t type)
{
	ipc_port_t port = ipc_kobject_alloc_port(kobject, type);

	release_assert(port != IP_NULL);
	return port;
}

void
ipc_host_init(void)
{
	exc_actions_init(&realhost.exc_actions);
	realhost.host_port = ipc_host_make_port(&realhost, IKOT_HOST);
	realhost.host_priv_port = ipc_host_make_port(&realhost, IKOT_HOST_PRIV);
	for (unsigned i = 0; i < os_countof(clocks); i++) {
		clocks[i].clock_port = ipc_host_make_port(&clocks[i], IKOT_CLOCK);
	}
}

/* These objects never go away, so a look is enough. */
host_t
convert_port_to_host(ipc_port_t port)
{
	return IP_VALID(port) && (port->ip_kotype == IKOT_HOST || port->ip_kotype == IKOT_HOST_PRIV)
		   ? port->ip_kobject
		   : NULL;
}

host_t
convert_port_to_host_priv(ipc_port_t port)
{
	return IP_VALID(port) && port->ip_kotype == IKOT_HOST_PRIV ? port->ip_kobject : NULL;
}

clock_serv_t
convert_port_to_clock(ipc_port_t port)
{
	return IP_VALID(port) && port->ip_kotype == IKOT_CLOCK ? port->ip_kobject : NULL;
}

/* --- mach_host --- */

kern_return_t
_host_page_size(host_t host, vm_size_t *size)
{
	(void)host;
	*size = PAGE_SIZE;
	return KERN_SUCCESS;
}

kern_return_t
host_kernel_version(host_t host, char *version)
{
	(void)host;
	strlcpy(version, kernel_version, KERNEL_VERSION_MAX);
	return KERN_SUCCESS;
}

void
host_set_io_main(ipc_port_t port)
{
	realhost.io_main_port = port;
}

kern_return_t
host_get_io_main(host_t host, ipc_port_t *io_main)
{
	*io_main = ipc_port_make_send(host->io_main_port);
	return KERN_SUCCESS;
}

static uint64_t
host_memory_bytes(void)
{
	struct vm_page_counts pages;

	vm_page_get_counts(&pages);
	return pages.total * PAGE_SIZE;
}

/* The structure goes to the caller if there is room for it. */
static kern_return_t
host_put(const void *words, uint32_t n, host_info_t info, mach_msg_type_number_t *count)
{
	if (*count < n) {
		return KERN_FAILURE;
	}
	memcpy(info, words, n * sizeof(integer_t));
	*count = n;
	return KERN_SUCCESS;
}

static kern_return_t
host_basic_info(host_info_t info, mach_msg_type_number_t *count)
{
	integer_t ncpus = (integer_t)cpu_count, running = (integer_t)processor_running_count();
	uint64_t bytes = host_memory_bytes();
	host_basic_info_data_t basic = {
		.max_cpus = ncpus,
		.avail_cpus = running,
		.memory_size = (natural_t)os_min(bytes, (uint64_t)INT32_MAX),
		.cpu_type = CPU_TYPE_ARM64,
		.cpu_subtype = CPU_SUBTYPE_ARM64_ALL,
		.physical_cpu = running,
		.physical_cpu_max = ncpus,
		.logical_cpu = running,
		.logical_cpu_max = ncpus,
		.max_mem = bytes,
	};

	/* The first five words are the oldest form. */
	if (*count < 5) {
		return KERN_FAILURE;
	}
	*count = *count < HOST_BASIC_INFO_COUNT ? 5 : HOST_BASIC_INFO_COUNT;
	memcpy(info, &basic, *count * sizeof(integer_t));
	return KERN_SUCCESS;
}

static kern_return_t
host_priority_info(host_info_t info, mach_msg_type_number_t *count)
{
	host_priority_info_data_t bands = {
		.kernel_priority = MINPRI_KERNEL,
		.system_priority = MINPRI_KERNEL,
		.server_priority = MINPRI_KERNEL,
		.user_priority = BASEPRI_DEFAULT,
		.depress_priority = DEPRESSPRI,
		.idle_priority = 0,
		.minimum_priority = MINPRI_USER,
		.maximum_priority = MAXPRI_RESERVED,
	};

	return host_put(&bands, HOST_PRIORITY_INFO_COUNT, info, count);
}

static kern_return_t
host_sched_info(host_info_t info, mach_msg_type_number_t *count)
{
	const integer_t quantum = (integer_t)(SCHED_QUANTUM_NS / NSEC_PER_MSEC);
	const host_sched_info_data_t sched = { .min_timeout = quantum, .min_quantum = quantum };

	return host_put(&sched, HOST_SCHED_INFO_COUNT, info, count);
}

static kern_return_t
host_resource_sizes(host_info_t info, mach_msg_type_number_t *count)
{
	const kernel_resource_sizes_data_t sizes = {
		.task = sizeof(struct task),
		.thread = sizeof(struct thread),
		.port = sizeof(struct ipc_port),
		.memory_region = sizeof(struct vm_map_entry),
		.memory_object = sizeof(struct vm_object),
	};

	return host_put(&sizes, HOST_RESOURCE_SIZES_COUNT, info, count);
}

static kern_return_t
host_preferred_user_arch(host_info_t info, mach_msg_type_number_t *count)
{
	const host_preferred_user_arch_data_t arch = { CPU_TYPE_ARM64, CPU_SUBTYPE_ARM64_ALL };

	return host_put(&arch, HOST_PREFERRED_USER_ARCH_COUNT, info, count);
}

kern_return_t
host_info(host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count)
{
	(void)host;
	switch (flavor) {
	case HOST_BASIC_INFO:
		return host_basic_info(info, count);
	case HOST_SCHED_INFO:
		return host_sched_info(info, count);
	case HOST_RESOURCE_SIZES:
		return host_resource_sizes(info, count);
	case HOST_PRIORITY_INFO:
		return host_priority_info(info, count);
	case HOST_PREFERRED_USER_ARCH:
		return host_preferred_user_arch(info, count);
	case HOST_SEMAPHORE_TRAPS:
	case HOST_MACH_MSG_TRAP:
		*count = 0;
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_ARGUMENT;
	}
}

kern_return_t
host_get_clock_service(host_t host, clock_id_t id, ipc_port_t *clock)
{
	(void)host;
	if (id < 0 || (unsigned)id >= os_countof(clocks)) {
		return KERN_INVALID_ARGUMENT;
	}
	*clock = ipc_port_make_send(clocks[id].clock_port);
	return KERN_SUCCESS;
}

static kern_return_t
host_load_info(host_info_t info, mach_msg_type_number_t *count)
{
	struct load_averages averages;
	host_load_info_data_t load;

	load_average_get(&averages);
	for (enum load_span span = LOAD_5S; span <= LOAD_60S; span++) {
		load.avenrun[span] = host_load_scaled(averages.la_threads[span]);
		load.mach_factor[span] = host_load_scaled(averages.la_factor[span]);
	}
	return host_put(&load, HOST_LOAD_INFO_COUNT, info, count);
}

static kern_return_t
host_cpu_load_info(host_info_t info, mach_msg_type_number_t *count)
{
	host_cpu_load_info_data_t load;

	host_cpu_load(&load);
	return host_put(&load, HOST_CPU_LOAD_INFO_COUNT, info, count);
}

static kern_return_t
host_vm_info64(host_info_t info, mach_msg_type_number_t *count)
{
	vm_statistics64_data_t vm = { 0 };

	if (*count < VM64_OLD_COUNT) {
		return KERN_FAILURE;
	}
	vm_statistics64_get(&vm);
	return host_put(
	    &vm, *count < HOST_VM_INFO64_COUNT ? VM64_OLD_COUNT : HOST_VM_INFO64_COUNT, info, count);
}

/* The first forms of HOST_VM_INFO end before purgeable_count, and before speculative_count. */
#define VM_OLDEST_COUNT 12
#define VM_OLD_COUNT    14

static kern_return_t
host_vm_info(host_info_t info, mach_msg_type_number_t *count)
{
	vm_statistics64_data_t wide = { 0 };
	vm_statistics_data_t vm;

	vm_statistics64_get(&wide);
	vm = (vm_statistics_data_t){
		.free_count = wide.free_count,
		.active_count = wide.active_count,
		.inactive_count = wide.inactive_count,
		.wire_count = wide.wire_count,
		.zero_fill_count = (natural_t)wide.zero_fill_count,
		.reactivations = (natural_t)wide.reactivations,
		.pageins = (natural_t)wide.pageins,
		.pageouts = (natural_t)wide.pageouts,
		.faults = (natural_t)wide.faults,
		.cow_faults = (natural_t)wide.cow_faults,
		.lookups = (natural_t)wide.lookups,
		.hits = (natural_t)wide.hits,
		.purgeable_count = wide.purgeable_count,
		.purges = (natural_t)wide.purges,
		.speculative_count = wide.speculative_count,
	};
	return host_put(&vm,
	    *count >= HOST_VM_INFO_COUNT ? HOST_VM_INFO_COUNT
	    : *count >= VM_OLD_COUNT     ? VM_OLD_COUNT
					 : VM_OLDEST_COUNT,
	    info, count);
}

kern_return_t
host_statistics(host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count)
{
	(void)host;
	switch (flavor) {
	case HOST_LOAD_INFO:
		return host_load_info(info, count);
	case HOST_VM_INFO:
		return host_vm_info(info, count);
	case HOST_CPU_LOAD_INFO:
		return host_cpu_load_info(info, count);
	default:
		return KERN_INVALID_ARGUMENT;
	}
}

kern_return_t
host_statistics64(host_t host, host_flavor_t flavor, host_info64_t info, mach_msg_type_number_t *count)
{
	return flavor == HOST_VM_INFO64 ? host_vm_info64(info, count)
					: host_statistics(host, flavor, info, count);
}

/* --- clock --- */

kern_return_t
clock_get_time(clock_serv_t clock, mach_timespec_t *time)
{
	uint64_t seconds, ns;
	uint32_t fraction;

	if (clock->clock_id == CALENDAR_CLOCK) {
		clock_get_calendar_ns(&seconds, &fraction);
	} else {
		ns = absolutetime_to_nanoseconds(mach_absolute_time());
		seconds = ns / NSEC_PER_SEC;
		fraction = (uint32_t)(ns % NSEC_PER_SEC);
	}
	*time = (mach_timespec_t){ .tv_sec = (unsigned int)seconds, .tv_nsec = (clock_res_t)fraction };
	return KERN_SUCCESS;
}

kern_return_t
clock_get_attributes(
    clock_serv_t clock, clock_flavor_t flavor, clock_attr_t attr, mach_msg_type_number_t *count)
{
	(void)clock;
	if (*count < 1) {
		return KERN_FAILURE;
	}
	switch (flavor) {
	case CLOCK_GET_TIME_RES:
	case CLOCK_ALARM_CURRES:
	case CLOCK_ALARM_MINRES:
	case CLOCK_ALARM_MAXRES:
		attr[0] = (integer_t)absolutetime_to_nanoseconds(1);
		*count = 1;
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_VALUE;
	}
}
