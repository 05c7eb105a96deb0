/*
 * The map index: see vm_map_index.h.
 *
 * The operations on ranges walk the tree recursively: a level of the walk handles the part of the range behind the
 * slots of one node. Every word that publishes a node or an entry is stored with release; it pairs with the dependent
 * loads of look-ups. The lock of a slot is taken with acquire and dropped with release, which pair with each other.
 */
#include <vm/vm_map_index.h>

#include <kern/assert.h>

/* What a walk does with a slot wholly inside the range. */
enum walk_op { WALK_SET, WALK_UNLOCK, WALK_SET_UNLOCK };

struct walk {
	uint64_t start, end; /* pages */
	enum walk_op op;
	uintptr_t value; /* of the SET ops */
};

/* The two parts of the tree that a range can touch. */
struct root {
	uintptr_t *slots;
	uint64_t base; /* first page behind slots[0] */
	unsigned shift;
	uint64_t start, end;
};

static unsigned
index_roots(struct vm_map_index *index, uint64_t start, uint64_t end, struct root roots[2])
{
	const uint64_t limit = 1ULL << VM_INDEX_LOW_BITS;
	unsigned n = 0;

	if (start < limit) {
		roots[n++] =
		    (struct root){ index->low.slots, 0, VM_INDEX_LOW_SHIFT, start, os_min(end, limit) };
	}
	if (end > limit) {
		roots[n++] = (struct root){ index->top, 0, VM_INDEX_TOP_SHIFT, os_max(start, limit), end };
	}
	return n;
}

/* --- slot locks --- */

static uintptr_t
slot_lock(uintptr_t *slot)
{
	for (;;) {
		uintptr_t word = os_atomic_load(slot, acquire);

		if (word & VM_INDEX_NODE) {
			return word;
		}
		if (word & VM_INDEX_LOCKED) {
			if ((word & VM_INDEX_WAITERS) ||
			    os_atomic_cmpxchg(slot, word, word | VM_INDEX_WAITERS, relaxed)) {
				vm_index_sleep(slot);
			}
			continue;
		}
		if (os_atomic_cmpxchg(slot, word, word | VM_INDEX_LOCKED, acquire)) {
			return word | VM_INDEX_LOCKED;
		}
	}
}

/* The slot becomes `word`, unlocked. */
static void
slot_store_unlock(uintptr_t *slot, uintptr_t word)
{
	uintptr_t old = os_atomic_xchg(slot, word, release);

	assert(old & VM_INDEX_LOCKED);
	if (os_unlikely(old & VM_INDEX_WAITERS)) {
		vm_index_wake(slot);
	}
}

/* Still locked; a waiter may add its bit at any moment. */
static void
slot_store_locked(uintptr_t *slot, uintptr_t value)
{
	uintptr_t old = os_atomic_load(slot, relaxed);

	while (!os_atomic_cmpxchgv(
	    slot, old, value | VM_INDEX_LOCKED | (old & VM_INDEX_WAITERS), &old, release)) {}
}

static uintptr_t
slot_value(uintptr_t word)
{
	return word & ~(VM_INDEX_LOCKED | VM_INDEX_WAITERS);
}

/*
 * A locked slot becomes a node whose slots say what it said. `tags`: VM_INDEX_LOCKED when they are to be locked. Waiters wake
 * up and find the node. False: no memory, the slot is as before.
 */
static bool
slot_expand(uintptr_t *slot, uintptr_t word, uintptr_t tags)
{
	struct vm_index_node *node = vm_index_node_alloc();

	if (node == NULL) {
		return false;
	}
	for (unsigned i = 0; i < VM_INDEX_SLOTS; i++) {
		node->slots[i] = slot_value(word) | tags;
	}
	slot_store_unlock(slot, (uintptr_t)node | VM_INDEX_NODE);
	return true;
}

/* --- locking a range --- */

static void range_walk(uintptr_t *slots, uint64_t base, unsigned shift, const struct walk *walk);

