/*
 * Every kind of memory in every way that it is shared or copied: over fork with each inheritance, by mach_vm_remap,
 * mach_vm_read, mach_vm_copy, and by memory entries; and at a random place.
 */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/memory_object_types.h>
#include <mach/vm_map.h>
#include <mach/vm_map_routines.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE      16384ull
#define PAGES     3
#define SIZE      (PAGES * PAGE)
#define SELF      mach_task_self()
#define RW        (VM_PROT_READ | VM_PROT_WRITE)
#define FILE_NAME "/tmp/vm_kinds"

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* --- kinds: SIZE bytes, of which the first of the middle page is 'k' (or 0, if nobody has been there) --- */

static char *
anonymous(int flags)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_ANON | flags, -1, 0);

	EXPECT(at != MAP_FAILED);
	return at;
}

static char *
untouched(void)
{
	return anonymous(MAP_PRIVATE);
}

static char *
touched(void)
{
	char *at = anonymous(MAP_PRIVATE);

	at[PAGE] = 'k';
	return at;
}

/* A child has had a copy: pages may be marked for copying still. */
static char *
copied(void)
{
	char *at = touched();

	EXPECT_EQ(ktap_in_child(nothing, NULL), 0);
	return at;
}

static char *
shared(void)
{
	char *at = anonymous(MAP_SHARED);

	at[PAGE] = 'k';
	EXPECT_EQ(ktap_in_child(nothing, NULL), 0);
	return at;
}

static char *
compressed(void)
{
	char *at = touched();

	EXPECT_EQ(madvise(at, SIZE, MADV_PAGEOUT), 0);
	return at;
}

static char *
wired(void)
{
	char *at = touched();

	EXPECT_EQ(mlock(at, SIZE), 0);
	return at;
}

/* Its middle page is an entry of its own. */
static char *
cut(void)
{
	char *at = touched();

	EXPECT_EQ(mprotect(at + PAGE, PAGE, PROT_READ), 0);
	EXPECT_EQ(mprotect(at + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	return at;
}

static char *
of_a_file(int flags)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *at;

	EXPECT(fd >= 0);
	EXPECT_EQ(ftruncate(fd, SIZE), 0);
	EXPECT_EQ(pwrite(fd, "k", 1, PAGE), 1);
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	EXPECT(at != MAP_FAILED);
	EXPECT_EQ(close(fd), 0);
	return at;
}

static char *
file_private(void)
{
	return of_a_file(MAP_PRIVATE);
}

static char *
file_written(void)
{
	char *at = of_a_file(MAP_PRIVATE);

	at[0] = at[2 * PAGE] = 'w';
	at[PAGE] = 'k';
	return at;
}

static char *
file_shared(void)
{
	return of_a_file(MAP_SHARED);
}

static char *
purgeable(void)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(mach_vm_allocate(SELF, &at, SIZE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE), KERN_SUCCESS);
	((char *)at)[PAGE] = 'k';
	return (char *)at;
}

