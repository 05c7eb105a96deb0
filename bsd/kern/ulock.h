/*
 * ulock: sleeping on the value of a word of user memory. See sys_ulock.c.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

void ulock_init(void);

/* Wakes everybody who sleeps on the word. */
void ulock_wake_all(vm_map_t map, user_addr_t addr);
