/*
 * The thread library's words for scheduling, told to the scheduler. uu_qos and uu_qos_override remember them for who
 * asks.
 */
#include <bsd/kern/pthread_internal.h>

#include <kern/thread_policy.h>
#include <mach/policy.h>
#include <mach/thread_policy.h>
#include <sys/errno.h>

static int
errno_of(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_TERMINATED:
		return ESRCH;
	default:
		return EINVAL;
	}
}

int
pthread_qos_set(thread_t thread, struct thread_qos qos)
{
	struct uthread *uth = thread->uthread;
	int error = errno_of(thread_set_qos(thread, qos.tq_qos, qos.tq_relpri));

	if (error == 0) {
		uth->uu_qos = qos;
	}
	return error;
}

void
pthread_qos_override(thread_t thread, unsigned qos)
{
	struct uthread *uth = thread->uthread;

	uth->uu_qos_override = (uint8_t)qos;
	thread_qos_override(thread, qos);
}

int
pthread_timeshare_set(thread_t thread, bool timeshare)
{
	thread_extended_policy_data_t policy = { .timeshare = timeshare };

	return errno_of(thread_policy_set(
	    thread, THREAD_EXTENDED_POLICY, (thread_policy_t)&policy, THREAD_EXTENDED_POLICY_COUNT));
}

/* SCHED_OTHER, SCHED_RR and SCHED_FIFO are POLICY_TIMESHARE, POLICY_RR and POLICY_FIFO. */
int
pthread_policy_set(thread_t thread, int policy, int priority)
{
	return errno_of(thread_set_sched(thread, policy, priority));
}
