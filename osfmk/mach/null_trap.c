/*
 * The trap that does nothing. It is not a special path: entry, dispatch and exit are those of every trap,
 * which is what a program measures with it.
 */
#include <kern/mach_traps.h>

kern_return_t
mach_null_trap(void)
{
	return KERN_SUCCESS;
}
