/*
 * The map index: see vm_map_index.h.
 *
 * The operations on ranges walk the tree recursively: a level of the walk handles the part of the range
 * behind the slots of one node. Every word that publishes a node or an entry is stored with release; it
 * pairs with the dependent loads of look-ups. [S1] to [S4], the lock of a slot, are in vm_map_index.h.
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

/* The part of a range that lies behind one of the two nodes at the top. */
struct root {
	struct vm_index_node *node;
	unsigned shift;
	uint64_t start, end;
};

/* `top`, made if there is none; NULL when it cannot be had. */
static struct vm_index_node *
index_top(struct vm_map_index *index)
{
	struct vm_index_node *node, *found = os_atomic_load_dependency(&index->top);

	if (os_likely(found != NULL)) {
		return found;
	}
	node = vm_index_node_alloc();
	if (node == NULL) {
		return NULL;
	}
	__builtin_memset(node, 0, sizeof(*node));
	if (!os_atomic_cmpxchgv(&index->top, (struct vm_index_node *)NULL, node, &found, release)) {
		vm_index_node_free(node);
		return found;
	}
	return node;
}

/* The roots that a range touches; without `top` if that does not exist. */
static unsigned
index_roots(const struct vm_map_index *index, uint64_t start, uint64_t end, struct root roots[2])
{
	const uint64_t limit = 1ULL << VM_INDEX_LOW_BITS;
	struct vm_index_node *low = (struct vm_index_node *)(uintptr_t)&index->low;
	struct vm_index_node *top = os_atomic_load_dependency(&index->top);
	unsigned n = 0;

	if (start < limit) {
		roots[n++] = (struct root){ low, VM_INDEX_LOW_SHIFT, start, os_min(end, limit) };
	}
	if (end > limit && top != NULL) {
		roots[n++] = (struct root){ top, VM_INDEX_TOP_SHIFT, os_max(start, limit), end };
	}
	return n;
}

/* Before slots of the node, a bit for each, hold something for the first time. The release of that store orders it. */
OS_INLINE void
slots_note_used(struct vm_index_node *node, uint64_t slots)
{
	if (os_unlikely((slots & ~os_atomic_load(&node->used, relaxed)) != 0)) {
		os_atomic_or(&node->used, slots, relaxed);
	}
}

OS_INLINE void
node_note_used(struct vm_index_node *node, unsigned i)
{
	slots_note_used(node, 1ULL << i);
}

/* --- slot locks --- */

/* The slot is shut, or somebody was faster, or it is a node. */
static OS_NOINLINE uintptr_t
slot_lock_slow(uintptr_t *slot)
{
	for (;;) {
		uintptr_t word = os_atomic_load(slot, acquire);

		if (word & VM_INDEX_NODE) {
			return word;
		}
		if (word & VM_INDEX_SHUT) {
			if (vm_index_sleep(slot)) {
				return os_atomic_load(slot, acquire); /* [S2] */
			}
			continue;
		}
		if (os_atomic_cmpxchg(slot, word, word | VM_INDEX_LOCKED, acquire)) { /* [S2] */
			return word | VM_INDEX_LOCKED;
		}
	}
}

static uintptr_t
slot_value(uintptr_t word)
{
	return word & ~VM_INDEX_SHUT;
}

/* Locks the slot and returns its word; or the word of the node that it is. */
OS_INLINE uintptr_t
slot_lock(uintptr_t *slot)
{
	uintptr_t word = os_atomic_load_dependency(slot);

	if (word & VM_INDEX_NODE) {
		return word;
	}
	word = slot_value(word); /* of a shut slot it is not the word */
	if (os_likely(os_atomic_cmpxchg(slot, word, word | VM_INDEX_LOCKED, acquire))) { /* [S2] */
		return word | VM_INDEX_LOCKED;
	}
	return slot_lock_slow(slot);
}

static OS_NOINLINE void slots_hand_over(uintptr_t *slot, const uintptr_t *end, uintptr_t change);

/*
 * Unlocks slots whose values all change by the same. A loop that keeps nothing over a call,
 * which is for the seldom case.
 */
