/*
 * Stalls at the wrong moment (debug kernels): a CPU stops for a while just before it changes a word that others read.
 *
 * What the host's scheduler, an interrupt or a cache miss does to a CPU between two instructions happens seldom, and
 * on an idle host next to never. The boot argument stall=N makes it common: at about one in N stall points the CPU turns
 * for up to STALL_TURNS_MAX yields or, half of the time where the thread could be preempted, lets all other threads run
 * first, whatever their priority. They are before atomic stores and read-modify-writes, behind stores and
 * compare-exchanges, which let locks go, and where preemption and interrupts are allowed again. So windows of a few
 * instructions become as wide as a system call, or as a quantum. Any context. Time stands still for nobody: what real
 * time tells is worthless under it.
 */
#pragma once

#include <os/base.h>

#if defined(KERNEL) && !defined(PLUOT_HOST_TEST) && MACH_ASSERT
extern uint32_t os_stall_one_in; /* 0: never; constant after start-up */

__attribute__((preserve_most)) void os_stall(void);

OS_INLINE void
os_stall_point(void)
{
	if (os_unlikely(os_stall_one_in != 0)) {
		os_stall();
	}
}

void os_stall_init(void);
#else
OS_INLINE void
os_stall_point(void)
{
}

OS_INLINE void
os_stall_init(void)
{
}
#endif
