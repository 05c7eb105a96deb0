/*
 * POSIX threads. Sizes and static initialisers are Darwin's: objects may be embedded in foreign binaries. Beyond what
 * Darwin has there are barriers, spin locks, locks with deadlines by any clock and process-shared objects, as POSIX
 * describes them; robust mutexes there are not.
 */
#pragma once

#include <limits.h>
#include <pthread/qos.h>
#include <sched.h>
#include <signal.h>
#include <sys/cdefs.h>
#include <sys/types.h>
#include <time.h>

__BEGIN_DECLS

struct _opaque_pthread_t;
typedef struct _opaque_pthread_t *pthread_t;
typedef unsigned long pthread_key_t;

#if !defined(_PTHREAD_ATTR_T)
#define _PTHREAD_ATTR_T
typedef struct __pthread_attr {
	long sig;
	char opaque[56];
} pthread_attr_t;
#endif

typedef struct {
	long sig;
	union {
		char opaque[56];
		struct {
			unsigned int word; /* 0 free, 1 held, 2 held and waited for */
			unsigned char type;
			unsigned char pshared; /* PTHREAD_PROCESS_SHARED */
			unsigned char protocol;
			unsigned char unused;
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
			unsigned int clock;
			unsigned int pshared;
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
			unsigned long long state; /* who has it, who waits: see rwlock.c */
			unsigned int pshared;
			unsigned int read_turn;  /* what readers sleep on */
			unsigned int write_turn; /* what writers sleep on */
			unsigned int pad;
			void *writer;
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

typedef struct {
	unsigned int limit;
	unsigned int pshared;
	unsigned long long turn; /* how many arrived, and above that the number of the round */
	unsigned int inside;
	unsigned int pad;
} pthread_barrier_t;

typedef struct {
	int pshared;
} pthread_barrierattr_t;

typedef struct {
	unsigned int word;
	int pshared;
} pthread_spinlock_t;

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

#define PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP  PTHREAD_RECURSIVE_MUTEX_INITIALIZER
#define PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP PTHREAD_ERRORCHECK_MUTEX_INITIALIZER

#define PTHREAD_MUTEX_NORMAL     0
#define PTHREAD_MUTEX_ERRORCHECK 1
#define PTHREAD_MUTEX_RECURSIVE  2
#define PTHREAD_MUTEX_DEFAULT    PTHREAD_MUTEX_NORMAL

#define PTHREAD_MUTEX_POLICY_FAIRSHARE_NP 1
#define PTHREAD_MUTEX_POLICY_FIRSTFIT_NP  3

#define PTHREAD_CREATE_JOINABLE 1
#define PTHREAD_CREATE_DETACHED 2

#define PTHREAD_INHERIT_SCHED  1
#define PTHREAD_EXPLICIT_SCHED 2

#define PTHREAD_SCOPE_SYSTEM  1
#define PTHREAD_SCOPE_PROCESS 2

#define PTHREAD_PROCESS_SHARED  1
#define PTHREAD_PROCESS_PRIVATE 2

#define PTHREAD_PRIO_NONE    0
#define PTHREAD_PRIO_INHERIT 1
#define PTHREAD_PRIO_PROTECT 2

#define PTHREAD_CANCEL_ENABLE       1
#define PTHREAD_CANCEL_DISABLE      0
#define PTHREAD_CANCEL_DEFERRED     2
#define PTHREAD_CANCEL_ASYNCHRONOUS 0
#define PTHREAD_CANCELED            ((void *)1)

#define PTHREAD_BARRIER_SERIAL_THREAD (-1)

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int pthread_create_suspended_np(
    pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int pthread_join(pthread_t thread, void **result);
int pthread_detach(pthread_t thread);
_Noreturn void pthread_exit(void *result);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_kill(pthread_t thread, int signal);

/* handlers run in fork: the last registered first before it, the first registered first after it */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int pthread_setcancelstate(int state, int *old);
int pthread_setcanceltype(int type, int *old);
int pthread_cancel(pthread_t thread);
void pthread_testcancel(void);

int pthread_getschedparam(pthread_t thread, int *policy, struct sched_param *param);
int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param);
int pthread_setschedprio(pthread_t thread, int priority);
int pthread_setconcurrency(int level);
int pthread_getconcurrency(void);

int pthread_setname_np(const char *name);
int pthread_getname_np(pthread_t thread, char *name, size_t len);
int pthread_threadid_np(pthread_t thread, uint64_t *id);
int pthread_main_np(void);
int pthread_is_threaded_np(void);
int pthread_cpu_number_np(size_t *cpu);
void pthread_yield_np(void);
void *pthread_get_stackaddr_np(pthread_t thread);
size_t pthread_get_stacksize_np(pthread_t thread);
unsigned int pthread_mach_thread_np(pthread_t thread);
pthread_t pthread_from_mach_thread_np(unsigned int port);
/* 0: memory is never both writable and executable for one thread only. */
int pthread_jit_write_protect_supported_np(void);
void pthread_jit_write_protect_np(int enabled);

int pthread_attr_init(pthread_attr_t *attr);
int pthread_attr_destroy(pthread_attr_t *attr);
int pthread_attr_setdetachstate(pthread_attr_t *attr, int state);
int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state);
int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size);
int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size);
/* the stack's highest address; in the pair below its lowest */
int pthread_attr_setstackaddr(pthread_attr_t *attr, void *top);
int pthread_attr_getstackaddr(const pthread_attr_t *attr, void **top);
int pthread_attr_setstack(pthread_attr_t *attr, void *bottom, size_t size);
int pthread_attr_getstack(const pthread_attr_t *attr, void **bottom, size_t *size);
int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size);
int pthread_attr_getguardsize(const pthread_attr_t *attr, size_t *size);
int pthread_attr_setscope(pthread_attr_t *attr, int scope);
int pthread_attr_getscope(const pthread_attr_t *attr, int *scope);
int pthread_attr_setinheritsched(pthread_attr_t *attr, int inherit);
int pthread_attr_getinheritsched(const pthread_attr_t *attr, int *inherit);
int pthread_attr_setschedpolicy(pthread_attr_t *attr, int policy);
int pthread_attr_getschedpolicy(const pthread_attr_t *attr, int *policy);
int pthread_attr_setschedparam(pthread_attr_t *attr, const struct sched_param *param);
int pthread_attr_getschedparam(const pthread_attr_t *attr, struct sched_param *param);

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_trylock(pthread_mutex_t *mutex);
int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline);
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_mutex_getprioceiling(const pthread_mutex_t *mutex, int *ceiling);
int pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling, int *old);
int pthread_mutexattr_init(pthread_mutexattr_t *attr);
int pthread_mutexattr_destroy(pthread_mutexattr_t *attr);
int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type);
int pthread_mutexattr_gettype(const pthread_mutexattr_t *attr, int *type);
int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int pshared);
int pthread_mutexattr_getpshared(const pthread_mutexattr_t *attr, int *pshared);
int pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr, int protocol);
int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *attr, int *protocol);
int pthread_mutexattr_setprioceiling(pthread_mutexattr_t *attr, int ceiling);
int pthread_mutexattr_getprioceiling(const pthread_mutexattr_t *attr, int *ceiling);
int pthread_mutexattr_setpolicy_np(pthread_mutexattr_t *attr, int policy);
int pthread_mutexattr_getpolicy_np(const pthread_mutexattr_t *attr, int *policy);

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int pthread_cond_destroy(pthread_cond_t *cond);
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline);
int pthread_cond_clockwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline);
int pthread_cond_timedwait_relative_np(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *timeout);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);
/* wakes that very thread if it waits, else any */
int pthread_cond_signal_thread_np(pthread_cond_t *cond, pthread_t thread);
int pthread_condattr_init(pthread_condattr_t *attr);
int pthread_condattr_destroy(pthread_condattr_t *attr);
int pthread_condattr_setpshared(pthread_condattr_t *attr, int pshared);
int pthread_condattr_getpshared(const pthread_condattr_t *attr, int *pshared);
int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock);

int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr);
int pthread_rwlock_destroy(pthread_rwlock_t *lock);
int pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *deadline);
int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *deadline);
int pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *deadline);
int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *deadline);
int pthread_rwlock_unlock(pthread_rwlock_t *lock);
int pthread_rwlockattr_init(pthread_rwlockattr_t *attr);
int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr);
int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int pshared);
int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *attr, int *pshared);

int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attr, unsigned int count);
int pthread_barrier_destroy(pthread_barrier_t *barrier);
int pthread_barrier_wait(pthread_barrier_t *barrier);
int pthread_barrierattr_init(pthread_barrierattr_t *attr);
int pthread_barrierattr_destroy(pthread_barrierattr_t *attr);
int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int pshared);
int pthread_barrierattr_getpshared(const pthread_barrierattr_t *attr, int *pshared);

/* As the rest of the system does, a spin lock sleeps when it must wait. */
int pthread_spin_init(pthread_spinlock_t *lock, int pshared);
int pthread_spin_destroy(pthread_spinlock_t *lock);
int pthread_spin_lock(pthread_spinlock_t *lock);
int pthread_spin_trylock(pthread_spinlock_t *lock);
int pthread_spin_unlock(pthread_spinlock_t *lock);

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

__END_DECLS
