/*
 * The policies: see replay.h.
 */
#include "replay.h"

#include <os/panic.h>
#include <stdlib.h>
#include <string.h>
#include <vm/vm_age.h>

/* What page-out frees at once, one in so many pages: from the low mark to the target of vm_page.c. */
#define BATCH_SHARE 64

#define NEVER UINT32_MAX

const char *const replay_names[REPLAY_POLICIES] = {
	[REPLAY_VM] = "Pluot",
	[REPLAY_PLAIN] = "without ages",
	[REPLAY_NO_RETURN] = "without returns",
	[REPLAY_LRU] = "LRU",
	[REPLAY_FIFO] = "FIFO",
	[REPLAY_SECOND_CHANCE] = "second chance",
	[REPLAY_OPT] = "the best there is",
};

struct page {
	bool resident, used, seen; /* seen: has been there before */
	enum vm_age age;
	uint32_t left;           /* how many pages had left before it did */
	uint32_t next, previous; /* LRU: towards older ones, towards younger ones */
	uint32_t use;            /* OPT: the next reference to it */
};

struct memory {
	const struct trace *trace;
	enum replay_policy policy;
	uint32_t size; /* pages */
	struct page *pages;
	uint32_t resident;
	struct replay_outcome out;
	struct vm_age_hand hand;
	uint32_t at;     /* where the hand is, in pages or in the queue */
	uint32_t left;   /* pages that have left */
	uint32_t *queue; /* FIFO, second chance */
	uint32_t newest; /* LRU: NEVER if none */
	uint32_t oldest;
	uint32_t *uses;   /* OPT: by reference, the next one to the same page */
	struct use *heap; /* OPT: the latest first; entries of pages that were used since are void */
	uint32_t in_heap;
};

static void *
allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL) {
		panic("no memory for %zu elements", count);
	}
	return memory;
}

static void
leave(struct memory *m, uint32_t page)
{
	m->pages[page].resident = false;
	m->pages[page].left = m->left++;
	m->resident--;
}

/* --- the kernel's hand --- */

static bool
hand_look(struct memory *m, struct page *page)
{
	bool goes = vm_age_look(&m->hand, &page->age, page->used);

	m->out.looks++;
	page->used = false;
	if (m->policy == REPLAY_PLAIN && !goes) {
		page->age = VM_AGE_SEEN;
	}
	return goes;
}

static void
hand_make_room(struct memory *m)
{
	uint32_t room = m->size - m->size / BATCH_SHARE - 1;

	while (m->resident > room) {
		if (m->pages[m->at].resident && hand_look(m, &m->pages[m->at])) {
			leave(m, m->at);
		}
		if (++m->at == m->trace->pages) {
			m->at = 0;
			vm_age_lap(&m->hand);
		}
	}
}

static void
hand_brought(struct memory *m, struct page *page)
{
	bool returned = page->seen && m->left - page->left < vm_age_memory(&m->hand);

	page->age = returned && m->policy == REPLAY_VM ? VM_AGE_RETURNED : VM_AGE_NEW;
}

/* --- FIFO, second chance: a ring of pages in the order in which they came --- */

static void
queue_make_room(struct memory *m)
{
	while (m->policy == REPLAY_SECOND_CHANCE && m->pages[m->queue[m->at]].used) {
		m->pages[m->queue[m->at]].used = false;
		m->at = (m->at + 1) % m->size;
	}
	leave(m, m->queue[m->at]);
}

static void
queue_brought(struct memory *m, uint32_t page)
{
	if (m->resident < m->size && m->left == 0) {
		m->queue[m->resident] = page;
	} else {
		m->queue[m->at] = page;
		m->at = (m->at + 1) % m->size;
	}
}

/* --- LRU --- */

static void
lru_remove(struct memory *m, uint32_t page)
{
	struct page *p = &m->pages[page];

	*(p->previous == NEVER ? &m->newest : &m->pages[p->previous].next) = p->next;
	*(p->next == NEVER ? &m->oldest : &m->pages[p->next].previous) = p->previous;
}

