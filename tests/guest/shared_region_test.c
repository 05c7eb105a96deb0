/*
 * The shared region: files that all programs see at the same addresses through the same page tables, data that is each
 * program's own, and programs that take it apart. The region is filled once in the life of a machine: the first program
 * that runs this does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/shared_region.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ULL
#define SPAN (32ULL << 20)

/* Text in the first span; data, more text and zeros in the second. The file: 8 pages of text, 4 of data, 2 of text. */
#define TEXT       SHARED_REGION_BASE
#define TEXT_PAGES 8
#define DATA       (SHARED_REGION_BASE + SPAN)
#define DATA_PAGES 4
#define MORE       (DATA + DATA_PAGES * PAGE)
#define MORE_PAGES 2
#define ZEROS      (DATA + 16 * PAGE)
#define ZERO_PAGES 2
#define FILE_PAGES (TEXT_PAGES + DATA_PAGES + MORE_PAGES)

static uint64_t
word_of(uint64_t page, uint64_t i)
{
	return (page + 1) * 1000003 + i;
}

static volatile uint64_t *
at(uint64_t address)
{
	return (volatile uint64_t *)address;
}

static int
make_file(void)
{
	static uint64_t words[PAGE / 8];
	int fd = open("/tmp/shared_cache", O_RDWR | O_CREAT | O_TRUNC, 0644);

	EXPECT(fd >= 0);
	(void)unlink("/tmp/shared_cache");
	for (uint64_t page = 0; page < FILE_PAGES; page++) {
		for (uint64_t i = 0; i < PAGE / 8; i++) {
			words[i] = word_of(page, i);
		}
		EXPECT_EQ(write(fd, words, PAGE), PAGE);
	}
	return fd;
}

static const struct shared_file_mapping_slide_np layout[] = {
	{ .sms_address = TEXT,
	    .sms_size = TEXT_PAGES * PAGE,
	    .sms_max_prot = VM_PROT_READ | VM_PROT_EXECUTE,
	    .sms_init_prot = VM_PROT_READ | VM_PROT_EXECUTE },
	{ .sms_address = DATA,
	    .sms_size = DATA_PAGES * PAGE,
	    .sms_file_offset = TEXT_PAGES * PAGE,
	    .sms_max_prot = VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COW,
	    .sms_init_prot = VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COW },
	{ .sms_address = MORE,
	    .sms_size = MORE_PAGES * PAGE,
	    .sms_file_offset = (TEXT_PAGES + DATA_PAGES) * PAGE,
	    .sms_max_prot = VM_PROT_READ,
	    .sms_init_prot = VM_PROT_READ },
	{ .sms_address = ZEROS,
	    .sms_size = ZERO_PAGES * PAGE,
	    .sms_max_prot = VM_PROT_READ | VM_PROT_WRITE | VM_PROT_ZF,
	    .sms_init_prot = VM_PROT_READ | VM_PROT_WRITE | VM_PROT_ZF },
};
#define MAPPINGS 4

static int
fill(int fd, const struct shared_file_mapping_slide_np *mappings, uint32_t count)
{
	struct shared_file_np file = { .sf_fd = fd, .sf_mappings_count = count };

	return shared_region_map_and_slide_2_np(1, &file, count, mappings) == 0 ? 0 : errno;
}

