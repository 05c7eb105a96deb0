/*
 * The word of a read-write lock and the counters of its readers: what is decided without sleeping. Pure, builds for
 * the host too. lck_rw.c has the essay and the labels, and adds who sleeps where.
 */
#pragma once

#include <os/atomic.h>
#include <os/base.h>

#define RW_WRITER  0x1ULL /* a writer claimed the lock: it waits for the readers to leave, then it is inside */
#define RW_WAITERS 0x2ULL /* somebody sleeps until the lock is let go */
#define RW_WRITER_WAITS \
	0x4ULL             /* a writer is among them: new readers wait too, so that writers are not starved */
#define RW_DRAINING 0x8ULL /* the writer that claimed the lock sleeps until the last reader has left */

#define RW_SHUT (RW_WRITER | RW_WRITER_WAITS) /* to new readers */

/* A reader leaves. Returns a word to look at for RW_DRAINING. */
OS_INLINE uint64_t
rw_word_leave(const uint64_t *word, uint64_t *counter)
{
	os_atomic_sub(counter, 1, release); /* [L2] */
	os_atomic_thread_fence(seq_cst);    /* [R2] */
	return os_atomic_load(word, relaxed);
}

/* A reader enters: true, and `*seen` is 0. False: the lock is shut; `*seen` is what rw_word_leave() said if the reader
 * had shown itself before it found out. */
OS_INLINE bool
rw_word_enter(const uint64_t *word, uint64_t *counter, uint64_t *seen)
{
	*seen = 0;
	if (os_unlikely(os_atomic_load(word, relaxed) & RW_SHUT)) {
		return false;
	}
	os_atomic_add(counter, 1, relaxed);
	os_atomic_thread_fence(seq_cst);                               /* [R1] */
	if (os_likely(!(os_atomic_load(word, acquire) & RW_WRITER))) { /* [L1] */
		return true;
	}
	*seen = rw_word_leave(word, counter); /* the same counter: see "Summing" */
	return false;
}

/* A writer claims the lock. On success the readers' counters must be summed until they are 0, and new ones stay out. */
OS_INLINE bool
rw_word_claim(uint64_t *word)
{
	uint64_t old = os_atomic_load(word, relaxed), found;

	while (!(old & RW_WRITER)) {
		if (os_atomic_cmpxchgv(word, old, old | RW_WRITER, &found, acquire)) { /* [L1] */
			os_atomic_thread_fence(seq_cst);                               /* [W1] */
			return true;
		}
		old = found;
		cpu_relax();
	}
	return false;
}

/* The writer lets go. Returns what is left of the word: RW_WAITERS asks for a wake-up. */
OS_INLINE uint64_t
rw_word_release(uint64_t *word)
{
	return os_atomic_sub(word, RW_WRITER, release); /* [L2] */
}

/* The writer becomes a reader; `counter` as for one that enters. Returns as rw_word_release. */
OS_INLINE uint64_t
rw_word_downgrade(uint64_t *word, uint64_t *counter)
{
	os_atomic_add(counter, 1, relaxed);
	return rw_word_release(word);
}
