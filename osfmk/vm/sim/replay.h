/*
 * Replays strings of references to pages through replacement policies, and counts what each brings back.
 *
 * REPLAY_VM is the kernel's: <vm/vm_age.h> decides, and the hand of replay.c moves as that of vm_reclaim.c does, in the
 * order of addresses, when the pool falls to its low mark and until it is at its target. The others are textbooks': each
 * replaces one page for each that it needs. REPLAY_OPT is Belady's: it knows the future, and nothing can do better.
 *
 * Left out: wired pages, pages of files (whose hand goes over objects, with the same ages, but is never told that a page
 * has returned), and that a batch takes its time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum replay_policy {
	REPLAY_VM,
	REPLAY_PLAIN,     /* the kernel's hand without ages: a used page is spared, another one leaves */
	REPLAY_NO_RETURN, /* the kernel's, but nothing is known about pages that left */
	REPLAY_LRU,
	REPLAY_FIFO,
	REPLAY_SECOND_CHANCE,
	REPLAY_OPT,
	REPLAY_POLICIES,
};

extern const char *const replay_names[REPLAY_POLICIES];

/* References to pages 0 to pages - 1, every one of which occurs. */
struct trace {
	uint32_t *refs;
	uint32_t count, most; /* in refs; what it has room for */
	uint32_t pages;
};

struct replay_outcome {
	uint64_t returns; /* pages brought that had been there before: what a policy can do something about */
	uint64_t looks;   /* by the hand; 0 where there is none */
};

/* Of a memory of so many pages. */
struct replay_outcome replay(const struct trace *trace, enum replay_policy policy, uint32_t memory);
