/*
 * Second-level exception handlers: what an exception means, once its registers are stored.
 *
 * From EL0 they run on the thread's empty kernel stack and may block; entry.S leaves through
 * thread_return_to_user afterwards, so they may change the frame. From EL1 they run on whatever kernel stack
 * was interrupted.
 */
#include <arm64/copyio.h>
#include <arm64/debug_registers.h>
#include <arm64/fp.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/trap.h>
#include <kern/ast.h>
#include <kern/exception.h>
#include <kern/syscall_sw.h>
#include <kern/thread.h>
#include <mach/exception_types.h>
#include <os/panic.h>
#include <pexpert/interrupts.h>
#include <vm/vm_fault.h>

#define PLATFORM_TRAP        0x80000000U
#define PLATFORM_SET_TSD     2
#define PLATFORM_GET_TSD     3
#define TRAP_ABSOLUTE_TIME   (-3)
#define TRAP_CONTINUOUS_TIME (-4)

extern char semihosting_hlt[];

/* --- system calls that are not in a table --- */

void
sleh_svc_special(struct arm_saved_state *frame)
{
	struct thread *self = current_thread();
	int32_t number = (int32_t)frame->x[16];

	ml_set_interrupts_enabled(true);
	if ((uint32_t)number != PLATFORM_TRAP) {
		exception_triage(EXC_SYSCALL, (uint64_t)(0 - (int64_t)number), 1);
	} else if (frame->x[3] == PLATFORM_SET_TSD) {
		machine_thread_set_tsd_base(self, frame->x[0] < MACH_VM_MAX_ADDRESS ? frame->x[0] : 0);
	} else if (frame->x[3] == PLATFORM_GET_TSD) {
		frame->x[0] = thread_machine(self)->tsd_base;
	}
}

uint64_t
mach_trap_invalid(void)
{
	struct arm_saved_state *frame = thread_frame(current_thread());
	int32_t number = (int32_t)frame->x[16];

	if (number == TRAP_ABSOLUTE_TIME || number == TRAP_CONTINUOUS_TIME) {
		return ml_get_timebase();
	}
	exception_triage(EXC_SYSCALL, (uint64_t)(0 - (int64_t)number), 1);
	thread_return_to_user();
}

/* --- faults from EL0 --- */

/* A thread that is to end does not wait for memory (KERN_RESOURCE_SHORTAGE): it ends on its way back. */
static OS_NOINLINE void
user_abort(uint64_t esr, uint64_t far)
{
	kern_return_t kr;

	ml_set_interrupts_enabled(true);
	kr = vm_fault_user(current_thread(), far, (uint32_t)esr);
	if (kr == KERN_INVALID_ARGUMENT) {
		exception_triage(EXC_BAD_ACCESS, EXC_ARM_DA_ALIGN, far);
	} else if (kr != KERN_SUCCESS && kr != KERN_RESOURCE_SHORTAGE) {
		exception_triage(EXC_BAD_ACCESS, (uint64_t)kr, far);
	}
	ml_set_interrupts_enabled(false);
}

static void
user_undefined(struct arm_saved_state *frame)
{
	uint32_t insn = 0;

	if (copyin(frame->pc, &insn, sizeof(insn)) != 0) {
		insn = 0;
	}
	exception_triage(EXC_BAD_INSTRUCTION, EXC_ARM_UNDEFINED, insn);
}

/*
 * All but aborts. Only a watchpoint and a misaligned pc come with an address; for others FAR_EL1 holds the last one,
 * which may be another program's.
 */
