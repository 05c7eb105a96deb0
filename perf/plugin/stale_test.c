/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit test of the stale-translation checker: page tables change with and without a TLBI. */
#include "check.h"
#include "stale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page table of three levels at 0, 0x4000, 0x8000 for 47 bits; pages of the last one are private to an ASID. */
#define TABLE(n)   ((uint64_t)(n) << 14)
#define TCR        (17ULL | 17ULL << 16 | 2ULL << 14 | 1ULL << 30)
#define PAGE       3ULL
#define NG         0x800ULL
#define RO         0x80ULL
#define VA(n)      ((uint64_t)(n) << 14)
#define TLBI_LOCAL 0xd5088720U /* vae1, x0 */
#define TLBI_ALL   0xd5088320U /* vae1is, x0 */
#define TLBI_RANGE 0xd5088220U /* rvae1is, x0 */
#define LEAVES     5           /* page at which the last table itself is mapped */
#define IN_PROGRAM VA(6)
#define IN_KERNEL  (~0ULL << 47 | VA(7))
#define THREAD(n)  ((n) * 0x1000ULL)

static uint64_t memory[3 * 2048];
static struct stale s;

static bool
read_memory(uint64_t address, uint64_t *value)
{
	*value = address < sizeof(memory) ? memory[address / 8] : 0;
	return address < sizeof(memory);
}

static uint64_t *
pte(unsigned n)
{
	return &memory[4096 + n];
}

static void
run(unsigned cpu, uint64_t thread)
{
	stale_sysop(&s, cpu, (struct sysop){ .kind = SYSOP_TPIDR }, thread, 0);
}

/* The kernel on that CPU writes a descriptor where the checker sees it. */
static void
put(unsigned cpu, unsigned page, uint64_t descriptor)
{
	*pte(page) = descriptor;
	stale_access(&s, cpu, VA(LEAVES) + page * sizeof(uint64_t), true, IN_KERNEL);
}

static void
start(void)
{
	memset(memory, 0, sizeof(memory));
	memory[0] = TABLE(1) | PAGE;
	memory[2048] = TABLE(2) | PAGE;
	for (unsigned i = 0; i < 8; i++) {
		*pte(i) = TABLE(100 + i) | PAGE | NG;
	}
	*pte(LEAVES) = TABLE(2) | PAGE | NG;
	stale_init(&s, 2, read_memory);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		run(cpu, THREAD(1 + cpu));
		stale_sysop(&s, cpu, (struct sysop){ .kind = SYSOP_TCR }, TCR, 0);
		stale_sysop(&s, cpu, (struct sysop){ .kind = SYSOP_TTBR0 }, 1ULL << 48, 0);
		stale_access(&s, cpu, VA(3), true, 0);
	}
}

static void
tlbi(unsigned cpu, uint32_t word, unsigned page, uint64_t asid)
{
	stale_sysop(&s, cpu, sysop_decode(word), VA(page) >> 12 | asid << 48, 0);
}

static void
finish(unsigned findings, enum stale_kind kind)
{
	CHECK(stale_settle(&s, true) == findings);
	CHECK(findings == 0 || s.findings[0].kind == kind);
	stale_destroy(&s);
}

/* A use between the store and its TLBI. */
static void
debts(void)
{
	start(); /* the TLBI comes, however many steps others make meanwhile */
	put(0, 3, 0);
	stale_fault(&s, 1, VA(3), false, 1);
	for (unsigned i = 0; i < 2 * STALE_GRACE; i++) {
		stale_block(&s, 1, IN_KERNEL);
	}
	stale_block(&s, 1, IN_PROGRAM);
	tlbi(0, TLBI_ALL, 3, 1);
	finish(0, 0);

	start(); /* the debtor is back in its program first */
	put(0, 3, 0);
	stale_fault(&s, 1, VA(3), false, 1);
	stale_block(&s, 0, IN_PROGRAM);
	tlbi(0, TLBI_ALL, 3, 1);
	finish(1, STALE_UNMAPPED);

	start(); /* and only then is it used */
	put(0, 3, 0);
	stale_block(&s, 0, IN_PROGRAM);
	stale_fault(&s, 1, VA(3), false, 1);
	CHECK(stale_settle(&s, false) == 1);
	finish(1, STALE_UNMAPPED);

	start(); /* the debtor stays in the kernel and forgets it */
	put(0, 3, 0);
	stale_fault(&s, 1, VA(3), false, 1);
	for (unsigned i = 0; i < STALE_GRACE; i++) {
		stale_block(&s, 0, IN_KERNEL);
	}
	CHECK(stale_settle(&s, false) == 0);
	stale_block(&s, 0, IN_KERNEL);
	CHECK(stale_settle(&s, false) == 1);
	finish(1, STALE_UNMAPPED);

	start(); /* the debtor is preempted, and who runs in its place uses it; the TLBI is local */
	put(0, 3, *pte(3) | RO);
	run(0, THREAD(3));
	stale_fault(&s, 0, VA(3), true, 1);
	run(0, THREAD(1));
	CHECK(s.nfindings == 1);
	tlbi(0, TLBI_LOCAL, 3, 1);
	finish(0, 0);

	start(); /* a TLBI by who used it proves nothing: its fault was the use */
	put(0, 3, 0);
	stale_fault(&s, 1, VA(3), false, 1);
	tlbi(1, TLBI_ALL, 3, 1);
	finish(1, STALE_UNMAPPED);

	start(); /* another page takes the place before the TLBI */
	put(0, 3, 0);
	put(0, 3, TABLE(200) | PAGE | NG);
	stale_access(&s, 1, VA(3), false, 1);
	tlbi(0, TLBI_ALL, 3, 1);
	finish(1, STALE_MOVED);

	start(); /* threads are told apart, however many there are */
	for (unsigned i = 0; i < 10000; i++) {
		run(1, THREAD(100 + i));
		stale_block(&s, 1, IN_PROGRAM);
	}
	put(0, 3, 0);
	stale_access(&s, 1, VA(3), false, 1);
	CHECK(s.nfindings == 1 && s.findings[0].debtor != s.findings[0].user && s.threads.count == 10003);
	tlbi(0, TLBI_ALL, 3, 1);
	finish(0, 0);
}

