/*
 * More memory than there is: what programs write comes back as it was, from wherever it has been meanwhile.
 *
 * The machine's memory is filled first, with wired pages and then with pages that compress, so that the work below
 * takes place in what is left however big the machine is.
 */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/memory_entry.h>
#include <mach/memory_object_types.h>
#include <mach/vm_map_routines.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define PAGE 16384ull

static char *
allocate(size_t pages)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(mach_vm_allocate(mach_task_self(), &at, pages * PAGE, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	return (char *)at;
}

static void
release(char *at, size_t pages)
{
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), (mach_vm_address_t)at, pages * PAGE), KERN_SUCCESS);
}

/* Contents that differ from page to page, of the kinds a program's memory has: pointers, numbers, zeros. */
static void
fill_page(char *page, uint64_t seed)
{
	uint64_t *words = (uint64_t *)page;

	for (unsigned i = 0; i < PAGE / 8; i += 8) {
		words[i] = 0x100000000 + (seed * 64 + i) * 16;
		words[i + 1] = seed;
		words[i + 2] = 0;
		words[i + 5] = i;
	}
}

static bool
page_is(const char *page, uint64_t seed)
{
	const uint64_t *words = (const uint64_t *)page;

	for (unsigned i = 0; i < PAGE / 8; i += 8) {
		if (words[i] != 0x100000000 + (seed * 64 + i) * 16 || words[i + 1] != seed ||
		    words[i + 2] != 0 || words[i + 5] != i || words[i + 7] != 0) {
			return false;
		}
	}
	return true;
}

static void
fill(char *at, size_t pages, uint64_t seed)
{
	for (size_t i = 0; i < pages; i++) {
		fill_page(at + i * PAGE, seed + i);
	}
}

static size_t
wrong_pages(const char *at, size_t pages, uint64_t seed)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++) {
		wrong += !page_is(at + i * PAGE, seed + i);
	}
	return wrong;
}

/* What processes that have just ended had is free again: nothing more becomes free for a while. */
static void
settle(void)
{
	natural_t before;

	do {
		before = vm_statistics_now().free_count;
		usleep(100000);
	} while (vm_statistics_now().free_count > before + 16);
}

static uint64_t noise_state = 88172645463325252ull;

