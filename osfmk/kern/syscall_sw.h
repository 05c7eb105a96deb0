/*
 * The Mach trap table, generated from osfmk/mach/mach_traps.abi.
 *
 * Entry code indexes it with -x16 and calls the handler with x0 to x7 as the program left them; the result
 * goes to x0. Empty slots hold mach_trap_invalid, which raises EXC_SYSCALL.
 */
#pragma once

#include <stdint.h>

#define MACH_TRAP_COUNT 128

/* flags */
#define MACH_TRAP_MASKED 0x1u /* the handler runs with interrupts masked; others run with them on */

/*
 * A handler that entry code jumps to for good: it ends in one of the ways to user mode that load every register
 * from the frame. So it may use all registers without saving them, which the calling convention says; of
 * this the first nine arguments are x20-x28, the program's and of no interest, then come x0 to x7.
 */
#define MACH_TRAP_PROGRAM                                                                                 \
	uint64_t r20, uint64_t r21, uint64_t r22, uint64_t r23, uint64_t r24, uint64_t r25, uint64_t r26, \
	    uint64_t r27, uint64_t r28
#define MACH_TRAP_PASS              r20, r21, r22, r23, r24, r25, r26, r27, r28 /* to the next such function, untouched */
#define MACH_TRAP_DIRECT(name, ...) __attribute__((preserve_none)) void name(MACH_TRAP_PROGRAM, __VA_ARGS__)

/* The handler's true type is its prototype in <kern/mach_traps.h>. */
typedef void (*mach_trap_fn_t)(void);

struct mach_trap {
	mach_trap_fn_t handler;
	uint64_t flags;
};

_Static_assert(sizeof(struct mach_trap) == 16, "entry code scales the index by a shift");

extern const struct mach_trap mach_trap_table[MACH_TRAP_COUNT];

/* What an unknown number does; the machine layer's, since it looks at the frame. */
uint64_t mach_trap_invalid(void);

/* For traces; NULL where the table has no row. Indexed like the tables. */
extern const char *const mach_trap_names[MACH_TRAP_COUNT];
