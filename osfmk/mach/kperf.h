/*
 * Samples of the kernel's profiler, as the sysctl kperf.samples returns them: records of different sizes, one
 * behind the other, whole.
 *
 *	kperf.period	write, uint64_t: sample every that many cycles of each CPU (instructions under exact counting),
 *			from now on; 0 stops
 *	kperf.sampling	write, int: 1 starts again with the last period, 0 stops; read: whether it is on
 *	kperf.samples	read: takes records out of the buffers, as many as fit
 *	kperf.lost	read: samples that found their buffer full, since the kernel started
 *
 *	kperf.action.count	read, int: actions, which is 1. Settings of an action are pairs {action, value} of uint64_t:
 *	kperf.action.samplers		KPERF_SAMPLER_* that a sample has; both stacks unless said otherwise
 *	kperf.action.kcallstack_depth	most return addresses of the kernel, to KPERF_FRAMES_MAX
 *	kperf.action.ucallstack_depth	and of the program
 *	kperf.action.filter_by_pid	only samples of this process; -1 all
 *	kperf.reset	write anything: stops, settings as at the start, buffers empty
 *
 * Errors: EINVAL for a period below 2000 and for values that are not there; ENOTSUP when the machine has no cycle
 * counter that interrupts; ENOMEM. Whoever starts sampling has it: settings are those of the whole machine.
 *
 * While sampling is on, the cycle counter (PMCCNTR_EL0) belongs to it and does not count time. Kernel code that
 * runs with interrupts masked is seen where it unmasks them; `late` tells such samples from the others.
 */
#pragma once

#include <stdint.h>

#define KPERF_SAMPLE_USER 0x1 /* a program was interrupted, not the kernel */
#define KPERF_SAMPLE_IDLE 0x2 /* the CPU had nothing to do */

/* Bits of kperf.action.samplers. */
#define KPERF_SAMPLER_KSTACK 0x4
#define KPERF_SAMPLER_USTACK 0x8

/* Most return addresses of either kind in one sample. */
#define KPERF_FRAMES_MAX 48

struct kperf_sample {
	uint32_t size; /* bytes of the record: this and its frames */
	uint16_t cpu;
	uint8_t kernel_frames;
	uint8_t user_frames;
	uint64_t time; /* mach_absolute_time() */
	uint64_t thread_id;
	int32_t pid; /* -1: a kernel thread */
	uint32_t flags;
	uint64_t pc; /* what was about to execute */
	/*
	 * The link register then. In a function that made no frame yet, or never does, it is the return address into
	 * the caller, which the frames then miss; otherwise it points into the function itself or repeats frames[0].
	 */
	uint64_t lr;
	/*
	 * Cycles between the end of the period and the handler's first look at the counter. Entering the handler takes
	 * the same number whenever interrupts are unmasked; what is above that ran masked, and is not what `pc` says.
	 */
	uint64_t late;
	/* Return addresses, innermost first: of the kernel, then of the program. When the kernel was interrupted, the
	 * first two of the program are where it entered the kernel, and its link register there, as `pc` and `lr`. */
	uint64_t frames[];
};
