/*
 * mach_msg: headers, descriptors, trailers, options and result codes.
 *
 * Every structure is packed to four bytes: a 64-bit member may lie on a four-byte boundary. A message is the
 * header, for complex ones the descriptor count and the descriptors, then the body; a receive appends a
 * trailer at the next four-byte boundary after msgh_size.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/vm_types.h>

typedef natural_t mach_msg_timeout_t;
typedef unsigned int mach_msg_bits_t;
typedef natural_t mach_msg_size_t;
typedef integer_t mach_msg_id_t;
typedef unsigned int mach_msg_priority_t;
typedef unsigned int mach_msg_type_name_t;
typedef unsigned int mach_msg_copy_options_t;
typedef unsigned int mach_msg_guard_flags_t;
typedef unsigned int mach_msg_descriptor_type_t;
typedef unsigned int mach_msg_trailer_type_t;
typedef char *mach_msg_trailer_info_t;
typedef unsigned int mach_msg_trailer_size_t;
typedef natural_t mach_msg_type_size_t;
typedef natural_t mach_msg_type_number_t;
typedef integer_t mach_msg_option_t;
typedef integer_t mach_msg_options_t;
typedef uint64_t mach_msg_option64_t;
typedef kern_return_t mach_msg_return_t;
typedef int mach_msg_filter_id;

#define MACH_MSG_TIMEOUT_NONE 0

/* msgh_bits. */
#define MACH_MSGH_BITS_ZERO          0x0
#define MACH_MSGH_BITS_REMOTE_MASK   0x1f
#define MACH_MSGH_BITS_LOCAL_MASK    0x1f00
#define MACH_MSGH_BITS_VOUCHER_MASK  0x1f0000
#define MACH_MSGH_BITS_PORTS_MASK    0x1f1f1f
#define MACH_MSGH_BITS_COMPLEX       0x80000000U
#define MACH_MSGH_BITS_USER          0x801f1f1fU
#define MACH_MSGH_BITS_RAISEIMP      0x20000000
#define MACH_MSGH_BITS_DENAP         MACH_MSGH_BITS_RAISEIMP
#define MACH_MSGH_BITS_IMPHOLDASRT   0x10000000
#define MACH_MSGH_BITS_DENAPHOLDASRT MACH_MSGH_BITS_IMPHOLDASRT
#define MACH_MSGH_BITS_CIRCULAR      0x10000000
#define MACH_MSGH_BITS_USED          0xb01f1f1fU

#define MACH_MSGH_BITS(remote, local) ((mach_msg_bits_t)((remote) | ((local) << 8)))
#define MACH_MSGH_BITS_SET_PORTS(remote, local, voucher)                                          \
	(((remote) & MACH_MSGH_BITS_REMOTE_MASK) | (((local) << 8) & MACH_MSGH_BITS_LOCAL_MASK) | \
	    (((voucher) << 16) & MACH_MSGH_BITS_VOUCHER_MASK))
#define MACH_MSGH_BITS_SET(remote, local, voucher, other) \
	(MACH_MSGH_BITS_SET_PORTS((remote), (local), (voucher)) | ((other) & ~MACH_MSGH_BITS_PORTS_MASK))
#define MACH_MSGH_BITS_REMOTE(bits)     ((bits) & MACH_MSGH_BITS_REMOTE_MASK)
#define MACH_MSGH_BITS_LOCAL(bits)      (((bits) & MACH_MSGH_BITS_LOCAL_MASK) >> 8)
#define MACH_MSGH_BITS_VOUCHER(bits)    (((bits) & MACH_MSGH_BITS_VOUCHER_MASK) >> 16)
#define MACH_MSGH_BITS_PORTS(bits)      ((bits) & MACH_MSGH_BITS_PORTS_MASK)
#define MACH_MSGH_BITS_OTHER(bits)      ((bits) & ~MACH_MSGH_BITS_PORTS_MASK)
#define MACH_MSGH_BITS_IS_COMPLEX(bits) (((bits) & MACH_MSGH_BITS_COMPLEX) != 0)

