/* POSIX threads. Sizes and static initialisers are Darwin's: objects may be embedded in foreign binaries. */
#pragma once

#include <sched.h>
#include <sys/types.h>
#include <time.h>

struct _opaque_pthread_t;
typedef struct _opaque_pthread_t *pthread_t;
typedef unsigned long pthread_key_t;

typedef struct {
	long sig;
	char opaque[56];
} pthread_attr_t;

typedef struct {
	long sig;
	union {
		char opaque[56];
		struct {
			unsigned int word; /* 0 free, 1 held, 2 held and waited for */
			unsigned int type;
			void *owner; /* recursive and error-checking kinds */
			unsigned int depth;
		} impl;
	};
} pthread_mutex_t;

typedef struct {
	long sig;
	char opaque[8];
} pthread_mutexattr_t;

typedef struct {
	long sig;
	union {
		char opaque[40];
		struct {
			unsigned int sequence; /* bumped by each signal */
			unsigned int waiters;
		} impl;
	};
} pthread_cond_t;

typedef struct {
	long sig;
	char opaque[8];
} pthread_condattr_t;

typedef struct {
	long sig;
	union {
		char opaque[192];
		struct {
			unsigned int state; /* readers, or ~0 for a writer */
			unsigned int sequence;
			unsigned int waiters;
		} impl;
	};
} pthread_rwlock_t;

typedef struct {
	long sig;
	char opaque[16];
} pthread_rwlockattr_t;

typedef struct {
	long sig;
	union {
		char opaque[8];
		unsigned int state;
	};
} pthread_once_t;

_Static_assert(sizeof(pthread_attr_t) == 64, "pthread_attr_t");
_Static_assert(sizeof(pthread_mutex_t) == 64, "pthread_mutex_t");
_Static_assert(sizeof(pthread_cond_t) == 48, "pthread_cond_t");
_Static_assert(sizeof(pthread_rwlock_t) == 200, "pthread_rwlock_t");
_Static_assert(sizeof(pthread_once_t) == 16, "pthread_once_t");

#define PTHREAD_MUTEX_INITIALIZER \
	{                         \
		0x32AAABA7,       \
		{ { 0 } }         \
	}
#define PTHREAD_RECURSIVE_MUTEX_INITIALIZER \
	{                                   \
		0x32AAABA2,                 \
		{ { 0 } }                   \
	}
#define PTHREAD_ERRORCHECK_MUTEX_INITIALIZER \
	{                                    \
		0x32AAABA1,                  \
		{ { 0 } }                    \
	}
#define PTHREAD_COND_INITIALIZER \
	{                        \
		0x3CB0B1BB,      \
		{ { 0 } }        \
	}
#define PTHREAD_RWLOCK_INITIALIZER \
	{                          \
		0x2DA8B3B4,        \
		{ { 0 } }          \
	}
#define PTHREAD_ONCE_INIT   \
	{                   \
		0x30B1BCBA, \
		{ { 0 } }   \
	}

#define PTHREAD_MUTEX_NORMAL     0
#define PTHREAD_MUTEX_ERRORCHECK 1
#define PTHREAD_MUTEX_RECURSIVE  2
#define PTHREAD_MUTEX_DEFAULT    PTHREAD_MUTEX_NORMAL

#define PTHREAD_CREATE_JOINABLE 1
#define PTHREAD_CREATE_DETACHED 2

#define PTHREAD_STACK_MIN             16384
#define PTHREAD_KEYS_MAX              112
#define PTHREAD_DESTRUCTOR_ITERATIONS 4

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int pthread_join(pthread_t thread, void **result);
int pthread_detach(pthread_t thread);
_Noreturn void pthread_exit(void *result);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_setname_np(const char *name);
int pthread_getname_np(pthread_t thread, char *name, size_t len);
int pthread_threadid_np(pthread_t thread, uint64_t *id);
int pthread_main_np(void);
void *pthread_get_stackaddr_np(pthread_t thread);
size_t pthread_get_stacksize_np(pthread_t thread);
unsigned int pthread_mach_thread_np(pthread_t thread);

int pthread_attr_init(pthread_attr_t *attr);
int pthread_attr_destroy(pthread_attr_t *attr);
int pthread_attr_setdetachstate(pthread_attr_t *attr, int state);
int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state);
int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size);
int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size);

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_trylock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_mutexattr_init(pthread_mutexattr_t *attr);
int pthread_mutexattr_destroy(pthread_mutexattr_t *attr);
int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type);
int pthread_mutexattr_gettype(const pthread_mutexattr_t *attr, int *type);

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int pthread_cond_destroy(pthread_cond_t *cond);
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline);
int pthread_cond_timedwait_relative_np(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *timeout);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);

int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr);
int pthread_rwlock_destroy(pthread_rwlock_t *lock);
int pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t *lock);
int pthread_rwlock_unlock(pthread_rwlock_t *lock);

int pthread_once(pthread_once_t *once, void (*init)(void));

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_key_delete(pthread_key_t key);
void *pthread_getspecific(pthread_key_t key);
int pthread_setspecific(pthread_key_t key, const void *value);

struct __darwin_pthread_handler_rec {
	void (*__routine)(void *);
	void *__arg;
	struct __darwin_pthread_handler_rec *__next;
};
void __pthread_cleanup_push(struct __darwin_pthread_handler_rec *handler);
void __pthread_cleanup_pop(struct __darwin_pthread_handler_rec *handler, int execute);

#define pthread_cleanup_push(routine, arg)                                                       \
	{                                                                                        \
		struct __darwin_pthread_handler_rec __handler = { (routine), (arg), (void *)0 }; \
		__pthread_cleanup_push(&__handler);
#define pthread_cleanup_pop(execute)                  \
	__pthread_cleanup_pop(&__handler, (execute)); \
	}
