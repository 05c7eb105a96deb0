/*
 * Thread calls. See <kern/thread_call.h>.
 */
#include <kern/thread_call.h>

#include <kern/locks.h>
#include <kern/sched.h>
#include <kern/thread.h>
#include <kern/waitq.h>

static LCK_CLASS_DECLARE(thread_call_class, "thread call", LCK_RANK_THREAD_CALL);
static LCK_SPIN_DECLARE(thread_call_lock, &thread_call_class);
static struct list_node due = { &due, &due }; /* thread_call_lock */
static thread_call_t running;                 /* thread_call_lock to write; atomic */
static uint32_t work;                         /* atomic: the thread is to look; its event */
static LCK_CLASS_DECLARE(start_class, "thread calls, start", LCK_RANK_THREAD_CALL_START);
static LCK_MTX_DECLARE(start_mutex, &start_class);
static bool thread_made; /* (start_mutex), atomic */

/* --- the thread --- */

static void
kick(void)
{
	os_atomic_store(&work, 1, release);
	thread_wakeup_one(&work);
}

static thread_call_t
take_due(void *param1[1])
{
	bool irq = lck_spin_lock_irq(&thread_call_lock);
	thread_call_t call = NULL;

	if (!list_empty(&due)) {
		call = list_first_entry(&due, struct thread_call, thc_link);
		list_remove(&call->thc_link);
		call->thc_queued = false;
		param1[0] = call->thc_param1;
	}
	os_atomic_store(&running, call, relaxed);
	lck_spin_unlock_irq(&thread_call_lock, irq);
	return call;
}

/* The function has returned: who waits for that may free the call. */
static void
finish(void)
{
	bool irq = lck_spin_lock_irq(&thread_call_lock);

	os_atomic_store(&running, NULL, release); /* pairs with thread_call_cancel_wait */
	lck_spin_unlock_irq(&thread_call_lock, irq);
	thread_wakeup(&running);
}

static OS_NORETURN void
thread_call_thread(void *param, wait_result_t result)
{
	thread_call_t call;
	void *param1[1];

	for (;;) {
		while ((call = take_due(param1)) != NULL) {
			call->thc_fn(call->thc_param0, param1[0]);
			finish();
		}
		assert_wait(&work, THREAD_UNINT);
		if (os_atomic_xchg(&work, 0, acquire) == 0) { /* pairs with kick */
			thread_block(THREAD_CONTINUE_NULL);
			os_atomic_store(&work, 0, relaxed);
		} else {
			clear_wait_self();
		}
	}
}

/* --- calls --- */

static void
enqueue_locked(thread_call_t call) REQUIRES(thread_call_lock)
{
	call->thc_delayed = false;
	call->thc_queued = true;
	list_push_back(&due, &call->thc_link);
}

/* In the timer interrupt. */
static void
deadline_passed(void *param0, uint64_t setting)
{
	thread_call_t call = param0;
	bool irq = lck_spin_lock_irq(&thread_call_lock),
	     meant = call->thc_setting == setting && call->thc_delayed;

	if (meant) {
		enqueue_locked(call);
	}
	lck_spin_unlock_irq(&thread_call_lock, irq);
	if (meant) {
		kick();
	}
}

/* The thread that makes the calls is made with the first of them. */
static kern_return_t
make_thread(void)
{
	kern_return_t kr = KERN_SUCCESS;

	lck_mtx_lock(&start_mutex);
	if (!thread_made) {
		kr = kernel_thread_create(thread_call_thread, NULL, MAXPRI_KERNEL, "thread calls", NULL);
		os_atomic_store(&thread_made, kr == KERN_SUCCESS, relaxed);
	}
	lck_mtx_unlock(&start_mutex);
	return kr;
}

kern_return_t
thread_call_setup(thread_call_t call, thread_call_func_t fn, void *param0)
{
	*call = (struct thread_call){ .thc_fn = fn, .thc_param0 = param0 };
	list_init(&call->thc_link);
	timer_call_setup(&call->thc_timer, deadline_passed, call);
	return os_atomic_load(&thread_made, relaxed) ? KERN_SUCCESS : make_thread();
}

/* It is pending no longer; true if it was. */
static bool
withdraw_locked(thread_call_t call) REQUIRES(thread_call_lock)
{
	bool was_pending = call->thc_queued || call->thc_delayed;

	call->thc_setting++;
	if (call->thc_queued) {
		list_remove(&call->thc_link);
		call->thc_queued = false;
	}
	if (call->thc_delayed) {
		(void)timer_call_cancel(&call->thc_timer); /* or it finds that it is not meant */
		call->thc_delayed = false;
	}
	return was_pending;
}

bool
thread_call_enter(thread_call_t call, void *param1)
{
	bool irq = lck_spin_lock_irq(&thread_call_lock), was_pending = withdraw_locked(call);

	call->thc_param1 = param1;
	enqueue_locked(call);
	lck_spin_unlock_irq(&thread_call_lock, irq);
	kick();
	return was_pending;
}

bool
thread_call_enter_delayed(thread_call_t call, void *param1, uint64_t deadline, uint64_t leeway)
{
	bool irq = lck_spin_lock_irq(&thread_call_lock), was_pending = withdraw_locked(call);

	call->thc_param1 = param1;
	call->thc_delayed = true;
	timer_call_enter_leeway(&call->thc_timer, deadline, leeway, call->thc_setting);
	lck_spin_unlock_irq(&thread_call_lock, irq);
	return was_pending;
}

bool
thread_call_cancel(thread_call_t call)
{
	bool irq = lck_spin_lock_irq(&thread_call_lock), was_pending = withdraw_locked(call);

	lck_spin_unlock_irq(&thread_call_lock, irq);
	return was_pending;
}

bool
thread_call_cancel_wait(thread_call_t call)
{
	bool was_pending = thread_call_cancel(call);

	while (os_atomic_load(&running, acquire) == call) { /* pairs with finish */
		assert_wait(&running, THREAD_UNINT);
		if (os_atomic_load(&running, acquire) == call) {
			thread_block(THREAD_CONTINUE_NULL);
		} else {
			clear_wait_self();
		}
	}
	return was_pending;
}
