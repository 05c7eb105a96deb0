/*
 * What programs can ask about tasks and threads, and their registers: task_info, thread_info,
 * thread_get_state, thread_set_state.
 *
 * A structure is put together in the caller's stack and copied out whole, since the reply's words are only
 * four-byte aligned. Who asks for times has the task watched from then on (<kern/usage.h>).
 */
#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/thread_policy.h>
#include <mach/policy.h>
#include <mach/task_info.h>
#include <mach/thread_info.h>
#include <string.h>
#include <vm/vm_map.h>

/* The structure goes to the caller if there is room for it. */
static kern_return_t
info_put(const void *info, uint32_t words, integer_t *out, mach_msg_type_number_t *count)
{
	if (*count < words) {
		return KERN_INVALID_ARGUMENT;
	}
	memcpy(out, info, words * sizeof(integer_t));
	*count = words;
	return KERN_SUCCESS;
}

static time_value_t
time_value_of_ticks(uint64_t ticks)
{
	uint64_t ns = absolutetime_to_nanoseconds(ticks);

	return (
	    time_value_t){ (integer_t)(ns / NSEC_PER_SEC), (integer_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
}

/* --- threads --- */

static int
thread_policy_of(thread_t thread)
{
	return thread->se.se_mode == TH_MODE_TIMESHARE ? POLICY_TIMESHARE : POLICY_RR;
}

/* Of late, in parts of TH_USAGE_SCALE. A look without locks. */
static integer_t
thread_cpu_usage(thread_t thread)
{
	static_assert(TH_USAGE_SCALE == 1000, "what sched_entity_share tells");
	return (integer_t)sched_entity_share(
	    &thread->se, nanoseconds_to_absolutetime(thread_cpu_time_ns(thread)), mach_absolute_time());
}

/* A snapshot without locks: the thread may be elsewhere by the time the caller reads it. */
static int
thread_run_state(thread_t thread)
{
	uint64_t word = os_atomic_load(&thread->wait_word, relaxed);

	if (os_atomic_load(&thread->exited, relaxed)) {
		return TH_STATE_HALTED;
	}
	if (os_atomic_load(&thread->parked, relaxed)) {
		return TH_STATE_STOPPED;
	}
	if ((word & WAIT_STATE_MASK) == WAIT_WAITING) {
		return word & WAIT_INTERRUPTIBLE ? TH_STATE_WAITING : TH_STATE_UNINTERRUPTIBLE;
	}
	return TH_STATE_RUNNING;
}

static struct cpu_usage
thread_times(thread_t thread)
{
	struct cpu_usage usage;

	if (thread->task != kernel_task) {
		task_usage_want(thread->task);
	}
	thread_usage_get(thread, &usage);
	return usage;
}

static kern_return_t
thread_info_basic(thread_t thread, thread_info_t out, mach_msg_type_number_t *count)
{
	struct cpu_usage usage = thread_times(thread);
	thread_basic_info_data_t info = {
		.user_time = time_value_of_ticks(usage.cu_user),
		.system_time = time_value_of_ticks(usage.cu_system),
		.cpu_usage = thread_cpu_usage(thread),
		.policy = thread_policy_of(thread),
		.run_state = thread_run_state(thread),
		.suspend_count = (integer_t)os_atomic_load(&thread->user_stop_count, relaxed),
	};

	return info_put(&info, THREAD_BASIC_INFO_COUNT, out, count);
}

static kern_return_t
thread_info_identifier(thread_t thread, thread_info_t out, mach_msg_type_number_t *count)
{
	thread_identifier_info_data_t info = {
		.thread_id = thread->thread_id,
		.thread_handle = thread->machine.tsd_base,
	};

	return info_put(&info, THREAD_IDENTIFIER_INFO_COUNT, out, count);
}

static kern_return_t
thread_info_extended(thread_t thread, thread_info_t out, mach_msg_type_number_t *count)
{
	struct cpu_usage usage = thread_times(thread);
	thread_extended_info_data_t info = {
		.pth_user_time = absolutetime_to_nanoseconds(usage.cu_user),
		.pth_system_time = absolutetime_to_nanoseconds(usage.cu_system),
		.pth_cpu_usage = thread_cpu_usage(thread),
		.pth_policy = thread_policy_of(thread),
		.pth_run_state = thread_run_state(thread),
		.pth_curpri = thread->sched_pri,
		.pth_priority = thread->se.se_base,
		.pth_maxpriority = thread->se.se_mode == TH_MODE_REALTIME ? MAXPRI_REALTIME : MAXPRI_USER,
	};

	lck_mtx_lock(&thread->mutex);
	strlcpy(info.pth_name, thread->name, sizeof(info.pth_name));
	lck_mtx_unlock(&thread->mutex);
	return info_put(&info, THREAD_EXTENDED_INFO_COUNT, out, count);
}

kern_return_t
thread_info(thread_t thread, thread_flavor_t flavor, thread_info_t out, mach_msg_type_number_t *count)
{
	switch (flavor) {
	case THREAD_BASIC_INFO:
		return thread_info_basic(thread, out, count);
	case THREAD_IDENTIFIER_INFO:
		return thread_info_identifier(thread, out, count);
	case THREAD_EXTENDED_INFO:
		return thread_info_extended(thread, out, count);
	case THREAD_SCHED_TIMESHARE_INFO:
	case THREAD_SCHED_RR_INFO:
	case THREAD_SCHED_FIFO_INFO:
		return thread_sched_info(thread, flavor, out, count);
	default:
		return KERN_INVALID_ARGUMENT;
	}
}

/* --- registers --- */

/* Another thread stops first; the caller's own registers are in its frame. */
static void
thread_stop(thread_t thread)
{
	if (thread != current_thread()) {
		thread_hold(thread);
		thread_wait_stopped(thread);
	}
}

static void
thread_unstop(thread_t thread)
{
	if (thread != current_thread()) {
		thread_release(thread);
	}
}

kern_return_t
thread_get_state(thread_t thread, int flavor, uint32_t *state, mach_msg_type_number_t *count)
{
	kern_return_t kr;

	if (!os_atomic_load(&thread->active, relaxed)) {
		return KERN_TERMINATED;
	}
	thread_stop(thread);
	kr = machine_thread_get_state(thread, flavor, state, count);
	thread_unstop(thread);
	return kr;
}

kern_return_t
thread_set_state(thread_t thread, int flavor, uint32_t *state, mach_msg_type_number_t count)
{
	kern_return_t kr;

	if (!os_atomic_load(&thread->active, relaxed)) {
		return KERN_TERMINATED;
	}
	thread_stop(thread);
	kr = machine_thread_set_state(thread, flavor, state, count);
	thread_unstop(thread);
	return kr;
}

/* --- tasks --- */

struct task_usage {
	uint64_t virtual_bytes;
	uint64_t resident_bytes;
	uint64_t footprint_bytes;
	uint32_t regions;
	struct cpu_usage dead, live; /* threads */
	integer_t suspend_count;
};

static uint32_t
count_regions(vm_map_t map)
{
	struct vm_map_region region;
	vm_map_offset_t at = 0;
	uint32_t n = 0;

	while (vm_map_region(map, at, &region) == KERN_SUCCESS) {
		at = region.end;
		n++;
	}
	return n;
}

/* KERN_TERMINATED when the address space is gone. `memory`: also what takes a walk through the map. */
static kern_return_t
task_measure(task_t task, bool memory, struct task_usage *usage)
{
	struct vm_map *map;

	*usage = (struct task_usage){ 0 };
	lck_mtx_lock(&task->lock);
	map = task->map;
	if (map == NULL) {
		lck_mtx_unlock(&task->lock);
		return KERN_TERMINATED;
	}
	vm_map_reference(map);
	usage->suspend_count = (integer_t)task->user_stop_count;
	lck_mtx_unlock(&task->lock);
	task_usage_want(task);
	task_usage_get(task, &usage->dead, &usage->live);
	vm_map_sizes(map, &usage->virtual_bytes, &usage->resident_bytes);
	if (memory) {
		usage->footprint_bytes = vm_map_footprint(map);
		usage->regions = count_regions(map);
	}
	vm_map_deallocate(map);
	return KERN_SUCCESS;
}

static kern_return_t
task_info_mach_basic(const struct task_usage *usage, task_info_t out, mach_msg_type_number_t *count)
{
	mach_task_basic_info_data_t info = {
		.virtual_size = usage->virtual_bytes,
		.resident_size = usage->resident_bytes,
		.resident_size_max = usage->resident_bytes, /* no high-water mark is kept */
		.user_time = time_value_of_ticks(usage->dead.cu_user),
		.system_time = time_value_of_ticks(usage->dead.cu_system),
		.policy = POLICY_TIMESHARE,
		.suspend_count = usage->suspend_count,
	};

	return info_put(&info, MACH_TASK_BASIC_INFO_COUNT, out, count);
}

static kern_return_t
task_info_basic_64(const struct task_usage *usage, task_info_t out, mach_msg_type_number_t *count)
{
	task_basic_info_64_data_t info = {
		.suspend_count = usage->suspend_count,
		.virtual_size = usage->virtual_bytes,
		.resident_size = usage->resident_bytes,
		.user_time = time_value_of_ticks(usage->dead.cu_user),
		.system_time = time_value_of_ticks(usage->dead.cu_system),
		.policy = POLICY_TIMESHARE,
	};

	return info_put(&info, TASK_BASIC_INFO_64_COUNT, out, count);
}

static kern_return_t
task_info_thread_times(const struct task_usage *usage, task_info_t out, mach_msg_type_number_t *count)
{
	task_thread_times_info_data_t info = {
		.user_time = time_value_of_ticks(usage->live.cu_user),
		.system_time = time_value_of_ticks(usage->live.cu_system),
	};

	return info_put(&info, TASK_THREAD_TIMES_INFO_COUNT, out, count);
}

static kern_return_t
task_info_absolutetime(const struct task_usage *usage, task_info_t out, mach_msg_type_number_t *count)
{
	task_absolutetime_info_data_t info = {
		.total_user = usage->dead.cu_user + usage->live.cu_user,
		.total_system = usage->dead.cu_system + usage->live.cu_system,
		.threads_user = usage->live.cu_user,
		.threads_system = usage->live.cu_system,
	};

	return info_put(&info, TASK_ABSOLUTETIME_INFO_COUNT, out, count);
}

/* Up to revision 2: what the later ones tell is not counted here. */
static kern_return_t
task_info_vm(const struct task_usage *usage, task_info_t out, mach_msg_type_number_t *count)
{
	uint32_t words = *count >= TASK_VM_INFO_REV2_COUNT   ? TASK_VM_INFO_REV2_COUNT
			 : *count >= TASK_VM_INFO_REV1_COUNT ? TASK_VM_INFO_REV1_COUNT
							     : TASK_VM_INFO_REV0_COUNT;
	task_vm_info_data_t info = {
		.virtual_size = usage->virtual_bytes,
		.region_count = (integer_t)usage->regions,
		.page_size = PAGE_SIZE,
		.resident_size = usage->resident_bytes,
		.resident_size_peak = usage->resident_bytes, /* no high-water mark is kept */
		.phys_footprint = usage->footprint_bytes,
		.min_address = MACH_VM_MIN_ADDRESS,
		.max_address = MACH_VM_MAX_ADDRESS,
	};

	return info_put(&info, words, out, count);
}

static kern_return_t
task_info_flags(task_info_t out, mach_msg_type_number_t *count)
{
	task_flags_info_data_t info = { .flags = TF_LP64 };

	return info_put(&info, TASK_FLAGS_INFO_COUNT, out, count);
}

/* What the task's messages say of their sender. */
static kern_return_t
task_info_token(task_t task, task_flavor_t flavor, task_info_t out, mach_msg_type_number_t *count)
{
	return flavor == TASK_SECURITY_TOKEN
		   ? info_put(&task->ipc.sec_token, TASK_SECURITY_TOKEN_COUNT, out, count)
		   : info_put(&task->ipc.audit_token, TASK_AUDIT_TOKEN_COUNT, out, count);
}

kern_return_t
task_info(task_t task, task_flavor_t flavor, task_info_t out, mach_msg_type_number_t *count)
{
	struct task_usage usage;
	kern_return_t kr;

	switch (flavor) {
	case TASK_SECURITY_TOKEN:
	case TASK_AUDIT_TOKEN:
		return task_info_token(task, flavor, out, count);
	case TASK_FLAGS_INFO:
		return task_info_flags(out, count);
	default:
		kr = task_measure(task, flavor == TASK_VM_INFO, &usage);
		break;
	}

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	switch (flavor) {
	case MACH_TASK_BASIC_INFO:
		return task_info_mach_basic(&usage, out, count);
	case TASK_BASIC_INFO_64:
		return task_info_basic_64(&usage, out, count);
	case TASK_THREAD_TIMES_INFO:
		return task_info_thread_times(&usage, out, count);
	case TASK_ABSOLUTETIME_INFO:
		return task_info_absolutetime(&usage, out, count);
	case TASK_VM_INFO:
		return task_info_vm(&usage, out, count);
	default:
		return KERN_INVALID_ARGUMENT;
	}
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

kern_return_t
task_get_state(task_t task, int flavor, uint32_t *state, mach_msg_type_number_t *count)
{
	if (flavor != ARM_DEBUG_STATE64 || *count < ARM_DEBUG_STATE64_COUNT) {
		return KERN_INVALID_ARGUMENT;
	}
	*count = ARM_DEBUG_STATE64_COUNT;
	lck_mtx_lock(&task->lock);
	debug_get_task_state(task, state);
	lck_mtx_unlock(&task->lock);
	return KERN_SUCCESS;
}

kern_return_t
task_set_state(task_t task, int flavor, uint32_t *state, mach_msg_type_number_t count)
{
	kern_return_t kr;

	if (flavor != ARM_DEBUG_STATE64 || count < ARM_DEBUG_STATE64_COUNT) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&task->lock);
	kr = debug_set_task_state(task, state);
	lck_mtx_unlock(&task->lock);
	return kr;
}

kern_return_t
thread_convert_thread_state(thread_t thread, int direction, int flavor, const uint32_t *in,
    mach_msg_type_number_t in_count, uint32_t *out, mach_msg_type_number_t *out_count)
{
	uint32_t need = machine_thread_state_words(flavor);

	(void)thread;
	if (direction != THREAD_CONVERT_THREAD_STATE_TO_SELF &&
	    direction != THREAD_CONVERT_THREAD_STATE_FROM_SELF) {
		return KERN_INVALID_ARGUMENT;
	}
	if (need == 0 || in_count < need || *out_count < need) {
		return KERN_INVALID_ARGUMENT;
	}
	memcpy(out, in, need * sizeof(*out));
	*out_count = need;
	return KERN_SUCCESS;
}