static void
lru_insert(struct memory *m, uint32_t page)
{
	struct page *p = &m->pages[page];

	p->next = m->newest;
	p->previous = NEVER;
	*(m->newest == NEVER ? &m->oldest : &m->pages[m->newest].previous) = page;
	m->newest = page;
}

static void
lru_make_room(struct memory *m)
{
	uint32_t page = m->oldest;

	lru_remove(m, page);
	leave(m, page);
}

/* --- the best: what is used latest leaves --- */

struct use {
	uint32_t when, page;
};

static void
heap_push(struct memory *m, struct use use)
{
	uint32_t i = m->in_heap++;

	for (; i != 0 && m->heap[(i - 1) / 2].when < use.when; i = (i - 1) / 2) {
		m->heap[i] = m->heap[(i - 1) / 2];
	}
	m->heap[i] = use;
}

static struct use
heap_pop(struct memory *m)
{
	struct use top = m->heap[0], last = m->heap[--m->in_heap];
	uint32_t i = 0;

	for (uint32_t child = 1; child < m->in_heap; child = 2 * i + 1) {
		child += child + 1 < m->in_heap && m->heap[child + 1].when > m->heap[child].when;
		if (m->heap[child].when <= last.when) {
			break;
		}
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return top;
}

static void
opt_make_room(struct memory *m)
{
	struct use use;

	do {
		use = heap_pop(m);
	} while (!m->pages[use.page].resident || m->pages[use.page].use != use.when);
	leave(m, use.page);
}

static void
opt_look_ahead(struct memory *m)
{
	m->uses = allocate(m->trace->count, sizeof(*m->uses));
	m->heap = allocate(m->trace->count, sizeof(*m->heap));
	for (uint32_t page = 0; page < m->trace->pages; page++) {
		m->pages[page].use = NEVER;
	}
	for (uint32_t i = m->trace->count; i-- != 0;) {
		m->uses[i] = m->pages[m->trace->refs[i]].use;
		m->pages[m->trace->refs[i]].use = i;
	}
}

/* --- all --- */

static void
make_room(struct memory *m)
{
	switch (m->policy) {
	case REPLAY_FIFO:
	case REPLAY_SECOND_CHANCE:
		queue_make_room(m);
		break;
	case REPLAY_LRU:
		lru_make_room(m);
		break;
	case REPLAY_OPT:
		opt_make_room(m);
		break;
	default:
		hand_make_room(m);
		break;
	}
}

static void
bring(struct memory *m, uint32_t page)
{
	struct page *p = &m->pages[page];

	if (m->resident == m->size) {
		make_room(m);
	}
	hand_brought(m, p);
	if (m->queue != NULL) {
		queue_brought(m, page);
	}
	m->out.returns += p->seen;
	p->resident = p->seen = true;
	m->resident++;
}

static void
reference(struct memory *m, uint32_t i)
{
	uint32_t page = m->trace->refs[i];
	bool there = m->pages[page].resident;

	if (!there) {
		bring(m, page);
	}
	m->pages[page].used = true;
	if (m->policy == REPLAY_LRU) {
		if (there) {
			lru_remove(m, page);
		}
		lru_insert(m, page);
	} else if (m->policy == REPLAY_OPT) {
		m->pages[page].use = m->uses[i];
		heap_push(m, (struct use){ m->uses[i], page });
	}
}

struct replay_outcome
replay(const struct trace *trace, enum replay_policy policy, uint32_t memory)
{
	struct memory m = {
		.trace = trace, .policy = policy, .size = memory, .newest = NEVER, .oldest = NEVER
	};

	m.pages = allocate(trace->pages, sizeof(*m.pages));
	if (policy == REPLAY_FIFO || policy == REPLAY_SECOND_CHANCE) {
		m.queue = allocate(memory, sizeof(*m.queue));
	} else if (policy == REPLAY_OPT) {
		opt_look_ahead(&m);
	}
	for (uint32_t i = 0; i < trace->count; i++) {
		reference(&m, i);
	}
	free(m.pages);
	free(m.queue);
	free(m.uses);
	free(m.heap);
	return m.out;
}
