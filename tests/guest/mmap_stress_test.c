/*
 * One file that many threads map, read, write, truncate and fork with at once. Page i of it only ever holds zeros and
 * the value i + 1: a page that somebody still sees after it was taken away, and that another use has filled since,
 * shows as anything else. Under ./x stale the translations are watched as well.
 */
#include <fcntl.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE   16384u
#define PAGES  64u
#define WORDS  (PAGE / 4)
#define ROUNDS 150
#define POISON 0xeeeeeeeeu

static int file;
static atomic_uint done;

/* An access behind the end of the file: zeros come there instead, and the access is repeated. */
static void
patch(int sig, siginfo_t *info, void *context)
{
	void *page = (void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));

	(void)sig;
	(void)context;
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_ANON | MAP_PRIVATE, -1, 0) != page) {
		_exit(98);
	}
}

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static bool
page_ok(const volatile uint32_t *words, unsigned index)
{
	for (unsigned i = 0; i < WORDS; i += WORDS / 4 - 1) {
		uint32_t word = words[i];

		if (word != 0 && !EXPECT_EQ(word, index + 1)) {
			return false;
		}
	}
	return true;
}

/* Maps a part of the file, looks at it and writes to it. */
static void
use_mapping(uint32_t *seed, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		unsigned first = next(seed) % PAGES, count = 1 + next(seed) % (PAGES - first);
		bool shared = next(seed) % 2;
		char *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE,
		    file, first * PAGE);

		if (!EXPECT(at != MAP_FAILED)) {
			return;
		}
		for (unsigned i = 0; i < 12; i++) {
			unsigned page = next(seed) % count;
			volatile uint32_t *words = (uint32_t *)(at + page * PAGE);

			if (!page_ok(words, first + page)) {
				break;
			}
			if (next(seed) % 3 == 0) {
				words[0] = first + page + 1;
				words[WORDS - 1] = first + page + 1;
			}
		}
		EXPECT_EQ(munmap(at, count * PAGE), 0);
	}
}

static void *
mapper(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	use_mapping(&seed, ROUNDS);
	atomic_fetch_add(&done, 1);
	return NULL;
}

/* Forks with a mapping that the child looks at. */
static void *
forker(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		    round % 2 ? MAP_SHARED : MAP_PRIVATE, file, 0);
		int status = 0;
		pid_t child;

		*(volatile uint32_t *)at = 1;
		child = fork();
		if (child == 0) {
			for (unsigned i = 0; i < PAGES; i += 1 + next(&seed) % 4) {
				uint32_t word = *(volatile uint32_t *)(at + i * PAGE);

				if (word != 0 && word != i + 1) {
					_exit(1);
				}
			}
			_exit(0);
		}
		EXPECT_EQ(waitpid(child, &status, 0), child);
		EXPECT_EQ(status, 0);
		EXPECT_EQ(munmap(at, PAGES * PAGE), 0);
	}
	atomic_fetch_add(&done, 1);
	return NULL;
}

/* Gives freed pages another content. */
static void *
poisoner(void *arg)
{
	unsigned others = (unsigned)(uintptr_t)arg;

	while (atomic_load(&done) < others) {
		uint32_t *at = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

		for (unsigned i = 0; i < 32 * WORDS; i += 64) {
			at[i] = POISON;
		}
		memset(at, 0xee, PAGE);
		munmap(at, 32 * PAGE);
	}
	return NULL;
}

static void
fill_page(unsigned index)
{
	static uint32_t words[WORDS];

	for (unsigned i = 0; i < WORDS; i++) {
		words[i] = index + 1;
	}
	EXPECT_EQ(pwrite(file, words, PAGE, index * PAGE), PAGE);
}

/* Shortens the file and makes it whole again, until the others are done. */
static void
truncater(unsigned others)
{
	uint32_t seed = 99, probe[4];

	while (atomic_load(&done) < others) {
		unsigned keep = next(&seed) % PAGES;

		EXPECT_EQ(ftruncate(file, keep * PAGE + next(&seed) % PAGE), 0);
		EXPECT_EQ(ftruncate(file, PAGES * PAGE), 0);
		for (unsigned i = keep + 1; i < PAGES; i += 1 + next(&seed) % 3) {
			fill_page(i);
			EXPECT_EQ(pread(file, probe, sizeof(probe), i * PAGE), sizeof(probe));
			EXPECT_EQ(probe[1], i + 1);
		}
	}
}

#define MAPPERS 5
#define FORKERS 2

TEST(map_write_truncate_and_fork_at_once)
{
	struct sigaction action = { .sa_sigaction = patch, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
	pthread_t threads[MAPPERS + FORKERS + 1];
	unsigned others = MAPPERS + FORKERS, n = 0;

	file = open("/tmp/stress", O_RDWR | O_CREAT | O_TRUNC, 0644);
	REQUIRE(file >= 0);
	EXPECT_EQ(unlink("/tmp/stress"), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		fill_page(i);
	}
	REQUIRE(sigaction(SIGBUS, &action, &old) == 0);
	atomic_store(&done, 0);
	for (unsigned i = 0; i < MAPPERS; i++) {
		EXPECT_EQ(pthread_create(&threads[n++], NULL, mapper, (void *)(uintptr_t)(i + 1)), 0);
	}
	for (unsigned i = 0; i < FORKERS; i++) {
		EXPECT_EQ(pthread_create(&threads[n++], NULL, forker, (void *)(uintptr_t)(i + 7)), 0);
	}
	EXPECT_EQ(pthread_create(&threads[n++], NULL, poisoner, (void *)(uintptr_t)others), 0);
	truncater(others);
	while (n > 0) {
		EXPECT_EQ(pthread_join(threads[--n], NULL), 0);
	}
	EXPECT_EQ(sigaction(SIGBUS, &old, NULL), 0);
	EXPECT_EQ(close(file), 0);
}
