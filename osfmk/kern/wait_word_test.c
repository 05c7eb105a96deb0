/*
 * Unit test of the claim word: several claimers race for each wait of one thread; exactly one wins, a stale
 * cookie never does, and what the winner wrote before its claim is what the waiter reads.
 */
#include <kern/wait_word.h>

#include <pthread.h>
#include <stdio.h>

#define NCLAIMERS 3
#define NWAITS    20000

static uint64_t word = WAIT_WORD_INIT;
static uint64_t published_cookie; /* atomic */
static unsigned long wins[NCLAIMERS];
static int done; /* atomic */

/* Claims again and again, often with a cookie of a wait that is over. */
static void *
claimer(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	while (!os_atomic_load(&done, relaxed)) {
		uint64_t cookie = os_atomic_load(&published_cookie, acquire);

		if (id == 0 ? wait_word_abort(&word, THREAD_INTERRUPTED)
			    : wait_word_claim(&word, cookie, THREAD_AWAKENED)) {
			wins[id]++;
		}
		cpu_relax();
	}
	return NULL;
}

static void
test_results(void)
{
	uint64_t w = WAIT_WORD_INIT, cookie;

	wait_word_begin(&w, THREAD_UNINT);
	cookie = wait_word_cookie(&w);
	release_assert(!wait_word_abort(&w, THREAD_INTERRUPTED));
	release_assert(wait_word_claim(&w, cookie, THREAD_RESTART));
	release_assert(!wait_word_claim(&w, cookie, THREAD_AWAKENED) && !wait_word_cancel(&w));
	release_assert(wait_word_finish(&w) == THREAD_RESTART);
	wait_word_begin(&w, THREAD_ABORTSAFE);
	release_assert(!wait_word_claim(&w, cookie, THREAD_AWAKENED));
	release_assert(wait_word_cancel(&w));
	release_assert(!wait_word_claim(&w, wait_word_cookie(&w), THREAD_AWAKENED));
}

int
main(void)
{
	pthread_t threads[NCLAIMERS];
	unsigned long waits = 0, total = 0;

	test_results();
	for (uintptr_t i = 0; i < NCLAIMERS; i++) {
		release_assert(pthread_create(&threads[i], NULL, claimer, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NWAITS; i++) {
		wait_word_begin(&word, THREAD_ABORTSAFE);
		os_atomic_store(&published_cookie, wait_word_cookie(&word), release);
		if (i % 8 == 0 && wait_word_cancel(&word)) {
			continue;
		}
		while (!wait_word_claimed(&word)) {
			cpu_relax();
		}
		wait_word_finish(&word);
		waits++;
	}
	os_atomic_store(&done, 1, relaxed);
	for (unsigned i = 0; i < NCLAIMERS; i++) {
		pthread_join(threads[i], NULL);
		total += wins[i];
	}
	release_assert(total == waits);
	puts("ok");
	return 0;
}
