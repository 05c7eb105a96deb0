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