/* *done is the page up to which the range is locked; false when it stopped there for want of memory. */
static bool
range_lock(uintptr_t *slots, uint64_t base, unsigned shift, uint64_t start, uint64_t end, uint64_t *done)
{
	for (unsigned i = (unsigned)((start - base) >> shift); *done < end; i++) {
		uint64_t slot_start = base + ((uint64_t)i << shift);
		uint64_t slot_end = slot_start + (1ULL << shift);
		uintptr_t word = slot_lock(&slots[i]);

		if (!(word & VM_INDEX_NODE) && (slot_start < start || slot_end > end)) {
			if (!slot_expand(&slots[i], word, 0)) {
				slot_store_unlock(&slots[i], slot_value(word));
				return false;
			}
			word = os_atomic_load(&slots[i], relaxed);
		}
		if (word & VM_INDEX_NODE) {
			if (!range_lock(vm_index_node(word)->slots, slot_start, shift - VM_INDEX_SHIFT,
				os_max(start, slot_start), os_min(end, slot_end), done)) {
				return false;
			}
		} else {
			*done = slot_end;
		}
	}
	return true;
}

bool
vm_index_lock(struct vm_map_index *index, uint64_t start, uint64_t end)
{
	struct root roots[2];
	unsigned n = index_roots(index, start, end, roots);
	uint64_t done = start;

	assert(start < end && end <= 1ULL << VM_INDEX_BITS);
	for (unsigned i = 0; i < n; i++) {
		if (!range_lock(
			roots[i].slots, roots[i].base, roots[i].shift, roots[i].start, roots[i].end, &done)) {
			if (done > start) {
				vm_index_unlock(index, start, done);
			}
			return false;
		}
	}
	return true;
}

/* --- walking a locked range --- */

static void
slot_apply(uintptr_t *slot, uintptr_t word, const struct walk *walk)
{
	assert(word & VM_INDEX_LOCKED);
	switch (walk->op) {
	case WALK_SET:
		slot_store_locked(slot, walk->value);
		break;
	case WALK_UNLOCK:
		slot_store_unlock(slot, slot_value(word));
		break;
	case WALK_SET_UNLOCK:
		slot_store_unlock(slot, walk->value);
		break;
	}
}

/* The part of walk's range behind these slots; every slot met is a node, or locked and wholly inside. */
static void
range_walk(uintptr_t *slots, uint64_t base, unsigned shift, const struct walk *walk)
{
	uint64_t first = os_max(walk->start, base);

	for (uint64_t i = (first - base) >> shift; base + (i << shift) < walk->end; i++) {
		uintptr_t word;

		if (i == VM_INDEX_SLOTS) {
			return;
		}
		word = os_atomic_load(&slots[i], acquire);
		if (word & VM_INDEX_NODE) {
			range_walk(
			    vm_index_node(word)->slots, base + (i << shift), shift - VM_INDEX_SHIFT, walk);
		} else {
			assert(base + (i << shift) >= walk->start && base + ((i + 1) << shift) <= walk->end);
			slot_apply(&slots[i], word, walk);
		}
	}
}

static void
index_walk(struct vm_map_index *index, const struct walk *walk)
{
	struct root roots[2];
	unsigned n = index_roots(index, walk->start, walk->end, roots);

	for (unsigned i = 0; i < n; i++) {
		struct walk part = { roots[i].start, roots[i].end, walk->op, walk->value };

		range_walk(roots[i].slots, roots[i].base, roots[i].shift, &part);
	}
}

void
vm_index_set(struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry)
{
	index_walk(index, &(struct walk){ start, end, WALK_SET, (uintptr_t)entry });
}

void
vm_index_unlock(struct vm_map_index *index, uint64_t start, uint64_t end)
{
	index_walk(index, &(struct walk){ start, end, WALK_UNLOCK, 0 });
}

