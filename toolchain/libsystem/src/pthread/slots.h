/*
 * The slots of a thread's data. Those below TSD_PRIVATE have the same meaning on every Darwin system; the kernel
 * knows 3, the stubs of system calls know 1.
 */
#pragma once

#define TSD_THREAD_SELF        0
#define TSD_ERRNO              1 /* its address */
#define TSD_MIG_REPLY          2
#define TSD_MACH_THREAD_SELF   3
#define TSD_PTR_MUNGE          7
#define TSD_MACH_SPECIAL_REPLY 8
#define TSD_SEMAPHORE_CACHE    9
#define TSD_PRIVATE            10
#define TSD_MALLOC_CACHE       10
#define TSD_REENT              11
#define TSD_FIRST_KEY          16 /* pthread_key_create's */
#define TSD_SLOTS              128

/* Bytes set aside in a thread for newlib's struct _reent; newlib/glue.c checks that it fits. */
#define REENT_BYTES 256

static inline void **
tsd_base(void)
{
	void **base;

	__asm__("mrs %0, TPIDRRO_EL0" : "=r"(base));
	return base;
}
