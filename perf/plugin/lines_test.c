/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit test of regions and of the line table: what is a conflict, true or false, and in how many batches. */
#include "check.h"
#include "lines.h"
#include "region.h"

#include <stdlib.h>

static void
test_no_conflict(void)
{
	struct lines l;

	lines_init(&l, 4);
	lines_touch(&l, 0, 0x1000, 8, true, 1); /* one CPU's own line */
	lines_touch(&l, 0, 0x1008, 8, false, 2);
	lines_touch(&l, 1, 0x2000, 8, false, 3); /* read by two */
	lines_touch(&l, 2, 0x2000, 8, false, 4);
	lines_fold(&l, NULL);
	CHECK(l.nconflicts == 0 && l.touched == 2 && l.used == 0);
	lines_touch(&l, 1, 0x1000, 8, true, 5); /* another CPU, another batch */
	lines_fold(&l, NULL);
	CHECK(l.nconflicts == 0 && l.touched == 3);
	lines_destroy(&l);
}

static void
test_true_and_false_sharing(void)
{
	struct lines l;

	lines_init(&l, 2);
	for (unsigned batch = 0; batch < 2; batch++) {
		lines_touch(&l, 0, 0x4000, 8, true, 10);
		lines_touch(&l, 1, 0x4004, 1, false, 11); /* the same bytes */
		lines_touch(&l, 0, 0x8000, 8, true, 12);
		lines_touch(&l, 1, 0x8008, 8, true, 13); /* only the same line */
		lines_fold(&l, NULL);
	}
	CHECK(l.nconflicts == 2);
	for (size_t i = 0; i < l.nconflicts; i++) {
		const struct conflict *c = l.conflicts[i];

		CHECK(c->batches == 2 && c->cpus == 3);
		CHECK(c->true_sharing == (c->address == 0x4000));
		CHECK(c->use[0].write_pc == (c->address == 0x4000 ? 10U : 12U));
	}
	lines_destroy(&l);
}

static void
test_crossing_and_growth(void)
{
	struct lines l;

	lines_init(&l, 2);
	lines_touch(&l, 0, 0x103c, 16, true, 1); /* four bytes here, twelve in the next line */
	lines_touch(&l, 1, 0x104b, 1, false, 2);
	for (uint64_t i = 0; i < 20000; i++) {
		lines_touch(&l, 0, 0x100000 + i * 64, 8, true, 3);
	}
	lines_fold(&l, NULL);
	CHECK(l.nconflicts == 1 && l.conflicts[0]->address == 0x1040 && l.conflicts[0]->true_sharing);
	CHECK(l.touched == 20002);
	lines_destroy(&l);
}

static void
test_region(void)
{
	struct region r = { .skip = 1 };

	CHECK(region_begin(&r, 0) == REGION_NOTHING && !region_open(&r)); /* no row */
	region_row(&r, 2, 10);
	CHECK(region_end(&r, 0) == REGION_NOTHING && r.batch == 0);
	CHECK(region_begin(&r, 0) == REGION_NOTHING && !region_open(&r)); /* warm-up */
	CHECK(region_end(&r, 0) == REGION_NOTHING);
	CHECK(region_begin(&r, 1) == REGION_NOTHING);
	CHECK(region_end(&r, 1) == REGION_NOTHING && r.batch == 1);
	CHECK(region_begin(&r, 1) == REGION_OPENED && region_open_on(&r, 1) && !region_open_on(&r, 0));
	CHECK(region_end(&r, 1) == REGION_NOTHING && !region_open(&r));
	CHECK(region_begin(&r, 0) == REGION_NOTHING && region_open(&r));
	CHECK(!region_works_on(&r, 1) && region_works_on(&r, 0) && region_works_on(&r, 2));
	CHECK(region_end(&r, 0) == REGION_CLOSED && r.looked_at == 1 && r.batch == 2);
	CHECK(!region_works_on(&r, 2));
	region_row(&r, 0, 0); /* calibrates */
	CHECK(region_begin(&r, 0) == REGION_OPENED && region_works_on(&r, 0));
	CHECK(region_end(&r, 0) == REGION_CLOSED);
}

int
main(void)
{
	test_no_conflict();
	test_true_and_false_sharing();
	test_crossing_and_growth();
	test_region();
	return 0;
}