/* Dispositions: what a sender asks for, then (PORT_*) what a receiver is told it got. */
#define MACH_MSG_TYPE_PORT_NONE         0
#define MACH_MSG_TYPE_PORT_NAME         15
#define MACH_MSG_TYPE_MOVE_RECEIVE      16
#define MACH_MSG_TYPE_MOVE_SEND         17
#define MACH_MSG_TYPE_MOVE_SEND_ONCE    18
#define MACH_MSG_TYPE_COPY_SEND         19
#define MACH_MSG_TYPE_MAKE_SEND         20
#define MACH_MSG_TYPE_MAKE_SEND_ONCE    21
#define MACH_MSG_TYPE_COPY_RECEIVE      22
#define MACH_MSG_TYPE_LAST              22
#define MACH_MSG_TYPE_DISPOSE_RECEIVE   24
#define MACH_MSG_TYPE_DISPOSE_SEND      25
#define MACH_MSG_TYPE_DISPOSE_SEND_ONCE 26
#define MACH_MSG_TYPE_PORT_RECEIVE      16
#define MACH_MSG_TYPE_PORT_SEND         17
#define MACH_MSG_TYPE_PORT_SEND_ONCE    18
#define MACH_MSG_TYPE_POLYMORPHIC       0xffffffffU

#define MACH_MSG_TYPE_PORT_ANY(x)      ((x) >= MACH_MSG_TYPE_MOVE_RECEIVE && (x) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_SEND(x) ((x) >= MACH_MSG_TYPE_MOVE_SEND && (x) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_RIGHT(x) \
	((x) >= MACH_MSG_TYPE_MOVE_RECEIVE && (x) <= MACH_MSG_TYPE_MOVE_SEND_ONCE)

/* Copy options of out-of-line memory. */
#define MACH_MSG_PHYSICAL_COPY 0
#define MACH_MSG_VIRTUAL_COPY  1
#define MACH_MSG_ALLOCATE      2
#define MACH_MSG_OVERWRITE     3

/* Descriptor kinds; the kind is the byte at offset 11 of each. */
#define MACH_MSG_PORT_DESCRIPTOR         0
#define MACH_MSG_OOL_DESCRIPTOR          1
#define MACH_MSG_OOL_PORTS_DESCRIPTOR    2
#define MACH_MSG_OOL_VOLATILE_DESCRIPTOR 3
#define MACH_MSG_GUARDED_PORT_DESCRIPTOR 4
#define MACH_MSG_DESCRIPTOR_MAX          4

#define MACH_MSG_GUARD_FLAGS_NONE              0x0
#define MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE 0x1
#define MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND 0x2
#define MACH_MSG_GUARD_FLAGS_MASK              0x3

#pragma pack(push, 4)

typedef struct {
	mach_msg_bits_t msgh_bits;
	mach_msg_size_t msgh_size;
	mach_port_t msgh_remote_port;
	mach_port_t msgh_local_port;
	mach_port_name_t msgh_voucher_port;
	mach_msg_id_t msgh_id;
} mach_msg_header_t;

typedef struct {
	mach_msg_size_t msgh_descriptor_count;
} mach_msg_body_t;

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
} mach_msg_base_t;

