/*
 * Trace events of system calls and Mach traps.
 *
 * While they are traced, CPUs take exceptions through exception_vectors_traced, where a call comes by
 * sleh_svc_begin() before it is dispatched. That records the beginning, and sets AST_KDEBUG, so that the thread
 * leaves by way of sleh_svc_end(), wherever and whenever that is: at the end of the call, after a continuation, on
 * another CPU, or handed the CPU by a sender. That records the end, from the finished frame.
 *
 * All with interrupts masked.
 */
#include <arm64/trap.h>

#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <kdebug/record.h>
#include <kern/ast.h>

/* What CPUs use, and one that starts is to use; atomic. */
static void *vectors_in_use = exception_vectors;

void *
trap_vectors(void)
{
	return os_atomic_load(&vectors_in_use, relaxed);
}

static void
set_vectors(void *vectors)
{
	sysreg_write(vbar_el1, (uintptr_t)vectors);
	isb();
}

void
trap_trace_calls(bool on)
{
	void *vectors = on ? exception_vectors_traced : exception_vectors;

	os_atomic_store(
	    &vectors_in_use, vectors, relaxed); /* a CPU that starts before the call takes part in it */
	cpu_call_all(set_vectors, vectors);
}

/* Most calls are recorded here and now; unless this CPU shows each record to a filter first. */
OS_INLINE void
record(uint32_t event, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4, struct thread *self)
{
	if (os_unlikely(!kdebug_record_masked(event, arg1, arg2, arg3, arg4, self))) {
		kdebug_record_filtered(event, arg1, arg2, arg3, arg4, self);
	}
}

OS_INLINE void
begin(struct thread *self, uint32_t event, const uint64_t *args)
{
	self->kdebug_call = event;
	os_atomic_or(&self->machine.slow_flags, AST_KDEBUG, relaxed);
	record(event | DBG_FUNC_START, args[0], args[1], args[2], args[3], self);
}

OS_INLINE bool
type_passes(uint32_t event)
{
	return kdebug_filter_type_passes(&kdebug_filter, KDBG_EXTRACT_CSC(event));
}

void
sleh_svc_begin(void)
{
	struct thread *self = current_thread();
	const uint64_t *x = self->frame.x;
	int32_t number = (int32_t)x[16];

	if (number < 0) { /* numbers outside the trap table are no events */
		if (number > -TRAP_COUNT && type_passes(MACHDBG_CODE(DBG_MACH_EXCP_SC, 0))) {
			begin(self, MACHDBG_CODE(DBG_MACH_EXCP_SC, 0 - number), x);
		}
	} else if (type_passes(BSDDBG_CODE(DBG_BSD_EXCP_SC, 0))) {
		if (os_unlikely((number & 0xffff) == 0)) { /* syscall(number, ...) */
			begin(self, BSDDBG_CODE(DBG_BSD_EXCP_SC, x[0]), x + 1);
		} else {
			begin(self, BSDDBG_CODE(DBG_BSD_EXCP_SC, number), x);
		}
	}
}

/* A BSD call's error and its results, or a trap's result. */
void
sleh_svc_end(void)
{
	struct thread *self = current_thread();
	const struct arm_saved_state *frame = &self->frame;
	uint64_t result = frame->x[0];

	os_atomic_and(&self->machine.slow_flags, ~AST_KDEBUG, relaxed);
	if (KDBG_EXTRACT_CLASS(self->kdebug_call) == DBG_MACH) {
		record(self->kdebug_call | DBG_FUNC_END, result, 0, 0, 0, self);
	} else if (frame->cpsr & PSR64_C) {
		record(self->kdebug_call | DBG_FUNC_END, result, 0, 0, 0, self);
	} else {
		record(self->kdebug_call | DBG_FUNC_END, 0, result, frame->x[1], 0, self);
	}
}
