/*
 * Copies of memory over memory: mach_vm_copy, mach_vm_write, mach_vm_read_overwrite. Whole pages are shared until they
 * are written to; whatever the way, each side sees its own contents, what lies beside a range stays, and the
 * destination stays what it was but for its contents.
 */
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/vm_map.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define PAGE  16384ull
#define SELF  mach_task_self()
#define PAGES 16 /* of a range in most tests: enough to be shared */

static char *
allocate(mach_vm_size_t size, int flags)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(mach_vm_allocate(SELF, &at, size, VM_FLAGS_ANYWHERE | flags), KERN_SUCCESS);
	return (char *)at;
}

static void
release(const void *at, mach_vm_size_t size)
{
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)at, size), KERN_SUCCESS);
}

static kern_return_t
copy(const void *from, mach_vm_size_t size, void *to)
{
	return mach_vm_copy(SELF, (mach_vm_address_t)from, size, (mach_vm_address_t)to);
}

/* Every word tells where it lies and by whom it was written. */
static void
fill(void *at, size_t size, uint32_t seed)
{
	uint64_t *words = at;

	for (size_t i = 0; i < size / sizeof(*words); i++) {
		words[i] = (uint64_t)seed << 32 | i;
	}
}

static bool
filled(const void *at, size_t size, uint32_t seed)
{
	const uint64_t *words = at;

	for (size_t i = 0; i < size / sizeof(*words); i++) {
		if (words[i] != ((uint64_t)seed << 32 | i)) {
			printf("# word %zu is %#llx\n", i, (unsigned long long)words[i]);
			return false;
		}
	}
	return true;
}

/* How many hold the page; 0: it is not in memory. */
static unsigned
holders(const void *at)
{
	integer_t what = 0, refs = 0;

	EXPECT_EQ(mach_vm_page_query(SELF, (mach_vm_address_t)at, &what, &refs), KERN_SUCCESS);
	return (what & VM_PAGE_QUERY_PAGE_PRESENT) ? (unsigned)refs : 0;
}

static bool
all_held_by(const char *at, unsigned pages, unsigned count)
{
	for (unsigned i = 0; i < pages; i++) {
		if (holders(at + i * PAGE) != count) {
			printf("# page %u is held %u times\n", i, holders(at + i * PAGE));
			return false;
		}
	}
	return true;
}

static vm_region_submap_info_data_64_t
region_at(const void *at, mach_vm_address_t *start, mach_vm_size_t *size)
{
	vm_region_submap_info_data_64_t info = { 0 };
	mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
	natural_t depth = 0;

	*start = (mach_vm_address_t)at;
	EXPECT_EQ(mach_vm_region_recurse(SELF, start, size, &depth, (int *)&info, &count), KERN_SUCCESS);
	return info;
}

/* --- pages that change hands --- */

TEST(whole_pages_are_shared)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, 0);

	fill(from, PAGES * PAGE, 1);
	fill(to, PAGES * PAGE, 2);
	EXPECT(all_held_by(from, PAGES, 1) && all_held_by(to, PAGES, 1));
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(all_held_by(from, PAGES, 2) && all_held_by(to, PAGES, 2));
	EXPECT(filled(from, PAGES * PAGE, 1) && filled(to, PAGES * PAGE, 1));
	EXPECT(all_held_by(from, PAGES, 2) && all_held_by(to, PAGES, 2));
	/* again, and the other way, changes nothing */
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT_EQ(copy(to, PAGES * PAGE, from), KERN_SUCCESS);
	EXPECT_EQ(copy(to, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(all_held_by(from, PAGES, 2) && all_held_by(to, PAGES, 2));
	EXPECT(filled(from, PAGES * PAGE, 1) && filled(to, PAGES * PAGE, 1));
	release(from, PAGES * PAGE);
	EXPECT(all_held_by(to, PAGES, 1) && filled(to, PAGES * PAGE, 1));
	release(to, PAGES * PAGE);
}

static uint64_t
free_pages(void)
{
	return vm_statistics_now().free_count;
}

static void
touch_pages(char *at, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++) {
		*(uint64_t *)(at + i * PAGE) = i + 1;
	}
}

#define LARGE 8192 /* pages: 128 MiB */

static bool
is_room_for(unsigned pages)
{
	if (vm_statistics_now().free_count >= pages) {
		return true;
	}
	ktap_skip("memory is short");
	return false;
}

