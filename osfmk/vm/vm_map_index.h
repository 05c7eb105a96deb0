/*
 * The index of an address map: which entry covers a page.
 *
 * A radix tree over page numbers (33 bits), 64 slots a node, 4 levels for the first 256 GiB (the node
 * `low`, in the map itself) and 6 for the rest. A slot on level L stands for 64^L pages and holds nothing,
 * an entry that covers all of them, or a node with the level below. So a large aligned entry costs few
 * slots, a look-up reads one word a level, and the slots of two pages 128 KiB apart are never in one cache
 * line. Nodes are added under entries as they are cut up and stay until the index is destroyed.
 *
 * A slot word carries its own lock: bit 0, a sleeping lock (waiters set bit 1). Locking a range locks the
 * slots that cover exactly it, in ascending order, splitting at its ends what reaches beyond; whoever holds
 * them may replace what the slots say. Look-ups ignore the locks and take none; the memory they may touch
 * is kept by SMR.
 *
 * The locks are fair: a slot goes from one holder to the next in the order in which they came to wait, and
 * while somebody waits nobody else gets it. So a thread that waits for a slot is passed by none, and behind
 * as many holders as waited before it. The price is that a contended slot is nobody's for as long as the next
 * holder takes to run; slots stand for 16 KiB and more, and threads that share one are few. An order by
 * arrival, not by priority: what is held while it waits for nothing but memory.
 *
 *	LOCKED	WAITERS
 *	0	0	open: a compare-exchange takes it
 *	1	0	locked
 *	1	1	locked, and threads sleep
 *	0	1	let go, and about to be handed over; shut for everybody
 *
 * [S1] Letting go is one exclusive-or, with release, of LOCKED and of what the slot's value changes by. It
 * leaves WAITERS as it is, whose old value it returns: not set, and the slot is open; set, and it is still
 * shut, and who let go hands it over. [S2] Taking it acquires, by the compare-exchange or, in a thread that was
 * handed it, by the load after its sleep: what comes between is read-modify-writes, which carry [S1] on.
 * [S3] A sleeper sets WAITERS with a compare-exchange on a shut word, and queues itself, in one section of an
 * interlock. Letting go and marking change the same word, so one is first: the mark, and [S1] finds it; or
 * [S1], and the mark's compare-exchange fails and finds the slot open. [S4] Handing over takes the oldest
 * sleeper from the queue, sets LOCKED for it, and clears WAITERS if it was the last, in one section of the
 * interlock. So outside of it WAITERS says exactly whether somebody is queued.
 *
 * A slot that became a node has no lock any more: all its sleepers are woken and look for their slot behind it.
 * There each begins anew, at most as often as the tree is deep, since nodes stay. Modelled in
 * tests/models/map_slot.pml, stressed in vm_map_index_test.c.
 *
 * The file is pure: allocation, sleeping and waking are the four functions at the end, which vm_map.c has
 * for the kernel and the unit test for the host.
 */
#pragma once

#include <os/atomic.h>
#include <os/base.h>

#define VM_INDEX_SHIFT     6
#define VM_INDEX_SLOTS     (1U << VM_INDEX_SHIFT)
#define VM_INDEX_LOW_SHIFT 18 /* log2 pages behind a slot of `low` (level 3) */
#define VM_INDEX_LOW_BITS  24 /* pages below 2^24 are found through `low` */
#define VM_INDEX_TOP_SHIFT 30 /* level 5 */
#define VM_INDEX_BITS      33
#define VM_INDEX_TOP_SLOTS (1U << (VM_INDEX_BITS - VM_INDEX_TOP_SHIFT))

#define VM_INDEX_LOCKED  1UL
#define VM_INDEX_WAITERS 2UL
#define VM_INDEX_NODE    4UL
#define VM_INDEX_TAGS    7UL
#define VM_INDEX_SHUT    (VM_INDEX_LOCKED | VM_INDEX_WAITERS)

struct vm_map_entry; /* aligned to more than VM_INDEX_TAGS */

