/*
 * Task identity tokens: a port that says which task is meant and gives no power over it. The token keeps the task's
 * structure, not the task, alive; it ends with its last send right.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>
#include <mach/task_info.h>

/* A send right to a new token; IP_NULL: no memory. */
ipc_port_t task_make_id_token(task_t task);

/* The last send right to a token has gone. */
void task_id_token_no_senders(ipc_port_t port);

/* MIG routines. A token is handed in as a port, which stays the caller's. */
kern_return_t task_create_identity_token(task_t task, ipc_port_t *token);
task_t convert_port_to_task_id_token(ipc_port_t port);
kern_return_t task_identity_token_get_task_port(task_t of_token, task_flavor_t flavor, ipc_port_t *port);