/* Pages that are taken since then: those that page-out has freed meanwhile count as well. */
static int64_t
taken_since(const vm_statistics64_data_t *then)
{
	vm_statistics64_data_t now = vm_statistics_now();

	return ((int64_t)then->free_count - (int64_t)now.free_count) +
	       (int64_t)(now.compressions - then->compressions);
}

/* 128 MiB are copied where there are 96 left, and still are afterwards. */
TEST(a_large_copy_takes_no_memory)
{
	char *from, *to, *rest;
	vm_statistics64_data_t before;
	mach_vm_size_t spare;

	if (!is_room_for(3 * LARGE)) {
		return;
	}
	from = allocate(LARGE * PAGE, 0);
	to = allocate(LARGE * PAGE, 0);
	touch_pages(from, LARGE);
	spare = free_pages() - LARGE / 4 * 3;
	rest = allocate(spare * PAGE, 0);
	touch_pages(rest, (unsigned)spare);
	before = vm_statistics_now();
	EXPECT_EQ(copy(from, LARGE * PAGE, to), KERN_SUCCESS);
	for (unsigned i = 0; i < LARGE; i++) {
		if (!EXPECT_EQ(*(uint64_t *)(to + i * PAGE), i + 1)) {
			break;
		}
	}
	EXPECT(taken_since(&before) < LARGE / 2);
	release(rest, spare * PAGE);
	release(from, LARGE * PAGE);
	release(to, LARGE * PAGE);
}

/* What the destination had is free then: here, for pages that nobody has touched. */
TEST(what_was_there_is_free)
{
	char *from, *to;
	vm_statistics64_data_t before;

	if (!is_room_for(3 * LARGE)) {
		return;
	}
	from = allocate(LARGE * PAGE, 0);
	to = allocate(LARGE * PAGE, 0);
	touch_pages(to, LARGE);
	before = vm_statistics_now();
	EXPECT_EQ(copy(from, LARGE * PAGE, to), KERN_SUCCESS);
	EXPECT(taken_since(&before) < -LARGE / 2);
	EXPECT(to[0] == 0 && to[(LARGE - 1) * PAGE] == 0);
	release(from, LARGE * PAGE);
	release(to, LARGE * PAGE);
}

#define HUGE (1ULL << 44) /* bytes: minutes, even page by page of nothing */

/* Memory that nobody has touched costs nothing, in both directions and at any place in its page. */
TEST(sparse_memory)
{
	char *from = allocate(HUGE, 0), *to = allocate(HUGE, 0);

	from[HUGE / 4] = from[HUGE - 1] = 'f';
	to[HUGE / 4 + 1] = to[HUGE / 2] = 't';
	EXPECT_EQ(copy(from + 1, HUGE - 2, to + 1), KERN_SUCCESS);
	EXPECT(to[HUGE / 4] == 'f' && to[HUGE / 4 + 1] == 0 && to[HUGE / 2] == 0 && to[HUGE - 1] == 0);
	EXPECT_EQ(copy(from + HUGE / 4 - 5, HUGE / 2, from + HUGE / 2 - 5), KERN_SUCCESS);
	EXPECT(from[HUGE / 2] == 'f' && from[HUGE / 4] == 'f');
	EXPECT_EQ(copy(from + HUGE / 4 + 5, HUGE / 2, from + 4), KERN_SUCCESS);
	EXPECT(from[HUGE / 4 - 1] == 'f' && from[HUGE / 4] == 0 && from[HUGE / 2 - 1] == 0);
	EXPECT(from[HUGE / 2] == 0 && from[HUGE - 1] == 'f');
	release(from, HUGE);
	release(to, HUGE);
}

TEST(each_side_writes_for_itself)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, 0);

	fill(from, PAGES * PAGE, 1);
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	for (unsigned i = 0; i < PAGES; i++) {
		char *written = (i % 2 ? from : to) + i * PAGE, *other = (i % 2 ? to : from) + i * PAGE;

		written[5] = 'x';
		EXPECT(written[5] == 'x' && other[5] != 'x');
		EXPECT(holders(written) == 1 && holders(other) == 1);
		other[5] = 'y';
		EXPECT(written[5] == 'x' && other[5] == 'y');
	}
	fill(from, PAGES * PAGE, 3);
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	fill(from, PAGES * PAGE, 4);
	EXPECT(filled(to, PAGES * PAGE, 3) && filled(from, PAGES * PAGE, 4));
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

