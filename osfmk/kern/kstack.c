/*
 * Kernel stacks of CPUs.
 *
 * A running thread uses its CPU's stack; one that blocks in mid-kernel takes the stack with it, and the CPU
 * needs another one if the next thread has none. That happens in the middle of a switch, where nothing can be
 * waited for. So each CPU caches a few stacks, behind them is a pool under a lock, and a thread, which keeps a
 * stack of its own for good, fills the pool. A CPU that finds both empty idles until it has.
 *
 * Lock: kstack_lock (LCK_RANK_KSTACK), interrupts masked.
 */
#include <arm64/machine_routines.h>
#include <kern/locks.h>
#include <kern/processor.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <vm/vm_kern.h>

/* The pool is filled to HIGH when it falls below LOW: LOW covers what all CPUs may take while one is made. */
#define KSTACK_POOL_LOW  16
#define KSTACK_POOL_HIGH 32
#define KSTACK_POOL_MAX  256 /* beyond that, stacks go back to vm */

LCK_CLASS_DECLARE(kstack_lock_class, "kernel stacks", LCK_RANK_KSTACK);
static LCK_SPIN_DECLARE(kstack_lock, &kstack_lock_class);
static uintptr_t kstack_pool[KSTACK_POOL_MAX]; /* guarded by kstack_lock */
static uint32_t kstack_count;                  /* guarded by kstack_lock; read without it as a hint */
static uint32_t kstack_wanted;                 /* atomic: the filler has been woken */

static uintptr_t
pool_take(void)
{
	uintptr_t stack = 0;
	uint32_t left;

	lck_spin_lock_nopreempt(&kstack_lock);
	if (kstack_count > 0) {
		stack = kstack_pool[--kstack_count];
	}
	left = kstack_count;
	lck_spin_unlock_nopreempt(&kstack_lock);
	if (left < KSTACK_POOL_LOW && os_atomic_xchg(&kstack_wanted, 1, relaxed) == 0) {
		thread_wakeup_one(&kstack_wanted);
	}
	return stack;
}

/* False when the pool is full. */
static bool
pool_put(uintptr_t stack)
{
	bool irq = lck_spin_lock_irq(&kstack_lock), room = kstack_count < KSTACK_POOL_MAX;

	if (room) {
		kstack_pool[kstack_count++] = stack;
	}
	lck_spin_unlock_irq(&kstack_lock, irq);
	return room;
}

uintptr_t
kstack_take(processor_t processor)
{
	if (os_likely(processor->pr_nstacks > 0)) {
		return processor->pr_stacks[--processor->pr_nstacks];
	}
	return pool_take();
}

void
kstack_put(processor_t processor, uintptr_t stack)
{
	uintptr_t surplus;

	if (os_unlikely(processor->pr_nstacks == PROCESSOR_STACKS)) {
		/* Not `stack` itself: this CPU may still be on it. */
		surplus = processor->pr_stacks[--processor->pr_nstacks];
		if (!pool_put(surplus)) {
			kernel_stack_free(surplus);
		}
	}
	processor->pr_stacks[processor->pr_nstacks++] = stack;
}

void
kstack_drain(processor_t processor)
{
	while (processor->pr_nstacks > 0) {
		uintptr_t stack = processor->pr_stacks[--processor->pr_nstacks];

		if (!pool_put(stack)) {
			kernel_stack_free(stack);
		}
	}
}

static void
pool_fill(void)
{
	while (os_atomic_load(&kstack_count, relaxed) < KSTACK_POOL_HIGH) {
		uintptr_t stack = kernel_stack_alloc();

		if (stack == 0 || !pool_put(stack)) {
			return;
		}
	}
}

static OS_NORETURN void
kstack_thread(void *param, wait_result_t result)
{
	for (;;) {
		assert_wait(&kstack_wanted, THREAD_UNINT);
		if (os_atomic_load(&kstack_wanted, relaxed) == 0) {
			thread_block(THREAD_CONTINUE_NULL);
		} else {
			clear_wait_self();
		}
		os_atomic_store(&kstack_wanted, 0, relaxed);
		pool_fill();
	}
}

void
kstack_init(void)
{
	pool_fill();
}

void
kstack_thread_start(void)
{
	if (kernel_thread_create(kstack_thread, NULL, MAXPRI_KERNEL, "kernel stacks", NULL) != KERN_SUCCESS) {
		panic("kernel stacks: no thread");
	}
}