static char *
of_an_entry_with(int flags)
{
	mach_vm_address_t at = 0;
	mach_vm_size_t size = SIZE;
	mach_port_t entry;

	EXPECT_EQ(mach_make_memory_entry_64(
		      SELF, &size, 0, flags | MAP_MEM_NAMED_CREATE | RW, &entry, MACH_PORT_NULL),
	    KERN_SUCCESS);
	EXPECT_EQ(
	    mach_vm_map(SELF, &at, SIZE, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE, RW, RW, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
	((char *)at)[PAGE] = 'k';
	return (char *)at;
}

static char *
of_an_entry(void)
{
	return of_an_entry_with(0);
}

static char *
of_a_purgeable_entry(void)
{
	return of_an_entry_with(MAP_MEM_PURGABLE);
}

static const struct {
	const char *name;
	char *(*make)(void);
	char contents;
} kinds[] = { { "untouched", untouched, 0 }, { "touched", touched, 'k' }, { "copied", copied, 'k' },
	{ "shared", shared, 'k' }, { "compressed", compressed, 'k' }, { "wired", wired, 'k' },
	{ "cut", cut, 'k' }, { "file_private", file_private, 'k' }, { "file_written", file_written, 'k' },
	{ "file_shared", file_shared, 'k' }, { "purgeable", purgeable, 'k' },
	{ "of_an_entry", of_an_entry, 'k' }, { "of_a_purgeable_entry", of_a_purgeable_entry, 'k' } };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Calls check with fresh memory of each kind, which it may change but not take away. */
static void
for_each_kind(void (*check)(volatile char *at, char contents))
{
	for (unsigned i = 0; i < KINDS; i++) {
		char *at = kinds[i].make();

		printf("# %s\n", kinds[i].name);
		check(at, kinds[i].contents);
		EXPECT_EQ(munmap(at, SIZE), 0);
	}
	(void)unlink(FILE_NAME);
}

/* --- fork --- */

struct view {
	volatile char *at;
	char contents;
};

static int
child_has_none(void *arg)
{
	struct view *view = arg;
	char core[PAGES];

	EXPECT_EQ(mincore((void *)(uintptr_t)view->at, SIZE, core), -1);
	EXPECT_EQ(errno, ENOMEM);
	return 0;
}

static int
child_writes(void *arg)
{
	struct view *view = arg;

	EXPECT_EQ(view->at[PAGE], view->contents);
	view->at[PAGE] = 'c';
	view->at[2 * PAGE] = 'd';
	EXPECT_EQ(view->at[PAGE], 'c');
	return 0;
}

static void
inherit_none(volatile char *at, char contents)
{
	struct view view = { at, contents };

	EXPECT_EQ(minherit((void *)(uintptr_t)at, SIZE, VM_INHERIT_NONE), 0);
	EXPECT_EQ(ktap_in_child(child_has_none, &view), 0);
	EXPECT_EQ(at[PAGE], contents);
}

static void
inherit_copy(volatile char *at, char contents)
{
	struct view view = { at, contents };
	char last = at[2 * PAGE];

	EXPECT_EQ(minherit((void *)(uintptr_t)at, SIZE, VM_INHERIT_COPY), 0);
	EXPECT_EQ(ktap_in_child(child_writes, &view), 0);
	EXPECT_EQ(at[PAGE], contents);
	EXPECT_EQ(at[2 * PAGE], last);
	at[PAGE] = 'p';
	view.contents = 'p';
	EXPECT_EQ(ktap_in_child(child_writes, &view), 0);
	EXPECT_EQ(at[PAGE], 'p');
}

static void
inherit_share(volatile char *at, char contents)
{
	struct view view = { at, contents };

	EXPECT_EQ(minherit((void *)(uintptr_t)at, SIZE, VM_INHERIT_SHARE), 0);
	EXPECT_EQ(ktap_in_child(child_writes, &view), 0);
	EXPECT_EQ(at[PAGE], 'c');
	EXPECT_EQ(at[2 * PAGE], 'd');
	at[PAGE] = view.contents = 'p';
	EXPECT_EQ(ktap_in_child(child_writes, &view), 0);
	EXPECT_EQ(at[PAGE], 'c');
}

TEST(not_inherited)
{
	for_each_kind(inherit_none);
}

TEST(inherited_as_a_copy)
{
	for_each_kind(inherit_copy);
}

TEST(inherited_shared)
{
	for_each_kind(inherit_share);
}

/* --- in one task --- */

static void
release(volatile char *at, mach_vm_size_t size)
{
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)at, size), KERN_SUCCESS);
}

