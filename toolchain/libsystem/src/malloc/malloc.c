/*
 * The heap.
 *
 * Sizes up to SMALL_MAX are rounded to one of CLASSES sizes. A span is SPAN_BYTES of memory at a multiple of its size
 * and holds blocks of one class behind its header, so a block's header is found by masking its address. Each thread
 * keeps a few free blocks of each class: malloc and free touch nothing else until that store is empty or too full,
 * then a batch moves from or to the spans under heap_lock. Larger sizes are memory of their own from the kernel, with
 * a header of the same form.
 *
 * heap_lock guards spans, their lists and the regions they come from. It is held across calls of the kernel that map
 * memory. fork takes it, so that the child finds the lists whole.
 */
#include <errno.h>
#include <mach/mach.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../pthread/internal.h"
#include "../pthread/lock.h"
#include "internal.h"

#define SPAN_BYTES   65536u
#define REGION_BYTES (16 * SPAN_BYTES) /* asked of the kernel at once */
#define SMALL_MAX    16384u
#define CLASSES      36u
#define BATCH_BYTES \
	8192u /* what moves at once between a thread and the spans, in blocks of at most BATCH_MAX */
#define BATCH_MAX 32u

#define SPAN_SMALL 0x5350414eu /* "SPAN" */
#define SPAN_LARGE 0x4c524745u /* "LRGE" */

struct block {
	struct block *next;
};

/* At the start of a span, or of a large allocation. */
struct span {
	uint32_t kind;       /* SPAN_SMALL or SPAN_LARGE */
	uint32_t class;      /* small: index */
	uint32_t block_size; /* small: bytes */
	uint32_t used;       /* small: blocks out of the span, in threads' stores or programs' hands */
	struct block *free;  /* small */
	struct span *next;   /* small: on partial[class] or free_spans */
	struct span *prev;
	uint64_t map_base;  /* large: the mapping */
	uint64_t map_bytes; /* large */
	uint64_t size;      /* large: usable bytes */
};

#define SPAN_HEADER 80u
_Static_assert(sizeof(struct span) <= SPAN_HEADER && SPAN_HEADER % 16 == 0, "blocks are 16-aligned");

struct store {
	struct block *head[CLASSES];
	uint16_t count[CLASSES];
};

static os_light_lock_t heap_lock;
static struct span *partial[CLASSES]; /* spans with a free block */
static struct span *free_spans;
static uint8_t *region_next, *region_end;

/* Classes: 16 to 128 by 16, then four steps to each doubling. */
static inline uint32_t
class_of(size_t size)
{
	uint32_t shift;

	if (size <= 128) {
		return size == 0 ? 0 : (uint32_t)((size - 1) / 16);
	}
	shift = 63 - (uint32_t)__builtin_clzl(size - 1); /* 7 for 129..256 */
	return 8 + (shift - 7) * 4 + (uint32_t)(((size - 1) >> (shift - 2)) & 3);
}

static inline uint32_t
class_size(uint32_t class)
{
	uint32_t step;

	if (class < 8) {
		return (class + 1) * 16;
	}
	step = (class - 8) / 4;
	return (128u << step) + (32u << step) * ((class - 8) % 4 + 1);
}

static inline uint32_t
batch_of(uint32_t block_size)
{
	uint32_t n = BATCH_BYTES / block_size;

	return n > BATCH_MAX ? BATCH_MAX : n == 0 ? 1 : n;
}

static inline struct span *
span_of(const void *p)
{
	return (struct span *)((uintptr_t)p & ~(uintptr_t)(SPAN_BYTES - 1));
}

/* Memory at a multiple of SPAN_BYTES; 0: none. */
static mach_vm_address_t
map_memory(size_t bytes, mach_vm_offset_t mask)
{
	mach_vm_address_t address = 0;
	kern_return_t kr = mach_vm_map(mach_task_self(), &address, bytes, mask,
	    VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_MALLOC), MACH_PORT_NULL, 0, FALSE, VM_PROT_DEFAULT,
	    VM_PROT_ALL, VM_INHERIT_DEFAULT);

	return kr == KERN_SUCCESS ? address : 0;
}

/* heap_lock held. */
static struct span *
take_span(void)
{
	struct span *span = free_spans;

	if (span != NULL) {
		free_spans = span->next;
		return span;
	}
	if (region_next == region_end) {
		region_next = (uint8_t *)map_memory(REGION_BYTES, SPAN_BYTES - 1);
		region_end = region_next == NULL ? NULL : region_next + REGION_BYTES;
	}
	if (region_next == NULL) {
		return NULL;
	}
	span = (struct span *)(void *)region_next;
	region_next += SPAN_BYTES;
	return span;
}