/*
 * `used` has a bit for each slot that ever held something, set before the slot does and never cleared, so
 * that walks need not read empty slots. It is written once for each slot in the life of a node.
 */
struct vm_index_node {
	uintptr_t slots[VM_INDEX_SLOTS];
	uint64_t used OS_CACHE_ALIGNED; /* atomic */
};

struct vm_map_index {
	struct vm_index_node low;
	struct vm_index_node *top; /* level 5, 8 slots in use; atomic; NULL while nothing is above `low` */
};

OS_INLINE struct vm_map_entry *
vm_index_entry(uintptr_t word)
{
	return (struct vm_map_entry *)(word & ~VM_INDEX_TAGS);
}

OS_INLINE struct vm_index_node *
vm_index_node(uintptr_t word)
{
	return (struct vm_index_node *)(word & ~VM_INDEX_TAGS);
}

/*
 * The entry that covers a page, or NULL. Inside an SMR section (or with the page's slot locked). The loads
 * are ordered by their addresses: each pairs with the release store that published the node or entry.
 */
OS_INLINE struct vm_map_entry *
vm_index_lookup(const struct vm_map_index *index, uint64_t page)
{
	const uintptr_t *slots = index->low.slots;
	unsigned shift = VM_INDEX_LOW_SHIFT;
	uintptr_t word;

	if (os_unlikely(page >> VM_INDEX_LOW_BITS != 0)) {
		struct vm_index_node *top = os_atomic_load_dependency(&index->top);

		if (page >> VM_INDEX_BITS != 0 || top == NULL) {
			return NULL;
		}
		slots = top->slots;
		shift = VM_INDEX_TOP_SHIFT;
	}
	for (;; shift -= VM_INDEX_SHIFT) {
		word = os_atomic_load_dependency(&slots[(page >> shift) % VM_INDEX_SLOTS]);
		if (!(word & VM_INDEX_NODE)) {
			return vm_index_entry(word);
		}
		slots = vm_index_node(word)->slots;
	}
}

/*
 * Lowest entry that covers a page in [start, end), and in *page the lowest such page; NULL when there is
 * none. Same rules as the look-up; without locks the answer may be old when it arrives.
 */
struct vm_map_entry *vm_index_next(
    const struct vm_map_index *index, uint64_t start, uint64_t end, uint64_t *page);

/* Locks the range. May sleep. False when a node could not be had: then nothing is locked. */
OS_WARN_RESULT bool vm_index_lock(struct vm_map_index *index, uint64_t start, uint64_t end);

/* Makes `page` a boundary between slots of a range the caller has locked; both sides stay locked. */
OS_WARN_RESULT bool vm_index_split(struct vm_map_index *index, uint64_t page);

/* Makes every slot of a locked range hold `entry` (or NULL); the range stays locked. */
void vm_index_set(struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry);

void vm_index_unlock(struct vm_map_index *index, uint64_t start, uint64_t end);

/* vm_index_set and vm_index_unlock in one pass. */
void vm_index_set_unlock(
    struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry);

/*
 * Runs: the quick way for a range that neighbouring slots of one node cover exactly, which most small
 * ranges are. A run is found without a lock and stays right, because nodes are never taken away; but a slot
 * of it may turn into a node, so only a locked run says anything.
 */
struct vm_index_run {
	struct vm_index_node *node;
	unsigned first; /* slot */
	unsigned count;
};

/* False: the range is not a run; use the functions above. */
OS_INLINE bool
vm_index_find_run(struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_index_run *run)
{
	struct vm_index_node *node = &index->low;
	unsigned shift = VM_INDEX_LOW_SHIFT;

	if (os_unlikely(end > 1ULL << VM_INDEX_LOW_BITS)) {
		return false;
	}
	for (;; shift -= VM_INDEX_SHIFT) {
		uintptr_t word;

		run->node = node;
		run->first = (start >> shift) % VM_INDEX_SLOTS;
		if (((start ^ (end - 1)) >> shift) != 0) {
			run->count = (unsigned)((end - start) >> shift);
			return ((start | end) & ((1ULL << shift) - 1)) == 0;
		}
		word = os_atomic_load_dependency(&node->slots[run->first]);
		if (!(word & VM_INDEX_NODE)) {
			run->count = 1;
			return end - start == 1ULL << shift;
		}
		node = vm_index_node(word);
	}
}

