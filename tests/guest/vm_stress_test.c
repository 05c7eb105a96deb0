/*
 * Address spaces under stress: mappings that come and go at the same addresses on several CPUs, protection that changes,
 * copy-on-write over forks. What is read must be what was written. It is also what the stale-translation checker runs
 * under (x stale), since each step gives a TLB that forgot too little a chance to show.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE    16384ULL
#define PAGES   4
#define ROUNDS  120
#define THREADS 2

static void
pin(unsigned cpu)
{
	int number = (int)cpu;

	/* a smaller machine runs both threads on one CPU: less stress, and nothing wrong */
	(void)sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &number, sizeof(number));
}

/* In every loop that waits; under an instruction clock YIELD lets the other CPUs run. */
static void
hand_over(void)
{
	__asm__ volatile("yield");
	sched_yield();
}

static volatile uint64_t *
word_of(void *memory, unsigned page)
{
	return (volatile uint64_t *)((char *)memory + page * PAGE);
}

static void
write_all(void *memory, uint64_t value)
{
	for (unsigned i = 0; i < PAGES; i++) {
		*word_of(memory, i) = value + i;
	}
}

static bool
holds(void *memory, uint64_t value)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (*word_of(memory, i) != value + i) {
			return false;
		}
	}
	return true;
}

/* Maps fresh memory over what is at `where`, over and over, and looks that it is fresh. */
static void *
remap_thread(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;
	void *where = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

	pin(cpu);
	if (!EXPECT(where != MAP_FAILED)) {
		return NULL;
	}
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		EXPECT(mmap(where, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED,
			   -1, 0) == where);
		EXPECT_EQ(*word_of(where, PAGES - 1), 0);
		write_all(where, round * 1000 + cpu);
		EXPECT(holds(where, round * 1000 + cpu));
	}
	EXPECT_EQ(munmap(where, PAGES * PAGE), 0);
	return NULL;
}

TEST(fresh_memory_at_the_same_addresses)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, remap_thread, (void *)i) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
}

/* ---- one changes, the other reads ---- */

static struct {
	void *memory;
	_Atomic uint64_t written, read; /* rounds done */
} shared;

static void *
reader_thread(void *arg)
{
	pin(1);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		while (atomic_load_explicit(&shared.written, memory_order_acquire) < round) {
			hand_over();
		}
		EXPECT(holds(shared.memory, round));
		atomic_store_explicit(&shared.read, round, memory_order_release);
	}
	return arg;
}

/* Another thread, on another CPU, reads memory that this one replaces. */
TEST(other_cpus_see_what_replaced_a_page)
{
	pthread_t reader;

	pin(0);
	shared.memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	REQUIRE(shared.memory != MAP_FAILED);
	atomic_store(&shared.written, 0);
	atomic_store(&shared.read, 0);
	REQUIRE(pthread_create(&reader, NULL, reader_thread, NULL) == 0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		EXPECT(mmap(shared.memory, PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) == shared.memory);
		write_all(shared.memory, round);
		EXPECT_EQ(mprotect(shared.memory, PAGE, PROT_READ), 0);
		EXPECT_EQ(mprotect(shared.memory, PAGE, PROT_READ | PROT_WRITE), 0);
		*word_of(shared.memory, 0) = round;
		atomic_store_explicit(&shared.written, round, memory_order_release);
		while (atomic_load_explicit(&shared.read, memory_order_acquire) < round) {
			hand_over();
		}
	}
	EXPECT_EQ(pthread_join(reader, NULL), 0);
	EXPECT_EQ(munmap(shared.memory, PAGES * PAGE), 0);
}

/* ---- fork ---- */

static int
child_writes(void *memory)
{
	bool ok = holds(memory, 7);

	write_all(memory, 70);
	return ok && holds(memory, 70) ? 0 : 1;
}

TEST(copies_over_fork_stay_apart)
{
	void *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

	REQUIRE(memory != MAP_FAILED);
	for (unsigned round = 0; round < ROUNDS / 8; round++) {
		pid_t pid;
		int status = -1;

		write_all(memory, 7);
		pid = fork();
		if (pid == 0) {
			pin(round % THREADS);
			_exit(child_writes(memory));
		}
		REQUIRE(pid > 0);
		write_all(memory, 700);
		EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
		EXPECT(holds(memory, 700));
	}
	EXPECT_EQ(munmap(memory, PAGES * PAGE), 0);
}

static void *copied;
static atomic_uint *turns; /* [0] children that are there, [1] those that may write; shared with them */
static atomic_bool copying;

/* Looks at the first word of the pages, which only children change. */
static void *
see_no_child(void *arg)
{
	uintptr_t seen = 0;

	(void)arg;
	while (copying) {
		for (unsigned i = 0; i < PAGES; i++) {
			seen += *word_of(copied, i) != 7 + i;
		}
		hand_over();
	}
	return (void *)seen;
}

/* Beside each child, a step before it: words that only the parent changes. */
static void *
write_beside(void *arg)
{
	(void)arg;
	while (copying) {
		while (turns[0] == turns[1] && copying) {
			hand_over();
		}
		turns[1] = turns[0];
		for (unsigned i = 0; i < PAGES; i++) {
			word_of(copied, i)[1]++;
		}
	}
	return NULL;
}

_Noreturn static void
write_in_turn(unsigned turn)
{
	turns[0] = turn;
	while (turns[1] != turn) {
		__asm__ volatile("yield");
	}
	write_all(copied, 70);
	_exit(0);
}

/*
 * A thread still reads a page through its old translation while another one's write has just given the map a copy: the
 * child, alone with the page now, writes to it only when nobody can see that any more.
 */
TEST(readers_never_see_a_child)
{
	pthread_t reader, writer;
	void *seen;

	copied = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
	REQUIRE(copied != MAP_FAILED && (void *)turns != MAP_FAILED);
	write_all(copied, 7);
	copying = true;
	REQUIRE(EXPECT_EQ(pthread_create(&reader, NULL, see_no_child, NULL), 0));
	REQUIRE(EXPECT_EQ(pthread_create(&writer, NULL, write_beside, NULL), 0));
	for (unsigned round = 0; round < ROUNDS / 4; round++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			write_in_turn(round + 1);
		}
		REQUIRE(pid > 0);
		EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	}
	copying = false;
	EXPECT_EQ(pthread_join(reader, &seen), 0);
	EXPECT_EQ(pthread_join(writer, NULL), 0);
	EXPECT_EQ((uintptr_t)seen, 0);
	EXPECT_EQ(munmap(copied, PAGES * PAGE), 0);
	EXPECT_EQ(munmap(turns, PAGE), 0);
}