OS_INLINE void
slots_unlock(uintptr_t *slot, const uintptr_t *end, uintptr_t change)
{
	for (; slot < end; slot++) {
		uintptr_t was = os_atomic_xor_orig(slot, change ^ VM_INDEX_LOCKED, release); /* [S1] */

		assert(was & VM_INDEX_LOCKED);
		if (os_unlikely(was & VM_INDEX_WAITERS)) {
			slots_hand_over(slot, end, change);
			return;
		}
	}
}

/* Others wait for `slot`; the rest is still locked. */
static void
slots_hand_over(uintptr_t *slot, const uintptr_t *end, uintptr_t change)
{
	vm_index_hand_over(slot);
	slots_unlock(slot + 1, end, change);
}

/* Unlocks a slot whose value changes by the bits of `change`. */
OS_INLINE void
slot_unlock_change(uintptr_t *slot, uintptr_t change)
{
	slots_unlock(slot, slot + 1, change);
}

/*
 * A locked slot becomes a node whose slots say what it said. `tags`: VM_INDEX_LOCKED when they are to be
 * locked. Waiters wake up and find the node. False: no memory, the slot is as before.
 */
static bool
slot_expand(struct vm_index_node *parent, unsigned at, uintptr_t word, uintptr_t tags)
{
	struct vm_index_node *node = vm_index_node_alloc();

	if (node == NULL) {
		return false;
	}
	for (unsigned i = 0; i < VM_INDEX_SLOTS; i++) {
		node->slots[i] = slot_value(word) | tags;
	}
	node->used = slot_value(word) == 0 ? 0 : ~0ULL;
	node_note_used(parent, at);
	slot_unlock_change(&parent->slots[at], slot_value(word) ^ (uintptr_t)node ^ VM_INDEX_NODE);
	return true;
}

/* --- locking a range --- */

/* *done is the page up to which the range is locked; false when it stopped there for want of memory. */
static bool
range_lock(
    struct vm_index_node *node, uint64_t base, unsigned shift, uint64_t start, uint64_t end, uint64_t *done)
{
	for (unsigned i = (unsigned)((start - base) >> shift); *done < end; i++) {
		uint64_t slot_start = base + ((uint64_t)i << shift);
		uint64_t slot_end = slot_start + (1ULL << shift);
		uintptr_t word = slot_lock(&node->slots[i]);

		if (os_likely(!(word & VM_INDEX_NODE) && slot_start >= start && slot_end <= end)) {
			*done = slot_end;
			continue;
		}
		if (!(word & VM_INDEX_NODE)) {
			if (!slot_expand(node, i, word, 0)) {
				slot_unlock_change(&node->slots[i], 0);
				return false;
			}
			word = os_atomic_load(&node->slots[i], relaxed);
		}
		if (!range_lock(vm_index_node(word), slot_start, shift - VM_INDEX_SHIFT,
			os_max(start, slot_start), os_min(end, slot_end), done)) {
			return false;
		}
	}
	return true;
}

bool
vm_index_lock(struct vm_map_index *index, uint64_t start, uint64_t end)
{
	struct root roots[2];
	uint64_t done = start;
	unsigned n;

	assert(start < end && end <= 1ULL << VM_INDEX_BITS);
	if (end > 1ULL << VM_INDEX_LOW_BITS && index_top(index) == NULL) {
		return false;
	}
	n = index_roots(index, start, end, roots);
	for (unsigned i = 0; i < n; i++) {
		if (!range_lock(roots[i].node, 0, roots[i].shift, roots[i].start, roots[i].end, &done)) {
			if (done > start) {
				vm_index_unlock(index, start, done);
			}
			return false;
		}
	}
	return true;
}

uintptr_t *
vm_index_lock_slot(struct vm_map_index *index, uint64_t page, struct vm_map_entry **entry)
{
	struct vm_index_node *node = &index->low;
	unsigned shift = VM_INDEX_LOW_SHIFT;

	if (page >> VM_INDEX_LOW_BITS != 0) {
		node = index_top(index);
		shift = VM_INDEX_TOP_SHIFT;
	}
	for (; node != NULL; shift -= VM_INDEX_SHIFT) {
		uintptr_t *slot = &node->slots[(page >> shift) % VM_INDEX_SLOTS];
		uintptr_t word = os_atomic_load_dependency(slot);

		word = (word & VM_INDEX_NODE) ? word : slot_lock(slot);
		if (!(word & VM_INDEX_NODE)) {
			*entry = vm_index_entry(word);
			return slot;
		}
		node = vm_index_node(word);
	}
	return NULL;
}

