/* The quality of service of threads. */
#pragma once

#include <stddef.h>
#include <sys/cdefs.h>
#include <sys/qos.h>

struct _opaque_pthread_t;
typedef struct _opaque_pthread_t *pthread_t;
typedef struct pthread_override_s *pthread_override_t;

#if !defined(_PTHREAD_ATTR_T)
#define _PTHREAD_ATTR_T
typedef struct __pthread_attr {
	long sig;
	char opaque[56];
} pthread_attr_t;
#endif

__BEGIN_DECLS

/* relative_priority: 0, or below the class by up to -QOS_MIN_RELATIVE_PRIORITY */
int pthread_attr_set_qos_class_np(pthread_attr_t *attr, qos_class_t qos_class, int relative_priority);
int pthread_attr_get_qos_class_np(
    pthread_attr_t *__restrict attr, qos_class_t *__restrict qos_class, int *__restrict relative_priority);
int pthread_set_qos_class_self_np(qos_class_t qos_class, int relative_priority);
int pthread_get_qos_class_np(
    pthread_t thread, qos_class_t *__restrict qos_class, int *__restrict relative_priority);

/* The thread runs with at least that class until the end; NULL: no such thread or class. */
pthread_override_t pthread_override_qos_class_start_np(
    pthread_t thread, qos_class_t qos_class, int relative_priority);
int pthread_override_qos_class_end_np(pthread_override_t override);

__END_DECLS
