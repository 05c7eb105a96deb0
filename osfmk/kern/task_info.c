/*
 * task_info and task_set_info. Who asks for times has the task watched from then on (<kern/usage.h>); who asks for sizes
 * has its map walked.
 */
#include <kern/clock.h>
#include <kern/info.h>
#include <kern/task.h>
#include <kern/task_policy.h>
#include <kern/thread.h>
#include <mach/policy.h>
#include <mach/task_info.h>
#include <vm/vm_map.h>

struct task_usage {
	struct vm_map_measure memory;
	struct cpu_usage dead; /* threads */
	integer_t suspend_count;
};

/* KERN_TERMINATED when the address space is gone. */
static kern_return_t
task_measure(task_t task, struct task_usage *usage)
{
	struct vm_map *map = task_map_reference(task);

	if (map == NULL) {
		return KERN_TERMINATED;
	}
	vm_map_measure(map, &usage->memory);
	vm_map_deallocate(map);
	lck_mtx_lock(&task->lock);
	usage->suspend_count = (integer_t)task->user_stop_count;
	lck_mtx_unlock(&task->lock);
	task_usage_want(task);
	task_usage_get(task, &usage->dead, NULL);
	return KERN_SUCCESS;
}

static kern_return_t
fill_mach_basic(void *task, void *info)
{
	struct task_usage usage;
	kern_return_t kr = task_measure(task, &usage);

	if (kr == KERN_SUCCESS) {
		*(mach_task_basic_info_data_t *)info = (mach_task_basic_info_data_t){
			.virtual_size = usage.memory.virtual_bytes,
			.resident_size = usage.memory.resident_bytes,
			.resident_size_max = usage.memory.resident_bytes, /* no high-water mark is kept */
			.user_time = time_value_of_ticks(usage.dead.cu_user),
			.system_time = time_value_of_ticks(usage.dead.cu_system),
			.policy = POLICY_TIMESHARE,
			.suspend_count = usage.suspend_count,
		};
	}
	return kr;
}

static kern_return_t
fill_basic_64(void *task, void *info)
{
	struct task_usage usage;
	kern_return_t kr = task_measure(task, &usage);

	if (kr == KERN_SUCCESS) {
		*(task_basic_info_64_data_t *)info = (task_basic_info_64_data_t){
			.suspend_count = usage.suspend_count,
			.virtual_size = usage.memory.virtual_bytes,
			.resident_size = usage.memory.resident_bytes,
			.user_time = time_value_of_ticks(usage.dead.cu_user),
			.system_time = time_value_of_ticks(usage.dead.cu_system),
			.policy = POLICY_TIMESHARE,
		};
	}
	return kr;
}

static natural_t
bytes_in_a_word(uint64_t bytes)
{
	return (natural_t)os_min(bytes, (uint64_t)UINT32_MAX);
}

static kern_return_t
fill_basic_32(void *task, void *info)
{
	struct task_usage usage;
	kern_return_t kr = task_measure(task, &usage);

	if (kr == KERN_SUCCESS) {
		*(task_basic_info_32_data_t *)info = (task_basic_info_32_data_t){
			.suspend_count = usage.suspend_count,
			.virtual_size = bytes_in_a_word(usage.memory.virtual_bytes),
			.resident_size = bytes_in_a_word(usage.memory.resident_bytes),
			.user_time = time_value_of_ticks(usage.dead.cu_user),
			.system_time = time_value_of_ticks(usage.dead.cu_system),
			.policy = POLICY_TIMESHARE,
		};
	}
	return kr;
}

static_assert(TASK_VM_INFO_COUNT <= INFO_WORDS_MAX, "fill_vm writes all of it, whatever is told");

/* Up to revision 2: what the later ones tell is not counted here. No high-water marks are kept. */
static kern_return_t
fill_vm(void *task, void *info)
{
	struct task_usage usage;
	const struct vm_map_measure *memory = &usage.memory;
	kern_return_t kr = task_measure(task, &usage);

	if (kr == KERN_SUCCESS) {
		*(task_vm_info_data_t *)info = (task_vm_info_data_t){
			.virtual_size = memory->virtual_bytes,
			.region_count = (integer_t)memory->regions,
			.page_size = PAGE_SIZE,
			.resident_size = memory->resident_bytes,
			.resident_size_peak = memory->resident_bytes,
			.internal = memory->resident_bytes - memory->external_bytes,
			.internal_peak = memory->resident_bytes - memory->external_bytes,
			.external = memory->external_bytes,
			.external_peak = memory->external_bytes,
			.compressed = memory->compressed_bytes,
			.compressed_peak = memory->compressed_bytes,
			.phys_footprint = memory->resident_bytes + memory->compressed_bytes,
			.min_address = MACH_VM_MIN_ADDRESS,
			.max_address = MACH_VM_MAX_ADDRESS,
		};
	}
	return kr;
}

/* KERN_TERMINATED for a task that has ended. */
static kern_return_t
task_times(task_t task, struct cpu_usage *dead, struct cpu_usage *live)
{
	if (!os_atomic_load(&task->active, relaxed)) {
		return KERN_TERMINATED;
	}
	task_usage_want(task);
	task_usage_get(task, dead, live);
	return KERN_SUCCESS;
}

static kern_return_t
fill_thread_times(void *task, void *info)
{
	struct cpu_usage live;
	kern_return_t kr = task_times(task, NULL, &live);

	if (kr == KERN_SUCCESS) {
		*(task_thread_times_info_data_t *)info = (task_thread_times_info_data_t){
			.user_time = time_value_of_ticks(live.cu_user),
			.system_time = time_value_of_ticks(live.cu_system),
		};
	}
	return kr;
}