/* What no coder makes smaller. */
static void
fill_noise(void *at, size_t bytes)
{
	uint64_t *words = at, x = noise_state;

	for (size_t i = 0; i < bytes / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	noise_state = x;
}

/* Takes memory until only about `left` pages are free: wired as far as that is allowed, then noise. */
static void
occupy(size_t left)
{
	natural_t have;
	size_t pages;
	char *at;

	settle();
	have = vm_statistics_now().free_count;
	pages = have > left ? have - left : 0;
	at = allocate(pages);
	while (pages != 0 && mlock(at, pages * PAGE) != 0) {
		pages -= pages / 16 + 1; /* more than may be wired */
	}
	have = vm_statistics_now().free_count;
	if (have > left) {
		fill_noise(allocate(have - left), (have - left) * PAGE);
	}
	printf("# %zu pages wired, %zu full of noise, %u free\n", pages, have > left ? have - left : 0,
	    vm_statistics_now().free_count);
}

#define WORK_PAGES 4096u /* 64 MiB */

static int
work_in_little(void *arg)
{
	vm_statistics64_data_t before, after;
	size_t pages;
	char *at;

	(void)arg;
	occupy(WORK_PAGES);
	before = vm_statistics_now();
	pages = before.free_count + WORK_PAGES / 2;
	at = allocate(pages);
	fill(at, pages, 1);
	after = vm_statistics_now();
	printf("# %u free, %llu compressions, compressor has %llu pages in %u\n", after.free_count,
	    (unsigned long long)(after.compressions - before.compressions),
	    (unsigned long long)after.total_uncompressed_pages_in_compressor, after.compressor_page_count);
	EXPECT(after.compressions > before.compressions);
	EXPECT_EQ(wrong_pages(at, pages, 1), 0);
	after = vm_statistics_now();
	EXPECT(after.decompressions > before.decompressions);
	return 0;
}

TEST(more_than_there_is)
{
	EXPECT_EQ(ktap_in_child(work_in_little, NULL), 0);
}

/* --- memory that need not be kept --- */

#define PURGEABLE_PAGES 256u

static int
purgeable_state(char *at)
{
	int state = -1;

	EXPECT_EQ(
	    mach_vm_purgable_control(mach_task_self(), (mach_vm_address_t)at, VM_PURGABLE_GET_STATE, &state),
	    KERN_SUCCESS);
	return state;
}

/* In another task than the one that declared the memory volatile. */
static int
press_until_empty(void *arg)
{
	char *at = arg, *more;
	size_t pages, filled = 0;

	occupy(WORK_PAGES);
	pages = vm_statistics_now().free_count + WORK_PAGES / 2;
	more = allocate(pages);
	for (; filled < pages && purgeable_state(at) != VM_PURGABLE_EMPTY; filled += 32) {
		fill(more + filled * PAGE, 32, filled);
	}
	printf("# empty after %zu of %zu pages\n", filled, pages);
	EXPECT_EQ(purgeable_state(at), VM_PURGABLE_EMPTY);
	for (size_t i = 0; i < PURGEABLE_PAGES; i++) {
		EXPECT_EQ(at[i * PAGE], 0);
	}
	return 0;
}

TEST(shared_purgeable_memory_goes_first)
{
	mach_vm_size_t size = PURGEABLE_PAGES * PAGE;
	mach_vm_address_t at = 0;
	mach_port_t entry;
	int state = VM_PURGABLE_VOLATILE;

	REQUIRE(mach_make_memory_entry_64(mach_task_self(), &size, 0,
		    MAP_MEM_NAMED_CREATE | MAP_MEM_PURGABLE | VM_PROT_READ | VM_PROT_WRITE, &entry,
		    MACH_PORT_NULL) == KERN_SUCCESS);
	REQUIRE(mach_vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE,
		    VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_SHARE) == KERN_SUCCESS);
	fill((char *)at, PURGEABLE_PAGES, 3);
	EXPECT_EQ(mach_memory_entry_purgable_control(entry, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(state, VM_PURGABLE_NONVOLATILE);
	EXPECT_EQ(ktap_in_child(press_until_empty, (void *)at), 0);
	state = VM_PURGABLE_NONVOLATILE;
	EXPECT_EQ(mach_memory_entry_purgable_control(entry, VM_PURGABLE_SET_STATE, &state), KERN_SUCCESS);
	EXPECT_EQ(state, VM_PURGABLE_EMPTY);
	EXPECT_EQ(*(volatile char *)at, 0);
	fill((char *)at, PURGEABLE_PAGES, 4);
	EXPECT_EQ(wrong_pages((char *)at, PURGEABLE_PAGES, 4), 0);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), entry), KERN_SUCCESS);
	release((char *)at, PURGEABLE_PAGES);
}

/* --- memory that several processes share --- */

#define SHARED_PAGES (WORK_PAGES + WORK_PAGES / 2)

/* A child, since what it wires is not to be copied by a fork. */
static int
fill_more_than_there_is(void *arg)
{
	vm_statistics64_data_t before, after;
	char *at = arg;

	occupy(WORK_PAGES);
	before = vm_statistics_now();
	fill(at, SHARED_PAGES, 1);
	after = vm_statistics_now();
	printf("# %llu compressions\n", (unsigned long long)(after.compressions - before.compressions));
	EXPECT(after.compressions > before.compressions);
	EXPECT_EQ(wrong_pages(at, SHARED_PAGES, 1), 0);
	fill(at, SHARED_PAGES / 4, 7000);
	return 0;
}

TEST(shared_memory_larger_than_memory)
{
	char *at = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	vm_statistics64_data_t before, after;
	const size_t changed = SHARED_PAGES / 4;

	EXPECT(at != MAP_FAILED);
	EXPECT_EQ(ktap_in_child(fill_more_than_there_is, at), 0);
	before = vm_statistics_now();
	EXPECT_EQ(wrong_pages(at, changed, 7000), 0);
	EXPECT_EQ(wrong_pages(at + changed * PAGE, SHARED_PAGES - changed, 1 + changed), 0);
	after = vm_statistics_now();
	EXPECT(after.decompressions > before.decompressions);
	EXPECT_EQ(munmap(at, SHARED_PAGES * PAGE), 0);
}

