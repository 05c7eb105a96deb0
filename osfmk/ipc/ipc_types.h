/*
 * Names of the IPC objects, for headers that only pass pointers around.
 */
#pragma once

#include <mach/message.h>
#include <mach/port.h>
#include <os/base.h>

typedef struct ipc_port *ipc_port_t;
typedef struct ipc_pset *ipc_pset_t;
typedef struct ipc_space *ipc_space_t;
typedef struct ipc_kmsg *ipc_kmsg_t;
typedef struct ipc_entry *ipc_entry_t;

/* A right in the kernel's hands is a pointer; these two stand for "no right" and "the port is dead". */
#define IP_NULL     ((ipc_port_t)0)
#define IP_DEAD     ((ipc_port_t)~0UL)
#define IP_VALID(p) ((uintptr_t)(p) + 1 > 1)

#define IS_NULL  ((ipc_space_t)0)
#define IKM_NULL ((ipc_kmsg_t)0)
#define IPS_NULL ((ipc_pset_t)0)
