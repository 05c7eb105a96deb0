/*
 * Preemption. The count is the running thread's own (machine.preempt_count): above zero this CPU does not
 * switch threads by itself. A switch that became due meanwhile happens in the last enable_preemption().
 */
#pragma once

#include <arm64/machine_thread.h>
#include <kern/assert.h>
#include <kern/ast.h>
#include <os/atomic.h>
#include <os/stall.h>

/* Called by enable_preemption when a switch is due. */
void preemption_enabled_slow(void);

OS_INLINE void
disable_preemption(void)
{
	struct machine_thread *machine = thread_machine(current_thread());

	machine->preempt_count++;
	os_compiler_barrier();
}

/* Interrupts are masked, or the caller will look at the AST bits itself. */
OS_INLINE void
enable_preemption_no_check(void)
{
	struct machine_thread *machine = thread_machine(current_thread());

	os_compiler_barrier();
	assert(machine->preempt_count > 0);
	machine->preempt_count--;
}

OS_INLINE void
enable_preemption(void)
{
	struct machine_thread *machine = thread_machine(current_thread());

	enable_preemption_no_check();
	if (machine->preempt_count == 0) {
		if (os_unlikely(os_atomic_load(&machine->slow_flags, relaxed) & AST_PREEMPT)) {
			preemption_enabled_slow();
		}
		os_stall_point();
	}
}

OS_INLINE bool
preemption_enabled(void)
{
	return thread_machine(current_thread())->preempt_count == 0;
}
