/*
 * Life of threads. See <kern/thread.h>.
 *
 * Locks: the thread's mutex (LCK_RANK_THREAD_MUTEX) for suspension and attributes; the task's for membership.
 */
#include <kern/thread.h>

#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <ipc/ipc.h>
#include <kdebug/kdebug.h>
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/sched_priority.h>
#include <kern/task.h>
#include <kern/turnstile.h>
#include <kern/upcalls.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <stdio.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_map.h>

LCK_CLASS_DECLARE(thread_mutex_class, "thread", LCK_RANK_THREAD_MUTEX);

ZONE_DEFINE(thread_zone, "threads", sizeof(struct thread), ZC_TYPESTABLE | ZC_FRESH_ZERO);

struct thread boot_thread;

/* --- creation --- */

/* Everything but the registers. The claim word keeps its generation: cookies of an earlier life stay void. */
static void
thread_init_fields(thread_t thread, task_t task, enum sched_mode mode, int pri)
{
	thread->task = task;
	thread->pmap = kernel_pmap; /* a program's: when it joins the task */
	runq_entry_init(&thread->runq_entry);
	thread_sched_init(thread, mode, pri, task == kernel_task);
	thread->bound_cpu = THREAD_CPU_ANY;
	pri_node_init(&thread->wait_node);
	list_init(&thread->task_link);
	thread->ref_count = 1;
	thread->active = true;
	lck_mtx_init(&thread->mutex, &thread_mutex_class);
	thread->thread_id = unique_id_allocate();
	disable_preemption();
	thread->last_cpu = current_cpu_data()->cpu_number;
	enable_preemption();
	turnstile_thread_init(thread);
}

static thread_t
thread_alloc(task_t task, enum sched_mode mode, int pri)
{
	thread_t thread = zalloc_wait(thread_zone);
	uint64_t generation;

	if (thread == THREAD_NULL) {
		return THREAD_NULL;
	}
	generation = thread->wait_word & WAIT_GEN_MASK;
	memset(thread, 0, offsetof(struct thread, push));
	memset(&thread->usage, 0, sizeof(*thread) - offsetof(struct thread, usage));
	os_atomic_store(&thread->wait_word, generation | WAIT_RUNNING, relaxed);
	thread_init_fields(thread, task, mode, pri);
	return thread;
}

static void
thread_free(thread_t thread)
{
	if (timer_call_is_set(&thread->wait_timer)) {
		(void)timer_call_cancel(&thread->wait_timer);
	}
	exc_actions_thread_free(thread);
	debug_discard(thread);
	turnstile_thread_free(thread);
	lck_mtx_destroy(&thread->mutex);
	zfree(thread_zone, thread);
}

void
thread_deallocate(thread_t thread)
{
	/* release: this holder's uses before the free; the acquire makes all of them precede it */
	if (os_atomic_dec(&thread->ref_count, acq_rel) == 0) {
		thread_free(thread);
	}
}

/* A thread that never ran takes back the steps of its creation. */
static void
thread_discard(thread_t thread)
{
	machine_thread_destroy(thread);
	thread_deallocate(thread);
}