static void
link_partial(struct span *span)
{
	span->prev = NULL;
	span->next = partial[span->class];
	if (span->next != NULL) {
		span->next->prev = span;
	}
	partial[span->class] = span;
}

static void
unlink_partial(struct span *span)
{
	if (span->prev != NULL) {
		span->prev->next = span->next;
	} else {
		partial[span->class] = span->next;
	}
	if (span->next != NULL) {
		span->next->prev = span->prev;
	}
}

/* A new span of the class with all its blocks free; heap_lock held. */
static struct span *
new_span(uint32_t class)
{
	struct span *span = take_span();
	uint32_t size = class_size(class);

	if (span == NULL) {
		return NULL;
	}
	*span = (struct span){ .kind = SPAN_SMALL, .class = class, .block_size = size };
	for (uint32_t at = SPAN_HEADER; at + size <= SPAN_BYTES; at += size) {
		struct block *block = (struct block *)(void *)((uint8_t *)span + at);

		block->next = span->free;
		span->free = block;
	}
	link_partial(span);
	return span;
}

/* Moves up to a batch of the class into the store. False: no memory. */
static bool
refill(struct store *store, uint32_t class)
{
	uint32_t want = batch_of(class_size(class));

	os_light_lock(&heap_lock);
	while (want != 0) {
		struct span *span = partial[class] != NULL ? partial[class] : new_span(class);

		if (span == NULL) {
			break;
		}
		for (; want != 0 && span->free != NULL; want--) {
			struct block *block = span->free;

			span->free = block->next;
			span->used++;
			block->next = store->head[class];
			store->head[class] = block;
			store->count[class]++;
		}
		if (span->free == NULL) {
			unlink_partial(span);
		}
	}
	os_light_unlock(&heap_lock);
	return store->head[class] != NULL;
}

/* Gives `n` blocks of the class back to their spans. */
static void
drain(struct store *store, uint32_t class, uint32_t n)
{
	os_light_lock(&heap_lock);
	for (; n != 0; n--) {
		struct block *block = store->head[class];
		struct span *span = span_of(block);

		store->head[class] = block->next;
		store->count[class]--;
		if (span->free == NULL) {
			link_partial(span);
		}
		block->next = span->free;
		span->free = block;
		if (--span->used == 0) {
			unlink_partial(span);
			span->next = free_spans;
			free_spans = span;
		}
	}
	os_light_unlock(&heap_lock);
}

/* The thread's store lives in a block that it takes straight from a span. */
static struct store *__attribute__((noinline))
make_store(void)
{
	struct store first = { 0 };
	uint32_t class = class_of(sizeof(struct store));
	struct store *store;

	if (!refill(&first, class)) {
		return NULL;
	}
	store = (struct store *)(void *)first.head[class];
	first.head[class] = first.head[class]->next;
	first.count[class]--;
	*store = first;
	tsd_base()[TSD_MALLOC_CACHE] = store;
	return store;
}

void
_malloc_thread_fini(void)
{
	struct store *store = tsd_base()[TSD_MALLOC_CACHE];
	struct store last;
	uint32_t class = class_of(sizeof(struct store));

	if (store == NULL) {
		return;
	}
	tsd_base()[TSD_MALLOC_CACHE] = NULL;
	last = *store;
	((struct block *)(void *)store)->next = last.head[class];
	last.head[class] = (struct block *)(void *)store;
	last.count[class]++;
	for (uint32_t i = 0; i < CLASSES; i++) {
		drain(&last, i, last.count[i]);
	}
}

void
_malloc_fork_prepare(void)
{
	os_light_lock(&heap_lock);
}

void
_malloc_fork_done(void)
{
	os_light_unlock(&heap_lock);
}

/* Data starts `offset` bytes into the mapping, below SPAN_BYTES: the header is found like a span's. */
static void *
large_alloc(size_t size, size_t offset)
{
	size_t bytes;
	struct span *span;

	if (__builtin_add_overflow(size, offset + vm_page_mask, &bytes)) {
		return NULL;
	}
	bytes &= ~vm_page_mask;
	span = (struct span *)map_memory(bytes, SPAN_BYTES - 1);
	if (span == NULL) {
		return NULL;
	}
	span->kind = SPAN_LARGE;
	span->map_base = (uint64_t)span;
	span->map_bytes = bytes;
	span->size = bytes - offset;
	return (uint8_t *)span + offset;
}

