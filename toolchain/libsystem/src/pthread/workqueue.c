/*
 * Work queues: the library's end of the kernel's pool, and queues of items on top.
 *
 * A thread of the pool comes up in worker_comes, for the first time with its structure still zero. It calls the
 * function and goes back to the kernel, which does not return but sends it up again, from the top of its stack. Told to
 * end, it undoes what pthread_exit would, and the kernel unmaps its stack.
 *
 * Items wait in one list for each class; there are never fewer threads asked for than items waiting, and whichever
 * comes takes the oldest item of the class it comes for.
 */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <pthread/workqueue.h>
#include <stdlib.h>

#include "../../newlib/glue.h"
#include "../bsd/internal.h"
#include "../malloc/internal.h"
#include "internal.h"
#include "lock.h"
#include "qos.h"

/* workq_kernreturn */
#define WQOPS_THREAD_RETURN 0x4
#define WQOPS_REQTHREADS    0x20
#define WQOPS_SHOULD_NARROW 0x200

/* Flags of the entry. */
#define WQ_QOS_MASK        0xfffu
#define WQ_FLAG_OVERCOMMIT 0x10000u
#define WQ_FLAG_REUSE      0x20000u

#define FEATURES 0x0f /* what _pthread_workqueue_supported has always said: there are such threads, and QoS */

static pthread_workqueue_function_t worker; /* atomic; NULL: not initialised */

static pthread_priority_t
job_priority(uint32_t flags)
{
	uint32_t qos = flags & WQ_QOS_MASK;

	return (1u << (8 + qos - 1) | 0xffu) |
	       ((flags & WQ_FLAG_OVERCOMMIT) != 0 ? _PTHREAD_PRIORITY_OVERCOMMIT_FLAG : 0);
}

static void
worker_setup(pthread_t self, mach_port_t port, vm_address_t stack)
{
	_pthread_setup(self);
	self->tsd[TSD_MACH_THREAD_SELF] = (void *)(uintptr_t)port;
	self->detached = THREAD_DETACHED;
	self->cancel = CANCEL_EXITING; /* the pool's threads are not cancelled */
	self->stack_top = (vm_address_t)self;
	self->stack_size = (vm_address_t)self - stack;
	self->alloc_base = stack - vm_page_size;
	self->alloc_size = self->stack_size + vm_page_size + round_page(sizeof(*self));
	self->worker = true;
	_pthread_link(self);
}

static void
worker_comes(pthread_t self, mach_port_t port, vm_address_t stack, void *events, uint32_t flags, int count)
{
	if ((flags & WQ_FLAG_REUSE) == 0) {
		worker_setup(self, port, stack);
	}
	if (count < 0) {
		_pthread_worker_exit(self);
	}
	self->qos = (uint32_t)job_priority(flags);
	__atomic_load_n(&worker, __ATOMIC_ACQUIRE)(job_priority(flags));
	(void)__workq_kernreturn(WQOPS_THREAD_RETURN, NULL, 0, 0);
}

pthread_priority_t
_pthread_qos_class_encode(qos_class_t qos_class, int relative_priority, unsigned long flags)
{
	uint32_t qos;

	if (!_qos_encode(qos_class, relative_priority, &qos)) {
		return 0;
	}
	return qos | (flags & _PTHREAD_PRIORITY_FLAGS_MASK);
}

qos_class_t
_pthread_qos_class_decode(pthread_priority_t priority, int *relative_priority, unsigned long *flags)
{
	qos_class_t qos_class;

	_qos_decode((uint32_t)(priority & ~_PTHREAD_PRIORITY_FLAGS_MASK), &qos_class, relative_priority);
	if (flags != NULL) {
		*flags = priority & _PTHREAD_PRIORITY_FLAGS_MASK;
	}
	return qos_class;
}

int
_pthread_workqueue_supported(void)
{
	return FEATURES;
}