typedef struct {
	natural_t pad1;
	mach_msg_size_t pad2;
	unsigned int pad3 : 24;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_type_descriptor_t;

typedef struct {
	mach_port_t name;
	mach_msg_size_t pad1;
	unsigned int pad2 : 16;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_port_descriptor_t;

typedef struct {
	void *address;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	unsigned int pad1 : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_msg_size_t size;
} mach_msg_ool_descriptor_t;

typedef struct {
	void *address;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_msg_size_t count;
} mach_msg_ool_ports_descriptor_t;

typedef struct {
	mach_port_context_t context;
	mach_msg_guard_flags_t flags : 16;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_port_name_t name;
} mach_msg_guarded_port_descriptor_t;

/* As tasks with pointers of 64 bits lay them out, whatever this one's are. */
typedef struct {
	uint64_t address;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	unsigned int pad1 : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_msg_size_t size;
} mach_msg_ool_descriptor64_t;

typedef struct {
	uint64_t address;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_msg_size_t count;
} mach_msg_ool_ports_descriptor64_t;

typedef struct {
	mach_port_context_t context;
	mach_msg_guard_flags_t flags : 16;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_port_name_t name;
} mach_msg_guarded_port_descriptor64_t;

/* And of 32 bits. */
typedef struct {
	uint32_t address;
	mach_msg_size_t size;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	unsigned int pad1 : 8;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_ool_descriptor32_t;

typedef struct {
	uint32_t address;
	mach_msg_size_t count;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_ool_ports_descriptor32_t;

typedef struct {
	uint32_t context;
	mach_port_name_t name;
	mach_msg_guard_flags_t flags : 16;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_guarded_port_descriptor32_t;

typedef union {
	mach_msg_port_descriptor_t port;
	mach_msg_ool_descriptor_t out_of_line;
	mach_msg_ool_ports_descriptor_t ool_ports;
	mach_msg_type_descriptor_t type;
	mach_msg_guarded_port_descriptor_t guarded_port;
} mach_msg_descriptor_t;

/* mach_msg2 with MACH64_MSG_VECTOR: [0] is the message, [1] auxiliary data. */
typedef struct {
	mach_vm_address_t msgv_data;
	mach_vm_address_t msgv_rcv_addr; /* 0: receive into msgv_data */
	mach_msg_size_t msgv_send_size;
	mach_msg_size_t msgv_rcv_size;
} mach_msg_vector_t;

typedef struct {
	mach_msg_size_t msgdh_size;
	uint32_t msgdh_reserved;
} mach_msg_aux_header_t;

typedef struct {
	unsigned int val[2];
} security_token_t;

typedef struct {
	unsigned int val[8];
} audit_token_t;

typedef struct {
	mach_port_name_t sender;
} msg_labels_t;

/* Each longer trailer starts with the shorter one. */
typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
} mach_msg_trailer_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
	mach_port_seqno_t msgh_seqno;
} mach_msg_seqno_trailer_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
	mach_port_seqno_t msgh_seqno;
	security_token_t msgh_sender;
} mach_msg_security_trailer_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
	mach_port_seqno_t msgh_seqno;
	security_token_t msgh_sender;
	audit_token_t msgh_audit;
} mach_msg_audit_trailer_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
	mach_port_seqno_t msgh_seqno;
	security_token_t msgh_sender;
	audit_token_t msgh_audit;
	mach_port_context_t msgh_context;
} mach_msg_context_trailer_t;

typedef struct {
	mach_msg_trailer_type_t msgh_trailer_type;
	mach_msg_trailer_size_t msgh_trailer_size;
	mach_port_seqno_t msgh_seqno;
	security_token_t msgh_sender;
	audit_token_t msgh_audit;
	mach_port_context_t msgh_context;
	mach_msg_filter_id msgh_ad;
	msg_labels_t msgh_labels;
} mach_msg_mac_trailer_t;

typedef mach_msg_mac_trailer_t mach_msg_max_trailer_t;
typedef mach_msg_security_trailer_t mach_msg_format_0_trailer_t;

typedef struct {
	mach_msg_header_t header;
} mach_msg_empty_send_t;

typedef struct {
	mach_msg_header_t header;
	mach_msg_trailer_t trailer;
} mach_msg_empty_rcv_t;

#pragma pack(pop)

#define MACH_MSG_TRAILER_MINIMUM_SIZE  sizeof(mach_msg_trailer_t)
#define MACH_MSG_TRAILER_FORMAT_0      0
#define MACH_MSG_TRAILER_FORMAT_0_SIZE sizeof(mach_msg_format_0_trailer_t)
#define MAX_TRAILER_SIZE               ((mach_msg_size_t)sizeof(mach_msg_max_trailer_t))

