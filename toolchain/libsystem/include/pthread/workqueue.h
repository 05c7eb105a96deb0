/*
 * Work that the kernel's pool of threads does.
 *
 * Two ways. A library that keeps its own queues sets a function with _pthread_workqueue_init and asks for threads of a
 * class; the function is called in each, once for each thread asked for. A program that has pieces of work makes queues
 * and adds items. One process uses one of the two.
 */
#pragma once

#include <pthread/qos.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

/* A class as one word; pthread_priority_from_qos gives it. */
typedef unsigned long pthread_priority_t;

#define _PTHREAD_PRIORITY_FLAGS_MASK      0xff000000UL
#define _PTHREAD_PRIORITY_OVERCOMMIT_FLAG 0x80000000UL

/* 0 for a class or relative priority that does not exist. */
pthread_priority_t _pthread_qos_class_encode(
    qos_class_t qos_class, int relative_priority, unsigned long flags);
qos_class_t _pthread_qos_class_decode(
    pthread_priority_t priority, int *relative_priority, unsigned long *flags);

typedef void (*pthread_workqueue_function_t)(pthread_priority_t priority);

int _pthread_workqueue_supported(void); /* feature bits of the kernel */
/* EBUSY: the process has one already. The other arguments are of no use here. */
int _pthread_workqueue_init(pthread_workqueue_function_t function, int offset, int flags);
int _pthread_workqueue_addthreads(int count, pthread_priority_t priority);
/* In the function: true if it should return soon, since the CPUs are busy with its like. */
bool _pthread_workqueue_should_narrow(pthread_priority_t priority);

/* ---- Queues of items ---- */

#define WORKQ_HIGH_PRIOQUEUE    0
#define WORKQ_DEFAULT_PRIOQUEUE 1
#define WORKQ_LOW_PRIOQUEUE     2
#define WORKQ_BG_PRIOQUEUE      3

typedef struct _pthread_workqueue *pthread_workqueue_t;

typedef struct {
	unsigned int sig;
	int queueprio;
	int overcommit;
} pthread_workqueue_attr_t;

int pthread_workqueue_attr_init_np(pthread_workqueue_attr_t *attr);
int pthread_workqueue_attr_destroy_np(pthread_workqueue_attr_t *attr);
int pthread_workqueue_attr_setqueuepriority_np(pthread_workqueue_attr_t *attr, int priority);
int pthread_workqueue_attr_getqueuepriority_np(const pthread_workqueue_attr_t *attr, int *priority);
/* Each of its items gets a thread at once. */
int pthread_workqueue_attr_setovercommit_np(pthread_workqueue_attr_t *attr, int overcommit);
int pthread_workqueue_attr_getovercommit_np(const pthread_workqueue_attr_t *attr, int *overcommit);

int pthread_workqueue_create_np(pthread_workqueue_t *queue, const pthread_workqueue_attr_t *attr);
int pthread_workqueue_additem_np(pthread_workqueue_t queue, void (*function)(void *), void *arg);

__END_DECLS
