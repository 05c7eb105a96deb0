/*
 * Sleeping until a word of memory changes, and until a time: what the rows of wake.c need of the system. The same
 * operation on each: ulock and mach_wait_until on Pluot (wake_mach.c), futex and clock_nanosleep on Linux
 * (wake_linux.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Sleeps while *word is `seen`; may return early. */
void wake_wait(_Atomic uint32_t *word, uint32_t seen);

/* Ends the sleep of one thread, or of all; they change the word first. */
void wake_one(_Atomic uint32_t *word);
void wake_all(_Atomic uint32_t *word);

/* Sleeps until the time counter has reached `deadline`. */
void wake_sleep_until(uint64_t deadline);

/* From now on the calling thread goes before every ordinary one: time constraint on Mach, SCHED_FIFO on Linux. False
 * when the system has no such thing. */
bool wake_real_time(void);
