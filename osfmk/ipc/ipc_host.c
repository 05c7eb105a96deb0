/*
 * The host's ports and their MIG routines.
 */
#include <ipc/ipc.h>

#include <arm64/cpu_data.h>
#include <arm64/panic.h>
#include <ipc/ipc_clock.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_processor.h>
#include <ipc/notify.h>
#include <ipc/port.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/info.h>
#include <kern/load.h>
#include <kern/processor.h>
#include <kern/sched.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/version.h>
#include <kern/zalloc.h>
#include <mach/host_info.h>
#include <mach/host_notify.h>
#include <mach/host_reboot.h>
#include <mach/host_special_ports.h>
#include <mach/machine.h>
#include <string.h>
#include <vm/vm_map_internal.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_types.h>
#include <vm/vm_user.h>

struct host realhost;

static LCK_CLASS_DECLARE(host_special_lock_class, "host special ports", LCK_RANK_IPC_MISC);

ipc_port_t
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
	lck_spin_init(&realhost.special_lock, &host_special_lock_class);
	ipc_clock_init();
}

/* These objects never go away, so a look is enough. */
host_t
convert_port_to_host(ipc_port_t port)
{
	host_t host = ip_lasting_kobject(port, IKOT_HOST);

	return host != NULL ? host : convert_port_to_host_priv(port);
}

