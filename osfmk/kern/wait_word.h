/*
 * The claim word: who ends a thread's wait. Pure part of the wait protocol (<kern/wait.h> has the essay);
 * also built for the host and modelled in tests/models/wait_claim.pml.
 *
 *	bits 63-16  generation: counts the waits of this thread
 *	bits 15-8   result, valid when CLAIMED (signed 8 bits)
 *	bit 2       interruptible: thread_abort_wait may claim
 *	bits 1-0    state
 *
 *	RUNNING --begin--> WAITING --claim--> CLAIMED --finish--> RUNNING
 *	                      |                                      ^
 *	                      +---------------- cancel --------------+
 *
 * begin, cancel and finish are the thread's own; claim is anybody's, and exactly one claim of a generation
 * succeeds, or the cancel does. All transitions out of WAITING are compare-exchanges of the whole word, so a
 * late claimer with the cookie of an earlier wait fails.
 */
#pragma once

#include <kern/assert.h>
#include <kern/kern_types.h>
#include <os/atomic.h>

#define WAIT_STATE_MASK    0x3ULL
#define WAIT_RUNNING       0x0ULL
#define WAIT_WAITING       0x1ULL
#define WAIT_CLAIMED       0x2ULL
#define WAIT_INTERRUPTIBLE 0x4ULL
#define WAIT_RESULT_SHIFT  8
#define WAIT_RESULT_MASK   (0xffULL << WAIT_RESULT_SHIFT)
#define WAIT_GEN_ONE       (1ULL << 16)
#define WAIT_GEN_MASK      (~(WAIT_GEN_ONE - 1))

/* The first generation; debug builds begin just below the wrap-around. */
#if MACH_ASSERT
#define WAIT_WORD_INIT ((0ULL - 8 * WAIT_GEN_ONE) | WAIT_RUNNING)
#else
#define WAIT_WORD_INIT WAIT_RUNNING
#endif

/*
 * A new wait of the thread's own: the word becomes WAITING with the next generation. Sequentially
 * consistent: [W1] releases everything written before to the claimer [C1]; [A1] is ordered before the
 * reading of abort bits that follows.
 */
OS_INLINE uint64_t
wait_word_begin(uint64_t *word, wait_interrupt_t how)
{
	uint64_t old = os_atomic_load(word, relaxed);
	uint64_t new = old + WAIT_GEN_ONE + WAIT_WAITING + (how == THREAD_UNINT ? 0 : WAIT_INTERRUPTIBLE);

	assert((old & ~WAIT_GEN_MASK) == WAIT_RUNNING);
	os_atomic_store(word, new, seq_cst); /* [W1] [A1] */
	return new;
}

/* The cookie is the WAITING word itself: it names thread's wait exactly. */
OS_INLINE uint64_t
wait_word_cookie(const uint64_t *word)
{
	return os_atomic_load(word, relaxed) & (WAIT_GEN_MASK | WAIT_INTERRUPTIBLE);
}

/* One winner. [C1] acquires what [W1] released; the release half pairs with the thread's [F1]. */
OS_INLINE bool
wait_word_claim(uint64_t *word, uint64_t cookie, wait_result_t result)
{
	uint64_t waiting = cookie | WAIT_WAITING;
	uint64_t claimed = cookie | WAIT_CLAIMED | ((uint64_t)(uint8_t)result << WAIT_RESULT_SHIFT);

	return os_atomic_cmpxchg(word, waiting, claimed, acq_rel); /* [C1] */
}

/* The same, with THREAD_AWAKENED, for a claimer that has seen the word itself, in state WAITING (acquire). */
OS_INLINE bool
wait_word_claim_seen(uint64_t *word, uint64_t seen)
{
	static_assert(THREAD_AWAKENED == 0, "no bits of a result");
	assert((seen & WAIT_STATE_MASK) == WAIT_WAITING);
	return os_atomic_cmpxchg(word, seen, seen - WAIT_WAITING + WAIT_CLAIMED, acq_rel); /* [C1] */
}

/* Claims whatever wait is in progress if it is interruptible. Pairs with [A1]; see <kern/ast.h>. */
OS_INLINE bool
wait_word_abort(uint64_t *word, wait_result_t result)
{
	uint64_t cur = os_atomic_load(word, seq_cst); /* [A2] */

	if ((cur & (WAIT_STATE_MASK | WAIT_INTERRUPTIBLE)) != (WAIT_WAITING | WAIT_INTERRUPTIBLE)) {
		return false;
	}
	return wait_word_claim(word, cur & ~WAIT_STATE_MASK, result);
}

/* The thread changes its mind: true when nobody claimed; otherwise the claim stands. */
OS_INLINE bool
wait_word_cancel(uint64_t *word)
{
	uint64_t cur = os_atomic_load(word, relaxed);

	return (cur & WAIT_STATE_MASK) == WAIT_WAITING &&
	       os_atomic_cmpxchg(word, cur, (cur & WAIT_GEN_MASK) | WAIT_RUNNING, relaxed);
}

OS_INLINE bool
wait_word_claimed(const uint64_t *word)
{
	return (os_atomic_load(word, relaxed) & WAIT_STATE_MASK) == WAIT_CLAIMED;
}

/* What a claimed wait comes to. */
OS_INLINE wait_result_t
wait_word_result(const uint64_t *word)
{
	return (int8_t)(os_atomic_load(word, relaxed) >> WAIT_RESULT_SHIFT);
}

/* The claimer itself runs on as the thread: nobody else looks at the word of a claimed wait. */
OS_INLINE void
wait_word_finish_own_claim(uint64_t *word, uint64_t cookie)
{
	assert(wait_word_claimed(word));
	os_atomic_store(word, (cookie & WAIT_GEN_MASK) | WAIT_RUNNING, relaxed);
}

/* The resumed thread takes the result: CLAIMED becomes RUNNING. THREAD_AWAKENED if it was not waiting. */
OS_INLINE wait_result_t
wait_word_finish(uint64_t *word)
{
	uint64_t cur = os_atomic_load(word, acquire); /* [F1] pairs with [C1] */

	assert((cur & WAIT_STATE_MASK) != WAIT_WAITING);
	if ((cur & WAIT_STATE_MASK) == WAIT_RUNNING) {
		return THREAD_AWAKENED;
	}
	os_atomic_store(word, (cur & WAIT_GEN_MASK) | WAIT_RUNNING, relaxed);
	return (int8_t)(cur >> WAIT_RESULT_SHIFT);
}