/* Each must be refused and leave the region as it was. */
static void
try_bad_layouts(int fd)
{
	struct shared_file_np file = { .sf_fd = fd, .sf_mappings_count = 1 };
	struct shared_file_mapping_slide_np bad[2];

#define REFUSED(field, value, error)                \
	do {                                        \
		bad[0] = layout[0];                 \
		bad[0].field = (value);             \
		EXPECT_EQ(fill(fd, bad, 1), error); \
	} while (0)
	REFUSED(sms_address, TEXT + 1, EINVAL);
	REFUSED(sms_address, TEXT - PAGE, EINVAL);
	REFUSED(sms_address, SHARED_REGION_BASE + SHARED_REGION_SIZE - PAGE, EINVAL);
	REFUSED(sms_address, UINT64_MAX & ~(PAGE - 1), EINVAL);
	REFUSED(sms_size, 0, EINVAL);
	REFUSED(sms_size, UINT64_MAX, EINVAL);
	REFUSED(sms_file_offset, 1, EINVAL);
	REFUSED(sms_file_offset, UINT64_MAX & ~(PAGE - 1), EINVAL);
	REFUSED(sms_max_prot, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE, EINVAL);
	REFUSED(sms_max_prot, VM_PROT_READ, EINVAL);
	REFUSED(sms_init_prot, 0x100, EINVAL);
	REFUSED(sms_slide_size, 1, ENOTSUP);
	bad[0] = layout[0];
	bad[1] = layout[0];
	bad[1].sms_address += PAGE;
	EXPECT_EQ(fill(fd, bad, 2), EINVAL); /* they overlap */
	EXPECT_EQ(fill(-1, layout, MAPPINGS), EBADF);
	EXPECT_EQ(fill(fd, layout, 0), EINVAL);
	EXPECT_EQ(fill(fd, layout, 100000), EINVAL);
	EXPECT_EQ(fill(fd, NULL, 1), EFAULT);
	EXPECT_EQ(shared_region_map_and_slide_2_np(1, &file, 2, layout), -1); /* a mapping without a file */
	EXPECT_EQ(shared_region_map_and_slide_2_np(0, &file, 1, layout), -1);
	EXPECT_EQ(shared_region_map_and_slide_2_np(1, NULL, 1, layout), -1);
}

/* The region has the contents above, whoever filled it. */
static bool
region_is_there(void)
{
	uint64_t start = 0;
	int fd;

	if (shared_region_check_np(&start) == 0) {
		return EXPECT_EQ(start, TEXT);
	}
	if (!EXPECT_EQ(errno, ENOMEM)) {
		return false;
	}
	fd = make_file();
	try_bad_layouts(fd);
	EXPECT_EQ(shared_region_check_np(&start), -1);
	EXPECT_EQ(fill(fd, layout, MAPPINGS), 0);
	EXPECT_EQ(fill(fd, layout, MAPPINGS), EINVAL); /* once is all */
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(shared_region_check_np((uint64_t *)8), -1);
	return EXPECT_EQ(shared_region_check_np(&start), 0) && EXPECT_EQ(start, TEXT);
}

static bool
text_is_right(void)
{
	for (uint64_t page = 0; page < TEXT_PAGES; page++) {
		if (*at(TEXT + page * PAGE) != word_of(page, 0) ||
		    *at(TEXT + page * PAGE + PAGE - 8) != word_of(page, PAGE / 8 - 1)) {
			return false;
		}
	}
	return *at(MORE) == word_of(TEXT_PAGES + DATA_PAGES, 0);
}

static uint64_t
counter(const char *name)
{
	uint64_t value = 0;
	size_t size = sizeof(value);

	EXPECT_EQ(sysctlbyname(name, &value, &size, NULL, 0), 0);
	return value;
}

TEST(a_files_contents_are_at_its_addresses)
{
	REQUIRE(region_is_there());
	EXPECT(text_is_right());
	EXPECT_EQ(*at(ZEROS), 0);
}

#define SHARERS 6

/* N processes that use the same span have N links and one table. */
TEST(programs_share_the_page_table)
{
	uint64_t links, tables;
	int ready[2], go[2];
	pid_t pids[SHARERS];
	char byte = 0;

	REQUIRE(region_is_there());
	EXPECT(text_is_right());
	REQUIRE(pipe(ready) == 0 && pipe(go) == 0);
	links = counter("vm.shared_region_links");
	tables = counter("vm.shared_region_tables");
	EXPECT(links >= 1);
	EXPECT_EQ(tables, 1); /* that of the text; data is in tables of each program's own */
	for (unsigned i = 0; i < SHARERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			bool right = *at(TEXT) == word_of(0, 0) && *at(TEXT + PAGE) == word_of(1, 0);

			(void)write(ready[1], right ? "y" : "n", 1);
			(void)read(go[0], &byte, 1);
			_exit(0);
		}
		EXPECT(pids[i] > 0);
	}
	for (unsigned i = 0; i < SHARERS; i++) {
		EXPECT_EQ(read(ready[0], &byte, 1), 1);
		EXPECT_EQ(byte, 'y');
	}
	EXPECT_EQ(counter("vm.shared_region_links"), links + SHARERS);
	EXPECT_EQ(counter("vm.shared_region_tables"), tables);
	EXPECT_EQ(write(go[1], "gggggg", SHARERS), SHARERS);
	for (unsigned i = 0; i < SHARERS; i++) {
		int status = -1;

		EXPECT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		EXPECT_EQ(status, 0);
	}
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)close(go[0]);
	(void)close(go[1]);
}

