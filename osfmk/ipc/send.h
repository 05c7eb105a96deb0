/*
 * Sending a message that is in kernel form.
 */
#pragma once

#include <ipc/kmsg.h>

/*
 * Queues the message, or hands it to a receiver, or serves it if the destination is a kernel object. Consumes
 * it on success; a dead destination is success. MACH_SEND_TIMED_OUT and MACH_SEND_INTERRUPTED leave the
 * message to the caller. timeout_ms counts only with MACH_SEND_TIMEOUT. May block.
 */
OS_WARN_RESULT mach_msg_return_t ipc_kmsg_send(ipc_kmsg_t kmsg, uint32_t option, uint32_t timeout_ms);

/* The kernel's own messages: ignore the queue limit, never block, cannot fail. Preemption may be off. */
void ipc_kmsg_send_always(ipc_kmsg_t kmsg);
