/*
 * Exceptions of programs: what a thread did that it must answer for.
 *
 * The thread itself looks for a handler: the action of the thread, of its task, of the host (<ipc/exc_actions.h>), in
 * this order, and at last the signals of the BSD layer. A handler is a port: the thread sends it a message and waits,
 * in a continuation, for the answer to its own reply port. KERN_SUCCESS there means "go on", with the register state
 * that the answer may carry; anything else, and a handler whose port is dead, means "ask the next".
 *
 * The wait can be aborted (a signal, thread_abort, termination). The exception is then dropped: the thread goes back
 * to user mode, where its signal is taken first and the instruction is executed again. The reply port dies with the
 * wait, so a late answer reaches nobody.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>
#include <mach/exception_types.h>
#include <mach/thread_status.h>

/* The exception that a thread waits to have handled; (o). */
struct exception_state {
	mach_exception_data_type_t code[EXCEPTION_CODE_MAX];
	uint8_t type;  /* EXC_* */
	uint8_t level; /* which handler has been asked: enum exception_level */
	bool carries_state;
	mach_msg_id_t reply_id; /* of the answer that is waited for */
	int32_t exit_status;    /* EXC_CRASH: what the process ends with */
};

enum exception_level { EXCEPTION_THREAD, EXCEPTION_TASK, EXCEPTION_HOST, EXCEPTION_LEVELS };

/*
 * The current thread has raised an exception: its frame is complete, it holds nothing, interrupts are on. May not
 * return; if it does, the thread goes back to user mode.
 */
void exception_triage(exception_type_t type, uint64_t code, uint64_t subcode);

/*
 * The process is about to end by a signal of the kind that leaves a core: EXC_CRASH, for whoever wants to look at it
 * first. Whatever they answer, the process ends with `status`. Same context as exception_triage.
 */
OS_NORETURN void exception_crash(uint64_t code, uint64_t subcode, int status);

/* The handler says "go on", or the wait for it was ended. */
OS_NORETURN void exception_handled(thread_t self);

/* The asked handler has refused or cannot be reached: goes on with the next. Does not return. */
OS_NORETURN void exception_ask_next(thread_t self);

/*
 * A rule of a guarded port is broken by a call of the current thread: EXC_GUARD is raised when the thread leaves the
 * kernel. Nobody to handle it: nothing happens but the call's error, unless the task asked for its own end
 * (task_set_exc_guard_behavior).
 */
void exception_guard(uint32_t name, uint32_t flavor, uint64_t payload);

/* AST_GUARD, on the way to user mode. */
void exception_guard_ast(thread_t self);
