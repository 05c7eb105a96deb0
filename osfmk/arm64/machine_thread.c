/*
 * Machine-dependent thread operations: switching, and the register state that programs and debuggers see.
 */
#include <arm64/debug_registers.h>
#include <arm64/fp.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/vm_layout.h>
#include <kern/assert.h>
#include <kern/ast.h>
#include <kern/thread.h>
#include <string.h>

struct thread *machine_switch_stack(struct thread *old, struct thread *new);
struct thread *machine_switch_fresh_stack(
    struct thread *old, void *arg, uintptr_t stack_top, void (*fn)(struct thread *old, void *arg));

struct thread *
machine_switch_context(struct thread *old, struct thread *new)
{
	machine_switch_registers(old, new);
	return machine_switch_stack(old, new);
}

struct thread *
machine_switch_to_fresh(struct thread *old, struct thread *new, uintptr_t stack_top,
    void (*fn)(struct thread *old, void *arg), void *arg)
{
	machine_switch_registers(old, new);
	thread_machine(new)->kstack = stack_top - KERNEL_STACK_SIZE;
	thread_machine(new)->kstack_top = stack_top;
	return machine_switch_fresh_stack(old, arg, stack_top, fn);
}

void
machine_thread_frame_changed(struct thread *thread)
{
	/* relaxed: the thread is stopped, or is the caller; being made runnable orders it */
	os_atomic_or(&thread_machine(thread)->slow_flags, AST_APC, relaxed);
}

void
machine_thread_set_tsd_base(struct thread *thread, uint64_t base)
{
	thread_machine(thread)->tsd_base = base;
	if (thread == current_thread()) {
		sysreg_write(tpidrro_el0, base);
	}
}

static void
get_thread_state64(struct thread *thread, arm_thread_state64_t *state)
{
	memcpy(state, thread_frame(thread), sizeof(*state));
	state->pad = 0;
}

/*
 * A thread that waits in a system call may wake meanwhile and write its result into the frame: what it finds there at
 * any moment must be fit for user mode. So the processor state is masked before it is stored, never after.
 */
static void
set_thread_state64(struct thread *thread, const void *words)
{
	const size_t cpsr_offset = offsetof(arm_thread_state64_t, cpsr);
	struct arm_saved_state *frame = thread_frame(thread);
	uint32_t cpsr;

	memcpy(&cpsr, (const char *)words + cpsr_offset, sizeof(cpsr)); /* words need not be aligned */
	memcpy(frame, words, cpsr_offset);
	frame->cpsr = (cpsr & PSR64_USER_MASK) | PSR64_USER_DEFAULT | debug_step_bit(thread);
	machine_thread_frame_changed(thread);
}

static void
get_exception_state64(struct thread *thread, void *words)
{
	const struct arm_saved_state *frame = thread_frame(thread);
	arm_exception_state64_t state = { .far = frame->far, .esr = frame->esr };

	memcpy(words, &state, sizeof(state)); /* words need not be aligned */
}

static void
get_exception_state64_v2(struct thread *thread, void *words)
{
	const struct arm_saved_state *frame = thread_frame(thread);
	arm_exception_state64_v2_t state = { .far = frame->far, .esr = frame->esr };

	memcpy(words, &state, sizeof(state));
}

uint32_t
machine_thread_state_words(int flavor)
{
	switch (flavor) {
	case ARM_THREAD_STATE:
		return ARM_UNIFIED_THREAD_STATE_COUNT;
	case ARM_THREAD_STATE64:
		return ARM_THREAD_STATE64_COUNT;
	case ARM_EXCEPTION_STATE64:
		return ARM_EXCEPTION_STATE64_COUNT;
	case ARM_EXCEPTION_STATE64_V2:
		return ARM_EXCEPTION_STATE64_V2_COUNT;
	case ARM_NEON_STATE64:
		return ARM_NEON_STATE64_COUNT;
	case ARM_DEBUG_STATE64:
		return ARM_DEBUG_STATE64_COUNT;
	default:
		return 0;
	}
}

kern_return_t
machine_thread_get_state(struct thread *thread, int flavor, uint32_t *words, uint32_t *count)
{
	uint32_t need = machine_thread_state_words(flavor);

	if (need == 0 || *count < need) {
		return KERN_INVALID_ARGUMENT;
	}
	*count = need;
	switch (flavor) {
	case ARM_THREAD_STATE: {
		arm_unified_thread_state_t *unified = (arm_unified_thread_state_t *)(void *)words;

		unified->ash = (arm_state_hdr_t){ ARM_THREAD_STATE64, ARM_THREAD_STATE64_COUNT };
		get_thread_state64(thread, &unified->uts.ts_64);
		break;
	}
	case ARM_THREAD_STATE64:
		get_thread_state64(thread, (arm_thread_state64_t *)(void *)words);
		break;
	case ARM_EXCEPTION_STATE64:
		get_exception_state64(thread, words);
		break;
	case ARM_EXCEPTION_STATE64_V2:
		get_exception_state64_v2(thread, words);
		break;
	case ARM_NEON_STATE64:
		fp_get_state(thread, words);
		break;
	case ARM_DEBUG_STATE64:
		debug_get_state(thread, words);
		break;
	default:
		break;
	}
	return KERN_SUCCESS;
}

kern_return_t
machine_thread_set_state(struct thread *thread, int flavor, const uint32_t *words, uint32_t count)
{
	uint32_t need = machine_thread_state_words(flavor);

	if (need == 0 || count < need) {
		return KERN_INVALID_ARGUMENT;
	}
	switch (flavor) {
	case ARM_THREAD_STATE: {
		const arm_unified_thread_state_t *unified =
		    (const arm_unified_thread_state_t *)(const void *)words;

		if (unified->ash.flavor != ARM_THREAD_STATE64) {
			return KERN_INVALID_ARGUMENT;
		}
		set_thread_state64(thread, &unified->uts.ts_64);
		return KERN_SUCCESS;
	}
	case ARM_THREAD_STATE64:
		set_thread_state64(thread, words);
		return KERN_SUCCESS;
	case ARM_NEON_STATE64:
		return fp_set_state(thread, words) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	case ARM_DEBUG_STATE64:
		return debug_set_state(thread, words);
	default: /* the exception state tells what happened; it cannot be set */
		return KERN_INVALID_ARGUMENT;
	}
}

void
machine_thread_init_user(struct thread *thread)
{
	struct arm_saved_state *frame = thread_frame(thread);

	memset(frame, 0, sizeof(*frame));
	frame->cpsr = PSR64_USER_DEFAULT;
	fp_reset(thread);
	debug_reset(thread);
	machine_thread_set_tsd_base(thread, 0);
	machine_thread_frame_changed(thread);
}

bool
machine_thread_copy_current(struct thread *child)
{
	struct thread *self = current_thread();

	memcpy(thread_frame(child), thread_frame(self), sizeof(struct arm_saved_state));
	machine_thread_set_tsd_base(child, thread_machine(self)->tsd_base);
	return fp_copy_current(child);
}

void
machine_thread_destroy(struct thread *thread)
{
	fp_discard(thread);
}
