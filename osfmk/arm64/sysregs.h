/*
 * System register values and access. Also read by assembly.
 */
#pragma once

/*
 * TCR_EL1: T0SZ = T1SZ = 17 (47 bits), 16 KiB granules (TG0 = 2, TG1 = 1), inner shareable write-back walks,
 * 16-bit ASIDs from TTBR0. IPS is filled in from the CPU.
 */
#define TCR_T0SZ  17
#define TCR_T1SZ  (17 << 16)
#define TCR_WALK0 ((1 << 8) | (1 << 10) | (3 << 12))
#define TCR_WALK1 ((1 << 24) | (1 << 26) | (3 << 28))
#define TCR_TG0   (2 << 14)
#define TCR_TG1   (1 << 30)
#define TCR_AS16  (1 << 36)
#define TCR_VALUE (TCR_T0SZ | TCR_T1SZ | TCR_WALK0 | TCR_WALK1 | TCR_TG0 | TCR_TG1 | TCR_AS16)

/*
 * SCTLR_EL1: MMU, caches, stack alignment checks; EL0 may use DC ZVA, cache maintenance, CTR_EL0, WFE and
 * WFI; SPAN is 0, so that taking an exception sets PAN. Bits 29, 28, 22, 20, 11 and 7, 8 are those that are 1
 * on a CPU without the features they control (or disable AArch32 instructions).
 */
#define SCTLR_M    (1 << 0)
#define SCTLR_C    (1 << 2)
#define SCTLR_SA   (1 << 3)
#define SCTLR_SA0  (1 << 4)
#define SCTLR_I    (1 << 12)
#define SCTLR_DZE  (1 << 14)
#define SCTLR_UCT  (1 << 15)
#define SCTLR_NTWI (1 << 16)
#define SCTLR_NTWE (1 << 18)
#define SCTLR_UCI  (1 << 26)
#define SCTLR_RES1 ((1 << 29) | (1 << 28) | (1 << 22) | (1 << 20) | (1 << 11) | (1 << 8) | (1 << 7))
#define SCTLR_VALUE                                                                                \
	(SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_SA0 | SCTLR_I | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI | \
	    SCTLR_NTWE | SCTLR_UCI | SCTLR_RES1)

/* CPACR_EL1.FPEN: 1 traps EL0, 3 traps nobody. */
#define CPACR_FP_TRAP_EL0 (1 << 20)
#define CPACR_FP_ON       (3 << 20)

/* ARM semihosting: `hlt #0xf000`, w0 the operation, x1 its argument block. */
#define SEMIHOSTING_HLT              0xf000
#define SEMIHOSTING_EXIT             0x20
#define SEMIHOSTING_APPLICATION_EXIT 0x20026

#define PSCI_SYSTEM_OFF       0x84000008
#define PSCI_CPU_OFF          0x84000002
#define PSCI_CPU_ON           0xc4000003
#define PSCI_AFFINITY_INFO    0xc4000004
#define PSCI_AFFINITY_OFF     1
#define PSCI_ON_PENDING       (-5)
#define PSCI_INTERNAL_FAILURE (-6)

/* Exception classes, ESR_EL1[31:26]. */
#define ESR_EC_SHIFT        26
#define ESR_EC(esr)         ((esr) >> ESR_EC_SHIFT)
#define ESR_EC_UNKNOWN      0x00
#define ESR_EC_FP_TRAP      0x07
#define ESR_EC_ILLEGAL      0x0e
#define ESR_EC_SVC64        0x15
#define ESR_EC_MSR_TRAP     0x18
#define ESR_EC_IABORT_EL0   0x20
#define ESR_EC_IABORT_EL1   0x21
#define ESR_EC_PC_ALIGN     0x22
#define ESR_EC_DABORT_EL0   0x24
#define ESR_EC_DABORT_EL1   0x25
#define ESR_EC_SP_ALIGN     0x26
#define ESR_EC_FP_EXCEPTION 0x2c
#define ESR_EC_SERROR       0x2f
#define ESR_EC_BREAK_EL0    0x30
#define ESR_EC_STEP_EL0     0x32
#define ESR_EC_WATCH_EL0    0x34
#define ESR_EC_BRK          0x3c

/* MDSCR_EL1: exceptions of breakpoints and watchpoints, and of single steps. */
#define MDSCR_SS  (1 << 0)
#define MDSCR_MDE (1 << 15)

/* Performance monitor. */
#define PMU_EVENT_INST_RETIRED 0x08
#define PMU_EVENT_CPU_CYCLES   0x11
#define PMU_TYPE_NOT_EL1       (1U << 31) /* the event is counted in user mode only */
#define PMU_VERSION_LONG       6          /* PMUv3p5 */
#define PMU_ENABLE_COUNTER0    1
#define PMU_ENABLE_CYCLES      0x80000000
#define PMU_CYCLES             0x80000000 /* the cycle counter in the set/clear registers */
#define PMCR_E                 (1 << 0)
#define PMCR_P                 (1 << 1) /* reset the event counters */
#define PMCR_C                 (1 << 2) /* reset the cycle counter */
#define PMCR_LC                (1 << 6)
#define PMCR_LP                (1 << 7) /* event counters have 64 bits */
#define PMCR_N_SHIFT           11       /* how many event counters there are */
#define PMCR_N_MASK            31
#define PMU_EVENTS_EXTENDED    0x4000 /* the second range of event numbers */
#define PMUSERENR_EN           (1 << 0)
#define PMUSERENR_CR           (1 << 2)
#define PMUSERENR_ER           (1 << 3)

/* Struct offsets that start.S needs before anything else: see asm_offsets.h. */
#include <arm64/asm_offsets.h>

#if !defined(__ASSEMBLER__)
#include <os/base.h>

#define sysreg_read(name)                                                    \
	({                                                                   \
		uint64_t _value;                                             \
		__asm__ volatile("mrs %0, " #name : "=r"(_value)::"memory"); \
		_value;                                                      \
	})
#define sysreg_write(name, value) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")

OS_INLINE void
isb(void)
{
	__asm__ volatile("isb" ::: "memory");
}

#define dsb(scope) __asm__ volatile("dsb " #scope ::: "memory")
#endif
