/*
 * proc_info: of its many calls the one with which a thread says its own name, PROC_INFO_CALL_SETCONTROL with
 * PROC_SELFSET_THREADNAME. The others answer ENOTSUP.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <sys/errno.h>
#include <sys/sysproto.h>

#define PROC_INFO_CALL_SETCONTROL 5
#define PROC_SELFSET_THREADNAME   2

static int
set_thread_name(user_addr_t uname, int32_t size)
{
	char name[THREAD_NAME_MAX] = { 0 };
	int error;

	if (size < 0 || size >= (int32_t)sizeof(name)) {
		return ENAMETOOLONG;
	}
	error = copyin(uname, name, (size_t)size);
	if (error == 0) {
		thread_set_name(current_thread(), name);
	}
	return error;
}

sysret_t
sys_proc_info(
    int32_t callnum, int32_t pid, uint32_t flavor, uint64_t arg, user_addr_t buffer, int32_t buffersize)
{
	if (callnum != PROC_INFO_CALL_SETCONTROL) {
		return (sysret_t){ .error = ENOTSUP };
	}
	if (pid != current_proc()->p_pid) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = flavor == PROC_SELFSET_THREADNAME ? set_thread_name(buffer, buffersize)
								      : ENOTSUP };
}
