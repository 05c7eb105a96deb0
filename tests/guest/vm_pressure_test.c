/*
 * More memory than there is: what programs write comes back as it was, from wherever it has been meanwhile.
 *
 * The machine's memory is filled first, with wired pages and then with pages that compress, so that the work below
 * takes place in what is left however big the machine is.
 */
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull

static vm_statistics64_data_t
statistics(void)
{
	vm_statistics64_data_t stat = { 0 };
	mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;

	EXPECT_EQ(
	    host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&stat, &count), KERN_SUCCESS);
	return stat;
}

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

/* Wires memory until only about `left` pages are free; returns how many. */
static size_t
occupy(size_t left, char **at)
{
	vm_statistics64_data_t stat = statistics();
	size_t pages = stat.free_count > left ? stat.free_count - left : 0;

	*at = NULL;
	if (pages != 0) {
		*at = allocate(pages);
		while (pages != 0 && mlock(*at, pages * PAGE) != 0) {
			pages -= pages / 16 + 1; /* more than may be wired */
		}
	}
	return pages;
}

#define WORK_PAGES 4096u /* 64 MiB */

static int
work_in_little(void *arg)
{
	vm_statistics64_data_t before, after;
	char *wired, *at;
	size_t occupied, pages;

	(void)arg;
	occupied = occupy(WORK_PAGES, &wired);
	before = statistics();
	printf("# %zu pages wired, %u free\n", occupied, before.free_count);
	pages = before.free_count + WORK_PAGES / 2;
	at = allocate(pages);
	fill(at, pages, 1);
	after = statistics();
	printf("# %u free, %llu compressions, compressor has %llu pages in %u\n", after.free_count,
	    (unsigned long long)(after.compressions - before.compressions),
	    (unsigned long long)after.total_uncompressed_pages_in_compressor, after.compressor_page_count);
	EXPECT(after.compressions > before.compressions);
	EXPECT_EQ(wrong_pages(at, pages, 1), 0);
	after = statistics();
	EXPECT(after.decompressions > before.decompressions);
	return 0;
}

TEST(more_than_there_is)
{
	EXPECT_EQ(ktap_in_child(work_in_little, NULL), 0);
}

/* Advice that says "compress this": contents, copies and sharing are as before. */
TEST(compressed_pages_come_back)
{
	vm_statistics64_data_t before = statistics(), after;
	char *at = allocate(64), *copy;
	vm_prot_t cur, max;
	mach_vm_address_t other = 0;
	pid_t child;
	int status;

	fill(at, 64, 7);
	EXPECT_EQ(
	    mach_vm_behavior_set(mach_task_self(), (mach_vm_address_t)at, 64 * PAGE, VM_BEHAVIOR_PAGEOUT),
	    KERN_SUCCESS);
	after = statistics();
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
	uint64_t x = 88172645463325252ull;

	(void)arg;
	for (;;) {
		uint64_t *words = (uint64_t *)allocate(64);

		for (size_t i = 0; i < 64 * PAGE / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			words[i] = x;
		}
	}
}

static int
take_all_that_is_left(void *arg)
{
	char *wired;

	occupy(WORK_PAGES, &wired);
	return take_everything(arg);
}

TEST(the_largest_process_ends_when_nothing_helps)
{
	natural_t before = statistics().free_count;
	char *mine = allocate(16);

	fill(mine, 16, 5);
	EXPECT_EQ(ktap_in_child(take_all_that_is_left, NULL), 128 + SIGKILL);
	EXPECT_EQ(wrong_pages(mine, 16, 5), 0);
	release(mine, 16);
	for (unsigned i = 0; i < 100 && statistics().free_count + 512 < before; i++) {
		usleep(10000);
	}
	EXPECT(statistics().free_count + 512 >= before);
}
