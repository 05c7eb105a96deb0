/*
 * Checks of asm_offsets.h; produces no code.
 */
#include <arm64/asm_offsets.h>
#include <arm64/cpu_data.h>
#include <arm64/machine_thread.h>
#include <arm64/vm_layout.h>
#include <kern/ast.h>
#include <kern/mach_traps.h>
#include <kern/syscall_sw.h>
#include <kern/upcalls.h>

#define CHECK_FRAME(field, value) static_assert(offsetof(struct arm_saved_state, field) == (value), #field)
#define CHECK_MACHINE(field, value) \
	static_assert(SS_SIZE + offsetof(struct machine_thread, field) == (value), #field)
#define CHECK_CPU(field, value) static_assert(offsetof(struct cpu_data, field) == (value), #field)

CHECK_FRAME(x, SS_X(0));
CHECK_FRAME(fp, SS_FP);
CHECK_FRAME(lr, SS_LR);
CHECK_FRAME(sp, SS_SP);
CHECK_FRAME(pc, SS_PC);
CHECK_FRAME(cpsr, SS_CPSR);
CHECK_FRAME(far, SS_FAR);
CHECK_FRAME(esr, SS_ESR);
static_assert(sizeof(struct arm_saved_state) == SS_SIZE && SS_SIZE == MACHINE_THREAD_OFFSET, "frame size");

CHECK_MACHINE(slow_flags, TH_SLOW_FLAGS);
CHECK_MACHINE(preempt_count, TH_PREEMPT_COUNT);
CHECK_MACHINE(kstack_top, TH_KSTACK_TOP);
CHECK_MACHINE(cpu_data, TH_CPU_DATA);
CHECK_MACHINE(ksp, TH_KSP);
CHECK_MACHINE(tsd_base, TH_TSD_BASE);
CHECK_MACHINE(retval2, TH_RETVAL2);
CHECK_MACHINE(neon, SS_SIZE + MT_NEON);
CHECK_MACHINE(fp_live, SS_SIZE + MT_FP_LIVE);
CHECK_MACHINE(fp_credit, SS_SIZE + MT_FP_CREDIT);
static_assert(SWITCH_WATCHED == 1U << SWITCH_WATCHED_BIT, "one bit");

CHECK_CPU(boot_stack_top, CPU_BOOT_STACK_TOP);
CHECK_CPU(emergency_top, CPU_EMERGENCY_TOP);

static_assert((1ULL << ARM_PAGE_SHIFT) == ARM_PAGE_SIZE, "page size");

static_assert(PSR_C == PSR64_C, "carry");
static_assert(SLOW_RELOAD == AST_APC && SLOW_KDEBUG == AST_KDEBUG, "ASTs");
static_assert(
    MACH_TRAP_COUNT == TRAP_COUNT && sizeof(struct mach_trap) == 1 << TRAP_ENTRY_SHIFT, "trap table");
static_assert(TRAP_MACH_MSG == NUMBER_mach_msg_trap, "entry.S jumps to it");
static_assert(MACH_TRAP_MASKED == 1 && offsetof(struct mach_trap, flags) == 8, "bit 0 of the second word");
static_assert(sizeof(sysret_t) == 16, "returned in x0 and x1");