/* --- files: their pages leave and come back, whoever shows them --- */

#define FILE_NAME "/tmp/vm_pressure.dat"

/* A file of so many pages, of which none has a name any more. */
static int
file_of(size_t pages, uint64_t seed)
{
	static char page[PAGE];
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	EXPECT(fd >= 0);
	EXPECT_EQ(unlink(FILE_NAME), 0);
	for (size_t i = 0; i < pages; i++) {
		memset(page, 0, PAGE);
		fill_page(page, seed + i);
		if (write(fd, page, PAGE) != (ssize_t)PAGE) {
			printf("# page %zu of %zu: error %d\n", i, pages, errno);
			_exit(99);
		}
	}
	return fd;
}

static size_t
wrong_file_pages(int fd, size_t pages, uint64_t seed)
{
	static char page[PAGE];
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++) {
		wrong +=
		    pread(fd, page, PAGE, (off_t)(i * PAGE)) != (ssize_t)PAGE || !page_is(page, seed + i);
	}
	return wrong;
}

static char *
map_file(int fd, size_t pages, int flags)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	EXPECT(at != MAP_FAILED);
	return at;
}

static int
file_larger_than_memory(void *arg)
{
	vm_statistics64_data_t before, after;
	char *shared, *private;
	size_t pages;
	int fd;

	(void)arg;
	occupy(WORK_PAGES);
	before = vm_statistics_now();
	pages = before.free_count + WORK_PAGES / 2;
	fd = file_of(pages, 1);
	after = vm_statistics_now();
	printf("# a file of %zu pages, %u free, %llu compressions\n", pages, after.free_count,
	    (unsigned long long)(after.compressions - before.compressions));
	EXPECT(after.compressions > before.compressions);
	shared = map_file(fd, pages, MAP_SHARED);
	private = map_file(fd, pages, MAP_PRIVATE);
	EXPECT_EQ(wrong_pages(private, pages, 1), 0);
	fill(shared, pages, 5000);
	EXPECT_EQ(wrong_file_pages(fd, pages, 5000), 0);
	EXPECT_EQ(wrong_pages(private + pages / 2 * PAGE, pages / 2, 5000 + pages / 2), 0);
	fill(private, 64, 9000);
	EXPECT_EQ(ftruncate(fd, (off_t)(pages / 2 * PAGE)), 0);
	EXPECT_EQ(wrong_pages(shared, pages / 2, 5000), 0);
	EXPECT_EQ(wrong_pages(private, 64, 9000), 0);
	EXPECT_EQ(ftruncate(fd, (off_t)(pages * PAGE)), 0);
	EXPECT_EQ(((uint64_t *)(shared + (pages - 1) * PAGE))[1], 0);
	return 0;
}

TEST(a_file_larger_than_memory)
{
	EXPECT_EQ(ktap_in_child(file_larger_than_memory, NULL), 0);
}

#define RACE_PAGES  512u
#define RACE_ROUNDS 6u

static char *race_shared, *race_private;
static int race_fd;

/* Counts in a word of its own in each page, through the shared mapping. */
static void *
race_write(void *arg)
{
	size_t word = (size_t)arg;

	for (uint64_t round = 1; round <= RACE_ROUNDS; round++) {
		for (size_t i = 0; i < RACE_PAGES; i++) {
			uint64_t *words = (uint64_t *)(race_shared + i * PAGE);

			EXPECT_EQ(words[word], round - 1);
			words[word] = round;
		}
	}
	return NULL;
}

/* What others show of the page is never older than what was there before. */
static void *
race_read(void *arg)
{
	uint64_t seen[RACE_PAGES] = { 0 };
	size_t word = (size_t)arg;

	for (unsigned round = 0; round < RACE_ROUNDS; round++) {
		for (size_t i = 0; i < RACE_PAGES; i++) {
			uint64_t value = ((volatile uint64_t *)(race_private + i * PAGE))[word], file = 0;

			EXPECT(value >= seen[i] && value <= RACE_ROUNDS);
			EXPECT_EQ(pread(race_fd, &file, 8, (off_t)(i * PAGE + word * 8)), 8);
			EXPECT(file >= value);
			seen[i] = file;
		}
	}
	return NULL;
}