static int
write_data(void *arg)
{
	(void)arg;
	for (uint64_t page = 0; page < DATA_PAGES; page++) {
		EXPECT(*at(DATA + page * PAGE) == word_of(TEXT_PAGES + page, 0) ||
		       *at(DATA + page * PAGE) == 4711);
		*at(DATA + page * PAGE) = 42 + page;
		EXPECT_EQ(*at(DATA + page * PAGE + 8), word_of(TEXT_PAGES + page, 1));
	}
	*at(ZEROS + PAGE) = 17;
	EXPECT(text_is_right());
	return 0;
}

TEST(data_is_each_programs_own)
{
	REQUIRE(region_is_there());
	EXPECT_EQ(ktap_in_child(write_data, NULL), 0);
	EXPECT_EQ(*at(DATA), word_of(TEXT_PAGES, 0));
	EXPECT_EQ(*at(ZEROS + PAGE), 0);
	*at(DATA) = 4711;
	EXPECT_EQ(ktap_in_child(write_data, NULL), 0); /* a child begins with its parent's */
	EXPECT_EQ(*at(DATA), 4711);
	*at(DATA) = word_of(TEXT_PAGES, 0);
}

static int
write_word(void *arg)
{
	*(volatile uint64_t *)arg = 1;
	return 0;
}

static int
read_word(void *arg)
{
	(void)*(volatile uint64_t *)arg;
	return 0;
}

TEST(text_is_not_written_and_holes_are_holes)
{
	REQUIRE(region_is_there());
	EXPECT(ktap_in_child(write_word, (void *)TEXT) > 128);
	EXPECT(ktap_in_child(write_word, (void *)MORE) > 128);
	EXPECT(ktap_in_child(read_word, (void *)(TEXT + TEXT_PAGES * PAGE)) > 128);
	EXPECT(ktap_in_child(read_word, (void *)(DATA + 8 * PAGE)) > 128);
	EXPECT(ktap_in_child(read_word, (void *)(DATA + SPAN)) > 128);
	EXPECT(text_is_right());
}

static kern_return_t
region_at(mach_vm_address_t *address, mach_vm_size_t *size, natural_t depth,
    vm_region_submap_info_data_64_t *info, natural_t *found)
{
	mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;

	*found = depth;
	return mach_vm_region_recurse(
	    mach_task_self(), address, size, found, (vm_region_recurse_info_t)info, &count);
}

