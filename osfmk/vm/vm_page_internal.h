/*
 * Per-CPU state of the page allocator and of the fault path. Written by the own CPU only, with interrupts
 * masked (free lists) or preemption off (counters); read by anybody for statistics.
 */
#pragma once

#include <kern/percpu.h>
#include <vm/vm_page.h>

/* Batches in a CPU's reservation of never-used pages. */
#define VM_PAGE_RESERVATION_BATCHES 4

struct vm_page_cpu {
	struct vm_page *vpc_free;  /* through vmp_next */
	struct vm_page *vpc_spare; /* a whole batch, or NULL */
	uint32_t vpc_count;        /* pages on vpc_free */
	uint32_t vpc_spare_count;
	ppnum_t vpc_new; /* reservation: [vpc_new, vpc_new_end) was never handed out */
	ppnum_t vpc_new_end;
	uint64_t vpc_faults; /* events since boot */
	uint64_t vpc_zero_filled;
	uint64_t vpc_copied;
	uint64_t vpc_paged_in;
} OS_CACHE_ALIGNED;

static_assert(sizeof(struct vm_page_cpu) == OS_CACHELINE, "one line");

PERCPU_DECLARE(struct vm_page_cpu, vm_page_cpu);
