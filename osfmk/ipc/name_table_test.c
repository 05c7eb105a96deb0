/*
 * Unit test and stress of the name table: growth, chosen names, generations; and the lifetime rule, with
 * readers that look up names while a writer removes and recycles objects after a grace period.
 */
#include <ipc/name_table.h>

#include <kern/assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct name_table table;

static void
grow(void)
{
	unsigned chunk = 0;
	size_t size = nt_next_chunk_size(&table, &chunk);
	struct ipc_entry *memory = aligned_alloc(64, size);

	release_assert(size != 0 && memory != NULL);
	memset(memory, 0, size);
	nt_prepare_chunk(memory, chunk, NULL);
	release_assert(nt_add_chunk(&table, chunk, memory));
	release_assert(!nt_add_chunk(&table, chunk, memory)); /* somebody was faster */
}

static void
table_free(void)
{
	for (unsigned i = 0; i < NT_CHUNKS; i++) {
		free(table.nt_chunk[i]);
	}
	memset(&table, 0, sizeof(table));
}

static struct ipc_entry *
alloc(void)
{
	struct ipc_entry *entry;

	while ((entry = nt_alloc(&table)) == NULL) {
		grow();
	}
	return entry;
}

static mach_port_name_t
set(struct ipc_entry *entry, void *object, unsigned rights)
{
	uint64_t word = nt_make(object, rights, entry->ie_word);

	os_atomic_store(&entry->ie_word, word, release);
	return nt_name(entry->ie_index, word);
}

static void
clear(struct ipc_entry *entry)
{
	os_atomic_store(&entry->ie_word, nt_next_gen(entry->ie_word), relaxed);
	nt_free(&table, entry);
}

static void
test_names(void)
{
	static char object OS_CACHE_ALIGNED;
	mach_port_name_t first, second;
	struct ipc_entry *entry = alloc();
	uint64_t word;

	first = set(entry, &object, NT_SEND);
	release_assert((first & 3) == 3 && first >> 8 != 0);
	release_assert(nt_lookup(&table, first, &word) == entry);
	release_assert(nt_object(word) == &object && nt_rights(word) == NT_SEND);
	release_assert(nt_lookup(&table, first ^ 4, &word) == NULL); /* other generation */
	release_assert(nt_lookup(&table, first ^ 1, &word) == NULL);
	release_assert(nt_lookup(&table, 0, &word) == NULL && nt_lookup(&table, UINT32_MAX, &word) == NULL);
	clear(entry);
	release_assert(nt_lookup(&table, first, &word) == NULL);
	release_assert(alloc() == entry);
	second = set(entry, &object, NT_RECEIVE);
	release_assert(second >> 8 == first >> 8 && second != first);
	clear(entry);
	table_free();
}

static void
test_growth(void)
{
	enum { COUNT = 5000 };
	static mach_port_name_t names[COUNT];
	static struct ipc_entry *entries[COUNT];
	uint64_t word;

	for (unsigned i = 0; i < COUNT; i++) {
		entries[i] = alloc();
		names[i] = set(entries[i], NULL, NT_DEAD_NAME);
	}
	release_assert(table.nt_used == COUNT);
	for (unsigned i = 0; i < COUNT; i++) { /* entries have not moved */
		release_assert(nt_lookup(&table, names[i], &word) == entries[i]);
		clear(entries[i]);
	}
	release_assert(table.nt_used == 0);
	/* A chosen index, from the middle of the free list, once. */
	release_assert(nt_alloc_index(&table, 777)->ie_index == 777);
	release_assert(nt_alloc_index(&table, 777) == NULL && nt_alloc_index(&table, 0) == NULL);
	release_assert(nt_alloc_index(&table, NT_MAX) == NULL);
	for (unsigned i = 1; i < table.nt_size; i++) {
		if (i != 777) {
			release_assert(nt_alloc(&table)->ie_index != 777);
		}
	}
	release_assert(nt_alloc(&table) == NULL);
	table_free();
}

/* --- lifetime: two readers, one writer, grace periods by reader epochs --- */

#define NREADERS 2
#define NROUNDS  400

struct object {
	uint64_t serial; /* changes when the memory becomes another object */
	uint64_t alive;
} OS_CACHE_ALIGNED;

static struct object objects[2];
static mach_port_name_t shared_name;
static uint64_t epoch = 2, reader_epoch[NREADERS][8]; /* one line each; 0: outside */
static bool stop;

static void
synchronize(void)
{
	uint64_t goal = os_atomic_add(&epoch, 2, seq_cst);

	for (unsigned i = 0; i < NREADERS; i++) {
		uint64_t seen;

		while ((seen = os_atomic_load(&reader_epoch[i][0], seq_cst)) != 0 && seen < goal) {
			sched_yield();
		}
	}
}

static void *
reader_main(void *arg)
{
	uint64_t *self = arg;
	unsigned long hits = 0;

	while (!os_atomic_load(&stop, relaxed)) {
		uint64_t word, serial;
		struct object *object;

		os_atomic_store(self, os_atomic_load(&epoch, relaxed), seq_cst);
		os_atomic_thread_fence(seq_cst);
		if (nt_lookup(&table, os_atomic_load(&shared_name, relaxed), &word) != NULL) {
			object = nt_object(word);
			serial = os_atomic_load(&object->serial, relaxed);
			for (unsigned i = 0; i < 20; i++) {
				/* It may die under us; it may not become another. */
				release_assert(os_atomic_load(&object->serial, relaxed) == serial);
			}
			hits++;
		}
		os_atomic_store(self, 0, seq_cst);
	}
	return (void *)(uintptr_t)hits;
}

static void
test_lifetime(void)
{
	pthread_t readers[NREADERS];
	struct ipc_entry *entry = alloc();
	uint64_t serial = 0;

	for (unsigned i = 0; i < NREADERS; i++) {
		pthread_create(&readers[i], NULL, reader_main, &reader_epoch[i][0]);
	}
	for (unsigned round = 0; round < NROUNDS; round++) {
		struct object *object = &objects[round % 2];

		os_atomic_store(&object->serial, ++serial, relaxed); /* fresh from the zone */
		os_atomic_store(&shared_name, set(entry, object, NT_SEND), relaxed);
		sched_yield();
		clear(entry);
		synchronize(); /* only now may its memory be used again */
		os_atomic_store(&object->serial, ++serial, relaxed);
		release_assert(alloc() == entry);
	}
	os_atomic_store(&stop, true, relaxed);
	for (unsigned i = 0; i < NREADERS; i++) {
		pthread_join(readers[i], NULL);
	}
	clear(entry);
	table_free();
}

int
main(void)
{
	test_names();
	test_growth();
	test_lifetime();
	puts("ok");
	return 0;
}
