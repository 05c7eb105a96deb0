/* Memory: allocation, protection, zero filling, copy on write, the heap. */
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull

TEST(allocate_gives_zeroed_pages)
{
	mach_vm_address_t at = 0;
	const uint64_t *words;

	REQUIRE(mach_vm_allocate(mach_task_self(), &at, 4 * PAGE, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
	EXPECT_EQ(at % PAGE, 0);
	words = (const uint64_t *)at;
	for (unsigned i = 0; i < 4 * PAGE / 8; i += 64) {
		EXPECT_EQ(words[i], 0);
	}
	memset((void *)at, 0xa5, 4 * PAGE);
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), at, 4 * PAGE), KERN_SUCCESS);
}

TEST(fixed_allocation_keeps_out_of_what_is_there)
{
	mach_vm_address_t at = 0;

	REQUIRE(mach_vm_allocate(mach_task_self(), &at, 2 * PAGE, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(mach_task_self(), &at, PAGE, VM_FLAGS_FIXED), KERN_NO_SPACE);
	EXPECT_EQ(
	    mach_vm_allocate(mach_task_self(), &at, PAGE, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), at, 2 * PAGE), KERN_SUCCESS);
}

TEST(bad_sizes_and_targets)
{
	mach_vm_address_t at = 0;

	EXPECT(
	    mach_vm_allocate(mach_task_self(), &at, (mach_vm_size_t)-1, VM_FLAGS_ANYWHERE) != KERN_SUCCESS);
	EXPECT(mach_vm_allocate(MACH_PORT_NULL, &at, PAGE, VM_FLAGS_ANYWHERE) != KERN_SUCCESS);
	EXPECT(mach_vm_deallocate(mach_task_self(), -(mach_vm_address_t)PAGE, 4 * PAGE) != KERN_SUCCESS);
	EXPECT(mach_vm_protect(mach_task_self(), 0x500000000000, PAGE, FALSE, VM_PROT_READ) != KERN_SUCCESS);
}

struct access {
	volatile char *at;
	bool write;
};

static int
do_access(void *arg)
{
	const struct access *access = arg;

	if (access->write) {
		*access->at = 1;
	} else {
		(void)*access->at;
	}
	return 0;
}

static int
try_access(void *at, bool write)
{
	struct access access = { at, write };

	return ktap_in_child(do_access, &access);
}

TEST(protection_is_enforced)
{
	mach_vm_address_t at = 0;

	REQUIRE(mach_vm_allocate(mach_task_self(), &at, PAGE, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
	*(volatile char *)at = 7;
	REQUIRE(mach_vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_READ) == KERN_SUCCESS);
	EXPECT_EQ(try_access((void *)at, false), 0);
	EXPECT_EQ(try_access((void *)at, true), 128 + SIGBUS);
	REQUIRE(mach_vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_NONE) == KERN_SUCCESS);
	EXPECT_EQ(try_access((void *)at, false), 128 + SIGBUS);
	REQUIRE(mach_vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_DEFAULT) == KERN_SUCCESS);
	EXPECT_EQ(*(volatile char *)at, 7);
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), at, PAGE), KERN_SUCCESS);
	EXPECT_EQ(try_access((void *)at, false), 128 + SIGSEGV);
}

TEST(null_and_kernel_addresses_fault)
{
	EXPECT_EQ(try_access(NULL, false), 128 + SIGSEGV);
	EXPECT_EQ(try_access((void *)0x1000, true), 128 + SIGSEGV);
	EXPECT(try_access((void *)0xffff800040000000, false) > 128);
	EXPECT(try_access((void *)0xfffffe0007004000, false) > 128);
	EXPECT(try_access((void *)0x0001000000000000, false) > 128);
}

static int
run_data(void *arg)
{
	((void (*)(void))arg)();
	return 0;
}

TEST(data_is_not_executable)
{
	static uint32_t code[] = { 0xd65f03c0 }; /* ret */

	EXPECT(ktap_in_child(run_data, code) > 128);
}

