/*
 * ASTs. See <kern/ast.h>.
 */
#include <kern/ast.h>

#include <arm64/machine_routines.h>
#include <kern/exception.h>
#include <kern/processor.h>
#include <kern/restartable.h>
#include <kern/rpc_push.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <kern/waitq.h>

void
thread_ast_set(thread_t thread, uint32_t bits)
{
	/* Sequentially consistent: [A2], before the claim word is read by thread_abort_wait. */
	os_atomic_or(&thread->machine.slow_flags, bits, seq_cst);
	if (thread != current_thread() && os_atomic_load(&thread->on_cpu, seq_cst) != 0) {
		/* It runs, or is about to let go: an interrupt too many does no harm. */
		cpu_signal(os_atomic_load(&thread->last_cpu, relaxed), CPU_SIGNAL_NOTHING);
	}
}

void
thread_ast_clear(uint32_t bits)
{
	os_atomic_and(&current_thread()->machine.slow_flags, ~bits, relaxed);
}

/* Runs after each resume or other end of the wait: kernel exit looks at the flags again. */
static OS_NORETURN void
parked_continue(void *param, wait_result_t result)
{
	os_atomic_store(&current_thread()->parked, 0, relaxed);
	thread_return_to_user();
}

/* Suspended: waits without a stack until released, or until the thread must die. */
static void
park(thread_t self)
{
	assert_wait(&self->suspend_count, THREAD_ABORTSAFE);
	if (os_atomic_load(&self->suspend_count, relaxed) != 0) {
		os_atomic_store(&self->parked, 1, relaxed);
		thread_block(parked_continue);
	}
	clear_wait_self();
	thread_ast_clear(AST_SUSPEND);
	/* A hold between the look and the clear has set the count first and the bit after it. */
	if (os_atomic_load(&self->suspend_count, seq_cst) != 0) {
		os_atomic_or(&self->machine.slow_flags, AST_SUSPEND, relaxed);
	}
}

void
ast_taken_user(void)
{
	thread_t self = current_thread();
	uint32_t flags = os_atomic_load(&self->machine.slow_flags, relaxed);

	if (os_unlikely(flags & AST_TERMINATE)) {
		thread_terminate_self();
	}
	if (os_unlikely(self->task->restartable != NULL)) {
		restartable_ranges_ast(self); /* before anything else looks at the pc */
	}
	if (os_unlikely(flags & AST_ABORT)) {
		thread_ast_clear(AST_ABORT);
	}
	if (os_unlikely(flags & AST_PUSH)) {
		rpc_push_ast(self);
	}
	if (flags & AST_BSD) {
		thread_ast_clear(AST_BSD);
		bsd_ast(self);
	}
	if (os_unlikely(flags & AST_GUARD)) {
		thread_ast_clear(AST_GUARD);
		exception_guard_ast(self);
	}
	if (os_unlikely(flags & AST_USAGE)) {
		thread_ast_clear(AST_USAGE);
		thread_usage_begin();
	}
	if (os_unlikely(flags & AST_SUSPEND)) {
		park(self);
	}
	if (flags & AST_PREEMPT) {
		thread_preempt_user();
	}
}
