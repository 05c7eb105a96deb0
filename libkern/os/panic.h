/*
 * The two ways in which any layer of the kernel talks to the console.
 *
 * kprintf may be called anywhere, with any lock held and interrupts in any state; a line that is printed by
 * one call is not torn. panic prints the reason and a backtrace of every CPU and ends the machine with
 * status 125.
 */
#pragma once

#include <os/base.h>
#include <stdarg.h>

void kprintf(const char *fmt, ...) OS_FORMAT(1, 2);
void kvprintf(const char *fmt, va_list ap) OS_FORMAT(1, 0);
_Noreturn void panic(const char *fmt, ...) OS_FORMAT(1, 2) OS_COLD;
