/*
 * The counters of <mach/kpc.h>. Configuring and reading visit every CPU and may block; kpc_mutex keeps them apart.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/kpc.h>
#include <os/base.h>

#define KPC_FIXED_MAX        2
#define KPC_CONFIGURABLE_MAX 30
#define KPC_COUNTERS_MAX     (KPC_FIXED_MAX + KPC_CONFIGURABLE_MAX)

uint32_t kpc_classes(void);

/* Counters of one CPU in the classes of `mask`, and events that can be chosen; unknown classes have none. */
unsigned kpc_counter_count(uint32_t mask);
unsigned kpc_config_count(uint32_t mask);

/* Chooses the event of each configurable counter, on all CPUs. KERN_INVALID_ARGUMENT: not an event of this machine. */
OS_WARN_RESULT kern_return_t kpc_set_config(const uint64_t *events, unsigned count);
/* A CPU that starts counts what the others count; on it, interrupts masked. */
void kpc_cpu_join(void);
void kpc_get_config(uint64_t events[KPC_CONFIGURABLE_MAX]);

/* Counters of `mask` on every CPU, at this CPU's call; values[cpu * kpc_counter_count(mask) + i]. */
void kpc_read(uint32_t mask, uint64_t *values);

void kpc_read_cpu_events(unsigned cpu, struct kpc_cpu_events *out);
