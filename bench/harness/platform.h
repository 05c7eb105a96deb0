/*
 * What the harness and the portable benchmarks need of the system they run on. One implementation a system:
 * platform_pluot.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when counter_instructions() may be read from user mode and counts. */
bool platform_counts_instructions(void);

unsigned platform_cpus(void);

/* Binds the calling thread to a CPU; it runs there on return. Children made by fork inherit the binding. */
bool platform_pin(unsigned cpu);

/* Lets another thread of this CPU run. */
void platform_yield(void);

/* Bytes of a page. */
size_t platform_page_size(void);

/* Fresh zero-filled memory, untouched; NULL on failure. size is a multiple of the page size. */
void *platform_map(size_t size);
bool platform_unmap(void *address, size_t size);

/*
 * From the kernel's first instruction to the first of process 1: instructions, or ticks of the time counter.
 * False when the kernel did not record it.
 */
bool platform_boot_cost(bool instructions, uint64_t *figure);

/* Memory that stays shared between a process and the children it forks; NULL on failure. Never given back. */
void *platform_shared(size_t size);
