/*
 * Hardware breakpoints, watchpoints and single steps of user threads: ARM_DEBUG_STATE64.
 *
 * The state belongs to the thread. The CPU's registers hold it while the thread runs, and MDSCR_EL1 is 0 while one
 * without such state does: what other programs do at the same addresses is not caught. They catch what happens in user
 * mode only; the kernel's own accesses, also those to user memory on a program's behalf, are not seen.
 *
 * The price is paid by those who have such state: the bits that a switch looks at anyhow send theirs to
 * machine_switch_watched, and AST_DEBUG sends the thread here before it next runs user code.
 *
 * A single step (bit 0 of mdscr_el1) is one instruction long: the exception that reports it takes the bit away.
 */
#pragma once

#include <arm64/machine_thread.h>
#include <mach/kern_return.h>

struct task;

/*
 * The state of a thread that is stopped or current; the words are an arm_debug_state64_t that need not be aligned. Zeroes
 * if none was set. The words of a register that is not enabled are kept as they are.
 *
 * KERN_INVALID_ARGUMENT: enables a register that the machine has not, an address that is no user address, or a kind of
 * match other than by address; KERN_RESOURCE_SHORTAGE.
 */
void debug_get_state(struct thread *thread, void *words);
kern_return_t debug_set_state(struct thread *thread, const void *words);

/* PSR64_SS if the thread is to make a single step, else 0: to be part of its frame's cpsr. */
uint32_t debug_step_bit(struct thread *thread);

/* AST_DEBUG, interrupts masked: the current thread's state has changed, from now on its switches are watched. */
void debug_ast(void);

/* The current thread has made its step; interrupts masked. */
void debug_step_taken(void);

/* Parts of a switch, for threads that are watched. Interrupts masked. */
void debug_leave(struct thread *old);
void debug_enter(struct thread *new);

/* exec: nothing is set any more. And when nobody refers to the thread. */
void debug_reset(struct thread *thread);
void debug_discard(struct thread *thread);

/*
 * What new threads of a task begin with, but a single step, which is no matter of tasks. With the task's lock held, but
 * for the last: nobody refers to the task. debug_inherit is for a thread that has not run yet; KERN_RESOURCE_SHORTAGE.
 */
void debug_get_task_state(struct task *task, void *words);
kern_return_t debug_set_task_state(struct task *task, const void *words);
kern_return_t debug_inherit(struct thread *thread, struct task *task);
void debug_reset_task(struct task *task);
void debug_discard_task(struct task *task);
