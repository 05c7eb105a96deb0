/*
 * Messages that the kernel sends about rights. Each consumes the send-once right it is sent with, never
 * blocks, ignores the queue limit, and is lost without a trace when there is no memory for it.
 */
#pragma once

#include <ipc/ipc_types.h>

void ipc_notify_port_deleted(ipc_port_t notify, mach_port_name_t name);
void ipc_notify_dead_name(ipc_port_t notify, mach_port_name_t name);
void ipc_notify_send_possible(ipc_port_t notify, mach_port_name_t name);
void ipc_notify_no_senders(ipc_port_t notify, mach_port_mscount_t mscount);
void ipc_notify_send_once(ipc_port_t notify);

/* A bare header with an id. */
void ipc_notify_send_bare(ipc_port_t notify, mach_msg_id_t id);

/* Moves the receive right in `port` into the message; destroys it when it cannot be sent. */
void ipc_notify_port_destroyed(ipc_port_t notify, ipc_port_t port);
