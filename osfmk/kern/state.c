/*
 * Register states of threads and tasks, as programs read and set them: thread_get_state, thread_set_state,
 * thread_convert_thread_state, task_get_state, task_set_state.
 */
#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <string.h>

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
