/*
 * In-kernel tests of pagers that block: a store with a gate that holds up its requests, fails on demand, and keeps
 * one word of each page that it is given back.
 */
#include <kern/clock.h>
#include <kern/sched.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <kern/waitq.h>
#include <ktest/ktest.h>
#include <os/atomic.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_fault.h>
#include <vm/vm_map.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>
#include <vm/vm_reclaim.h>
#include <vm/vm_user.h>

#define BASE  0x100000000ULL
#define PAGES 64u
#define WORDS 4u /* of a page that the store keeps */

struct store {
	struct vm_pager s_pager;
	uint64_t s_words[PAGES][WORDS]; /* the file */
	uint32_t s_requests;            /* atomic: calls, and those that got through */
	uint32_t s_answers;
	uint32_t s_returns;
	uint32_t s_terminated;
	uint32_t s_closed; /* atomic: requests wait */
	uint32_t s_broken; /* atomic: everything fails */
	uint32_t s_slow;   /* every call sleeps a while */
};

static struct store store;

static void
sleep_us(uint64_t us)
{
	assert_wait_deadline(
	    &store, THREAD_UNINT, mach_absolute_time() + nanoseconds_to_absolutetime(us * 1000));
	thread_block(NULL);
}

static kern_return_t
store_request(struct vm_pager *pager, uint64_t index, vm_page_t *page)
{
	struct store *s = os_containerof(pager, struct store, s_pager);
	uint64_t words[WORDS];

	os_atomic_inc(&s->s_requests, seq_cst);
	memcpy(words, s->s_words[index], sizeof(words));
	while (os_atomic_load(&s->s_closed, acquire)) {
		sleep_us(500);
	}
	if (s->s_slow) {
		sleep_us(200);
	}
	if (os_atomic_load(&s->s_broken, relaxed)) {
		return KERN_MEMORY_ERROR;
	}
	*page = vm_page_grab_zero();
	if (*page == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	memcpy(vm_page_kva(*page), words, sizeof(words));
	os_atomic_inc(&s->s_answers, relaxed);
	return KERN_SUCCESS;
}

static kern_return_t
store_return(struct vm_pager *pager, uint64_t index, vm_page_t page)
{
	struct store *s = os_containerof(pager, struct store, s_pager);
	uint64_t words[WORDS];

	memcpy(words, vm_page_kva(page), sizeof(words));
	if (s->s_slow) {
		sleep_us(200);
	}
	if (os_atomic_load(&s->s_broken, relaxed)) {
		return KERN_MEMORY_ERROR;
	}
	memcpy(s->s_words[index], words, sizeof(words));
	os_atomic_inc(&s->s_returns, relaxed);
	return KERN_SUCCESS;
}

static void
store_terminate(struct vm_pager *pager)
{
	os_atomic_inc(&os_containerof(pager, struct store, s_pager)->s_terminated, relaxed);
}

static const struct vm_pager_ops store_ops = {
	.vpo_name = "store",
	.vpo_data_request = store_request,
	.vpo_data_return = store_return,
	.vpo_terminate = store_terminate,
};

/* A file whose page i begins with 1000 + i. */
static vm_object_t
store_open(void)
{
	memset(&store, 0, sizeof(store));
	store.s_pager.vp_ops = &store_ops;
	for (unsigned i = 0; i < PAGES; i++) {
		store.s_words[i][0] = 1000 + i;
	}
	return vm_object_create_file(&store.s_pager, ptoa((uint64_t)PAGES), PAGES, VO_WRITE_SHARED);
}

static vm_map_t
map_with(vm_object_t file, bool shared)
{
	vm_map_offset_t at = BASE;
	vm_map_t map = vm_map_create(pmap_create(), PAGE_SIZE, MACH_VM_MAX_ADDRESS);

	EXPECT_EQ(vm_map_enter_file(map, &at, ptoa((uint64_t)PAGES), VM_FLAGS_FIXED, file, 0, shared,
		      VM_PROT_READ | VM_PROT_WRITE, VM_PROT_READ | VM_PROT_WRITE, VM_INHERIT_SHARE),
	    KERN_SUCCESS);
	return map;
}

/* A fault, as a program's: the translation is made, too. ~0: it failed. */
static uint64_t
get(vm_map_t map, uint64_t page, unsigned word)
{
	vm_map_offset_t va = BASE + ptoa(page) + word * 8;
	uint64_t value;

	if (vm_fault(map, va, VM_PROT_READ) != KERN_SUCCESS ||
	    vm_map_read_user(map, va, &value, sizeof(value)) != KERN_SUCCESS) {
		return ~0ULL;
	}
	return value;
}

static kern_return_t
put(vm_map_t map, uint64_t page, unsigned word, uint64_t value)
{
	vm_map_offset_t va = BASE + ptoa(page) + word * 8;
	kern_return_t kr = vm_fault(map, va, VM_PROT_WRITE);

	return kr != KERN_SUCCESS ? kr : vm_map_write_user(map, &value, va, sizeof(value));
}

/* --- threads --- */

#define READERS 3

static struct {
	vm_map_t map;
	uint64_t page;
	uint64_t values[READERS];
	thread_t threads[READERS];
} readers;

static void
reader(void *param, wait_result_t result)
{
	(void)result;
	readers.values[(uintptr_t)param] = get(readers.map, readers.page, 0);
	thread_terminate_self();
}

/* They fault on a page whose request waits at the gate. */
static void
readers_start(vm_map_t map, uint64_t page)
{
	os_atomic_store(&store.s_closed, 1, seq_cst);
	readers.map = map;
	readers.page = page;
	for (uintptr_t i = 0; i < READERS; i++) {
		EXPECT_EQ(kernel_thread_create(
			      reader, (void *)i, BASEPRI_DEFAULT, "pager reader", &readers.threads[i]),
		    KERN_SUCCESS);
	}
	while (os_atomic_load(&store.s_requests, acquire) == 0) {
		sleep_us(500);
	}
}

static void
readers_join(void)
{
	os_atomic_store(&store.s_closed, 0, seq_cst);
	for (unsigned i = 0; i < READERS; i++) {
		thread_join(readers.threads[i]);
		thread_deallocate(readers.threads[i]);
	}
}

KTEST(vm_pager_one_request_for_many_faults)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true);

	readers_start(map, 7);
	sleep_us(5000); /* the others come, and wait */
	readers_join();
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT_EQ(readers.values[i], 1007);
	}
	EXPECT_EQ(store.s_requests, 1);
	EXPECT_EQ(store.s_answers, 1);
	vm_map_deallocate(map);
	EXPECT_EQ(store.s_terminated, 0);
	vm_object_deallocate(file);
	EXPECT_EQ(store.s_terminated, 1);
}

