/*
 * The pageout thread: see vm_pageout.h.
 */
#include <vm/vm_pageout.h>

#include <arm64/commpage.h>
#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/ast.h>
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/upcalls.h>
#include <kern/waitq.h>
#include <os/atomic.h>
#include <os/panic.h>
#include <vm/vm_compressor.h>
#include <vm/vm_launder.h>
#include <vm/vm_map.h>
#include <vm/vm_page.h>
#include <vm/vm_purgeable.h>
#include <vm/vm_reclaim.h>

/* A waiting fault looks again after this long, whatever happens. */
#define WAIT_NS 50000000ULL

/* Pages that one sweep is asked for, so that waiters hear soon of what it freed. */
#define SWEEP_PAGES 256

/*
 * What a round must free, beyond what programs have brought back since the last one, to be progress, if it did not find
 * as many pages as it was asked for: a few pages that everybody uses could go out and come back for ever.
 */
#define PROGRESS_PAGES 32

/* Rounds without progress before active pages go, and before a process does. */
#define ROUNDS_FORCE 2
#define ROUNDS_KILL  4

/*
 * Rounds that may go on finding something, but not much: the last pages that can still be compressed, while nobody gets
 * anything done.
 */
#define ROUNDS_SCARCE 32

/* How long nothing is tried after sweeps that freed nothing. */
#define FRUITLESS_NS 100000000ULL

/* Times that nothing could be freed until a write fails: the first may have begun before there was anything to free. */
#define FRUITLESS_ENOUGH 2

/* Between two looks whether a process that was to end has given something back. */
#define KILL_GRACE_NS 20000000ULL

/* Tries of a call that lacked memory when there is enough: between its failure and the look, somebody freed some. */
#define TRIES_ENOUGH 3

/*
 * [W1] Who finds the pool low sets pageout_wanted and wakes the thread if it was not set. [W2] The thread clears it and
 * looks at the pool afterwards. Both are exchanges of one word: [W1] first, and the thread sees what the pool
 * was; or [W2] first, and it is woken again.
 */
static uint32_t pageout_wanted;  /* atomic: somebody found the pool low */
static uint32_t pageout_started; /* atomic: the thread is there; by release, after it was made */
static uint32_t waiters;         /* atomic: threads in vm_page_wait */
static uint32_t fruitless;       /* atomic: times that nothing could be freed; written by the thread */
static uint32_t pressure;        /* atomic: enum vm_pressure; written by the thread */

enum vm_pressure
vm_pageout_pressure(void)
{
	return os_atomic_load(&pressure, relaxed);
}

static void
pressure_set(enum vm_pressure level)
{
	if (os_atomic_load(&pressure, relaxed) != level) {
		os_atomic_store(&pressure, level, relaxed);
		commpage_set_memory_pressure(level);
	}
}

void
vm_pageout_wake(void)
{
	/* [W1] */
	if (os_atomic_load(&pageout_started, acquire) && os_atomic_xchg(&pageout_wanted, 1, seq_cst) == 0) {
		thread_wakeup(&pageout_wanted);
	}
}

bool
vm_thread_must_end(void)
{
	return (os_atomic_load(&current_thread()->machine.slow_flags, relaxed) & AST_TERMINATE) != 0;
}

static bool
may_wait(void)
{
	assert(preemption_enabled());
	return os_atomic_load(&pageout_started, acquire) && !vm_thread_must_end();
}

/* While the pool is as low as that: until the thread has freed something, or a while has passed. */
static void
wait_for_pages(enum vm_page_pool_level level)
{
	vm_pageout_wake();
	assert_wait_deadline(
	    &waiters, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(WAIT_NS));
	if (vm_page_pool_level() >= level) {
		thread_block(NULL);
	} else {
		clear_wait_self();
	}
}

bool
vm_page_wait(void)
{
	if (!may_wait()) {
		return false;
	}
	os_atomic_inc(&waiters, relaxed); /* [W1] follows */
	wait_for_pages(VM_PAGE_POOL_RESERVE);
	os_atomic_dec(&waiters, relaxed);
	return !vm_thread_must_end();
}

bool
vm_page_wait_for_room(void)
{
	uint32_t before = os_atomic_load(&fruitless, relaxed);

	while (may_wait()) {
		wait_for_pages(VM_PAGE_POOL_LOW);
		if (vm_page_pool_level() < VM_PAGE_POOL_LOW) {
			return true;
		}
		if (os_atomic_load(&fruitless, relaxed) - before >= FRUITLESS_ENOUGH) {
			return false;
		}
	}
	return false;
}

/* Not under a spin lock, nor in the middle of a switch: whoever calls this there gets his error at once. */
static bool
shortage_may_wait(void)
{
	return preemption_enabled() && ml_get_interrupts_enabled() && may_wait();
}

