/*
 * Second-level exception handlers: what an exception means, once its registers are stored.
 */
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/trap.h>
#include <os/panic.h>

struct fixup {
	int32_t insn;   /* address of the instruction - address of this field */
	int32_t target; /* where to go on - address of the insn field */
};

#pragma GCC visibility push(hidden)
extern const struct fixup copyio_fixup_start[], copyio_fixup_end[];
extern const struct fixup copyio_fixup_nofault_start[], copyio_fixup_nofault_end[];
#pragma GCC visibility pop

/* Where to go on when the instruction at pc faulted; 0 if it is not in the table. */
static uintptr_t
fixup_find(const struct fixup *table, const struct fixup *end, uintptr_t pc)
{
	for (; table < end; table++) {
		if ((uintptr_t)&table->insn + (uintptr_t)(intptr_t)table->insn == pc) {
			return (uintptr_t)&table->insn + (uintptr_t)(intptr_t)table->target;
		}
	}
	return 0;
}

void
sleh_el1_sync(struct arm_saved_state *state, uint64_t esr, uint64_t far)
{
	uintptr_t target = fixup_find(copyio_fixup_nofault_start, copyio_fixup_nofault_end, state->pc);

	if (target != 0) {
		state->pc = target;
		return;
	}
	panic_with_state(state, "unexpected exception in the kernel: esr %#llx far %#llx",
	    (unsigned long long)esr, (unsigned long long)far);
}

void
sleh_el1_irq(struct arm_saved_state *state)
{
	panic_with_state(state, "interrupt without a controller");
}

_Noreturn void
sleh_unexpected(struct arm_saved_state *state, const char *what)
{
	panic_with_state(state, "%s", what);
}