static int
look_at_regions(void *arg)
{
	mach_vm_address_t address = SHARED_REGION_BASE - PAGE;
	vm_region_submap_info_data_64_t info;
	mach_vm_size_t size;
	natural_t depth;

	(void)arg;
	EXPECT_EQ(region_at(&address, &size, 0, &info, &depth), KERN_SUCCESS);
	EXPECT_EQ(address, SHARED_REGION_BASE);
	EXPECT(info.is_submap);
	EXPECT_EQ(depth, 0);
	address = SHARED_REGION_BASE + PAGE;
	EXPECT_EQ(region_at(&address, &size, 5, &info, &depth), KERN_SUCCESS);
	EXPECT_EQ(address, TEXT);
	EXPECT_EQ(size, TEXT_PAGES * PAGE);
	EXPECT(!info.is_submap);
	EXPECT_EQ(depth, 1);
	EXPECT_EQ(info.protection, VM_PROT_READ | VM_PROT_EXECUTE);
	EXPECT(info.pages_resident >= 1);
	/* Data that was touched is a region of the program itself, and what is behind it is the submap's again. */
	*at(DATA) = 1;
	address = DATA;
	EXPECT_EQ(region_at(&address, &size, 5, &info, &depth), KERN_SUCCESS);
	EXPECT_EQ(address, DATA);
	EXPECT_EQ(size, DATA_PAGES * PAGE);
	EXPECT_EQ(depth, 0);
	EXPECT_EQ(info.protection, VM_PROT_READ | VM_PROT_WRITE);
	address = MORE + MORE_PAGES * PAGE;
	EXPECT_EQ(region_at(&address, &size, 0, &info, &depth), KERN_SUCCESS);
	EXPECT_EQ(address, MORE + MORE_PAGES * PAGE);
	EXPECT(info.is_submap);
	EXPECT(address + size == ZEROS || address + size == SHARED_REGION_BASE + SHARED_REGION_SIZE);
	address = ZEROS + ZERO_PAGES * PAGE;
	EXPECT_EQ(region_at(&address, &size, 1, &info, &depth), KERN_SUCCESS);
	EXPECT(address >= SHARED_REGION_BASE + SHARED_REGION_SIZE && depth == 0); /* nothing more in it */
	return 0;
}

TEST(regions_are_told_with_their_depth)
{
	REQUIRE(region_is_there());
	EXPECT(text_is_right());
	EXPECT_EQ(ktap_in_child(look_at_regions, NULL), 0);
}

static int
copy_from_region(void *arg)
{
	mach_vm_address_t other = 0;
	mach_vm_size_t got = 0;
	mach_msg_type_number_t count = 0;
	vm_prot_t cur, max;
	uint64_t words[2];
	vm_offset_t data = 0;
	int pipes[2];
	char vec[2];

	(void)arg;
	EXPECT_EQ(
	    mach_vm_read_overwrite(mach_task_self(), TEXT + PAGE - 8, 16, (mach_vm_address_t)words, &got),
	    KERN_SUCCESS);
	EXPECT(words[0] == word_of(0, PAGE / 8 - 1) && words[1] == word_of(1, 0));
	EXPECT_EQ(mach_vm_read(mach_task_self(), TEXT, TEXT_PAGES * PAGE, &data, &count), KERN_SUCCESS);
	EXPECT_EQ(memcmp((void *)data, (void *)TEXT, TEXT_PAGES * PAGE), 0);
	EXPECT_EQ(mach_vm_write(mach_task_self(), TEXT, data, 8), KERN_PROTECTION_FAILURE);
	EXPECT(pipe(pipes) == 0);
	EXPECT_EQ(
	    write(pipes[1], (void *)(TEXT + 2 * PAGE), 8), 8); /* the first touch of the page may be this */
	EXPECT_EQ(read(pipes[0], (void *)(DATA + PAGE), 8), 8);
	EXPECT_EQ(*at(DATA + PAGE), word_of(2, 0));
	EXPECT_EQ(mincore((void *)TEXT, 2 * PAGE, vec), 0);
	EXPECT((vec[0] & MINCORE_INCORE) != 0);
	EXPECT_EQ(msync((void *)TEXT, TEXT_PAGES * PAGE, MS_ASYNC), 0);
	EXPECT_EQ(msync((void *)TEXT, (TEXT_PAGES + 1) * PAGE, MS_ASYNC), -1);
	/* Nobody has links to it who copies by vm_remap. */
	EXPECT_EQ(mach_vm_remap(mach_task_self(), &other, TEXT_PAGES * PAGE, 0, VM_FLAGS_ANYWHERE,
		      mach_task_self(), TEXT, true, &cur, &max, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	EXPECT_EQ(memcmp((void *)other, (void *)TEXT, TEXT_PAGES * PAGE), 0);
	EXPECT(text_is_right());
	return 0;
}

TEST(the_region_can_be_copied_from)
{
	REQUIRE(region_is_there());
	EXPECT_EQ(ktap_in_child(copy_from_region, NULL), 0);
	EXPECT(text_is_right());
}

static int
take_apart(void *arg)
{
	uint64_t links = counter("vm.shared_region_links"), start;
	mach_vm_address_t address = TEXT + 2 * PAGE;
	pid_t child;
	int status;

	(void)arg;
	EXPECT_EQ(mach_vm_allocate(mach_task_self(), &address, PAGE, VM_FLAGS_FIXED), KERN_NO_SPACE);
	address = SHARED_REGION_BASE + PAGE;
	EXPECT_EQ(mach_vm_map(mach_task_self(), &address, PAGE, 0, VM_FLAGS_ANYWHERE, 0, 0, false,
		      VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY),
	    KERN_SUCCESS);
	EXPECT(address >= SHARED_REGION_BASE + SHARED_REGION_SIZE);
	EXPECT(text_is_right());
	*at(DATA) = 5;

	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), TEXT + PAGE, PAGE), KERN_SUCCESS);
	EXPECT_EQ(counter("vm.shared_region_links"), links);
	EXPECT_EQ(shared_region_check_np(&start), -1);
	EXPECT_EQ(*at(TEXT), word_of(0, 0));
	EXPECT_EQ(*at(TEXT + 2 * PAGE), word_of(2, 0));
	EXPECT_EQ(*at(DATA), 5);
	EXPECT_EQ(*at(DATA + PAGE), word_of(TEXT_PAGES + 1, 0));
	EXPECT_EQ(ktap_in_child(read_word, (void *)(TEXT + PAGE)), 128 + 11);

	/* What is put there is the program's own. */
	EXPECT(mmap((void *)(TEXT + PAGE), 2 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0) == (void *)(TEXT + PAGE));
	EXPECT_EQ(*at(TEXT + 2 * PAGE), 0);
	*at(TEXT + PAGE) = 99;
	child = fork();
	if (child == 0) {
		_exit(*at(TEXT + PAGE) == 99 && *at(TEXT + 3 * PAGE) == word_of(3, 0) ? 0 : 1);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(mprotect((void *)(TEXT + 3 * PAGE), PAGE, PROT_NONE), 0);
	EXPECT(ktap_in_child(read_word, (void *)(TEXT + 3 * PAGE)) > 128);
	EXPECT_EQ(munmap((void *)SHARED_REGION_BASE, SHARED_REGION_SIZE), 0);
	EXPECT_EQ(ktap_in_child(read_word, (void *)TEXT), 128 + 11);
	return 0;
}

