/*
 * Policies of threads: what programs may ask for, by thread_policy_set and its like, and what the other parts of the
 * kernel ask for them. The requests are kept as they came (thread->request) and resolved together with the task's
 * (<kern/sched_request.h>) whenever one of the two changes.
 *
 * Locks: the task's, then the thread's mutex. All of these may block. A thread that has ended: KERN_TERMINATED.
 */
#pragma once

#include <kern/kern_types.h>
#include <mach/boolean.h>
#include <mach/message.h>
#include <mach/policy.h>
#include <mach/thread_policy.h>

/*
 * MIG routines 3617 and 3618. KERN_INVALID_ARGUMENT for an unknown flavor, a short structure, a value out of range,
 * threads of kernel_task; KERN_PROTECTION_FAILURE for the background policy of another task's thread. With
 * *get_default, or where the thread has no such policy (then set on return), the defaults are told.
 */
kern_return_t thread_policy_set(
    thread_t thread, thread_policy_flavor_t flavor, thread_policy_t info, mach_msg_type_number_t count);
kern_return_t thread_policy_get(thread_t thread, thread_policy_flavor_t flavor, thread_policy_t info,
    mach_msg_type_number_t *count, boolean_t *get_default);

/* QoS class (THREAD_QOS_*, 0 none) and relative priority (THREAD_QOS_MIN_TIER_IMPORTANCE..0). */
kern_return_t thread_set_qos(thread_t thread, unsigned qos, int relpri);
void thread_get_qos(thread_t thread, unsigned *qos, int *relpri);

/* The thread counts for at least this class until told otherwise; 0: none. One value: the caller keeps count. */
void thread_qos_override(thread_t thread, unsigned qos);

/* POLICY_TIMESHARE, POLICY_RR or POLICY_FIFO with a base priority of 0..MAXPRI_USER, as POSIX scheduling asks. */
kern_return_t thread_set_sched(thread_t thread, int policy, int base_priority);

/* How late a timer may come that the thread sets to `deadline`, ticks: <kern/sched_request.h>. Any context; racy. */
uint64_t thread_timer_leeway(thread_t thread, uint64_t deadline);

/* The task's request has changed. Its lock is held. */
void thread_policy_task_changed(thread_t thread);

/* Flavors THREAD_SCHED_*_INFO of thread_info. KERN_INVALID_POLICY for a thread of another policy. */
kern_return_t thread_timeshare_info(thread_t thread, policy_timeshare_info_data_t *info);
kern_return_t thread_rr_info(thread_t thread, policy_rr_info_data_t *info);
