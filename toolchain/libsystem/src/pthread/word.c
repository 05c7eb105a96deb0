/* Sleeping on a word of memory: what every object here waits with. */
#include <errno.h>
#include <mach/clock_types.h>
#include <sys/ulock.h>

#include "internal.h"

static uint32_t
operation(unsigned flags)
{
	return ((flags & WORD_SHARED) != 0 ? UL_COMPARE_AND_WAIT_SHARED : UL_COMPARE_AND_WAIT) | ULF_NO_ERRNO;
}

int
_word_wait(const uint32_t *word, uint32_t value, unsigned flags, uint64_t timeout_ns)
{
	uint32_t op = operation(flags) | ((flags & WORD_CANCEL) != 0 ? ULF_WAIT_CANCEL_POINT : 0);
	int result = __ulock_wait2(op, (void *)(uintptr_t)word, value, timeout_ns, 0);

	if (result == -EINTR && (flags & WORD_CANCEL) != 0) {
		_pthread_interrupted();
	}
	return result < 0 ? -result : 0;
}

void
_word_wake(const uint32_t *word, unsigned flags, bool all)
{
	(void)__ulock_wake(operation(flags) | (all ? ULF_WAKE_ALL : 0), (void *)(uintptr_t)word, 0);
}

int
_time_left(clockid_t clock, const struct timespec *deadline, uint64_t *ns)
{
	struct timespec now;
	int64_t left;

	if (deadline->tv_nsec < 0 || deadline->tv_nsec >= (long)NSEC_PER_SEC) {
		return EINVAL;
	}
	(void)clock_gettime(clock, &now);
	if (deadline->tv_sec < now.tv_sec) {
		return ETIMEDOUT;
	}
	if (__builtin_sub_overflow(deadline->tv_sec, now.tv_sec, &left) ||
	    __builtin_mul_overflow(left, (int64_t)NSEC_PER_SEC, &left)) {
		*ns = INT64_MAX;
		return 0;
	}
	left += deadline->tv_nsec - now.tv_nsec;
	*ns = (uint64_t)left;
	return left > 0 ? 0 : ETIMEDOUT;
}
