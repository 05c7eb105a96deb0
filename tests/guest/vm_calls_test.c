/*
 * The rarer calls on memory: wiring, purgeable memory, advice, queries of pages, lists. By their stubs, and by requests
 * written by hand with the ids of both spellings.
 */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/vm_map.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull

static mach_vm_address_t
allocate(mach_vm_size_t size, int flags)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(mach_vm_allocate(mach_task_self(), &at, size, flags), KERN_SUCCESS);
	return at;
}

static void
release(mach_vm_address_t at, mach_vm_size_t size)
{
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), at, size), KERN_SUCCESS);
}

static vm_region_submap_info_data_64_t
region_at(mach_vm_address_t at)
{
	vm_region_submap_info_data_64_t info = { 0 };
	mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
	mach_vm_address_t where = at;
	mach_vm_size_t size;
	natural_t depth = 0;

	EXPECT_EQ(mach_vm_region_recurse(mach_task_self(), &where, &size, &depth, (int *)&info, &count),
	    KERN_SUCCESS);
	EXPECT(where <= at && at < where + size);
	return info;
}

static unsigned
wired_times(mach_vm_address_t at)
{
	return region_at(at).user_wired_count;
}

static uint64_t
wired_pages(void)
{
	uint64_t pages = 0;
	size_t size = sizeof(pages);

	EXPECT_EQ(sysctlbyname("vm.page_user_wire_count", &pages, &size, NULL, 0), 0);
	return pages;
}

static int
disposition(mach_vm_address_t at)
{
	integer_t what = -1, refs;

	EXPECT_EQ(mach_vm_page_query(mach_task_self(), at, &what, &refs), KERN_SUCCESS);
	return what;
}

static kern_return_t
wire(mach_vm_address_t at, mach_vm_size_t size, vm_prot_t access)
{
	return mach_vm_wire(mach_host_self(), mach_task_self(), at, size, access);
}

