/*
 * Resources: what a process used, what it may use, the end of it all.
 *
 * The limits are what the kernel enforces, the same for every process; setrlimit comes with limits of one's own.
 */
#include <bsd/kern/exec.h>
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <arm64/panic.h>
#include <sys/errno.h>
#include <sys/resource.h>
#include <sys/sysproto.h>

sysret_t
sys_getrlimit(int which, user_addr_t limit)
{
	struct rlimit rl = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

	if (which < 0 || which >= RLIM_NLIMITS) {
		return (sysret_t){ .error = EINVAL };
	}
	if (which == RLIMIT_NOFILE) {
		rl.rlim_cur = rl.rlim_max = FD_TABLE_MAX;
	} else if (which == RLIMIT_STACK) {
		rl.rlim_cur = EXEC_STACK_SIZE;
		rl.rlim_max = EXEC_STACK_SIZE_MAX;
	}
	return (sysret_t){ .error = copyout(&rl, limit, sizeof(rl)) };
}

/* Whatever is asked for, this machine can only stop. */
sysret_t
sys_reboot(int opt, user_addr_t message)
{
	if (current_proc()->p_ucred.cr_uid != 0) {
		return (sysret_t){ .error = EPERM };
	}
	machine_halt(0);
}
