/* The table of names of a task, as mach_port_space_info tells it. */
#pragma once

#include <mach/port.h>
#include <mach/vm_types.h>

typedef struct ipc_info_space {
	natural_t iis_genno_mask; /* bits of a name that tell generations apart */
	natural_t iis_table_size; /* entries */
	natural_t iis_table_next; /* entries after the next growth */
	natural_t iis_tree_size;
	natural_t iis_tree_small;
	natural_t iis_tree_hash;
} ipc_info_space_t;

typedef struct ipc_info_space_basic {
	natural_t iisb_genno_mask;
	natural_t iisb_table_size;
	natural_t iisb_table_next;
	natural_t iisb_table_inuse;
	natural_t iisb_reserved[2];
} ipc_info_space_basic_t;

typedef struct ipc_info_name {
	mach_port_name_t iin_name;
	integer_t iin_collision;
	mach_port_type_t iin_type;
	mach_port_urefs_t iin_urefs;
	natural_t iin_object; /* kind of kernel object, 0 for a queue */
	natural_t iin_next;
	natural_t iin_hash;
} ipc_info_name_t;

typedef ipc_info_name_t *ipc_info_name_array_t;

typedef struct ipc_info_tree_name {
	ipc_info_name_t iitn_name;
	mach_port_name_t iitn_lchild;
	mach_port_name_t iitn_rchild;
} ipc_info_tree_name_t;

typedef ipc_info_tree_name_t *ipc_info_tree_name_array_t;

/* A port by numbers that tell it from others: not 0, and no addresses. The receiver's is 0 if the port has none. */
typedef struct ipc_info_port {
	natural_t iip_port_object;
	natural_t iip_receiver_object;
} ipc_info_port_t;

typedef ipc_info_port_t *exception_handler_info_array_t;

/* What mach_port_kobject_description says of an object, with its NUL. */
#define KOBJECT_DESCRIPTION_LENGTH 512
typedef char kobject_description_t[KOBJECT_DESCRIPTION_LENGTH];