TEST(wired_pages_are_present_and_counted)
{
	mach_vm_address_t at = allocate(8 * PAGE, VM_FLAGS_ANYWHERE);
	uint64_t before = wired_pages();

	EXPECT_EQ(disposition(at + 3 * PAGE), 0);
	EXPECT_EQ(wire(at + 2 * PAGE, 4 * PAGE, VM_PROT_READ | VM_PROT_WRITE), KERN_SUCCESS);
	EXPECT(disposition(at + 3 * PAGE) & VM_PAGE_QUERY_PAGE_PRESENT);
	EXPECT_EQ(disposition(at + PAGE), 0);
	EXPECT_EQ(wired_pages() - before, 4);
	EXPECT_EQ(wired_times(at + 2 * PAGE), 1);
	EXPECT_EQ(wired_times(at + PAGE), 0);
	EXPECT_EQ(wire(at + 2 * PAGE, 2 * PAGE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(wired_times(at + 2 * PAGE), 2);
	EXPECT_EQ(wired_times(at + 5 * PAGE), 1);
	EXPECT_EQ(wired_pages() - before, 4);
	EXPECT_EQ(wire(at, 8 * PAGE, VM_PROT_NONE), KERN_SUCCESS);
	EXPECT_EQ(wired_times(at + 2 * PAGE), 1);
	EXPECT_EQ(wired_times(at + 5 * PAGE), 0);
	EXPECT_EQ(wired_pages() - before, 2);
	release(at, 8 * PAGE);
	EXPECT_EQ(wired_pages(), before);
}

TEST(wiring_refuses_what_it_must)
{
	mach_vm_address_t at = allocate(4 * PAGE, VM_FLAGS_ANYWHERE);

	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), at + 2 * PAGE, PAGE), KERN_SUCCESS);
	EXPECT_EQ(wire(at, 4 * PAGE, VM_PROT_READ), KERN_INVALID_ADDRESS);
	EXPECT_EQ(wired_times(at), 0);
	EXPECT_EQ(mach_vm_protect(mach_task_self(), at + PAGE, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(wire(at, 2 * PAGE, VM_PROT_WRITE), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(wire(at, PAGE, 0x40), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(wire(at, -1, VM_PROT_READ), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(wire(-PAGE, PAGE, VM_PROT_READ), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(wire(0x7fff00000000, PAGE, VM_PROT_READ), KERN_INVALID_ADDRESS);
	EXPECT_EQ(wire(at, 0, VM_PROT_READ), KERN_SUCCESS);
	EXPECT(mach_vm_wire(mach_task_self(), mach_task_self(), at, PAGE, VM_PROT_READ) != KERN_SUCCESS);
	EXPECT(mach_vm_wire(mach_host_self(), MACH_PORT_NULL, at, PAGE, VM_PROT_READ) != KERN_SUCCESS);
	EXPECT_EQ(wired_times(at), 0);
	release(at, 2 * PAGE);
	release(at + 3 * PAGE, PAGE);
}

static int
child_has_unwired_copy(void *arg)
{
	volatile char *at = arg;

	EXPECT_EQ(wired_times((mach_vm_address_t)at), 0);
	EXPECT_EQ(at[0], 42);
	at[0] = 1;
	return 0;
}

TEST(a_childs_copy_is_not_wired)
{
	mach_vm_address_t at = allocate(PAGE, VM_FLAGS_ANYWHERE);

	*(volatile char *)at = 42;
	EXPECT_EQ(wire(at, PAGE, VM_PROT_READ | VM_PROT_WRITE), KERN_SUCCESS);
	EXPECT_EQ(ktap_in_child(child_has_unwired_copy, (void *)at), 0);
	EXPECT_EQ(*(volatile char *)at, 42);
	EXPECT_EQ(wired_times(at), 1);
	release(at, PAGE);
}

TEST(mlock_and_munlock)
{
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	uint64_t before = wired_pages();

	REQUIRE(at != MAP_FAILED);
	EXPECT_EQ(mlock(at + 100, PAGE), 0); /* touches two pages */
	EXPECT_EQ(wired_pages() - before, 2);
	EXPECT_EQ(munlock(at + 100, PAGE), 0);
	EXPECT_EQ(wired_pages(), before);
	errno = 0;
	EXPECT_EQ(mlock((void *)0x7000000000, PAGE), -1);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_EQ(mlock((void *)-PAGE, 2 * PAGE), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mlockall(0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mlockall(MCL_CURRENT), 0);
	EXPECT(wired_pages() - before > 4);
	EXPECT_EQ(munlockall(), 0);
	EXPECT_EQ(wired_pages(), before);
	EXPECT_EQ(munmap(at, 4 * PAGE), 0);
}

static int
map_wired(void *arg)
{
	uint64_t before;
	mach_vm_address_t at, other = 0;
	vm_prot_t cur, max;
	char *p;

	(void)arg;
	EXPECT_EQ(mlockall(MCL_FUTURE), 0);
	before = wired_pages();
	at = allocate(3 * PAGE, VM_FLAGS_ANYWHERE);
	EXPECT_EQ(wired_pages() - before, 3);
	EXPECT_EQ(wired_times(at), 1);
	EXPECT_EQ(region_at(at).pages_resident, 3);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	EXPECT(p != MAP_FAILED);
	EXPECT_EQ(wired_pages() - before, 5);
	EXPECT_EQ(mach_vm_remap(mach_task_self(), &other, 3 * PAGE, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
		      at, false, &cur, &max, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	EXPECT_EQ(wired_pages() - before, 8);
	/* More than may be wired is refused, and nothing is left of it. */
	EXPECT_EQ(mmap(NULL, 1ull << 40, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0), MAP_FAILED);
	EXPECT_EQ(wired_pages() - before, 8);
	/* A guard is wired in name; it has no pages. */
	p = mmap(NULL, PAGE, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0);
	EXPECT(p != MAP_FAILED);
	release(at, 3 * PAGE);
	EXPECT_EQ(munlockall(), 0);
	EXPECT(wired_pages() <= before);
	at = allocate(PAGE, VM_FLAGS_ANYWHERE);
	EXPECT_EQ(wired_times(at), 0);
	return 0;
}

TEST(what_is_mapped_later_is_wired)
{
	uint64_t before = wired_pages();

	EXPECT_EQ(ktap_in_child(map_wired, NULL), 0);
	EXPECT_EQ(wired_pages(), before);
}

TEST(madvise_has_the_effects_of_behavior_set)
{
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	char vec[4];

	REQUIRE(at != MAP_FAILED);
	memset(at, 'a', 4 * PAGE);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_SEQUENTIAL), 0);
	EXPECT_EQ(region_at((mach_vm_address_t)at).behavior, VM_BEHAVIOR_SEQUENTIAL);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_RANDOM), 0);
	EXPECT_EQ(region_at((mach_vm_address_t)at).behavior, VM_BEHAVIOR_RANDOM);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_NORMAL), 0);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_FREE_REUSE), 0);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_CAN_REUSE), 0);
	EXPECT_EQ(madvise(at, 4 * PAGE, MADV_ZERO_WIRED_PAGES), 0);
	EXPECT(at[0] == 'a' && at[4 * PAGE - 1] == 'a');
	EXPECT_EQ(madvise(at, PAGE, MADV_PAGEOUT), 0);
	EXPECT_EQ(at[1], 'a');
	EXPECT_EQ(madvise(at + PAGE, PAGE, MADV_ZERO), 0);
	EXPECT(at[PAGE] == 0 && at[2 * PAGE - 1] == 0 && at[2 * PAGE] == 'a');
	EXPECT_EQ(madvise(at + 2 * PAGE, PAGE, MADV_FREE), 0);
	EXPECT_EQ(mincore(at, 4 * PAGE, vec), 0);
	EXPECT((vec[0] & MINCORE_INCORE) && !(vec[2] & MINCORE_INCORE) && (vec[3] & MINCORE_INCORE));
	EXPECT_EQ(madvise(at + 3 * PAGE, PAGE, MADV_FREE_REUSABLE), 0);
	for (int advice = MADV_NORMAL; advice <= MADV_ZERO; advice++) {
		EXPECT_EQ(madvise(at, 0, advice), 0);
		EXPECT_EQ(madvise((void *)0x7000000000, PAGE, advice), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_EQ(madvise(at, PAGE, MADV_ZERO + 1), -1);
	EXPECT_EQ(madvise(at, PAGE, -1), -1);
	EXPECT_EQ(madvise((void *)-PAGE, 2 * PAGE, MADV_NORMAL), -1);
	EXPECT_EQ(munmap(at, 4 * PAGE), 0);
}

static int
child_of_inheritance(void *arg)
{
	char *at = arg;

	at[0] = 'c';        /* shared */
	at[2 * PAGE] = 'c'; /* a copy */
	EXPECT_EQ(mincore(at + PAGE, PAGE, &(char){ 0 }), -1);
	return 0;
}

TEST(inheritance_by_minherit)
{
	char *at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

	REQUIRE(at != MAP_FAILED);
	memset(at, 'p', 3 * PAGE);
	EXPECT_EQ(minherit(at, PAGE, VM_INHERIT_SHARE), 0);
	EXPECT_EQ(minherit(at + PAGE, PAGE, VM_INHERIT_NONE), 0);
	EXPECT_EQ(minherit(at, PAGE, 3), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(minherit(at, PAGE, -1), -1);
	EXPECT_EQ(minherit((void *)-PAGE, 2 * PAGE, VM_INHERIT_SHARE), -1);
	EXPECT_EQ(ktap_in_child(child_of_inheritance, at), 0);
	EXPECT(at[0] == 'c' && at[PAGE] == 'p' && at[2 * PAGE] == 'p');
	EXPECT_EQ(munmap(at, 3 * PAGE), 0);
}

/* Ranges with holes in them: what deallocates and inherits passes over them, what protects changes nothing. */
TEST(ranges_with_gaps)
{
	mach_vm_address_t at = allocate(5 * PAGE, VM_FLAGS_ANYWHERE);

	*(char *)at = 1;
	release(at + PAGE, PAGE);
	release(at + 3 * PAGE, PAGE);
	EXPECT_EQ(mach_vm_protect(mach_task_self(), at, 5 * PAGE, false, VM_PROT_READ), KERN_INVALID_ADDRESS);
	EXPECT_EQ(region_at(at).protection, VM_PROT_DEFAULT);
	EXPECT_EQ(region_at(at + 4 * PAGE).protection, VM_PROT_DEFAULT);
	EXPECT_EQ(mach_vm_protect(mach_task_self(), at, 5 * PAGE, true, VM_PROT_READ), KERN_INVALID_ADDRESS);
	EXPECT_EQ(region_at(at).max_protection, VM_PROT_ALL);
	EXPECT_EQ(mach_vm_inherit(mach_task_self(), at, 5 * PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
	EXPECT_EQ(region_at(at).inheritance, VM_INHERIT_NONE);
	EXPECT_EQ(region_at(at + 2 * PAGE).inheritance, VM_INHERIT_NONE);
	EXPECT_EQ(region_at(at + 4 * PAGE).inheritance, VM_INHERIT_NONE);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), at, 5 * PAGE, VM_BEHAVIOR_RANDOM), KERN_INVALID_ADDRESS);
	EXPECT_EQ(region_at(at).behavior, VM_BEHAVIOR_DEFAULT);
	EXPECT_EQ(msync((void *)at, 5 * PAGE, MS_SYNC), -1);
	EXPECT_EQ(errno, ENOMEM);
	release(at, 5 * PAGE);
	EXPECT_EQ(msync((void *)at, PAGE, MS_SYNC), -1);
	release(at, 5 * PAGE); /* nothing at all */
}

static int
child_of_nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST(msync_takes_its_flags)
{
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	const int good[] = { 0, MS_ASYNC, MS_SYNC, MS_INVALIDATE | MS_SYNC, MS_INVALIDATE, MS_KILLPAGES,
		MS_DEACTIVATE };
	const int bad[] = { MS_ASYNC | MS_SYNC, 0x20, -1, 0x40000000 };

	REQUIRE(at != MAP_FAILED);
	at[0] = 'm';
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		EXPECT_EQ(msync(at, 2 * PAGE, good[i]), 0);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(msync(at, 2 * PAGE, bad[i]), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_EQ(msync(at + 1, PAGE, MS_SYNC), -1);
	EXPECT_EQ(at[0], 0); /* MS_KILLPAGES */
	EXPECT_EQ(munmap(at, 2 * PAGE), 0);
}

/* What the flags of the Mach call do: nothing to memory that others see, and holes matter to CONTIGUOUS alone. */
TEST(mach_msync_takes_its_flags)
{
	mach_vm_address_t at = allocate(3 * PAGE, VM_FLAGS_ANYWHERE);
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	mach_port_t self = mach_task_self();

	REQUIRE(shared != MAP_FAILED);
	memset((void *)at, 's', 3 * PAGE);
	*shared = 's';
	EXPECT_EQ(ktap_in_child(child_of_nothing, NULL), 0); /* shared is, now */
	release(at + PAGE, PAGE);
	EXPECT_EQ(
	    mach_vm_msync(self, at, PAGE, VM_SYNC_SYNCHRONOUS | VM_SYNC_ASYNCHRONOUS), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_msync(self, at, -1, VM_SYNC_SYNCHRONOUS), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_msync(self, at, 3 * PAGE, VM_SYNC_SYNCHRONOUS | VM_SYNC_INVALIDATE), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_msync(self, at, 3 * PAGE, VM_SYNC_CONTIGUOUS), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_msync(self, at, 3 * PAGE, VM_SYNC_DEACTIVATE), KERN_SUCCESS);
	EXPECT(*(volatile char *)at == 's' && *(volatile char *)(at + 2 * PAGE) == 's');
	EXPECT_EQ(mach_vm_msync(self, (mach_vm_address_t)shared, PAGE, VM_SYNC_KILLPAGES), KERN_SUCCESS);
	EXPECT_EQ(*(volatile char *)shared, 's');
	EXPECT_EQ(mach_vm_msync(self, at, 3 * PAGE, VM_SYNC_KILLPAGES), KERN_SUCCESS);
	EXPECT_EQ(disposition(at), 0);
	EXPECT(*(volatile char *)at == 0 && *(volatile char *)(at + 2 * PAGE) == 0);
	release(at, 3 * PAGE);
	EXPECT_EQ(munmap(shared, PAGE), 0);
}

/* The same page by each call that describes pages: absent, anonymous, compressed, of a file, a private copy of it. */
TEST(descriptions_of_pages_agree)
{
	/* Whether a page was used, and by how many it is held, is not for us to say. */
	const int query_mask = VM_PAGE_QUERY_PAGE_PRESENT | VM_PAGE_QUERY_PAGE_DIRTY |
			       VM_PAGE_QUERY_PAGE_PAGED_OUT | VM_PAGE_QUERY_PAGE_EXTERNAL;
	const int core_mask = MINCORE_INCORE | MINCORE_MODIFIED | MINCORE_PAGED_OUT | MINCORE_ANONYMOUS;
	const int in = VM_PAGE_QUERY_PAGE_PRESENT, dirty = in | VM_PAGE_QUERY_PAGE_DIRTY;
	const struct {
		int query, core;
	} expected[] = {
		{ 0, MINCORE_ANONYMOUS },
		{ dirty, MINCORE_INCORE | MINCORE_MODIFIED | MINCORE_ANONYMOUS },
		{ VM_PAGE_QUERY_PAGE_PAGED_OUT, MINCORE_PAGED_OUT | MINCORE_ANONYMOUS },
		{ in | VM_PAGE_QUERY_PAGE_EXTERNAL, MINCORE_INCORE },
		{ dirty, MINCORE_INCORE | MINCORE_MODIFIED | MINCORE_ANONYMOUS },
	};
	enum { PAGES = sizeof(expected) / sizeof(expected[0]) };
	int fd = open("/tests/vm_calls", O_RDONLY), found[PAGES] = { 0 };
	char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	mach_vm_size_t count = PAGES;
	char core[PAGES];

	REQUIRE(fd >= 0 && at != MAP_FAILED);
	at[2 * PAGE] = 'p';
	EXPECT_EQ(madvise(at + 2 * PAGE, PAGE, MADV_PAGEOUT), 0);
	at[PAGE] = 'a';
	REQUIRE(mmap(at + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
		MAP_FAILED);
	EXPECT(((volatile char *)at)[3 * PAGE] != 0);
	((volatile char *)at)[4 * PAGE] = 'c';
	EXPECT_EQ(mincore(at, PAGES * PAGE, core), 0);
	EXPECT_EQ(mach_vm_page_range_query(mach_task_self(), (mach_vm_address_t)at, PAGES * PAGE,
		      (mach_vm_address_t)found, &count),
	    KERN_SUCCESS);
	for (unsigned i = 0; i < PAGES; i++) {
		EXPECT_EQ(found[i] & query_mask, expected[i].query);
		EXPECT_EQ(core[i] & core_mask, expected[i].core);
		EXPECT_EQ(disposition((mach_vm_address_t)at + i * PAGE) & query_mask, expected[i].query);
	}
	EXPECT_EQ(munmap(at, PAGES * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

/* The number that the structure of 64 bits had first. */
TEST(regions_by_the_old_flavor)
{
	mach_vm_address_t at = allocate(PAGE, VM_FLAGS_ANYWHERE), where = at;
	struct vm_region_basic_info_64 info;
	mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
	mach_vm_size_t size;
	mach_port_t name;

	EXPECT_EQ(mach_vm_region(mach_task_self(), &where, &size, VM_REGION_BASIC_INFO,
		      (vm_region_info_t)&info, &count, &name),
	    KERN_SUCCESS);
	EXPECT(where <= at && info.protection == VM_PROT_DEFAULT && count == VM_REGION_BASIC_INFO_COUNT_64);
	release(at, PAGE);
}

static kern_return_t
purgable(mach_vm_address_t at, vm_purgable_t control, int *state)
{
	return mach_vm_purgable_control(mach_task_self(), at, control, state);
}

static int
purgable_state(mach_vm_address_t at)
{
	int state = -1;

	EXPECT_EQ(purgable(at, VM_PURGABLE_GET_STATE, &state), KERN_SUCCESS);
	return state;
}

TEST(purgeable_memory_comes_and_goes)
{
	mach_vm_address_t at = allocate(4 * PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE);
	int state = VM_PURGABLE_VOLATILE;

	memset((void *)at, 7, 4 * PAGE);
	EXPECT_EQ(purgable_state(at), VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(state, VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(((volatile char *)at)[PAGE], 7);
	state = VM_PURGABLE_NONVOLATILE;
	EXPECT_EQ(purgable(at + PAGE, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(state, VM_PURGABLE_VOLATILE);
	EXPECT_EQ(((volatile char *)at)[PAGE], 7);

	state = VM_PURGABLE_VOLATILE | VM_VOLATILE_GROUP_3;
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(purgable(0, VM_PURGABLE_PURGE_ALL, &state), KERN_SUCCESS);
	EXPECT_EQ(purgable_state(at), VM_PURGABLE_EMPTY);
	EXPECT_EQ(disposition(at), 0);
	state = VM_PURGABLE_NONVOLATILE;
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(state, VM_PURGABLE_EMPTY);
	EXPECT_EQ(((volatile char *)at)[PAGE], 0);

	memset((void *)at, 9, PAGE);
	state = VM_PURGABLE_EMPTY;
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(((volatile char *)at)[0], 0);
	release(at, 4 * PAGE);
}

TEST(purgeable_control_refuses_what_it_must)
{
	mach_vm_address_t at = allocate(2 * PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE);
	mach_vm_address_t plain = allocate(PAGE, VM_FLAGS_ANYWHERE);
	int state = VM_PURGABLE_VOLATILE;

	EXPECT_EQ(purgable(plain, VM_PURGABLE_SET_STATE, &state), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(purgable(plain, VM_PURGABLE_GET_STATE, &state), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(purgable(0x7000000000, VM_PURGABLE_GET_STATE, &state), KERN_INVALID_ADDRESS);
	EXPECT_EQ(purgable(-1, VM_PURGABLE_GET_STATE, &state), KERN_INVALID_ADDRESS);
	EXPECT_EQ(purgable(at, 99, &state), KERN_INVALID_ARGUMENT);
	state = VM_PURGABLE_DENY;
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_INVALID_ARGUMENT);
	state = 0x100000;
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_INVALID_ARGUMENT);
	state = VM_PURGABLE_VOLATILE;
	EXPECT_EQ(mach_vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(
	    purgable(at + PAGE, VM_PURGABLE_SET_STATE, &state), KERN_INVALID_ARGUMENT); /* not all of it */
	release(at, 2 * PAGE);
	release(plain, PAGE);
}

static int
child_scribbles(void *arg)
{
	EXPECT_EQ(*(volatile char *)arg, 5);
	*(volatile char *)arg = 6;
	return 0;
}

TEST(purgeable_memory_over_fork)
{
	mach_vm_address_t at = allocate(PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE);
	int state = VM_PURGABLE_VOLATILE;

	*(volatile char *)at = 5;
	EXPECT_EQ(ktap_in_child(child_scribbles, (void *)at), 0);
	EXPECT_EQ(*(volatile char *)at, 5);
	EXPECT_EQ(purgable(at, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	release(at, PAGE); /* while volatile */
}

TEST(advice_has_its_effect)
{
	mach_vm_address_t at = allocate(4 * PAGE, VM_FLAGS_ANYWHERE);

	memset((void *)at, 3, 4 * PAGE);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, 4 * PAGE, VM_BEHAVIOR_SEQUENTIAL), KERN_SUCCESS);
	EXPECT_EQ(region_at(at).behavior, VM_BEHAVIOR_SEQUENTIAL);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, PAGE, VM_BEHAVIOR_FREE), KERN_SUCCESS);
	EXPECT_EQ(((volatile char *)at)[0], 0);
	EXPECT_EQ(((volatile char *)at)[PAGE], 3);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, 4 * PAGE, VM_BEHAVIOR_DONTNEED), KERN_SUCCESS);
	EXPECT_EQ(((volatile char *)at)[PAGE], 3);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, 4 * PAGE, VM_BEHAVIOR_ZERO), KERN_SUCCESS);
	EXPECT_EQ(((volatile char *)at)[3 * PAGE], 0);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, 4 * PAGE, 13), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), at, -1, VM_BEHAVIOR_RANDOM), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), at, PAGE, VM_BEHAVIOR_ZERO), KERN_PROTECTION_FAILURE);
	release(at + PAGE, PAGE);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), at, 4 * PAGE, VM_BEHAVIOR_RANDOM), KERN_INVALID_ADDRESS);
	release(at, 4 * PAGE);
}

