/*
 * The commpage's reader protocols (<mach/arm/commpage.h>), inline: what is short is the whole point.
 *
 * The order of the counter read against the loads around it is what makes them right: with counter 1 the ISB orders
 * it, counter 2 is self-synchronising.
 */
#pragma once

#include <mach/arm/commpage.h>
#include <stdbool.h>
#include <stdint.h>

#define COMMPAGE_FIELD(type, offset) (*(const volatile type *)(COMMPAGE_ADDRESS + (offset)))

/* Every machine but the common one, whose counter needs an ISB. */
uint64_t _absolute_time_other(void);

static inline uint64_t
read_cntvct(void)
{
	uint64_t ticks;

	__asm__ volatile("isb\n\tmrs %0, CNTVCT_EL0" : "=r"(ticks) : : "memory");
	return ticks;
}

/* True on the common machine: time is CNTVCT plus an offset. */
static inline bool
counter_is_cntvct(void)
{
	return __builtin_expect(
	    COMMPAGE_FIELD(uint8_t, COMMPAGE_USER_TIMEBASE) == COMMPAGE_TIMEBASE_CNTVCT, 1);
}

static inline uint64_t
absolute_time_cntvct(void)
{
	uint64_t offset, ticks;

	do {
		offset = COMMPAGE_FIELD(uint64_t, COMMPAGE_TIMEBASE_OFFSET);
		ticks = read_cntvct();
	} while (__builtin_expect(COMMPAGE_FIELD(uint64_t, COMMPAGE_TIMEBASE_OFFSET) != offset, 0));
	return ticks + offset;
}

static inline uint64_t
absolute_time(void)
{
	return counter_is_cntvct() ? absolute_time_cntvct() : _absolute_time_other();
}

/* Time of day by the clock `now`, a constant; false: ask the kernel. frac is 2^-64 seconds. */
static inline bool __attribute__((always_inline))
commpage_timeofday(uint64_t (*now)(void), uint64_t *sec, uint64_t *frac)
{
	const volatile struct commpage_timeofday *tod =
	    (const volatile void *)(COMMPAGE_ADDRESS + COMMPAGE_TIMEOFDAY);
	uint64_t tick, base_sec, base_frac, scale, per_sec, delta;
	__uint128_t passed;

	do {
		tick = tod->tick;
		delta = now() - tick;
		base_sec = tod->sec;
		base_frac = tod->frac;
		scale = tod->ticks_scale;
		per_sec = tod->ticks_per_sec;
		__asm__ volatile("dmb ishld" : : : "memory");
	} while (__builtin_expect(tod->tick != tick, 0));
	if (__builtin_expect(tick == 0 || delta >= per_sec, 0)) {
		return false;
	}
	passed = (__uint128_t)scale * delta + base_frac;
	*frac = (uint64_t)passed;
	*sec = base_sec + (uint64_t)(passed >> 64);
	return true;
}