bool
vm_shortage_wait(struct vm_shortage *shortage, bool frees)
{
	uint32_t now = os_atomic_load(&fruitless, relaxed);

	if (!shortage_may_wait()) {
		return false;
	}
	if (!shortage->vs_begun) {
		shortage->vs_begun = true;
		shortage->vs_fruitless = now;
	}
	if (vm_page_pool_level() < VM_PAGE_POOL_RESERVE) {
		return ++shortage->vs_tries <= TRIES_ENOUGH;
	}
	if (frees) {
		return vm_page_wait();
	}
	if (now - shortage->vs_fruitless >= FRUITLESS_ENOUGH) {
		return false;
	}
	wait_for_pages(VM_PAGE_POOL_RESERVE);
	return !vm_thread_must_end();
}

/* --- the thread --- */

static bool
pool_short(void)
{
	return vm_page_pool_missing() != 0;
}

/* Who was asked first in the last round: so the two clocks go at the same pace in pages. */
static bool files_first;

/* The next best thing to free; how many pages that gave. */
static uint64_t
reclaim_once(bool force)
{
	uint64_t before = vm_page_pool_missing(), want = os_min(before, (uint64_t)SWEEP_PAGES), freed;

	if (vm_purgeable_purge_one()) {
		return os_max(1, before - os_min(before, vm_page_pool_missing()));
	}
	files_first = !files_first;
	freed = files_first ? vm_reclaim_sweep_shared(want, force) : vm_reclaim_sweep(want, force);
	if (freed < want) {
		want -= freed;
		freed += files_first ? vm_reclaim_sweep(want, force) : vm_reclaim_sweep_shared(want, force);
	}
	return freed != 0 || !vm_launder_wait() ? freed : want;
}

static void
pause_ns(uint64_t ns)
{
	assert_wait_deadline(&pressure, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(ns));
	thread_block(NULL);
}

/* How it goes since the pool was found short. */
struct effort {
	unsigned rounds; /* in a row without progress */
	unsigned scarce; /* in a row that found less than they were asked for */
	bool given;      /* programs have been given what there was, and it was not enough */
};

/* Pages that came back from the compressor since the last call. */
static uint64_t
brought_back(void)
{
	static uint64_t before;
	struct vm_compressor_counts counts;
	uint64_t pages;

	vm_compressor_get_counts(&counts);
	pages = counts.decompressions - before;
	before = counts.decompressions;
	return pages;
}

/* One round. Was it progress? */
static bool
make_some_room(struct effort *effort)
{
	uint64_t missing = vm_page_pool_missing(), back = brought_back();
	uint64_t freed = reclaim_once(effort->rounds >= ROUNDS_FORCE);

	if (freed >= os_min((uint64_t)SWEEP_PAGES, missing)) {
		*effort = (struct effort){ .rounds = 0 };
		return true;
	}
	if (freed < back + os_min((uint64_t)PROGRESS_PAGES, missing) || ++effort->scarce > ROUNDS_SCARCE) {
		return false;
	}
	effort->rounds = 0;
	return true;
}

/*
 * Nothing more can be freed. Programs that wait get what the last rounds have found; if they wait still, one of them has
 * to go. False: nobody waits, or nobody can go.
 */
static bool
give_up_something(struct effort *effort)
{
	if (os_atomic_load(&waiters, relaxed) == 0 || (effort->given && !bsd_memory_kill())) {
		return false;
	}
	effort->given = true;
	effort->rounds = ROUNDS_FORCE;
	thread_wakeup(&waiters);
	pause_ns(KILL_GRACE_NS);
	return true;
}

/* Not at every batch again: what there is stays for now. */
static void
give_up_for_now(void)
{
	os_atomic_store(&fruitless, fruitless + 1, relaxed);
	thread_wakeup(&waiters);
	pause_ns(FRUITLESS_NS);
}

static void
make_room(void)
{
	struct effort effort = { .rounds = 0 };

	while (pool_short()) {
		bool tight = vm_page_pool_level() == VM_PAGE_POOL_RESERVE;

		pressure_set(tight ? VM_PRESSURE_CRITICAL : VM_PRESSURE_WARN);
		if (tight || effort.rounds != 0) {
			vm_page_drain_caches();
		}
		if (make_some_room(&effort)) {
			thread_wakeup(&waiters);
		} else if (++effort.rounds == 1) {
			(void)vm_map_collect_all_tables();
		} else if (effort.rounds > ROUNDS_KILL && !give_up_something(&effort)) {
			give_up_for_now();
			break;
		}
	}
}

static OS_NORETURN void
pageout_thread(void *param, wait_result_t result)
{
	(void)param;
	(void)result;
	for (;;) {
		assert_wait(&pageout_wanted, THREAD_UNINT);
		if (os_atomic_xchg(&pageout_wanted, 0, seq_cst) != 0) { /* [W2] */
			clear_wait_self();
		} else {
			thread_block(NULL);
			(void)os_atomic_xchg(&pageout_wanted, 0, seq_cst); /* [W2] */
		}
		make_room();
		pressure_set(VM_PRESSURE_NORMAL);
		thread_wakeup(&waiters);
	}
}

void
vm_pageout_start(void)
{
	if (kernel_thread_create(pageout_thread, NULL, BASEPRI_KERNEL, "pageout", NULL) != KERN_SUCCESS) {
		panic("no thread for pageout");
	}
	os_atomic_store(&pageout_started, 1, release);
}
