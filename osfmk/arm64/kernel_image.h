/*
 * Addresses that kernel.lds defines.
 */
#pragma once

#include <os/base.h>

#pragma GCC visibility push(hidden)
extern char kernel_text_start[], kernel_text_end[];
extern char kernel_rodata_start[], kernel_rodata_end[];
extern char kernel_data_start[], kernel_bss_start[], kernel_bss_end[];
extern char kernel_rela_start[], kernel_rela_end[];
extern char boot_stack_slot[], boot_stack_top[];
extern char boot_emergency_slot[], boot_emergency_top[];
#pragma GCC visibility pop
