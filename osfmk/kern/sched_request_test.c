/*
 * Unit test of requests: what threads and tasks ask for, and the base priority it comes to.
 */
#include <kern/sched_request.h>

#include <kern/assert.h>
#include <stdio.h>

static int
base_of(struct sched_request request, struct sched_task_request task)
{
	struct sched_params params;

	sched_resolve(&request, &task, &params);
	return params.base;
}

#define THREAD(...) ((struct sched_request){ __VA_ARGS__ })
#define TASK(...)   ((struct sched_task_request){ __VA_ARGS__ })

static void
test_classes(void)
{
	static const int expected[SCHED_QOS_COUNT] = { 31, 4, 4, 20, 31, 37, 46 };

	for (unsigned qos = 0; qos < SCHED_QOS_COUNT; qos++) {
		release_assert(base_of(THREAD(.sr_qos = (uint8_t)qos), TASK(0)) == expected[qos]);
	}
	release_assert(
	    base_of(THREAD(.sr_qos = SCHED_QOS_INTERACTIVE), TASK(.st_role = SCHED_ROLE_FOREGROUND)) == 47);
	release_assert(base_of(THREAD(.sr_qos = SCHED_QOS_UTILITY), TASK(.st_nice = 5)) == 20);
}

/* Falls with the relative priority, and stays above the next class. */
static void
test_relative(void)
{
	for (unsigned qos = SCHED_QOS_UTILITY; qos < SCHED_QOS_COUNT; qos++) {
		int below = base_of(THREAD(.sr_qos = (uint8_t)(qos - 1)), TASK(0));
		int last = base_of(THREAD(.sr_qos = (uint8_t)qos), TASK(0));

		for (int relpri = -1; relpri >= SCHED_RELPRI_MIN; relpri--) {
			int pri =
			    base_of(THREAD(.sr_qos = (uint8_t)qos, .sr_relpri = (int8_t)relpri), TASK(0));

			release_assert(pri <= last && pri > below);
			last = pri;
		}
	}
}

static void
test_task(void)
{
	release_assert(base_of(THREAD(0), TASK(.st_nice = 20)) == 11);
	release_assert(base_of(THREAD(0), TASK(.st_nice = -20)) == 51);
	release_assert(base_of(THREAD(.sr_importance = 10), TASK(.st_nice = 1)) == 40);
	release_assert(base_of(THREAD(.sr_importance = 1000), TASK(0)) == MAXPRI_USER);
	release_assert(base_of(THREAD(.sr_importance = -1000), TASK(0)) == MINPRI_USER);
	release_assert(base_of(THREAD(0), TASK(.st_role = SCHED_ROLE_CONTROL)) == BASEPRI_CONTROL);
	release_assert(base_of(THREAD(0), TASK(.st_role = SCHED_ROLE_THROTTLE)) == MAXPRI_THROTTLE);
	release_assert(base_of(THREAD(.sr_qos = SCHED_QOS_INTERACTIVE), TASK(.st_suppressed = 1)) == 4);
	release_assert(
	    base_of(THREAD(.sr_qos = SCHED_QOS_UTILITY, .sr_override = SCHED_QOS_INITIATED), TASK(0)) == 37);
	release_assert(
	    base_of(THREAD(.sr_qos = SCHED_QOS_INITIATED, .sr_override = SCHED_QOS_UTILITY), TASK(0)) == 37);
}

static void
test_realtime(void)
{
	struct sched_request request =
	    THREAD(.sr_mode = TH_MODE_REALTIME, .sr_computation = 5, .sr_constraint = 9);
	struct sched_params params;

	sched_resolve(&request, &TASK(.st_suppressed = 1), &params);
	release_assert(params.mode == TH_MODE_REALTIME && params.base == 97 && params.computation == 5 &&
		       params.constraint == 9);
	request.sr_realtime_pri = 120;
	release_assert(base_of(request, TASK(0)) == 120);
	request.sr_background = 1;
	sched_resolve(&request, &TASK(0), &params);
	release_assert(params.mode == TH_MODE_TIMESHARE && params.base == MAXPRI_THROTTLE);
}

static void
test_tiers(void)
{
	struct sched_params params;

	sched_resolve(&THREAD(.sr_throughput = 1), &TASK(0), &params);
	release_assert(params.quantum_log2 == 1);
	sched_resolve(&THREAD(.sr_throughput = 1), &TASK(.st_throughput_override = 6), &params);
	release_assert(params.quantum_log2 == -1);
	release_assert(sched_latency_tier(&THREAD(0), &TASK(.st_latency = 3)) == 3);
	release_assert(sched_latency_tier(&THREAD(.sr_latency = 2), &TASK(.st_latency = 3)) == 2);
}

static unsigned
timer_tier(struct sched_request request, struct sched_task_request task)
{
	return sched_timer_tier(&request, &task);
}

static uint64_t
one_tick_is_one_ns(uint64_t ns)
{
	return ns;
}

static void
test_timers(void)
{
	const uint64_t ms = 1000000;

	release_assert(timer_tier(THREAD(0), TASK(0)) == 0);
	release_assert(timer_tier(THREAD(.sr_qos = SCHED_QOS_INTERACTIVE), TASK(0)) == 0);
	release_assert(timer_tier(THREAD(.sr_qos = SCHED_QOS_UTILITY), TASK(0)) == 3);
	release_assert(timer_tier(THREAD(.sr_qos = SCHED_QOS_BACKGROUND), TASK(0)) == 4);
	release_assert(timer_tier(THREAD(0), TASK(.st_role = SCHED_ROLE_THROTTLE)) == 4);
	release_assert(timer_tier(THREAD(.sr_qos = SCHED_QOS_UTILITY, .sr_latency = 1), TASK(0)) == 1);
	release_assert(timer_tier(THREAD(.sr_latency = 1), TASK(.st_latency_override = 6)) == 6);
	release_assert(timer_tier(THREAD(.sr_mode = TH_MODE_REALTIME), TASK(.st_latency_override = 6)) == 0);

	sched_policy_init(one_tick_is_one_ns);
	for (unsigned tier = 0; tier < SCHED_TIER_COUNT; tier++) {
		static const uint64_t short_ones[] = { 0, 0, 1, 2, 4, 8, 32 },
				      long_ones[] = { 0, 0, 1, 5, 20, 75, 100 };

		release_assert(sched_timer_leeway(tier, 0) == 0);
		release_assert(sched_timer_leeway(tier, 8000) == short_ones[tier] * 1000);
		release_assert(sched_timer_leeway(tier, 1000 * ms) == long_ones[tier] * ms);
		release_assert(sched_timer_leeway(tier, UINT64_MAX) == long_ones[tier] * ms);
	}
}

int
main(void)
{
	test_timers();
	test_classes();
	test_relative();
	test_task();
	test_realtime();
	test_tiers();
	puts("ok");
	return 0;
}
