/*
 * The epochs of safe memory reclamation, apart from CPUs and threads: <kern/smr.h> has the essay and the
 * labels. Also built for the host, where a stress finds a reader that was not waited for.
 */
#pragma once

#include <os/atomic.h>

struct smr_cpu {
	uint64_t sc_epoch; /* 0 outside, else the epoch at entry; written by the own CPU, read by scans */
	uint32_t sc_depth; /* nesting; own CPU */
} OS_CACHE_ALIGNED;

typedef uint64_t smr_epoch_t;

/* Epochs are odd, so none is 0, and are compared as distances: they may wrap. */
#define SMR_EPOCH_STEP 2ULL

/* Debug builds start so that the wrap-around is behind every boot. */
#if MACH_ASSERT
#define SMR_EPOCH_FIRST ((smr_epoch_t)0 - 15)
#else
#define SMR_EPOCH_FIRST ((smr_epoch_t)1)
#endif

OS_INLINE void
smr_epoch_enter(struct smr_cpu *self, const smr_epoch_t *global)
{
	if (self->sc_depth++ == 0) {
		os_atomic_store(&self->sc_epoch, os_atomic_load(global, relaxed), relaxed);
		os_atomic_thread_fence(seq_cst); /* [R1] */
	}
}

OS_INLINE void
smr_epoch_leave(struct smr_cpu *self)
{
	if (--self->sc_depth == 0) {
		os_atomic_store(&self->sc_epoch, 0, release); /* [R2] */
	}
}

/* Everything unlinked before the call is out of reach once every CPU has passed the epoch returned. */
OS_INLINE smr_epoch_t
smr_epoch_advance(smr_epoch_t *global)
{
	smr_epoch_t goal;

	os_atomic_thread_fence(seq_cst); /* [S1] the unlinking before the epoch */
	goal = os_atomic_add(global, SMR_EPOCH_STEP, relaxed);
	os_atomic_thread_fence(seq_cst); /* [S1] and before the scan */
	return goal;
}

/* No reader on this CPU entered before `goal` was handed out. */
OS_INLINE bool
smr_epoch_passed(const struct smr_cpu *cpu, smr_epoch_t goal)
{
	uint64_t epoch = os_atomic_load(&cpu->sc_epoch, acquire); /* [S2] */

	return epoch == 0 || (int64_t)(epoch - goal) >= 0;
}