/* Send and receive options, 32 bits. */
#define MACH_MSG_OPTION_NONE             0
#define MACH_SEND_MSG                    0x1
#define MACH_RCV_MSG                     0x2
#define MACH_RCV_LARGE                   0x4
#define MACH_RCV_LARGE_IDENTITY          0x8
#define MACH_SEND_TIMEOUT                0x10
#define MACH_SEND_OVERRIDE               0x20
#define MACH_SEND_INTERRUPT              0x40
#define MACH_SEND_NOTIFY                 0x80
#define MACH_RCV_TIMEOUT                 0x100
#define MACH_MSG_STRICT_REPLY            0x200
#define MACH_RCV_INTERRUPT               0x400
#define MACH_RCV_VOUCHER                 0x800
#define MACH_RCV_GUARDED_DESC            0x1000
#define MACH_RCV_SYNC_WAIT               0x4000
#define MACH_RCV_SYNC_PEEK               0x8000
#define MACH_SEND_FILTER_NONFATAL        0x10000
#define MACH_SEND_TRAILER                0x20000
#define MACH_SEND_NOIMPORTANCE           0x40000
#define MACH_SEND_IMPORTANCE             0x80000
#define MACH_SEND_SYNC_OVERRIDE          0x100000
#define MACH_SEND_PROPAGATE_QOS          0x200000
#define MACH_SEND_KERNEL                 0x400000
#define MACH_SEND_SYNC_BOOTSTRAP_CHECKIN 0x800000
#define MACH_RCV_OVERWRITE               0x0
#define MACH_RCV_NOTIFY                  0x0

#define MACH_RCV_TRAILER_NULL        0
#define MACH_RCV_TRAILER_SEQNO       1
#define MACH_RCV_TRAILER_SENDER      2
#define MACH_RCV_TRAILER_AUDIT       3
#define MACH_RCV_TRAILER_CTX         4
#define MACH_RCV_TRAILER_AV          7
#define MACH_RCV_TRAILER_LABELS      8
#define MACH_RCV_TRAILER_TYPE(x)     (((x) & 0xf) << 28)
#define MACH_RCV_TRAILER_ELEMENTS(x) (((x) & 0xf) << 24)
#define MACH_RCV_TRAILER_MASK        (0xfU << 24) /* the elements; the type lies above them */
#define GET_RCV_ELEMENTS(option)     (((option) >> 24) & 0xf)

/* Options of mach_msg2 above the 32 bits: exactly one of the four kinds goes with a send. */
#define MACH64_MSG_VECTOR        0x0000000100000000ULL
#define MACH64_SEND_KOBJECT_CALL 0x0000000200000000ULL
#define MACH64_SEND_MQ_CALL      0x0000000400000000ULL
#define MACH64_SEND_ANY          0x0000000800000000ULL
#define MACH64_SEND_DK_CALL      0x0000001000000000ULL

/* Limits. */
#define MACH_MSG_BODY_MAX_BYTES 50331580u /* 64 MiB * 3/4 - the largest trailer */
#define MACH_MSG_RIGHTS_MAX     16383u    /* port rights in one message, in line and out of line */
#define MACH_MSG_AUX_MIN_BYTES  8u
#define MACH_MSG_AUX_MAX_BYTES  1024u

