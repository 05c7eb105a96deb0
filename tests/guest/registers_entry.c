/*
 * A program that looks at the registers with which the kernel enters it, before anything else has run: all are 0 but SP,
 * which is aligned, lies in user space and has argc on top. The exit status is the number of the
 * first that is not; 0: none.
 */
#include <mach-o/loader.h>
#include <unistd.h>

#include "save_registers.h"

struct seen entry_seen;

/* Before the library's own beginning. x0 is saved by hand. */
__asm__("	.text\n"
	"	.globl _entry\n"
	"	.p2align 2\n"
	"_entry:\n"
	"	stp	x0, x1, [sp, #-16]!\n"
	"	adrp	x0, _entry_seen@PAGE\n"
	"	add	x0, x0, _entry_seen@PAGEOFF\n" SAVE_REGISTERS "	ldr	x9, [sp], #16\n"
	"	str	x9, [x0]\n"
	"	mov	x9, sp\n"
	"	str	x9, [x0, #248]\n"
	"	b	start\n");

int
main(int argc, char **argv)
{
	for (int n = 0; n < 31; n++) {
		if (entry_seen.x[n] != 0) {
			return 1 + n;
		}
	}
	for (int n = 0; n < 64; n++) {
		if (entry_seen.v[n] != 0) {
			return 40 + n;
		}
	}
	if (entry_seen.fpcr != 0 || entry_seen.fpsr != 0) {
		return 110;
	}
	if (entry_seen.sp % 16 != 0 || is_kernel_address(entry_seen.sp) || *(int *)entry_seen.sp != 1) {
		return 111;
	}
	return argc == 1 ? 0 : 112;
}
