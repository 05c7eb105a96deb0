/*
 * Unit test of the map index: against a flat model of a small part of the address space, at the seams of
 * the tree, out of memory, and with threads that lock, replace and look up.
 */
#include <vm/vm_map_index.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vm_map_entry {
	uint64_t start, end;
	uint64_t owner;
} OS_CACHE_ALIGNED;

/* --- what the index needs --- */

static atomic_int nodes_live;
static int nodes_left = -1; /* allocations until failure; -1: no limit */

struct vm_index_node *
vm_index_node_alloc(void)
{
	if (nodes_left == 0) {
		return NULL;
	}
	if (nodes_left > 0) { /* a test of one thread: with several nobody writes it */
		nodes_left--;
	}
	nodes_live++;
	return aligned_alloc(OS_CACHELINE, sizeof(struct vm_index_node));
}

void
vm_index_node_free(struct vm_index_node *node)
{
	nodes_live--;
	free(node);
}

/* One queue for all slots, in the order of arrival. */
struct sleeper {
	uintptr_t *slot;
	bool woken;
	struct sleeper *next;
};

static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER; /* the interlock */
static pthread_cond_t sleep_woken = PTHREAD_COND_INITIALIZER;
static struct sleeper *sleepers, **sleepers_end = &sleepers;

bool
vm_index_sleep(uintptr_t *slot)
{
	struct sleeper self = { .slot = slot };
	bool wait;

	pthread_mutex_lock(&sleep_lock);
	wait = vm_index_must_wait(slot);
	if (wait) {
		*sleepers_end = &self;
		sleepers_end = &self.next;
		while (!self.woken) {
			pthread_cond_wait(&sleep_woken, &sleep_lock);
		}
	}
	pthread_mutex_unlock(&sleep_lock);
	return wait;
}

static struct sleeper **
find_sleeper(struct sleeper **from, const uintptr_t *slot)
{
	while (*from != NULL && (*from)->slot != slot) {
		from = &(*from)->next;
	}
	return from;
}

void
vm_index_hand_over(uintptr_t *slot)
{
	struct sleeper **at, *first;

	pthread_mutex_lock(&sleep_lock);
	do {
		at = find_sleeper(&sleepers, slot);
		first = *at;
		release_assert(first != NULL);
		*at = first->next;
		sleepers_end = first->next == NULL ? at : sleepers_end;
		first->woken = true;
	} while (vm_index_handed(slot, *find_sleeper(at, slot) != NULL));
	pthread_cond_broadcast(&sleep_woken);
	pthread_mutex_unlock(&sleep_lock);
}

static void
await_sleepers(const uintptr_t *slot, unsigned want)
{
	unsigned n;

	do {
		n = 0;
		pthread_mutex_lock(&sleep_lock);
		for (struct sleeper *s = sleepers; s != NULL; s = s->next) {
			n += s->slot == slot;
		}
		pthread_mutex_unlock(&sleep_lock);
		cpu_relax();
	} while (n != want);
}

static struct vm_map_index *
index_create(void)
{
	struct vm_map_index *index = aligned_alloc(OS_CACHELINE, sizeof(*index));

	memset(index, 0, sizeof(*index));
	return index;
}

static void
index_free(struct vm_map_index *index)
{
	vm_index_destroy(index);
	release_assert(nodes_live == 0);
	free(index);
}

/* --- against a model --- */

#define MODEL_PAGES 10000 /* more than two level 1 slots */

static struct vm_map_entry *model[MODEL_PAGES];
static struct vm_map_entry pool[64];

static void
model_check(struct vm_map_index *index, uint64_t base)
{
	for (uint64_t i = 0; i < MODEL_PAGES; i++) {
		release_assert(vm_index_lookup(index, base + i) == model[i]);
	}
}

static void
model_check_next(struct vm_map_index *index, uint64_t base, uint64_t start, uint64_t end)
{
	struct vm_map_entry *want = NULL;
	uint64_t i, page = 0;

	for (i = start; i < end && want == NULL; i++) {
		want = model[i];
	}
	release_assert(vm_index_next(index, base + start, base + end, &page) == want);
	release_assert(want == NULL || page == base + i - 1);
}

static uint64_t
random_below(uint64_t n)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % n;
}