static volatile char *
remapped(volatile char *at, boolean_t copy)
{
	mach_vm_address_t other = 0;
	vm_prot_t cur = 0, max = 0;

	EXPECT_EQ(mach_vm_remap(SELF, &other, 2 * PAGE, 0, VM_FLAGS_ANYWHERE, SELF,
		      (mach_vm_address_t)at + PAGE, copy, &cur, &max, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	EXPECT_EQ(cur, RW);
	EXPECT_EQ(max & RW, RW);
	return (volatile char *)other;
}

static void
remap_shares(volatile char *at, char contents)
{
	volatile char *other = remapped(at, FALSE);

	EXPECT_EQ(other[0], contents);
	other[0] = 'r';
	EXPECT_EQ(at[PAGE], 'r');
	at[2 * PAGE] = 's';
	EXPECT_EQ(other[PAGE], 's');
	release(other, 2 * PAGE);
	EXPECT_EQ(at[PAGE], 'r');
}

static void
remap_copies(volatile char *at, char contents)
{
	volatile char *other = remapped(at, TRUE);

	EXPECT_EQ(other[0], contents);
	other[0] = 'r';
	EXPECT_EQ(at[PAGE], contents);
	at[2 * PAGE] = 's';
	EXPECT(other[PAGE] != 's');
	release(other, 2 * PAGE);
	EXPECT_EQ(at[PAGE], contents);
}

TEST(remapped_shared)
{
	for_each_kind(remap_shares);
}

TEST(remapped_as_a_copy)
{
	for_each_kind(remap_copies);
}

static void
read_is_a_copy(volatile char *at, char contents)
{
	mach_msg_type_number_t count;
	vm_offset_t data = 0;

	EXPECT_EQ(mach_vm_read(SELF, (mach_vm_address_t)at, SIZE, &data, &count), KERN_SUCCESS);
	EXPECT_EQ(count, SIZE);
	at[PAGE] = 'r';
	EXPECT_EQ(((volatile char *)data)[PAGE], contents);
	release((volatile char *)data, SIZE);
}

static void
copy_goes_both_ways(volatile char *at, char contents)
{
	volatile char *other = anonymous(MAP_PRIVATE);

	EXPECT_EQ(
	    mach_vm_copy(SELF, (mach_vm_address_t)at + PAGE, PAGE, (mach_vm_address_t)other), KERN_SUCCESS);
	EXPECT_EQ(other[0], contents);
	other[0] = 'o';
	EXPECT_EQ(at[PAGE], contents);
	EXPECT_EQ(
	    mach_vm_copy(SELF, (mach_vm_address_t)other, PAGE, (mach_vm_address_t)at + PAGE), KERN_SUCCESS);
	EXPECT_EQ(at[PAGE], 'o');
	release(other, SIZE);
}

TEST(read_as_a_copy)
{
	for_each_kind(read_is_a_copy);
}

TEST(copied_from_and_to)
{
	for_each_kind(copy_goes_both_ways);
}

/* --- memory entries --- */

static volatile char *
mapped_by_entry(volatile char *at, int flags)
{
	mach_vm_size_t size = SIZE;
	mach_vm_address_t other = 0;
	mach_port_t entry = MACH_PORT_NULL;

	EXPECT_EQ(
	    mach_make_memory_entry_64(SELF, &size, (mach_vm_address_t)at, flags | RW, &entry, MACH_PORT_NULL),
	    KERN_SUCCESS);
	if (flags != 0) {
		EXPECT_EQ(size, SIZE);
	}
	/* Aligned to 128 KiB, and without the first page. */
	if (size == SIZE) {
		EXPECT_EQ(mach_vm_map(SELF, &other, 2 * PAGE, 0x1ffff, VM_FLAGS_ANYWHERE, entry, PAGE, FALSE,
			      RW, VM_PROT_ALL | VM_PROT_IS_MASK, VM_INHERIT_NONE),
		    KERN_SUCCESS);
		EXPECT_EQ(other & 0x1ffff, 0);
	}
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
	return (volatile char *)other;
}

static void
check_shared_entry(volatile char *at, char contents, int flags)
{
	volatile char *other = mapped_by_entry(at, flags);

	if (other != NULL) {
		EXPECT_EQ(other[0], contents);
		other[0] = 'e';
		EXPECT_EQ(at[PAGE], 'e');
		release(other, 2 * PAGE);
	}
	EXPECT_EQ(at[PAGE], other == NULL ? contents : 'e');
}

static void
entry_of_one_region(volatile char *at, char contents)
{
	check_shared_entry(at, contents, 0);
}

static void
entry_shares(volatile char *at, char contents)
{
	check_shared_entry(at, contents, MAP_MEM_VM_SHARE);
}

static void
entry_copies(volatile char *at, char contents)
{
	volatile char *other = mapped_by_entry(at, MAP_MEM_VM_COPY);

	EXPECT_EQ(other[0], contents);
	other[0] = 'e';
	EXPECT_EQ(at[PAGE], contents);
	release(other, 2 * PAGE);
}

TEST(entries_of_one_region)
{
	for_each_kind(entry_of_one_region);
}

TEST(entries_that_share)
{
	for_each_kind(entry_shares);
}

TEST(entries_that_copy)
{
	for_each_kind(entry_copies);
}

/* --- flags of mach_vm_remap --- */

static kern_return_t
remap(mach_vm_address_t *where, mach_vm_size_t size, mach_vm_offset_t mask, int flags, mach_vm_address_t from)
{
	vm_prot_t cur, max;

	return mach_vm_remap(
	    SELF, where, size, mask, flags, SELF, from, FALSE, &cur, &max, VM_INHERIT_DEFAULT);
}

TEST(places_for_a_remapped_range)
{
	char *memory = touched(), *place = untouched();
	mach_vm_address_t from = (mach_vm_address_t)memory, at;

	/* Anywhere, aligned; a byte within a page stands for the page, or for itself. */
	at = 0;
	EXPECT_EQ(remap(&at, PAGE, 0xfffff, VM_FLAGS_ANYWHERE, from + PAGE), KERN_SUCCESS);
	EXPECT(at != 0 && (at & 0xfffff) == 0 && *(char *)at == 'k');
	release((char *)at, PAGE);
	at = 0;
	EXPECT_EQ(remap(&at, 10, 0, VM_FLAGS_ANYWHERE, from + PAGE + 5), KERN_SUCCESS);
	EXPECT(at % PAGE == 0 && *(char *)at == 'k');
	release((char *)at, PAGE);
	at = 0;
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_ANYWHERE | VM_FLAGS_RETURN_DATA_ADDR, from + PAGE - 5),
	    KERN_SUCCESS);
	EXPECT(at % PAGE == PAGE - 5 && ((char *)at)[5] == 'k');
	release((char *)(at - (PAGE - 5)), 2 * PAGE);

	/* Where something is: not, unless it may be replaced; itself in its own place too. */
	at = (mach_vm_address_t)place;
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_FIXED, from + PAGE), KERN_NO_SPACE);
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE, from + PAGE), KERN_SUCCESS);
	EXPECT_EQ(at, (mach_vm_address_t)place);
	EXPECT_EQ(place[0], 'k');
	at = from + PAGE;
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE, from + PAGE), KERN_SUCCESS);
	EXPECT_EQ(memory[PAGE], 'k');
	memory[PAGE] = 'l';
	EXPECT_EQ(place[0], 'l');

	at = from;
	EXPECT_EQ(remap(&at, 0, 0, VM_FLAGS_ANYWHERE, from), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap(&at, PAGE, 0x14000, VM_FLAGS_ANYWHERE, from), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE, from), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap(&at, -1ull, 0, VM_FLAGS_ANYWHERE, from), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_ANYWHERE, 0), KERN_INVALID_ADDRESS);
	at = (mach_vm_address_t)place + 1;
	EXPECT_EQ(remap(&at, PAGE, PAGE - 1, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE, from), KERN_SUCCESS);
	at = 0x4000;
	EXPECT_EQ(remap(&at, PAGE, 0, VM_FLAGS_FIXED, from), KERN_INVALID_ADDRESS); /* __PAGEZERO */
	release(place, SIZE);
	release(memory, SIZE);
}

