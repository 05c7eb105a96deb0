/*
 * The thread library's words for scheduling, told to the scheduler.
 */
#include <bsd/kern/pthread_internal.h>

#include <sys/errno.h>

/* Policies as <sched.h> numbers them. */
#define SCHED_OTHER 1
#define SCHED_RR    2
#define SCHED_FIFO  4

int
pthread_qos_set(thread_t thread, struct thread_qos qos)
{
	struct uthread *uth = thread->uthread;

	uth->uu_qos = qos;
	return 0;
}

void
pthread_qos_override(thread_t thread, unsigned qos)
{
	struct uthread *uth = thread->uthread;

	uth->uu_qos_override = (uint8_t)qos;
}

int
pthread_timeshare_set(thread_t thread, bool timeshare)
{
	return 0;
}

int
pthread_policy_set(thread_t thread, int policy, int priority)
{
	return policy == SCHED_OTHER || policy == SCHED_RR || policy == SCHED_FIFO ? 0 : EINVAL;
}