void
vm_index_set_unlock(struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry)
{
	index_walk(index, &(struct walk){ start, end, WALK_SET_UNLOCK, (uintptr_t)entry });
}

bool
vm_index_split(struct vm_map_index *index, uint64_t page)
{
	uintptr_t *slots = index->low.slots;
	unsigned shift = VM_INDEX_LOW_SHIFT;

	if (page >> VM_INDEX_LOW_BITS != 0) {
		slots = index->top;
		shift = VM_INDEX_TOP_SHIFT;
	}
	for (; page & ((1ULL << shift) - 1); shift -= VM_INDEX_SHIFT) {
		uintptr_t *slot = &slots[(page >> shift) % VM_INDEX_SLOTS];
		uintptr_t word = os_atomic_load(slot, acquire);

		if (!(word & VM_INDEX_NODE)) {
			assert(word & VM_INDEX_LOCKED);
			if (!slot_expand(slot, word, VM_INDEX_LOCKED)) {
				return false;
			}
			word = os_atomic_load(slot, relaxed);
		}
		slots = vm_index_node(word)->slots;
	}
	return true;
}

/* --- runs --- */

bool
vm_index_lock_run(const struct vm_index_run *run, struct vm_map_entry *entry)
{
	for (uint64_t i = 0; i < run->count; i++) {
		/* acquire: pairs with the release of the unlock. */
		if (os_unlikely(!os_atomic_cmpxchg(
			&run->slots[i], (uintptr_t)entry, (uintptr_t)entry | VM_INDEX_LOCKED, acquire))) {
			vm_index_unlock_run(&(struct vm_index_run){ run->slots, i }, entry);
			return false;
		}
	}
	return true;
}

void
vm_index_unlock_run(const struct vm_index_run *run, struct vm_map_entry *entry)
{
	for (uint64_t i = 0; i < run->count; i++) {
		slot_store_unlock(&run->slots[i], (uintptr_t)entry);
	}
}

/* --- iteration --- */

static struct vm_map_entry *
range_next(
    const uintptr_t *slots, uint64_t base, unsigned shift, uint64_t start, uint64_t end, uint64_t *page)
{
	for (uint64_t i = (os_max(start, base) - base) >> shift; base + (i << shift) < end; i++) {
		uint64_t slot_start = base + (i << shift);
		struct vm_map_entry *entry;
		uintptr_t word;

		if (shift != VM_INDEX_TOP_SHIFT && i == VM_INDEX_SLOTS) {
			return NULL;
		}
		word = os_atomic_load_dependency(&slots[i]);
		if (word & VM_INDEX_NODE) {
			entry = range_next(
			    vm_index_node(word)->slots, slot_start, shift - VM_INDEX_SHIFT, start, end, page);
		} else {
			entry = vm_index_entry(word);
			*page = os_max(start, slot_start);
		}
		if (entry != NULL) {
			return entry;
		}
	}
	return NULL;
}

struct vm_map_entry *
vm_index_next(const struct vm_map_index *index, uint64_t start, uint64_t end, uint64_t *page)
{
	struct root roots[2];
	unsigned n = index_roots((struct vm_map_index *)(uintptr_t)index, start, end, roots);
	struct vm_map_entry *entry = NULL;

	for (unsigned i = 0; i < n && entry == NULL; i++) {
		entry = range_next(
		    roots[i].slots, roots[i].base, roots[i].shift, roots[i].start, roots[i].end, page);
	}
	return entry;
}

/* --- destruction --- */

static void
slots_destroy(uintptr_t *slots, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (slots[i] & VM_INDEX_NODE) {
			struct vm_index_node *node = vm_index_node(slots[i]);

			slots_destroy(node->slots, VM_INDEX_SLOTS);
			vm_index_node_free(node);
		}
	}
}

void
vm_index_destroy(struct vm_map_index *index)
{
	slots_destroy(index->low.slots, VM_INDEX_SLOTS);
	slots_destroy(index->top, VM_INDEX_TOP_SLOTS);
}
