/*
 * Timers as ports: a message arrives on the port when the deadline passes. See mk_timer.c.
 */
#pragma once

#include <ipc/ipc_types.h>

/* The port of a timer (IP_TIMER) has died: takes what its ip_kobject was. No locks held. */
void mk_timer_port_died(void *timer);

/* A timer's message (IKM_BITS_TIMER) is being freed. */
void mk_timer_message_freed(ipc_kmsg_t kmsg);

/* Start-up: the thread that sends. */
void mk_timer_init(void);
