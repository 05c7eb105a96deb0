/*
 * Unit test of turns: quanta that preemptions cut into pieces, and pushes that lift a thread past its equals. One tick
 * is a nanosecond. (What a whole machine makes of the policy: sim/.)
 */
#include <kern/sched_policy.h>

#include <kern/assert.h>
#include <stdio.h>

#define MS      1000000ULL
#define QUANTUM SCHED_QUANTUM_NS

static uint64_t
same(uint64_t ns)
{
	return ns;
}

/* A thread on a CPU: how long it has run, and when its quantum ends. */
struct run {
	struct sched_entity se;
	uint64_t now, cpu_time, quantum_end;
};

static struct run
fixed_thread(bool trusted)
{
	struct run run = { .now = 1000 * MS };

	sched_entity_init(&run.se, TH_MODE_FIXED, BASEPRI_DEFAULT, trusted, run.now);
	return run;
}

/* It is given the CPU. */
static void
dispatch(struct run *run)
{
	run->quantum_end = run->now + sched_entity_turn(&run->se);
}

static void
run_for(struct run *run, uint64_t ns)
{
	run->now += ns;
	run->cpu_time += ns;
}

/* A better one takes the CPU; true: behind its equals. */
static bool
preempt(struct run *run)
{
	uint64_t left = run->quantum_end > run->now ? run->quantum_end - run->now : 0;

	return sched_entity_preempted(&run->se, run->cpu_time, left, run->now);
}

static void
wait_and_wake(struct run *run)
{
	run->now += MS;
	release_assert(run->se.se_usage == 0 || sched_entity_wake_due(&run->se, run->now));
	if (run->se.se_usage != 0) {
		sched_entity_wake(&run->se, run->now);
	}
}

/* What is left is what it gets next, and a quantum is a quantum in however many pieces. */
static void
test_pieces(void)
{
	struct run run = fixed_thread(true);

	dispatch(&run);
	release_assert(run.quantum_end == run.now + QUANTUM);
	for (unsigned i = 1; i <= 9; i++) {
		run_for(&run, MS);
		release_assert(!preempt(&run));
		run.now += 5 * MS;
		dispatch(&run);
		release_assert(run.quantum_end == run.now + QUANTUM - i * MS);
	}
	run_for(&run, MS - QUANTUM / SCHED_SCRAPS);
	release_assert(preempt(&run));
	dispatch(&run);
	release_assert(run.quantum_end == run.now + QUANTUM);
}

/* Nobody else wanted the CPU for long: then its quantum is over. */
static void
test_long_run(void)
{
	struct run run = fixed_thread(true);

	dispatch(&run);
	run_for(&run, 100 * MS);
	release_assert(preempt(&run));
}

/* Who waited begins a new quantum, and need not be looked at again. */
static void
test_wait(void)
{
	struct run run = fixed_thread(true);

	dispatch(&run);
	run_for(&run, 9 * MS);
	release_assert(!preempt(&run));
	dispatch(&run);
	wait_and_wake(&run);
	release_assert(sched_entity_turn(&run.se) == QUANTUM && run.se.se_usage == 0);
}

/* The same for one that shares time, whose use is not halved more often by it. */
static void
test_timeshare(void)
{
	struct run run = { .now = SCHED_DECAY_PERIOD_NS };
	uint64_t used;

	sched_entity_init(&run.se, TH_MODE_TIMESHARE, BASEPRI_DEFAULT, false, run.now);
	dispatch(&run);
	run_for(&run, 6 * MS);
	release_assert(!preempt(&run));
	used = run.se.se_usage;
	release_assert(used >= 6 * MS && sched_entity_turn(&run.se) == 4 * MS);
	wait_and_wake(&run);
	release_assert(sched_entity_turn(&run.se) == QUANTUM && run.se.se_usage == used);
	release_assert(!sched_entity_wake_due(&run.se, run.now));
	release_assert(sched_entity_wake_due(&run.se, 2 * SCHED_DECAY_PERIOD_NS));
}

