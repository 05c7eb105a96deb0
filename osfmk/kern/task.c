/*
 * Tasks: <kern/task.h> has the life cycle and the locks.
 */
#include <kern/task.h>

#include <kern/task_policy.h>

#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <ipc/ipc.h>
#include <kern/restartable.h>
#include <kern/sched.h>
#include <kern/semaphore.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <vm/pmap.h>
#include <vm/vm_map.h>

#include <string.h>

static ZONE_DEFINE(task_zone, "tasks", sizeof(struct task), ZC_TYPESTABLE);

static LCK_CLASS_DECLARE(task_lock_class, "task", LCK_RANK_TASK);

static struct task kernel_task_storage;
task_t kernel_task = &kernel_task_storage;

/*
 * Ids. Each CPU takes a block from the machine's counter, so that creating tasks and threads on different
 * CPUs writes no common line but once in UNIQUE_ID_BLOCK times.
 */
#define UNIQUE_ID_BLOCK 256U

static uint64_t unique_id_next_block OS_CACHE_ALIGNED = 1; /* atomic */

struct unique_id_range {
	uint64_t next, end;
};

static PERCPU_DATA(struct unique_id_range, percpu_unique_ids);

uint64_t
unique_id_allocate(void)
{
	struct unique_id_range *range;
	uint64_t id;

	disable_preemption();
	range = PERCPU_GET(percpu_unique_ids);
	if (range->next == range->end) {
		range->next = os_atomic_add_orig(&unique_id_next_block, UNIQUE_ID_BLOCK, relaxed);
		range->end = range->next + UNIQUE_ID_BLOCK;
	}
	id = range->next++;
	enable_preemption();
	return id;
}

/* --- references --- */

void
task_reference(task_t task)
{
	uint32_t refs = os_atomic_inc_orig(&task->ref_count, relaxed);

	assert(refs > 0);
	(void)refs;
}

void
task_deallocate(task_t task)
{
	/* Release: each holder's last use; acquire: the last one frees after all of them. */
	if (os_atomic_dec(&task->ref_count, acq_rel) == 0) {
		assert(!task->active && task->thread_count == 0 && task->map == NULL);
		lck_mtx_destroy(&task->lock);
		debug_discard_task(task);
		zfree_smr(task_zone, task);
	}
}

/* --- creation --- */

static void
task_setup(task_t task, task_t parent, struct vm_map *map)
{
	memset(task, 0, sizeof(*task));
	task->map = map;
	task->active = true;
	task->ref_count = 2; /* the creator, being alive */
	task_policy_init(task, parent);
	task->unique_id = unique_id_allocate();
	task->bsd_pid = -1;
	list_init(&task->threads);
	list_init(&task->semaphores);
	lck_mtx_init(&task->lock, &task_lock_class);
}

static struct vm_map *
task_new_map(task_t parent, bool inherit_memory)
{
	struct vm_map *map;
	pmap_t pmap;

	if (inherit_memory) {
		return vm_map_fork(parent->map);
	}
	pmap = pmap_create();
	if (pmap == NULL) {
		return NULL;
	}
	map = vm_map_create(pmap, MACH_VM_MIN_ADDRESS, MACH_VM_MAX_ADDRESS);
	if (map == NULL) {
		pmap_destroy(pmap);
	}
	return map;
}

