/*
 * A growing set of batch results and the figures drawn from it. Pure: no counter, no clock, no output; builds
 * for the host too (sample_test.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_MAX 4096 /* batches; more add nothing to a 99.9th percentile */

struct sample {
	uint64_t values[SAMPLE_MAX]; /* hundredths of an instruction or a nanosecond per operation */
	size_t count;
	bool sorted;
};

void sample_clear(struct sample *s);

/* False when it is full. */
bool sample_add(struct sample *s, uint64_t value);

/* Smallest value such that at least `permille` thousandths of the values are not above it; 0 when empty. */
uint64_t sample_quantile(struct sample *s, unsigned permille);

/*
 * Hundredths of `unit_ns`-scaled amount per operation, without overflow for any batch that fits the counters:
 * amount * 100 / operations.
 */
uint64_t sample_hundredths(uint64_t amount, uint64_t operations);

/* "12.34" of 1234 into buf, which holds SAMPLE_TEXT bytes; returns buf. */
#define SAMPLE_TEXT 32
const char *sample_text(char *buf, uint64_t hundredths);