/*
 * A holder of a mutex: runs for `alone`, is preempted by one that wants the mutex and pushes it, lets go after
 * `pushed`, is preempted again. Its quantum must end where equals are, whenever in this cycle it is used up.
 */
static void
test_pushed_past_equals(uint64_t alone, uint64_t pushed)
{
	struct run run = fixed_thread(true);
	uint64_t began = run.cpu_time;
	unsigned behind = 0;

	while (behind < 10) {
		bool over;

		dispatch(&run);
		run_for(&run, alone);
		(void)preempt(&run); /* before it has run again it is pushed out of wherever it went */
		sched_entity_push(&run.se, BASEPRI_PREEMPT, true);
		dispatch(&run);
		run_for(&run, pushed);
		sched_entity_push(&run.se, -1, false);
		over = preempt(&run);
		if (over) {
			behind++;
			began = run.cpu_time;
		}
		release_assert(run.cpu_time - began <= QUANTUM + alone + pushed);
	}
}

/* Pushed from behind its equals, it goes back there; one that was in front of them stays. */
static void
test_debt(void)
{
	struct run run = fixed_thread(true);

	sched_entity_push(&run.se, BASEPRI_PREEMPT, true);
	dispatch(&run);
	run_for(&run, MS);
	release_assert(!preempt(&run)); /* by somebody still better */
	sched_entity_push(&run.se, -1, false);
	dispatch(&run);
	run_for(&run, MS);
	release_assert(preempt(&run));
	dispatch(&run);
	run_for(&run, MS);
	release_assert(!preempt(&run));
	sched_entity_push(&run.se, BASEPRI_PREEMPT, true);
	sched_entity_push(&run.se, -1, true);
	dispatch(&run);
	run_for(&run, MS);
	release_assert(!preempt(&run));
}

/* The fail-safe counts quanta, also those in pieces: all of the time that it allows, and not much more. */
static void
test_failsafe(bool pieces)
{
	struct run run = fixed_thread(false);

	while (run.se.se_mode == TH_MODE_FIXED) {
		dispatch(&run);
		if (pieces) {
			run_for(&run, QUANTUM / 2);
			release_assert(!preempt(&run));
			dispatch(&run);
		}
		run_for(&run, run.quantum_end - run.now);
		sched_entity_expired(&run.se, run.cpu_time, run.now);
	}
	release_assert(
	    run.cpu_time >= SCHED_UNSAFE_FIXED_NS && run.cpu_time <= SCHED_UNSAFE_FIXED_NS + QUANTUM);
}

/* A computation that was preempted goes on, before its deadline; one that is used up goes behind the others. */
static void
test_realtime(void)
{
	struct run run = { .now = 1000 * MS };
	struct sched_params params = { .mode = TH_MODE_REALTIME,
		.base = BASEPRI_REALTIME,
		.computation = 2 * MS,
		.constraint = 8 * MS };

	sched_entity_init(&run.se, TH_MODE_TIMESHARE, BASEPRI_DEFAULT, false, run.now);
	sched_entity_set(&run.se, &params, run.now);
	dispatch(&run);
	run_for(&run, 2 * MS - 1000);
	release_assert(!preempt(&run) && run.se.se_deadline == 1008 * MS);
	dispatch(&run);
	release_assert(run.quantum_end == run.now + 1000);
	run_for(&run, 1000);
	release_assert(preempt(&run) && run.se.se_deadline == UINT64_MAX);
}

int
main(void)
{
	sched_policy_init(same);
	test_pieces();
	test_long_run();
	test_wait();
	test_timeshare();
	test_pushed_past_equals(MS, 2 * MS);
	test_pushed_past_equals(700 * 1000, 900 * 1000);
	test_pushed_past_equals(3 * MS, 7 * MS);
	test_pushed_past_equals(7 * MS, 3 * MS);
	test_debt();
	test_failsafe(false);
	test_failsafe(true);
	test_realtime();
	puts("ok");
	return 0;
}
