/* Semaphore operations: each is a trap. */
#include <mach/mach.h>

kern_return_t
semaphore_signal(semaphore_t semaphore)
{
	return semaphore_signal_trap(semaphore);
}

kern_return_t
semaphore_signal_all(semaphore_t semaphore)
{
	return semaphore_signal_all_trap(semaphore);
}

kern_return_t
semaphore_signal_thread(semaphore_t semaphore, thread_t thread)
{
	return semaphore_signal_thread_trap(semaphore, thread);
}

kern_return_t
semaphore_wait(semaphore_t semaphore)
{
	return semaphore_wait_trap(semaphore);
}

kern_return_t
semaphore_wait_signal(semaphore_t wait, semaphore_t signal)
{
	return semaphore_wait_signal_trap(wait, signal);
}

kern_return_t
semaphore_timedwait(semaphore_t semaphore, mach_timespec_t timeout)
{
	return semaphore_timedwait_trap(semaphore, timeout.tv_sec, timeout.tv_nsec);
}

kern_return_t
semaphore_timedwait_signal(semaphore_t wait, semaphore_t signal, mach_timespec_t timeout)
{
	return semaphore_timedwait_signal_trap(wait, signal, timeout.tv_sec, timeout.tv_nsec);
}
