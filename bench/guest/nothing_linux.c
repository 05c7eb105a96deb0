/*
 * The smallest program of Linux: what proc/spawn_wait starts there. A C library that is linked into the program sets
 * itself up at length before main, which proc/linux_spawn_libc_wait shows.
 */
#include <sys/syscall.h>

_Noreturn void _start(void);

_Noreturn void
_start(void)
{
	register long status __asm__("x0") = 0;
	register long number __asm__("x8") = SYS_exit_group;

	__asm__ volatile("svc #0" : : "r"(status), "r"(number));
	__builtin_unreachable();
}
