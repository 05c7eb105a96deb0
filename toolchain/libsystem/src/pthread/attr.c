/* The attributes of a thread to be made. */
#include <errno.h>
#include <mach/vm_page_size.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "qos.h"

#define ATTR_SIGNATURE 0x54484441L /* "THDA" */
#define STACK_MAX      (1UL << 40)

static struct attr_impl *
attr_impl(const pthread_attr_t *attr)
{
	struct attr_impl *impl = (void *)(uintptr_t)attr;

	return impl->sig == ATTR_SIGNATURE ? impl : NULL;
}

const struct attr_impl *
_pthread_attr(const pthread_attr_t *attr)
{
	return attr_impl(attr);
}

int
pthread_attr_init(pthread_attr_t *attr)
{
	memset(attr, 0, sizeof(*attr));
	*(struct attr_impl *)(void *)attr = (struct attr_impl){
		.sig = ATTR_SIGNATURE,
		.policy = SCHED_OTHER,
		.priority = SCHED_PRIORITY_DEFAULT,
		.system_scope = true,
	};
	return 0;
}

int
pthread_attr_destroy(pthread_attr_t *attr)
{
	attr->sig = 0;
	return 0;
}

/* pthread_attr_set<name> and get<name>: `set` stores `value` in *impl, `get` reads it back. */
#define ATTR_FIELD(name, type, ok, set, get)                              \
	int pthread_attr_set##name(pthread_attr_t *attr, type value)      \
	{                                                                 \
		struct attr_impl *impl = attr_impl(attr);                 \
                                                                          \
		if (impl == NULL || !(ok)) {                              \
			return EINVAL;                                    \
		}                                                         \
		set;                                                      \
		return 0;                                                 \
	}                                                                 \
	int pthread_attr_get##name(const pthread_attr_t *attr, type *out) \
	{                                                                 \
		const struct attr_impl *impl = attr_impl(attr);           \
                                                                          \
		if (impl == NULL) {                                       \
			return EINVAL;                                    \
		}                                                         \
		*out = (get);                                             \
		return 0;                                                 \
	}

ATTR_FIELD(detachstate, int, value == PTHREAD_CREATE_JOINABLE || value == PTHREAD_CREATE_DETACHED,
    impl->detached = value == PTHREAD_CREATE_DETACHED,
    impl->detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE)
ATTR_FIELD(stacksize, size_t, value >= PTHREAD_STACK_MIN && value <= STACK_MAX, impl->stack_size = value,
    impl->stack_size != 0 ? impl->stack_size : STACK_DEFAULT)
ATTR_FIELD(stackaddr, void *, value != NULL && ((uintptr_t)value & 15) == 0, impl->stack_top = value,
    impl->stack_top)
ATTR_FIELD(guardsize, size_t, value <= STACK_MAX,
    (impl->guard_size = round_page(value), impl->no_guard = value == 0),
    impl->no_guard          ? 0
    : impl->guard_size != 0 ? impl->guard_size
			    : vm_page_size)
ATTR_FIELD(scope, int, value == PTHREAD_SCOPE_SYSTEM || value == PTHREAD_SCOPE_PROCESS,
    impl->system_scope = value == PTHREAD_SCOPE_SYSTEM,
    impl->system_scope ? PTHREAD_SCOPE_SYSTEM : PTHREAD_SCOPE_PROCESS)
ATTR_FIELD(inheritsched, int, value == PTHREAD_INHERIT_SCHED || value == PTHREAD_EXPLICIT_SCHED,
    impl->explicit_sched = value == PTHREAD_EXPLICIT_SCHED,
    impl->explicit_sched ? PTHREAD_EXPLICIT_SCHED : PTHREAD_INHERIT_SCHED)
ATTR_FIELD(schedpolicy, int, value == SCHED_OTHER || value == SCHED_RR || value == SCHED_FIFO,
    (impl->policy = (int16_t)value, impl->explicit_sched = true), impl->policy)

int
pthread_attr_setschedparam(pthread_attr_t *attr, const struct sched_param *param)
{
	struct attr_impl *impl = attr_impl(attr);

	if (impl == NULL || param->sched_priority < 0 || param->sched_priority > SCHED_PRIORITY_MAX) {
		return EINVAL;
	}
	impl->priority = (int16_t)param->sched_priority;
	impl->explicit_sched = true;
	return 0;
}

int
pthread_attr_getschedparam(const pthread_attr_t *attr, struct sched_param *param)
{
	const struct attr_impl *impl = attr_impl(attr);

	if (impl == NULL) {
		return EINVAL;
	}
	*param = (struct sched_param){ .sched_priority = impl->priority };
	return 0;
}

int
pthread_attr_setstack(pthread_attr_t *attr, void *bottom, size_t size)
{
	struct attr_impl *impl = attr_impl(attr);

	if (impl == NULL || bottom == NULL || ((uintptr_t)bottom & 15) != 0 || size < PTHREAD_STACK_MIN ||
	    size > STACK_MAX || (size & 15) != 0) {
		return EINVAL;
	}
	impl->stack_size = size;
	impl->stack_top = (char *)bottom + size;
	return 0;
}

int
pthread_attr_getstack(const pthread_attr_t *attr, void **bottom, size_t *size)
{
	const struct attr_impl *impl = attr_impl(attr);

	if (impl == NULL) {
		return EINVAL;
	}
	*size = impl->stack_size != 0 ? impl->stack_size : STACK_DEFAULT;
	*bottom = impl->stack_top != NULL ? (char *)impl->stack_top - *size : NULL;
	return 0;
}

int
pthread_attr_set_qos_class_np(pthread_attr_t *attr, qos_class_t qos_class, int relative_priority)
{
	struct attr_impl *impl = attr_impl(attr);
	uint32_t qos;

	if (impl == NULL || !_qos_encode(qos_class, relative_priority, &qos)) {
		return EINVAL;
	}
	impl->qos = qos;
	return 0;
}

int
pthread_attr_get_qos_class_np(
    pthread_attr_t *restrict attr, qos_class_t *restrict qos_class, int *restrict relative_priority)
{
	const struct attr_impl *impl = attr_impl(attr);

	if (impl == NULL) {
		return EINVAL;
	}
	_qos_decode(impl->qos, qos_class, relative_priority);
	return 0;
}
