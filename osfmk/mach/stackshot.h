/*
 * The stacks of all threads: what the sysctl kern.stackshot gives, for the superuser. First a struct stackshot_head,
 * then for each thread a struct stackshot_thread followed by its frames, kernel first. A read with too little room
 * fails with ENOMEM; how much is needed is told in any case, and may be more the next time.
 */
#pragma once

#include <stdint.h>

#define STACKSHOT_VERSION    1
#define STACKSHOT_FRAMES_MAX 32 /* of each kind */

struct stackshot_head {
	uint32_t ssh_version;
	uint32_t ssh_threads;
	uint64_t ssh_time;         /* mach_absolute_time */
	uint64_t ssh_kernel_slide; /* what the kernel's addresses were moved by */
};

/* sst_state */
#define STACKSHOT_IDLE    0 /* an idle thread */
#define STACKSHOT_RUNNING 1 /* on sst_cpu; it may be in the program: no kernel frames */
#define STACKSHOT_READY   2 /* waits for a CPU */
#define STACKSHOT_WAITING 3
#define STACKSHOT_UNINT   4 /* waits, and thread_abort does not end it */
#define STACKSHOT_STOPPED 5 /* suspended */
#define STACKSHOT_ENDED   6

struct stackshot_thread {
	uint32_t sst_size; /* bytes, with the frames */
	int32_t sst_pid;   /* 0: the kernel's */
	uint64_t sst_id;
	uint64_t sst_time_ns; /* on a CPU */
	uint64_t
	    sst_continuation; /* where it goes on, if it waits without a kernel stack; 0: it has one, 1: in the program */
	uint64_t sst_event; /* what it waits for, if it is an address in the kernel; else 0 */
	int16_t sst_priority;
	uint16_t sst_cpu; /* where it runs, or ran last */
	uint16_t sst_state;
	uint8_t sst_kernel_frames;
	uint8_t sst_user_frames;
	char sst_name[64];
};

_Static_assert(sizeof(struct stackshot_thread) == 112, "no holes");
