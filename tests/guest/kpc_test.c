/*
 * The counters of <mach/kpc.h>: what there is, choosing events, reading, and every wrong way to ask.
 */
#include <errno.h>
#include <mach/kpc.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

#define CPU_CYCLES 0x11 /* architected event numbers */
#define NO_EVENT   0x3fff
#define MOST       (64 * 33)

static int
count_of(const char *name, uint32_t mask)
{
	int count = -1;
	size_t size = sizeof(count);

	return sysctlbyname(name, &count, &size, &mask, sizeof(mask)) == 0 ? count : -1;
}

static uint32_t
classes(void)
{
	int mask = 0;
	size_t size = sizeof(mask);

	EXPECT_EQ(sysctlbyname("kpc.classes", &mask, &size, NULL, 0), 0);
	return (uint32_t)mask;
}

/* Values read, or -1. */
static int
read_counters(uint64_t mask, uint64_t *values)
{
	size_t size = MOST * sizeof(uint64_t);

	return sysctlbyname("kpc.counters", values, &size, &mask, sizeof(mask)) == 0
		   ? (int)(size / sizeof(uint64_t))
		   : -1;
}

static int
cpus(void)
{
	int n = 1;
	size_t size = sizeof(n);

	sysctlbyname("hw.activecpu", &n, &size, NULL, 0);
	return n;
}

TEST(counts_agree_with_what_is_read)
{
	static uint64_t values[MOST];
	uint32_t mask = classes();
	int count = count_of("kpc.counter_count", mask);

	EXPECT(count >= 0);
	EXPECT_EQ(count_of("kpc.counter_count", 0), 0);
	EXPECT_EQ(count_of("kpc.config_count", KPC_CLASS_FIXED_MASK & mask), 0);
	EXPECT_EQ(read_counters(mask, values), count);
	EXPECT_EQ(read_counters(mask | KPC_ALL_CPUS, values), count * cpus());
}

TEST(cycles_pass)
{
	static uint64_t first[MOST], second[MOST];

	if ((classes() & KPC_CLASS_FIXED_MASK) == 0) {
		ktap_skip("no counters");
		return;
	}
	REQUIRE(read_counters(KPC_CLASS_FIXED_MASK | KPC_ALL_CPUS, first) > 0);
	REQUIRE(read_counters(KPC_CLASS_FIXED_MASK | KPC_ALL_CPUS, second) > 0);
	EXPECT(second[0] > first[0]);
}

TEST(an_event_is_chosen_and_counts)
{
	static uint64_t values[MOST];
	uint64_t config[32] = { KPC_CLASS_CONFIGURABLE_MASK, CPU_CYCLES }, seen[32] = { 0 };
	int count = count_of("kpc.config_count", KPC_CLASS_CONFIGURABLE_MASK);
	size_t size = sizeof(seen);

	if (count <= 0) {
		ktap_skip("no configurable counters");
		return;
	}
	EXPECT_EQ(sysctlbyname("kpc.config", NULL, NULL, config, ((size_t)count + 1) * sizeof(uint64_t)), 0);
	EXPECT_EQ(sysctlbyname("kpc.config", seen, &size, config, sizeof(uint64_t)), 0);
	EXPECT_EQ(size, (size_t)count * sizeof(uint64_t));
	EXPECT_EQ(seen[0], CPU_CYCLES);
	EXPECT_EQ(read_counters(KPC_CLASS_CONFIGURABLE_MASK, values), count);
	EXPECT(values[0] != 0);
	config[1] = 0;
	EXPECT_EQ(sysctlbyname("kpc.config", NULL, NULL, config, ((size_t)count + 1) * sizeof(uint64_t)), 0);
}

TEST(wrong_requests_change_nothing)
{
	uint64_t config[40] = { KPC_CLASS_CONFIGURABLE_MASK, NO_EVENT }, values[2], mask = 1U << 7;
	int count = count_of("kpc.config_count", classes() & KPC_CLASS_CONFIGURABLE_MASK), zero = 0;
	size_t size = sizeof(values);

	EXPECT_EQ(count_of("kpc.counter_count", 1U << 9), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(sysctlbyname("kpc.counters", values, &size, &mask, sizeof(mask)), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(sysctlbyname("kpc.counters", values, &size, NULL, 0), -1);
	EXPECT_EQ(sysctlbyname("kpc.counters", values, &size, &mask, 3), -1);
	EXPECT_EQ(sysctlbyname("kpc.config", NULL, NULL, config, sizeof(config)), -1); /* too many */
	EXPECT_EQ(errno, EINVAL);
	if (count > 0) {
		EXPECT_EQ(
		    sysctlbyname("kpc.config", NULL, NULL, config, ((size_t)count + 1) * sizeof(uint64_t)),
		    -1);
		EXPECT_EQ(errno, EINVAL);
	}
	if (classes() != 0) {
		EXPECT_EQ(sysctlbyname("kpc.counting", NULL, NULL, &zero, sizeof(zero)), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_EQ(sysctlbyname("kpc.config", NULL, NULL, (void *)8, 2 * sizeof(uint64_t)), -1);
	EXPECT_EQ(errno, EFAULT);
}

static uint64_t
faults_of_all(int n)
{
	struct kpc_cpu_events events[64];
	size_t size = sizeof(events);
	uint64_t faults = 0;

	EXPECT_EQ(sysctlbyname("kpc.cpu_events", events, &size, NULL, 0), 0);
	EXPECT_EQ(size, (size_t)n * sizeof(events[0]));
	for (int cpu = 0; cpu < n; cpu++) {
		faults += events[cpu].page_faults;
	}
	return faults;
}

TEST(the_kernel_counts_its_events)
{
	static char pages[8][16384];
	int n = cpus();
	uint64_t before = faults_of_all(n);

	for (int i = 0; i < 8; i++) {
		((volatile char *)pages[i])[0] = 1;
	}
	EXPECT(faults_of_all(n) >= before + 8);
}