static int
file_under_pressure(void *arg)
{
	pthread_t threads[4];
	vm_statistics64_data_t stat;
	size_t pages;
	char *at;

	(void)arg;
	occupy(WORK_PAGES);
	race_fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	EXPECT_EQ(unlink(FILE_NAME), 0);
	EXPECT_EQ(ftruncate(race_fd, RACE_PAGES * PAGE), 0);
	race_shared = map_file(race_fd, RACE_PAGES, MAP_SHARED);
	race_private = map_file(race_fd, RACE_PAGES, MAP_PRIVATE);
	stat = vm_statistics_now();
	pages = stat.free_count;
	at = allocate(pages);
	for (uint64_t i = 0; i < 4; i++) {
		EXPECT_EQ(
		    pthread_create(&threads[i], NULL, i < 2 ? race_write : race_read, (void *)(i % 2 * 700)),
		    0);
	}
	fill(at, pages, 1);
	EXPECT_EQ(wrong_pages(at, pages, 1), 0);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	for (size_t i = 0; i < RACE_PAGES; i++) {
		EXPECT_EQ(((uint64_t *)(race_private + i * PAGE))[0], RACE_ROUNDS);
		EXPECT_EQ(((uint64_t *)(race_shared + i * PAGE))[700], RACE_ROUNDS);
	}
	return 0;
}

TEST(files_that_leave_while_they_are_used)
{
	EXPECT_EQ(ktap_in_child(file_under_pressure, NULL), 0);
}

/* What cannot be compressed fills memory: the write ends, no process does, and the memory comes back. */
static int
write_everything(void *arg)
{
	static uint64_t page[PAGE / 8];
	int fd;

	(void)arg;
	occupy(WORK_PAGES);
	fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	EXPECT_EQ(unlink(FILE_NAME), 0);
	for (;;) {
		fill_noise(page, PAGE);
		if (write(fd, page, PAGE) != (ssize_t)PAGE) {
			EXPECT_EQ(errno, ENOSPC);
			return 0;
		}
	}
}

TEST(a_write_ends_when_memory_does)
{
	EXPECT_EQ(ktap_in_child(write_everything, NULL), 0);
}

/* Advice that says "compress this": contents, copies and sharing are as before. */
TEST(compressed_pages_come_back)
{
	vm_statistics64_data_t before = vm_statistics_now(), after;
	char *at = allocate(64), *copy;
	vm_prot_t cur, max;
	mach_vm_address_t other = 0;
	pid_t child;
	int status;

	fill(at, 64, 7);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), (mach_vm_address_t)at, 64 * PAGE, VM_BEHAVIOR_PAGEOUT),
	    KERN_SUCCESS);
	after = vm_statistics_now();
	EXPECT_EQ(after.compressions - before.compressions, 64);
	/* A child has the same, and what it writes stays its own. */
	child = fork();
	if (child == 0) {
		size_t wrong = wrong_pages(at, 64, 7);

		fill(at, 32, 1000);
		_exit(
		    wrong != 0 || wrong_pages(at, 32, 1000) != 0 || wrong_pages(at + 32 * PAGE, 32, 39) != 0);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(wrong_pages(at, 64, 7), 0);

	/* Copied and shared while compressed. */
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), (mach_vm_address_t)at, 64 * PAGE, VM_BEHAVIOR_PAGEOUT),
	    KERN_SUCCESS);
	copy = allocate(64);
	EXPECT_EQ(mach_vm_copy(mach_task_self(), (mach_vm_address_t)at, 64 * PAGE, (mach_vm_address_t)copy),
	    KERN_SUCCESS);
	EXPECT_EQ(wrong_pages(copy, 64, 7), 0);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), (mach_vm_address_t)at, 64 * PAGE, VM_BEHAVIOR_PAGEOUT),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_vm_remap(mach_task_self(), &other, 64 * PAGE, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
		      (mach_vm_address_t)at, FALSE, &cur, &max, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	EXPECT_EQ(wrong_pages((char *)other, 64, 7), 0);
	fill_page(at, 99);
	EXPECT(page_is((char *)other, 99));
	release((char *)other, 64);
	release(copy, 64);
	release(at, 64);
}

