/*
 * Purgeable memory that several maps show, by memory entries and by inheritance: one state for all, and contents that are
 * there or not there for all, whatever else is done to the memory meanwhile.
 */
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/memory_entry.h>
#include <mach/memory_object_types.h>
#include <mach/vm_map.h>
#include <mach/vm_map_routines.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull
#define SELF mach_task_self()
#define RW   (VM_PROT_READ | VM_PROT_WRITE)

#define PURGEABLE (MAP_MEM_NAMED_CREATE | MAP_MEM_PURGABLE)

static kern_return_t
make(mach_vm_size_t size, uint64_t offset, int permission, mach_port_t parent, mach_port_t *entry)
{
	*entry = MACH_PORT_NULL;
	return mach_make_memory_entry_64(SELF, &size, offset, permission, entry, parent);
}

static mach_port_t
made(mach_vm_size_t size, uint64_t offset, int permission, mach_port_t parent)
{
	mach_port_t entry;

	EXPECT_EQ(make(size, offset, permission, parent, &entry), KERN_SUCCESS);
	return entry;
}

static void
drop(mach_port_t entry)
{
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
}

static volatile char *
mapped(mach_port_t entry, mach_vm_size_t size, vm_prot_t prot)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(
	    mach_vm_map(SELF, &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE, prot, prot, VM_INHERIT_SHARE),
	    KERN_SUCCESS);
	return (volatile char *)at;
}

static void
release(volatile char *at, mach_vm_size_t size)
{
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)at, size), KERN_SUCCESS);
}

