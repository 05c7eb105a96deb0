/*
 * The slot tree of an object: see vm_object_tree.h.
 */
#include <vm/vm_object_tree.h>

#include <kern/assert.h>

unsigned
vm_tree_height(uint64_t npages)
{
	unsigned height = 0;

	for (uint64_t room = VM_OBJECT_INLINE_SLOTS; room < npages; room <<= VM_OBJECT_NODE_SHIFT) {
		height++;
	}
	return height;
}

/* The node behind a slot of an upper level, made if there is none. */
static struct vm_object_node *
node_get(uintptr_t *slot)
{
	uintptr_t found = os_atomic_load_dependency(slot);
	struct vm_object_node *node;

	if (found != 0) {
		return (struct vm_object_node *)found;
	}
	node = vm_tree_node_alloc();
	if (node == NULL) {
		return NULL;
	}
	/*
	 * seq_cst: a change that found no node here must find whoever adds one seeing the change ([F1] in
	 * vm_fault.c).
	 */
	if (!os_atomic_cmpxchgv(slot, (uintptr_t)0, (uintptr_t)node, &found, seq_cst)) {
		vm_tree_node_free(node);
		return (struct vm_object_node *)found;
	}
	return node;
}

uintptr_t *
vm_tree_lookup_alloc(struct vm_object_tree *tree, unsigned height, uint64_t index)
{
	unsigned shift = height * VM_OBJECT_NODE_SHIFT;
	uintptr_t *slot = &tree->slots[index >> shift];

	while (shift != 0) {
		struct vm_object_node *node = node_get(slot);

		if (node == NULL) {
			return NULL;
		}
		shift -= VM_OBJECT_NODE_SHIFT;
		slot = &node->slots[(index >> shift) % VM_OBJECT_NODE_SLOTS];
	}
	return slot;
}

uintptr_t *
vm_tree_run(struct vm_object_tree *tree, unsigned height, uint64_t index, uint64_t *run)
{
	unsigned shift = height * VM_OBJECT_NODE_SHIFT;
	uintptr_t *slot = &tree->slots[index >> shift];

	if (shift == 0) {
		*run = VM_OBJECT_INLINE_SLOTS - index;
		return slot;
	}
	while (shift != 0) {
		struct vm_object_node *node = (struct vm_object_node *)os_atomic_load_dependency(slot);

		if (node == NULL) {
			*run = (1ULL << shift) - (index & ((1ULL << shift) - 1));
			return NULL;
		}
		shift -= VM_OBJECT_NODE_SHIFT;
		slot = &node->slots[(index >> shift) % VM_OBJECT_NODE_SLOTS];
	}
	*run = VM_OBJECT_NODE_SLOTS - index % VM_OBJECT_NODE_SLOTS;
	return slot;
}

static void
node_destroy(struct vm_object_node *node, unsigned height)
{
	if (height > 1) {
		for (unsigned i = 0; i < VM_OBJECT_NODE_SLOTS; i++) {
			if (node->slots[i] != 0) {
				node_destroy((struct vm_object_node *)node->slots[i], height - 1);
			}
		}
	}
	vm_tree_node_free(node);
}

void
vm_tree_destroy(struct vm_object_tree *tree, unsigned height)
{
	if (height == 0) {
		return;
	}
	for (unsigned i = 0; i < VM_OBJECT_INLINE_SLOTS; i++) {
		if (tree->slots[i] != 0) {
			node_destroy((struct vm_object_node *)tree->slots[i], height);
		}
	}
}
