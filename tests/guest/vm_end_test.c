/*
 * Address spaces that end while their threads fault in them: by exit, a signal, exec, and by unmapping what is in use.
 * And page tables that go with what they map.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ULL

/* In every loop that waits or goes on for ever; under an instruction clock YIELD lets the other CPUs run. */
static void
hand_over(void)
{
	__asm__ volatile("yield");
}

#define TOUCHERS 3

static char *torn;
static atomic_uint touched;

/* Faults all over the range, for ever; what another thread has unmapped ends the process, which is one way out. */
static void *
touch_on(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (;;) {
		seed = seed * 1103515245 + 12345;
		torn[(seed >> 8) % 512 * PAGE]++;
		atomic_fetch_add_explicit(&touched, 1, memory_order_relaxed);
		hand_over();
	}
	return NULL;
}

static int
end_while_touched(void *arg)
{
	unsigned how = (unsigned)(uintptr_t)arg;
	pthread_t thread;

	torn = mmap(NULL, 512 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	for (uintptr_t i = 0; i < TOUCHERS; i++) {
		EXPECT_EQ(pthread_create(&thread, NULL, touch_on, (void *)(i + how)), 0);
	}
	while (touched < 100 + how) {
		hand_over();
		sched_yield();
	}
	switch (how % 4) {
	case 0:
		_exit(0);
	case 1:
		(void)kill(getpid(), SIGKILL);
		break;
	case 2:
		execve("/bin/true", (char *[]){ "true", NULL }, (char *[]){ NULL });
		break;
	default:
		EXPECT_EQ(munmap(torn, 512 * PAGE), 0);
		break;
	}
	for (;;) {
		hand_over();
		sched_yield();
	}
}

TEST(spaces_end_while_others_fault_in_them)
{
	for (uintptr_t round = 0; round < 24; round++) {
		int status = ktap_in_child(end_while_touched, (void *)round);
		static const int ends[] = { 0, 128 + SIGKILL, 0, 128 + SIGSEGV };

		EXPECT_EQ(status, ends[round % 4]);
	}
}

#define SPAN       (32ULL << 20) /* what one page table maps */
#define READERS    3
#define LAPS       400
#define FILE_PAGES 16

static char *span;
static atomic_bool over;

/* Pages in ascending order, which the kernel may map ahead. It reads them, so that what is gone is an error alone. */
static void *
read_span(void *arg)
{
	(void)arg;
	while (!over) {
		for (unsigned i = 0; i < FILE_PAGES; i++) {
			EXPECT_EQ(access(span + i * PAGE, F_OK), -1);
			EXPECT(errno == EFAULT || errno == ENOENT);
		}
		hand_over();
	}
	return NULL;
}

static int
file_of_pages(void)
{
	static char page[PAGE];
	int file = open("/tmp/span", O_RDWR | O_CREAT | O_TRUNC, 0644);

	EXPECT(file >= 0);
	EXPECT_EQ(unlink("/tmp/span"), 0);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		EXPECT_EQ(write(file, page, sizeof(page)), sizeof(page));
	}
	return file;
}

TEST(page_tables_go_while_others_fault_in_them)
{
	char *reserved = mmap(NULL, 2 * SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
	pthread_t readers[READERS];
	int file = file_of_pages();

	REQUIRE(reserved != MAP_FAILED);
	span = (char *)(((uintptr_t)reserved + SPAN - 1) & ~(SPAN - 1));
	atomic_store(&over, false);
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT_EQ(pthread_create(&readers[i], NULL, read_span, NULL), 0);
	}
	for (unsigned lap = 0; lap < LAPS; lap++) {
		EXPECT(mmap(span, SPAN, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == span);
		(void)access(span + PAGE * (lap % FILE_PAGES), F_OK);
		sched_yield();
		EXPECT_EQ(munmap(span, SPAN), 0);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < READERS; i++) {
		EXPECT_EQ(pthread_join(readers[i], NULL), 0);
	}
	EXPECT_EQ(munmap(reserved, 2 * SPAN), 0);
	EXPECT_EQ(close(file), 0);
}
