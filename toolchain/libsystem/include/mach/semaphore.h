/* Semaphores; creation and destruction are in <mach/task.h>. */
#pragma once

#include <mach/clock_types.h>
#include <mach/mach_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

kern_return_t semaphore_signal(semaphore_t semaphore);
kern_return_t semaphore_signal_all(semaphore_t semaphore);
kern_return_t semaphore_signal_thread(semaphore_t semaphore, thread_t thread);
kern_return_t semaphore_wait(semaphore_t semaphore);
kern_return_t semaphore_wait_signal(semaphore_t wait, semaphore_t signal);
kern_return_t semaphore_timedwait(semaphore_t semaphore, mach_timespec_t timeout);
kern_return_t semaphore_timedwait_signal(semaphore_t wait, semaphore_t signal, mach_timespec_t timeout);

__END_DECLS
