/*
 * Tests of the machine layer on the machine itself.
 */
#include <arm64/arm_vm.h>
#include <arm64/boot_info.h>
#include <arm64/kernel_image.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <ktest/ktest.h>
#include <pexpert/device_tree.h>
#include <pexpert/pexpert.h>
#include <string.h>

/* --- relocation: pointers in data hold addresses at which the kernel runs --- */

static const char relocated_text[] = "text";
static const char *const relocated_constant = relocated_text;
static void *relocated_data = &relocated_data;

KTEST(machine_relocation)
{
	void *volatile *data = &relocated_data;

	EXPECT_EQ(*data, &relocated_data);
	EXPECT_EQ(*(const char *volatile const *)&relocated_constant, relocated_text);
	EXPECT_EQ((uintptr_t)kernel_text_start, KERNEL_LINK_BASE + kernel_slide);
}

/* --- memory: the kernel sees itself through the physical map --- */

KTEST(machine_physical_map)
{
	static volatile uint32_t word = 0x12345678;
	volatile uint32_t *alias = (volatile uint32_t *)physmap_ptov(static_vtop((uintptr_t)&word));

	EXPECT_EQ(*alias, 0x12345678);
	*alias = 0x87654321;
	EXPECT_EQ(word, 0x87654321);
	EXPECT_EQ(static_vtop(physmap_ptov(boot_info.ram.start)), boot_info.ram.start);
}

/* What the translation of an address allows, as AT S1E1W and S1E1R see it. */
static bool
can_write(const void *address)
{
	__asm__ volatile("at s1e1w, %0\n\tisb" ::"r"(address) : "memory");
	return (sysreg_read(par_el1) & 1) == 0;
}

static bool
can_read(const void *address)
{
	__asm__ volatile("at s1e1r, %0\n\tisb" ::"r"(address) : "memory");
	return (sysreg_read(par_el1) & 1) == 0;
}

KTEST(machine_write_xor_execute)
{
	const void *text_alias = (const void *)physmap_ptov(static_vtop((uintptr_t)kernel_text_start));

	EXPECT(can_read(kernel_text_start) && !can_write(kernel_text_start));
	EXPECT(can_read(kernel_rodata_start) && !can_write(kernel_rodata_start));
	EXPECT(can_read(kernel_data_start) && can_write(kernel_data_start));
	EXPECT(can_read(text_alias) && !can_write(text_alias));
	EXPECT(!can_read(boot_stack_slot) && can_read(boot_stack_top - 1)); /* guard page */
	EXPECT(!can_read(NULL));
}

/* Kernel threads too run with user memory out of reach. */
KTEST(machine_pan)
{
	EXPECT((sysreg_read(pan) & (1U << 22)) != 0);
}

/* --- the board --- */

KTEST(machine_device_tree)
{
	uint64_t address, size;

	EXPECT(dt_find_path("/chosen") != DT_NONE);
	EXPECT(dt_find_compatible(DT_NONE, "arm,gic-v3") != DT_NONE);
	EXPECT(dt_reg(dt_find_compatible(DT_NONE, "arm,pl011"), 0, &address, &size) && size != 0);
	EXPECT(boot_info.ram.start < boot_info.ram.end);
	EXPECT(cpu_count >= 1);
}

KTEST(machine_boot_arguments)
{
	char text[8];
	uint64_t number;

	EXPECT(pe_boot_arg_flag("ktest"));
	EXPECT(!pe_boot_arg_flag("ktes"));
	EXPECT(!pe_boot_arg_flag("test"));
	EXPECT(!pe_boot_arg_string("no-such-argument", text, sizeof(text)));
	EXPECT(!pe_boot_arg_number("ktest", &number) || number > 0);
}

/* --- time --- */

KTEST(machine_timebase)
{
	uint64_t last = ml_get_timebase();

	EXPECT(ml_get_timebase_frequency() >= 1000000);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now = ml_get_timebase();

		if (!EXPECT(now >= last)) {
			break;
		}
		last = now;
	}
}

/* --- interrupts --- */

KTEST(machine_interrupt_mask)
{
	bool before = ml_set_interrupts_enabled(false);

	EXPECT(!ml_get_interrupts_enabled());
	EXPECT(!ml_set_interrupts_enabled(before));
	EXPECT_EQ(ml_get_interrupts_enabled(), before);
}

static uint64_t
irq_count_of(unsigned cpu)
{
	return os_atomic_load(&cpu_data_get(cpu)->irq_count, relaxed);
}

static void
note_call(void *arg)
{
	os_atomic_inc((uint32_t *)arg, relaxed);
}

/* Each CPU that runs is called once, and the caller waits for all. */
KTEST(machine_cpu_call_all)
{
	uint32_t calls = 0, running = 0;

	for (unsigned i = 0; i < cpu_count; i++) {
		running += os_atomic_load(&cpu_data_get(i)->cpu_state, acquire) == CPU_RUNNING ? 1 : 0;
	}

	for (unsigned i = 1; i <= 20; i++) {
		cpu_call_all(note_call, &calls);
		EXPECT_EQ(calls, i * running);
	}
}

/* Every running CPU takes a cross-CPU interrupt, this one included, within a minute: busy hosts are slow. */
KTEST(machine_cpu_signal)
{
	uint64_t patience = 60 * ml_get_timebase_frequency();

	for (unsigned i = 0; i < cpu_count; i++) {
		uint64_t before = irq_count_of(i), deadline = ml_get_timebase() + patience;

		if (os_atomic_load(&cpu_data_get(i)->cpu_state, acquire) != CPU_RUNNING) {
			continue;
		}
		cpu_signal(i, CPU_SIGNAL_NOTHING);
		while (irq_count_of(i) == before && ml_get_timebase() < deadline) {
			cpu_relax();
		}
		EXPECT(irq_count_of(i) != before);
	}
}

/* --- exceptions from EL1 keep what they interrupt --- */

KTEST(machine_interrupt_keeps_registers)
{
	uint64_t errors = 0;

	for (unsigned round = 0; round < 200; round++) {
		uint64_t sum;

		cpu_signal(ml_get_cpu_number(), CPU_SIGNAL_NOTHING);
		__asm__ volatile(
		    "mov x0, #1\n\tmov x1, #2\n\tmov x9, #3\n\tmov x16, #4\n\tmov x17, #5\n\tmov x30, #6\n\t"
		    "mov x19, #7\n\tcmp x0, #1\n\tmov x2, #200\n"
		    "1:\tcset x3, ne\n\tadd x4, x4, x3\n\tsub x2, x2, #1\n\tcbnz x2, 1b\n\t"
		    "add %0, x0, x1\n\tadd %0, %0, x9\n\tadd %0, %0, x16\n\tadd %0, %0, x17\n\t"
		    "add %0, %0, x30\n\tadd %0, %0, x19\n\tcset x3, ne\n\tadd %0, %0, x3, lsl #8"
		    : "=&r"(sum)
		    :
		    : "x0", "x1", "x2", "x3", "x4", "x9", "x16", "x17", "x19", "x30", "cc", "memory");
		errors += sum != 28 ? 1 : 0;
	}
	EXPECT_EQ(errors, 0);
}
