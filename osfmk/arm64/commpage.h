/*
 * The kernel's side of the commpage (<mach/arm/commpage.h>): two pages that every address space sees
 * read-only through shared global translations.
 *
 * The data page is written through the physical map, by: boot (everything), the clock (time of day, under its
 * own lock), CPU 0's tick (approximate time), and the rare setters below. Fields that never change share no
 * line with those that do. The read-only page is not written after commpage_populate.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

/* Pages and the shared table; after pmap_bootstrap, before the first pmap_create. */
void commpage_init(void);

/* CPU facts, counts, page shifts, memory size. Once the CPUs have been counted. */
void commpage_populate(void);

/*
 * Time of day at `tick` (absolute time): `sec` seconds since 1970 and `frac` 2^-64 seconds. Serialised by the
 * caller. Interrupts in any state. tick 0 makes readers ask the kernel.
 */
void commpage_set_timestamp(uint64_t tick, uint64_t sec, uint64_t frac);

/* Time of day now, by the protocol that programs use; false when no timestamp was ever set. Any context. */
bool commpage_time_of_day(uint64_t now, uint64_t *sec, uint64_t *frac);

void commpage_set_boottime_usec(uint64_t usec);

/* Absolute time at CPU 0's tick; ignored on other CPUs, so that one CPU writes the line. */
void commpage_update_approximate_time(uint64_t now);

void commpage_set_active_cpus(unsigned count);
/* enum vm_pressure of <vm/vm_pageout.h>. */
void commpage_set_memory_pressure(uint32_t level);
void commpage_set_kdebug(uint32_t state);

/* The shared level 3 table and where pmap_create links it. */
extern pmap_paddr_t commpage_l3_table;
