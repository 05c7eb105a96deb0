/*
 * The slots of an object as a tree: vm_object.h says what it looks like. Pure: nodes come from the two
 * functions at the end.
 *
 * Nodes are added by compare-exchange and stay until the object is destroyed. Loads are ordered by their
 * addresses and pair with the release that published the node.
 */
#pragma once

#include <os/atomic.h>
#include <os/base.h>

#define VM_OBJECT_INLINE_SLOTS 8
#define VM_OBJECT_NODE_SHIFT   6
#define VM_OBJECT_NODE_SLOTS   (1U << VM_OBJECT_NODE_SHIFT)

struct vm_object_node {
	uintptr_t slots[VM_OBJECT_NODE_SLOTS]; /* page slots, or nodes */
} OS_CACHE_ALIGNED;

struct vm_object_tree {
	uintptr_t slots[VM_OBJECT_INLINE_SLOTS]; /* height 0: page slots; else nodes */
};

/* Height that `npages` slots need. */
unsigned vm_tree_height(uint64_t npages);

/*
 * Slot of `index` (in range for the height), or NULL when no node is there.
 */
OS_INLINE uintptr_t *
vm_tree_lookup(struct vm_object_tree *tree, unsigned height, uint64_t index)
{
	unsigned shift = height * VM_OBJECT_NODE_SHIFT;
	uintptr_t *slot = &tree->slots[index >> shift];

	while (shift != 0) {
		struct vm_object_node *node = (struct vm_object_node *)os_atomic_load_dependency(slot);

		if (node == NULL) {
			return NULL;
		}
		shift -= VM_OBJECT_NODE_SHIFT;
		slot = &node->slots[(index >> shift) % VM_OBJECT_NODE_SLOTS];
	}
	return slot;
}

/* The same, making the nodes on the way; NULL only when one cannot be had. */
uintptr_t *vm_tree_lookup_alloc(struct vm_object_tree *tree, unsigned height, uint64_t index);

/*
 * Slot of `index` and in *run how many slots from there on are neighbours in the same node; NULL when there
 * is no node, *run then counts the slots that are missing with it. For walks over ranges.
 */
uintptr_t *vm_tree_run(struct vm_object_tree *tree, unsigned height, uint64_t index, uint64_t *run);

/* Frees the nodes with vm_tree_node_free; the slots are the caller's business. */
void vm_tree_destroy(struct vm_object_tree *tree, unsigned height);

struct vm_object_node *vm_tree_node_alloc(void); /* cleared; NULL when exhausted */
void vm_tree_node_free(struct vm_object_node *node);
