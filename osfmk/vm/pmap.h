/*
 * Physical map: the hardware translation of one address space.
 *
 * The machine-independent layer says which page is where with which protection; the pmap keeps the page
 * tables, ASIDs and TLBs. It is authoritative: nothing is dropped behind the caller's back.
 *
 * Concurrency. Tables are installed and entries changed by compare-exchange; there is no lock in a pmap and
 * no counter in a table, so two CPUs entering pages more than a line of entries (128 KiB) apart share nothing
 * that is written. The caller serialises operations on one virtual page (the VM does it by the lock of the
 * object slot, kernel memory by owning the range).
 *
 * TLB. Who may hold translations of a pmap is its CPU set: set when the pmap is first loaded on a CPU,
 * dropped when its ASID is given up. Invalidation: none when the set is empty, local when it is this CPU
 * only, otherwise one broadcast for the batch with one barrier. On return from remove and protect, no CPU
 * uses an old translation.
 *
 * pmap_switch is lock-free; ASIDs stay with their pmap until the generation runs out (<arm64/pmap.h>).
 * Threads of the kernel keep the last user pmap loaded.
 */
#pragma once

#include <mach/kern_return.h>
#include <vm/vm_types.h>

extern pmap_t kernel_pmap;

/* Adopts the tables of the boot code as kernel_pmap. Boot CPU, after vm_page_bootstrap. */
void pmap_bootstrap(void);

/* NULL when memory is exhausted. The commpage is mapped in every pmap from the start. */
pmap_t pmap_create(void);

/* The caller's is the last use: no thread runs or will run with it, but CPUs may still have it loaded. */
void pmap_destroy(pmap_t pmap);

/* Flags of pmap_enter. */
#define PMAP_ENTER_NOCACHE 0x1 /* normal memory, not cacheable */
#define PMAP_ENTER_DEVICE  0x2 /* device nGnRE */
#define PMAP_ENTER_REPLACE 0x4 /* another page may be mapped there: break before make */

/*
 * Maps page `pn` at va. Without PMAP_ENTER_REPLACE the entry must be invalid or map the same page (then only
 * its protection changes). KERN_RESOURCE_SHORTAGE when a table cannot be had. Never blocks.
 */
kern_return_t pmap_enter(pmap_t pmap, vm_map_offset_t va, ppnum_t pn, vm_prot_t prot, unsigned flags);

/*
 * Maps pages[i] at va + i pages, for each bit i of `which`, where nothing is mapped yet. A hint: a page that would
 * need more work than a store (a table that is missing, instruction caches) is left out. All in one table (32 MiB).
 */
void pmap_enter_absent(
    pmap_t pmap, vm_map_offset_t va, const vm_page_t *pages, uint32_t which, vm_prot_t prot);

/* Is the page before va mapped? A hint: va was mapped a moment ago, and its table may have gone since. */
bool pmap_follows_mapped(pmap_t pmap, vm_map_offset_t va);

/*
 * Instruction fetch sees what was written to the page through the data side. pmap_enter does it for a page
 * that is to be executed, once: VM_PAGE_ICACHE_SYNCED says so until somebody may write to the page again.
 */
void pmap_sync_instructions(vm_page_t page);

/* No translation is left in [start, end); empty tables wholly inside the range are freed. */
void pmap_remove(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end);

/* Reduces the protection of what is mapped in [start, end) to `prot`; never adds rights. */
void pmap_protect(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end, vm_prot_t prot);

/* Page frame and protection mapped at va; false when nothing is. */
bool pmap_lookup(pmap_t pmap, vm_map_offset_t va, ppnum_t *pn, vm_prot_t *prot);

/* Is the page mapped, and was it used since its translation was made or last aged? */
bool pmap_is_referenced(pmap_t pmap, vm_map_offset_t va);

/*
 * Forgets that the pages mapped in the range were used: a use from now on is a fault, which pmap_enter answers, and
 * makes pmap_is_referenced true again. Returns how many had been used. The caller keeps the range mapped as it is.
 */
uint64_t pmap_age(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end);

/*
 * The start of the next span at or behind *va, below `end`, for which the pmap has a level 3 table of its own; false:
 * there is none. PMAP_NEST_SPAN bytes each. Walks the tables.
 */
bool pmap_next_table(pmap_t pmap, vm_map_offset_t *va, vm_map_offset_t end);

/* Pages mapped in the range; walks the tables. */
uint64_t pmap_resident_count(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end);

/*
 * Tables that many address spaces share. A nested pmap is never loaded: it has the translations of one range, and each
 * of its level 3 tables (PMAP_NEST_SPAN bytes) is made once and then linked by whoever wants to see what is there. What
 * is entered in it, removed from it or protected is so for all of them at once.
 */
#define PMAP_NEST_SPAN (32ULL << 20)

/* Before anything is entered. */
void pmap_make_nested(pmap_t pmap);

/*
 * The span of va in `pmap` is what it is in `nested`. True: it is linked, or was; false: `nested` has no table there, or
 * this pmap was told that it has one of its own (pmap_unnest). Nothing was ever entered in the span otherwise.
 */
bool pmap_nest(pmap_t pmap, pmap_t nested, vm_map_offset_t va);

/* The spans in [start, end) are the pmap's own from now on; what was linked is gone, also from TLBs. */
void pmap_unnest(pmap_t pmap, vm_map_offset_t start, vm_map_offset_t end);

/* Links to tables of nested pmaps at the moment, and those tables. */
void pmap_nest_counts(uint64_t *links, uint64_t *tables);

/* This CPU has come up; the boot CPU: pmap_bootstrap does it. */
void pmap_cpu_init(void);
void pmap_cpu_leave(void);

#include <arm64/pmap.h> /* pmap_switch */
