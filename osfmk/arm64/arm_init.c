/*
 * Start-up of the boot CPU from the first C function at its virtual address to the machine-independent
 * kernel. README.md of this folder has the table of all phases.
 */
#include <arm64/arm_vm.h>
#include <arm64/boot_info.h>
#include <arm64/kernel_image.h>
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <arm64/startup.h>
#include <arm64/sysregs.h>
#include <arm64/timer.h>
#include <kern/percpu.h>
#include <kern/startup.h>
#include <kern/thread.h>
#include <os/panic.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>
#include <pexpert/pexpert.h>
#include <string.h>

#define DTB_MAX_SIZE (2U << 20) /* arm64 boot protocol */

static void
reserve(pmap_paddr_t start, pmap_paddr_t end)
{
	if (boot_info.reserved_count == BOOT_RESERVED_MAX) {
		panic("device tree: more than %d reserved ranges", BOOT_RESERVED_MAX);
	}
	boot_info.reserved[boot_info.reserved_count++] = (struct boot_range){
		os_round_down(start, ARM_PAGE_SIZE),
		os_round_up(end, ARM_PAGE_SIZE),
	};
}

/* The bank of RAM that holds the image; banks that follow it without a gap belong to it. */
static struct boot_range
find_ram(void)
{
	struct boot_range ram = { 0, 0 };
	uint64_t base, size;

	for (dt_node_t node = dt_child(dt_root()); node != DT_NONE; node = dt_sibling(node)) {
		const char *type = dt_string(node, "device_type");

		if (type == NULL || strcmp(type, "memory") != 0) {
			continue;
		}
		for (unsigned i = 0; dt_reg(node, i, &base, &size); i++) {
			if (base <= kernel_phys_base && kernel_phys_base - base < size) {
				ram = (struct boot_range){ base, base + size };
			} else if (ram.end != 0 && base == ram.end) {
				ram.end += size;
			}
		}
	}
	return ram;
}

/* An address in /chosen, of either one or two cells. */
static uint64_t
chosen_address(dt_node_t chosen, const char *name)
{
	uint32_t len, high = 0, low = 0;

	if (dt_property(chosen, name, &len) == NULL) {
		return 0;
	}
	dt_u32(chosen, name, len / 4 - 1, &low);
	if (len == 8) {
		dt_u32(chosen, name, 0, &high);
	}
	return (uint64_t)high << 32 | low;
}

static void
find_initrd(dt_node_t chosen)
{
	uint64_t start = chosen_address(chosen, "linux,initrd-start");
	uint64_t end = chosen_address(chosen, "linux,initrd-end");

	if (start < boot_info.ram.start || end > boot_info.ram.end || start >= end) {
		return;
	}
	boot_info.initrd = (const void *)physmap_ptov(start);
	boot_info.initrd_size = end - start;
	reserve(start, end);
}

/* Fills boot_info from the device tree. */
static void
read_device_tree(pmap_paddr_t dtb)
{
	dt_node_t chosen;
	const char *args;

	if (!dt_init((const void *)physmap_ptov(dtb), DTB_MAX_SIZE)) {
		panic("no device tree at %#llx", (unsigned long long)dtb);
	}
	boot_info.dtb = (const void *)physmap_ptov(dtb);
	boot_info.dtb_size = dt_size();
	boot_info.ram = find_ram();
	boot_info.first_free = static_vtop((uintptr_t)kernel_bss_end);
	boot_info.kernel_root = kernel_root;
	reserve(kernel_phys_base, boot_info.first_free);
	reserve(dtb, dtb + dt_size());

	chosen = dt_find_path("/chosen");
	if (chosen == DT_NONE) {
		return;
	}
	args = dt_string(chosen, "bootargs");
	if (args != NULL) {
		boot_info.bootargs = args;
	}
	find_initrd(chosen);
}

static _Noreturn void
arm_init(pmap_paddr_t dtb)
{
	read_device_tree(dtb);
	pe_console_init();
	psci_init();
	arm_vm_init();
	cpu_init();
	pe_interrupts_init();
	cpu_signal_init();
	timer_init();
	pmu_init_cpu();
	pmu_sampling_init();
	if (pe_boot_arg_flag("-v")) {
		kprintf("pluot: %u CPUs, %llu MiB, boot arguments: %s\n", cpu_count,
		    (unsigned long long)((boot_info.ram.end - boot_info.ram.start) >> 20),
		    boot_info.bootargs);
		kprintf("pluot: kernel slide 0x%lx\n", (unsigned long)kernel_slide);
	}
	machine_startup();
}

_Noreturn void
start_first_cpu(pmap_paddr_t dtb, uint64_t start_timebase)
{
	struct cpu_data *cpu = cpu_init_boot();
	struct machine_thread *machine = &boot_thread.machine;

	boot_info.start_timebase = start_timebase;
	cpu->emergency_top = (uintptr_t)boot_emergency_top;
	cpu->percpu_base = (uintptr_t)__percpu_start;
	machine->cpu_data = cpu;
	machine->percpu_base = cpu->percpu_base;
	machine->preempt_count = 1;
	machine->kstack_top = (uintptr_t)boot_stack_top;
	machine->kstack = (uintptr_t)boot_stack_top - KERNEL_STACK_SIZE;
	cpu_setup_registers(&boot_thread);
	sysreg_write(tpidr_el0, 0);
	arm_init(dtb);
}
