/*
 * The kernel's MIG server: what a generated codec is given, and what it is helped with.
 *
 * mig_routines[] is generated from osfmk/mach/mig.abi. The server (ipc_kobject_server) finds the row of a
 * request's id, gives the codec a view of the request and room for the reply's data, and builds the reply
 * from what the codec left. Rights in the request stay the server's to release, except those that a codec has
 * cleared because the routine took them.
 *
 * The headers included here declare the routines: a codec calls the function of its name.
 */
#pragma once

#include <ipc/exc_actions.h>
#include <ipc/ipc.h>
#include <ipc/ipc_clock.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_processor.h>
#include <ipc/ipc_tt.h>
#include <ipc/kmsg.h>
#include <ipc/mach_port.h>
#include <ipc/port.h>
#include <ipc/space.h>
#include <ipc/task_suspension.h>
#include <ipc/task_token.h>
#include <ipc/voucher.h>
#include <kern/kern_types.h>
#include <kern/processor.h>
#include <kern/restartable.h>
#include <kern/sched_prim.h>
#include <kern/semaphore.h>
#include <kern/task.h>
#include <kern/task_policy.h>
#include <kern/thread.h>
#include <kern/thread_policy.h>
#include <mach/mach_types.h>
#include <mach/mig_errors.h>
#include <mach/ndr.h>
#include <vm/vm_map.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_named_entry.h>
#include <vm/vm_user.h>

/* For routines that look at the kind of their port. */
OS_INLINE ipc_port_t
convert_port_to_itself(ipc_port_t port)
{
	return port;
}

struct mig_request {
	ipc_port_t target;
	uint32_t ndesc;
	struct ipc_kmsg_desc *desc;
	const uint8_t *data; /* the NDR record and what follows it, four-byte aligned */
	uint32_t data_len;   /* bytes; 0 for a bare header */
	mach_msg_id_t id;
};

/* The codec sets retcode, and on KERN_SUCCESS the rest. */
struct mig_reply {
	kern_return_t retcode;
	uint32_t ndesc; /* not 0: a complex reply */
	struct ipc_kmsg_desc *desc;
	uint8_t *data; /* after RetCode, or after the NDR record of a complex reply; four-byte aligned */
	uint32_t data_len;
	uint32_t data_cap; /* at least the row's reply_bytes */
};

struct mig_routine {
	mach_msg_id_t id;
	void (*codec)(const struct mig_request *rq, struct mig_reply *rp);
	const char *name;
	uint32_t reply_bytes; /* the most data a reply has */
	uint32_t reply_desc;
};

/* Codecs by hand (`custom` in the table). */
#define MIG_CUSTOM(routine) void _X##routine(const struct mig_request *rq, struct mig_reply *rp)
MIG_CUSTOM(thread_get_exception_ports);
MIG_CUSTOM(thread_swap_exception_ports);
MIG_CUSTOM(task_get_exception_ports);
MIG_CUSTOM(task_swap_exception_ports);
MIG_CUSTOM(host_get_exception_ports);
MIG_CUSTOM(host_swap_exception_ports);
MIG_CUSTOM(task_get_exception_ports_info);
MIG_CUSTOM(thread_get_exception_ports_info);
MIG_CUSTOM(mach_port_peek);
MIG_CUSTOM(mach_vm_read_list);
MIG_CUSTOM(vm_read_list);
MIG_CUSTOM(mach_port_construct);
MIG_CUSTOM(thread_convert_thread_state);
MIG_CUSTOM(task_restartable_ranges_register);

extern const struct mig_routine mig_routines[]; /* sorted by id */
extern const uint32_t mig_routine_count;

/* The row of an id in such a table, or NULL. */
OS_INLINE const struct mig_routine *
mig_search_routine(const struct mig_routine *table, uint32_t count, mach_msg_id_t id)
{
	while (count > 1) {
		uint32_t half = count / 2;

		table = table[half].id <= id ? table + half : table;
		count -= half;
	}
	return count != 0 && table->id == id ? table : NULL;
}

/* Any disposition will do. */
#define MIG_PORT_ANY 0

