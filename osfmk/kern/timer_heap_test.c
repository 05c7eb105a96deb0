/*
 * Unit test of the timer heap: random inserts and removals; the minimum is always right.
 */
#include <kern/timer_heap.h>

#include <kern/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NENTRIES 400

static struct timer_heap heap;
static struct timer_heap_entry entries[NENTRIES];
static bool set[NENTRIES];

static uint64_t
model_first(void)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < NENTRIES; i++) {
		if (set[i]) {
			first = os_min(first, entries[i].the_deadline);
		}
	}
	return first;
}

static void
remove_index(unsigned i)
{
	timer_heap_remove(&heap, &entries[i]);
	set[i] = false;
}

static void
step(void)
{
	unsigned i = (unsigned)rand() % NENTRIES;

	if (!set[i]) {
		entries[i].the_deadline = (uint64_t)(rand() % 1000);
		timer_heap_insert(&heap, &entries[i]);
		set[i] = true;
	} else if (rand() % 2 == 0) {
		remove_index(i);
	} else {
		remove_index((unsigned)(heap.th_root - entries));
	}
	release_assert(timer_heap_first_deadline(&heap) == model_first());
}

/* Every entry comes out once, in order. */
static void
drain(void)
{
	uint64_t last = 0;

	while (heap.th_root != NULL) {
		unsigned i = (unsigned)(heap.th_root - entries);

		release_assert(set[i] && entries[i].the_deadline >= last);
		last = entries[i].the_deadline;
		remove_index(i);
	}
	for (unsigned i = 0; i < NENTRIES; i++) {
		release_assert(!set[i]);
	}
}

int
main(void)
{
	srand(1);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned n = 0; n < 2000; n++) {
			step();
		}
		drain();
	}
	puts("ok");
	return 0;
}
