/* Mach's clocks. */
#include <mach/clock.h>
#include <mach/mach.h>
#include <mach/mach_traps.h>
#include <stdatomic.h>
#include <stddef.h>

#include "commpage_time.h"

/* The trap behind a machine that gives programs no counter: x16 = -3. */
static uint64_t __attribute__((noinline))
absolute_time_trap(void)
{
	register uint64_t number __asm__("x16") = (uint64_t)-3;
	register uint64_t time __asm__("x0");

	__asm__ volatile("svc #0x80" : "=r"(time) : "r"(number) : "memory", "x1");
	return time;
}

static inline uint64_t
read_cntvctss(void)
{
	uint64_t ticks;

	__asm__ volatile("mrs %0, S3_3_C14_C0_6" : "=r"(ticks) : : "memory");
	return ticks;
}

uint64_t
_absolute_time_other(void)
{
	uint64_t offset, ticks;

	if (COMMPAGE_FIELD(uint8_t, COMMPAGE_USER_TIMEBASE) != COMMPAGE_TIMEBASE_CNTVCTSS) {
		return absolute_time_trap();
	}
	do {
		offset = COMMPAGE_FIELD(uint64_t, COMMPAGE_TIMEBASE_OFFSET);
		ticks = read_cntvctss();
	} while (COMMPAGE_FIELD(uint64_t, COMMPAGE_TIMEBASE_OFFSET) != offset);
	return ticks + offset;
}

uint64_t
mach_absolute_time(void)
{
	return absolute_time();
}

uint64_t
mach_approximate_time(void)
{
	if (COMMPAGE_FIELD(uint8_t, COMMPAGE_APPROX_TIME_OK)) {
		return COMMPAGE_FIELD(uint64_t, COMMPAGE_APPROX_TIME);
	}
	return absolute_time();
}

uint64_t
mach_continuous_time(void)
{
	uint64_t base, time;

	do {
		base = COMMPAGE_FIELD(uint64_t, COMMPAGE_CONT_TIMEBASE);
		time = absolute_time();
	} while (COMMPAGE_FIELD(uint64_t, COMMPAGE_CONT_TIMEBASE) != base);
	return base + time;
}

/* The ratio never changes, so threads that fetch it at once store the same word. */
kern_return_t
mach_timebase_info(mach_timebase_info_t info)
{
	static _Atomic(uint64_t) cached; /* both halves; 0: not fetched yet */
	union {
		uint64_t word;
		mach_timebase_info_data_t ratio;
	} value = { .word = atomic_load_explicit(&cached, memory_order_relaxed) };

	if (value.word == 0) {
		kern_return_t kr = mach_timebase_info_trap(&value.ratio);

		if (kr != KERN_SUCCESS) {
			return kr;
		}
		atomic_store_explicit(&cached, value.word, memory_order_relaxed);
	}
	*info = value.ratio;
	return KERN_SUCCESS;
}

kern_return_t
mach_wait_until(uint64_t deadline)
{
	return mach_wait_until_trap(deadline);
}

kern_return_t
clock_sleep(mach_port_t clock, sleep_type_t type, mach_timespec_t time, mach_timespec_t *wakeup)
{
	return clock_sleep_trap(clock, type, (int)time.tv_sec, time.tv_nsec, wakeup);
}
