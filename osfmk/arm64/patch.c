/*
 * Patching branches. See patch.h.
 *
 * Kernel text is read-only in both its mappings. For the time of the patching its alias in the physical map is made
 * writable; the instructions are executed from the other mapping.
 */
#include <arm64/patch.h>

#include <arm64/arm_vm.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>

#define INSN_NOP      0xd503201fU
#define INSN_B        0x14000000U
#define INSN_B_OFFSET 0x03ffffffU /* in words */

extern const struct patch_site patch_sites_start[], patch_sites_end[]; /* kernel.lds */

static uintptr_t
target_of(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

static uint32_t
instruction(const struct patch_site *site, bool taken)
{
	uintptr_t words = (target_of(&site->ps_body) - target_of(&site->ps_insn)) >> 2;

	return taken ? INSN_B | ((uint32_t)words & INSN_B_OFFSET) : INSN_NOP;
}

/* One aligned store; then out of the data cache and, on all CPUs, out of the instruction caches. */
static void
write_instruction(uintptr_t address, uint32_t insn)
{
	uint32_t *alias = (uint32_t *)physmap_ptov(static_vtop(address));

	if (*alias == insn) {
		return;
	}
	os_atomic_store(alias, insn, relaxed);
	__asm__ volatile("dc cvau, %0" ::"r"(alias) : "memory");
	dsb(ish);
	__asm__ volatile("ic ivau, %0" ::"r"(address) : "memory");
}

/* On each CPU: what it has fetched already is thrown away. */
static void
synchronize(void *arg)
{
	(void)arg;
	isb();
}

void
patch_branches(bool (*wanted)(uint32_t key))
{
	arm_vm_set_text_writable(true);
	for (const struct patch_site *site = patch_sites_start; site < patch_sites_end; site++) {
		write_instruction(target_of(&site->ps_insn), instruction(site, wanted(site->ps_key)));
	}
	dsb(ish);
	arm_vm_set_text_writable(false);
	cpu_call_all(synchronize, NULL);
}
