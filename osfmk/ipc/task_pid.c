/*
 * From process numbers to task ports and back: traps 44 to 46, and two system calls of the layer above.
 *
 * A port of another task, of whatever flavor, is given to the super-user, and to a caller with the target's
 * user; the kernel's own task to nobody. Who that is, and which task a number means, only the layer above
 * knows (bsd_task_for_pid).
 */
#include <arm64/copyio.h>
#include <ipc/ipc.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_tt.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <kern/mach_traps.h>
#include <kern/task.h>
#include <kern/upcalls.h>

/* `target` must be a task of the caller's choice, which says nothing more; programs pass their own. */
kern_return_t
task_port_for_pid(mach_port_name_t target, int pid, user_addr_t uname, mach_task_flavor_t flavor)
{
	mach_port_name_t name = MACH_PORT_NULL;
	task_t caller = port_name_to_task(target), task = TASK_NULL;
	kern_return_t kr = KERN_INVALID_ARGUMENT;

	if (caller != TASK_NULL) {
		task_deallocate(caller);
		task = bsd_task_for_pid(pid);
		kr = task != TASK_NULL ? KERN_SUCCESS : KERN_FAILURE;
	}
	if (task != TASK_NULL) {
		name = ipc_port_copyout_send(convert_task_to_flavor(task, flavor), current_task()->ipc.space);
		kr = MACH_PORT_VALID(name) ? KERN_SUCCESS : KERN_FAILURE;
	}
	if (copyout(&name, uname, sizeof(name)) != 0) {
		ipc_right_forget(current_task()->ipc.space, name, MACH_MSG_TYPE_PORT_SEND, 0);
		return KERN_INVALID_ADDRESS;
	}
	return kr;
}

kern_return_t
task_for_pid(mach_port_name_t target, int pid, user_addr_t uname)
{
	return task_port_for_pid(target, pid, uname, TASK_FLAVOR_CONTROL);
}

kern_return_t
task_name_for_pid(mach_port_name_t target, int pid, user_addr_t uname)
{
	return task_port_for_pid(target, pid, uname, TASK_FLAVOR_NAME);
}

kern_return_t
pid_for_task(mach_port_name_t name, user_addr_t upid)
{
	task_t task = port_name_to_task_name(name);
	int32_t pid = -1;
	kern_return_t kr = KERN_FAILURE;

	if (task != TASK_NULL) {
		pid = task->bsd_pid;
		kr = pid >= 0 ? KERN_SUCCESS : KERN_FAILURE;
		task_deallocate(task);
	}
	return copyout(&pid, upid, sizeof(pid)) == 0 ? kr : KERN_INVALID_ADDRESS;
}