static OS_NOINLINE void
user_exception(struct arm_saved_state *frame, uint64_t esr, uint64_t far)
{
	uint64_t class = ESR_EC(esr);

	if (class != ESR_EC_PC_ALIGN && class != ESR_EC_WATCH_EL0) {
		frame->far = 0;
	}
	if (class == ESR_EC_STEP_EL0) {
		debug_step_taken();
	}
	ml_set_interrupts_enabled(true);
	switch (class) {
	case ESR_EC_FP_TRAP:
		fp_trap();
		break;
	case ESR_EC_PC_ALIGN:
		exception_triage(EXC_BAD_ACCESS, EXC_ARM_DA_ALIGN, frame->pc);
		break;
	case ESR_EC_SP_ALIGN:
		exception_triage(EXC_BAD_ACCESS, EXC_ARM_SP_ALIGN, frame->sp);
		break;
	case ESR_EC_FP_EXCEPTION:
		exception_triage(EXC_ARITHMETIC, EXC_ARM_FP_UNDEFINED, frame->pc);
		break;
	case ESR_EC_BRK:
	case ESR_EC_BREAK_EL0:
	case ESR_EC_STEP_EL0:
		exception_triage(EXC_BREAKPOINT, EXC_ARM_BREAKPOINT, frame->pc);
		break;
	case ESR_EC_WATCH_EL0:
		exception_triage(EXC_BREAKPOINT, EXC_ARM_DA_DEBUG, far);
		break;
	default: /* undefined, illegal state, a system register that EL0 has no business with */
		user_undefined(frame);
		break;
	}
	ml_set_interrupts_enabled(false);
}

void
sleh_el0_sync(struct arm_saved_state *frame, uint64_t esr, uint64_t far)
{
	if (os_likely(ESR_EC(esr) == ESR_EC_DABORT_EL0 || ESR_EC(esr) == ESR_EC_IABORT_EL0)) {
		user_abort(esr, far);
	} else {
		user_exception(frame, esr, far);
	}
}

void
sleh_return_slow(void)
{
	struct machine_thread *self = thread_machine(current_thread());
	/* The return that follows takes everything from the frame, which is what AST_APC asks for. */
	uint32_t flags = os_atomic_and_orig(&self->slow_flags, ~(AST_APC | AST_DEBUG), relaxed);

	if (flags & AST_KDEBUG) {
		sleh_svc_end();
	}
	if (os_unlikely(flags & AST_DEBUG)) {
		debug_ast();
	}
	if ((flags & ~(AST_APC | AST_KDEBUG | AST_DEBUG)) != 0) {
		ml_set_interrupts_enabled(true);
		ast_taken_user();
		ml_set_interrupts_enabled(false);
	}
}

/* --- interrupts --- */

/* Preemption is off while handlers run, so that nothing they call switches threads in the middle. */
static void
dispatch_interrupts(struct machine_thread *self, const struct arm_saved_state *state)
{
	struct cpu_data *cpu = self->cpu_data;

	self->preempt_count++;
	cpu->irq_state = state;
	pe_irq_dispatch();
	cpu->irq_state = NULL;
	self->preempt_count--;
}

void
sleh_el0_irq(void)
{
	dispatch_interrupts(thread_machine(current_thread()), thread_frame(current_thread()));
}

void
sleh_el1_irq(struct arm_saved_state *state)
{
	struct machine_thread *self = thread_machine(current_thread());

	os_atomic_or(&self->slow_flags, AST_APC, relaxed);
	dispatch_interrupts(self, state);
	if (self->preempt_count == 0 && (os_atomic_load(&self->slow_flags, relaxed) & AST_PREEMPT) != 0) {
		ast_taken_kernel();
	}
}

/* --- exceptions in the kernel --- */

void
sleh_el1_sync(struct arm_saved_state *state, uint64_t esr, uint64_t far)
{
	os_atomic_or(&thread_machine(current_thread())->slow_flags, AST_APC, relaxed);
	if (ESR_EC(esr) == ESR_EC_DABORT_EL1 && vm_fault_kernel(state, far, (uint32_t)esr)) {
		return;
	}
	if (ESR_EC(esr) == ESR_EC_UNKNOWN && state->pc == (uintptr_t)semihosting_hlt) {
		state->pc += 4;
		return;
	}
	panic_with_state(state, "unexpected exception in the kernel: esr %#llx far %#llx",
	    (unsigned long long)esr, (unsigned long long)far);
}

_Noreturn void
sleh_unexpected(struct arm_saved_state *state, const char *what)
{
	panic_with_state(state, "%s", what);
}