/* An alignment of SPAN_BYTES or more: the header lies just below the data. */
static void *
huge_aligned_alloc(size_t align, size_t size)
{
	size_t bytes;
	mach_vm_address_t base;
	struct span *span;
	uint8_t *data;

	if (__builtin_add_overflow(size, align + vm_page_size + vm_page_mask, &bytes)) {
		return NULL;
	}
	bytes &= ~vm_page_mask;
	base = map_memory(bytes, SPAN_BYTES - 1);
	if (base == 0) {
		return NULL;
	}
	data = (uint8_t *)((base + vm_page_size + align - 1) & ~(mach_vm_address_t)(align - 1));
	span = (struct span *)(void *)(data - SPAN_HEADER);
	span->kind = SPAN_LARGE;
	span->map_base = base;
	span->map_bytes = bytes;
	span->size = bytes - (size_t)(data - (uint8_t *)base);
	return data;
}

static inline struct span *
header_of(void *p)
{
	return ((uintptr_t)p & (SPAN_BYTES - 1)) == 0 ? (struct span *)(void *)((uint8_t *)p - SPAN_HEADER)
						      : span_of(p);
}

static void *
no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *
malloc(size_t size)
{
	struct store *store;
	struct block *block;
	uint32_t class;

	if (__builtin_expect(size > SMALL_MAX, 0)) {
		void *p = large_alloc(size, SPAN_HEADER);
		return p != NULL ? p : no_memory();
	}
	store = tsd_base()[TSD_MALLOC_CACHE];
	if (__builtin_expect(store == NULL, 0) && (store = make_store()) == NULL) {
		return no_memory();
	}
	class = class_of(size);
	if (__builtin_expect(store->head[class] == NULL, 0) && !refill(store, class)) {
		return no_memory();
	}
	block = store->head[class];
	store->head[class] = block->next;
	store->count[class]--;
	return block;
}

void
free(void *p)
{
	struct span *span;
	struct store *store;
	uint32_t class;

	if (p == NULL) {
		return;
	}
	span = header_of(p);
	if (__builtin_expect(span->kind != SPAN_SMALL, 0)) {
		if (span->kind != SPAN_LARGE) {
			abort(); /* not a pointer that malloc returned */
		}
		(void)mach_vm_deallocate(mach_task_self(), span->map_base, span->map_bytes);
		return;
	}
	store = tsd_base()[TSD_MALLOC_CACHE];
	if (__builtin_expect(store == NULL, 0) && (store = make_store()) == NULL) {
		abort(); /* cannot be: a store needs a span only when none has a free block */
	}
	class = span->class;
	((struct block *)p)->next = store->head[class];
	store->head[class] = p;
	if (__builtin_expect(++store->count[class] > 2 * batch_of(span->block_size), 0)) {
		drain(store, class, batch_of(span->block_size));
	}
}

static size_t
usable_size(void *p)
{
	const struct span *span = header_of(p);

	return span->kind == SPAN_SMALL ? span->block_size : span->size;
}

void *
calloc(size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		return no_memory();
	}
	p = malloc(bytes);
	if (p != NULL && bytes <= SMALL_MAX) { /* a fresh mapping is zero */
		memset(p, 0, bytes);
	}
	return p;
}

void *
realloc(void *p, size_t size)
{
	size_t old;
	void *new;

	if (p == NULL) {
		return malloc(size);
	}
	old = usable_size(p);
	if (size <= old && size >= old / 2) {
		return p;
	}
	new = malloc(size);
	if (new != NULL) {
		memcpy(new, p, old < size ? old : size);
		free(p);
	}
	return new;
}

int
posix_memalign(void **out, size_t align, size_t size)
{
	void *p;

	if (align < sizeof(void *) || (align & (align - 1)) != 0) {
		return EINVAL;
	}
	if (align <= 16) {
		p = malloc(size);
	} else if (align < SPAN_BYTES) {
		p = large_alloc(size, align > SPAN_HEADER ? align : 2 * 64);
	} else {
		p = huge_aligned_alloc(align, size);
	}
	if (p == NULL) {
		return ENOMEM;
	}
	*out = p;
	return 0;
}

void *
aligned_alloc(size_t align, size_t size)
{
	void *p;
	int error = posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size);

	if (error != 0) {
		errno = error;
		return NULL;
	}
	return p;
}
