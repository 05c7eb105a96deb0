/* Questions about threads: who, where, what name. */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../bsd/internal.h"
#include "internal.h"

/* TPIDR_EL0, which the kernel keeps */
#define CPU_NUMBER_MASK 0xfffu

pthread_t
pthread_self(void)
{
	return thread_self_fast();
}

int
pthread_equal(pthread_t a, pthread_t b)
{
	return a == b;
}

int
pthread_main_np(void)
{
	return thread_self_fast() == _pthread_main();
}

#define PROC_INFO_CALL_SETCONTROL 5
#define PROC_SELFSET_THREADNAME   2

/* The kernel is told too, for its own listings. */
int
pthread_setname_np(const char *name)
{
	pthread_t self = thread_self_fast();

	if (strlen(name) >= sizeof(self->name)) {
		return ENAMETOOLONG;
	}
	strcpy(self->name, name);
	(void)__proc_info(PROC_INFO_CALL_SETCONTROL, getpid(), PROC_SELFSET_THREADNAME, 0, self->name,
	    (int32_t)strlen(self->name));
	return 0;
}

int
pthread_getname_np(pthread_t thread, char *name, size_t len)
{
	if (!is_thread(thread)) {
		return ESRCH;
	}
	return strlcpy(name, thread->name, len) < len ? 0 : ERANGE;
}

/* NULL: the caller. */
int
pthread_threadid_np(pthread_t thread, uint64_t *id)
{
	mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
	thread_identifier_info_data_t info;
	pthread_t self = thread_self_fast();

	if (id == NULL) {
		return EINVAL;
	}
	if (thread == NULL || thread == self) {
		if (self->id == 0) {
			self->id = __thread_selfid();
		}
		*id = self->id;
		return 0;
	}
	if (!is_thread(thread) || thread_info(_pthread_port(thread), THREAD_IDENTIFIER_INFO,
				      (thread_info_t)&info, &count) != KERN_SUCCESS) {
		return ESRCH;
	}
	*id = info.thread_id;
	return 0;
}

void *
pthread_get_stackaddr_np(pthread_t thread)
{
	return is_thread(thread) ? (void *)thread->stack_top : NULL;
}

size_t
pthread_get_stacksize_np(pthread_t thread)
{
	return is_thread(thread) ? thread->stack_size : 0;
}

unsigned int
pthread_mach_thread_np(pthread_t thread)
{
	return is_thread(thread) ? _pthread_port(thread) : MACH_PORT_NULL;
}

int
pthread_cpu_number_np(size_t *cpu)
{
	uint64_t value;

	if (cpu == NULL) {
		return EINVAL;
	}
	__asm__ volatile("mrs %0, TPIDR_EL0" : "=r"(value));
	*cpu = value & CPU_NUMBER_MASK;
	return 0;
}

void
pthread_yield_np(void)
{
	(void)sched_yield();
}

int
pthread_jit_write_protect_supported_np(void)
{
	return 0;
}

void
pthread_jit_write_protect_np(int enabled)
{
}

int
pthread_kill(pthread_t thread, int signal)
{
	mach_port_t port = is_thread(thread) ? _pthread_port(thread) : MACH_PORT_NULL;

	if (port == MACH_PORT_NULL) {
		return ESRCH;
	}
	return __pthread_kill((int)port, signal) < 0 ? errno : 0;
}
