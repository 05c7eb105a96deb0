/*
 * Which pages leave memory first: the replacement policy. Plain C that knows nothing of the kernel, so that the same
 * source decides in the kernel (vm_reclaim.c, vm_reclaim_shared.c) and in the replayer, `x paging` (vm/sim).
 *
 * A hand goes over pages in the order of their addresses, once around after the other, and asks of each whether it was
 * used since it came by the last time. That is all that is known: the access flag of a translation, no queue of pages
 * in the order of their use, since every fault would write its links. Evicting what was not used and sparing the rest
 * is the second-chance policy, which is about LRU, with its weaknesses: one pass over a large array is as good as use,
 * and a loop larger than memory misses every time. So a page has an age:
 *
 *	NEW		brought since the hand came by. Its first use is why it is there, and says nothing: if the flag is
 *			set it becomes SEEN, else it leaves
 *	SEEN		leaves if it was not used
 *	ACTIVE 1 to 3	used in at least so many laps more than not. Each lap with use adds one, each without takes one
 *	RETURNED	as NEW, but it left a short while ago: fewer pages left since than there are in memory, so it would
 *			be there if what is active took less. It becomes ACTIVE 2 at once, unless half of what is
 *			in memory is active already
 *
 * So a page that is used once, as by a scan, leaves before one that was used in several laps. What is active lasts up to
 * four laps without use, which is how long a change of what a program does costs more than with LRU. RETURNED is what
 * helps loops: half of memory keeps part of the loop, and the rest turns over quickly, instead of each page leaving
 * just before it is needed; the limit is what leaves room to find out what is better. For anonymous memory alone the
 * compressor remembers when a page left; of a file's page nothing stays.
 *
 * How that compares to LRU, FIFO, second chance and the best there can be: vm_pageout.h has the figures,
 * vm/sim/workload.c the bounds that a test holds it to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* In this order: what is between SEEN and RETURNED is active. */
enum vm_age {
	VM_AGE_NEW = 0,
	VM_AGE_SEEN = 1,
	VM_AGE_ACTIVE_LEAST = 2,
	VM_AGE_ACTIVE_RETURNED = 3, /* what RETURNED becomes */
	VM_AGE_ACTIVE_MOST = 4,
	VM_AGE_RETURNED = 5,
};

/* One in so many pages, at most, is active when a page that has returned becomes so at once. */
#define VM_AGE_ACTIVE_SHARE 2

/* Laps after which a page without use has left for certain. */
#define VM_AGE_LAPS 5

/* What a hand knows. Whoever moves it has it to himself. Zero at first. */
struct vm_age_hand {
	uint64_t
	    vah_active; /* pages that are, as far as is known: what is freed meanwhile is told by the lap */
	uint64_t vah_pages;      /* pages of the last lap */
	uint64_t vah_lap_active; /* of those in front of which it has come by in this lap */
	uint64_t vah_lap_pages;
	uint64_t vah_activations; /* pages that became active, ever */
};

static inline bool
vm_age_is_active(enum vm_age age)
{
	return age >= VM_AGE_ACTIVE_LEAST && age <= VM_AGE_ACTIVE_MOST;
}

/*
 * The hand comes by a page, which was `used` since the last time, or not. True: the page should leave. False: it stays,
 * with the new *age, and its access flag is to be cleared.
 */
bool vm_age_look(struct vm_age_hand *hand, enum vm_age *age, bool used);

/* The hand begins at the start again. */
void vm_age_lap(struct vm_age_hand *hand);

/* How many pages may leave until one that has left is not told as RETURNED any more. */
uint64_t vm_age_memory(const struct vm_age_hand *hand);