static void
set_range(struct vm_map_index *index, uint64_t base, uint64_t start, uint64_t end, struct vm_map_entry *entry)
{
	uint64_t middle = start + random_below(end - start);

	release_assert(vm_index_lock(index, base + start, base + end));
	if (middle != start) {
		release_assert(vm_index_split(index, base + middle));
		vm_index_set(index, base + start, base + middle, entry);
		vm_index_unlock(index, base + start, base + middle);
	}
	vm_index_set_unlock(index, base + middle, base + end, entry);
	for (uint64_t i = start; i < end; i++) {
		model[i] = entry;
	}
}

static void
test_model(uint64_t base)
{
	struct vm_map_index *index = index_create();

	memset(model, 0, sizeof(model));
	for (int round = 0; round < 400; round++) {
		uint64_t start = random_below(MODEL_PAGES - 1);
		uint64_t size = 1 + random_below(round % 3 == 0 ? MODEL_PAGES : 70);
		uint64_t end = os_min(start + size, (uint64_t)MODEL_PAGES);

		set_range(index, base, start, end, random_below(3) == 0 ? NULL : &pool[random_below(64)]);
		start = random_below(MODEL_PAGES - 1);
		model_check_next(index, base, start, start + 1 + random_below(MODEL_PAGES - start));
		if (round % 20 == 0) {
			model_check(index, base);
		}
	}
	model_check(index, base);
	index_free(index);
}

/* An entry as large as can be costs few nodes, and is found at its ends and in its middle. */
static void
test_large(void)
{
	struct vm_map_index *index = index_create();
	const uint64_t start = 1, end = (1ULL << VM_INDEX_BITS) - 1;

	release_assert(vm_index_lock(index, start, end));
	release_assert(nodes_live <= 10);
	vm_index_set_unlock(index, start, end, &pool[1]);
	release_assert(vm_index_lookup(index, 0) == NULL && vm_index_lookup(index, end) == NULL);
	release_assert(
	    vm_index_lookup(index, start) == &pool[1] && vm_index_lookup(index, end - 1) == &pool[1]);
	release_assert(vm_index_lookup(index, end / 2) == &pool[1]);
	release_assert(vm_index_lookup(index, 1ULL << VM_INDEX_BITS) == NULL);

	/* One page out of the middle of both halves of the tree. */
	for (uint64_t hole = 12345; hole < end; hole += (1ULL << 31) + 77) {
		release_assert(vm_index_lock(index, hole, hole + 1));
		vm_index_set_unlock(index, hole, hole + 1, NULL);
		release_assert(vm_index_lookup(index, hole) == NULL);
		release_assert(vm_index_lookup(index, hole - 1) == &pool[1]);
		release_assert(vm_index_lookup(index, hole + 1) == &pool[1]);
	}
	index_free(index);
}

/* Whichever node cannot be had: nothing is locked or changed. */
static void
test_exhaustion(void)
{
	int succeeded = 0;

	for (int left = 0; left < 12; left++) {
		struct vm_map_index *index = index_create();
		bool locked;

		nodes_left = left;
		locked = vm_index_lock(index, 3, (1ULL << 26) + 5);
		nodes_left = -1;
		if (locked) {
			succeeded++;
			vm_index_unlock(index, 3, (1ULL << 26) + 5);
		}
		/* Would hang here if a lock were left behind. */
		release_assert(vm_index_lock(index, 0, 1ULL << 27));
		vm_index_set_unlock(index, 0, 1ULL << 27, &pool[2]);
		release_assert(vm_index_lookup(index, 77) == &pool[2]);
		index_free(index);
	}
	release_assert(succeeded > 0 && succeeded < 12);
}