KTEST(vm_pager_fails)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true), private = map_with(file, false);

	store.s_broken = 1;
	readers_start(map, 3);
	readers_join();
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT_EQ(readers.values[i], ~0ULL);
	}
	EXPECT_EQ(vm_fault(private, BASE, VM_PROT_WRITE), KERN_MEMORY_ERROR);
	store.s_broken = 0;
	EXPECT_EQ(get(map, 3, 0), 1003);
	EXPECT_EQ(get(private, 3, 0), 1003);
	EXPECT_EQ(put(private, 0, 0, 5), KERN_SUCCESS);
	EXPECT_EQ(get(map, 0, 0), 1000);
	vm_map_deallocate(map);
	vm_map_deallocate(private);
	vm_object_deallocate(file);
}

/* The map loses the range, and the file its last other reference, while its page is in transit. */
KTEST(vm_pager_map_goes_meanwhile)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true);

	readers_start(map, 9);
	EXPECT_EQ(mach_vm_deallocate(map, BASE, ptoa((uint64_t)PAGES)), KERN_SUCCESS);
	vm_object_deallocate(file);
	EXPECT_EQ(store.s_terminated, 0);
	readers_join();
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT_EQ(readers.values[i], ~0ULL);
	}
	EXPECT_EQ(store.s_terminated, 1);
	vm_map_deallocate(map);
}

/* What was asked for before the file became short is not what is there after it has grown again. */
KTEST(vm_pager_file_shrinks_meanwhile)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true);

	readers_start(map, 40);
	vm_object_resize(file, ptoa(10ULL));
	store.s_words[40][0] = 77;
	vm_object_resize(file, ptoa((uint64_t)PAGES));
	readers_join();
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT(readers.values[i] == 77 || readers.values[i] == ~0ULL); /* while it was short */
	}
	EXPECT_EQ(get(map, 40, 0), 77);
	EXPECT(store.s_requests >= 2);
	vm_map_deallocate(map);
	vm_object_deallocate(file);
}

/* --- writing back --- */

KTEST(vm_pager_clean_pages)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true);

	for (unsigned i = 0; i < PAGES; i++) {
		EXPECT_EQ(get(map, i, 0), 1000 + i);
	}
	EXPECT_EQ(vm_object_clean(file, 0, PAGES), KERN_SUCCESS);
	EXPECT_EQ(store.s_returns, 0); /* nobody has written */
	EXPECT_EQ(put(map, 5, 0, 50), KERN_SUCCESS);
	EXPECT_EQ(put(map, 6, 0, 60), KERN_SUCCESS);
	EXPECT_EQ(vm_object_clean(file, 0, 6), KERN_SUCCESS);
	EXPECT_EQ(store.s_returns, 1);
	EXPECT_EQ(store.s_words[5][0], 50);
	EXPECT_EQ(store.s_words[6][0], 1006);
	EXPECT_EQ(vm_map_sync(map, BASE, BASE + ptoa(10ULL)), KERN_SUCCESS);
	EXPECT_EQ(store.s_words[6][0], 60);
	EXPECT_EQ(put(map, 5, 0, 51), KERN_SUCCESS); /* dirty once more */
	store.s_broken = 1;
	EXPECT_EQ(vm_map_sync(map, BASE, BASE + ptoa(10ULL)), KERN_MEMORY_ERROR);
	store.s_broken = 0;
	EXPECT_EQ(store.s_words[5][0], 50);
	EXPECT_EQ(vm_map_sync(map, BASE, BASE + ptoa(10ULL)), KERN_SUCCESS);
	EXPECT_EQ(store.s_words[5][0], 51);
	EXPECT_EQ(store.s_returns, 3);
	vm_map_deallocate(map);
	vm_object_deallocate(file);
}

