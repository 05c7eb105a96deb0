/*
 * Address spaces that take turns on one CPU: what a switch costs, and in the model (x bench --mode model) how many
 * page table walks it causes. Address space tags keep translations over a switch, so that beyond the first lap
 * none is needed.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWITCHES_A_BATCH 200
#define TASKS_MAX        32
#define PAGES            4 /* of its own that each task writes to in its turn, at the same addresses in all */

/* Shared by all tasks. */
struct lap {
	_Atomic bool stop;
	_Atomic uint64_t turns[TASKS_MAX]; /* taken by each task; the first is unused */
};

static void
touch_own(unsigned char *pages)
{
	for (size_t at = 0; at < PAGES * PLATFORM_UNIT; at += PLATFORM_UNIT) {
		platform_touch(pages + at);
	}
}

static void
take_turns(struct lap *lap, unsigned task, unsigned char *pages)
{
	while (!atomic_load_explicit(&lap->stop, memory_order_relaxed)) {
		uint64_t taken = atomic_load_explicit(&lap->turns[task], memory_order_relaxed);

		touch_own(pages);
		atomic_store_explicit(&lap->turns[task], taken + 1, memory_order_relaxed);
		platform_yield();
	}
}

static unsigned
start_tasks(struct bench *b, struct lap *lap, unsigned tasks, unsigned char *pages, pid_t *pids)
{
	unsigned started = 1;

	while (started < tasks) {
		pids[started] = fork();
		if (pids[started] == 0) {
			bool pinned = platform_pin(b->worker);

			take_turns(lap, started, pages);
			_exit(pinned ? 0 : 1);
		}
		if (!bench_check(b, pids[started] > 0, "too few tasks")) {
			break;
		}
		started++;
	}
	return started;
}

static void
end_tasks(struct bench *b, struct lap *lap, unsigned started, const pid_t *pids)
{
	atomic_store_explicit(&lap->stop, true, memory_order_relaxed);
	for (unsigned i = 1; i < started; i++) {
		int status = -1;

		bench_check(b,
		    waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status) && WEXITSTATUS(status) == 0,
		    "a task ended badly");
	}
}

/* All tasks have had turns. */
static bool
all_took(struct lap *lap, unsigned tasks, uint64_t least)
{
	for (unsigned i = 1; i < tasks; i++) {
		if (atomic_load_explicit(&lap->turns[i], memory_order_relaxed) < least) {
			return false;
		}
	}
	return true;
}

static void
measure_laps(struct bench *b, struct lap *lap, unsigned tasks, unsigned char *pages)
{
	while (!all_took(lap, tasks, 1)) {
		platform_yield();
	}
	while (bench_next(b)) {
		uint64_t before = atomic_load_explicit(&lap->turns[tasks - 1], memory_order_relaxed), laps;

		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			touch_own(pages);
			platform_yield();
		}
		bench_stop(b);
		laps = atomic_load_explicit(&lap->turns[tasks - 1], memory_order_relaxed) - before;
		/* a timer interrupt may give the last task a turn more or one less */
		bench_check(b, laps + laps / 8 + 2 >= b->iterations, "the tasks did not take turns");
	}
}

/*
 * One operation: a switch to the next of b->arg tasks, which writes to a few pages of its own at addresses that
 * all of them use. The first batch, which is thrown away, holds the first lap.
 */
static void
asid_reuse(struct bench *b)
{
	unsigned tasks = (unsigned)b->arg, started;
	struct lap *lap = platform_shared(PLATFORM_UNIT);
	unsigned char *pages = platform_map(PAGES * PLATFORM_UNIT);
	pid_t pids[TASKS_MAX];

	if (lap == NULL) {
		bench_skip(b, "no memory that is shared across fork");
		return;
	}
	if (!bench_check(b, pages != NULL, "no memory")) {
		return;
	}
	touch_own(pages);
	/* the children inherit it */
	bench_check(b, platform_strict_turns(), "no strict turns");
	started = start_tasks(b, lap, tasks, pages, pids);
	if (started == tasks) {
		measure_laps(b, lap, tasks, pages);
	}
	end_tasks(b, lap, started, pids);
	platform_unmap(pages, PAGES * PLATFORM_UNIT);
}
BENCHMARK("vm/asid_reuse/2", asid_reuse, .arg = 2, .iterations = SWITCHES_A_BATCH / 2, .ops = 2);
BENCHMARK("vm/asid_reuse/8", asid_reuse, .arg = 8, .iterations = SWITCHES_A_BATCH / 8, .ops = 8);
BENCHMARK("vm/asid_reuse/32", asid_reuse, .arg = 32, .iterations = SWITCHES_A_BATCH / 32, .ops = 32);
