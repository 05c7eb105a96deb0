/*
 * Vouchers; see voucher.c.
 */
#pragma once

#include <ipc/ipc_types.h>

/* Start-up: the empty voucher. */
void ipc_voucher_init(void);

/* Whether the name is a send right to a voucher. */
bool ipc_voucher_name_is_valid(ipc_space_t space, mach_port_name_t name);