/* A run is locked only as a whole and only if it is what was expected. */
static void
test_runs(void)
{
	struct vm_map_index *index = index_create();
	struct vm_index_run run, part;

	release_assert(!vm_index_find_run(index, 100, 101, &run)); /* would have to be split first */
	release_assert(vm_index_lock(index, 100, 110));
	vm_index_set_unlock(index, 100, 110, &pool[3]);
	release_assert(vm_index_find_run(index, 100, 110, &run) && run.count == 10);
	release_assert(!vm_index_find_run(index, 100, 1001, &part)); /* crosses nodes */
	release_assert(vm_index_find_run(index, 101, 102, &part) && part.count == 1 &&
		       part.node == run.node && part.first == run.first + 1);
	release_assert(!vm_index_lock_run(&run, &pool[4]) && !vm_index_lock_run(&run, NULL));
	release_assert(vm_index_lock_run(&part, &pool[3]));
	release_assert(!vm_index_lock_run(&run, &pool[3]));
	vm_index_unlock_run(&part, &pool[3], &pool[5]);
	release_assert(!vm_index_lock_run(&run, &pool[3]));
	release_assert(vm_index_lookup(index, 100) == &pool[3] && vm_index_lookup(index, 101) == &pool[5]);
	release_assert(vm_index_find_run(index, 1 << VM_INDEX_LOW_SHIFT, 2 << VM_INDEX_LOW_SHIFT, &run));
	release_assert(vm_index_lock_run(&run, NULL));
	vm_index_unlock_run(&run, NULL, &pool[6]);
	release_assert(vm_index_lookup(index, (1 << VM_INDEX_LOW_SHIFT) + 999) == &pool[6]);
	index_free(index);
}

static uint64_t visited_pages[8];
static unsigned visited;

static uint64_t
visit(struct vm_map_entry *entry, uint64_t page, void *context)
{
	const uint64_t(*ranges)[2] = context;

	release_assert(visited < 8 && entry == &pool[visited]);
	visited_pages[visited] = page;
	return ranges[visited++][1];
}

/* Each entry once, in order, whatever the number of its slots; locks are dropped. */
static void
check_foreach(struct vm_map_index *index, const uint64_t (*ranges)[2], unsigned count, bool lock)
{
	visited = 0;
	vm_index_foreach(index, 0, 1ULL << VM_INDEX_BITS, lock, visit, (void *)(uintptr_t)ranges);
	release_assert(visited == count);
	for (unsigned i = 0; i < count; i++) {
		release_assert(visited_pages[i] == ranges[i][0]);
	}
	visited = 1;
	vm_index_foreach(index, ranges[1][0], ranges[1][1], lock, visit, (void *)(uintptr_t)ranges);
	release_assert(visited == 2);
	release_assert(vm_index_lock(index, 0, 1ULL << 20));
	vm_index_unlock(index, 0, 1ULL << 20);
}

/* An index filled while it is private holds the same as one filled under locks. */
static void
test_insert(void)
{
	struct vm_map_index *index = index_create();
	const uint64_t ranges[][2] = { { 5, 900 }, { 4096, 8192 }, { 8200, 8201 }, { 9000, 3ULL << 30 } };
	struct vm_map_entry *entry;
	uintptr_t *slot;
	uint64_t page;

	for (unsigned i = 0; i < os_countof(ranges); i++) {
		release_assert(vm_index_insert(index, ranges[i][0], ranges[i][1], &pool[i]));
	}
	for (unsigned i = 0; i < os_countof(ranges); i++) {
		release_assert(vm_index_lookup(index, ranges[i][0]) == &pool[i]);
		release_assert(vm_index_lookup(index, ranges[i][1] - 1) == &pool[i]);
		release_assert(vm_index_lookup(index, ranges[i][0] - 1) == NULL);
		release_assert(vm_index_lookup(index, ranges[i][1]) == NULL);
		release_assert(
		    vm_index_next(index, ranges[i][0] - 1, 1ULL << VM_INDEX_BITS, &page) == &pool[i]);
		release_assert(page == ranges[i][0]);
		slot = vm_index_lock_slot(index, ranges[i][0], &entry);
		release_assert(slot != NULL && entry == &pool[i]);
		vm_index_unlock_slot(slot);
	}
	check_foreach(index, ranges, os_countof(ranges), true);
	check_foreach(index, ranges, os_countof(ranges), false);
	index_free(index);
}

/* --- threads --- */

#define NTHREADS 4
#define SPAN     600
#define ROUNDS   3000

static struct vm_map_index *shared;
static struct vm_map_entry owners[NTHREADS];

/*
 * Each thread locks a range that overlaps the others', claims every page of it, sees that nobody else did,
 * and empties it. Look-ups in between may see anybody's entry, but only entries.
 */
