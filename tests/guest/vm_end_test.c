/*
 * Address spaces that end while their threads fault in them: by exit, a signal, exec, and by unmapping what is in use.
 */
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
