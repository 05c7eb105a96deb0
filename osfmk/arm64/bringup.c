/*
 * Weak stand-ins for what the lower layers call, so that the kernel links and boots while the layers above
 * arrive. Each definition elsewhere replaces one here; the file goes when none is used.
 */
#include <arm64/panic.h>
#include <ipc/ipc.h>
#include <ipc/ipc_kobject.h>
#include <kern/semaphore.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <os/panic.h>

#define WEAK __attribute__((weak))

WEAK void
bsd_exception_to_signal(thread_t thread, int exception, uint64_t code, uint64_t subcode)
{
	panic("exception %d code %#llx %#llx of a user thread", exception, (unsigned long long)code,
	    (unsigned long long)subcode);
}

WEAK void
bsd_ast(thread_t thread)
{
}

WEAK void
bsd_init(void)
{
	machine_halt(0);
}

WEAK kern_return_t
bsd_thread_create(thread_t thread, task_t task)
{
	return KERN_SUCCESS;
}

WEAK void
bsd_thread_exit(thread_t thread)
{
}

WEAK void
bsd_task_exit(task_t task)
{
}

WEAK void
iokit_init(void)
{
}

WEAK void
ipc_init(void)
{
}

WEAK kern_return_t
ipc_task_init(task_t task, task_t parent)
{
	return KERN_SUCCESS;
}

WEAK void
ipc_task_enable(task_t task)
{
}

WEAK void
ipc_task_disable(task_t task)
{
}

WEAK void
ipc_task_terminate(task_t task)
{
}

WEAK kern_return_t
ipc_thread_init(thread_t thread)
{
	return KERN_SUCCESS;
}

WEAK void
ipc_thread_disable(thread_t thread)
{
}

WEAK void
ipc_thread_terminate(thread_t thread)
{
}

WEAK void
semaphore_destroy_all(task_t task)
{
}

WEAK ipc_port_t
convert_thread_to_port(thread_t thread)
{
	thread_deallocate(thread);
	return IP_NULL;
}

WEAK mach_port_name_t
ipc_port_copyout_send(ipc_port_t sright, ipc_space_t space)
{
	return MACH_PORT_NULL;
}

WEAK kern_return_t
port_name_to_semaphore(mach_port_name_t name, semaphore_t *semaphore)
{
	return KERN_INVALID_NAME;
}

WEAK kern_return_t
semaphore_signal(semaphore_t semaphore)
{
	return KERN_FAILURE;
}

WEAK void
semaphore_reference(semaphore_t semaphore)
{
}

WEAK void
semaphore_dereference(semaphore_t semaphore)
{
}

WEAK task_t
port_name_to_task(mach_port_name_t name)
{
	return TASK_NULL;
}

WEAK thread_t
port_name_to_thread(mach_port_name_t name)
{
	return THREAD_NULL;
}
