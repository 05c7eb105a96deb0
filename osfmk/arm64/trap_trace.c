/*
 * Trace events of system calls and Mach traps.
 *
 * While they are traced, CPUs take exceptions through exception_vectors_traced, where a call comes by
 * sleh_svc_begin() before it is dispatched. That records the beginning, and sets AST_KDEBUG, so that the thread
 * leaves by the slow way, wherever and whenever that is: at the end of the call, after a continuation, on another CPU, or
 * handed the CPU by a sender. There sleh_svc_end() records the end, from the finished frame.
 *
 * All with interrupts masked.
 */
#include <arm64/trap.h>

#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <kdebug/kdebug.h>
#include <kern/ast.h>
#include <kern/thread.h>

static void
set_vectors(void *vectors)
{
	sysreg_write(vbar_el1, (uintptr_t)vectors);
	isb();
}

void
trap_trace_calls(bool on)
{
	cpu_call_all(set_vectors, on ? exception_vectors_traced : exception_vectors);
}

/* The event of the call with number x16, and its arguments; 0 for calls that are in no table. */
static uint32_t
event_of_call(const uint64_t *x, const uint64_t **args)
{
	int32_t number = (int32_t)x[16];

	*args = x;
	if (number < 0) {
		return number > -TRAP_COUNT ? MACHDBG_CODE(DBG_MACH_EXCP_SC, -number) : 0;
	}
	if ((number & 0xffff) == 0) { /* syscall(number, ...) */
		number = (int32_t)x[0];
		*args = x + 1;
	}
	return BSDDBG_CODE(DBG_BSD_EXCP_SC, number);
}

void
sleh_svc_begin(void)
{
	struct thread *self = current_thread();
	const uint64_t *args;
	uint32_t event = event_of_call(self->frame.x, &args);

	if (event != 0 && kdebug_wants(event)) {
		self->kdebug_call = event;
		os_atomic_or(&self->machine.slow_flags, AST_KDEBUG, relaxed);
		kdebug_record(event | DBG_FUNC_START, args[0], args[1], args[2], args[3], self);
	}
}

/* A BSD call's error and its results, or a trap's result. */
void
sleh_svc_end(void)
{
	struct thread *self = current_thread();
	const struct arm_saved_state *frame = &self->frame;
	uint64_t error = 0, value = frame->x[0];

	if (KDBG_EXTRACT_CLASS(self->kdebug_call) == DBG_MACH) {
		kdebug_record(self->kdebug_call | DBG_FUNC_END, value, 0, 0, 0, self);
		return;
	}
	if (frame->cpsr & PSR64_C) {
		error = value;
		value = 0;
	}
	kdebug_record(self->kdebug_call | DBG_FUNC_END, error, value, frame->x[1], 0, self);
}
