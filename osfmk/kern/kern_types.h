/*
 * The handles of the kernel's own objects and the types of sleeping, for headers that need no more than that.
 */
#pragma once

#include <mach/kern_return.h>
#include <os/base.h>

typedef struct thread *thread_t;
typedef struct task *task_t;
typedef struct processor *processor_t;
typedef struct semaphore *semaphore_t;
typedef struct zone *zone_t;
typedef struct waitq *waitq_t;

#define THREAD_NULL    ((thread_t)0)
#define TASK_NULL      ((task_t)0)
#define SEMAPHORE_NULL ((semaphore_t)0)

/* How a wait ended. The values are those a Darwin kernel engineer expects; they fit in 8 signed bits. */
typedef int wait_result_t;
#define THREAD_WAITING     (-1) /* not ended */
#define THREAD_AWAKENED    0    /* the event came */
#define THREAD_TIMED_OUT   1    /* the deadline came first */
#define THREAD_INTERRUPTED 2    /* thread_abort_wait: a signal, thread_abort, termination */
#define THREAD_RESTART     3    /* the object went away: look again, or report that it is gone */

/* What may end a wait beside its event and its deadline. */
typedef int wait_interrupt_t;
#define THREAD_UNINT     0 /* nothing */
#define THREAD_ABORTSAFE 1 /* thread_abort_wait */

/* Any address can name an event of assert_wait; nothing is ever read through it. */
typedef const void *event_t;

/*
 * Where a thread that gave up its kernel stack goes on. Runs on an empty stack, preemption on, interrupts
 * on; must not return.
 */
typedef void (*thread_continue_t)(void *param, wait_result_t wresult);
#define THREAD_CONTINUE_NULL ((thread_continue_t)0)