static unsigned
pages_in_core(const void *at, unsigned pages)
{
	char vec[64] = { 0 };
	unsigned found = 0;

	EXPECT(pages <= sizeof(vec));
	EXPECT_EQ(mincore(at, pages * PAGE, vec), 0);
	for (unsigned i = 0; i < pages; i++) {
		found += (vec[i] & MINCORE_INCORE) != 0;
	}
	return found;
}

static kern_return_t
advise(mach_vm_address_t at, mach_vm_size_t size, vm_behavior_t behavior)
{
	return mach_vm_behavior_set(mach_task_self(), at, size, behavior);
}

/* What an allocator gives is nobody's at once, and is taken back as zeros. */
TEST(reusable_memory_is_nobodys)
{
	mach_vm_address_t at = allocate(64 * PAGE, VM_FLAGS_ANYWHERE);

	memset((void *)at, 'r', 64 * PAGE);
	EXPECT_EQ(pages_in_core((void *)at, 64), 64);
	EXPECT_EQ(advise(at, 64 * PAGE, VM_BEHAVIOR_CAN_REUSE), KERN_SUCCESS);
	EXPECT_EQ(pages_in_core((void *)at, 64), 64);
	EXPECT_EQ(advise(at + PAGE, 62 * PAGE, VM_BEHAVIOR_REUSABLE), KERN_SUCCESS);
	EXPECT_EQ(pages_in_core((void *)at, 64), 2);
	EXPECT_EQ(disposition(at + PAGE), 0);
	EXPECT_EQ(advise(at + PAGE, 62 * PAGE, VM_BEHAVIOR_REUSE), KERN_SUCCESS);
	EXPECT_EQ(pages_in_core((void *)at, 64), 2);
	EXPECT_EQ(*(volatile char *)(at + PAGE), 0);
	EXPECT_EQ(pages_in_core((void *)at, 64), 3);
	EXPECT_EQ(*(volatile char *)at, 'r');
	EXPECT_EQ(madvise((void *)at, PAGE, MADV_FREE_REUSABLE), 0);
	EXPECT_EQ(madvise((void *)at, PAGE, MADV_CAN_REUSE), 0);
	EXPECT_EQ(madvise((void *)at, PAGE, MADV_FREE_REUSE), 0);
	EXPECT_EQ(*(volatile char *)at, 0);
	release(at, 64 * PAGE);
}

