/*
 * The handles of the Mach interface.
 *
 * A program holds port names. The kernel's own task_t and its relatives are pointers and come from the
 * headers of the subsystem that owns the object, so with KERNEL defined this header leaves those names alone.
 */
#pragma once

#include <mach/boolean.h>
#include <mach/clock_types.h>
#include <mach/exception_types.h>
#include <mach/host_info.h>
#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>
#include <mach/processor_info.h>
#include <mach/restartable.h>
#include <mach/task_info.h>
#include <mach/task_policy.h>
#include <mach/thread_info.h>
#include <mach/thread_policy.h>
#include <mach/thread_status.h>
#include <mach/vm_attributes.h>
#include <mach/vm_behavior.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_purgable.h>
#include <mach/vm_region.h>
#include <mach/vm_statistics.h>
#include <mach/vm_sync.h>
#include <mach/vm_types.h>

#ifndef KERNEL
typedef mach_port_t task_t;
typedef mach_port_t task_name_t;
typedef mach_port_t task_inspect_t;
typedef mach_port_t task_read_t;
typedef mach_port_t thread_t;
typedef mach_port_t thread_act_t;
typedef mach_port_t thread_inspect_t;
typedef mach_port_t thread_read_t;
typedef mach_port_t ipc_space_t;
typedef mach_port_t ipc_space_read_t;
typedef mach_port_t ipc_space_inspect_t;
typedef mach_port_t vm_map_t;
typedef mach_port_t vm_map_read_t;
typedef mach_port_t vm_map_inspect_t;
typedef mach_port_t host_t;
typedef mach_port_t host_priv_t;
typedef mach_port_t processor_t;
typedef mach_port_t processor_set_t;
typedef mach_port_t processor_set_control_t;
typedef mach_port_t processor_set_name_t;
typedef mach_port_t *processor_array_t;
typedef mach_port_t *processor_set_array_t;
typedef mach_port_t *processor_set_name_array_t;
typedef mach_port_t semaphore_t;
typedef mach_port_t clock_serv_t;
typedef mach_port_t clock_ctrl_t;
typedef mach_port_t clock_reply_t;
typedef mach_port_t task_id_token_t;
typedef mach_port_t task_suspension_token_t;
typedef mach_port_t mem_entry_name_port_t;
typedef mach_port_t mem_entry_t; /* ... as the target of the calls on entries */
typedef mach_port_t memory_object_name_t;
typedef mach_port_t exception_handler_t;

typedef task_t *task_array_t;
typedef thread_act_t *thread_act_array_t;
typedef exception_handler_t *exception_handler_array_t;

#define TASK_NULL          ((task_t)0)
#define HOST_PRIV_NULL     ((host_priv_t)0)
#define PROCESSOR_NULL     ((processor_t)0)
#define PROCESSOR_SET_NULL ((processor_set_t)0)
#define CLOCK_NULL         ((clock_serv_t)0)
#define THREAD_NULL        ((thread_t)0)
#define SEMAPHORE_NULL     ((semaphore_t)0)
#define HOST_NULL          ((host_t)0)
#endif
