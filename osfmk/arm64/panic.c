/*
 * The end: panic, backtraces and the orderly halt.
 *
 * The first CPU to panic owns the console from then on; a second panic on the same CPU (inside the first)
 * prints one line and ends the machine; other CPUs are stopped and print their own backtraces in turn. `x`
 * turns the addresses into functions and lines, by the slide that the second line of a panic tells.
 */
#include <arm64/kernel_image.h>
#include <arm64/machine_routines.h>
#include <arm64/panic.h>
#include <arm64/sysregs.h>
#include <arm64/trap.h>
#include <arm64/unwind.h>
#include <arm64/vm_layout.h>
#include <os/panic.h>
#include <pexpert/pexpert.h>

#define NO_CPU           UINT32_MAX
#define BACKTRACE_FRAMES 64

/* A CPU that is asked to stop has this long to print its backtrace. */
#define STOP_TIMEOUT_MS 500

static uint32_t panic_cpu = NO_CPU;

void semihosting_exit(int status);

void
backtrace_print(uintptr_t fp, uintptr_t pc)
{
	uint64_t frames[BACKTRACE_FRAMES];
	unsigned count = unwind_kernel(fp, fp, frames, BACKTRACE_FRAMES);

	kprintf("  frame 0: 0x%016lx\n", (unsigned long)pc);
	for (unsigned i = 0; i < count; i++) {
		kprintf("  frame %u: 0x%016lx\n", i + 1, (unsigned long)frames[i]);
	}
}

static void
print_registers(const struct arm_saved_state *s)
{
	for (unsigned i = 0; i < 28; i += 4) {
		kprintf("  x%-2u %016llx %016llx %016llx %016llx\n", i, (unsigned long long)s->x[i],
		    (unsigned long long)s->x[i + 1], (unsigned long long)s->x[i + 2],
		    (unsigned long long)s->x[i + 3]);
	}
	kprintf("  x28 %016llx fp %016llx lr %016llx sp %016llx\n", (unsigned long long)s->x[28],
	    (unsigned long long)s->fp, (unsigned long long)s->lr, (unsigned long long)s->sp);
	kprintf("  pc  %016llx cpsr %08x esr %08x far %016llx\n", (unsigned long long)s->pc, s->cpsr, s->esr,
	    (unsigned long long)s->far);
}

/* Becomes the panicking CPU, or does not return. */
static void
panic_begin(void)
{
	uint32_t self, owner;

	ml_set_interrupts_enabled(false);
	self = ml_get_cpu_number();
	if (os_atomic_cmpxchgv(&panic_cpu, NO_CPU, self, &owner, relaxed)) {
		pe_console_seize();
		return;
	}
	if (owner == self) {
		kprintf("\npanic: again while panicking\n");
		machine_halt_now(PANIC_STATUS);
	}
	for (;;) { /* the first one stops us */
		ml_set_interrupts_enabled(true);
		cpu_relax();
	}
}

static void OS_FORMAT(1, 0) print_header(const char *fmt, va_list ap)
{
	kprintf("\npanic(cpu %u): ", ml_get_cpu_number());
	kvprintf(fmt, ap);
	kprintf("\nkernel slide 0x%lx\n", (unsigned long)kernel_slide);
}

/* One after the other, so that their output does not mix. */
static void
stop_others(void)
{
	uint64_t wait = ml_get_timebase_frequency() * STOP_TIMEOUT_MS / 1000;

	for (unsigned i = 0; i < cpu_count; i++) {
		struct cpu_data *cpu = cpu_data_get(i);
		uint64_t deadline = ml_get_timebase() + wait;

		if (i == ml_get_cpu_number() || os_atomic_load(&cpu->cpu_state, relaxed) != CPU_RUNNING) {
			continue;
		}
		cpu_signal(i, CPU_SIGNAL_HALT);
		/* acquire: pairs with the release in panic_stop_this_cpu; its output comes first */
		while (os_atomic_load(&cpu->cpu_state, acquire) != CPU_STOPPED) {
			if (ml_get_timebase() > deadline) {
				kprintf("cpu %u does not answer: its interrupts are masked\n", i);
				break;
			}
			cpu_relax();
		}
	}
}

_Noreturn void
panic_stop_this_cpu(void)
{
	struct cpu_data *cpu = current_cpu_data();

	kprintf("backtrace of cpu %u:\n", cpu->cpu_number);
	backtrace_print(
	    *(const uintptr_t *)__builtin_frame_address(0), (uintptr_t)__builtin_return_address(0));
	os_atomic_store(&cpu->cpu_state, CPU_STOPPED, release); /* pairs with stop_others */
	for (;;) {
		__asm__ volatile("wfi");
	}
}

static _Noreturn void
panic_end(uintptr_t fp, uintptr_t pc)
{
	kprintf("backtrace of cpu %u:\n", ml_get_cpu_number());
	backtrace_print(fp, pc);
	stop_others();
	machine_halt_now(PANIC_STATUS);
}

_Noreturn void
panic(const char *fmt, ...)
{
	va_list ap;

	panic_begin();
	va_start(ap, fmt);
	print_header(fmt, ap);
	va_end(ap);
	/* From the caller on: our own frame record names it. */
	panic_end(*(const uintptr_t *)__builtin_frame_address(0), (uintptr_t)__builtin_return_address(0));
}

_Noreturn void
panic_with_state(const struct arm_saved_state *state, const char *fmt, ...)
{
	va_list ap;

	panic_begin();
	va_start(ap, fmt);
	print_header(fmt, ap);
	va_end(ap);
	print_registers(state);
	panic_end(state->fp, state->pc);
}

/*
 * Only semihosting hands a status to whoever started the machine; `semihosting` among the boot arguments says
 * that somebody listens. Otherwise the last line on the console must do.
 */
_Noreturn void
machine_halt_now(int status)
{
	ml_set_interrupts_enabled(false);
	if (pe_boot_arg_flag("semihosting")) {
		semihosting_exit(status);
	}
	psci_system_off();
}

_Noreturn void
machine_halt(int status)
{
	kprintf("pluot: halted, status %d\n", status);
	machine_halt_now(status);
}
