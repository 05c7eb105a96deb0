/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counts.h"

#include "memory.h"

#include <inttypes.h>

struct count *
counts_of(struct counts *c, uint64_t pc)
{
	struct count **bucket = &c->buckets[(pc * 0x9e3779b97f4a7c15ULL) >> 48];
	struct count *count;

	for (count = *bucket; count != NULL; count = count->next) {
		if (count->pc == pc) {
			return count;
		}
	}
	count = memory_get(1, sizeof(*count));
	count->pc = pc;
	count->next = *bucket;
	*bucket = count;
	return count;
}

void
counts_clear(struct counts *c)
{
	for (unsigned i = 0; i < COUNTS_BUCKETS; i++) {
		for (struct count *count = c->buckets[i]; count != NULL; count = count->next) {
			count->executed = 0;
		}
	}
}

void
counts_print(const struct counts *c, FILE *out)
{
	for (unsigned i = 0; i < COUNTS_BUCKETS; i++) {
		for (const struct count *count = c->buckets[i]; count != NULL; count = count->next) {
			if (count->executed != 0) {
				fprintf(out, "insn %" PRIx64 " %" PRIu64 "\n", count->pc, count->executed);
			}
		}
	}
}
