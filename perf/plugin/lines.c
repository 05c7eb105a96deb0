/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lines.h"

#include "memory.h"

#include <inttypes.h>
#include <string.h>

#define LINE_BYTES       (1U << LINES_SHIFT)
#define INITIAL_CAPACITY 4096

void
lines_init(struct lines *l, unsigned cpus)
{
	memset(l, 0, sizeof(*l));
	l->cpus = cpus;
	l->capacity = INITIAL_CAPACITY;
	l->slots = memory_get(l->capacity, sizeof(*l->slots));
}

/* Empties the table. */
static void
lines_forget(struct lines *l)
{
	for (size_t i = 0; i < l->capacity; i++) {
		struct line *line = &l->slots[i];

		if (line->number != 0) {
			memset(line->use, 0, l->cpus * sizeof(*line->use));
			line->number = 0;
			line->cpus = 0;
		}
	}
	l->used = 0;
}

void
lines_clear(struct lines *l)
{
	lines_forget(l);
	for (size_t i = 0; i < l->nconflicts; i++) {
		free(l->conflicts[i]);
	}
	l->nconflicts = 0;
	l->touched = 0;
}

void
lines_destroy(struct lines *l)
{
	for (size_t i = 0; i < l->capacity; i++) {
		free(l->slots[i].use);
	}
	for (size_t i = 0; i < l->nconflicts; i++) {
		free(l->conflicts[i]);
	}
	free(l->slots);
	free(l->conflicts);
}

/* The slot of a line, or the free one where it belongs. Fibonacci hashing. */
static struct line *
lines_slot(struct line *slots, size_t capacity, uint64_t number)
{
	size_t at = (size_t)((number * 0x9e3779b97f4a7c15ULL) >> 20) & (capacity - 1);

	while (slots[at].number != 0 && slots[at].number != number) {
		at = (at + 1) & (capacity - 1);
	}
	return &slots[at];
}

static void
lines_grow(struct lines *l)
{
	size_t capacity = l->capacity * 2;
	struct line *slots = memory_get(capacity, sizeof(*slots));

	for (size_t i = 0; i < l->capacity; i++) {
		if (l->slots[i].number != 0) {
			*lines_slot(slots, capacity, l->slots[i].number) = l->slots[i];
		} else {
			free(l->slots[i].use);
		}
	}
	free(l->slots);
	l->slots = slots;
	l->capacity = capacity;
}

static struct line *
lines_find(struct lines *l, uint64_t number)
{
	struct line *line = lines_slot(l->slots, l->capacity, number);

	if (line->number == number) {
		return line;
	}
	if (l->used * 2 >= l->capacity) {
		lines_grow(l);
		line = lines_slot(l->slots, l->capacity, number);
	}
	if (line->use == NULL) {
		line->use = memory_get(l->cpus, sizeof(*line->use));
	}
	line->number = number;
	l->used++;
	return line;
}

/* Bits first .. first + size - 1, those inside the line. */
static uint64_t
byte_mask(unsigned first, unsigned size)
{
	uint64_t bits = size >= LINE_BYTES ? ~0ULL : (1ULL << size) - 1;

	return bits << first;
}

static void
use_add(struct line_use *use, uint64_t mask, bool store, uint64_t pc)
{
	uint64_t *bytes = store ? &use->written : &use->read;
	uint64_t *first_pc = store ? &use->write_pc : &use->read_pc;

	if (*bytes == 0) {
		*first_pc = pc;
	}
	*bytes |= mask;
}

void
lines_touch(struct lines *l, unsigned cpu, uint64_t address, unsigned size, bool store, uint64_t pc)
{
	unsigned first = address & (LINE_BYTES - 1);
	unsigned here = size < LINE_BYTES - first ? size : LINE_BYTES - first;
	struct line *line = lines_find(l, (address >> LINES_SHIFT) + 1);

	line->cpus |= 1ULL << cpu;
	use_add(&line->use[cpu], byte_mask(first, here), store, pc);
	if (here < size) {
		lines_touch(l, cpu, address + here, size - here, store, pc);
	}
}

/* Does some CPU's writing meet another one's touch? *overlap: on the same byte. */
static bool
line_conflicts(const struct line *line, unsigned cpus, bool *overlap)
{
	bool conflict = false;

	*overlap = false;
	for (unsigned w = 0; w < cpus; w++) {
		if (line->use[w].written == 0) {
			continue;
		}
		if ((line->cpus & ~(1ULL << w)) != 0) {
			conflict = true;
		}
		for (unsigned o = 0; o < cpus; o++) {
			if (o != w &&
			    (line->use[w].written & (line->use[o].read | line->use[o].written)) != 0) {
				*overlap = true;
			}
		}
	}
	return conflict;
}

static struct conflict *
conflict_of(struct lines *l, uint64_t address)
{
	struct conflict *made, **longer;

	for (size_t i = 0; i < l->nconflicts; i++) {
		if (l->conflicts[i]->address == address) {
			return l->conflicts[i];
		}
	}
	made = memory_get(1, sizeof(*made));
	made->address = address;
	longer = realloc(l->conflicts, (l->nconflicts + 1) * sizeof(struct conflict *));
	if (longer == NULL) {
		abort();
	}
	l->conflicts = longer;
	l->conflicts[l->nconflicts++] = made;
	return made;
}

static void
conflict_note(struct conflict *c, const struct line *line, unsigned cpus, bool overlap)
{
	c->batches++;
	c->true_sharing |= overlap;
	c->cpus |= line->cpus;
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		const struct line_use *use = &line->use[cpu];

		if (use->read != 0) {
			use_add(&c->use[cpu], use->read, false, use->read_pc);
		}
		if (use->written != 0) {
			use_add(&c->use[cpu], use->written, true, use->write_pc);
		}
	}
}

void
lines_fold(struct lines *l, void (*tell)(uint64_t address))
{
	for (size_t i = 0; i < l->capacity; i++) {
		struct line *line = &l->slots[i];
		bool overlap;

		if (line->number != 0 && line_conflicts(line, l->cpus, &overlap)) {
			conflict_note(
			    conflict_of(l, (line->number - 1) << LINES_SHIFT), line, l->cpus, overlap);
		}
	}
	l->touched += l->used;
	lines_forget(l);
	for (size_t i = 0; i < l->nconflicts; i++) {
		struct conflict *c = l->conflicts[i];

		if (!c->told && tell != NULL) {
			tell(c->address);
		}
		c->told = true;
	}
}

static int
by_address(const void *a, const void *b)
{
	const struct conflict *const *x = a, *const *y = b;

	return (*x)->address<(*y)->address ? -1 : (*x)->address>(*y)->address;
}

void
lines_print(const struct lines *l, FILE *out)
{
	fprintf(out, "lines %" PRIu64 " conflicts %zu\n", l->touched, l->nconflicts);
	if (l->nconflicts != 0) {
		qsort(l->conflicts, l->nconflicts, sizeof(struct conflict *), by_address);
	}
	for (size_t i = 0; i < l->nconflicts; i++) {
		const struct conflict *c = l->conflicts[i];

		fprintf(out, "line %" PRIx64 " %s %u\n", c->address, c->true_sharing ? "true" : "false",
		    c->batches);
		for (unsigned cpu = 0; cpu < l->cpus; cpu++) {
			const struct line_use *use = &c->use[cpu];

			if ((c->cpus >> cpu & 1) != 0) {
				fprintf(out, "use %u %016" PRIx64 " %" PRIx64 " %016" PRIx64 " %" PRIx64 "\n",
				    cpu, use->read, use->read_pc, use->written, use->write_pc);
			}
		}
	}
}
