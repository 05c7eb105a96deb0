/*
 * Order statistics of batch results.
 */
#include <harness/sample.h>
#include <stdio.h>
#include <stdlib.h>

void
sample_clear(struct sample *s)
{
	s->count = 0;
	s->sorted = true;
}

bool
sample_add(struct sample *s, uint64_t value)
{
	if (s->count == SAMPLE_MAX) {
		return false;
	}
	s->values[s->count++] = value;
	s->sorted = false;
	return true;
}

static int
compare_values(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t
sample_quantile(struct sample *s, unsigned permille)
{
	size_t rank;

	if (s->count == 0) {
		return 0;
	}
	if (!s->sorted) {
		qsort(s->values, s->count, sizeof(s->values[0]), compare_values);
		s->sorted = true;
	}
	/* nearest rank, from 1 */
	rank = (s->count * permille + 999) / 1000;
	return s->values[rank == 0 ? 0 : rank - 1];
}

uint64_t
sample_hundredths(uint64_t amount, uint64_t operations)
{
	return amount / operations * 100 + amount % operations * 100 / operations;
}

const char *
sample_text(char *buf, uint64_t hundredths)
{
	snprintf(buf, SAMPLE_TEXT, "%llu.%02llu", (unsigned long long)(hundredths / 100),
	    (unsigned long long)(hundredths % 100));
	return buf;
}
