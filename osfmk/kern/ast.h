/*
 * ASTs: reasons why a thread must do slow work before it next runs user code.
 *
 * The bits live in thread->machine.slow_flags, the one word that kernel exit tests. Anybody may set a bit
 * (thread_ast_set); only the thread itself clears bits, in ast_taken_user(), with the exception of
 * AST_PREEMPT, which belongs to the CPU: the scheduler sets it on the thread that runs there and drops it
 * from a thread that leaves.
 *
 * Ordering: a bit that ends waits (AST_ABORT_MASK) is set before thread_abort_wait reads the claim word; the
 * waiting thread publishes its claim word before it reads the bits. Both are sequentially consistent, so one
 * of the two sees the other (see <kern/wait.h>, [A1] and [A2]).
 */
#pragma once

#include <kern/kern_types.h>

#define AST_PREEMPT   0x0001U /* a thread of higher priority waits for this CPU, or the quantum ended */
#define AST_TERMINATE 0x0002U /* the thread must die */
#define AST_SUSPEND   0x0004U /* suspend count above zero: stop until resumed */
#define AST_ABORT     0x0008U /* thread_abort: the current or next abortable wait is interrupted */
#define AST_BSD       0x0010U /* bsd_ast(): signals and the like */
#define AST_APC       0x0020U /* frame was changed by somebody else: reload every register */
#define AST_DEBUG     0x0040U /* machine layer: debug registers have changed */
#define AST_KPC       0x0080U /* counters, sampling */
#define AST_GUARD     0x0100U /* exception_guard_ast(): EXC_GUARD is to be raised */
#define AST_KDEBUG    0x0200U /* machine layer: the end of the system call is to be traced */
#define AST_PUSH      0x0400U /* <kern/rpc_push.h>: look again before waiting for a message */

#define AST_RESTART 0x1000U /* <kern/restartable.h>: its pc may have to move */

#define AST_USAGE 0x0800U /* thread_usage_begin(): somebody wants to know how its time splits */

/* Bits that interrupt a THREAD_ABORTSAFE wait, also when they are set before the wait begins. */
#define AST_ABORT_MASK (AST_TERMINATE | AST_ABORT | AST_BSD)

/* Sets bits and, when the thread runs on another CPU, makes that CPU look. Any context. */
void thread_ast_set(thread_t thread, uint32_t bits);

/* Clears bits of the current thread. */
void thread_ast_clear(uint32_t bits);

/*
 * From kernel exit with slow_flags not zero: interrupts on, preemption on, on the thread's kernel stack with
 * nothing on it worth keeping. Returns when the thread may run user code; may not return (thread_block with
 * a continuation, termination).
 */
void ast_taken_user(void);

/* The running thread makes room for a better one on its way to user mode; may not return, see above. */
void thread_preempt_user(void);

/* From the end of an interrupt taken in the kernel, and enable_preemption: interrupts masked on entry and
 * exit; switches threads when AST_PREEMPT is set and preemption is on. */
void ast_taken_kernel(void);
