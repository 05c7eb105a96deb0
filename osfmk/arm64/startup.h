/*
 * Start-up entry points of the machine layer, called by start.S.
 */
#pragma once

#include <arm64/vm_layout.h>

struct cpu_data;
struct thread;

_Noreturn void start_first_cpu(pmap_paddr_t dtb, uint64_t start_timebase);
_Noreturn void arm_init_cpu(struct cpu_data *cpu);

/* start_slide.c; start.S calls it, see there for where and how. */
uintptr_t start_slide(pmap_paddr_t dtb);

/* The boot CPU's cpu_data: the first thing there is. */
struct cpu_data *cpu_init_boot(void);

/* Registers that every CPU sets once it runs at virtual addresses, as `thread`. */
void cpu_setup_registers(struct thread *thread);

/* Handlers of the cross-CPU interrupts. */
void cpu_signal_init(void);

/* Counts the CPUs of the device tree and fills their cpu_data: number, affinity. Boot CPU. */
void cpu_init(void);

extern char start_secondary[];
