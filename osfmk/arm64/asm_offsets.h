/*
 * Field offsets for assembly. asm_offsets.c asserts each of them against the C definition.
 */
#pragma once

/* struct arm_saved_state, at offset 0 of struct thread and of an EL1 exception frame */
#define SS_X(n) ((n) * 8)
#define SS_FP   232
#define SS_LR   240
#define SS_SP   248
#define SS_PC   256
#define SS_CPSR 264
#define SS_FAR  272
#define SS_ESR  280
#define SS_SIZE 288

/* struct thread: the frame, then struct machine_thread */
#define TH_SLOW_FLAGS    (SS_SIZE + 0)
#define TH_PREEMPT_COUNT (SS_SIZE + 4)
#define TH_KSTACK_TOP    (SS_SIZE + 8)
#define TH_CPU_DATA      (SS_SIZE + 24)
#define TH_TSD_BASE      (SS_SIZE + 40)
#define TH_KSP           (SS_SIZE + 64)
#define TH_RETVAL2       (SS_SIZE + 72)

/* struct machine_thread */
#define MT_FP_LIVE   48
#define MT_FP_CREDIT 52
#define MT_NEON      56

#define SWITCH_WATCHED_BIT 31 /* of fp_live and fp_credit */

/* struct cpu_data */
#define CPU_BOOT_STACK_TOP 32
#define CPU_EMERGENCY_TOP  40

/* AST_APC, <kern/ast.h>: the frame and the registers differ, reload all of them. */
#define SLOW_RELOAD 0x20
/* AST_KDEBUG: the end of the system call is to be traced. */
#define SLOW_KDEBUG 0x200

/* <kern/syscall_sw.h>, <kern/upcalls.h> and errno values that entry code looks at. */
#define TRAP_COUNT       128
#define TRAP_ENTRY_SHIFT 4
#define TRAP_MACH_MSG    31
#define BSD_ENOSYS       78
#define BSD_ERESTART     (-1)
#define BSD_EJUSTRETURN  (-2)

/* PSR64_C, <arm64/thread_state.h>: the carry flag, how BSD calls tell errors. */
#define PSR_C 0x20000000