TEST(a_program_may_take_it_apart)
{
	uint64_t links;

	REQUIRE(region_is_there());
	EXPECT(text_is_right());
	links = counter("vm.shared_region_links");
	EXPECT_EQ(ktap_in_child(take_apart, NULL), 0);
	EXPECT_EQ(counter("vm.shared_region_links"), links);
	EXPECT(text_is_right());
}

static volatile bool apart;

static void *
read_on(void *arg)
{
	uint64_t wrong = 0;

	(void)arg;
	while (!apart) {
		wrong += !text_is_right();
		wrong += *at(DATA + PAGE) != word_of(TEXT_PAGES + 1, 0);
		__asm__ volatile("yield"); /* under an instruction clock the other CPUs run */
	}
	return (void *)wrong;
}

static int
take_apart_while_reading(void *arg)
{
	pthread_t threads[2];
	void *wrong;

	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, read_on, NULL), 0);
	}
	usleep(1000);
	/* A page that nobody reads: the others stay, whatever is done with the tables. */
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), ZEROS, PAGE), KERN_SUCCESS);
	usleep(1000);
	apart = true;
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(pthread_join(threads[i], &wrong), 0);
		EXPECT_EQ((uintptr_t)wrong, 0);
	}
	return 0;
}

TEST(others_read_while_it_is_taken_apart)
{
	REQUIRE(region_is_there());
	for (unsigned i = 0; i < 12; i++) {
		EXPECT_EQ(ktap_in_child(take_apart_while_reading, NULL), 0);
	}
	EXPECT(text_is_right());
}
