/*
 * Unit test of the slot tree: every height at its seams, runs, exhaustion, and threads that fill one tree.
 */
#include <vm/vm_object_tree.h>

#include <kern/assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int nodes_live;
static bool exhausted;

struct vm_object_node *
vm_tree_node_alloc(void)
{
	struct vm_object_node *node = exhausted ? NULL : aligned_alloc(OS_CACHELINE, sizeof(*node));

	if (node != NULL) {
		memset(node, 0, sizeof(*node));
		nodes_live++;
	}
	return node;
}

void
vm_tree_node_free(struct vm_object_node *node)
{
	nodes_live--;
	free(node);
}

static void
test_heights(void)
{
	release_assert(vm_tree_height(1) == 0 && vm_tree_height(8) == 0);
	release_assert(vm_tree_height(9) == 1 && vm_tree_height(512) == 1);
	release_assert(vm_tree_height(513) == 2 && vm_tree_height(8ULL << 12) == 2);
	release_assert(vm_tree_height((8ULL << 12) + 1) == 3);
	release_assert(vm_tree_height(1ULL << 33) == 5);
}

/* Slots are distinct, stay, and neighbours of pages 8 apart are in different lines. */
static void
test_slots(uint64_t npages)
{
	struct vm_object_tree tree = { { 0 } };
	unsigned height = vm_tree_height(npages);
	uint64_t probes[] = { 0, 1, 7, 8, 63, 64, 511, 512, 513, 4095, 4096, 32767, 32768, npages - 1 };

	for (unsigned i = 0; i < os_countof(probes); i++) {
		uintptr_t *slot;

		if (probes[i] >= npages) {
			continue;
		}
		slot = vm_tree_lookup_alloc(&tree, height, probes[i]);
		release_assert(slot != NULL && (*slot == 0 || *slot == (probes[i] + 1) << 1));
		*slot = (probes[i] + 1) << 1;
	}
	for (unsigned i = 0; i < os_countof(probes); i++) {
		if (probes[i] < npages) {
			release_assert(*vm_tree_lookup(&tree, height, probes[i]) == (probes[i] + 1) << 1);
		}
	}
	vm_tree_destroy(&tree, height);
	release_assert(nodes_live == 0);
}

/* Walking by runs meets every populated slot once, in order, and skips what is not there. */
static void
test_runs(uint64_t npages, uint64_t stride)
{
	struct vm_object_tree tree = { { 0 } };
	unsigned height = vm_tree_height(npages);
	uint64_t want = 0, run, steps = 0;

	for (uint64_t i = 0; i < npages; i += stride) {
		*vm_tree_lookup_alloc(&tree, height, i) = (i + 1) << 1;
	}
	for (uint64_t i = 0; i < npages; i += run) {
		uintptr_t *slot = vm_tree_run(&tree, height, i, &run);

		release_assert(run > 0);
		steps++;
		for (uint64_t k = 0; slot != NULL && k < run && i + k < npages; k++) {
			release_assert(slot[k] == ((i + k) % stride == 0 ? (i + k + 1) << 1 : 0));
			want += slot[k] != 0;
		}
	}
	release_assert(want == (npages + stride - 1) / stride);
	release_assert(steps <= 2 * (npages / 64 + 8));
	vm_tree_destroy(&tree, height);
	release_assert(nodes_live == 0);
}

static void
test_exhaustion(void)
{
	struct vm_object_tree tree = { { 0 } };

	exhausted = true;
	release_assert(vm_tree_lookup_alloc(&tree, 0, 5) == &tree.slots[5]);
	release_assert(vm_tree_lookup_alloc(&tree, 2, 5) == NULL);
	release_assert(vm_tree_lookup(&tree, 2, 5) == NULL);
	exhausted = false;
	release_assert(vm_tree_lookup_alloc(&tree, 2, 5) != NULL);
	vm_tree_destroy(&tree, 2);
}

#define NTHREADS 4
#define NPAGES   20000

static struct vm_object_tree shared_tree;

static void *
filler(void *arg)
{
	unsigned height = vm_tree_height(NPAGES);

	for (uint64_t i = 0; i < NPAGES; i++) {
		uintptr_t *slot = vm_tree_lookup_alloc(&shared_tree, height, i);

		os_atomic_add(slot, 2, relaxed);
		release_assert(vm_tree_lookup(&shared_tree, height, i) == slot);
	}
	(void)arg;
	return NULL;
}

static void
test_threads(void)
{
	pthread_t threads[NTHREADS];

	for (unsigned i = 0; i < NTHREADS; i++) {
		release_assert(pthread_create(&threads[i], NULL, filler, NULL) == 0);
	}
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	for (uint64_t i = 0; i < NPAGES; i++) {
		release_assert(*vm_tree_lookup(&shared_tree, vm_tree_height(NPAGES), i) == 2 * NTHREADS);
	}
	vm_tree_destroy(&shared_tree, vm_tree_height(NPAGES));
	release_assert(nodes_live == 0);
}

int
main(void)
{
	test_heights();
	test_slots(1);
	test_slots(8);
	test_slots(9);
	test_slots(512);
	test_slots(513);
	test_slots(40000);
	test_slots(1ULL << 33);
	test_runs(8, 3);
	test_runs(700, 1);
	test_runs(40000, 977);
	test_exhaustion();
	test_threads();
	puts("ok");
	return 0;
}
