/*
 * Restartable ranges: code of a program that must run through without an interruption, or not at all.
 *
 * A task registers its ranges once. A thread that leaves user mode inside one for anything that may take time (another
 * thread gets the CPU, a signal, a stop), comes back at the range's recovery address. task_restartable_ranges_synchronize
 * does that to all threads of the task: when it returns, none is still where it was inside a range. So a structure that
 * is only read in such code may be freed after it.
 *
 * Mechanism: whatever takes time goes through ast_taken_user, which looks at the pc first, if the task has ranges.
 * Synchronize sets AST_RESTART on every thread and then calls all CPUs: a thread that ran on one has entered the kernel
 * by then and finds the bit on its way out; a thread that did not run finds it before it does.
 *
 * The list is published once and kept until exec or the end of the task; fork's child shares it (reference count).
 */
#pragma once

#include <kern/kern_types.h>
#include <mach/kern_return.h>
#include <mach/restartable.h>

struct restartable_ranges;

/*
 * MIG routines 8000 and 8001, for the caller's own task: KERN_FAILURE for another one. Registering twice is
 * KERN_NOT_SUPPORTED; ranges that overlap, are longer than TASK_RESTARTABLE_OFFSET_MAX, wrap or have flags are
 * KERN_INVALID_ARGUMENT. `ranges` is sorted by the call.
 */
kern_return_t task_restartable_ranges_register(task_t task, task_restartable_range_t *ranges, uint32_t count);
kern_return_t task_restartable_ranges_synchronize(task_t task);

/* The child of fork has the parent's. */
void restartable_ranges_inherit(task_t child, task_t parent);

/* Exec, or the end of the task: nobody runs in it but the caller. */
void restartable_ranges_drop(task_t task);

/* The current thread is about to be interrupted on its way to user mode; its task has ranges. */
void restartable_ranges_ast(thread_t self);