host_t
convert_port_to_host_priv(ipc_port_t port)
{
	return ip_lasting_kobject(port, IKOT_HOST_PRIV);
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

/* --- host_info --- */

static kern_return_t
fill_basic(void *host, void *info)
{
	integer_t ncpus = (integer_t)cpu_count, running = (integer_t)processor_running_count();
	uint64_t bytes = host_memory_bytes();

	(void)host;
	*(host_basic_info_data_t *)info = (host_basic_info_data_t){
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
	return KERN_SUCCESS;
}

static kern_return_t
fill_sched(void *host, void *info)
{
	const integer_t quantum = (integer_t)(SCHED_QUANTUM_NS / NSEC_PER_MSEC);

	(void)host;
	*(host_sched_info_data_t *)info =
	    (host_sched_info_data_t){ .min_timeout = quantum, .min_quantum = quantum };
	return KERN_SUCCESS;
}

static kern_return_t
fill_resource_sizes(void *host, void *info)
{
	(void)host;
	*(kernel_resource_sizes_data_t *)info = (kernel_resource_sizes_data_t){
		.task = sizeof(struct task),
		.thread = sizeof(struct thread),
		.port = sizeof(struct ipc_port),
		.memory_region = sizeof(struct vm_map_entry),
		.memory_object = sizeof(struct vm_object),
	};
	return KERN_SUCCESS;
}

static kern_return_t
fill_priority(void *host, void *info)
{
	(void)host;
	*(host_priority_info_data_t *)info = (host_priority_info_data_t){
		.kernel_priority = MINPRI_KERNEL,
		.system_priority = MINPRI_KERNEL,
		.server_priority = MINPRI_KERNEL,
		.user_priority = BASEPRI_DEFAULT,
		.depress_priority = DEPRESSPRI,
		.idle_priority = 0,
		.minimum_priority = MINPRI_USER,
		.maximum_priority = MAXPRI_RESERVED,
	};
	return KERN_SUCCESS;
}

/* That there is such a trap is all there is to tell. */
static kern_return_t
fill_nothing(void *host, void *info)
{
	(void)host;
	(void)info;
	return KERN_SUCCESS;
}

static kern_return_t
fill_preferred_user_arch(void *host, void *info)
{
	(void)host;
	*(host_preferred_user_arch_data_t *)info =
	    (host_preferred_user_arch_data_t){ CPU_TYPE_ARM64, CPU_SUBTYPE_ARM64_ALL };
	return KERN_SUCCESS;
}

/* No kernel debugger waits. */
static kern_return_t
fill_can_has_debugger(void *host, void *info)
{
	(void)host;
	*(host_can_has_debugger_info_data_t *)info = (host_can_has_debugger_info_data_t){ FALSE };
	return KERN_SUCCESS;
}

static kern_return_t
fill_vm_purgeable(void *host, void *info)
{
	(void)host;
	vm_purgeable_get_info(info);
	return KERN_SUCCESS;
}

static const struct info_flavor host_flavors[] = {
	{ HOST_BASIC_INFO, { HOST_BASIC_INFO_OLD_COUNT, HOST_BASIC_INFO_COUNT }, fill_basic },
	{ HOST_SCHED_INFO, { HOST_SCHED_INFO_COUNT }, fill_sched },
	{ HOST_RESOURCE_SIZES, { HOST_RESOURCE_SIZES_COUNT }, fill_resource_sizes },
	{ HOST_PRIORITY_INFO, { HOST_PRIORITY_INFO_COUNT }, fill_priority },
	{ HOST_SEMAPHORE_TRAPS, { 0 }, fill_nothing },
	{ HOST_MACH_MSG_TRAP, { 0 }, fill_nothing },
	{ HOST_VM_PURGABLE, { HOST_VM_PURGABLE_COUNT }, fill_vm_purgeable },
	{ HOST_DEBUG_INFO_INTERNAL, { HOST_DEBUG_INFO_INTERNAL_COUNT }, NULL },
	{ HOST_CAN_HAS_DEBUGGER, { HOST_CAN_HAS_DEBUGGER_COUNT }, fill_can_has_debugger },
	{ HOST_PREFERRED_USER_ARCH, { HOST_PREFERRED_USER_ARCH_COUNT }, fill_preferred_user_arch },
};
static const struct info_table host_table = INFO_TABLE(host_flavors, KERN_FAILURE);

kern_return_t
host_info(host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count)
{
	return info_get(&host_table, (uint32_t)flavor, host, info, count);
}

/* --- host_statistics, host_statistics64 --- */

static kern_return_t
fill_load(void *host, void *info)
{
	struct load_averages averages;
	host_load_info_data_t *load = info;

	(void)host;
	load_average_get(&averages);
	for (enum load_span span = LOAD_5S; span <= LOAD_60S; span++) {
		load->avenrun[span] = host_load_scaled(averages.la_threads[span]);
		load->mach_factor[span] = host_load_scaled(averages.la_factor[span]);
	}
	return KERN_SUCCESS;
}

static kern_return_t
fill_cpu_load(void *host, void *info)
{
	(void)host;
	host_cpu_load(info);
	return KERN_SUCCESS;
}

static kern_return_t
fill_vm64(void *host, void *info)
{
	(void)host;
	vm_statistics64_get(info);
	return KERN_SUCCESS;
}

static kern_return_t
fill_vm(void *host, void *info)
{
	vm_statistics64_data_t wide = { 0 };

	(void)host;
	vm_statistics64_get(&wide);
	*(vm_statistics_data_t *)info = (vm_statistics_data_t){
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
	return KERN_SUCCESS;
}

/* The last is for host_statistics64 alone. */
static const struct info_flavor statistics_flavors[] = {
	{ HOST_LOAD_INFO, { HOST_LOAD_INFO_COUNT }, fill_load },
	{ HOST_VM_INFO, { HOST_VM_INFO_REV0_COUNT, HOST_VM_INFO_REV1_COUNT, HOST_VM_INFO_REV2_COUNT },
	    fill_vm },
	{ HOST_CPU_LOAD_INFO, { HOST_CPU_LOAD_INFO_COUNT }, fill_cpu_load },
	{ HOST_EXPIRED_TASK_INFO, { TASK_POWER_INFO_COUNT }, NULL },
	{ HOST_EXTMOD_INFO64, { HOST_EXTMOD_INFO64_COUNT }, NULL },
	{ HOST_VM_INFO64, { HOST_VM_INFO64_REV0_COUNT, HOST_VM_INFO64_REV1_COUNT }, fill_vm64 },
};
static const struct info_table statistics64_table = INFO_TABLE(statistics_flavors, KERN_FAILURE);
static const struct info_table statistics_table = { .it_flavors = statistics_flavors,
	.it_count = os_countof(statistics_flavors) - 1,
	.it_too_short = KERN_FAILURE };

kern_return_t
host_statistics(host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count)
{
	return info_get(&statistics_table, (uint32_t)flavor, host, info, count);
}

kern_return_t
host_statistics64(host_t host, host_flavor_t flavor, host_info64_t info, mach_msg_type_number_t *count)
{
	return info_get(&statistics64_table, (uint32_t)flavor, host, info, count);
}

/* --- special ports: what daemons leave for each other; the kernel's own are fixed --- */

static ipc_port_t
host_copy_special_port(host_t host, int which)
{
	ipc_port_t port;

	switch (which) {
	case HOST_PORT:
		return ipc_port_make_send(host->host_port);
	case HOST_PRIV_PORT:
		return ipc_port_make_send(host->host_priv_port);
	case HOST_IO_MAIN_PORT:
		return ipc_port_make_send(host->io_main_port);
	default:
		lck_spin_lock(&host->special_lock);
		port = ipc_port_copy_send(host->special[which]);
		lck_spin_unlock(&host->special_lock);
		return port;
	}
}

kern_return_t
host_get_special_port(host_t host, int node, int which, ipc_port_t *port)
{
	if (node != HOST_LOCAL_NODE || which < HOST_MIN_SPECIAL_PORT || which > HOST_MAX_SPECIAL_PORT) {
		return KERN_INVALID_ARGUMENT;
	}
	*port = host_copy_special_port(host, which);
	return KERN_SUCCESS;
}

/* The right is taken over on success. */
kern_return_t
host_set_special_port(host_t host, int which, ipc_port_t port)
{
	ipc_port_t old;

	if (which <= HOST_MAX_SPECIAL_KERNEL_PORT || which > HOST_MAX_SPECIAL_PORT) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_spin_lock(&host->special_lock);
	old = host->special[which];
	host->special[which] = port;
	lck_spin_unlock(&host->special_lock);
	ipc_port_release_send(old);
	return KERN_SUCCESS;
}

/* --- who wants to hear that the calendar was set: once each --- */

struct host_notify {
	struct list_node link;
	ipc_port_t port; /* send-once right */
};

static ZONE_DEFINE(host_notify_zone, "host notifications", sizeof(struct host_notify), ZC_NONE);
static LCK_CLASS_DECLARE(host_notify_lock_class, "host notifications", LCK_RANK_IPC_MISC);
static LCK_SPIN_DECLARE(host_notify_lock, &host_notify_lock_class);
static struct list_node host_notify_list[HOST_NOTIFY_TYPE_MAX + 1] = {
	LIST_HEAD_INIT(host_notify_list[HOST_NOTIFY_CALENDAR_CHANGE]),
	LIST_HEAD_INIT(host_notify_list[HOST_NOTIFY_CALENDAR_SET]),
};

kern_return_t
host_request_notification(host_t host, host_flavor_t type, ipc_port_t port)
{
	struct host_notify *request;

	(void)host;
	if (type < 0 || type > HOST_NOTIFY_TYPE_MAX || !IP_VALID(port)) {
		return KERN_INVALID_ARGUMENT;
	}
	request = zalloc_wait(host_notify_zone);
	if (request == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	request->port = port;
	lck_spin_lock(&host_notify_lock);
	list_push_back(&host_notify_list[type], &request->link);
	lck_spin_unlock(&host_notify_lock);
	return KERN_SUCCESS;
}

static ipc_port_t
host_notify_take(host_flavor_t type)
{
	struct list_node *link;
	struct host_notify *request;
	ipc_port_t port = IP_NULL;

	lck_spin_lock(&host_notify_lock);
	link = list_pop_front(&host_notify_list[type]);
	lck_spin_unlock(&host_notify_lock);
	if (link != NULL) {
		request = list_entry(link, struct host_notify, link);
		port = request->port;
		zfree(host_notify_zone, request);
	}
	return port;
}

static void
host_notify_all(host_flavor_t type, mach_msg_id_t id)
{
	ipc_port_t port;

	while ((port = host_notify_take(type)) != IP_NULL) {
		ipc_notify_send_bare(port, id);
	}
}

void
host_set_calendar(uint64_t seconds, uint32_t nanoseconds)
{
	clock_set_calendar_ns(seconds, nanoseconds);
	host_notify_all(HOST_NOTIFY_CALENDAR_CHANGE, HOST_CALENDAR_CHANGED_REPLYID);
	host_notify_all(HOST_NOTIFY_CALENDAR_SET, HOST_CALENDAR_SET_REPLYID);
}

/* --- the machine --- */

kern_return_t
host_reboot(host_t host, int options)
{
	(void)host;
	if (options & HOST_REBOOT_DEBUGGER) {
		return KERN_NOT_SUPPORTED;
	}
	machine_halt(0);
}

kern_return_t
thread_wire(host_t host, thread_t thread, boolean_t wired)
{
	(void)host;
	(void)wired;
	return thread == current_thread() ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}
