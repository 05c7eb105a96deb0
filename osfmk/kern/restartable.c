/*
 * Restartable ranges; see restartable.h.
 *
 * No locks: the list is constant once published in task.restartable.
 */
#include <kern/restartable.h>

#include <arm64/machine_routines.h>
#include <kern/ast.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <os/atomic.h>
#include <string.h>
#include <vm/vm_map.h>

struct restartable_ranges {
	uint32_t refs; /* (a) tasks */
	uint32_t count;
	task_restartable_range_t range[]; /* (c) by address */
};

static size_t
ranges_bytes(uint32_t count)
{
	return sizeof(struct restartable_ranges) + count * sizeof(task_restartable_range_t);
}

/* --- registering --- */

/* There are at most 64. */
static void
ranges_sort(task_restartable_range_t *range, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		task_restartable_range_t moved = range[i];
		uint32_t at = i;

		for (; at > 0 && range[at - 1].location > moved.location; at--) {
			range[at] = range[at - 1];
		}
		range[at] = moved;
	}
}

static bool
range_is_valid(const task_restartable_range_t *range)
{
	return range->flags == 0 && range->length <= TASK_RESTARTABLE_OFFSET_MAX &&
	       range->recovery_offs <= TASK_RESTARTABLE_OFFSET_MAX &&
	       range->location >= MACH_VM_MIN_ADDRESS &&
	       range->location <= MACH_VM_MAX_ADDRESS - 2 * TASK_RESTARTABLE_OFFSET_MAX;
}

static bool
ranges_are_valid(const task_restartable_range_t *range, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!range_is_valid(&range[i]) ||
		    (i > 0 && range[i - 1].location + range[i - 1].length > range[i].location)) {
			return false;
		}
	}
	return true;
}

kern_return_t
task_restartable_ranges_register(task_t task, task_restartable_range_t *range, uint32_t count)
{
	struct restartable_ranges *made;

	if (task != current_task()) {
		return KERN_FAILURE;
	}
	if (count == 0 || count > TASK_RESTARTABLE_RANGES_MAX) {
		return KERN_INVALID_ARGUMENT;
	}
	ranges_sort(range, count);
	if (!ranges_are_valid(range, count)) {
		return KERN_INVALID_ARGUMENT;
	}
	made = kalloc_flags(ranges_bytes(count), Z_WAIT);
	if (made == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	made->refs = 1;
	made->count = count;
	memcpy(made->range, range, count * sizeof(*range));
	/* Release: who finds the list, finds it complete. */
	if (!os_atomic_cmpxchg(&task->restartable, NULL, made, release)) {
		kfree(made, ranges_bytes(count));
		return KERN_NOT_SUPPORTED;
	}
	return KERN_SUCCESS;
}

void
restartable_ranges_inherit(task_t child, task_t parent)
{
	struct restartable_ranges *ranges =
	    os_atomic_load(&parent->restartable, acquire); /* register's release */

	if (ranges != NULL) {
		os_atomic_inc(&ranges->refs, relaxed);
		child->restartable = ranges;
	}
}

void
restartable_ranges_drop(task_t task)
{
	struct restartable_ranges *ranges = task->restartable;

	if (ranges == NULL) {
		return;
	}
	os_atomic_store(&task->restartable, NULL, relaxed);
	/* acq_rel: the last of several tasks frees it after all uses. */
	if (os_atomic_dec(&ranges->refs, acq_rel) == 0) {
		kfree(ranges, ranges_bytes(ranges->count));
	}
}

/* --- restarting --- */

/* The range that has `pc`, or NULL. */
static const task_restartable_range_t *
ranges_find(const struct restartable_ranges *ranges, uint64_t pc)
{
	uint32_t low = 0, high = ranges->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const task_restartable_range_t *range = &ranges->range[middle];

		if (pc < range->location) {
			high = middle;
		} else if (pc - range->location >= range->length) {
			low = middle + 1;
		} else {
			return range;
		}
	}
	return NULL;
}

void
restartable_ranges_ast(thread_t self)
{
	struct restartable_ranges *ranges =
	    os_atomic_load(&self->task->restartable, acquire); /* register's release */
	const task_restartable_range_t *range;

	thread_ast_clear(AST_RESTART);
	range = ranges == NULL ? NULL : ranges_find(ranges, self->frame.pc);
	if (range != NULL) {
		self->frame.pc = range->location + range->recovery_offs;
		machine_thread_frame_changed(self);
	}
}

static void
enter_kernel(void *arg)
{
	(void)arg; /* the interrupt is all that is wanted */
}

kern_return_t
task_restartable_ranges_synchronize(task_t task)
{
	if (task != current_task()) {
		return KERN_FAILURE;
	}
	if (os_atomic_load(&task->restartable, relaxed) == NULL) {
		return KERN_SUCCESS;
	}
	lck_mtx_lock(&task->lock);
	list_foreach (link, &task->threads) {
		thread_t thread = list_entry(link, struct thread, task_link);

		if (thread != current_thread()) {
			os_atomic_or(&thread->machine.slow_flags, AST_RESTART, seq_cst);
		}
	}
	lck_mtx_unlock(&task->lock);
	cpu_call_all(enter_kernel, NULL);
	return KERN_SUCCESS;
}