/* Results. */
#define MACH_MSG_SUCCESS              0x0
#define MACH_MSG_VM_KERNEL            0x400
#define MACH_MSG_IPC_KERNEL           0x800
#define MACH_MSG_VM_SPACE             0x1000
#define MACH_MSG_IPC_SPACE            0x2000
#define MACH_SEND_IN_PROGRESS         0x10000001
#define MACH_SEND_INVALID_DATA        0x10000002
#define MACH_SEND_INVALID_DEST        0x10000003
#define MACH_SEND_TIMED_OUT           0x10000004
#define MACH_SEND_INVALID_VOUCHER     0x10000005
#define MACH_SEND_INTERRUPTED         0x10000007
#define MACH_SEND_MSG_TOO_SMALL       0x10000008
#define MACH_SEND_INVALID_REPLY       0x10000009
#define MACH_SEND_INVALID_RIGHT       0x1000000a
#define MACH_SEND_INVALID_NOTIFY      0x1000000b
#define MACH_SEND_INVALID_MEMORY      0x1000000c
#define MACH_SEND_NO_BUFFER           0x1000000d
#define MACH_SEND_TOO_LARGE           0x1000000e
#define MACH_SEND_INVALID_TYPE        0x1000000f
#define MACH_SEND_INVALID_HEADER      0x10000010
#define MACH_SEND_INVALID_TRAILER     0x10000011
#define MACH_SEND_INVALID_CONTEXT     0x10000012
#define MACH_SEND_INVALID_OPTIONS     0x10000013
#define MACH_SEND_INVALID_RT_OOL_SIZE 0x10000015
#define MACH_SEND_NO_GRANT_DEST       0x10000016
#define MACH_SEND_MSG_FILTERED        0x10000017
#define MACH_SEND_AUX_TOO_SMALL       0x10000018
#define MACH_SEND_AUX_TOO_LARGE       0x10000019
#define MACH_RCV_IN_PROGRESS          0x10004001
#define MACH_RCV_INVALID_NAME         0x10004002
#define MACH_RCV_TIMED_OUT            0x10004003
#define MACH_RCV_TOO_LARGE            0x10004004
#define MACH_RCV_INTERRUPTED          0x10004005
#define MACH_RCV_PORT_CHANGED         0x10004006
#define MACH_RCV_INVALID_NOTIFY       0x10004007
#define MACH_RCV_INVALID_DATA         0x10004008
#define MACH_RCV_PORT_DIED            0x10004009
#define MACH_RCV_IN_SET               0x1000400a
#define MACH_RCV_HEADER_ERROR         0x1000400b
#define MACH_RCV_BODY_ERROR           0x1000400c
#define MACH_RCV_INVALID_TYPE         0x1000400d
#define MACH_RCV_SCATTER_SMALL        0x1000400e
#define MACH_RCV_INVALID_TRAILER      0x1000400f
#define MACH_RCV_IN_PROGRESS_TIMED    0x10004011
#define MACH_RCV_INVALID_REPLY        0x10004012
#define MACH_RCV_INVALID_ARGUMENTS    0x10004013
#define MACH_MSG_MASK                 0x3e00

_Static_assert(sizeof(mach_msg_header_t) == 24, "mach_msg_header_t");
_Static_assert(sizeof(mach_msg_base_t) == 28, "mach_msg_base_t");
_Static_assert(sizeof(mach_msg_port_descriptor_t) == 12, "port descriptor");
_Static_assert(sizeof(mach_msg_ool_descriptor_t) == 16, "OOL descriptor");
_Static_assert(sizeof(mach_msg_ool_ports_descriptor_t) == 16, "OOL ports descriptor");
_Static_assert(sizeof(mach_msg_guarded_port_descriptor_t) == 16, "guarded port descriptor");
_Static_assert(sizeof(mach_msg_type_descriptor_t) == 12, "any descriptor: its kind");
_Static_assert(sizeof(mach_msg_vector_t) == 24, "mach_msg_vector_t");
_Static_assert(sizeof(mach_msg_trailer_t) == 8, "trailer, null form");
_Static_assert(sizeof(mach_msg_seqno_trailer_t) == 12, "trailer, seqno form");
_Static_assert(sizeof(mach_msg_security_trailer_t) == 20, "trailer, sender form");
_Static_assert(sizeof(mach_msg_audit_trailer_t) == 52, "trailer, audit form");
_Static_assert(sizeof(mach_msg_context_trailer_t) == 60, "trailer, context form");
_Static_assert(sizeof(mach_msg_mac_trailer_t) == 68, "trailer, longest form");

#define MACH_MSG_DESCRIPTOR_NULL ((mach_msg_descriptor_t *)0)

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout, mach_port_name_t notify);
mach_msg_return_t mach_msg_overwrite(mach_msg_header_t *msg, mach_msg_option_t option,
    mach_msg_size_t send_size, mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
    mach_msg_timeout_t timeout, mach_port_name_t notify, mach_msg_header_t *rcv_msg,
    mach_msg_size_t rcv_limit);
mach_msg_return_t mach_msg2(mach_msg_header_t *msg, mach_msg_option64_t option64, mach_msg_size_t send_size,
    mach_msg_size_t rcv_size, mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
    mach_msg_priority_t priority);
mach_msg_return_t mach_msg_send(mach_msg_header_t *msg);
mach_msg_return_t mach_msg_receive(mach_msg_header_t *msg);
void mach_msg_destroy(mach_msg_header_t *msg);

__END_DECLS
#endif
