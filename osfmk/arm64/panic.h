/*
 * Ending the machine.
 */
#pragma once

#include <os/base.h>

/* What the machine's run ends with after a panic. */
#define PANIC_STATUS 125

/* Says "pluot: halted, status N" and ends the machine with that status. */
_Noreturn void machine_halt(int status);

/* The same without a word. */
_Noreturn void machine_halt_now(int status);

/* The halt interrupt: prints this CPU's backtrace if a panic is under way, and never returns. */
_Noreturn void panic_stop_this_cpu(void);
