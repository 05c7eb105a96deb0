/*
 * The read and inspect ports of a task by its process number. The rule who may have them is that of task_for_pid
 * (bsd_task_for_pid). Calls of the Mach kind with a BSD number: errno is the kern_return_t.
 */
#include <bsd/kern/proc.h>

#include <ipc/ipc_tt.h>
#include <sys/sysproto.h>

sysret_t
sys_task_inspect_for_pid(mach_port_name_t target, int pid, user_addr_t uname)
{
	return (sysret_t){ .error = task_port_for_pid(target, pid, uname, TASK_FLAVOR_INSPECT) };
}

sysret_t
sys_task_read_for_pid(mach_port_name_t target, int pid, user_addr_t uname)
{
	return (sysret_t){ .error = task_port_for_pid(target, pid, uname, TASK_FLAVOR_READ) };
}