OS_INLINE uintptr_t *
vm_index_run_slot(const struct vm_index_run *run, unsigned i)
{
	return &run->node->slots[run->first + i];
}

/*
 * Locks a run whose slots all hold `entry` (NULL: nothing) and are not locked. False, with nothing locked,
 * if one of them is anything else.
 */
OS_WARN_RESULT bool vm_index_lock_run(const struct vm_index_run *run, struct vm_map_entry *entry);

/* The slots of a locked run, which hold `old`, hold `entry`, unlocked. */
void vm_index_unlock_run(
    const struct vm_index_run *run, struct vm_map_entry *old, struct vm_map_entry *entry);

/*
 * Locks the slot that stands for `page`, on whatever level, and returns it; *entry is what it holds. NULL:
 * no node could be had. May sleep.
 */
uintptr_t *vm_index_lock_slot(struct vm_map_index *index, uint64_t page, struct vm_map_entry **entry);
void vm_index_unlock_slot(uintptr_t *slot);

/* The slot that stands for a page the caller has locked, and in *behind the first page that it does not stand for. */
uintptr_t *vm_index_slot(struct vm_map_index *index, uint64_t page, uint64_t *behind);

/*
 * Calls fn for each entry in [start, end), lowest first, with the entry's first slot locked (or not, in an
 * index that nobody else uses); fn says where to go on, at least one page behind. An entry that changes
 * place meanwhile may be left out. May sleep. Stops when fn returns VM_INDEX_STOP.
 */
#define VM_INDEX_STOP UINT64_MAX
typedef uint64_t (*vm_index_fn)(struct vm_map_entry *entry, uint64_t page, void *context);
void vm_index_foreach(
    struct vm_map_index *index, uint64_t start, uint64_t end, bool lock, vm_index_fn fn, void *context);

/*
 * Puts an entry into a free range of an index that nobody else uses yet. False: no memory, and the range is
 * undefined.
 */
OS_WARN_RESULT bool vm_index_insert(
    struct vm_map_index *index, uint64_t start, uint64_t end, struct vm_map_entry *entry);

/* Frees all nodes. Nobody else looks. */
void vm_index_destroy(struct vm_map_index *index);

/* --- what the file needs --- */
struct vm_index_node *vm_index_node_alloc(void); /* contents undefined; NULL when exhausted */
void vm_index_node_free(struct vm_index_node *node);
/*
 * The waiters of a slot are queued under an interlock. To sleep: lock it, ask vm_index_must_wait, queue, unlock
 * and wait; true once the slot was handed over or became a node, false if it was not shut. To hand over: lock
 * it, take the oldest waiter off the queue, and go on while vm_index_handed says so.
 */
bool vm_index_sleep(uintptr_t *slot);
void vm_index_hand_over(uintptr_t *slot);

/* With the interlock: [S3], whether the slot is shut. If so the caller queues itself. */
OS_INLINE OS_WARN_RESULT bool
vm_index_must_wait(uintptr_t *slot)
{
	uintptr_t word = os_atomic_load(slot, relaxed);

	while (word & VM_INDEX_SHUT) {
		if ((word & VM_INDEX_WAITERS) ||
		    os_atomic_cmpxchgv(slot, word, word | VM_INDEX_WAITERS, &word, relaxed)) {
			return true;
		}
	}
	return false;
}

/*
 * With the interlock: [S4], a waiter was taken off the queue, and `more` are on it. True: the next one is to be
 * woken as well.
 */
OS_INLINE OS_WARN_RESULT bool
vm_index_handed(uintptr_t *slot, bool more)
{
	bool node = (os_atomic_load(slot, relaxed) & VM_INDEX_NODE) != 0;

	os_atomic_xor(slot, (node ? 0 : VM_INDEX_LOCKED) | (more ? 0 : VM_INDEX_WAITERS), relaxed);
	return node && more;
}
