/*
 * The kernel's sampling profiler: samples come at the asked rate, point into the code that ran, and carry its
 * callers.
 */
#include <errno.h>
#include <mach/kperf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

#define PERIOD 100000

static int
set_period(uint64_t period)
{
	return sysctlbyname("kperf.period", NULL, NULL, &period, sizeof(period));
}

/* Where the loop is, for the samples to hit: a function that nobody inlines. */
__attribute__((noinline)) static uint64_t
spin(uint64_t rounds)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < rounds; i++) {
		__asm__ volatile("add %0, %0, #1" : "+r"(sum));
	}
	return sum;
}

__attribute__((noinline)) static uint64_t
call_spin(uint64_t rounds)
{
	uint64_t sum = spin(rounds);

	__asm__ volatile("" : "+r"(sum)); /* no tail call */
	return sum;
}

/* An address inside `fn`, which is short? */
static bool
inside(uint64_t address, uint64_t (*fn)(uint64_t))
{
	return address - (uint64_t)fn < 64;
}

/* Starts, runs the loop, stops and takes the samples; bytes, or -1 when the machine cannot sample. */
static ssize_t
sample_the_loop(void *buffer, size_t size)
{
	while (sysctlbyname("kperf.samples", buffer, &(size_t){ size }, NULL, 0) == 0) {
		size_t left = size;

		if (sysctlbyname("kperf.samples", buffer, &left, NULL, 0) != 0 || left == 0) {
			break; /* what an earlier run left is gone */
		}
	}
	if (set_period(PERIOD) != 0) {
		return -1;
	}
	call_spin(20000000);
	if (set_period(0) != 0 || sysctlbyname("kperf.samples", buffer, &size, NULL, 0) != 0) {
		return -1;
	}
	return (ssize_t)size;
}

TEST(samples_point_at_the_loop_and_its_caller)
{
	const size_t size = 1 << 20;
	char *buffer = malloc(size);
	unsigned hits = 0, with_caller = 0, broken = 0;
	ssize_t length;

	REQUIRE(buffer != NULL);
	length = sample_the_loop(buffer, size);
	if (length < 0 && errno == ENOTSUP) {
		ktap_skip("no cycle counter with an interrupt");
	} else {
		EXPECT(length > 0);
	}
	for (ssize_t at = 0; at < length;) {
		const struct kperf_sample *s = (const struct kperf_sample *)(const void *)(buffer + at);

		if (s->size < sizeof(*s) ||
		    s->size != sizeof(*s) + 8UL * (s->kernel_frames + s->user_frames)) {
			broken++;
			break;
		}
		if (s->pid == getpid() && (s->flags & KPERF_SAMPLE_USER) != 0 && inside(s->pc, spin)) {
			hits++;
			/* spin is a leaf: its caller is in lr, or in the frames when it has a record of its own */
			with_caller += inside(s->lr, call_spin) ||
					       (s->user_frames > 0 && inside(s->frames[0], call_spin))
					   ? 1
					   : 0;
		}
		at += s->size;
	}
	EXPECT_EQ(broken, 0);
	if (length >= 0) {
		EXPECT(hits > 5);
		/*
		 * Frame pointers tell nothing for an instruction or two at either end of a
		 * function: one of 964 was there.
		 */
		EXPECT(with_caller + 1 + hits / 50 >= hits);
	}
	free(buffer);
}

static int
set_action(const char *name, uint64_t action, uint64_t value)
{
	uint64_t pair[2] = { action, value };

	return sysctlbyname(name, NULL, NULL, pair, sizeof(pair));
}

/* Samples taken while the loop runs with the settings of now, and how many have frames; -1: cannot sample. */
static int
samples_with_frames(int *with_frames)
{
	static char buffer[1 << 18];
	ssize_t length = sample_the_loop(buffer, sizeof(buffer));
	int samples = 0;

	*with_frames = 0;
	for (ssize_t at = 0; at < length; samples++) {
		const struct kperf_sample *s = (const struct kperf_sample *)(const void *)(buffer + at);

		*with_frames += s->user_frames != 0 || s->kernel_frames != 0;
		at += s->size;
	}
	return length < 0 ? -1 : samples;
}

TEST(action_settings_hold)
{
	int framed, samples;

	EXPECT_EQ(set_action("kperf.action.samplers", 1, 0), 0);
	samples = samples_with_frames(&framed);
	if (samples < 0) {
		ktap_skip("no cycle counter with an interrupt");
		EXPECT_EQ(sysctlbyname("kperf.reset", NULL, NULL, &samples, sizeof(samples)), 0);
		return;
	}
	EXPECT(samples > 0);
	EXPECT_EQ(framed, 0);
	EXPECT_EQ(sysctlbyname("kperf.reset", NULL, NULL, &samples, sizeof(samples)), 0);
	EXPECT_EQ(set_action("kperf.action.filter_by_pid", 1, 99999), 0);
	EXPECT_EQ(samples_with_frames(&framed), 0);
	EXPECT_EQ(sysctlbyname("kperf.reset", NULL, NULL, &samples, sizeof(samples)), 0);
	EXPECT(samples_with_frames(&framed) > 0);
	EXPECT(framed > 0);
}

TEST(bad_settings_are_refused)
{
	int on = 2;

	EXPECT_EQ(set_action("kperf.action.samplers", 1, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(set_action("kperf.action.samplers", 2, KPERF_SAMPLER_KSTACK), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(set_action("kperf.action.ucallstack_depth", 1, KPERF_FRAMES_MAX + 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(sysctlbyname("kperf.sampling", NULL, NULL, &on, sizeof(on)), -1);
	EXPECT_EQ(errno, EINVAL);
}

TEST(bad_periods_are_refused)
{
	EXPECT_EQ(set_period(1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(set_period(0), 0);
}
