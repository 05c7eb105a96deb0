/*
 * The message traps and what they share with the fast path.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* Absolute time that many milliseconds from now; never 0. */
uint64_t ipc_timeout_deadline(uint32_t timeout_ms);