static void *
churn(void *arg)
{
	uint64_t seed = (uint64_t)arg;
	char *at = allocate(128);

	fill(at, 128, seed);
	for (unsigned round = 0; round < 30; round++) {
		EXPECT_EQ(mach_vm_behavior_set(mach_task_self(), (mach_vm_address_t)at, 128 * PAGE,
			      round % 3 == 0 ? VM_BEHAVIOR_DONTNEED : VM_BEHAVIOR_PAGEOUT),
		    KERN_SUCCESS);
		EXPECT_EQ(wrong_pages(at, 128, seed), 0);
		seed += 1000;
		fill(at, 128, seed);
	}
	release(at, 128);
	return NULL;
}

TEST(threads_whose_pages_come_and_go)
{
	pthread_t threads[4];

	for (uint64_t i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, churn, (void *)(i * 1000000)), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}

/* Memory that does not compress, until there is no more: the child ends, and nobody else. */
static int
take_everything(void *arg)
{
	(void)arg;
	for (;;) {
		fill_noise(allocate(64), 64 * PAGE);
	}
}

static int
take_all_that_is_left(void *arg)
{
	occupy(WORK_PAGES);
	return take_everything(arg);
}

TEST(the_largest_process_ends_when_nothing_helps)
{
	natural_t before = vm_statistics_now().free_count;
	char *mine = allocate(16);

	fill(mine, 16, 5);
	EXPECT_EQ(ktap_in_child(take_all_that_is_left, NULL), 128 + SIGKILL);
	EXPECT_EQ(wrong_pages(mine, 16, 5), 0);
	release(mine, 16);
	for (unsigned i = 0; i < 100 && vm_statistics_now().free_count + 512 < before; i++) {
		usleep(10000);
	}
	EXPECT(vm_statistics_now().free_count + 512 >= before);
}

/* --- calls that need memory of the kernel's own --- */

#define MAKERS  4
#define OBJECTS 16384u /* of each maker */

static _Atomic bool freed;

/* Ports, semaphores, threads and processes without end. What is full begins again. */
static void *
make_objects(void *arg)
{
	mach_port_t(*objects)[2] = calloc(OBJECTS, sizeof(*objects));

	(void)arg;
	for (unsigned i = 0; !freed; i = (i + 1) % OBJECTS) {
		if (objects[i][0] != MACH_PORT_NULL) {
			EXPECT_EQ(mach_port_destroy(mach_task_self(), objects[i][0]), KERN_SUCCESS);
			EXPECT_EQ(semaphore_destroy(mach_task_self(), objects[i][1]), KERN_SUCCESS);
		}
		EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &objects[i][0]),
		    KERN_SUCCESS);
		EXPECT_EQ(
		    semaphore_create(mach_task_self(), &objects[i][1], SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	}
	free(objects);
	return NULL;
}

static void *
nothing(void *arg)
{
	return arg;
}

static void
make_thread_and_process(void)
{
	char *const argv[] = { "true", NULL }, *const envp[] = { NULL };
	int status = -1;
	pid_t pid = -1;
	pthread_t thread;

	EXPECT_EQ(pthread_create(&thread, NULL, nothing, NULL), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp), 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Nothing can be freed until the largest process has ended. Until then the calls of others wait; none of them fails. */
static int
make_things_meanwhile(void *arg)
{
	pthread_t makers[MAKERS];
	pid_t largest = fork();
	int status = -1;

	(void)arg;
	if (largest == 0) {
		_exit(take_all_that_is_left(NULL));
	}
	for (unsigned i = 0; i < MAKERS; i++) {
		EXPECT_EQ(pthread_create(&makers[i], NULL, make_objects, NULL), 0);
	}
	while (waitpid(largest, &status, WNOHANG) == 0) {
		make_thread_and_process();
	}
	freed = true;
	for (unsigned i = 0; i < MAKERS; i++) {
		EXPECT_EQ(pthread_join(makers[i], NULL), 0);
	}
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return 0;
}

TEST(calls_wait_until_the_largest_process_has_ended)
{
	int status = ktap_in_child(make_things_meanwhile, NULL);

	/* Where the largest one takes long to end, because the host stands still, the next is ended, too. */
	EXPECT(status == 0 || status == 128 + SIGKILL);
}