void
vm_index_unlock_slot(uintptr_t *slot)
{
	slot_unlock_change(slot, 0);
}

uintptr_t *
vm_index_slot(struct vm_map_index *index, uint64_t page, uint64_t *behind)
{
	bool low = page >> VM_INDEX_LOW_BITS == 0;
	struct vm_index_node *node = low ? &index->low : index->top;
	unsigned shift = low ? VM_INDEX_LOW_SHIFT : VM_INDEX_TOP_SHIFT;

	for (;; shift -= VM_INDEX_SHIFT) {
		uintptr_t *slot = &node->slots[(page >> shift) % VM_INDEX_SLOTS];
		uintptr_t word = os_atomic_load_dependency(slot);

		if (!(word & VM_INDEX_NODE)) {
			assert(word & VM_INDEX_LOCKED);
			*behind = ((page >> shift) + 1) << shift;
			return slot;
		}
		node = vm_index_node(word);
	}
}

/* --- walking a locked range --- */

static void
slot_apply(struct vm_index_node *node, unsigned i, uintptr_t word, const struct walk *walk)
{
	assert(word & VM_INDEX_LOCKED);
	switch (walk->op) {
	case WALK_SET:
		node_note_used(node, i);
		/* Still locked, and a waiter may add its bit at any moment. */
		os_atomic_xor(&node->slots[i], slot_value(word) ^ walk->value, release);
		break;
	case WALK_UNLOCK:
		slot_unlock_change(&node->slots[i], 0);
		break;
	case WALK_SET_UNLOCK:
		node_note_used(node, i);
		slot_unlock_change(&node->slots[i], slot_value(word) ^ walk->value);
		break;
	}
}

