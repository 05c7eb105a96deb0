/*
 * A thread as the library sees it, and the slots of its thread data.
 *
 * TPIDRRO_EL0 holds the address of tsd[0]. Slots 0 to 9 are known to the kernel and to other libraries by number;
 * slots from TSD_FIRST_KEY on belong to pthread_key_create. A created thread's struct lies above its stack in one
 * allocation, or alone in one if the program brought the stack; the first thread's is static. All allocations, in use
 * or kept for later, are on one list.
 *
 * Fields: (c) set before the thread runs, (o) only the thread itself, (a) atomic, (l) stack_cache_lock.
 */
#pragma once

#include <mach/mach_types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "slots.h"

#define THREAD_SIGNATURE 0x54485244L /* "THRD" */

struct _opaque_pthread_t {
	long signature;
	void *(*start)(void *);                       /* (c) */
	void *arg;                                    /* (c) */
	void *result;                                 /* (o) until exit_gate is 0 */
	struct __darwin_pthread_handler_rec *cleanup; /* (o) innermost pthread_cleanup_push */
	vm_address_t alloc_base; /* (c) the allocation: guard, stack, this struct; 0 for the first thread */
	vm_size_t alloc_size;    /* (c) bytes */
	vm_address_t stack_top;  /* (c) */
	vm_size_t stack_size;    /* (c) bytes, without the guard */
	uint32_t exit_gate; /* (a) 1 while the thread may use its stack; the kernel clears and wakes it */
	uint32_t detached;  /* (a) THREAD_* below */
	struct _opaque_pthread_t
	    *next_free; /* (l) on the cache of finished threads' stacks, or the dead detached */
	struct _opaque_pthread_t
	    *next_alloc; /* (l) all allocations; the pointer that points here is known by */
	struct _opaque_pthread_t **prev_alloc; /* (l) this one; NULL for the first thread */
	int error;                             /* (o) errno */
	uint64_t id;                           /* (o) unique in the system; 0: not asked yet */
	uint32_t cancel;                       /* (a) CANCEL_* below */
	bool worker;                           /* (c) of the kernel's pool */
	uint32_t read_locks;                   /* (o) pthread_rwlock_t it holds for reading */
	int policy;                            /* (a) SCHED_* */
	int priority;                          /* (a) of struct sched_param */
	uint32_t qos;                          /* (a) class and relative priority as the kernel takes them */
	char name[64];
	_Alignas(16) unsigned char reent[REENT_BYTES]; /* (o) newlib's state */
	void *tsd[TSD_SLOTS];                          /* (o) */
};

#define THREAD_JOINABLE 0u
#define THREAD_DETACHED 1u
#define THREAD_EXITING  2u /* joinable and past its last instruction of user code */

/* cancel */
#define CANCEL_ASKED    1u /* pthread_cancel was called */
#define CANCEL_DISABLED 2u
#define CANCEL_ASYNC    4u
#define CANCEL_EXITING  8u /* the thread ends, for whatever reason: it cannot be cancelled any more */

static inline pthread_t
thread_self_fast(void)
{
	return tsd_base()[TSD_THREAD_SELF];
}

/* The calling thread's port. */
mach_port_t _pthread_self_port(void);

/* Fills a zeroed struct. */
void _pthread_setup(pthread_t thread);

/* The first thread: start.c calls it before anything that needs thread data. */
void _pthread_main_thread_init(const char *const *apple);

/* Child of fork: the only thread is the caller. */
void _pthread_atfork_child(void);
void _pthread_atfork_prepare(void);
void _pthread_atfork_parent(void);
void _pthread_threads_lock(void);
void _pthread_threads_unlock(void);
void _pthread_threads_child(void);

pthread_t _pthread_main(void);

/* Has told the kernel where threads start, those of its pool too. */
void _pthread_register(void);
/* Where those of the pool go on; workqueue.c sets it, atomic. */
typedef void (*_pthread_worker_entry_t)(
    pthread_t self, mach_port_t port, vm_address_t stack, void *events, uint32_t flags, int count);
extern _pthread_worker_entry_t _pthread_worker_entry;
/* A thread that the kernel made joins the list of all. */
void _pthread_link(pthread_t thread);
/* The pool may have work when the last thread of the program has ended: that ends the process no more. */
void _pthread_hold_process(void);
/* A thread of the pool ends. */
_Noreturn void _pthread_worker_exit(pthread_t self);
/* Tells the kernel a policy and priority; an errno. */
int _pthread_apply_policy(mach_port_t port, int policy, int priority);

/* Runs the destructors of pthread_key_create. */
void _pthread_tsd_cleanup(pthread_t thread);

/* A key goes: its slot becomes NULL in every thread. */
void _pthread_clear_slot(unsigned slot);

/* Is it one that can be asked about: running, or finished and not joined? */
static inline bool
is_thread(pthread_t thread)
{
	return thread != NULL && thread->signature == THREAD_SIGNATURE;
}

/* The port of a thread that has not ended; 0 of one that has. */
mach_port_t _pthread_port(pthread_t thread);

/* pthread_attr_t; attr.c. A field that is 0 has its default. */
struct attr_impl {
	long sig;
	size_t stack_size;
	void *stack_top; /* the program's own stack */
	size_t guard_size;
	uint32_t qos;
	int16_t policy;
	int16_t priority;
	bool detached;
	bool no_guard;
	bool explicit_sched;
	bool system_scope;
};
_Static_assert(sizeof(struct attr_impl) <= sizeof(pthread_attr_t), "attributes fit");

const struct attr_impl *_pthread_attr(const pthread_attr_t *attr); /* NULL: not initialised */

/*
 * A call that is a cancellation point got EINTR, or a wait of this library did: does not return if that is because the
 * thread was cancelled.
 */
void _pthread_interrupted(void);
extern void (*_pthread_cancel_hook)(void);

/* --- sleeping on a word --- */

/* Can be waited by: the calendar, and those that count time since the machine started. */
static inline bool
_clock_waits(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
	       clock == CLOCK_UPTIME_RAW;
}

/* A deadline of a clock as nanoseconds from now, at least 1; EINVAL, or ETIMEDOUT if it has passed. */
int _time_left(clockid_t clock, const struct timespec *deadline, uint64_t *ns);

/*
 * Sleeps as long as *word is `value`, which is a cancellation point with WORD_CANCEL. timeout_ns 0: for ever. 0 also for
 * a value that differs and for wake-ups without reason; ETIMEDOUT, EINTR.
 */
#define WORD_SHARED 1u /* other processes use the word too */
#define WORD_CANCEL 2u
int _word_wait(const uint32_t *word, uint32_t value, unsigned flags, uint64_t timeout_ns);
void _word_wake(const uint32_t *word, unsigned flags, bool all);