static int
child_overwrites(void *arg)
{
	char *const *ranges = arg;

	fill(ranges[0], PAGES * PAGE, 7);
	return copy(ranges[0], PAGES * PAGE, ranges[1]) == KERN_SUCCESS && filled(ranges[1], PAGES * PAGE, 7)
		   ? 0
		   : 1;
}

/* What a child inherits is copied over by the child alone, and by the parent alone. */
TEST(copies_over_what_was_inherited)
{
	char *ranges[] = { allocate(PAGES * PAGE, 0), allocate(PAGES * PAGE, 0) };
	pid_t pid;
	int go[2], status;
	char byte;

	fill(ranges[0], PAGES * PAGE, 1);
	fill(ranges[1], PAGES * PAGE, 2);
	EXPECT_EQ(ktap_in_child(child_overwrites, ranges), 0);
	EXPECT(filled(ranges[0], PAGES * PAGE, 1) && filled(ranges[1], PAGES * PAGE, 2));

	REQUIRE(pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		(void)read(go[0], &byte, 1); /* until the parent has copied */
		_exit(filled(ranges[0], PAGES * PAGE, 1) && filled(ranges[1], PAGES * PAGE, 2) ? 0 : 1);
	}
	close(go[0]);
	EXPECT_EQ(copy(ranges[0], PAGES * PAGE, ranges[1]), KERN_SUCCESS);
	EXPECT(filled(ranges[1], PAGES * PAGE, 1));
	close(go[1]);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	release(ranges[0], PAGES * PAGE);
	release(ranges[1], PAGES * PAGE);
}

/* --- every place and length --- */

#define ROOM (2 * PAGES) /* pages that copies are made in */

/* What memmove makes of the same bytes. */
static bool
moves_like_memory(char *memory, char *model, size_t from, size_t to, size_t size)
{
	fill(memory, ROOM * PAGE, 1);
	fill(model, ROOM * PAGE, 1);
	memmove(model + to, model + from, size);
	if (copy(memory + from, size, memory + to) == KERN_SUCCESS &&
	    memcmp(memory, model, ROOM * PAGE) == 0) {
		return true;
	}
	printf("# %zu bytes from %zu to %zu\n", size, from, to);
	return false;
}

/* In one range, forwards and backwards, by whole pages and others, with parts of pages at the ends. */
TEST(ranges_that_overlap)
{
	static const int shifts[] = { 1, -1, 2, -2, 5, -5, 11 };
	static const size_t ends[] = { 0, 8, PAGE - 8 };
	static const int odd[] = { 0, 1, -1, 8191 };
	char *memory = allocate(ROOM * PAGE, 0), *model = allocate(ROOM * PAGE, 0);
	bool same = true;

	for (unsigned s = 0; s < sizeof(shifts) / sizeof(shifts[0]) && same; s++) {
		for (unsigned e = 0; e < 9 && same; e++) {
			size_t from = 8 * PAGE + ends[e / 3], size = 6 * PAGE + ends[e % 3];

			for (unsigned o = 0; o < sizeof(odd) / sizeof(odd[0]) && same; o++) {
				same = moves_like_memory(memory, model, from,
				    from + (size_t)((long)PAGE * shifts[s] + odd[o]), size);
			}
		}
	}
	EXPECT(same);
	release(memory, ROOM * PAGE);
	release(model, ROOM * PAGE);
}

/* Only the pages that the range covers wholly are shared, and nothing beside it changes. */
TEST(parts_of_pages)
{
	static const size_t heads[] = { 0, 1, 8000, PAGE - 1 }, tails[] = { 0, 1, 9000, PAGE - 1 };
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, 0);

	for (unsigned i = 0; i < 16; i++) {
		size_t first = heads[i / 4], last = (PAGES - 1) * PAGE + tails[i % 4];
		unsigned whole = first == 0 ? 0 : 1;

		memset(from, 'f', PAGES * PAGE);
		memset(to, 't', PAGES * PAGE);
		EXPECT_EQ(copy(from + first, last - first, to + first), KERN_SUCCESS);
		EXPECT(first == 0 || (to[0] == 't' && to[first - 1] == 't'));
		EXPECT(to[last] == 't' && to[PAGES * PAGE - 1] == 't');
		EXPECT(to[first] == 'f' && to[last - 1] == 'f' && to[PAGE] == 'f' &&
		       to[(PAGES - 1) * PAGE - 1] == 'f');
		EXPECT(all_held_by(to + whole * PAGE, PAGES - 1 - whole, 2));
		EXPECT(first == 0 || holders(to) == 1);
		EXPECT_EQ(holders(to + (PAGES - 1) * PAGE), 1);
	}
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

