/*
 * What IPC keeps in every task: its name space and its special ports.
 *
 * `space` is set before the task's first thread runs and stays until the last one is gone. The special ports are
 * naked send rights under `lock`; IP_NULL where there is none.
 */
#pragma once

#include <ipc/exc_actions.h>
#include <ipc/ipc_types.h>
#include <kern/locks.h>
#include <mach/task_info.h>

#define TASK_PORT_REGISTER_MAX 3
#define TASK_FLAVOR_COUNT      (TASK_FLAVOR_NAME + 1)

struct ipc_task_state {
	ipc_space_t space;

	/* For trailers; bsd writes them before the first thread runs. */
	security_token_t sec_token; /* effective uid, gid; the kernel is { 0, 1 } */
	audit_token_t
	    audit_token; /* auid, euid, egid, ruid, rgid, pid, asid (0), pidversion: unique_id's low word */

	lck_spin_t lock;
	ipc_port_t
	    flavor[TASK_FLAVOR_COUNT]; /* (a) the task's own ports, by TASK_FLAVOR_*; made when asked for */
	ipc_port_t suspension;         /* (a) where suspension tokens lead to; made when first asked for */
	ipc_port_t host;               /* (l) what host_self answers */
	ipc_port_t bootstrap;          /* (l) inherited */
	ipc_port_t access;             /* (l) inherited */
	ipc_port_t debug_control;      /* (l) */
	ipc_port_t resource_notify;    /* (l) */
	ipc_port_t registered[TASK_PORT_REGISTER_MAX]; /* (l) inherited */
	struct exc_actions exc_actions;                /* own lock; inherited */
	uint32_t exc_guard_behavior;                   /* (a) TASK_EXC_GUARD_*; inherited */
};
