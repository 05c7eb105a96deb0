/*
 * Unit test of the trace ring: the edges one after another, then a writer and a reader at once. Every record that is
 * read is whole, they come in order, and what is missing is exactly what the ring says was lost.
 */
#include <kdebug/ring.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdio.h>

#define SLOTS  16
#define EVENTS 300000

static uint64_t slots[SLOTS][KDEBUG_RECORD_WORDS];
static struct kdebug_ring ring;

static void
put(uint64_t i)
{
	kdebug_ring_put(&ring, i, (uint32_t)i, 7, i * 3, i * 5, i * 7, i * 11, i * 13);
}

static void
expect_whole(const kd_buf *record)
{
	uint64_t i = record->timestamp;

	release_assert(record->debugid == (uint32_t)i && record->cpuid == 7);
	release_assert(record->arg1 == i * 3 && record->arg2 == i * 5 && record->arg3 == i * 7);
	release_assert(record->arg4 == i * 11 && record->arg5 == i * 13 && record->unused == 0);
}

static bool
take(uint64_t *index)
{
	kd_buf record;

	if (!kdebug_ring_take(&ring, kdebug_ring_head(&ring), &record)) {
		return false;
	}
	expect_whole(&record);
	*index = record.timestamp;
	return true;
}

/* --- one thread --- */

static void
overwriting_keeps_the_last(void)
{
	uint64_t got, expected = 100 - (SLOTS - 1);

	kdebug_ring_init(&ring, slots, SLOTS, true);
	release_assert(!take(&got));
	for (uint64_t i = 0; i < 100; i++) {
		put(i);
	}
	while (take(&got)) {
		release_assert(got == expected++);
	}
	release_assert(expected == 100 && kdebug_ring_lost(&ring) == 100 - (SLOTS - 1));
	put(100);
	release_assert(take(&got) && got == 100 && !take(&got));
}

static void
refusing_keeps_the_first(void)
{
	uint64_t got;

	kdebug_ring_init(&ring, slots, SLOTS, false);
	for (uint64_t i = 0; i < 100; i++) {
		put(i);
	}
	release_assert(kdebug_ring_lost(&ring) == 100 - SLOTS);
	release_assert(take(&got) && got == 0);
	put(100); /* in the slot that the reader gave back */
	put(101);
	for (uint64_t i = 1; i < SLOTS; i++) {
		release_assert(take(&got) && got == i);
	}
	release_assert(take(&got) && got == 100 && !take(&got));
	release_assert(kdebug_ring_lost(&ring) == 101 - SLOTS);
}

static void
an_end_is_kept_to(void)
{
	kd_buf record;

	kdebug_ring_init(&ring, slots, SLOTS, true);
	for (uint64_t i = 0; i < 4; i++) {
		put(i);
	}
	release_assert(kdebug_ring_take(&ring, 2, &record) && record.timestamp == 0);
	release_assert(kdebug_ring_take(&ring, 2, &record) && record.timestamp == 1);
	release_assert(!kdebug_ring_take(&ring, 2, &record));
	/* overwritten before it was read, up to the end and no further */
	for (uint64_t i = 4; i < 40; i++) {
		put(i);
	}
	release_assert(!kdebug_ring_take(&ring, 4, &record) && ring.kr_tail == 4);
	release_assert(kdebug_ring_lost(&ring) == 2);
}

/* --- a writer and a reader --- */

static void *
writer(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < EVENTS; i++) {
		put(i);
		if (i % 1024 == 0) {
			cpu_relax();
		}
	}
	return NULL;
}

/* Indices of refused events are missing like overwritten ones. */
static void
at_once(bool overwrite)
{
	uint64_t read = 0, next = 0, got;
	pthread_t thread;
	bool done = false;

	kdebug_ring_init(&ring, slots, SLOTS, overwrite);
	release_assert(pthread_create(&thread, NULL, writer, NULL) == 0);
	while (!done) {
		done = kdebug_ring_head(&ring) + os_atomic_load(&ring.kr_refused, relaxed) == EVENTS;
		while (take(&got)) {
			release_assert(got >= next);
			next = got + 1;
			read++;
		}
		cpu_relax();
	}
	pthread_join(thread, NULL);
	release_assert(read + kdebug_ring_lost(&ring) == EVENTS);
	printf("# %s: %llu read, %llu lost\n", overwrite ? "overwriting" : "refusing",
	    (unsigned long long)read, (unsigned long long)kdebug_ring_lost(&ring));
}

int
main(void)
{
	overwriting_keeps_the_last();
	refusing_keeps_the_first();
	an_end_is_kept_to();
	at_once(true);
	at_once(false);
	puts("ok");
	return 0;
}
