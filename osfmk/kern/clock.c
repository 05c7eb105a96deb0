/*
 * Time: <kern/clock.h> has the rules. The frequency is fixed at start; the calendar is one word, the distance
 * between wall-clock time and absolute time, so readers need no lock and see one setting or the next.
 */
#include <kern/clock.h>

#include <arm64/commpage.h>
#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <kern/locks.h>
#include <kern/mach_traps.h>
#include <kern/thread.h>
#include <kern/wait.h>
#include <mach/mach_time.h>
#include <os/atomic.h>

/* Constant after clock_init. */
static struct clock_timebase timebase = { 1, 1 };

/* Nanoseconds since 1970 at absolute time 0; modulo 2^64. Atomic. */
static uint64_t calendar_offset_ns;

/* Serialises writers of the commpage's time of day. */
static LCK_CLASS_DECLARE(time_of_day_class, "time of day", LCK_RANK_TIMER);
static LCK_SPIN_DECLARE(time_of_day_lock, &time_of_day_class);

static uint64_t
gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

void
clock_init(void)
{
	uint64_t frequency = ml_get_timebase_frequency();
	uint64_t common = gcd(NSEC_PER_SEC, frequency);

	timebase.numer = (uint32_t)(NSEC_PER_SEC / common);
	timebase.denom = (uint32_t)(frequency / common);
}

struct clock_timebase
clock_timebase_info(void)
{
	return timebase;
}

uint64_t
mach_absolute_time(void)
{
	return ml_get_timebase();
}

/* value * mul / div without losing the bits that the product would push out. */
static uint64_t
scale(uint64_t value, uint32_t mul, uint32_t div)
{
	return value / div * mul + value % div * mul / div;
}

uint64_t
absolutetime_to_nanoseconds(uint64_t abstime)
{
	return scale(abstime, timebase.numer, timebase.denom);
}

uint64_t
nanoseconds_to_absolutetime(uint64_t ns)
{
	return scale(ns, timebase.denom, timebase.numer);
}

time_value_t
time_value_of_ticks(uint64_t ticks)
{
	uint64_t ns = absolutetime_to_nanoseconds(ticks);

	return (time_value_t){ .seconds = (integer_t)(ns / NSEC_PER_SEC),
		.microseconds = (integer_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
}

uint64_t
clock_interval_to_deadline_ns(uint64_t ns)
{
	uint64_t deadline;

	if (os_add_overflow(mach_absolute_time(), nanoseconds_to_absolutetime(ns), &deadline)) {
		return UINT64_MAX - 1;
	}
	return deadline;
}

/* --- calendar --- */

uint64_t
clock_calendar_offset_ns(void)
{
	return os_atomic_load(&calendar_offset_ns, relaxed);
}

void
clock_get_calendar_ns(uint64_t *seconds, uint32_t *nanoseconds)
{
	uint64_t now = clock_calendar_offset_ns() + absolutetime_to_nanoseconds(mach_absolute_time());

	*seconds = now / NSEC_PER_SEC;
	*nanoseconds = (uint32_t)(now % NSEC_PER_SEC);
}

void
clock_set_calendar_ns(uint64_t seconds, uint32_t nanoseconds)
{
	uint64_t wall = seconds * NSEC_PER_SEC + nanoseconds;

	os_atomic_store(
	    &calendar_offset_ns, wall - absolutetime_to_nanoseconds(mach_absolute_time()), relaxed);
	clock_publish_time_of_day();
}

/* Nanoseconds below one second as a fraction of 2^64: 2^64 / 10^9 is 18446744073.709551616. */
static uint64_t
second_fraction(uint64_t ns)
{
	return ns * 18446744073ULL + ns * 709551616ULL / NSEC_PER_SEC;
}

void
clock_publish_time_of_day(void)
{
	bool interrupts = lck_spin_lock_irq(&time_of_day_lock);
	uint64_t now = mach_absolute_time();
	uint64_t wall = clock_calendar_offset_ns() + absolutetime_to_nanoseconds(now);

	commpage_set_timestamp(now, wall / NSEC_PER_SEC, second_fraction(wall % NSEC_PER_SEC));
	commpage_set_boottime_usec(clock_calendar_offset_ns() / NSEC_PER_USEC);
	lck_spin_unlock_irq(&time_of_day_lock, interrupts);
}

/* --- sleeping until a time --- */

/* The time is the only thing that ends such a wait in the ordinary way. */
static kern_return_t
clock_wait_result(wait_result_t wresult)
{
	return wresult == THREAD_TIMED_OUT ? KERN_SUCCESS : KERN_ABORTED;
}

kern_return_t
clock_wait_until(uint64_t deadline)
{
	if (deadline <= mach_absolute_time()) {
		return KERN_SUCCESS;
	}
	wait_prepare(current_thread(), THREAD_ABORTSAFE, deadline);
	return clock_wait_result(thread_block(THREAD_CONTINUE_NULL));
}

static OS_NORETURN void
mach_wait_until_continue(void *param, wait_result_t wresult)
{
	(void)param;
	thread_syscall_return(clock_wait_result(wresult));
}

kern_return_t
mach_wait_until_trap(uint64_t deadline)
{
	if (deadline > mach_absolute_time()) {
		wait_prepare(current_thread(), THREAD_ABORTSAFE, deadline);
		thread_block(mach_wait_until_continue);
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_timebase_info_trap(user_addr_t info)
{
	mach_timebase_info_data_t data = { .numer = timebase.numer, .denom = timebase.denom };

	return copyout(&data, info, sizeof(data)) == 0 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}
