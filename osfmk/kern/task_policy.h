/*
 * Policies of tasks: role, suppression, tiers, nice. Kept in task->sched (task lock) and resolved with each thread's
 * own request (<kern/sched_request.h>).
 */
#pragma once

#include <kern/kern_types.h>
#include <mach/boolean.h>
#include <mach/message.h>
#include <mach/task_info.h>
#include <mach/task_policy.h>

/*
 * MIG routines 3420 and 3421. KERN_INVALID_ARGUMENT for an unknown flavor, a short structure, a value out of range,
 * kernel_task. Of a suppression policy the CPU's part is obeyed; the rest concerns devices that there are none of.
 */
kern_return_t task_policy_set(
    task_t task, task_policy_flavor_t flavor, task_policy_t info, mach_msg_type_number_t count);
kern_return_t task_policy_get(task_t task, task_policy_flavor_t flavor, task_policy_t info,
    mach_msg_type_number_t *count, boolean_t *get_default);

/* TASK_AFFINITY_TAG_INFO of task_info, into zeroes: the sets that its threads' tags make. May block. */
kern_return_t task_affinity_info(task_t task, task_affinity_tag_info_data_t *info);

/* setpriority: -20..20, beyond is taken for the end. KERN_TERMINATED for a dead task. */
kern_return_t task_set_nice(task_t task, int nice);
int task_get_nice(task_t task);

/* A new task: what it has of its parent, which may be TASK_NULL. */
void task_policy_init(task_t task, task_t parent);
