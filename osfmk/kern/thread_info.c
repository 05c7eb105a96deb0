/*
 * thread_info. Who asks for times has the task watched from then on (<kern/usage.h>).
 */
#include <kern/clock.h>
#include <kern/info.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/thread_policy.h>
#include <mach/policy.h>
#include <mach/thread_info.h>
#include <string.h>

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
	task_t task = thread_task_reference(thread);

	if (task != TASK_NULL) {
		if (task != kernel_task) {
			task_usage_want(task);
		}
		task_deallocate(task);
	}
	thread_usage_get(thread, &usage);
	return usage;
}

static kern_return_t
fill_basic(void *object, void *info)
{
	thread_t thread = object;
	struct cpu_usage usage = thread_times(thread);

	*(thread_basic_info_data_t *)info = (thread_basic_info_data_t){
		.user_time = time_value_of_ticks(usage.cu_user),
		.system_time = time_value_of_ticks(usage.cu_system),
		.cpu_usage = thread_cpu_usage(thread),
		.policy = thread_policy_of(thread),
		.run_state = thread_run_state(thread),
		.suspend_count = (integer_t)os_atomic_load(&thread->user_stop_count, relaxed),
	};
	return KERN_SUCCESS;
}

static kern_return_t
fill_identifier(void *object, void *info)
{
	thread_t thread = object;

	*(thread_identifier_info_data_t *)info = (thread_identifier_info_data_t){
		.thread_id = thread->thread_id,
		.thread_handle = thread->machine.tsd_base,
	};
	return KERN_SUCCESS;
}

static kern_return_t
fill_extended(void *object, void *info)
{
	thread_t thread = object;
	struct cpu_usage usage = thread_times(thread);
	thread_extended_info_data_t *extended = info;

	*extended = (thread_extended_info_data_t){
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
	strlcpy(extended->pth_name, thread->name, sizeof(extended->pth_name));
	lck_mtx_unlock(&thread->mutex);
	return KERN_SUCCESS;
}

/* A thread shares time or is of fixed priority, which is POLICY_RR; none is of POLICY_FIFO. */
static kern_return_t
fill_timeshare(void *object, void *info)
{
	return thread_timeshare_info(object, info);
}

static kern_return_t
fill_rr(void *object, void *info)
{
	return thread_rr_info(object, info);
}

static kern_return_t
fill_fifo(void *object, void *info)
{
	(void)object;
	(void)info;
	return KERN_INVALID_POLICY;
}

static const struct info_flavor thread_flavors[] = {
	{ THREAD_BASIC_INFO, { THREAD_BASIC_INFO_COUNT }, fill_basic },
	{ THREAD_IDENTIFIER_INFO, { THREAD_IDENTIFIER_INFO_COUNT }, fill_identifier },
	{ THREAD_EXTENDED_INFO, { THREAD_EXTENDED_INFO_COUNT }, fill_extended },
	{ THREAD_DEBUG_INFO_INTERNAL, { THREAD_DEBUG_INFO_INTERNAL_COUNT }, NULL },
	{ THREAD_SCHED_TIMESHARE_INFO, { POLICY_TIMESHARE_INFO_COUNT }, fill_timeshare },
	{ THREAD_SCHED_RR_INFO, { POLICY_RR_INFO_COUNT }, fill_rr },
	{ THREAD_SCHED_FIFO_INFO, { POLICY_FIFO_INFO_COUNT }, fill_fifo },
};
static const struct info_table thread_table = INFO_TABLE(thread_flavors, KERN_INVALID_ARGUMENT);

kern_return_t
thread_info(thread_t thread, thread_flavor_t flavor, thread_info_t out, mach_msg_type_number_t *count)
{
	return info_get(&thread_table, flavor, thread, out, count);
}
