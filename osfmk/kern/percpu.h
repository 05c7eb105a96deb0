/*
 * Per-CPU variables.
 *
 * PERCPU_DATA(type, name) defines a variable in the section `.percpu`, the template. The boot CPU uses the
 * template itself; percpu_init() gives each other CPU a copy and a slide, the distance of its copy from the
 * template. PERCPU_GET(name) is the address of this CPU's copy: the slide is in the running thread
 * (machine.percpu_slide), so this is one load and one add. The section begins at a page and each copy is a
 * whole number of pages, so two CPUs never share a line.
 *
 * The caller has preemption off, or does not mind to look at the CPU it just left.
 */
#pragma once

#include <arm64/cpu_data.h>
#include <arm64/machine_thread.h>
#include <os/base.h>

#define PERCPU_DATA(type, name)    OS_SECTION(".percpu") OS_CACHE_ALIGNED type name
#define PERCPU_DECLARE(type, name) extern type name

#define PERCPU_AT(name, slide)    ((__typeof__(name) *)((uintptr_t)&(name) + (slide)))
#define PERCPU_GET(name)          PERCPU_AT(name, thread_machine(current_thread())->percpu_slide)
#define PERCPU_GET_CPU(name, cpu) PERCPU_AT(name, cpu_data_table[cpu]->percpu_slide)

#define percpu_foreach_cpu(cpu) for (unsigned cpu = 0; cpu < cpu_count; cpu++)

/* Copies the template for the CPUs 1..cpu_count-1 and fills their cpu_data. The first thing the boot CPU does
 * in kernel_bootstrap: nothing has been written to a per-CPU variable yet, and memory comes from boot_alloc. */
void percpu_init(void);
