/*
 * Task identity tokens; see task_token.h. The port's object is the task, with a reference.
 */
#include <ipc/task_token.h>

#include <ipc/ipc_kobject.h>
#include <ipc/ipc_tt.h>
#include <ipc/port.h>
#include <kern/task.h>
#include <kern/upcalls.h>

ipc_port_t
task_make_id_token(task_t task)
{
	ipc_port_t port = ipc_kobject_alloc_port(task, IKOT_TASK_ID_TOKEN);
	ipc_port_t right;

	if (port == IP_NULL) {
		return IP_NULL;
	}
	task_reference(task);
	right = ipc_port_make_send(port);
	ipc_kobject_arm_no_senders(port);
	return right;
}

void
task_id_token_no_senders(ipc_port_t port)
{
	task_t task = ipc_kobject_get(port, IKOT_TASK_ID_TOKEN);

	ipc_kobject_disable(port);
	ipc_kobject_dealloc_port(port);
	task_deallocate(task);
}

task_t
convert_port_to_task_id_token(ipc_port_t port)
{
	return ipc_port_to_task(port, IKOT_TASK_ID_TOKEN);
}

kern_return_t
task_create_identity_token(task_t task, ipc_port_t *token)
{
	*token = task_make_id_token(task);
	return *token != IP_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* All but the name is for those who could have it by the process number as well. */
static bool
task_control_allowed(task_t task)
{
	task_t allowed;

	if (task == current_task()) {
		return true;
	}
	allowed = bsd_task_for_pid(task->bsd_pid);
	if (allowed != TASK_NULL) {
		task_deallocate(allowed);
	}
	return allowed == task;
}

kern_return_t
task_identity_token_get_task_port(task_t of_token, task_flavor_t flavor, ipc_port_t *port)
{
	if (!os_atomic_load(&of_token->active, relaxed)) {
		return KERN_NOT_FOUND;
	}
	if (flavor > TASK_FLAVOR_NAME) {
		return KERN_INVALID_ARGUMENT;
	}
	if (flavor != TASK_FLAVOR_NAME && !task_control_allowed(of_token)) {
		return KERN_DENIED;
	}
	task_reference(of_token);
	*port = convert_task_to_flavor(of_token, flavor);
	return *port != IP_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}
