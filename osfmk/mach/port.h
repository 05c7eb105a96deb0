/*
 * Port names, rights and the structures of the mach_port_* calls.
 *
 * A name is an index and an eight-bit generation; the low two bits of every valid name are set.
 */
#pragma once

#include <mach/boolean.h>
#include <mach/vm_types.h>

typedef natural_t mach_port_name_t;
typedef mach_port_name_t *mach_port_name_array_t;

/* What a program holds in place of a right; on the wire it is the name in the receiver's space. */
typedef mach_port_name_t mach_port_t;
typedef mach_port_t *mach_port_array_t;

#define MACH_PORT_NULL        0
#define MACH_PORT_DEAD        ((mach_port_name_t)~0U)
#define MACH_PORT_VALID(name) ((name) != MACH_PORT_NULL && (name) != MACH_PORT_DEAD)

#define MACH_PORT_INDEX(name)      ((name) >> 8)
#define MACH_PORT_GEN(name)        ((name) & 0xffU)
#define MACH_PORT_MAKE(index, gen) (((index) << 8) | (gen))

typedef natural_t mach_port_right_t;

#define MACH_PORT_RIGHT_SEND      0
#define MACH_PORT_RIGHT_RECEIVE   1
#define MACH_PORT_RIGHT_SEND_ONCE 2
#define MACH_PORT_RIGHT_PORT_SET  3
#define MACH_PORT_RIGHT_DEAD_NAME 4
#define MACH_PORT_RIGHT_LABELH    5
#define MACH_PORT_RIGHT_NUMBER    6

/* One bit for each right, plus what is registered for the name. */
typedef natural_t mach_port_type_t;
typedef mach_port_type_t *mach_port_type_array_t;

#define MACH_PORT_TYPE_NONE              0x0
#define MACH_PORT_TYPE_SEND              0x10000
#define MACH_PORT_TYPE_RECEIVE           0x20000
#define MACH_PORT_TYPE_SEND_RECEIVE      0x30000
#define MACH_PORT_TYPE_SEND_ONCE         0x40000
#define MACH_PORT_TYPE_SEND_RIGHTS       0x50000
#define MACH_PORT_TYPE_PORT_RIGHTS       0x70000
#define MACH_PORT_TYPE_PORT_SET          0x80000
#define MACH_PORT_TYPE_DEAD_NAME         0x100000
#define MACH_PORT_TYPE_PORT_OR_DEAD      0x170000
#define MACH_PORT_TYPE_ALL_RIGHTS        0x1f0000
#define MACH_PORT_TYPE_LABELH            0x200000
#define MACH_PORT_TYPE_SPREQUEST_DELAYED 0x20000000
#define MACH_PORT_TYPE_SPREQUEST         0x40000000
#define MACH_PORT_TYPE_DNREQUEST         0x80000000U

typedef natural_t mach_port_urefs_t;
typedef integer_t mach_port_delta_t;
typedef natural_t mach_port_seqno_t;
typedef natural_t mach_port_mscount_t;
typedef natural_t mach_port_msgcount_t;
typedef natural_t mach_port_rights_t;
typedef uint64_t mach_port_context_t;

/* User references peg here: once reached only a delta of exactly minus this value moves the count. */
#define MACH_PORT_UREFS_MAX 0xffff

typedef unsigned int mach_port_srights_t;

#define MACH_PORT_SRIGHTS_NONE    0
#define MACH_PORT_SRIGHTS_PRESENT 1

#define MACH_PORT_QLIMIT_ZERO    0
#define MACH_PORT_QLIMIT_BASIC   5
#define MACH_PORT_QLIMIT_SMALL   16
#define MACH_PORT_QLIMIT_LARGE   0x400
#define MACH_PORT_QLIMIT_KERNEL  65534
#define MACH_PORT_QLIMIT_MIN     0
#define MACH_PORT_QLIMIT_DEFAULT 5
#define MACH_PORT_QLIMIT_MAX     0x400

typedef struct mach_port_status {
	mach_port_rights_t mps_pset;
	mach_port_seqno_t mps_seqno;
	mach_port_mscount_t mps_mscount;
	mach_port_msgcount_t mps_qlimit;
	mach_port_msgcount_t mps_msgcount;
	mach_port_rights_t mps_sorights;
	boolean_t mps_srights;
	boolean_t mps_pdrequest;
	boolean_t mps_nsrequest;
	natural_t mps_flags;
} mach_port_status_t;

#define MACH_PORT_STATUS_FLAG_TEMPOWNER               0x1
#define MACH_PORT_STATUS_FLAG_GUARDED                 0x2
#define MACH_PORT_STATUS_FLAG_STRICT_GUARD            0x4
#define MACH_PORT_STATUS_FLAG_IMP_DONATION            0x8
#define MACH_PORT_STATUS_FLAG_REVIVE                  0x10
#define MACH_PORT_STATUS_FLAG_TASKPTR                 0x20
#define MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE 0x40
#define MACH_PORT_STATUS_FLAG_NO_GRANT                0x80

typedef struct mach_port_limits {
	mach_port_msgcount_t mpl_qlimit;
} mach_port_limits_t;

typedef struct mach_port_info_ext {
	mach_port_status_t mpie_status;
	mach_port_msgcount_t mpie_boost_cnt;
	uint32_t reserved[6];
} mach_port_info_ext_t;