int
main(void)
{
	start(); /* moved, TLBs told */
	*pte(3) = TABLE(200) | PAGE | NG;
	tlbi(0, TLBI_ALL, 3, 1);
	stale_access(&s, 0, VA(3), false, 1);
	stale_access(&s, 1, VA(3), false, 1);
	finish(0, 0);

	start(); /* moved, only this CPU told */
	*pte(3) = TABLE(200) | PAGE | NG;
	tlbi(0, TLBI_LOCAL, 3, 1);
	stale_access(&s, 0, VA(3), false, 1);
	CHECK(s.nfindings == 0);
	stale_access(&s, 1, VA(3), false, 1);
	CHECK(
	    s.findings[0].cpu == 1 && s.findings[0].cached == TABLE(103) && s.findings[0].now == TABLE(200));
	finish(1, STALE_MOVED);

	start(); /* moved, told by range: two pages from page 2 on */
	*pte(3) = TABLE(200) | PAGE | NG;
	stale_sysop(&s, 0, sysop_decode(TLBI_RANGE), VA(2) >> 14 | 2ULL << 46 | 1ULL << 48, 0);
	stale_access(&s, 0, VA(3), false, 1);
	stale_access(&s, 1, VA(3), false, 1);
	finish(0, 0);

	start(); /* the range ends before it */
	*pte(3) = TABLE(200) | PAGE | NG;
	stale_sysop(&s, 0, sysop_decode(TLBI_RANGE), VA(1) >> 14 | 2ULL << 46 | 1ULL << 48, 0);
	stale_access(&s, 0, VA(3), false, 1);
	finish(1, STALE_MOVED);

	start(); /* the TLBI names another ASID, then another page */
	*pte(3) = TABLE(200) | PAGE | NG;
	tlbi(0, TLBI_ALL, 3, 2);
	tlbi(0, TLBI_ALL, 4, 1);
	stale_access(&s, 0, VA(3), false, 1);
	finish(1, STALE_MOVED);

	start(); /* unmapped, and the program faults there */
	*pte(3) = 0;
	stale_fault(&s, 0, VA(3), false, 1);
	finish(1, STALE_UNMAPPED);

	debts();

	start(); /* made read-only */
	*pte(3) |= RO;
	stale_access(&s, 0, VA(3), false, 1);
	CHECK(s.nfindings == 0);
	stale_fault(&s, 0, VA(3), true, 1);
	finish(1, STALE_READ_ONLY);

	start(); /* made writable needs no TLBI */
	*pte(4) |= RO;
	stale_access(&s, 0, VA(4), false, 1);
	*pte(4) &= ~RO;
	stale_fault(&s, 0, VA(4), true, 1);
	stale_access(&s, 0, VA(4), true, 1);
	/* nor does a page where there was none */
	*pte(9) = TABLE(109) | PAGE | NG;
	stale_access(&s, 0, VA(9), true, 1);
	finish(0, 0);

	start(); /* another address space takes the ASID over */
	stale_sysop(&s, 0, (struct sysop){ .kind = SYSOP_TTBR0 }, 1ULL << 48 | TABLE(1), 5);
	finish(1, STALE_ASID);

	start();                                                      /* after everything of it was dropped */
	stale_sysop(&s, 0, sysop_decode(0xd5088740U), 1ULL << 48, 0); /* aside1, x0 */
	stale_sysop(&s, 0, (struct sysop){ .kind = SYSOP_TTBR0 }, 1ULL << 48 | TABLE(1), 5);
	finish(0, 0);
	return 0;
}
