/*
 * Scheduling: policies and priorities, quality of service and overrides of it.
 *
 * A thread's class as it was asked for is kept here; what it comes to is the kernel's business. An override is a class
 * that a thread gets on behalf of another until it ends; the object that stands for it names itself as the resource.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/thread_policy.h>
#include <pthread.h>
#include <stdlib.h>

#include "../bsd/internal.h"
#include "internal.h"
#include "qos.h"

#define QOS_CLASS_SHIFT 8
#define QOS_CLASS_COUNT 6

/* bsdthread_ctl */
#define CTL_OVERRIDE_START 0x40
#define CTL_OVERRIDE_END   0x80
#define CTL_SET_SELF       0x100
#define SET_SELF_QOS       0x1

static const qos_class_t classes[QOS_CLASS_COUNT] = { QOS_CLASS_MAINTENANCE, QOS_CLASS_BACKGROUND,
	QOS_CLASS_UTILITY, QOS_CLASS_DEFAULT, QOS_CLASS_USER_INITIATED, QOS_CLASS_USER_INTERACTIVE };

bool
_qos_encode(qos_class_t qos_class, int relative_priority, uint32_t *qos)
{
	if (relative_priority > 0 || relative_priority < QOS_MIN_RELATIVE_PRIORITY) {
		return false;
	}
	if (qos_class == QOS_CLASS_UNSPECIFIED) {
		*qos = 0;
		return true;
	}
	for (unsigned i = 0; i < QOS_CLASS_COUNT; i++) {
		if (classes[i] == qos_class) {
			*qos = 1u << (QOS_CLASS_SHIFT + i) | (uint8_t)(relative_priority - 1);
			return true;
		}
	}
	return false;
}

void
_qos_decode(uint32_t qos, qos_class_t *qos_class, int *relative_priority)
{
	uint32_t bits = qos >> QOS_CLASS_SHIFT;
	bool known = bits != 0 && bits < 1u << QOS_CLASS_COUNT;

	if (qos_class != NULL) {
		*qos_class = known ? classes[__builtin_ctz(bits)] : QOS_CLASS_UNSPECIFIED;
	}
	if (relative_priority != NULL) {
		*relative_priority = known ? (int8_t)qos + 1 : 0;
	}
}

static int
ctl(uintptr_t command, uintptr_t arg1, uintptr_t arg2, uintptr_t arg3)
{
	return __bsdthread_ctl((void *)command, (void *)arg1, (void *)arg2, (void *)arg3) < 0 ? errno : 0;
}

int
pthread_set_qos_class_self_np(qos_class_t qos_class, int relative_priority)
{
	pthread_t self = thread_self_fast();
	uint32_t qos;
	int error;

	if (!_qos_encode(qos_class, relative_priority, &qos)) {
		return EINVAL;
	}
	error = ctl(CTL_SET_SELF, qos, 0, SET_SELF_QOS);
	if (error == 0) {
		__atomic_store_n(&self->qos, qos, __ATOMIC_RELAXED);
	}
	return error;
}

int
pthread_get_qos_class_np(pthread_t thread, qos_class_t *restrict qos_class, int *restrict relative_priority)
{
	if (!is_thread(thread)) {
		return ESRCH;
	}
	_qos_decode(__atomic_load_n(&thread->qos, __ATOMIC_RELAXED), qos_class, relative_priority);
	return 0;
}

qos_class_t
qos_class_self(void)
{
	qos_class_t qos_class;

	_qos_decode(thread_self_fast()->qos, &qos_class, NULL);
	return qos_class;
}

qos_class_t
qos_class_main(void)
{
	qos_class_t qos_class;

	_qos_decode(_pthread_main()->qos, &qos_class, NULL);
	return qos_class;
}

struct pthread_override_s {
	mach_port_t port; /* with a user reference: the name stays the thread's even if it ends */
};

