/* Exceptions, their masks and delivery behaviours. */
#pragma once

#include <mach/port.h>
#include <mach/thread_status.h>
#include <mach/vm_types.h>

typedef int exception_type_t;
typedef integer_t exception_data_type_t;
typedef integer_t *exception_data_t;
typedef int64_t mach_exception_data_type_t;
typedef int64_t *mach_exception_data_t;
typedef mach_exception_data_type_t mach_exception_code_t;
typedef mach_exception_data_type_t mach_exception_subcode_t;
typedef unsigned int exception_mask_t;
typedef exception_mask_t *exception_mask_array_t;
typedef int exception_behavior_t;
typedef exception_behavior_t *exception_behavior_array_t;
typedef thread_state_flavor_t *exception_flavor_array_t;
typedef mach_port_t *exception_port_array_t;
typedef mach_port_t exception_port_t;

#define EXC_BAD_ACCESS      1
#define EXC_BAD_INSTRUCTION 2
#define EXC_ARITHMETIC      3
#define EXC_EMULATION       4
#define EXC_SOFTWARE        5
#define EXC_BREAKPOINT      6
#define EXC_SYSCALL         7
#define EXC_MACH_SYSCALL    8
#define EXC_RPC_ALERT       9
#define EXC_CRASH           10
#define EXC_RESOURCE        11
#define EXC_GUARD           12
#define EXC_CORPSE_NOTIFY   13
#define EXC_TYPES_COUNT     14

#define EXC_MASK_MACHINE         0x0
#define EXC_MASK_BAD_ACCESS      0x2
#define EXC_MASK_BAD_INSTRUCTION 0x4
#define EXC_MASK_ARITHMETIC      0x8
#define EXC_MASK_EMULATION       0x10
#define EXC_MASK_SOFTWARE        0x20
#define EXC_MASK_BREAKPOINT      0x40
#define EXC_MASK_SYSCALL         0x80
#define EXC_MASK_MACH_SYSCALL    0x100
#define EXC_MASK_RPC_ALERT       0x200
#define EXC_MASK_CRASH           0x400
#define EXC_MASK_RESOURCE        0x800
#define EXC_MASK_GUARD           0x1000
#define EXC_MASK_ALL             0x1bfe
#define EXC_MASK_CORPSE_NOTIFY   0x2000

/* Words of an exception's code array. */
#define EXCEPTION_CODE_MAX 2

#define EXCEPTION_DEFAULT                  0x1
#define EXCEPTION_STATE                    0x2
#define EXCEPTION_STATE_IDENTITY           0x3
#define EXCEPTION_IDENTITY_PROTECTED       0x4
#define EXCEPTION_STATE_IDENTITY_PROTECTED 0x5
#define MACH_EXCEPTION_CODES               0x80000000U
#define MACH_EXCEPTION_ERRORS              0x40000000
#define MACH_EXCEPTION_BACKTRACE_PREFERRED 0x20000000
#define MACH_EXCEPTION_MASK                0xe0000000U

#define EXC_MASK_VALID (EXC_MASK_ALL | EXC_MASK_CRASH | EXC_MASK_CORPSE_NOTIFY)

/* EXC_SOFTWARE code: a debugger sees a signal. */
#define EXC_SOFT_SIGNAL 0x10003
#define EXC_MACF_MIN    0x20000 /* codes of security policies */
#define EXC_MACF_MAX    0x2ffff

/* First codes on arm. */
#define EXC_ARM_FP_UNDEFINED   0x0
#define EXC_ARM_BREAKPOINT     0x1
#define EXC_ARM_FP_IO          0x1
#define EXC_ARM_UNDEFINED      0x1
#define EXC_ARM_FP_DZ          0x2
#define EXC_ARM_SME_DISALLOWED 0x2
#define EXC_ARM_FP_OF          0x3
#define EXC_ARM_FP_UF          0x4
#define EXC_ARM_FP_IX          0x5
#define EXC_ARM_FP_ID          0x6
#define EXC_ARM_DA_ALIGN       0x101
#define EXC_ARM_DA_DEBUG       0x102
#define EXC_ARM_SP_ALIGN       0x103
#define EXC_ARM_SWP            0x104
#define EXC_ARM_PAC_FAIL       0x105