typedef struct mach_port_guard_info {
	uint64_t mpgi_guard;
} mach_port_guard_info_t;

typedef integer_t *mach_port_info_t;
typedef int mach_port_flavor_t;

#define MACH_PORT_LIMITS_INFO         1
#define MACH_PORT_RECEIVE_STATUS      2
#define MACH_PORT_DNREQUESTS_SIZE     3
#define MACH_PORT_TEMPOWNER           4
#define MACH_PORT_IMPORTANCE_RECEIVER 5
#define MACH_PORT_DENAP_RECEIVER      6
#define MACH_PORT_INFO_EXT            7
#define MACH_PORT_GUARD_INFO          8
#define MACH_PORT_SERVICE_THROTTLED   9

#define MACH_PORT_LIMITS_INFO_COUNT     1
#define MACH_PORT_RECEIVE_STATUS_COUNT  10
#define MACH_PORT_DNREQUESTS_SIZE_COUNT 1
#define MACH_PORT_INFO_EXT_COUNT        17
#define MACH_PORT_GUARD_INFO_COUNT      2

typedef struct mach_service_port_info {
	char mspi_string_name[255];
	uint8_t mspi_domain_type;
} mach_service_port_info_data_t;
typedef struct mach_service_port_info *mach_service_port_info_t;

typedef struct mach_port_options {
	uint32_t flags;
	mach_port_limits_t mpl;
	union {
		uint64_t reserved[2];
		mach_port_name_t work_interval_port;
		uint64_t service_port_info;
		mach_port_name_t service_port_name;
	};
} mach_port_options_t;
typedef mach_port_options_t *mach_port_options_ptr_t;

#define MPO_CONTEXT_AS_GUARD             0x1
#define MPO_QLIMIT                       0x2
#define MPO_TEMPOWNER                    0x4
#define MPO_IMPORTANCE_RECEIVER          0x8
#define MPO_INSERT_SEND_RIGHT            0x10
#define MPO_STRICT                       0x20
#define MPO_DENAP_RECEIVER               0x40
#define MPO_IMMOVABLE_RECEIVE            0x80
#define MPO_FILTER_MSG                   0x100
#define MPO_TG_BLOCK_TRACKING            0x200
#define MPO_SERVICE_PORT                 0x400
#define MPO_CONNECTION_PORT              0x800
#define MPO_REPLY_PORT                   0x1000
#define MPO_ENFORCE_REPLY_PORT_SEMANTICS 0x2000
#define MPO_PROVISIONAL_REPLY_PORT       0x4000
#define MPO_EXCEPTION_PORT               0x8000

typedef struct mach_port_qos {
	unsigned int name : 1;
	unsigned int prealloc : 1;
	unsigned int pad1 : 30;
	natural_t len;
} mach_port_qos_t;

/* Bits of mach_port_guard_with_flags. */
#define MPG_FLAGS_NONE        0x0
#define MPG_STRICT            0x1
#define MPG_IMMOVABLE_RECEIVE 0x2

/* What an EXC_GUARD of a port tells more, in the top byte of its subcode. */
#define MPG_FLAGS_IMMOVABLE_PINNED                (0x01ULL << 56) /* IMMOVABLE */
#define MPG_FLAGS_MOD_REFS_PINNED_DEALLOC         (0x01ULL << 56) /* MOD_REFS */
#define MPG_FLAGS_MOD_REFS_PINNED_DESTROY         (0x02ULL << 56)
#define MPG_FLAGS_MOD_REFS_PINNED_COPYIN          (0x04ULL << 56)
#define MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_DISP (0x01ULL << 56) /* STRICT_REPLY */
#define MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_PORT (0x02ULL << 56)
#define MPG_FLAGS_STRICT_REPLY_INVALID_VOUCHER    (0x04ULL << 56)
#define MPG_FLAGS_STRICT_REPLY_NO_BANK_ATTR       (0x08ULL << 56)
#define MPG_FLAGS_STRICT_REPLY_MISMATCHED_PERSONA (0x10ULL << 56)
#define MPG_FLAGS_STRICT_REPLY_MASK               (0xffULL << 56)

_Static_assert(sizeof(mach_port_status_t) == 40, "mach_port_status");
_Static_assert(sizeof(mach_port_info_ext_t) == 68, "mach_port_info_ext");
_Static_assert(sizeof(mach_port_options_t) == 24, "mach_port_options");
_Static_assert(sizeof(mach_port_qos_t) == 8, "mach_port_qos");
_Static_assert(sizeof(mach_service_port_info_data_t) == 256, "mach_service_port_info");

/* EXC_GUARD of a port: the rule that was broken, in bits 32-60 of the code. */
enum mach_port_guard_exception_codes {
	kGUARD_EXC_DESTROY = 1,
	kGUARD_EXC_MOD_REFS = 2,
	kGUARD_EXC_INVALID_OPTIONS = 3,
	kGUARD_EXC_SET_CONTEXT = 4,
	kGUARD_EXC_UNGUARDED = 8,
	kGUARD_EXC_INCORRECT_GUARD = 16,
	kGUARD_EXC_IMMOVABLE = 32,
	kGUARD_EXC_STRICT_REPLY = 64,
};
