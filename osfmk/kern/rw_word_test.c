/*
 * Unit test of the read-write lock's word: readers that count themselves anywhere and leave anywhere, writers that sum,
 * upgrades and downgrades. Readers never see half of a write, and a writer never sees another one.
 */
#include <kern/rw_word.h>

#include <kern/assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define NCOUNTERS 3
#define NTHREADS  4
#define NROUNDS   40000

static uint64_t word;
static struct {
	_Alignas(64) uint64_t counter;
} cpus[NCOUNTERS];
static uint64_t first, second; /* written by writers, equal outside of them */

static uint64_t
sum(void)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < NCOUNTERS; i++) {
		total += os_atomic_load(&cpus[i].counter, acquire);
	}
	return total;
}

static void
pause_a_little(void)
{
	sched_yield();
}

static void
lock_shared(unsigned cpu)
{
	uint64_t seen;

	while (!rw_word_enter(&word, &cpus[cpu].counter, &seen)) {
		pause_a_little();
	}
}

static void
drain(void)
{
	while (sum() != 0) {
		pause_a_little();
	}
}

static void
lock_exclusive(void)
{
	while (!rw_word_claim(&word)) {
		pause_a_little();
	}
	drain();
}

static void
write_both(void)
{
	first++;
	release_assert(first == second + 1);
	second++;
}

/* False: somebody else was first, and the lock is let go. */
static bool
upgrade(unsigned cpu)
{
	bool claimed = rw_word_claim(&word);

	(void)rw_word_leave(&word, &cpus[cpu].counter);
	if (claimed) {
		drain();
	}
	return claimed;
}

static void
one_round(unsigned round, unsigned cpu, unsigned other)
{
	if (round % 16 == 0) {
		lock_exclusive();
		write_both();
		(void)rw_word_release(&word);
		return;
	}
	if (round % 16 == 1) {
		lock_exclusive();
		write_both();
		(void)rw_word_downgrade(&word, &cpus[cpu].counter);
	} else {
		lock_shared(cpu);
	}
	release_assert(first == second);
	if (round % 16 != 2) {
		(void)rw_word_leave(&word, &cpus[other].counter);
	} else if (upgrade(other)) {
		write_both();
		(void)rw_word_release(&word);
	}
}

static void *
worker(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; round < NROUNDS; round++) {
		one_round(round, (id + round) % NCOUNTERS, (id + round / 3) % NCOUNTERS);
	}
	return NULL;
}

int
main(void)
{
	pthread_t threads[NTHREADS];

	for (uintptr_t i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	release_assert(word == 0 && sum() == 0 && first == second && first >= NTHREADS * NROUNDS / 8);
	printf("rw_word: %llu writes\n", (unsigned long long)first);
	return 0;
}
