/*
 * Sampling of a row: the kernel's profiler runs while the row is measured, and what it saw inside batches goes to the
 * host on the console. TIME is in ticks of the clock.
 *
 *	bench-profile: NAME period P clock HZ
 *	bench-sample: CPU TIME PID THREAD FLAGS LATE PC LR KERNEL-FRAMES USER-FRAMES
 *	bench-profile-end: NAME samples N lost M
 *
 * CPU, PID and N, M, P, HZ are decimal, the others hexadecimal; frames have commas between them, "-" is none. N tells the
 * host whether a line is missing; M are samples that found the kernel's buffer full. Samples are taken out of the
 * kernel after each batch, and those from outside of batches (set-up, checks) are dropped.
 *
 * In time mode every second batch runs with sampling off: the two medians of one boot tell what sampling costs.
 * One thread calls these: the leader of a team.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sample every `period` cycles while a row is measured; 0: none. */
void profile_set_period(uint64_t period);

bool profile_wanted(void);

/* Measuring begins. False when the machine cannot sample. */
bool profile_row_begins(void);

/* Before a batch: it is sampled or not. */
void profile_batch_begins(bool sampled);

/* After a batch that ran between two readings of the time counter. */
void profile_batch_over(uint64_t from, uint64_t to);

/* Stops, prints, forgets. */
void profile_row_over(const char *name);