kern_return_t
kernel_thread_create(thread_continue_t fn, void *param, int pri, const char *name, thread_t *out)
{
	thread_t thread = thread_alloc(kernel_task, TH_MODE_FIXED, pri);

	if (thread == THREAD_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	strlcpy(thread->name, name, sizeof(thread->name));
	thread_set_continuation(thread, fn, param);
	if (task_add_thread(kernel_task, thread) != KERN_SUCCESS) {
		thread_discard(thread);
		return KERN_TERMINATED;
	}
	if (out != NULL) {
		thread_reference(thread);
		*out = thread;
	}
	thread->birth = THREAD_STARTED;
	thread_setrun(thread);
	return KERN_SUCCESS;
}

kern_return_t
thread_create_user(task_t task, thread_t *out)
{
	thread_t thread = thread_alloc(task, TH_MODE_TIMESHARE, task->priority);
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;

	if (thread == THREAD_NULL) {
		return kr;
	}
	machine_thread_init_user(thread);
	thread->continuation = THREAD_CONTINUE_USER;
	thread->timer_tier = task->timer_tier;
	kr = ipc_thread_init(thread);
	if (kr != KERN_SUCCESS) {
		goto discard;
	}
	kr = bsd_thread_create(thread, task);
	if (kr != KERN_SUCCESS) {
		goto terminate_ipc;
	}
	kr = task_add_thread(task, thread);
	if (kr != KERN_SUCCESS) {
		goto terminate_bsd;
	}
	thread_reference(thread); /* the caller's; the first one is the running thread's */
	*out = thread;
	return KERN_SUCCESS;

terminate_bsd:
	bsd_thread_exit(thread);
terminate_ipc:
	ipc_thread_terminate(thread);
discard:
	thread_discard(thread);
	return kr;
}

/* Runnable for the first time, if it has come as far as `birth` and no farther than made. */
static void
thread_start_from(thread_t thread, enum thread_birth birth)
{
	bool start;

	lck_mtx_lock(&thread->mutex);
	start = thread->birth >= birth && thread->birth != THREAD_STARTED;
	if (start) {
		thread->birth = THREAD_STARTED;
	}
	lck_mtx_unlock(&thread->mutex);
	if (start) {
		thread_setrun(thread);
	}
}

void
thread_start(thread_t thread)
{
	thread_start_from(thread, THREAD_MAKING);
}

void
thread_ready_to_start(thread_t thread)
{
	bool start;

	lck_mtx_lock(&thread->mutex);
	thread->birth = THREAD_MADE;
	start = !thread->active || thread->user_stop_count == 0; /* somebody was here meanwhile */
	lck_mtx_unlock(&thread->mutex);
	if (start) {
		thread_start_from(thread, THREAD_MADE);
	}
}

void
thread_unmake(thread_t thread)
{
	(void)thread_terminate(thread);
	thread_start(thread);
}

/* --- the end --- */

void
thread_retire_self(void)
{
	thread_t self = current_thread();
	task_t task = self->task;

	lck_mtx_lock(&self->mutex);
	self->active = false;
	lck_mtx_unlock(&self->mutex);
	if (task != kernel_task) {
		ipc_thread_terminate(self);
		bsd_thread_exit(self);
	}
	task_remove_current_thread(task, self);
	machine_thread_destroy(self);
}

void
thread_terminate_self(void)
{
	thread_retire_self();
	ml_set_interrupts_enabled(false);
	turnstile_thread_exit(current_thread());
	thread_exit_switch();
}

task_t
thread_task_reference(thread_t thread)
{
	task_t task = TASK_NULL;

	lck_mtx_lock(&thread->mutex);
	if (thread->active) { /* or it may have left: thread_retire_self */
		task = thread->task;
		task_reference(task);
	}
	lck_mtx_unlock(&thread->mutex);
	return task;
}

kern_return_t
thread_terminate(thread_t thread)
{
	bool active, refused;

	lck_mtx_lock(&thread->mutex);
	active = thread->active;
	refused = active && thread->task == kernel_task; /* one that has ended is the kernel's, too */
	thread->active = refused;
	lck_mtx_unlock(&thread->mutex);
	if (refused || !active) {
		return refused ? KERN_FAILURE : KERN_TERMINATED;
	}
	ipc_thread_disable(thread);
	thread_ast_set(thread, AST_TERMINATE);
	(void)thread_abort_wait(thread);
	thread_start_from(thread, THREAD_MADE); /* if it never ran: to its end, through ast_taken_user */
	return KERN_SUCCESS;
}

void
thread_join(thread_t thread)
{
	while (os_atomic_load(&thread->exited, acquire) == 0) { /* pairs with let_go in sched_prim.c */
		assert_wait(&thread->exited, THREAD_UNINT);
		if (os_atomic_load(&thread->exited, acquire) != 0) {
			clear_wait_self();
			break;
		}
		thread_block(THREAD_CONTINUE_NULL);
	}
}

/* --- stop and go --- */

static void
thread_hold_locked(thread_t thread) REQUIRES(thread->mutex)
{
	if (os_atomic_inc(&thread->suspend_count, relaxed) == 1) {
		thread_ast_set(thread, AST_SUSPEND);
	}
}

static void
thread_release_locked(thread_t thread) REQUIRES(thread->mutex)
{
	assert(thread->suspend_count > 0);
	if (os_atomic_dec(&thread->suspend_count, relaxed) == 0) {
		thread_wakeup(&thread->suspend_count);
	}
}

void
thread_hold(thread_t thread)
{
	lck_mtx_lock(&thread->mutex);
	thread_hold_locked(thread);
	lck_mtx_unlock(&thread->mutex);
}

void
thread_release(thread_t thread)
{
	lck_mtx_lock(&thread->mutex);
	thread_release_locked(thread);
	lck_mtx_unlock(&thread->mutex);
}

/*
 * Off its CPU; what runs next of it is the look at AST_SUSPEND, or a wait in the kernel. A thread that nobody holds any
 * more may never leave its CPU: it is not waited for.
 */
void
thread_wait_stopped(thread_t thread)
{
	while (thread != current_thread() && os_atomic_load(&thread->on_cpu, acquire) != 0 &&
	       os_atomic_load(&thread->suspend_count, relaxed) != 0) {
		wait_prepare(
		    current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(20 * NSEC_PER_USEC));
		thread_block(THREAD_CONTINUE_NULL);
	}
}

/* The count of programs and the hold that it stands for change together: a resume that comes next finds both. */
kern_return_t
thread_suspend(thread_t thread)
{
	kern_return_t kr = KERN_TERMINATED;

	lck_mtx_lock(&thread->mutex);
	if (thread->active) {
		if (thread->user_stop_count++ == 0) {
			thread_hold_locked(thread);
		}
		kr = KERN_SUCCESS;
	}
	lck_mtx_unlock(&thread->mutex);
	if (kr == KERN_SUCCESS) {
		thread_wait_stopped(thread);
	}
	return kr;
}

kern_return_t
thread_resume(thread_t thread)
{
	kern_return_t kr = KERN_SUCCESS;
	bool last = false;

	lck_mtx_lock(&thread->mutex);
	if (!thread->active) {
		kr = KERN_TERMINATED;
	} else if (thread->user_stop_count == 0) {
		kr = KERN_FAILURE;
	} else {
		last = --thread->user_stop_count == 0;
	}
	if (last) {
		thread_release_locked(thread);
	}
	lck_mtx_unlock(&thread->mutex);
	if (last) {
		/* thread_create + thread_resume is how Mach starts a thread. */
		thread_start_from(thread, THREAD_MADE);
	}
	return kr;
}

kern_return_t
thread_create(task_t task, thread_t *out)
{
	thread_t thread;
	kern_return_t kr = task == kernel_task ? KERN_INVALID_ARGUMENT : thread_create_user(task, &thread);

	if (kr == KERN_SUCCESS) {
		(void)thread_suspend(thread); /* unless somebody has found and terminated it */
		thread_ready_to_start(thread);
		*out = thread;
	}
	return kr;
}

kern_return_t
thread_create_running(task_t task, int flavor, uint32_t *state, mach_msg_type_number_t count, thread_t *out)
{
	thread_t thread;
	kern_return_t kr = thread_create(task, &thread);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = thread_set_state(thread, flavor, state, count);
	if (kr != KERN_SUCCESS) {
		(void)thread_terminate(thread);
		thread_deallocate(thread);
		return kr;
	}
	(void)thread_resume(
	    thread); /* it may be ended already, or resumed, by whoever found it in the task */
	*out = thread;
	return KERN_SUCCESS;
}

kern_return_t
thread_abort(thread_t thread)
{
	if (!os_atomic_load(&thread->active, relaxed)) {
		return KERN_TERMINATED;
	}
	thread_ast_set(thread, AST_ABORT);
	(void)thread_abort_wait(thread);
	return KERN_SUCCESS;
}

kern_return_t
thread_abort_safely(thread_t thread)
{
	if (!os_atomic_load(&thread->active, relaxed)) {
		return KERN_TERMINATED;
	}
	(void)thread_abort_wait(thread); /* a call that is under way and not waiting goes on */
	return KERN_SUCCESS;
}

/* --- attributes --- */

void
thread_bind_unstarted(thread_t thread, unsigned cpu)
{
	thread->bound_cpu = (int16_t)cpu;
}

void
thread_bind_like_parent(thread_t thread)
{
	int16_t binding = current_thread()->bound_cpu;

	if (!sched_may_move(binding)) {
		thread->bound_cpu = binding;
	}
}

void
thread_set_name(thread_t thread, const char *name)
{
	lck_mtx_lock(&thread->mutex);
	strlcpy(thread->name, name, sizeof(thread->name));
	lck_mtx_unlock(&thread->mutex);
	if (KDEBUG_ON(DBG_TRACE, DBG_TRACE_STRING) && thread == current_thread()) {
		kdebug_event_name(TRACE_STRING_THREADNAME, name);
	}
}

uint64_t
thread_cpu_time_ns(thread_t thread)
{
	struct cpu_usage usage;

	thread_usage_get(thread, &usage);
	return absolutetime_to_nanoseconds(usage.cu_user + usage.cu_system);
}

/* --- start-up --- */

void
thread_init(void)
{
	thread_init_fields(&boot_thread, kernel_task, TH_MODE_FIXED, IDLEPRI);
	boot_thread.pmap = kernel_pmap;
	boot_thread.sched_flags = TH_SFLAG_IDLE;
	boot_thread.on_cpu = 1;
	boot_thread.birth = THREAD_STARTED;
	boot_thread.wait_word = WAIT_WORD_INIT;
	strlcpy(boot_thread.name, "idle 0", sizeof(boot_thread.name));
}

thread_t
thread_create_idle(unsigned cpu)
{
	thread_t thread = thread_alloc(kernel_task, TH_MODE_FIXED, IDLEPRI);

	if (thread == THREAD_NULL) {
		return THREAD_NULL;
	}
	thread->sched_flags = TH_SFLAG_IDLE;
	thread->on_cpu = 1;
	thread->last_cpu = cpu;
	thread->bound_cpu = (int16_t)cpu;
	thread->machine.preempt_count = 1;
	thread->birth = THREAD_STARTED;
	snprintf(thread->name, sizeof(thread->name), "idle %u", cpu);
	return thread;
}