kern_return_t
task_create_with_map(task_t parent, struct vm_map *map, task_t *out)
{
	task_t task = zalloc_wait(task_zone);

	if (task == TASK_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	task_setup(task, parent, map);
	task->usage_wanted = os_atomic_load(&parent->usage_wanted, relaxed);
	if (ipc_task_init(task, parent) != KERN_SUCCESS) {
		lck_mtx_destroy(&task->lock);
		zfree(task_zone, task);
		return KERN_RESOURCE_SHORTAGE;
	}
	*out = task;
	return KERN_SUCCESS;
}

kern_return_t
task_create_internal(task_t parent, bool inherit_memory, task_t *out)
{
	struct vm_map *map = task_new_map(parent, inherit_memory);
	kern_return_t kr;

	if (map == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	kr = task_create_with_map(parent, map, out);
	if (kr != KERN_SUCCESS) {
		vm_map_deallocate(map);
	} else if (inherit_memory) {
		restartable_ranges_inherit(*out, parent);
	}
	return kr;
}

void
task_init(void)
{
	task_setup(kernel_task, TASK_NULL, kernel_map);
	kernel_task->priority = BASEPRI_KERNEL;
}

/* --- threads come and go --- */

kern_return_t
task_add_thread(task_t task, thread_t thread)
{
	kern_return_t kr = KERN_TERMINATED;

	lck_mtx_lock(&task->lock);
	if (task->active && !task->halting) {
		kr = debug_inherit(thread, task);
	}
	if (kr == KERN_SUCCESS) {
		if (task != kernel_task) {
			thread->pmap = vm_map_pmap(task->map); /* exec may have replaced the map */
		}
		list_push_back(&task->threads, &thread->task_link);
		task->thread_count++;
		if (task->usage_wanted) {
			thread_usage_begin_unstarted(thread);
		}
		if (task->suspend_count > 0) {
			thread_hold(thread);
		}
	}
	lck_mtx_unlock(&task->lock);
	return kr;
}

/* Nobody runs in the task any more and nobody ever will. */
static void
task_finish(task_t task, struct vm_map *map)
{
	assert(task != kernel_task);
	semaphore_destroy_all(task);
	ipc_task_terminate(task);
	restartable_ranges_drop(task);
	vm_map_deallocate(map);
	task_deallocate(task);
}

/* The map of a task that ends; with the task lock held, by whoever is going to finish it. */
static struct vm_map *
task_take_map_locked(task_t task) REQUIRES(task->lock)
{
	struct vm_map *map = task->map;

	task->map = NULL;
	return map;
}

/* The last thread, with the task still whole: a parent that waits for the process sees all of its effects. */
static void
task_last_thread(task_t task, bool disable)
{
	if (disable) {
		ipc_task_disable(task);
	}
	if (task->bsd_info != NULL) {
		bsd_task_exit(task);
	}
}

void
task_remove_current_thread(task_t task, thread_t self)
{
	struct vm_map *map = NULL;
	struct cpu_usage used;
	bool last, disable;

	lck_mtx_lock(&task->lock);
	while (task->disabling) {
		(void)lck_mtx_sleep(&task->lock, &task->disabling, THREAD_UNINT, 0);
	}
	last = task->thread_count == 1;
	if (last) {
		/* No thread can be added from here on, so this one stays the last. */
		disable = task->active;
		os_atomic_store(&task->active, false, relaxed);
		lck_mtx_unlock(&task->lock);
		task_last_thread(task, disable);
		lck_mtx_lock(&task->lock);
	}
	list_remove(&self->task_link);
	task->thread_count--;
	thread_usage_get(self, &used);
	cpu_usage_add(&task->dead_usage, &used);
	if (last) {
		map = task_take_map_locked(task);
	} else if (task->halting) {
		thread_wakeup(&task->halting);
	}
	/*
	 * A kernel thread from here on. Before the lock is let go, [D1] of <arm64/pmap.h>: the last thread, or one that
	 * execs, may free the map right after, and who is preempted comes back to the pmap that it names. The one that is
	 * still loaded outlives its map.
	 */
	self->task = kernel_task;
	self->pmap = kernel_pmap;
	lck_mtx_unlock(&task->lock);
	if (last) {
		task_finish(task, map);
	}
}

struct vm_map *
task_map_reference(task_t task)
{
	struct vm_map *map;

	lck_mtx_lock(&task->lock);
	map = task->map;
	if (map != NULL) {
		vm_map_reference(map);
	}
	lck_mtx_unlock(&task->lock);
	return map;
}

kern_return_t
task_threads_snapshot(task_t task, struct task_threads *snapshot)
{
	*snapshot = (struct task_threads){ 0 };
	lck_mtx_lock(&task->lock);
	while (task->thread_count * sizeof(thread_t) > snapshot->bytes) {
		size_t bytes = task->thread_count * sizeof(thread_t);

		lck_mtx_unlock(&task->lock);
		if (snapshot->bytes != 0) {
			kfree(snapshot->threads, snapshot->bytes);
		}
		*snapshot = (struct task_threads){ .threads = kalloc_flags(bytes, Z_WAIT), .bytes = bytes };
		if (snapshot->threads == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
		lck_mtx_lock(&task->lock);
	}
	list_foreach (link, &task->threads) {
		thread_t thread = list_entry(link, struct thread, task_link);

		thread_reference(thread);
		snapshot->threads[snapshot->count++] = thread;
	}
	lck_mtx_unlock(&task->lock);
	return KERN_SUCCESS;
}

void
task_threads_release(struct task_threads *snapshot)
{
	for (uint32_t i = 0; i < snapshot->count; i++) {
		thread_deallocate(snapshot->threads[i]);
	}
	if (snapshot->bytes != 0) {
		kfree(snapshot->threads, snapshot->bytes);
	}
}

/* Asks again with more room while there are more tasks than fit. */
kern_return_t
task_list_take(struct task_list *list)
{
	uint32_t have = 0, found;

	*list = (struct task_list){ 0 };
	while ((found = bsd_tasks(list->tasks, have)) > have) {
		if (list->bytes != 0) {
			kfree(list->tasks, list->bytes);
		}
		have = found + found / 4;
		list->bytes = have * sizeof(task_t);
		list->tasks = kalloc_flags(list->bytes, Z_WAIT);
		if (list->tasks == NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	list->count = found;
	return KERN_SUCCESS;
}

void
task_list_release(struct task_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		task_deallocate(list->tasks[i]);
	}
	if (list->bytes != 0) {
		kfree(list->tasks, list->bytes);
	}
}

/* --- ending --- */

/* Asks every thread but the current one to die. */
static void
task_terminate_threads_locked(task_t task) REQUIRES(task->lock)
{
	list_foreach (link, &task->threads) {
		thread_t thread = list_entry(link, struct thread, task_link);

		if (thread != current_thread()) {
			(void)thread_terminate(thread);
		}
	}
}

kern_return_t
task_terminate_internal(task_t task)
{
	struct vm_map *map = NULL;

	if (task == TASK_NULL || task == kernel_task) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&task->lock);
	if (!task->active) {
		lck_mtx_unlock(&task->lock);
		return KERN_TERMINATED;
	}
	os_atomic_store(&task->active, false, relaxed);
	task->disabling = true;
	lck_mtx_unlock(&task->lock);

	/* While this is going on the last thread cannot leave, so the ports are there to be killed. */
	ipc_task_disable(task);

	lck_mtx_lock(&task->lock);
	task->disabling = false;
	thread_wakeup(&task->disabling);
	task_terminate_threads_locked(task);
	if (task->thread_count == 0) {
		map = task_take_map_locked(task);
	}
	lck_mtx_unlock(&task->lock);
	if (map != NULL) {
		task_finish(task, map);
	}
	return KERN_SUCCESS;
}

kern_return_t
task_terminate(task_t task)
{
	kern_return_t kr = task_terminate_internal(task);

	if (kr == KERN_SUCCESS && task == current_task()) {
		kr = thread_terminate(current_thread());
	}
	return kr;
}

kern_return_t
task_halt_other_threads(task_t task)
{
	kern_return_t kr = KERN_SUCCESS;

	assert(current_task() == task);
	lck_mtx_lock(&task->lock);
	if (task->halting) {
		lck_mtx_unlock(&task->lock);
		return KERN_FAILURE;
	}
	task->halting = true;
	task_terminate_threads_locked(task);
	while (task->thread_count > 1 && kr == KERN_SUCCESS) {
		if (lck_mtx_sleep(&task->lock, &task->halting, THREAD_ABORTSAFE, 0) == THREAD_INTERRUPTED) {
			kr = KERN_ABORTED;
		}
	}
	task->halting = kr == KERN_SUCCESS; /* until task_swap_map */
	lck_mtx_unlock(&task->lock);
	return kr;
}

/* --- stop and go --- */

static void
task_hold_locked(task_t task) REQUIRES(task->lock)
{
	if (task->suspend_count++ == 0) {
		list_foreach (link, &task->threads) {
			thread_hold(list_entry(link, struct thread, task_link));
		}
	}
}

static void
task_release_locked(task_t task) REQUIRES(task->lock)
{
	assert(task->suspend_count > 0);
	if (--task->suspend_count == 0) {
		list_foreach (link, &task->threads) {
			thread_release(list_entry(link, struct thread, task_link));
		}
	}
}

static kern_return_t
task_wait_stopped(task_t task)
{
	struct task_threads snapshot;
	kern_return_t kr = task_threads_snapshot(task, &snapshot);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	for (uint32_t i = 0; i < snapshot.count; i++) {
		if (snapshot.threads[i] != current_thread()) {
			thread_wait_stopped(snapshot.threads[i]);
		}
	}
	task_threads_release(&snapshot);
	return KERN_SUCCESS;
}

static void
task_resume_user_locked(task_t task, bool token) REQUIRES(task->lock)
{
	task->token_stop_count -= token;
	if (--task->user_stop_count == 0) {
		task_release_locked(task);
	}
}

/* Whoever suspends it, first or not, finds it stopped afterwards; without memory to wait for that it is not suspended. */
static kern_return_t
task_suspend_user(task_t task, bool token)
{
	kern_return_t kr;

	if (task == TASK_NULL || task == kernel_task) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&task->lock);
	if (!task->active) {
		lck_mtx_unlock(&task->lock);
		return KERN_TERMINATED;
	}
	task->token_stop_count += token;
	if (task->user_stop_count++ == 0) {
		task_hold_locked(task);
	}
	lck_mtx_unlock(&task->lock);
	kr = task_wait_stopped(task);
	if (kr != KERN_SUCCESS) {
		lck_mtx_lock(&task->lock);
		task_resume_user_locked(task, token);
		lck_mtx_unlock(&task->lock);
	}
	return kr;
}

kern_return_t
task_suspend(task_t task)
{
	return task_suspend_user(task, false);
}

kern_return_t
task_suspend_token(task_t task)
{
	return task_suspend_user(task, true);
}

kern_return_t
task_resume(task_t task)
{
	kern_return_t kr = KERN_FAILURE;

	if (task == TASK_NULL || task == kernel_task) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&task->lock);
	if (!task->active) {
		kr = KERN_TERMINATED;
	} else if (task->user_stop_count > task->token_stop_count) {
		task_resume_user_locked(task, false);
		kr = KERN_SUCCESS;
	}
	lck_mtx_unlock(&task->lock);
	return kr;
}

void
task_resume_token(task_t task)
{
	lck_mtx_lock(&task->lock);
	assert(task->token_stop_count > 0);
	task_resume_user_locked(task, true);
	lck_mtx_unlock(&task->lock);
}

/* --- exec --- */

struct vm_map *
task_swap_map(task_t task, thread_t thread, struct vm_map *map)
{
	struct vm_map *old;

	lck_mtx_lock(&task->lock); /* others take references to the map */
	old = task->map;
	disable_preemption();
	task->map = map;
	thread->pmap = vm_map_pmap(map);
	if (thread == current_thread()) {
		pmap_switch(thread->pmap);
	}
	enable_preemption();
	debug_reset_task(task); /* its addresses were the old map's */
	task->halting = false;
	lck_mtx_unlock(&task->lock);
	exc_actions_thread_exec(thread);
	ipc_thread_begins_program(thread);
	restartable_ranges_drop(task);
	return old;
}