static void *
worker(void *arg)
{
	uint64_t self = (uint64_t)(uintptr_t)arg, x = self * 7919 + 1, page;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start, end;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		start = (x >> 33) % (SPAN - 1);
		end = start + 1 + (x >> 50) % (SPAN - start - 1 > 90 ? 90 : SPAN - start);
		end = end > SPAN ? SPAN : end;
		release_assert(vm_index_lock(shared, start, end));
		release_assert(vm_index_next(shared, start, end, &page) == NULL);
		vm_index_set(shared, start, end, &owners[self]);
		for (page = start; page < end; page++) {
			release_assert(vm_index_lookup(shared, page) == &owners[self]);
		}
		vm_index_set_unlock(shared, start, end, NULL);
		for (page = 0; page < SPAN; page += 37) {
			struct vm_map_entry *seen = vm_index_lookup(shared, page);

			release_assert(seen == NULL || (seen >= owners && seen < owners + NTHREADS));
		}
	}
	return NULL;
}

/*
 * Threads that wait for a slot get it in the order in which they came, and before the one that lets it go and takes it
 * again at once.
 */
static unsigned turn;     /* guarded by the slot */
static uint64_t turn_end; /* the waiters lock from page 0 to here */

static void *
take_turn(void *arg)
{
	uint64_t self = (uint64_t)(uintptr_t)arg;

	release_assert(vm_index_lock(shared, 0, turn_end));
	release_assert(turn++ == self);
	vm_index_unlock(shared, 0, turn_end);
	return NULL;
}

static void
test_order(void)
{
	pthread_t threads[NTHREADS];

	shared = index_create();
	turn = 0;
	turn_end = 1ULL << VM_INDEX_LOW_SHIFT; /* one slot */
	release_assert(vm_index_lock(shared, 0, turn_end));
	for (uintptr_t i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, take_turn, (void *)i) == 0);
		await_sleepers(&shared->low.slots[0], (unsigned)i + 1);
	}
	vm_index_unlock(shared, 0, turn_end);
	release_assert(vm_index_lock(shared, 0, turn_end));
	release_assert(turn == NTHREADS);
	vm_index_unlock(shared, 0, turn_end);
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	index_free(shared);
}

/* A slot that becomes a node while threads wait for it: each of them finds its place behind it. */
static void *
take_page(void *arg)
{
	uint64_t page = (uint64_t)(uintptr_t)arg;

	release_assert(vm_index_lock(shared, page, page + 1));
	vm_index_set_unlock(shared, page, page + 1, &owners[page]);
	return NULL;
}

static void
test_expand(void)
{
	const uint64_t end = 1ULL << VM_INDEX_LOW_SHIFT;
	pthread_t threads[NTHREADS];

	shared = index_create();
	release_assert(vm_index_lock(shared, 0, end));
	for (uintptr_t i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, take_page, (void *)i) == 0);
	}
	await_sleepers(&shared->low.slots[0], NTHREADS);
	release_assert(vm_index_split(shared, end / 2 + 1));
	vm_index_set_unlock(shared, end / 2 + 1, end, &pool[1]);
	vm_index_unlock(shared, 0, end / 2 + 1);
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
		release_assert(vm_index_lookup(shared, i) == &owners[i]);
	}
	release_assert(vm_index_lookup(shared, end - 1) == &pool[1]);
	release_assert(vm_index_lookup(shared, end / 2) == NULL);
	index_free(shared);
}

static void
test_threads(void)
{
	pthread_t threads[NTHREADS];
	uint64_t page;

	shared = index_create();
	for (uintptr_t i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	release_assert(vm_index_next(shared, 0, 1ULL << VM_INDEX_BITS, &page) == NULL);
	index_free(shared);
}

int
main(void)
{
	test_model(0);
	test_model((1ULL << VM_INDEX_LOW_BITS) - MODEL_PAGES / 2);
	test_model((1ULL << VM_INDEX_TOP_SHIFT) * 3 - MODEL_PAGES / 2);
	test_large();
	test_exhaustion();
	test_runs();
	test_insert();
	test_order();
	test_expand();
	test_threads();
	puts("ok");
	return 0;
}