/* --- destinations --- */

/* Entries of every kind, which a copy over all of them leaves as they are. */
TEST(a_destination_keeps_its_attributes)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, VM_MAKE_TAG(77));
	mach_vm_address_t start, start_now;
	mach_vm_size_t size, size_now;

	fill(from, PAGES * PAGE, 1);
	fill(to, PAGES * PAGE, 2);
	EXPECT_EQ(mach_vm_inherit(SELF, (mach_vm_address_t)to + PAGE, PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
	EXPECT_EQ(
	    mach_vm_inherit(SELF, (mach_vm_address_t)to + 2 * PAGE, PAGE, VM_INHERIT_SHARE), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_protect(
		      SELF, (mach_vm_address_t)to + 8 * PAGE, 4 * PAGE, true, VM_PROT_READ | VM_PROT_WRITE),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_vm_behavior_set(SELF, (mach_vm_address_t)to + 12 * PAGE, PAGE, VM_BEHAVIOR_SEQUENTIAL),
	    KERN_SUCCESS);
	for (char *at = to; at < to + PAGES * PAGE; at += PAGE) {
		vm_region_submap_info_data_64_t before = region_at(at, &start, &size), now;

		EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
		now = region_at(at, &start_now, &size_now);
		EXPECT(start == start_now && size == size_now);
		EXPECT(before.protection == now.protection && before.max_protection == now.max_protection);
		EXPECT(before.inheritance == now.inheritance && before.user_tag == now.user_tag);
		EXPECT(before.behavior == now.behavior && now.user_tag == 77);
	}
	EXPECT(filled(to, PAGES * PAGE, 1));
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

static int
child_copies_over_permanent(void *arg)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, VM_FLAGS_PERMANENT);

	(void)arg;
	fill(from, PAGES * PAGE, 1);
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(all_held_by(to, PAGES, 2) && filled(to, PAGES * PAGE, 1));
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)to, PAGES * PAGE), KERN_PROTECTION_FAILURE);
	return 0;
}

/* The range is permanent, not its contents. In a child, with which it goes. */
TEST(a_permanent_destination)
{
	EXPECT_EQ(ktap_in_child(child_copies_over_permanent, NULL), 0);
}

struct shared_view {
	char *from, *to;
};

static int
child_copies_into_shared(void *arg)
{
	struct shared_view *view = arg;

	fill(view->from, PAGES * PAGE, 9);
	return copy(view->from, PAGES * PAGE, view->to) == KERN_SUCCESS ? 0 : 1;
}

