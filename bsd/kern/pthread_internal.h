/*
 * What the kernel's parts of the thread library share: QoS of threads. See pthread_qos.c.
 */
#pragma once

#include <bsd/kern/proc.h>

#define THREAD_QOS_COUNT 7U /* THREAD_QOS_UNSPECIFIED (0) to THREAD_QOS_USER_INTERACTIVE (6) */

/* A class and relative priority as the library's word says them; false: it says none. */
OS_WARN_RESULT bool pthread_priority_decode(uint64_t priority, struct thread_qos *qos);
uint32_t pthread_priority_encode(struct thread_qos qos);

/* What the scheduler is told; pthread_sched.c. An errno. */
OS_WARN_RESULT int pthread_qos_set(thread_t thread, struct thread_qos qos);
void pthread_qos_override(thread_t thread, unsigned qos);
OS_WARN_RESULT int pthread_timeshare_set(thread_t thread, bool timeshare);
OS_WARN_RESULT int pthread_policy_set(thread_t thread, int policy, int priority);

/* CPUs that may be given threads. */
unsigned pthread_cpus_online(void);

/* The thread ends: its overrides go. p_lock held, or nobody else can find it. */
void pthread_qos_thread_exit(struct uthread *uth);