pthread_override_t
pthread_override_qos_class_start_np(pthread_t thread, qos_class_t qos_class, int relative_priority)
{
	mach_port_t port = is_thread(thread) ? _pthread_port(thread) : MACH_PORT_NULL;
	pthread_override_t override;
	uint32_t qos;

	if (port == MACH_PORT_NULL || !_qos_encode(qos_class, relative_priority, &qos) || qos == 0 ||
	    (override = malloc(sizeof(*override))) == NULL) {
		return NULL;
	}
	override->port = port;
	if (mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 1) != KERN_SUCCESS) {
		free(override);
		return NULL;
	}
	if (ctl(CTL_OVERRIDE_START, port, qos, (uintptr_t) override) != 0) {
		(void)mach_port_deallocate(mach_task_self(), port);
		free(override);
		return NULL;
	}
	return override;
}

int
pthread_override_qos_class_end_np(pthread_override_t override)
{
	if (override == NULL) {
		return EINVAL;
	}
	(void)ctl(CTL_OVERRIDE_END, override->port, (uintptr_t) override, 0); /* the thread may have ended */
	(void)mach_port_deallocate(mach_task_self(), override->port);
	free(override);
	return 0;
}

/* ---- Policies ---- */

int
sched_get_priority_min(int policy)
{
	return SCHED_PRIORITY_MIN;
}

int
sched_get_priority_max(int policy)
{
	return SCHED_PRIORITY_MAX;
}

static bool
policy_ok(int policy, int priority)
{
	return (policy == SCHED_OTHER || policy == SCHED_RR || policy == SCHED_FIFO) && priority >= 0 &&
	       priority <= SCHED_PRIORITY_MAX;
}

int
_pthread_apply_policy(mach_port_t port, int policy, int priority)
{
	thread_extended_policy_data_t extended = { .timeshare = policy == SCHED_OTHER };
	thread_precedence_policy_data_t precedence = { .importance = priority - SCHED_PRIORITY_DEFAULT };
	kern_return_t kr = thread_policy_set(
	    port, THREAD_EXTENDED_POLICY, (thread_policy_t)&extended, THREAD_EXTENDED_POLICY_COUNT);

	if (kr == KERN_SUCCESS) {
		kr = thread_policy_set(port, THREAD_PRECEDENCE_POLICY, (thread_policy_t)&precedence,
		    THREAD_PRECEDENCE_POLICY_COUNT);
	}
	return kr == KERN_SUCCESS ? 0 : kr == KERN_INVALID_ARGUMENT ? EINVAL : ENOTSUP;
}

int
pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	mach_port_t port;
	int error;

	if (!is_thread(thread) || (port = _pthread_port(thread)) == MACH_PORT_NULL) {
		return ESRCH;
	}
	if (!policy_ok(policy, param->sched_priority)) {
		return EINVAL;
	}
	error = _pthread_apply_policy(port, policy, param->sched_priority);
	if (error == 0) {
		__atomic_store_n(&thread->policy, policy, __ATOMIC_RELAXED);
		__atomic_store_n(&thread->priority, param->sched_priority, __ATOMIC_RELAXED);
	}
	return error;
}

int
pthread_setschedprio(pthread_t thread, int priority)
{
	const struct sched_param param = { .sched_priority = priority };
	struct sched_param old;
	int policy, error = pthread_getschedparam(thread, &policy, &old);

	return error != 0 ? error : pthread_setschedparam(thread, policy, &param);
}

int
pthread_getschedparam(pthread_t thread, int *policy, struct sched_param *param)
{
	int priority;

	if (!is_thread(thread)) {
		return ESRCH;
	}
	priority = __atomic_load_n(&thread->priority, __ATOMIC_RELAXED);
	if (policy != NULL) {
		int value = __atomic_load_n(&thread->policy, __ATOMIC_RELAXED);

		*policy = value != 0 ? value : SCHED_OTHER;
	}
	if (param != NULL) {
		*param = (struct sched_param){ .sched_priority =
						   priority != 0 ? priority : SCHED_PRIORITY_DEFAULT };
	}
	return 0;
}

static int concurrency; /* atomic; a hint that every thread here has a kernel thread anyway */

int
pthread_setconcurrency(int level)
{
	if (level < 0) {
		return EINVAL;
	}
	__atomic_store_n(&concurrency, level, __ATOMIC_RELAXED);
	return 0;
}

int
pthread_getconcurrency(void)
{
	return __atomic_load_n(&concurrency, __ATOMIC_RELAXED);
}
