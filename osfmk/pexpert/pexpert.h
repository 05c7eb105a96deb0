/*
 * The platform expert: what this board is and how its few indispensable devices are reached. Everything else
 * is IOKit's. The interrupt controller has its own header, interrupts.h; the device tree, device_tree.h.
 */
#pragma once

#include <os/base.h>

/* ---- boot arguments: "name", "name=value", separated by blanks; the last one of a name wins ---- */

/* True when the argument is there in any form. */
bool pe_boot_arg_flag(const char *name);
/* The value, cut to size - 1 bytes; false when absent. An argument without '=' has the value "". */
bool pe_boot_arg_string(const char *name, char *value, size_t size);
/* Decimal or 0x hexadecimal; false when absent or not a number. */
bool pe_boot_arg_number(const char *name, uint64_t *value);

/* ---- console: the PL011 that /chosen/stdout-path names. Any context ---- */

void pe_console_init(void);
/* Waits while the transmit FIFO is full. A '\n' is sent as "\r\n". */
void pe_console_write(const char *text, size_t len);
/* Received character, or -1. */
int pe_console_getc(void);
/* Panic: from here on the console lock is ignored (its holder may have been stopped). */
void pe_console_seize(void);

/* ---- PSCI ---- */

void psci_init(void);
/* 0, or a negative PSCI error. */
int psci_cpu_on(uint64_t mpidr, uint64_t entry_pa, uint64_t context);
/* This CPU; returns a negative error if it is still on. And whether another one is off. */
int psci_cpu_off(void);
bool psci_cpu_is_off(uint64_t mpidr);
_Noreturn void psci_system_off(void);