/* The part of walk's range behind the node; every slot met is a node, or locked and wholly inside. */
static void
range_walk(struct vm_index_node *node, uint64_t base, unsigned shift, const struct walk *walk)
{
	unsigned i = (unsigned)((os_max(walk->start, base) - base) >> shift);
	uint64_t last = (walk->end - 1 - base) >> shift;

	for (last = os_min(last, (uint64_t)VM_INDEX_SLOTS - 1); i <= last; i++) {
		uintptr_t word = os_atomic_load(&node->slots[i], acquire);

		if (word & VM_INDEX_NODE) {
			range_walk(
			    vm_index_node(word), base + ((uint64_t)i << shift), shift - VM_INDEX_SHIFT, walk);
		} else {
			slot_apply(node, i, word, walk);
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

		range_walk(roots[i].node, 0, roots[i].shift, &part);
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
	struct vm_index_node *node = &index->low;
	unsigned shift = VM_INDEX_LOW_SHIFT;

	if (page >> VM_INDEX_LOW_BITS != 0) {
		node = index->top;
		shift = VM_INDEX_TOP_SHIFT;
	}
	for (; page & ((1ULL << shift) - 1); shift -= VM_INDEX_SHIFT) {
		unsigned i = (page >> shift) % VM_INDEX_SLOTS;
		uintptr_t word = os_atomic_load(&node->slots[i], acquire);

		if (!(word & VM_INDEX_NODE)) {
			assert(word & VM_INDEX_LOCKED);
			if (!slot_expand(node, i, word, VM_INDEX_LOCKED)) {
				return false;
			}
			word = os_atomic_load(&node->slots[i], relaxed);
		}
		node = vm_index_node(word);
	}
	return true;
}

/* --- filling a private index --- */

/* Slots [first, last) hold nothing and become `value`. */
static void
slots_fill(struct vm_index_node *node, unsigned first, unsigned last, uintptr_t value)
{
	node->used |= (~0ULL << first) & (~0ULL >> (64 - last));
	for (unsigned i = first; i < last; i++) {
		node->slots[i] = value;
	}
}

static bool range_insert(
    struct vm_index_node *node, uint64_t base, unsigned shift, uint64_t start, uint64_t end, uintptr_t value);

/* The part of the range behind slot i, which is a node or becomes one. */
static bool
slot_insert(struct vm_index_node *node, unsigned i, uint64_t slot_start, unsigned shift, uint64_t start,
    uint64_t end, uintptr_t value)
{
	if (node->slots[i] == 0) {
		struct vm_index_node *child = vm_index_node_alloc();

		if (child == NULL) {
			return false;
		}
		__builtin_memset(child, 0, sizeof(*child));
		node->slots[i] = (uintptr_t)child | VM_INDEX_NODE;
		node->used |= 1ULL << i;
	}
	assert(node->slots[i] & VM_INDEX_NODE);
	return range_insert(vm_index_node(node->slots[i]), slot_start, shift - VM_INDEX_SHIFT,
	    os_max(start, slot_start), os_min(end, slot_start + (1ULL << shift)), value);
}

static bool
range_insert(
    struct vm_index_node *node, uint64_t base, unsigned shift, uint64_t start, uint64_t end, uintptr_t value)
{
	uint64_t mask = (1ULL << shift) - 1;
	unsigned first = (unsigned)((start - base + mask) >> shift), last = (unsigned)((end - base) >> shift);

	if (first > last) { /* inside one slot */
		return slot_insert(node, last, base + ((uint64_t)last << shift), shift, start, end, value);
	}
	if ((start & mask) != 0 && !slot_insert(node, first - 1, base + ((uint64_t)(first - 1) << shift),
				       shift, start, end, value)) {
		return false;
	}
	for (unsigned i = first; i < last; i++) {
		if ((node->used >> i) == 0) {
			slots_fill(node, i, last, value);
			break;
		}
		if (node->slots[i] == 0) {
			slots_fill(node, i, i + 1, value);
		} else if (!slot_insert(node, i, base + ((uint64_t)i << shift), shift, start, end, value)) {
			return false;
		}
	}
	return (end & mask) == 0 ||
	       slot_insert(node, last, base + ((uint64_t)last << shift), shift, start, end, value);
}

bool
vm_index_insert(struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry)
{
	struct root roots[2];
	unsigned n;

	if (end > 1ULL << VM_INDEX_LOW_BITS && index_top(index) == NULL) {
		return false;
	}
	n = index_roots(index, start, end, roots);
	for (unsigned i = 0; i < n; i++) {
		if (!range_insert(
			roots[i].node, 0, roots[i].shift, roots[i].start, roots[i].end, (uintptr_t)entry)) {
			return false;
		}
	}
	return true;
}

/* --- runs --- */

bool
vm_index_lock_run(const struct vm_index_run *run, struct vm_map_entry *entry)
{
	uintptr_t *first = vm_index_run_slot(run, 0), *end = first + run->count;
	const uintptr_t word = (uintptr_t)entry;

	for (uintptr_t *slot = first; slot < end; slot++) {
		if (os_unlikely(!os_atomic_cmpxchg(slot, word, word | VM_INDEX_LOCKED, acquire))) { /* [S2] */
			slots_unlock(first, slot, 0);
			return false;
		}
	}
	return true;
}

void
vm_index_unlock_run(const struct vm_index_run *run, struct vm_map_entry *old, struct vm_map_entry *entry)
{
	uintptr_t *first = vm_index_run_slot(run, 0);

	slots_note_used(run->node, (~0ULL >> (VM_INDEX_SLOTS - run->count)) << run->first);
	slots_unlock(first, first + run->count, (uintptr_t)old ^ (uintptr_t)entry);
}

/* --- iteration --- */

static struct vm_map_entry *
range_next(const struct vm_index_node *node, uint64_t base, unsigned shift, uint64_t start, uint64_t end,
    uint64_t *page)
{
	unsigned first = (unsigned)((start - base) >> shift), last = (unsigned)((end - 1 - base) >> shift);
	uint64_t used = os_atomic_load(&node->used, relaxed) & (~0ULL << first) & (~0ULL >> (63 - last));

	for (; used != 0; used &= used - 1) {
		unsigned i = (unsigned)__builtin_ctzll(used);
		uint64_t slot_start = base + ((uint64_t)i << shift), from = os_max(start, slot_start);
		uintptr_t word = os_atomic_load_dependency(&node->slots[i]);
		struct vm_map_entry *entry = vm_index_entry(word);

		if (word & VM_INDEX_NODE) {
			entry = range_next(vm_index_node(word), slot_start, shift - VM_INDEX_SHIFT, from,
			    os_min(end, slot_start + (1ULL << shift)), page);
		} else {
			*page = from;
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
	unsigned n = index_roots(index, start, end, roots);
	struct vm_map_entry *entry = NULL;

	for (unsigned i = 0; i < n && entry == NULL; i++) {
		entry = range_next(roots[i].node, 0, roots[i].shift, roots[i].start, roots[i].end, page);
	}
	return entry;
}

struct foreach {
	uint64_t from, end; /* pages still to be looked at; from == VM_INDEX_STOP: no more */
	bool lock;
	vm_index_fn fn;
	void *context;
};

/*
 * A slot that held an entry a moment ago. With its lock the entry cannot go; what is not the first slot of
 * an entry was put there while we walked, and is passed over. Returns the node if it has become one.
 */
static struct vm_index_node *
slot_visit(struct foreach *walk, uintptr_t *slot, uint64_t page, uint64_t next)
{
	uintptr_t word = walk->lock ? slot_lock(slot) : *slot;

	if (word & VM_INDEX_NODE) {
		return vm_index_node(word);
	}
	walk->from =
	    vm_index_entry(word) == NULL ? next : walk->fn(vm_index_entry(word), page, walk->context);
	if (walk->lock) {
		slot_unlock_change(slot, 0);
	}
	return NULL;
}

/* Nodes stay while the index does, so none of this needs to be inside an SMR section. */
static void
node_foreach(struct vm_index_node *node, uint64_t base, unsigned shift, struct foreach *walk)
{
	while (walk->from < walk->end) {
		uint64_t first = (os_max(walk->from, base) - base) >> shift;
		uint64_t used =
		    first >= VM_INDEX_SLOTS ? 0 : os_atomic_load(&node->used, relaxed) & (~0ULL << first);
		struct vm_index_node *child;
		uint64_t page, next;
		uintptr_t word;
		unsigned i;

		if (used == 0) {
			return;
		}
		i = (unsigned)__builtin_ctzll(used);
		page = os_max(walk->from, base + ((uint64_t)i << shift));
		next = base + ((uint64_t)(i + 1) << shift);
		word = os_atomic_load_dependency(&node->slots[i]);
		child = vm_index_node(word);
		if (!(word & VM_INDEX_NODE)) {
			walk->from = next;
			child = vm_index_entry(word) == NULL || page >= walk->end
				    ? NULL
				    : slot_visit(walk, &node->slots[i], page, next);
		}
		if (child != NULL) {
			walk->from = page;
			node_foreach(child, base + ((uint64_t)i << shift), shift - VM_INDEX_SHIFT, walk);
			walk->from = os_max(walk->from, next);
		}
	}
}

void
vm_index_foreach(
    struct vm_map_index *index, uint64_t start, uint64_t end, bool lock, vm_index_fn fn, void *context)
{
	struct root roots[2];
	unsigned n = index_roots(index, start, end, roots);
	struct foreach walk = { .from = start, .lock = lock, .fn = fn, .context = context };

	for (unsigned i = 0; i < n; i++) {
		walk.from = os_max(walk.from, roots[i].start);
		walk.end = roots[i].end;
		node_foreach(roots[i].node, 0, roots[i].shift, &walk);
	}
}

/* --- destruction --- */

static void
node_destroy_children(struct vm_index_node *node)
{
	for (uint64_t used = node->used; used != 0; used &= used - 1) {
		uintptr_t word = node->slots[__builtin_ctzll(used)];

		if (word & VM_INDEX_NODE) {
			node_destroy_children(vm_index_node(word));
			vm_index_node_free(vm_index_node(word));
		}
	}
}

void
vm_index_destroy(struct vm_map_index *index)
{
	node_destroy_children(&index->low);
	if (index->top != NULL) {
		node_destroy_children(index->top);
		vm_index_node_free(index->top);
	}
}