static int
scribble(void *arg)
{
	memset(arg, 0x55, 8 * PAGE);
	return 0;
}

TEST(fork_copies_on_write)
{
	char *page = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

	REQUIRE(page != MAP_FAILED);
	for (unsigned i = 0; i < 8; i++) {
		page[i * PAGE] = (char)i;
	}
	EXPECT_EQ(ktap_in_child(scribble, page), 0);
	for (unsigned i = 0; i < 8; i++) {
		EXPECT_EQ(page[i * PAGE], i);
		EXPECT_EQ(page[i * PAGE + 1], 0);
	}
	EXPECT_EQ(munmap(page, 8 * PAGE), 0);
}

/* Blocks keep what is written to them while others come and go. */
TEST(heap_blocks_do_not_overlap)
{
	enum { BLOCKS = 400, ROUNDS = 20000 };
	static struct {
		unsigned char *p;
		size_t size;
		unsigned char mark;
	} blocks[BLOCKS];
	unsigned seed = 12345;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (unsigned)rand_r(&seed) % BLOCKS;

		if (blocks[i].p != NULL) {
			size_t at = (unsigned)rand_r(&seed) % blocks[i].size;
			if (blocks[i].p[at] != blocks[i].mark ||
			    blocks[i].p[blocks[i].size - 1] != blocks[i].mark) {
				EXPECT(!"a block has lost its contents");
				return;
			}
			free(blocks[i].p);
			blocks[i].p = NULL;
			continue;
		}
		blocks[i].size = 1 + (unsigned)rand_r(&seed) % (round % 64 == 0 ? 100000 : 700);
		blocks[i].mark = (unsigned char)rand_r(&seed);
		blocks[i].p = malloc(blocks[i].size);
		REQUIRE(blocks[i].p != NULL);
		REQUIRE(((uintptr_t)blocks[i].p & 15) == 0);
		memset(blocks[i].p, blocks[i].mark, blocks[i].size);
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		free(blocks[i].p);
		blocks[i].p = NULL;
	}
}

TEST(heap_edges)
{
	void *volatile block; /* else the compiler answers for malloc */
	void *p;
	char *q;

	free(NULL);
	block = malloc((size_t)-1);
	EXPECT(block == NULL);
	block = calloc((size_t)1 << 40, (size_t)1 << 40);
	EXPECT(block == NULL);
	p = malloc(0);
	EXPECT(p != NULL);
	free(p);
	for (size_t size = 1; size < 300000; size = size * 3 / 2 + 1) {
		q = calloc(1, size);
		REQUIRE(q != NULL);
		EXPECT(q[0] == 0 && q[size - 1] == 0);
		q[size - 1] = 'x';
		q = realloc(q, size * 2);
		REQUIRE(q != NULL);
		EXPECT_EQ(q[size - 1], 'x');
		free(q);
	}
	for (size_t align = 16; align <= 1 << 20; align *= 2) {
		EXPECT_EQ(posix_memalign(&p, align, 100), 0);
		EXPECT_EQ((uintptr_t)p % align, 0);
		memset(p, 1, 100);
		free(p);
	}
	EXPECT(posix_memalign(&p, 24, 100) != 0);
}

static void *
heap_worker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	void *kept[64] = { 0 };

	for (unsigned i = 0; i < 20000; i++) {
		unsigned slot = (unsigned)rand_r(&seed) % 64;
		free(kept[slot]);
		kept[slot] = malloc((unsigned)rand_r(&seed) % 2000);
		if (kept[slot] != NULL) {
			*(unsigned char *)kept[slot] = (unsigned char)i;
		}
	}
	for (unsigned i = 0; i < 64; i++) {
		free(kept[i]);
	}
	return NULL;
}

TEST(heap_from_several_threads)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, heap_worker, (void *)(i + 1)) == 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}
