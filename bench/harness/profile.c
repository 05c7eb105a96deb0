/*
 * Sampling of a row; see profile.h.
 */
#include <harness/counter.h>
#include <harness/platform.h>
#include <harness/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_BYTES (64U << 10)
/* Lines are written in blocks of whole lines, so that nobody else's output falls into one. */
#define BLOCK_BYTES 8192U
#define LINE_BYTES  2048U /* two lists of PLATFORM_FRAMES_MAX addresses, and the rest */

static uint64_t wanted_period;
static bool running;
static unsigned char *kept; /* records from inside batches */
static size_t kept_bytes, kept_room;
static uint64_t lost;

void
profile_set_period(uint64_t period)
{
	wanted_period = period;
}

bool
profile_wanted(void)
{
	return wanted_period != 0;
}

static bool
run(bool on)
{
	if (running != on) {
		if (!platform_sample_every(on ? wanted_period : 0)) {
			return false;
		}
		running = on;
	}
	return true;
}

/* ---- taking ---- */

static void
keep(const struct platform_sample *sample)
{
	if (kept_room - kept_bytes < sample->size) {
		size_t room = kept_room * 2 + TAKE_BYTES;
		unsigned char *larger = realloc(kept, room);

		if (larger == NULL) {
			lost++;
			return;
		}
		kept = larger;
		kept_room = room;
	}
	memcpy(kept + kept_bytes, sample, sample->size);
	kept_bytes += sample->size;
}

/* Empties the kernel's buffers, keeping what falls into the window. */
static void
take(uint64_t from, uint64_t to)
{
	static uint64_t block[TAKE_BYTES / sizeof(uint64_t)];
	size_t size;

	while ((size = platform_samples_take(block, sizeof(block))) != 0) {
		for (size_t at = 0; at < size;) {
			const struct platform_sample *sample =
			    (const void *)((const unsigned char *)block + at);

			if (sample->time >= from && sample->time < to) {
				keep(sample);
			}
			at += sample->size;
		}
	}
}

bool
profile_row_begins(void)
{
	take(1, 0); /* what an earlier user left */
	lost = 0;
	return run(true);
}

void
profile_batch_begins(bool sampled)
{
	run(sampled);
}

void
profile_batch_over(uint64_t from, uint64_t to)
{
	if (running) {
		lost += platform_samples_lost();
	}
	take(from, to);
}

/* ---- printing ---- */

static size_t
print_frames(char *line, size_t room, const uint64_t *frames, unsigned count)
{
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		used += (size_t)snprintf(
		    line + used, room - used, "%c%llx", i == 0 ? ' ' : ',', (unsigned long long)frames[i]);
	}
	return count != 0 ? used : (size_t)snprintf(line, room, " -");
}

static size_t
print_sample(char *line, size_t room, const struct platform_sample *s)
{
	size_t used = (size_t)snprintf(line, room, "bench-sample: %u %llx %d %llx %x %llx %llx %llx", s->cpu,
	    (unsigned long long)s->time, s->pid, (unsigned long long)s->thread_id, s->flags,
	    (unsigned long long)s->late, (unsigned long long)s->pc, (unsigned long long)s->lr);

	used += print_frames(line + used, room - used, s->frames, s->kernel_frames);
	used += print_frames(line + used, room - used, s->frames + s->kernel_frames, s->user_frames);
	return used + (size_t)snprintf(line + used, room - used, "\n");
}

static unsigned long
print_samples(void)
{
	static char block[BLOCK_BYTES];
	unsigned long count = 0;
	size_t used = 0;

	for (size_t at = 0; at < kept_bytes; count++) {
		const struct platform_sample *sample = (const void *)(kept + at);

		used += print_sample(block + used, sizeof(block) - used, sample);
		at += sample->size;
		if (used > BLOCK_BYTES - LINE_BYTES || at == kept_bytes) {
			fwrite(block, 1, used, stdout);
			fflush(stdout);
			used = 0;
		}
	}
	return count;
}

void
profile_row_over(const char *name)
{
	unsigned long count;

	run(false);
	printf("bench-profile: %s period %llu clock %llu\n", name, (unsigned long long)wanted_period,
	    (unsigned long long)counter_ticks_per_second());
	fflush(stdout);
	count = print_samples();
	printf("bench-profile-end: %s samples %lu lost %llu\n", name, count, (unsigned long long)lost);
	fflush(stdout);
	kept_bytes = 0;
}
