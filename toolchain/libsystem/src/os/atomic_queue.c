/*
 * OSAtomicEnqueue and OSAtomicDequeue, without a lock: a stack whose head is {first element, number of changes},
 * replaced as one 16-byte word. The number tells a head that came back from one that stayed. A reader may load the link
 * of an element that another thread has taken meanwhile: what it loads is thrown away then, but the memory must still
 * be mapped, which is the interface's rule.
 *
 * OSAtomicFifoEnqueue and OSAtomicFifoDequeue: {first, last} under a spin lock, opaque3.
 */
#include <libkern/OSAtomic.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 head_t;

static inline head_t
make_head(void *first, uint64_t changes)
{
	return (head_t)changes << 64 | (uintptr_t)first;
}

/* Two loads: a mixture fails the exchange. */
static inline head_t
load_head(OSQueueHead *list)
{
	uint64_t changes = (uint64_t)__atomic_load_n(&list->opaque2, __ATOMIC_ACQUIRE);

	return make_head(__atomic_load_n(&list->opaque1, __ATOMIC_ACQUIRE), changes);
}

static inline void **
link_of(void *element, size_t offset)
{
	return (void **)(void *)((char *)element + offset);
}

static inline _Bool
replace(OSQueueHead *list, head_t *old, void *first)
{
	/* release: pairs with the acquire loads above, so that whoever finds an element finds it filled in */
	return __atomic_compare_exchange_n((volatile head_t *)list, old,
	    make_head(first, (uint64_t)(*old >> 64) + 1), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void
OSAtomicEnqueue(OSQueueHead *list, void *element, size_t offset)
{
	head_t old = load_head(list);

	do {
		*link_of(element, offset) = (void *)(uintptr_t)old;
	} while (!replace(list, &old, element));
}

void *
OSAtomicDequeue(OSQueueHead *list, size_t offset)
{
	head_t old = load_head(list);
	void *element;

	do {
		element = (void *)(uintptr_t)old;
		if (element == NULL) {
			return NULL;
		}
	} while (!replace(list, &old, __atomic_load_n(link_of(element, offset), __ATOMIC_RELAXED)));
	return element;
}

/* --- first in, first out --- */

void
OSAtomicFifoEnqueue(OSFifoQueueHead *list, void *element, size_t offset)
{
	*link_of(element, offset) = NULL;
	OSSpinLockLock(&list->opaque3);
	if (list->opaque1 == NULL) {
		list->opaque1 = element;
	} else {
		*link_of(list->opaque2, offset) = element;
	}
	list->opaque2 = element;
	OSSpinLockUnlock(&list->opaque3);
}

void *
OSAtomicFifoDequeue(OSFifoQueueHead *list, size_t offset)
{
	void *element;

	OSSpinLockLock(&list->opaque3);
	element = list->opaque1;
	if (element != NULL) {
		list->opaque1 = *link_of(element, offset);
	}
	OSSpinLockUnlock(&list->opaque3);
	return element;
}
