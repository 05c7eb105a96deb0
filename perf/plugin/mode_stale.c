/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode=stale: the whole run under the checker of stale.h, from the boot on. Report: "stale KIND CPU ASID VA PC CACHED
 * NOW" (hexadecimal but for KIND and CPU) for each finding, "stale-summary USES TLBIS FINDINGS", and "unknown-tlbi"
 * when one was executed that cannot be followed.
 */
#include "guest.h"
#include "mode.h"
#include "stale.h"

#include <inttypes.h>

/* MRS Xt, ESR_EL1 and MRS Xt, FAR_EL1: the kernel looks why it was entered. */
#define MRS_MASK       (~31U)
#define MRS_ESR_EL1    0xd5385200U
#define MRS_FAR_EL1    0xd5386000U
#define ESR_EC(esr)    ((esr) >> 26 & 0x3f)
#define EC_DATA_ABORT  0x24 /* from EL0; 0x25 from EL1 */
#define EC_INSN_ABORT  0x20 /* likewise */
#define ESR_WNR        0x40
#define ESR_CM         0x100 /* cache maintenance says WnR, too */
#define NOT_A_REGISTER 32

static struct stale stale;

/* What a CPU has executed, its operands not read yet. */
static struct {
	struct sysop op;
	uint64_t op_pc;
	unsigned esr_register, far_register;
	uint64_t esr;
} pending[REGION_CPUS_MAX];

static void
finish_abort(unsigned cpu, uint64_t pc)
{
	uint64_t esr, far;
	unsigned class;

	if (pending[cpu].esr_register != NOT_A_REGISTER) {
		pending[cpu].esr = guest_register(cpu, pending[cpu].esr_register);
		pending[cpu].esr_register = NOT_A_REGISTER;
	}
	if (pending[cpu].far_register == NOT_A_REGISTER) {
		return;
	}
	far = guest_register(cpu, pending[cpu].far_register);
	pending[cpu].far_register = NOT_A_REGISTER;
	esr = pending[cpu].esr;
	class = ESR_EC(esr) & ~1U;
	if (class == EC_DATA_ABORT || class == EC_INSN_ABORT) {
		stale_fault(
		    &stale, cpu, far, class == EC_DATA_ABORT && (esr & (ESR_WNR | ESR_CM)) == ESR_WNR, pc);
	}
}

static void
on_block(unsigned cpu, void *data)
{
	uint64_t pc = (uint64_t)(uintptr_t)data;
	struct sysop op = pending[cpu].op;

	if (op.kind != SYSOP_NONE) {
		pending[cpu].op.kind = SYSOP_NONE;
		stale_sysop(&stale, cpu, op, guest_register(cpu, op.register_number), pending[cpu].op_pc);
	}
	finish_abort(cpu, pc);
	stale_block(&stale, cpu, pc);
}

static void
on_access(unsigned cpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *address = qemu_plugin_get_hwaddr(info, vaddr);

	if (address != NULL && !qemu_plugin_hwaddr_is_io(address)) {
		stale_access(&stale, cpu, vaddr, qemu_plugin_mem_is_store(info), (uint64_t)(uintptr_t)data);
	}
}

static void
on_sysop(unsigned cpu, void *data)
{
	if (guest_exception_level(cpu) != 0) {
		pending[cpu].op = sysop_decode((uint32_t)(uintptr_t)data);
	}
}

static void
on_mrs(unsigned cpu, void *data)
{
	uint32_t word = (uint32_t)(uintptr_t)data;

	if (guest_exception_level(cpu) == 0) {
		return;
	}
	if ((word & MRS_MASK) == MRS_ESR_EL1) {
		pending[cpu].esr_register = word & 31;
	} else {
		pending[cpu].far_register = word & 31;
	}
}

static void
translate(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_R_REGS,
	    (void *)(uintptr_t)qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)));
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t word = insn_word(insn);
		void *data = (void *)(uintptr_t)word;

		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
		    (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
		if (sysop_decode(word).kind != SYSOP_NONE) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_sysop, QEMU_PLUGIN_CB_NO_REGS, data);
		} else if ((word & MRS_MASK) == MRS_ESR_EL1 || (word & MRS_MASK) == MRS_FAR_EL1) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mrs, QEMU_PLUGIN_CB_NO_REGS, data);
		}
	}
}

static bool
init(unsigned cpus)
{
	stale_init(&stale, cpus, guest_read);
	for (unsigned i = 0; i < REGION_CPUS_MAX; i++) {
		pending[i].esr_register = pending[i].far_register = NOT_A_REGISTER;
	}
	return true;
}

static void
end_of_run(FILE *out)
{
	unsigned count = stale_settle(&stale, true);

	for (unsigned i = 0; i < stale.nfindings; i++) {
		const struct stale_finding *f = &stale.findings[i];

		fprintf(out, "stale %s %u %x %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
		    stale_names[f->kind], f->cpu, f->asid, f->va, f->pc, f->cached, f->now);
	}
	fprintf(out, "stale-summary %" PRIu64 " %" PRIu64 " %u\n", stale.uses, stale.tlbis, count);
	if (stale.unknown_tlbi) {
		fputs("unknown-tlbi\n", out);
	}
}

const struct mode mode_stale = {
	.name = "stale",
	.init = init,
	.translate = translate,
	.end_of_run = end_of_run,
};
