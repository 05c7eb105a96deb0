/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stale-translation checker: a TLB for each CPU that never forgets unless it is told to.
 *
 * A real TLB may keep a translation for as long as no TLBI takes it away, and drop it at any time. So the kernel must
 * work with one that keeps everything: whenever a CPU uses a translation that this one still holds, the page tables
 * must hold the same. An emulator's TLB forgets far too much to show that; this one shows it.
 *
 * What is found:
 *	moved      an access whose translation leads to another page than the tables now say
 *	unmapped   an access, or a fault, at an address whose tables hold nothing any more, while the translation lives
 *	read-only  a store, or a fault of one, where the translation still allows it and the tables do not
 *	asid       an address space that takes over an ASID of which translations of another one live
 * A table that was changed is told to the TLBs a little later, and until then others may use what they have: the kernel
 * frees and reuses nothing before. So the thread that took the entry away owes a TLBI, from the store until it is back in
 * its program, or has run STALE_GRACE further blocks of code if it never leaves the kernel. Only its own steps count:
 * under the instruction clock a CPU can stand still between two blocks while the others run a million instructions, and a
 * thread that was preempted does not run at all.
 *	- A use while the TLBI is owed waits: a TLBI by another thread than the user's proves it innocent, and the end of
 *	  the debt proves it guilty. (The user's own TLBI comes from the handler of the fault that the use was here, and
 *	  that a real TLB would not have had.)
 *	- A use when nothing is owed any more is a finding.
 *	- "moved" and "asid" are findings at once: break before make, so the TLBI must have been there first.
 * A translation that allows less than the tables is no fault: the CPU faults, and the kernel finds nothing to do.
 *
 * Pure: no QEMU in here (stale_test.c).
 */
#pragma once

#include "sysop.h"
#include "walk.h"

#define STALE_CPUS_MAX 64
#define STALE_GRACE    200000 /* blocks of one thread in the kernel */
#define STALE_FINDINGS 1024
#define STALE_PAGES    (1U << 20) /* of physical memory that page tables may lie in: 16 GiB */

enum stale_kind { STALE_MOVED, STALE_UNMAPPED, STALE_READ_ONLY, STALE_ASID, STALE_KINDS };

extern const char *const stale_names[STALE_KINDS];

struct stale_entry {
	uint64_t page; /* address >> shift, plus 1; 0: free */
	uint64_t physical;
	uint16_t asid; /* not of a global one */
	uint8_t shift;
	bool global, writable;
	bool valid; /* false: dropped; the slot stays, for those behind it */
};

struct stale_finding {
	enum stale_kind kind;
	unsigned cpu;
	uint16_t asid;
	bool confirmed;
	uint32_t user, debtor;        /* threads: who used it, who owes the TLBI */
	uint64_t va, pc, cached, now; /* now: physical page by the tables, 0 none */
	uint64_t due;                 /* the debtor's progress by which it must have come */
};

/* A descriptor in a page table: its value, and who took something away last. */
struct stale_descriptor {
	uint64_t value;
	uint64_t due; /* the debtor's progress when the TLBI must have been made; 0: nothing was taken yet */
	uint32_t debtor; /* thread */
};

/* The threads that ran, by what the kernel keeps in TPIDR_EL1. */
struct stale_threads {
	uint64_t *addresses;
	uint64_t *progress; /* blocks in the kernel; a block of the program is worth more than STALE_GRACE */
	uint32_t *slots;    /* hash: number of the thread plus 1; 0: free */
	uint32_t count, capacity; /* capacity: a power of two; there are twice as many slots */
};

struct stale_cpu {
	struct walk_regime regime;
	struct stale_entry *slots;
	uint64_t capacity, used; /* power of two; slots that are not free */
	uint64_t *roots;         /* by ASID: whose translations these are, plus 1; 0: nobody's yet */
	uint32_t thread;
};

struct stale {
	unsigned cpus;
	walk_read_t read;
	uint64_t uses, tlbis;
	bool unknown_tlbi;
	struct stale_threads threads;
	struct stale_descriptor **tables; /* by physical page; NULL: no walk has read a table there */
	unsigned nfindings;
	struct stale_finding findings[STALE_FINDINGS];
	struct stale_cpu cpu[STALE_CPUS_MAX];
};

void stale_init(struct stale *s, unsigned cpus, walk_read_t read);
void stale_destroy(struct stale *s);

/* A block of code begins; its own address is used as well. */
void stale_block(struct stale *s, unsigned cpu, uint64_t pc);

void stale_access(struct stale *s, unsigned cpu, uint64_t va, bool store, uint64_t pc);

/* The CPU took an abort at this address. */
void stale_fault(struct stale *s, unsigned cpu, uint64_t va, bool store, uint64_t pc);

void stale_sysop(struct stale *s, unsigned cpu, struct sysop op, uint64_t operand, uint64_t pc);

/* How many findings count by now. */
unsigned stale_settle(struct stale *s, bool over);