/* Whoever shares the destination sees what is written there, by whom ever. */
TEST(a_shared_destination_stays_shared)
{
	struct shared_view view = { allocate(PAGES * PAGE, 0), allocate(PAGES * PAGE, 0) };
	mach_vm_address_t other = 0;
	vm_prot_t cur, max;

	EXPECT_EQ(
	    mach_vm_inherit(SELF, (mach_vm_address_t)view.to, PAGES * PAGE, VM_INHERIT_SHARE), KERN_SUCCESS);
	fill(view.from, PAGES * PAGE, 1);
	EXPECT_EQ(copy(view.from, PAGES * PAGE, view.to), KERN_SUCCESS); /* not shared yet: pages */
	EXPECT(all_held_by(view.to, PAGES, 2));
	EXPECT_EQ(ktap_in_child(child_copies_into_shared, &view), 0);
	EXPECT(filled(view.to, PAGES * PAGE, 9) && filled(view.from, PAGES * PAGE, 1));
	EXPECT(all_held_by(view.to, PAGES, 1));

	EXPECT_EQ(mach_vm_remap(SELF, &other, PAGES * PAGE, 0, VM_FLAGS_ANYWHERE, SELF,
		      (mach_vm_address_t)view.to, false, &cur, &max, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	EXPECT_EQ(copy(view.from, PAGES * PAGE, view.to), KERN_SUCCESS);
	EXPECT(filled((void *)other, PAGES * PAGE, 1));
	fill((void *)other, PAGES * PAGE, 3);
	EXPECT(filled(view.to, PAGES * PAGE, 3) && filled(view.from, PAGES * PAGE, 1));
	/* from shared memory: a copy, whatever is written there later */
	EXPECT_EQ(copy((void *)other, PAGES * PAGE, view.from), KERN_SUCCESS);
	fill((void *)other, PAGES * PAGE, 4);
	EXPECT(filled(view.from, PAGES * PAGE, 3) && filled(view.to, PAGES * PAGE, 4));
	release((void *)other, PAGES * PAGE);
	release(view.from, PAGES * PAGE);
	release(view.to, PAGES * PAGE);
}

#define FILE_PATH "/tmp/vm_copy"

/* A file mapped shared is written to; one mapped private is not, and its page gives way. */
TEST(files_as_destination_and_source)
{
	char *from = allocate(PAGES * PAGE, 0), *buffer = allocate(PAGES * PAGE, 0), *shared, *private;
	int fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

	REQUIRE(fd >= 0);
	fill(from, PAGES * PAGE, 1);
	EXPECT_EQ(write(fd, from, PAGES * PAGE), PAGES * PAGE);
	shared = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(shared != MAP_FAILED && private != MAP_FAILED);
	EXPECT(filled(private, PAGES * PAGE, 1)); /* its pages are the file's */
	fill(from, PAGES * PAGE, 2);
	EXPECT_EQ(copy(from, PAGES * PAGE, private), KERN_SUCCESS);
	EXPECT(filled(private, PAGES * PAGE, 2) && filled(shared, PAGES * PAGE, 1));
	EXPECT(all_held_by(private, PAGES, 2));
	EXPECT_EQ(copy(from, PAGES * PAGE, shared), KERN_SUCCESS);
	EXPECT_EQ(pread(fd, buffer, PAGES * PAGE, 0), PAGES * PAGE);
	EXPECT(filled(buffer, PAGES * PAGE, 2));
	/* zeros are not the file's contents */
	release(buffer, PAGES * PAGE);
	buffer = allocate(PAGES * PAGE, 0);
	EXPECT_EQ(copy(buffer, PAGES * PAGE, private), KERN_SUCCESS);
	EXPECT(private[0] == 0 && memcmp(private, private + 1, PAGES * PAGE - 1) == 0);
	/* out of the file, and behind its end */
	EXPECT_EQ(copy(shared, PAGES * PAGE, buffer), KERN_SUCCESS);
	EXPECT(filled(buffer, PAGES * PAGE, 2));
	EXPECT_EQ(ftruncate(fd, PAGE), 0);
	EXPECT_EQ(copy(shared, PAGES * PAGE, buffer), KERN_MEMORY_ERROR);
	EXPECT_EQ(copy(from, PAGES * PAGE, shared), KERN_MEMORY_ERROR);
	EXPECT_EQ(munmap(shared, PAGES * PAGE), 0);
	EXPECT_EQ(munmap(private, PAGES * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(unlink(FILE_PATH), 0);
	release(from, PAGES * PAGE);
	release(buffer, PAGES * PAGE);
}

/* What is wired stays where it is, and what is purgeable its object's. */
TEST(destinations_that_keep_their_pages)
{
	char *from = allocate(PAGES * PAGE, 0), *wired = allocate(PAGES * PAGE, 0),
	     *purgeable = allocate(PAGES * PAGE, VM_FLAGS_PURGABLE);
	int state = VM_PURGABLE_VOLATILE;

	fill(from, PAGES * PAGE, 1);
	fill(wired, PAGES * PAGE, 2);
	EXPECT_EQ(mach_vm_wire(mach_host_self(), SELF, (mach_vm_address_t)wired, PAGES * PAGE, VM_PROT_READ),
	    KERN_SUCCESS);
	EXPECT_EQ(copy(from, PAGES * PAGE, wired), KERN_SUCCESS);
	EXPECT(all_held_by(wired, PAGES, 1) && filled(wired, PAGES * PAGE, 1));
	EXPECT_EQ(copy(wired, PAGES * PAGE, from), KERN_SUCCESS);
	EXPECT(all_held_by(wired, PAGES, 1) && filled(from, PAGES * PAGE, 1));
	EXPECT_EQ(
	    mach_vm_wire(mach_host_self(), SELF, (mach_vm_address_t)wired, PAGES * PAGE, 0), KERN_SUCCESS);
	EXPECT_EQ(copy(from, PAGES * PAGE, wired), KERN_SUCCESS);
	EXPECT(all_held_by(wired, PAGES, 2));

	EXPECT_EQ(copy(from, PAGES * PAGE, purgeable), KERN_SUCCESS);
	EXPECT(all_held_by(purgeable, PAGES, 1) && filled(purgeable, PAGES * PAGE, 1));
	EXPECT_EQ(copy(purgeable, PAGES * PAGE, from), KERN_SUCCESS);
	EXPECT(all_held_by(purgeable, PAGES, 1));
	EXPECT_EQ(mach_vm_purgable_control(SELF, (mach_vm_address_t)purgeable, VM_PURGABLE_SET_STATE, &state),
	    KERN_SUCCESS);
	release(from, PAGES * PAGE);
	release(wired, PAGES * PAGE);
	release(purgeable, PAGES * PAGE);
}

/* --- sources --- */

/* Compressed, never touched, and some of both. */
TEST(sources_that_are_not_in_memory)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, 0);

	memset(from, 'c', PAGES * PAGE);
	fill(to, PAGES * PAGE, 2);
	EXPECT_EQ(madvise(from, PAGES * PAGE, MADV_PAGEOUT), 0);
	EXPECT(all_held_by(from, PAGES, 0));
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(
	    all_held_by(from, PAGES, 0) && all_held_by(to, PAGES, 0)); /* both have what it was made into */
	EXPECT(to[0] == 'c' && memcmp(from, to, PAGES * PAGE) == 0);
	/* over what is compressed */
	EXPECT_EQ(madvise(to, PAGES * PAGE, MADV_PAGEOUT), 0);
	fill(from, PAGES * PAGE, 3);
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(filled(to, PAGES * PAGE, 3));
	release(from, PAGES * PAGE);
	from = allocate(PAGES * PAGE, 0);
	from[3 * PAGE] = 'a';
	EXPECT_EQ(copy(from, PAGES * PAGE, to), KERN_SUCCESS);
	EXPECT(to[0] == 0 && to[3 * PAGE] == 'a' && to[3 * PAGE + 1] == 0 && to[PAGES * PAGE - 1] == 0);
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

/* The text of a program, and the commpage, which have no pages to give away. */
TEST(sources_that_only_can_be_read)
{
	char *to = allocate(PAGES * PAGE, 0), *text = (char *)((uintptr_t)fill & ~(PAGE - 1));
	char *commpage = (char *)0xFFFFFC000;

	EXPECT_EQ(copy(text, PAGE, to), KERN_SUCCESS);
	EXPECT_EQ(memcmp(text, to, PAGE), 0);
	EXPECT_EQ(copy(commpage, 16, to + PAGE - 8), KERN_SUCCESS);
	EXPECT_EQ(memcmp(commpage, to + PAGE - 8, 16), 0);
	EXPECT_EQ(copy(to, 16, commpage), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(copy(to, 5 * PAGE, text), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(copy(to, PAGE, text), KERN_PROTECTION_FAILURE);
	release(to, PAGES * PAGE);
}

/* --- the other calls --- */

TEST(write_and_read_overwrite)
{
	char *from = allocate(PAGES * PAGE, 0), *to = allocate(PAGES * PAGE, 0);
	mach_vm_size_t got = 0;

	fill(from, PAGES * PAGE, 1);
	fill(to, PAGES * PAGE, 2);
	EXPECT_EQ(mach_vm_write(SELF, (mach_vm_address_t)to, (vm_offset_t)from, PAGES * PAGE), KERN_SUCCESS);
	EXPECT(all_held_by(to, PAGES, 2) && filled(to, PAGES * PAGE, 1));
	fill(from, PAGES * PAGE, 3);
	EXPECT(filled(to, PAGES * PAGE, 1));
	EXPECT_EQ(
	    mach_vm_read_overwrite(SELF, (mach_vm_address_t)from, PAGES * PAGE, (mach_vm_address_t)to, &got),
	    KERN_SUCCESS);
	EXPECT_EQ(got, PAGES * PAGE);
	EXPECT(all_held_by(to, PAGES, 2) && filled(to, PAGES * PAGE, 3));
	/* to another place in its page, and parts of pages */
	memset(from, 'f', PAGES * PAGE);
	EXPECT_EQ(mach_vm_write(SELF, (mach_vm_address_t)to + 1, (vm_offset_t)from, 6 * PAGE), KERN_SUCCESS);
	EXPECT(to[0] != 'f' && to[1] == 'f' && to[6 * PAGE] == 'f' && to[6 * PAGE + 1] != 'f');
	memset(to, 't', PAGES * PAGE);
	EXPECT_EQ(
	    mach_vm_write(SELF, (mach_vm_address_t)to + 1, (vm_offset_t)from + 1, 6 * PAGE), KERN_SUCCESS);
	EXPECT(to[0] == 't' && to[1] == 'f' && to[6 * PAGE] == 'f' && to[6 * PAGE + 1] == 't');
	EXPECT(holders(to) == 1 && all_held_by(to + PAGE, 5, 2) && holders(to + 6 * PAGE) == 1);
	EXPECT_EQ(mach_vm_write(SELF, (mach_vm_address_t)to, (vm_offset_t)from, 0), KERN_SUCCESS);
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

/* --- errors --- */

static void
expect_refused(char *from, char *to, kern_return_t error)
{
	mach_vm_size_t got = 1;

	EXPECT_EQ(copy(from, PAGES * PAGE, to), error);
	EXPECT_EQ(
	    mach_vm_read_overwrite(SELF, (mach_vm_address_t)from, PAGES * PAGE, (mach_vm_address_t)to, &got),
	    error);
}

/* A page that is wrong anywhere leaves all of the destination as it was. */
TEST(errors_change_nothing)
{
	char *from = allocate((PAGES + 1) * PAGE, 0), *to = allocate((PAGES + 1) * PAGE, 0);

	fill(from, PAGES * PAGE, 1);
	fill(to, PAGES * PAGE, 2);
	for (unsigned bad = 0; bad < PAGES; bad += PAGES / 2 - 1) {
		char *sides[] = { from + bad * PAGE, to + bad * PAGE };

		EXPECT_EQ(mprotect(sides[0], PAGE, PROT_NONE), 0);
		expect_refused(from, to, KERN_PROTECTION_FAILURE);
		EXPECT_EQ(mprotect(sides[0], PAGE, PROT_READ | PROT_WRITE), 0);
		EXPECT_EQ(mprotect(sides[1], PAGE, PROT_READ), 0);
		expect_refused(from, to, KERN_PROTECTION_FAILURE);
		EXPECT_EQ(mach_vm_write(SELF, (mach_vm_address_t)to, (vm_offset_t)from, PAGES * PAGE),
		    KERN_PROTECTION_FAILURE);
		EXPECT_EQ(mprotect(sides[1], PAGE, PROT_READ | PROT_WRITE), 0);
		EXPECT(filled(to, PAGES * PAGE, 2) && filled(from, PAGES * PAGE, 1));
	}
	/* holes: the page at the end */
	release(from + PAGES * PAGE, PAGE);
	EXPECT_EQ(copy(from + PAGE, PAGES * PAGE, to), KERN_INVALID_ADDRESS);
	release(to + PAGES * PAGE, PAGE);
	EXPECT_EQ(copy(from, PAGES * PAGE, to + PAGE), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_write(SELF, (mach_vm_address_t)to + PAGE, (vm_offset_t)from, PAGES * PAGE),
	    KERN_INVALID_ADDRESS);
	/* sizes and places that are none */
	EXPECT_EQ(copy(from, (mach_vm_size_t)-1, to), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy(from, 1ULL << 47, to), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy((void *)-PAGE, PAGE, to), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy(from, 4 * PAGE, (void *)(0 - 4 * PAGE)), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy(from, 4 * PAGE, NULL), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy(NULL, 4 * PAGE, to), KERN_INVALID_ADDRESS);
	EXPECT_EQ(copy(NULL, 0, (void *)-1), KERN_SUCCESS);
	EXPECT(filled(to, PAGES * PAGE, 2) && filled(from, PAGES * PAGE, 1));
	release(from, PAGES * PAGE);
	release(to, PAGES * PAGE);
}

/* --- races --- */

#define STORM_ROUNDS  150
#define STORM_COPIERS 2

/*
 * Two ranges that threads copy into each other while others write to them, protect, fork and replace parts of the second
 * one. A word may be of any of them, or 0; where it lies in its range it always says.
 */
static struct storm {
	char *ranges[2];
	atomic_uint rounds; /* left */
	atomic_uint wrong;
} storm;

static void
storm_check(const char *range)
{
	const _Atomic uint64_t *words = (const _Atomic uint64_t *)(const void *)range;

	for (size_t i = 0; i < PAGES * PAGE / sizeof(uint64_t); i += 97) {
		uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);

		if (word != 0 && (uint32_t)word != (uint32_t)i) {
			atomic_fetch_add(&storm.wrong, 1);
		}
	}
}

static bool
storm_goes_on(void)
{
	unsigned left = atomic_load(&storm.rounds);

	while (left != 0 && !atomic_compare_exchange_weak(&storm.rounds, &left, left - 1)) {}
	return left != 0;
}

/* Errors that a range which changes meanwhile may give. */
static bool
storm_error(kern_return_t kr)
{
	return kr == KERN_SUCCESS || kr == KERN_INVALID_ADDRESS || kr == KERN_PROTECTION_FAILURE;
}

static void *
storm_copier(void *arg)
{
	unsigned way = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; storm_goes_on(); i++) {
		size_t first = i % 5 * PAGE + i % 3 * 1000, size = PAGES * PAGE - first - i % 2 * 100;

		EXPECT(storm_error(copy(
		    storm.ranges[(way + i) % 2] + first, size, storm.ranges[(way + i + 1) % 2] + first)));
	}
	return NULL;
}

/* Only in the range that stays writable. */
static void *
storm_writer(void *arg)
{
	_Atomic uint64_t *words = (_Atomic uint64_t *)(void *)storm.ranges[0];

	for (uint64_t i = 0; atomic_load(&storm.rounds) != 0; i++) {
		size_t at = i * 1009 % (PAGES * PAGE / sizeof(uint64_t));

		atomic_store_explicit(&words[at], i << 32 | at, memory_order_relaxed);
		if (i % 256 == 0) {
			storm_check(storm.ranges[0]);
			sched_yield();
		}
	}
	return arg;
}

static void *
storm_changer(void *arg)
{
	for (unsigned i = 0; atomic_load(&storm.rounds) != 0; i++) {
		mach_vm_address_t at = (mach_vm_address_t)storm.ranges[1] + i % PAGES * PAGE;
		pid_t pid;
		int status;

		switch (i % 4) {
		case 0:
			EXPECT_EQ(mprotect((void *)at, PAGE, PROT_READ), 0);
			EXPECT_EQ(mprotect((void *)at, PAGE, PROT_READ | PROT_WRITE), 0);
			break;
		case 1:
			EXPECT_EQ(mach_vm_allocate(SELF, &at, PAGE, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE),
			    KERN_SUCCESS);
			break;
		case 2:
			EXPECT_EQ(mach_vm_deallocate(SELF, at, PAGE), KERN_SUCCESS);
			EXPECT_EQ(mach_vm_allocate(SELF, &at, PAGE, VM_FLAGS_FIXED), KERN_SUCCESS);
			break;
		default:
			if (i % 16 != 3) {
				break;
			}
			pid = fork();
			if (pid == 0) {
				storm_check(storm.ranges[0]);
				storm_check(storm.ranges[1]);
				_exit(atomic_load(&storm.wrong) == 0 ? 0 : 1);
			}
			EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
		}
		sched_yield();
	}
	return arg;
}

TEST(storm_of_copies)
{
	pthread_t threads[STORM_COPIERS + 2];
	uint64_t objects = elements_in_use("vm objects"), copies = elements_in_use("vm map copies");

	for (unsigned i = 0; i < 2; i++) {
		storm.ranges[i] = allocate(PAGES * PAGE, 0);
		fill(storm.ranges[i], PAGES * PAGE, 1);
	}
	atomic_store(&storm.rounds, STORM_ROUNDS);
	for (unsigned i = 0; i < STORM_COPIERS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, storm_copier, (void *)(uintptr_t)i) == 0);
	}
	REQUIRE(pthread_create(&threads[STORM_COPIERS], NULL, storm_writer, NULL) == 0);
	REQUIRE(pthread_create(&threads[STORM_COPIERS + 1], NULL, storm_changer, NULL) == 0);
	for (unsigned i = 0; i < STORM_COPIERS + 2; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	storm_check(storm.ranges[0]);
	storm_check(storm.ranges[1]);
	EXPECT_EQ(atomic_load(&storm.wrong), 0);
	release(storm.ranges[0], PAGES * PAGE);
	release(storm.ranges[1], PAGES * PAGE);
	EXPECT(elements_settle("vm map copies", copies));
	EXPECT(elements_settle("vm objects", objects + STORM_COPIERS + 2)); /* stacks of the threads */
}