int
_pthread_workqueue_init(pthread_workqueue_function_t function, int offset, int flags)
{
	pthread_workqueue_function_t none = NULL;

	if (function == NULL) {
		return EINVAL;
	}
	/* release: a thread of the pool reads it before anything else */
	if (!__atomic_compare_exchange_n(
		&worker, &none, function, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		return EBUSY;
	}
	__atomic_store_n(&_pthread_worker_entry, worker_comes, __ATOMIC_RELEASE);
	_pthread_register();
	_pthread_hold_process();
	if (__workq_open() < 0) {
		return errno;
	}
	return 0;
}

int
_pthread_workqueue_addthreads(int count, pthread_priority_t priority)
{
	if (__atomic_load_n(&worker, __ATOMIC_RELAXED) == NULL) {
		return EPERM;
	}
	return __workq_kernreturn(WQOPS_REQTHREADS, NULL, count, (int)priority) < 0 ? errno : 0;
}

_Bool
_pthread_workqueue_should_narrow(pthread_priority_t priority)
{
	return __workq_kernreturn(WQOPS_SHOULD_NARROW, NULL, 0, (int)priority) == 1;
}

/* ---- Queues of items ---- */

#define ATTR_SIGNATURE  0x57515541u /* "WQUA" */
#define QUEUE_SIGNATURE 0x57515545u /* "WQUE" */
#define QUEUE_KINDS     8           /* priority and whether it overcommits */

struct item {
	struct item *next;
	void (*function)(void *);
	void *arg;
};

struct _pthread_workqueue {
	unsigned signature;
	unsigned kind;
};

static const qos_class_t queue_classes[] = { QOS_CLASS_USER_INITIATED, QOS_CLASS_DEFAULT, QOS_CLASS_UTILITY,
	QOS_CLASS_BACKGROUND };

static os_light_lock_t items_lock;
static struct item *items[QUEUE_KINDS], **items_end[QUEUE_KINDS]; /* items_lock; end NULL: empty */

static pthread_priority_t
kind_priority(unsigned kind)
{
	return _pthread_qos_class_encode(
	    queue_classes[kind >> 1], 0, (kind & 1) != 0 ? _PTHREAD_PRIORITY_OVERCOMMIT_FLAG : 0);
}

static struct item *
take_item(unsigned kind)
{
	struct item *item;

	os_light_lock(&items_lock);
	item = items[kind];
	if (item != NULL) {
		items[kind] = item->next;
		if (item->next == NULL) {
			items_end[kind] = NULL;
		}
	}
	os_light_unlock(&items_lock);
	return item;
}

/* One item for each thread that comes. */
static void
do_one(pthread_priority_t priority)
{
	struct item *item = NULL, copy;

	for (unsigned kind = 0; kind < QUEUE_KINDS && item == NULL; kind++) {
		if (kind_priority(kind) == priority) {
			item = take_item(kind);
		}
	}
	if (item != NULL) {
		copy = *item;
		free(item);
		copy.function(copy.arg);
	}
}

int
pthread_workqueue_create_np(pthread_workqueue_t *queue, const pthread_workqueue_attr_t *attr)
{
	unsigned priority = WORKQ_DEFAULT_PRIOQUEUE, overcommit = 0;
	struct _pthread_workqueue *q;
	int error;

	if (attr != NULL) {
		if (attr->sig != ATTR_SIGNATURE) {
			return EINVAL;
		}
		priority = (unsigned)attr->queueprio;
		overcommit = attr->overcommit != 0;
	}
	error = _pthread_workqueue_init(do_one, 0, 0);
	if (error == EBUSY && __atomic_load_n(&worker, __ATOMIC_ACQUIRE) == do_one) {
		error = 0; /* the first queue did it */
	}
	q = error == 0 ? malloc(sizeof(*q)) : NULL;
	if (q == NULL) {
		return error != 0 ? error : ENOMEM;
	}
	*q = (struct _pthread_workqueue){ QUEUE_SIGNATURE, priority << 1 | overcommit };
	*queue = q;
	return 0;
}

int
pthread_workqueue_additem_np(pthread_workqueue_t queue, void (*function)(void *), void *arg)
{
	struct item *item;

	if (queue == NULL || queue->signature != QUEUE_SIGNATURE || function == NULL) {
		return EINVAL;
	}
	item = malloc(sizeof(*item));
	if (item == NULL) {
		return ENOMEM;
	}
	*item = (struct item){ NULL, function, arg };
	os_light_lock(&items_lock);
	if (items_end[queue->kind] == NULL) {
		items_end[queue->kind] = &items[queue->kind];
	}
	*items_end[queue->kind] = item;
	items_end[queue->kind] = &item->next;
	os_light_unlock(&items_lock);
	return _pthread_workqueue_addthreads(1, kind_priority(queue->kind));
}

int
pthread_workqueue_attr_init_np(pthread_workqueue_attr_t *attr)
{
	*attr = (pthread_workqueue_attr_t){ ATTR_SIGNATURE, WORKQ_DEFAULT_PRIOQUEUE, 0 };
	return 0;
}

int
pthread_workqueue_attr_destroy_np(pthread_workqueue_attr_t *attr)
{
	attr->sig = 0;
	return 0;
}

int
pthread_workqueue_attr_setqueuepriority_np(pthread_workqueue_attr_t *attr, int priority)
{
	if (attr->sig != ATTR_SIGNATURE || priority < WORKQ_HIGH_PRIOQUEUE || priority > WORKQ_BG_PRIOQUEUE) {
		return EINVAL;
	}
	attr->queueprio = priority;
	return 0;
}

int
pthread_workqueue_attr_getqueuepriority_np(const pthread_workqueue_attr_t *attr, int *priority)
{
	if (attr->sig != ATTR_SIGNATURE) {
		return EINVAL;
	}
	*priority = attr->queueprio;
	return 0;
}

int
pthread_workqueue_attr_setovercommit_np(pthread_workqueue_attr_t *attr, int overcommit)
{
	if (attr->sig != ATTR_SIGNATURE) {
		return EINVAL;
	}
	attr->overcommit = overcommit != 0;
	return 0;
}

int
pthread_workqueue_attr_getovercommit_np(const pthread_workqueue_attr_t *attr, int *overcommit)
{
	if (attr->sig != ATTR_SIGNATURE) {
		return EINVAL;
	}
	*overcommit = attr->overcommit;
	return 0;
}
