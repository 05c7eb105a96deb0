/* libkern's atomic operations and byte orders, and os/: counters, bits, a lock-free list, a spin lock, checked sums. */
#include <libkern/OSAtomic.h>
#include <libkern/OSByteOrder.h>
#include <mach/mach.h>
#include <os/base.h>
#include <os/lock.h>
#include <os/overflow.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define NODES   500

struct node {
	void *link;
	int value;
};

static OSQueueHead queue = OS_ATOMIC_QUEUE_INIT;
static OSFifoQueueHead fifo = OS_ATOMIC_FIFO_QUEUE_INIT;
static volatile int32_t count32;
static volatile int64_t count64 OS_ALIGNED(8);
static volatile uint32_t bits;
static OSSpinLock spin = OS_SPINLOCK_INIT;
static os_unfair_lock unfair = OS_UNFAIR_LOCK_INIT;
static long by_spin, by_unfair;

static void *
worker(void *arg)
{
	struct node *nodes = calloc(NODES, sizeof(*nodes));
	long number = (long)arg;

	for (int i = 0; i < NODES; i++) {
		nodes[i].value = 1;
		OSAtomicEnqueue(&queue, &nodes[i], offsetof(struct node, link));
		OSAtomicIncrement32Barrier(&count32);
		OSAtomicAdd64(3, &count64);
		OSSpinLockLock(&spin);
		by_spin++;
		OSSpinLockUnlock(&spin);
		os_unfair_lock_lock(&unfair);
		by_unfair++;
		os_unfair_lock_unlock(&unfair);
	}
	OSAtomicOr32Barrier(1u << number, &bits);
	(void)OSAtomicTestAndSet((uint32_t)number + 8, &bits); /* bit 7 - n%8 of byte n/8 */
	return NULL;
}

int
main(void)
{
	static struct node first = { .value = 1 }, second = { .value = 2 };
	pthread_t threads[THREADS];
	struct node *node;
	int popped = 0, sum;
	int32_t word = 5;
	void *pointer = &word;

	for (long i = 0; i < THREADS; i++) {
		pthread_create(&threads[i], NULL, worker, (void *)i);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	while ((node = OSAtomicDequeue(&queue, offsetof(struct node, link))) != NULL) {
		popped += node->value;
	}
	OSMemoryBarrier();
	printf("%d %d %lld %#x\n", popped, count32, (long long)count64, bits);
	printf("%ld %ld\n", by_spin, by_unfair);
	OSAtomicFifoEnqueue(&fifo, &first, offsetof(struct node, link));
	OSAtomicFifoEnqueue(&fifo, &second, offsetof(struct node, link));
	node = OSAtomicFifoDequeue(&fifo, offsetof(struct node, link));
	printf("%d", node->value);
	node = OSAtomicFifoDequeue(&fifo, offsetof(struct node, link));
	printf(" %d %d\n", node->value, OSAtomicFifoDequeue(&fifo, offsetof(struct node, link)) == NULL);
	printf("%d %d %d\n", OSAtomicCompareAndSwap32(5, 6, &word),
	    OSAtomicCompareAndSwapIntBarrier(5, 7, &word), OSAtomicCompareAndSwapPtr(&word, NULL, &pointer));
	printf(
	    "%d %d %d\n", OSAtomicDecrement32(&word), OSAtomicXor32Orig(1, (volatile uint32_t *)&word), word);
	printf("%x %llx %x\n", OSSwapInt32(0x11223344),
	    (unsigned long long)OSSwapHostToBigInt64(0x1122334455667788ULL), OSReadBigInt16("\x12\x34", 0));
	printf("%d %d\n", os_add_overflow(1, 2, &sum), sum);
	printf("%d\n", os_mul_overflow(1 << 20, 1 << 20, &sum));
	printf("%d %d\n", OSSpinLockTry(&spin), OSSpinLockTry(&spin));
	return 0;
}