static kern_return_t
fill_absolutetime(void *task, void *info)
{
	struct cpu_usage dead, live;
	kern_return_t kr = task_times(task, &dead, &live);

	if (kr == KERN_SUCCESS) {
		*(task_absolutetime_info_data_t *)info = (task_absolutetime_info_data_t){
			.total_user = dead.cu_user + live.cu_user,
			.total_system = dead.cu_system + live.cu_system,
			.threads_user = live.cu_user,
			.threads_system = live.cu_system,
		};
	}
	return kr;
}

/* What the task's messages say of their sender. */
static kern_return_t
fill_security_token(void *task, void *info)
{
	*(security_token_t *)info = ((task_t)task)->ipc.sec_token;
	return KERN_SUCCESS;
}

static kern_return_t
fill_audit_token(void *task, void *info)
{
	*(audit_token_t *)info = ((task_t)task)->ipc.audit_token;
	return KERN_SUCCESS;
}

static kern_return_t
fill_flags(void *task, void *info)
{
	(void)task;
	*(task_flags_info_data_t *)info = (task_flags_info_data_t){ .flags = TF_LP64 };
	return KERN_SUCCESS;
}

/* Programs are static: no dynamic linker has a list of images. */
static kern_return_t
fill_dyld(void *task, void *info)
{
	(void)task;
	*(task_dyld_info_data_t *)info =
	    (task_dyld_info_data_t){ .all_image_info_format = TASK_DYLD_ALL_IMAGE_INFO_64 };
	return KERN_SUCCESS;
}

static kern_return_t
fill_affinity(void *task, void *info)
{
	return task_affinity_info(task, info);
}

static const struct info_flavor task_flavors[] = {
	{ TASK_ABSOLUTETIME_INFO, { TASK_ABSOLUTETIME_INFO_COUNT }, fill_absolutetime },
	{ TASK_EVENTS_INFO, { TASK_EVENTS_INFO_COUNT }, NULL },
	{ TASK_THREAD_TIMES_INFO, { TASK_THREAD_TIMES_INFO_COUNT }, fill_thread_times },
	{ TASK_BASIC_INFO_32, { TASK_BASIC_INFO_32_COUNT }, fill_basic_32 },
	{ TASK_BASIC2_INFO_32, { TASK_BASIC_INFO_32_COUNT }, fill_basic_32 },
	{ TASK_KERNELMEMORY_INFO, { TASK_KERNELMEMORY_INFO_COUNT }, NULL },
	{ TASK_SECURITY_TOKEN, { TASK_SECURITY_TOKEN_COUNT }, fill_security_token },
	{ TASK_AUDIT_TOKEN, { TASK_AUDIT_TOKEN_COUNT }, fill_audit_token },
	{ TASK_AFFINITY_TAG_INFO, { TASK_AFFINITY_TAG_INFO_COUNT }, fill_affinity },
	{ TASK_DYLD_INFO, { TASK_DYLD_INFO_COUNT }, fill_dyld },
	{ TASK_BASIC_INFO_64, { TASK_BASIC_INFO_64_COUNT }, fill_basic_64 },
	{ TASK_EXTMOD_INFO, { TASK_EXTMOD_INFO_COUNT }, NULL },
	{ MACH_TASK_BASIC_INFO, { MACH_TASK_BASIC_INFO_COUNT }, fill_mach_basic },
	{ TASK_POWER_INFO, { TASK_POWER_INFO_COUNT }, NULL },
	{ TASK_VM_INFO, { TASK_VM_INFO_REV0_COUNT, TASK_VM_INFO_REV1_COUNT, TASK_VM_INFO_REV2_COUNT },
	    fill_vm },
	{ TASK_VM_INFO_PURGEABLE, { TASK_VM_INFO_REV0_COUNT }, NULL },
	{ TASK_TRACE_MEMORY_INFO, { TASK_TRACE_MEMORY_INFO_COUNT }, NULL },
	{ TASK_WAIT_STATE_INFO, { TASK_WAIT_STATE_INFO_COUNT }, NULL },
	{ TASK_POWER_INFO_V2, { TASK_POWER_INFO_V2_COUNT_OLD }, NULL },
	{ TASK_FLAGS_INFO, { TASK_FLAGS_INFO_COUNT }, fill_flags },
	{ TASK_DEBUG_INFO_INTERNAL, { TASK_DEBUG_INFO_INTERNAL_COUNT }, NULL },
	{ TASK_SUSPEND_STATS_INFO, { TASK_SUSPEND_STATS_INFO_COUNT }, NULL },
	{ TASK_SUSPEND_SOURCES_INFO, { TASK_SUSPEND_SOURCES_INFO_COUNT }, NULL },
};
static const struct info_table task_table = INFO_TABLE(task_flavors, KERN_INVALID_ARGUMENT);

kern_return_t
task_info(task_t task, task_flavor_t flavor, task_info_t out, mach_msg_type_number_t *count)
{
	return info_get(&task_table, flavor, task, out, count);
}

kern_return_t
task_set_info(task_t task, task_flavor_t flavor, task_info_t info, mach_msg_type_number_t count)
{
	(void)task;
	(void)info;
	(void)count;
	/* What can be told cannot be set; a trace buffer could, where there is one. */
	return flavor == TASK_TRACE_MEMORY_INFO ? KERN_NOT_SUPPORTED : KERN_INVALID_ARGUMENT;
}
