/*
 * Start-up entry points of the machine layer, called by start.S.
 */
#pragma once

#include <arm64/vm_layout.h>

struct cpu_data;

_Noreturn void start_first_cpu(pmap_paddr_t dtb, uint64_t start_timebase);
_Noreturn void arm_init_cpu(struct cpu_data *cpu);
