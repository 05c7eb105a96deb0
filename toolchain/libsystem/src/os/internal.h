/* os_unfair_lock for the thread library. */
#pragma once

#include <os/lock.h>
#include <time.h>

/* Waits until CLOCK_REALTIME's deadline, NULL for ever. 0, ETIMEDOUT, EINVAL. */
int _unfair_lock_until(os_unfair_lock_t lock, const struct timespec *deadline);