/* --- VM_FLAGS_RANDOM_ADDR --- */

#define PLACES 24

/* The i-th range of SIZE bytes at a random place; `hint` is not to be taken. */
typedef mach_vm_address_t (*placing)(mach_vm_address_t hint, void *from, mach_port_t entry);

#define RANDOM (VM_FLAGS_ANYWHERE | VM_FLAGS_RANDOM_ADDR)

static mach_vm_address_t
random_allocate(mach_vm_address_t hint, void *from, mach_port_t entry)
{
	mach_vm_address_t at = hint;

	(void)from;
	(void)entry;
	EXPECT_EQ(mach_vm_allocate(SELF, &at, SIZE, RANDOM), KERN_SUCCESS);
	return at;
}

static mach_vm_address_t
random_purgeable(mach_vm_address_t hint, void *from, mach_port_t entry)
{
	mach_vm_address_t at = hint;

	(void)from;
	(void)entry;
	EXPECT_EQ(mach_vm_allocate(SELF, &at, SIZE, RANDOM | VM_FLAGS_PURGABLE), KERN_SUCCESS);
	return at;
}

static mach_vm_address_t
random_map(mach_vm_address_t hint, void *from, mach_port_t entry)
{
	mach_vm_address_t at = hint;

	(void)from;
	EXPECT_EQ(mach_vm_map(SELF, &at, SIZE, 0xffffff, RANDOM, entry, 0, FALSE, RW, RW, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	EXPECT_EQ(at & 0xffffff, 0);
	return at;
}

static mach_vm_address_t
random_remap(mach_vm_address_t hint, void *from, mach_port_t entry)
{
	mach_vm_address_t at = hint;

	(void)entry;
	EXPECT_EQ(remap(&at, SIZE, 0, RANDOM, (mach_vm_address_t)from), KERN_SUCCESS);
	return at;
}

/*
 * Far apart, in no order, and usable. Of addresses that are evenly distributed over 128 TiB none of it fails by chance.
 */
static void
places_are_random(placing place, mach_port_t entry)
{
	char *from = touched();
	mach_vm_address_t at[PLACES], low = UINT64_MAX, high = 0;
	unsigned ups = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		at[i] = place((mach_vm_address_t)from + SIZE, from, entry);
		((char *)at[i])[PAGE + 1] = 'r';
		low = at[i] < low ? at[i] : low;
		high = at[i] > high ? at[i] : high;
		ups += i != 0 && at[i] > at[i - 1];
	}
	EXPECT(high - low > 1ull << 40);
	EXPECT(ups != 0 && ups != PLACES - 1);
	for (unsigned i = 0; i < PLACES; i++) {
		release((char *)at[i], SIZE);
	}
	release(from, SIZE);
}

TEST(random_places)
{
	mach_vm_size_t size = SIZE;
	mach_port_t entry;

	REQUIRE(mach_make_memory_entry_64(
		    SELF, &size, 0, MAP_MEM_NAMED_CREATE | RW, &entry, MACH_PORT_NULL) == KERN_SUCCESS);
	places_are_random(random_allocate, MACH_PORT_NULL);
	places_are_random(random_purgeable, MACH_PORT_NULL);
	places_are_random(random_map, MACH_PORT_NULL);
	places_are_random(random_map, entry);
	places_are_random(random_remap, MACH_PORT_NULL);
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
}

/* The flag says where; it makes nothing possible that is not, and is nothing to a fixed address. */
TEST(random_places_that_there_are_not)
{
	mach_vm_address_t at = 0, same;

	EXPECT_EQ(mach_vm_allocate(SELF, &at, 1ull << 47, RANDOM), KERN_NO_SPACE);
	EXPECT_EQ(mach_vm_allocate(SELF, &at, ~0ull, RANDOM), KERN_NO_SPACE);
	EXPECT_EQ(mach_vm_allocate(SELF, &at, 1ull << 46, RANDOM), KERN_SUCCESS); /* half of all there is */
	EXPECT_EQ(mach_vm_deallocate(SELF, at, 1ull << 46), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(SELF, &at, PAGE, RANDOM), KERN_SUCCESS);
	same = at;
	EXPECT_EQ(mach_vm_allocate(SELF, &at, PAGE, VM_FLAGS_FIXED | VM_FLAGS_RANDOM_ADDR), KERN_NO_SPACE);
	EXPECT_EQ(
	    mach_vm_allocate(SELF, &at, PAGE, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE | VM_FLAGS_RANDOM_ADDR),
	    KERN_SUCCESS);
	EXPECT_EQ(at, same);
	EXPECT_EQ(mach_vm_deallocate(SELF, at, PAGE), KERN_SUCCESS);
}
