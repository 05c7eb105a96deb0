/*
 * Mach IPC: ports, rights, messages.
 *
 * A port is a queue of messages with one receive right and any number of send rights. A task holds rights in
 * its space under 32-bit names. A message carries data and rights. Kernel objects are reached by sending to
 * their ports.
 *
 * Files, from the bottom
 *	mqueue       the queue word of a port: the lock-free part of every send (head essay there)
 *	name_table   name -> entry: the lock-free part of every look-up (head essay there)
 *	port, pset   the objects; space  names of a task; right  what a name may do
 *	kmsg         messages: copyin, send, copyout; msg_decode  what one may look like
 *	mach_msg     the traps, receive with its continuation; mach_msg_fastpath  the RPC fast path
 *	notify       messages the kernel sends about rights
 *	mach_port    the mach_port_* calls; mach_port_traps  their _kernelrpc_ short cuts
 *	ipc_kobject  kernel objects and the MIG server; mig_codecs  what the table of routines cannot say;
 *	             kobject_call  a call without a message
 *	ipc_tt       ports of tasks and threads, of every flavor; task_pid  tasks by process number;
 *	             task_suspension  stops that end with their token
 *	exc_actions  who hears of an exception; exc_message  asking and waiting, exc_direct  straight to a
 *	             handler that waits on this CPU, exc_wire  layouts (<kern/exception.h> has the search)
 *	ipc_host, ipc_clock, ipc_processor  the host's objects; task_token  a task's name without power
 *	mk_timer     timers as ports; voucher  the empty one
 *	mach_port_list, mach_port_info, zone_info  what tools ask
 *
 * Locks, in the order they are taken: space (is_lock), transit (ipc_transit_lock), port (ip_lock), set
 * (ips_lock), then the scheduler's. All are spin locks held for a bounded time; nothing is allocated, freed
 * or copied to or from user memory under one. A port's or set's lock is the receiver's: senders do not take it unless
 * several receivers, several sets or a full queue are involved. The RPC fast path takes none.
 *
 * A send: copyin (rights leave the sender's space), mq_send (push or take the waiting receiver), and in the
 * second case hand the message to that thread. A receive: mq_receive_lone or, under the lock, the outbox;
 * else wait in a continuation, and copyout in whatever thread got the message.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* Zones, the kernel's space, host and clock ports. Once, before the first task besides kernel_task. */
void ipc_init(void);

kern_return_t ipc_space_create(struct task *task, ipc_space_t *space);
void ipc_space_terminate(ipc_space_t space); /* all rights go; names are gone for good */
void ipc_space_release(ipc_space_t space);

/*
 * The IPC half of a task's and a thread's life; called by kern. `parent` gives the inherited
 * ports; a new thread is all 0.
 */
kern_return_t ipc_task_init(task_t task, task_t parent);
void ipc_task_disable(task_t task);   /* its ports convert no longer (termination begins) */
void ipc_task_terminate(task_t task); /* last thread is gone */
kern_return_t ipc_thread_init(thread_t thread);
void ipc_thread_disable(thread_t thread);
void ipc_thread_terminate(thread_t thread);

/*
 * How often a combined send and receive of the right shape left the fast path, by enum fast_leave of
 * mach_msg_fastpath.h; NULL in release builds.
 */
const uint64_t *ipc_fast_leaves(unsigned *count);

/*
 * The calling thread's next call finds that another CPU was there first: for FAST_LEAVE_NO_TRANSIT and the races. Of
 * several callers the last counts. False: no such reason, or a release build.
 */
bool ipc_fast_lose(uint32_t reason);

/* Puts a send right into a space. Consumes it; MACH_PORT_NULL or MACH_PORT_DEAD when there is none. */
mach_port_name_t ipc_port_copyout_send(ipc_port_t sright, ipc_space_t space);

/*
 * The name of a thread of the thread library in its task, which keeps the last reference until the thread ends or is
 * unpinned: by the thread itself, or at exec.
 */
mach_port_name_t ipc_thread_copyout_pinned(thread_t thread);
void ipc_thread_unpin(thread_t thread);

/*
 * The thread begins a program: not started yet, or the caller at exec. Its name is pinned like those of the threads that
 * the library makes, but only once it asks for itself: few programs do. The reference that the library then owns is the
 * one that stays when the program has given back what it was given.
 */
void ipc_thread_begins_program(thread_t thread);