/* Each returns the state that was. */
static int
set_by_entry(mach_port_t entry, int state)
{
	EXPECT_EQ(mach_memory_entry_purgable_control(entry, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	return state;
}

static int
set_by_map(volatile char *at, int state)
{
	EXPECT_EQ(mach_vm_purgable_control(SELF, (mach_vm_address_t)at, VM_PURGABLE_SET_STATE, &state),
	    KERN_SUCCESS);
	return state;
}

static int
state_by_entry(mach_port_t entry)
{
	int state = -1;

	EXPECT_EQ(mach_memory_entry_purgable_control(entry, VM_PURGABLE_GET_STATE, &state), KERN_SUCCESS);
	return state;
}

static int
state_by_map(volatile char *at)
{
	int state = -1;

	EXPECT_EQ(mach_vm_purgable_control(SELF, (mach_vm_address_t)at, VM_PURGABLE_GET_STATE, &state),
	    KERN_SUCCESS);
	return state;
}

static void
purge_all(void)
{
	EXPECT_EQ(mach_vm_purgable_control(SELF, 0, VM_PURGABLE_PURGE_ALL, &(int){ 0 }), KERN_SUCCESS);
}

static void
fill(volatile char *at, unsigned pages, char with)
{
	for (unsigned i = 0; i < pages; i++) {
		at[i * PAGE] = with;
	}
}

static unsigned
pages_with(volatile char *at, unsigned pages, char what)
{
	unsigned found = 0;

	for (unsigned i = 0; i < pages; i++) {
		found += at[i * PAGE] == what;
	}
	return found;
}

TEST(one_state_for_all_who_map_it)
{
	mach_port_t entry = made(4 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL);
	volatile char *one = mapped(entry, 4 * PAGE, RW), *two = mapped(entry, 4 * PAGE, RW);

	fill(one, 4, 'a');
	EXPECT_EQ(pages_with(two, 4, 'a'), 4);
	EXPECT_EQ(state_by_entry(entry), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(set_by_map(one, VM_PURGABLE_VOLATILE | VM_VOLATILE_GROUP_2), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(state_by_map(two), VM_PURGABLE_VOLATILE);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_VOLATILE);
	EXPECT_EQ(pages_with(two, 4, 'a'), 4);

	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	EXPECT_EQ(state_by_map(one), VM_PURGABLE_EMPTY);
	EXPECT_EQ(state_by_map(two), VM_PURGABLE_EMPTY);
	EXPECT_EQ(set_by_map(two, VM_PURGABLE_VOLATILE), VM_PURGABLE_EMPTY); /* it stays so */
	EXPECT_EQ(set_by_map(two, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	EXPECT_EQ(pages_with(one, 4, 0), 4);
	fill(two, 4, 'b');
	EXPECT_EQ(pages_with(one, 4, 'b'), 4);

	EXPECT_EQ(set_by_map(one, VM_PURGABLE_EMPTY), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(pages_with(two, 4, 0), 4);
	EXPECT_EQ(set_by_map(one, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	fill(one, 4, 'c');
	EXPECT_EQ(set_by_map(one, VM_PURGABLE_VOLATILE | VM_PURGABLE_DEBUG_EMPTY), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(state_by_entry(entry), VM_PURGABLE_EMPTY);
	EXPECT_EQ(pages_with(two, 4, 0), 4);
	release(one, 4 * PAGE);
	release(two, 4 * PAGE);
	/* Nobody maps it; it is the entry's. */
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	EXPECT_EQ(state_by_entry(entry), VM_PURGABLE_EMPTY);
	drop(entry);
}

/* Memory that VM_FLAGS_PURGABLE has made, before and after others have it. */
TEST(shared_after_it_was_made)
{
	mach_vm_address_t made_at = 0, other = 0;
	vm_prot_t cur, max;
	volatile char *at, *alias;

	EXPECT_EQ(
	    mach_vm_allocate(SELF, &made_at, 4 * PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE), KERN_SUCCESS);
	at = (volatile char *)made_at;
	fill(at, 4, 'a');
	EXPECT_EQ(set_by_map(at, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(mach_vm_remap(SELF, &other, 4 * PAGE, 0, VM_FLAGS_ANYWHERE, SELF, made_at, FALSE, &cur,
		      &max, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	alias = (volatile char *)other;
	EXPECT_EQ(pages_with(alias, 4, 'a'), 4);
	EXPECT_EQ(state_by_map(alias), VM_PURGABLE_VOLATILE);
	purge_all();
	EXPECT_EQ(state_by_map(alias), VM_PURGABLE_EMPTY);
	EXPECT_EQ(pages_with(alias, 4, 0), 4);
	EXPECT_EQ(set_by_map(alias, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	release(at, 4 * PAGE);
	fill(alias, 4, 'b');
	EXPECT_EQ(set_by_map(alias, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	EXPECT_EQ(pages_with(alias, 4, 0), 4);

	/* Cut into pieces it is still emptied as a whole, but its state is nobody's to set. */
	EXPECT_EQ(set_by_map(alias, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	fill(alias, 4, 'c');
	EXPECT_EQ(set_by_map(alias, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	release(alias + PAGE, PAGE);
	EXPECT_EQ(
	    mach_vm_purgable_control(SELF, other, VM_PURGABLE_SET_STATE, &(int){ 0 }), KERN_INVALID_ARGUMENT);
	purge_all();
	EXPECT_EQ(pages_with(alias, 1, 0), 1);
	EXPECT_EQ(pages_with(alias + 2 * PAGE, 2, 0), 2);
	release(alias, 4 * PAGE);
}

struct family {
	volatile char *at;
	int expected;
};

static int
child_takes_back(void *arg)
{
	struct family *f = arg;

	EXPECT_EQ(state_by_map(f->at), f->expected);
	EXPECT_EQ(pages_with(f->at, 8, 0), 8);
	EXPECT_EQ(set_by_map(f->at, VM_PURGABLE_NONVOLATILE), f->expected);
	fill(f->at, 8, 'c');
	return 0;
}

static int
child_empties(void *arg)
{
	struct family *f = arg;

	EXPECT_EQ(pages_with(f->at, 8, 'c'), 8);
	EXPECT_EQ(set_by_map(f->at, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	return 0;
}

/* Another task with the same memory, by inheritance. */
TEST(tasks_agree)
{
	mach_port_t entry = made(8 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL);
	struct family f = { .at = mapped(entry, 8 * PAGE, RW), .expected = VM_PURGABLE_EMPTY };

	fill(f.at, 8, 'p');
	EXPECT_EQ(set_by_map(f.at, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	EXPECT_EQ(ktap_in_child(child_takes_back, &f), 0);
	EXPECT_EQ(state_by_entry(entry), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(pages_with(f.at, 8, 'c'), 8);
	EXPECT_EQ(ktap_in_child(child_empties, &f), 0);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	EXPECT_EQ(pages_with(f.at, 8, 0), 8);
	drop(entry);
	release(f.at, 8 * PAGE);
}

TEST(what_is_wired_keeps_its_contents)
{
	mach_port_t entry = made(4 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL);
	volatile char *one = mapped(entry, 4 * PAGE, RW), *two = mapped(entry, 4 * PAGE, RW);

	fill(one, 4, 'w');
	EXPECT_EQ(mlock((void *)(uintptr_t)(two + PAGE), PAGE), 0);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	purge_all();
	EXPECT_EQ(state_by_map(one), VM_PURGABLE_VOLATILE);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_EMPTY), VM_PURGABLE_VOLATILE);
	EXPECT_EQ(pages_with(one, 4, 'w'), 4);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_NONVOLATILE), VM_PURGABLE_EMPTY);
	EXPECT_EQ(set_by_entry(entry, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	release(two, 4 * PAGE); /* which unwires it */
	purge_all();
	EXPECT_EQ(state_by_map(one), VM_PURGABLE_EMPTY);
	EXPECT_EQ(pages_with(one, 4, 0), 4);
	release(one, 4 * PAGE);
	drop(entry);
}

TEST(copies_are_ordinary_memory)
{
	mach_port_t entry = made(2 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL), snapshot;
	volatile char *at = mapped(entry, 2 * PAGE, RW);
	mach_vm_address_t copy = 0;
	int state = VM_PURGABLE_VOLATILE;

	fill(at, 2, 'o');
	EXPECT_EQ(
	    mach_vm_map(SELF, &copy, 2 * PAGE, 0, VM_FLAGS_ANYWHERE, entry, 0, TRUE, RW, RW, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	snapshot = made(2 * PAGE, (uint64_t)at, MAP_MEM_VM_COPY | RW, MACH_PORT_NULL);
	EXPECT_EQ(mach_vm_purgable_control(SELF, copy, VM_PURGABLE_SET_STATE, &state), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_memory_entry_purgable_control(snapshot, VM_PURGABLE_SET_STATE, &state),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(set_by_map(at, VM_PURGABLE_EMPTY), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(pages_with((volatile char *)copy, 2, 'o'), 2);
	release((volatile char *)copy, 2 * PAGE);
	release(at, 2 * PAGE);
	drop(snapshot);
	drop(entry);
}

static void
expect_refused(mach_port_t entry, vm_purgable_t control, int state, kern_return_t expected)
{
	EXPECT_EQ(mach_memory_entry_purgable_control(entry, control, &state), expected);
}

TEST(wrong_requests)
{
	mach_port_t entry = made(4 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL), none;
	mach_port_t part = made(2 * PAGE, 0, RW, entry), tail = made(2 * PAGE, 2 * PAGE, RW, entry);
	mach_port_t whole = made(4 * PAGE, 0, RW, entry), reader = made(4 * PAGE, 0, VM_PROT_READ, entry);
	mach_port_t kernels = made(PAGE, 0, PURGEABLE | MAP_MEM_PURGABLE_KERNEL_ONLY | RW, MACH_PORT_NULL);
	mach_port_t plain = made(PAGE, 0, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL);
	volatile char *at = mapped(kernels, PAGE, RW);

	EXPECT_EQ(make(PAGE, 0, PURGEABLE | VM_PROT_READ, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(make(0, 0, PURGEABLE | RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(make(-1ull, 0, PURGEABLE | RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(make(1ull << 60, 0, PURGEABLE | RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);

	expect_refused(entry, VM_PURGABLE_SET_STATE, VM_PURGABLE_DENY, KERN_INVALID_ARGUMENT);
	expect_refused(entry, VM_PURGABLE_SET_STATE, 0x100000, KERN_INVALID_ARGUMENT);
	expect_refused(entry, VM_PURGABLE_SET_STATE, -1, KERN_INVALID_ARGUMENT);
	expect_refused(entry, VM_PURGABLE_SET_STATE_FROM_KERNEL, VM_PURGABLE_EMPTY, KERN_INVALID_ARGUMENT);
	expect_refused(entry, VM_PURGABLE_PURGE_ALL, 0, KERN_INVALID_ARGUMENT);
	expect_refused(entry, 77, 0, KERN_INVALID_ARGUMENT);
	expect_refused(part, VM_PURGABLE_SET_STATE, VM_PURGABLE_EMPTY, KERN_INVALID_ARGUMENT);
	expect_refused(tail, VM_PURGABLE_SET_STATE, VM_PURGABLE_EMPTY, KERN_INVALID_ARGUMENT);
	expect_refused(tail, VM_PURGABLE_GET_STATE, 0, KERN_INVALID_ARGUMENT);
	expect_refused(plain, VM_PURGABLE_GET_STATE, 0, KERN_INVALID_ARGUMENT);
	expect_refused(plain, VM_PURGABLE_SET_STATE, VM_PURGABLE_VOLATILE, KERN_INVALID_ARGUMENT);
	expect_refused(SELF, VM_PURGABLE_SET_STATE, VM_PURGABLE_VOLATILE, KERN_INVALID_ARGUMENT);
	expect_refused(mach_host_self(), VM_PURGABLE_GET_STATE, 0, KERN_INVALID_ARGUMENT);

	/* Who may only read does not throw away, nor anybody but the kernel what is the kernel's. */
	expect_refused(reader, VM_PURGABLE_SET_STATE, VM_PURGABLE_EMPTY, KERN_PROTECTION_FAILURE);
	EXPECT_EQ(state_by_entry(reader), VM_PURGABLE_NONVOLATILE);
	expect_refused(kernels, VM_PURGABLE_SET_STATE, VM_PURGABLE_VOLATILE, KERN_PROTECTION_FAILURE);
	EXPECT_EQ(mach_vm_purgable_control(
		      SELF, (mach_vm_address_t)at, VM_PURGABLE_SET_STATE, &(int){ VM_PURGABLE_EMPTY }),
	    KERN_PROTECTION_FAILURE);
	EXPECT_EQ(state_by_map(at), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(set_by_entry(whole, VM_PURGABLE_VOLATILE), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(state_by_entry(entry), VM_PURGABLE_VOLATILE);

	release(at, PAGE);
	for (unsigned i = 0; i < 7; i++) {
		drop((mach_port_t[]){ entry, part, tail, whole, reader, kernels, plain }[i]);
	}
}

static vm_purgeable_info_data_t
host_queues(void)
{
	vm_purgeable_info_data_t info = { 0 };
	mach_msg_type_number_t count = HOST_VM_PURGABLE_COUNT;

	EXPECT_EQ(host_info(mach_host_self(), HOST_VM_PURGABLE, (host_info_t)&info, &count), KERN_SUCCESS);
	EXPECT_EQ(count, sizeof(info) / sizeof(natural_t));
	return info;
}

TEST(the_host_tells_its_queues)
{
	mach_port_t entry = made(3 * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL);
	vm_purgeable_info_data_t before = host_queues(), now;

	(void)set_by_entry(entry, VM_PURGABLE_VOLATILE | VM_VOLATILE_GROUP_3);
	now = host_queues();
	EXPECT_EQ(now.fifo_data[3].count - before.fifo_data[3].count, 1);
	EXPECT_EQ(now.fifo_data[3].size - before.fifo_data[3].size, 3 * PAGE);
	(void)set_by_entry(entry, VM_PURGABLE_VOLATILE | VM_VOLATILE_GROUP_7 | VM_PURGABLE_BEHAVIOR_LIFO);
	now = host_queues();
	EXPECT_EQ(now.fifo_data[3].count, before.fifo_data[3].count);
	EXPECT_EQ(now.lifo_data[7].count - before.lifo_data[7].count, 1);
	(void)set_by_entry(entry, VM_PURGABLE_VOLATILE | VM_PURGABLE_ORDERING_OBSOLETE);
	now = host_queues();
	EXPECT_EQ(now.lifo_data[7].size, before.lifo_data[7].size);
	EXPECT_EQ(now.obsolete_data.size - before.obsolete_data.size, 3 * PAGE);
	drop(entry); /* with its object */
	now = host_queues();
	EXPECT_EQ(now.obsolete_data.count, before.obsolete_data.count);
}

/* --- everything at once --- */

#define STORM_PAGES  16u
#define STORM_ROUNDS 200u
#define STORM_OTHERS 3u /* threads that must have begun */

/*
 * `stamp`: what each page begins with as long as it is not 0. The owner clears it before the memory becomes volatile,
 * and sets it when it has taken that back and written to all of it.
 */
struct storm {
	_Atomic uint64_t stamp;
	_Atomic unsigned begun;
	_Atomic bool over;
	_Atomic uint64_t checked;
	_Atomic uint64_t wrong;
	_Atomic uint64_t *pages; /* in whichever task */
};

static _Atomic uint64_t *
page_word(struct storm *s, unsigned i)
{
	return &s->pages[i % STORM_PAGES * (PAGE / 8)];
}

static void *
storm_read(void *arg)
{
	struct storm *s = arg;

	atomic_fetch_add(&s->begun, 1);
	for (unsigned i = 0; !atomic_load(&s->over); i++) {
		uint64_t before = atomic_load(&s->stamp), word = atomic_load(page_word(s, i));

		if (before != 0 && atomic_load(&s->stamp) == before) {
			atomic_fetch_add(&s->checked, 1);
			if (word != before) {
				atomic_fetch_add(&s->wrong, 1);
			}
		}
		if (i % 256 == 0) {
			sched_yield(); /* the others may have no other CPU */
		}
	}
	return NULL;
}

static void *
storm_wire(void *arg)
{
	struct storm *s = arg;

	atomic_fetch_add(&s->begun, 1);
	for (unsigned i = 0; !atomic_load(&s->over); i++) {
		void *at = (void *)(uintptr_t)page_word(s, i);

		EXPECT_EQ(mlock(at, PAGE), 0);
		EXPECT_EQ(munlock(at, PAGE), 0);
		usleep(500); /* or it would never be emptied */
	}
	return NULL;
}

static void *
storm_purge(void *arg)
{
	struct storm *s = arg;

	atomic_fetch_add(&s->begun, 1);
	while (!atomic_load(&s->over)) {
		purge_all();
		sched_yield();
	}
	return NULL;
}

/* A task that has the memory by inheritance, at the same address. */
static int
storm_other_task(void *arg)
{
	pthread_t readers[2];

	EXPECT_EQ(pthread_create(&readers[0], NULL, storm_read, arg), 0);
	EXPECT_EQ(pthread_create(&readers[1], NULL, storm_wire, arg), 0);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_join(readers[i], NULL), 0);
	}
	return 0;
}

static void *
storm_parent_of(void *arg)
{
	EXPECT_EQ(ktap_in_child(storm_other_task, arg), 0);
	return NULL;
}

/* Returns whether it had been emptied. */
static bool
storm_round(struct storm *s, uint64_t stamp)
{
	int old;

	for (unsigned i = 0; i < STORM_PAGES; i++) {
		atomic_store(page_word(s, i), stamp);
	}
	atomic_store(&s->stamp, stamp);
	sched_yield();
	atomic_store(&s->stamp, 0);
	(void)set_by_map((volatile char *)s->pages, VM_PURGABLE_VOLATILE);
	if (stamp % 8 == 0) {
		purge_all();
	}
	for (unsigned i = 0; i < stamp % 4; i++) {
		sched_yield();
	}
	old = set_by_map((volatile char *)s->pages, VM_PURGABLE_NONVOLATILE);
	EXPECT(old == VM_PURGABLE_VOLATILE || old == VM_PURGABLE_EMPTY);
	for (unsigned i = 0; i < STORM_PAGES; i++) {
		EXPECT_EQ(atomic_load(page_word(s, i)), old == VM_PURGABLE_EMPTY ? 0 : stamp);
	}
	return old == VM_PURGABLE_EMPTY;
}

TEST(nothing_is_lost_that_was_taken_back)
{
	mach_port_t entry = made(STORM_PAGES * PAGE, 0, PURGEABLE | RW, MACH_PORT_NULL);
	struct storm *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	unsigned emptied = 0;
	pthread_t child, purger;

	REQUIRE(s != MAP_FAILED);
	s->pages = (_Atomic uint64_t *)mapped(entry, STORM_PAGES * PAGE, RW);
	EXPECT_EQ(pthread_create(&child, NULL, storm_parent_of, s), 0);
	EXPECT_EQ(pthread_create(&purger, NULL, storm_purge, s), 0);
	while (atomic_load(&s->begun) < STORM_OTHERS) {
		sched_yield();
	}
	for (unsigned i = 0; i < STORM_ROUNDS; i++) {
		emptied += storm_round(s, i + 1);
	}
	atomic_store(&s->over, true);
	EXPECT_EQ(pthread_join(child, NULL), 0);
	EXPECT_EQ(pthread_join(purger, NULL), 0);
	printf("# emptied in %u of %u rounds, %llu words checked\n", emptied, STORM_ROUNDS,
	    (unsigned long long)atomic_load(&s->checked));
	EXPECT_EQ(atomic_load(&s->wrong), 0);
	release((volatile char *)s->pages, STORM_PAGES * PAGE);
	EXPECT_EQ(munmap(s, PAGE), 0);
	drop(entry);
}
