/*
 * Suspension tokens; see task_suspension.h. The port is one of the task's own (<ipc/ipc_tt.h>), made at the first
 * task_suspend2.
 */
#include <ipc/task_suspension.h>

#include <ipc/ipc_kobject.h>
#include <ipc/ipc_tt.h>
#include <ipc/port.h>
#include <kern/task.h>

kern_return_t
task_suspend2(task_t task, ipc_port_t *token)
{
	ipc_port_t port = ipc_self_port_sonce(&task->ipc.suspension, task, IKOT_TASK_RESUME);
	kern_return_t kr;

	if (!IP_VALID(port)) {
		return port == IP_DEAD ? KERN_TERMINATED : KERN_RESOURCE_SHORTAGE;
	}
	kr = task_suspend_token(task);
	if (kr == KERN_SUCCESS) {
		*token = port;
	} else {
		ipc_port_discard_sonce(port);
	}
	return kr;
}

/* The message's own right does it: when the request is destroyed, which is before the answer is sent. */
kern_return_t
task_resume2(task_t task)
{
	(void)task;
	return KERN_SUCCESS;
}

task_t
convert_port_to_task_suspension_token(ipc_port_t port)
{
	return ipc_port_to_task(port, IKOT_TASK_RESUME);
}

void
task_suspension_token_gone(ipc_port_t port)
{
	task_t task = convert_port_to_task_suspension_token(port);

	if (task != TASK_NULL) {
		task_resume_token(task);
		task_deallocate(task);
	}
}