/* True if the request has exactly `bytes` of data and `ndesc` descriptors. */
OS_INLINE bool
mig_check_request(const struct mig_request *rq, struct mig_reply *rp, uint32_t bytes, uint32_t ndesc)
{
	rp->retcode = rq->data_len == bytes && rq->ndesc == ndesc ? KERN_SUCCESS : MIG_BAD_ARGUMENTS;
	return rp->retcode == KERN_SUCCESS;
}

/* The same for `bytes` of fixed data followed by *count words, at most `limit`; count points into the fixed
 * data. */
OS_INLINE bool
mig_check_words(const struct mig_request *rq, struct mig_reply *rp, uint32_t bytes,
    const mach_msg_type_number_t *count, uint32_t limit, uint32_t ndesc)
{
	bool ok = rq->data_len >= bytes && rq->ndesc == ndesc && *count <= limit &&
		  rq->data_len == bytes + 4 * *count;

	rp->retcode = ok ? KERN_SUCCESS : MIG_BAD_ARGUMENTS;
	return ok;
}

/* True if descriptor `index` is a port with the disposition that a copyin gives to `expect`. */
OS_INLINE bool
mig_check_port(const struct mig_request *rq, struct mig_reply *rp, uint32_t index, uint32_t expect)
{
	const struct ipc_kmsg_desc *desc = &rq->desc[index];
	bool ok = desc->ikd_type == MACH_MSG_PORT_DESCRIPTOR &&
		  (expect == MIG_PORT_ANY || desc->ikd_disposition == expect);

	rp->retcode = ok ? KERN_SUCCESS : MIG_TYPE_ERROR;
	return ok;
}

/* True if descriptor `index` is memory of `count` elements. */
OS_INLINE bool
mig_check_ool(
    const struct mig_request *rq, struct mig_reply *rp, uint32_t index, uint32_t count, uint32_t element)
{
	const struct ipc_kmsg_desc *desc = &rq->desc[index];
	bool ok = desc->ikd_type == MACH_MSG_OOL_DESCRIPTOR && desc->ikd_size == (uint64_t)count * element;

	rp->retcode = ok ? KERN_SUCCESS : MIG_TYPE_ERROR;
	return ok;
}

OS_INLINE void
mig_put(uint8_t **cursor, const void *value, uint32_t bytes)
{
	__builtin_memcpy(*cursor, value, bytes);
	*cursor += bytes;
}

/* The reply takes the right. */
OS_INLINE void
mig_reply_port(struct mig_reply *rp, uint32_t index, ipc_port_t port, mach_msg_type_name_t disposition)
{
	rp->desc[index] = (struct ipc_kmsg_desc){
		.ikd_type = MACH_MSG_PORT_DESCRIPTOR,
		.ikd_disposition = (uint8_t)disposition,
		.ikd_port = port,
	};
}

/* The reply takes the copy; NULL is no memory. */
OS_INLINE void
mig_reply_ool(struct mig_reply *rp, uint32_t index, vm_map_copy_t copy, uint32_t bytes)
{
	rp->desc[index] = (struct ipc_kmsg_desc){
		.ikd_type = MACH_MSG_OOL_DESCRIPTOR,
		.ikd_copy = MACH_MSG_VIRTUAL_COPY,
		.ikd_deallocate = 1,
		.ikd_size = copy == NULL ? 0 : bytes,
		.ikd_copy_object = copy,
	};
}

/* The reply takes the rights and the kalloc'ed array. */
OS_INLINE void
mig_reply_ool_ports(
    struct mig_reply *rp, uint32_t index, ipc_port_t *ports, uint32_t count, mach_msg_type_name_t disposition)
{
	rp->desc[index] = (struct ipc_kmsg_desc){
		.ikd_type = MACH_MSG_OOL_PORTS_DESCRIPTOR,
		.ikd_disposition = (uint8_t)disposition,
		.ikd_copy = MACH_MSG_PHYSICAL_COPY,
		.ikd_deallocate = 1,
		.ikd_size = count,
		.ikd_ports = ports,
	};
}
