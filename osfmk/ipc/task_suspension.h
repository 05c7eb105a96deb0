/*
 * Suspension tokens: a stop of a task that whoever asked for it cannot forget.
 *
 * A token is a send-once right to a port that the task has for them; there are as many rights as stops that tokens
 * stand for. However a right goes, the task is resumed once: by task_resume2, which is sent to it; by a message that
 * means nothing; unused, because its holder gave it up or ended.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

/* MIG routines. Suspend leaves a token with the caller; a token that was sent to is taken back with its message. */
kern_return_t task_suspend2(task_t task, ipc_port_t *token);
kern_return_t task_resume2(task_t task);
task_t convert_port_to_task_suspension_token(ipc_port_t port);

/* A token has gone; the right is the caller's to release. May block. */
void task_suspension_token_gone(ipc_port_t port);