TEST(what_cannot_be_reused)
{
	static const vm_behavior_t all[] = { VM_BEHAVIOR_REUSABLE, VM_BEHAVIOR_REUSE, VM_BEHAVIOR_CAN_REUSE };
	mach_vm_address_t at = allocate(5 * PAGE, VM_FLAGS_ANYWHERE);
	mach_vm_address_t purgeable = allocate(PAGE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE);
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0), *file;
	int fd = open("/tests/vm_calls", O_RDONLY);

	file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(shared != MAP_FAILED && file != MAP_FAILED);
	memset((void *)at, 'r', 5 * PAGE);
	release(at + PAGE, PAGE);
	EXPECT_EQ(mprotect((void *)(at + 2 * PAGE), PAGE, PROT_READ), 0);
	EXPECT_EQ(mlock((void *)(at + 4 * PAGE), PAGE), 0);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(advise(at, 2 * PAGE, all[i]), KERN_INVALID_ADDRESS);
		EXPECT_EQ(advise(at + 2 * PAGE, 2 * PAGE, all[i]), KERN_PROTECTION_FAILURE);
		EXPECT_EQ(advise(at + 3 * PAGE, 2 * PAGE, all[i]), KERN_INVALID_ADDRESS);
		EXPECT_EQ(advise(purgeable, PAGE, all[i]), KERN_INVALID_ADDRESS);
		EXPECT_EQ(advise((mach_vm_address_t)shared, PAGE, all[i]), KERN_INVALID_ADDRESS);
		EXPECT_EQ(advise((mach_vm_address_t)file, PAGE, all[i]), KERN_INVALID_ADDRESS);
		EXPECT_EQ(advise(at, -1, all[i]), KERN_INVALID_ARGUMENT);
	}
	EXPECT(*(volatile char *)at == 'r' && *(volatile char *)(at + 3 * PAGE) == 'r');
	release(at, 5 * PAGE);
	release(purgeable, PAGE);
	EXPECT_EQ(munmap(shared, PAGE), 0);
	EXPECT_EQ(munmap(file, PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

/* A copy that is wrong at its end changes nothing at its beginning. */
TEST(copies_are_whole_or_none)
{
	mach_vm_address_t from = allocate(3 * PAGE, VM_FLAGS_ANYWHERE),
			  to = allocate(3 * PAGE, VM_FLAGS_ANYWHERE);
	mach_port_t self = mach_task_self();
	mach_vm_size_t got = 1;

	memset((void *)from, 'f', 2 * PAGE);
	memset((void *)to, 't', 3 * PAGE);
	release(from + 2 * PAGE, PAGE);
	release(to + 2 * PAGE, PAGE);
	EXPECT_EQ(mach_vm_copy(self, from, 2 * PAGE, to + PAGE), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_copy(self, from + PAGE, 2 * PAGE, to), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_write(self, to + PAGE, from, 2 * PAGE), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_read_overwrite(self, from, 2 * PAGE, to + PAGE, &got), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mprotect((void *)(to + PAGE), PAGE, PROT_READ), 0);
	EXPECT_EQ(mach_vm_copy(self, from, 2 * PAGE, to), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(mach_vm_write(self, to, from, 2 * PAGE), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(mach_vm_read_overwrite(self, from, 2 * PAGE, to, &got), KERN_PROTECTION_FAILURE);
	EXPECT(*(volatile char *)to == 't' && *(volatile char *)(to + PAGE) == 't');
	EXPECT_EQ(mach_vm_copy(self, from, 0, to), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_copy(self, from + 3, PAGE - 3, to + 1), KERN_SUCCESS);
	EXPECT(*(volatile char *)to == 't' && *(volatile char *)(to + 1) == 'f');
	release(from, 2 * PAGE);
	release(to, 2 * PAGE);
}

/* What was compressed is there again before it is used; what was never used stays so. */
TEST(what_will_be_needed_is_decompressed)
{
	char *at = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	char *shared = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);

	REQUIRE(at != MAP_FAILED && shared != MAP_FAILED);
	memset(at, 'w', 16 * PAGE);
	memset(shared, 's', 16 * PAGE);
	EXPECT_EQ(madvise(at, 32 * PAGE, MADV_PAGEOUT), 0);
	EXPECT_EQ(pages_in_core(at, 32), 0);
	EXPECT_EQ(madvise(at + PAGE, 31 * PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(pages_in_core(at, 32), 15);
	EXPECT_EQ(madvise(at, 32 * PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(pages_in_core(at, 32), 16);
	EXPECT_EQ(madvise(shared, 16 * PAGE, MADV_WILLNEED), 0);
	for (unsigned i = 0; i < 16; i++) {
		EXPECT(at[i * PAGE] == 'w' && at[(i + 1) * PAGE - 1] == 'w' && shared[i * PAGE] == 's');
	}
	EXPECT_EQ(at[16 * PAGE], 0);
	EXPECT_EQ(munmap(at, 32 * PAGE), 0);
	EXPECT_EQ(munmap(shared, 16 * PAGE), 0);
}

#define HUGE (1ULL << 44) /* bytes: minutes, page by page */

/* What looks for pages in much memory that nobody has touched finds the few there are, at once. */
TEST(advice_on_sparse_memory)
{
	static const int all[] = { MADV_PAGEOUT, MADV_DONTNEED, MADV_WILLNEED };
	char *at = (char *)allocate(HUGE, VM_FLAGS_ANYWHERE);

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		at[0] = at[HUGE / 2] = at[HUGE - 1] = 's';
		EXPECT_EQ(madvise(at, HUGE, all[i]), 0);
		EXPECT(at[0] == 's' && at[1] == 0 && at[HUGE / 2] == 's' && at[HUGE - 1] == 's');
	}
	release((mach_vm_address_t)at, HUGE);
}

/* Up to the file's end, and no error behind it. */
TEST(what_will_be_needed_of_a_file_is_read)
{
	int fd = open("/tests/vm_calls", O_RDONLY);
	char *at = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	struct stat st;
	unsigned pages;

	REQUIRE(fd >= 0 && at != MAP_FAILED && fstat(fd, &st) == 0);
	pages = (unsigned)((st.st_size + PAGE - 1) / PAGE);
	pages = pages < 64 ? pages : 64;
	EXPECT_EQ(madvise(at, 64 * PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(pages_in_core(at, 64), pages);
	EXPECT_EQ(munmap(at, 64 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

TEST(pages_are_described)
{
	mach_vm_address_t at = allocate(4 * PAGE, VM_FLAGS_ANYWHERE);
	vm_page_info_basic_data_t info;
	mach_msg_type_number_t count = VM_PAGE_INFO_BASIC_COUNT;
	int found[4] = { -1, -1, -1, -1 };
	mach_vm_size_t pages = 4;

	*(volatile char *)(at + PAGE) = 1;
	EXPECT_EQ(mach_vm_page_info(mach_task_self(), at + PAGE, VM_PAGE_INFO_BASIC, (int *)&info, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(count, VM_PAGE_INFO_BASIC_COUNT);
	EXPECT(info.disposition & VM_PAGE_QUERY_PAGE_PRESENT);
	EXPECT_EQ(info.ref_count, 1);
	EXPECT_EQ(info.offset, PAGE);
	EXPECT_EQ(mach_vm_page_info(mach_task_self(), at, 2, (int *)&info, &count), KERN_INVALID_ARGUMENT);
	count = 3;
	EXPECT_EQ(mach_vm_page_info(mach_task_self(), at, VM_PAGE_INFO_BASIC, (int *)&info, &count),
	    KERN_INVALID_ARGUMENT);

	EXPECT_EQ(mach_vm_page_range_query(mach_task_self(), at, 4 * PAGE, (mach_vm_address_t)found, &pages),
	    KERN_SUCCESS);
	EXPECT_EQ(pages, 4);
	EXPECT_EQ(found[0], 0);
	EXPECT(found[1] & VM_PAGE_QUERY_PAGE_PRESENT);
	EXPECT_EQ(found[2], 0);
	pages = 1;
	EXPECT_EQ(mach_vm_page_range_query(mach_task_self(), at, 4 * PAGE, (mach_vm_address_t)found, &pages),
	    KERN_SUCCESS);
	EXPECT_EQ(pages, 1);
	EXPECT(mach_vm_page_range_query(mach_task_self(), at, 4 * PAGE, 8, &pages) != KERN_SUCCESS);
	EXPECT_EQ(mach_vm_page_range_query(mach_task_self(), at, -1, (mach_vm_address_t)found, &pages),
	    KERN_INVALID_ARGUMENT);
	release(at, 4 * PAGE);
}

TEST(lists_are_read)
{
	mach_vm_address_t at = allocate(2 * PAGE, VM_FLAGS_ANYWHERE);
	static mach_vm_read_entry_t list;

	memset((void *)at, 4, 2 * PAGE);
	list[0].address = at;
	list[0].size = PAGE;
	list[1].address = at + 100;
	list[1].size = 5;
	REQUIRE(EXPECT_EQ(mach_vm_read_list(mach_task_self(), list, 2), KERN_SUCCESS));
	EXPECT(list[0].address != at);
	EXPECT_EQ(*(volatile char *)list[0].address, 4);
	EXPECT_EQ(memcmp((void *)list[1].address, (void *)(at + 100), 5), 0);
	release(list[0].address, PAGE);
	release(list[1].address, 5);
	list[0].address = at;
	list[1].address = 0x7000000000;
	EXPECT_EQ(mach_vm_read_list(mach_task_self(), list, 2), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_read_list(mach_task_self(), list, 257), KERN_INVALID_ARGUMENT);
	release(at, 2 * PAGE);
}

/* vm_protect and mach_vm_wire with their wire written down here: 3803 and 418. */
#pragma pack(push, 4)
union by_hand {
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		uint64_t address, size;
		boolean_t maximum;
		vm_prot_t prot;
	} protect;
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t task;
		NDR_record_t ndr;
		uint64_t address, size;
		vm_prot_t access;
	} wire;
	struct {
		mach_msg_header_t head;
		NDR_record_t ndr;
		kern_return_t retcode;
		mach_msg_max_trailer_t trailer;
	} reply;
};
#pragma pack(pop)

static kern_return_t
call_by_hand(
    union by_hand *m, mach_port_t target, mach_msg_id_t id, mach_msg_size_t size, mach_msg_bits_t bits)
{
	m->protect.head = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) | bits,
		.msgh_size = size,
		.msgh_remote_port = target,
		.msgh_local_port = mig_get_reply_port(),
		.msgh_id = id,
	};
	EXPECT_EQ(mach_msg(&m->protect.head, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(*m),
		      mig_get_reply_port(), MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(m->reply.head.msgh_id, id + 100);
	return m->reply.retcode;
}

TEST(requests_written_by_hand)
{
	mach_vm_address_t at = allocate(2 * PAGE, VM_FLAGS_ANYWHERE);
	union by_hand m;

	memset(&m, 0, sizeof(m));
	m.protect.ndr = NDR_record;
	m.protect.address = at;
	m.protect.size = PAGE;
	m.protect.prot = VM_PROT_READ;
	EXPECT_EQ(call_by_hand(&m, mach_task_self(), 3803, sizeof(m.protect), 0), KERN_SUCCESS);
	EXPECT_EQ(region_at(at).protection, VM_PROT_READ);
	EXPECT_EQ(region_at(at + PAGE).protection, VM_PROT_DEFAULT);

	memset(&m, 0, sizeof(m));
	m.wire.body.msgh_descriptor_count = 1;
	m.wire.task = (mach_msg_port_descriptor_t){ .name = mach_task_self(),
		.disposition = MACH_MSG_TYPE_COPY_SEND,
		.type = MACH_MSG_PORT_DESCRIPTOR };
	m.wire.ndr = NDR_record;
	m.wire.address = at + PAGE;
	m.wire.size = PAGE;
	m.wire.access = VM_PROT_WRITE;
	EXPECT_EQ(
	    call_by_hand(&m, mach_host_self(), 418, sizeof(m.wire), MACH_MSGH_BITS_COMPLEX), KERN_SUCCESS);
	EXPECT_EQ(wired_times(at + PAGE), 1);
	EXPECT_EQ(wired_times(at), 0);

	/* Too short. */
	memset(&m, 0, sizeof(m));
	m.protect.ndr = NDR_record;
	EXPECT_EQ(call_by_hand(&m, mach_task_self(), 3803, sizeof(m.protect) - 4, 0), MIG_BAD_ARGUMENTS);
	release(at, 2 * PAGE);
}
