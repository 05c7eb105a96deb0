/*
 * A thread as the library sees it, and the slots of its thread data.
 *
 * TPIDRRO_EL0 holds the address of tsd[0]. Slots 0 to 9 are known to the kernel and to other libraries by number;
 * slots from TSD_FIRST_KEY on belong to pthread_key_create. A created thread's struct lies above its stack in one
 * allocation; the first thread's is static.
 *
 * Fields: (c) set before the thread runs, (o) only the thread itself, (a) atomic, (l) thread_list_lock.
 */
#pragma once

#include <mach/mach_types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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
	struct _opaque_pthread_t *next_free; /* cache of finished threads' stacks, under its lock */
	int error;                           /* (o) errno */
	char name[64];
	_Alignas(16) unsigned char reent[REENT_BYTES]; /* (o) newlib's state */
	void *tsd[TSD_SLOTS];                          /* (o) */
};

#define THREAD_JOINABLE 0u
#define THREAD_DETACHED 1u
#define THREAD_EXITING  2u /* joinable and past its last instruction of user code */

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

/* Runs the destructors of pthread_key_create. */
void _pthread_tsd_cleanup(pthread_t thread);
