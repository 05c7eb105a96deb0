/*
 * ulock: sleeping on the value of a word of user memory. See sys_ulock.c.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

void ulock_init(void);

struct uthread;

/* The thread ends: frees what it owns for its waits. */
void ulock_thread_exit(struct uthread *uth);

/* Wakes everybody who sleeps on the 32-bit word with UL_COMPARE_AND_WAIT. */
void ulock_wake_all(vm_map_t map, user_addr_t addr);
