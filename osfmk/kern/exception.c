/*
 * The search for a handler; see exception.h.
 *
 * No locks of its own. Everything runs in the thread that raised the exception.
 */
#include <kern/exception.h>

#include <arm64/machine_routines.h>
#include <ipc/exc_actions.h>
#include <ipc/exc_message.h>
#include <ipc/ipc_host.h>
#include <kern/ast.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <mach/task_info.h>

/* EXC_GUARD: the code's top bits say what kind of guard, then which rule, then the name. */
#define GUARD_TYPE_MACH_PORT 1ULL
#define GUARD_TYPE_SHIFT     61
#define GUARD_FLAVOR_SHIFT   32

static struct exc_actions *
exception_actions(thread_t self, enum exception_level level)
{
	switch (level) {
	case EXCEPTION_THREAD:
		return self->ipc.ith_exc_actions;
	case EXCEPTION_TASK:
		return &self->task->ipc.exc_actions;
	default:
		return &realhost.exc_actions;
	}
}

/* Asks from `level` on. Returns when nobody is left to be asked. */
static void
exception_ask(thread_t self, unsigned level)
{
	struct exception_state *state = &self->ipc.ith_exception;
	struct exception_action action;

	for (; level < EXCEPTION_LEVELS; level++) {
		struct exc_actions *actions = exception_actions(self, level);

		if (actions != NULL && exc_actions_get(actions, state->type, &action)) {
			state->level = (uint8_t)level;
			exc_message_raise(self, &action); /* returns if the message could not be sent */
		}
	}
}

/* Nobody else is left to be asked. */
static void
exception_unhandled(thread_t self)
{
	const struct exception_state *state = &self->ipc.ith_exception;

	if (state->type == EXC_CRASH) {
		bsd_crash_exit(state->exit_status);
	}
	if (state->type == EXC_GUARD &&
	    !(os_atomic_load(&self->task->ipc.exc_guard_behavior, relaxed) & TASK_EXC_GUARD_MP_FATAL)) {
		return;
	}
	/* A dying thread may have lost its handlers to its own task's end. */
	if (os_atomic_load(&self->active, relaxed) && os_atomic_load(&self->task->active, relaxed)) {
		bsd_exception_to_signal(
		    self, state->type, (uint64_t)state->code[0], (uint64_t)state->code[1]);
	}
}

void
exception_triage(exception_type_t type, uint64_t code, uint64_t subcode)
{
	thread_t self = current_thread();

	self->ipc.ith_exception =
	    (struct exception_state){ .type = (uint8_t)type, .code = { (int64_t)code, (int64_t)subcode } };
	exception_ask(self, EXCEPTION_THREAD);
	exception_unhandled(self);
}

void
exception_crash(uint64_t code, uint64_t subcode, int status)
{
	thread_t self = current_thread();

	self->ipc.ith_exception = (struct exception_state){
		.type = EXC_CRASH, .code = { (int64_t)code, (int64_t)subcode }, .exit_status = status
	};
	exception_ask(self, EXCEPTION_THREAD);
	bsd_crash_exit(status);
}

void
exception_handled(thread_t self)
{
	if (self->ipc.ith_exception.type == EXC_CRASH) {
		bsd_crash_exit(self->ipc.ith_exception.exit_status);
	}
	thread_return_to_user();
}

void
exception_ask_next(thread_t self)
{
	exception_ask(self, self->ipc.ith_exception.level + 1U);
	exception_unhandled(self);
	thread_return_to_user();
}

void
exception_guard(uint32_t name, uint32_t flavor, uint64_t payload)
{
	thread_t self = current_thread();

	self->ipc.ith_guard_code =
	    GUARD_TYPE_MACH_PORT << GUARD_TYPE_SHIFT | (uint64_t)flavor << GUARD_FLAVOR_SHIFT | name;
	self->ipc.ith_guard_subcode = payload;
	thread_ast_set(self, AST_GUARD);
}

void
exception_guard_ast(thread_t self)
{
	uint32_t *behavior = &self->task->ipc.exc_guard_behavior;
	uint32_t now = os_atomic_load(behavior, relaxed);

	if (now & TASK_EXC_GUARD_MP_ONCE) {
		now = os_atomic_and_orig(behavior, ~(uint32_t)TASK_EXC_GUARD_MP_DELIVER, relaxed);
	}
	self->ipc.ith_exception = (struct exception_state){ .type = EXC_GUARD,
		.code = { (int64_t)self->ipc.ith_guard_code, (int64_t)self->ipc.ith_guard_subcode } };
	if (now & TASK_EXC_GUARD_MP_DELIVER) {
		exception_ask(self, EXCEPTION_THREAD);
	}
	exception_unhandled(self);
}