/* Page-out: clean pages go and come back, dirty ones are written first, wired ones stay. */
KTEST(vm_pager_page_out)
{
	vm_object_t file = store_open();
	vm_map_t map = map_with(file, true), private = map_with(file, false);

	for (unsigned i = 0; i < PAGES; i++) {
		EXPECT_EQ(get(map, i, 0), 1000 + i);
		EXPECT_EQ(get(private, i, 0), 1000 + i);
	}
	EXPECT_EQ(put(map, 2, 0, 20), KERN_SUCCESS);
	EXPECT_EQ(put(private, 3, 0, 30), KERN_SUCCESS);
	EXPECT_EQ(vm_map_wire(map, BASE + ptoa(8ULL), BASE + ptoa(12ULL), VM_PROT_READ), KERN_SUCCESS);
	/* Forced: all but the wired and the dirty pages. Wiring has made these writable, and so dirty. */
	for (unsigned i = 0; i < 100 && vm_object_resident(file, 0, PAGES) > 4; i++) {
		(void)vm_reclaim_sweep_shared(256, true);
		sleep_us(2000); /* the launderer writes */
	}
	EXPECT_EQ(vm_object_resident(file, 0, PAGES), 4);
	EXPECT_EQ(vm_object_resident(file, 8, 12), 4);
	EXPECT_EQ(store.s_words[2][0], 20);
	EXPECT_EQ(store.s_words[3][0], 1003);
	EXPECT_EQ(store.s_answers, PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		EXPECT_EQ(get(map, i, 0), i == 2 ? 20 : 1000 + i);
		EXPECT_EQ(get(private, i, 0), i == 2 ? 20 : i == 3 ? 30 : 1000 + i);
	}
	EXPECT_EQ(store.s_answers, PAGES + PAGES - 4);
	EXPECT_EQ(vm_map_unwire(map, BASE + ptoa(8ULL), BASE + ptoa(12ULL)), KERN_SUCCESS);
	vm_map_deallocate(map);
	vm_map_deallocate(private);
	vm_object_deallocate(file);
}

#define WRITERS 3
#define ROUNDS  12
#define WRITTEN 16u /* pages */

static vm_map_t writer_maps[WRITERS];
static uint32_t writer_errors, writers_left;

/* Counts in a word of its own of every page. */
static void
writer(void *param, wait_result_t result)
{
	unsigned self = (unsigned)(uintptr_t)param;
	uint32_t errors = 0;

	(void)result;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		for (unsigned i = 0; i < WRITTEN; i++) {
			errors += get(writer_maps[self], i, self + 1) != round - 1;
			errors += put(writer_maps[self], i, self + 1, round) != KERN_SUCCESS;
		}
	}
	os_atomic_add(&writer_errors, errors, relaxed);
	os_atomic_dec(&writers_left, release);
	thread_terminate_self();
}

/* Nothing that is written is lost while all pages come and go, and are written back, all the time. */
KTEST(vm_pager_writes_under_page_out)
{
	vm_object_t file = store_open();
	thread_t threads[WRITERS];

	store.s_slow = 1;
	writer_errors = 0;
	writers_left = WRITERS;
	for (uintptr_t i = 0; i < WRITERS; i++) {
		writer_maps[i] = map_with(file, true);
		EXPECT_EQ(
		    kernel_thread_create(writer, (void *)i, BASEPRI_DEFAULT, "pager writer", &threads[i]),
		    KERN_SUCCESS);
	}
	while (os_atomic_load(&writers_left, acquire) != 0) {
		(void)vm_reclaim_sweep_shared(256, true);
		EXPECT_EQ(vm_object_clean(file, 0, WRITTEN / 2), KERN_SUCCESS);
		sleep_us(300); /* on one processor the writers get their turn */
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		thread_join(threads[i]);
		thread_deallocate(threads[i]);
	}
	EXPECT_EQ(writer_errors, 0);
	EXPECT_EQ(vm_object_clean(file, 0, PAGES), KERN_SUCCESS);
	for (unsigned i = 0; i < WRITTEN; i++) {
		EXPECT_EQ(store.s_words[i][0], 1000 + i);
		for (unsigned w = 1; w <= WRITERS; w++) {
			EXPECT_EQ(store.s_words[i][w], ROUNDS);
		}
	}
	EXPECT(store.s_answers >= WRITTEN);
	for (unsigned i = 0; i < WRITERS; i++) {
		vm_map_deallocate(writer_maps[i]);
	}
	vm_object_deallocate(file);
}
