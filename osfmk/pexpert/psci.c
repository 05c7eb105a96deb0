/*
 * PSCI (ARM DEN 0022): starting and stopping CPUs and turning the machine off, over the conduit the device tree names.
 */
#include <arm64/sysregs.h>
#include <pexpert/device_tree.h>
#include <pexpert/pexpert.h>
#include <string.h>

static bool use_smc;

void
psci_init(void)
{
	dt_node_t node = dt_find_path("/psci");
	const char *method = node != DT_NONE ? dt_string(node, "method") : NULL;

	use_smc = method != NULL && strcmp(method, "smc") == 0;
}

static int64_t
psci_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;

	if (use_smc) {
		__asm__ volatile("smc #0"
		    : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory", "x4", "x5", "x6", "x7", "x8", "x9",
		    "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	} else {
		__asm__ volatile("hvc #0"
		    : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory", "x4", "x5", "x6", "x7", "x8", "x9",
		    "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
	}
	return (int64_t)x0;
}

int
psci_cpu_on(uint64_t mpidr, uint64_t entry_pa, uint64_t context)
{
	return (int)psci_call(PSCI_CPU_ON, mpidr, entry_pa, context);
}

int
psci_cpu_off(void)
{
	return (int)psci_call(PSCI_CPU_OFF, 0, 0, 0);
}

bool
psci_cpu_is_off(uint64_t mpidr)
{
	return psci_call(PSCI_AFFINITY_INFO, mpidr, 0, 0) == PSCI_AFFINITY_OFF;
}

_Noreturn void
psci_system_off(void)
{
	psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;) {
		__asm__ volatile("wfi");
	}
}
