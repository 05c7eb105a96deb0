/*
 * Memory exhaustion on purpose (debug builds): the Nth allocation of a kind fails, or COUNT of them from the Nth on.
 *
 * Armed by the boot argument alloc_fail=SITE/N[/COUNT], which counts what every user task's system calls and faults
 * allocate, or by a program that writes the same words to the sysctl debug.alloc_fail, for what it allocates itself
 * from then on. Allocations of kernel threads and interrupts never fail. Once it has fired, nothing fails any more.
 *
 * A call that waits for memory (vm_shortage_retry) does not give up for one failure; four in a row are what it takes.
 */
#pragma once

#include <kern/assert.h>
#include <kern/kern_types.h>
#include <os/base.h>

enum alloc_fail_site {
	ALLOC_FAIL_PAGE,  /* vm_page_grab */
	ALLOC_FAIL_ZONE,  /* zalloc, kalloc of all but large sizes */
	ALLOC_FAIL_KMEM,  /* kmem_alloc, kernel stacks */
	ALLOC_FAIL_TABLE, /* page tables */
	ALLOC_FAIL_SITES,
};

/* After the boot arguments can be read. */
void alloc_fail_init(void);

/* "SITE/N", "SITE/N/COUNT", or "off". False: no such site, or no number. */
OS_WARN_RESULT bool alloc_fail_arm(const char *words, task_t task);

/* Allocations at the armed site since it was armed, and how many of them failed. */
void alloc_fail_result(uint64_t *seen, uint64_t *failed);

#if MACH_ASSERT
/* True: the allocation that asks has to fail. Any context. */
bool alloc_fail_now(enum alloc_fail_site site);
#else
OS_INLINE bool
alloc_fail_now(enum alloc_fail_site site)
{
	(void)site;
	return false;
}
#endif
