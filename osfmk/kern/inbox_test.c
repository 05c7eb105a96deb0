/*
 * Unit test of the inbox: several producers, one owner; nothing is lost, each producer's order is kept.
 */
#include <kern/inbox.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdio.h>

#define NPRODUCERS 3
#define NITEMS     20000

struct item {
	struct inbox_entry entry;
	unsigned producer;
	unsigned sequence;
};

static struct inbox inbox;
static struct item items[NPRODUCERS][NITEMS];

static void *
producer(void *arg)
{
	unsigned p = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < NITEMS; i++) {
		items[p][i].producer = p;
		items[p][i].sequence = i;
		inbox_push(&inbox, &items[p][i].entry);
	}
	return NULL;
}

int
main(void)
{
	pthread_t threads[NPRODUCERS];
	unsigned next[NPRODUCERS] = { 0 }, total = 0;

	release_assert(inbox_push(&inbox, &items[0][0].entry));
	release_assert(inbox_take_all(&inbox) == &items[0][0].entry && inbox_empty(&inbox));
	for (uintptr_t p = 0; p < NPRODUCERS; p++) {
		release_assert(pthread_create(&threads[p], NULL, producer, (void *)p) == 0);
	}
	while (total < NPRODUCERS * NITEMS) {
		struct inbox_entry *entry = inbox_take_all(&inbox);

		for (; entry != NULL; entry = entry->ie_next, total++) {
			struct item *item = os_containerof(entry, struct item, entry);
			release_assert(item->sequence == next[item->producer]++);
		}
		cpu_relax();
	}
	for (unsigned p = 0; p < NPRODUCERS; p++) {
		pthread_join(threads[p], NULL);
	}
	puts("ok");
	return 0;
}
