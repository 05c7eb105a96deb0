/*
 * CPUs: counting them, starting the others, interrupting each other.
 *
 * The boot CPU fills every struct cpu_data before it starts any other CPU; afterwards each CPU writes its
 * own. cpu_state: whoever starts a CPU stores STARTING and waits; the new CPU stores RUNNING (release) when its
 * machine set-up is done, which the starter reads (acquire). A CPU that goes stores OFF (release) as its last act, which
 * whoever stops it reads (acquire), and then asks PSCI whether it is off indeed.
 */
#include <arm64/arm_vm.h>
#include <arm64/machine_routines.h>
#include <arm64/panic.h>
#include <arm64/pmu.h>
#include <arm64/startup.h>
#include <arm64/sysregs.h>
#include <arm64/timer.h>
#include <arm64/trap.h>
#include <kdebug/kpc.h>
#include <kdebug/sampling.h>
#include <kern/locks.h>
#include <kern/preempt.h>
#include <kern/sched_prim.h>
#include <kern/startup.h>
#include <os/panic.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>
#include <pexpert/pexpert.h>
#include <string.h>
#include <vm/vm_kern.h>

#define MPIDR_AFFINITY 0xff00ffffffULL

/*
 * PSCI's answer is not "the CPU runs": it gets this long to say so itself. A hang detector: under an emulator with more
 * CPUs than its host has, a CPU may be seconds late.
 */
#define CPU_START_TIMEOUT_SECONDS 60

static struct cpu_data cpu_data_storage[MAX_CPUS];
struct cpu_data *cpu_data_table[MAX_CPUS];
uint32_t cpu_count;

static void
add_cpu(uint64_t mpidr)
{
	struct cpu_data *cpu = &cpu_data_storage[cpu_count];

	cpu->cpu_number = cpu_count;
	cpu->mpidr = mpidr;
	cpu->timer_deadline = UINT64_MAX;
	cpu_data_table[cpu_count++] = cpu;
}

void
cpu_init(void)
{
	uint64_t self = sysreg_read(mpidr_el1) & MPIDR_AFFINITY, mpidr, size, limit = MAX_CPUS;
	dt_node_t cpus = dt_find_path("/cpus");

	pe_boot_arg_number("cpus", &limit);
	limit = os_min(limit, (uint64_t)MAX_CPUS);
	if (cpus == DT_NONE) {
		return;
	}
	for (dt_node_t node = dt_child(cpus); node != DT_NONE && cpu_count < limit; node = dt_sibling(node)) {
		const char *type = dt_string(node, "device_type");

		if (type != NULL && strcmp(type, "cpu") == 0 && dt_reg(node, 0, &mpidr, &size) &&
		    (mpidr & MPIDR_AFFINITY) != self) {
			add_cpu(mpidr & MPIDR_AFFINITY);
		}
	}
}

/* The boot CPU is number 0; called before the device tree is read. */
struct cpu_data *
cpu_init_boot(void)
{
	add_cpu(sysreg_read(mpidr_el1) & MPIDR_AFFINITY);
	os_atomic_store(&cpu_data_storage[0].cpu_state, CPU_RUNNING, relaxed);
	return &cpu_data_storage[0];
}

/* --- signals --- */

static void
resched_interrupt(void *arg)
{
	sched_signal_interrupt();
}

static void
nothing_interrupt(void *arg)
{
}

/* The call in progress: call_mutex. */
static struct {
	void (*fn)(void *arg);
	void *arg;
	uint32_t pending; /* CPUs that have not returned from fn; atomic */
} call;

static LCK_CLASS_DECLARE(call_class, "cpu call", LCK_RANK_CPU_CALL);
static LCK_MTX_DECLARE(call_mutex, &call_class);

static void
call_interrupt(void *arg)
{
	call.fn(call.arg);
	os_atomic_dec(&call.pending, release); /* pairs with the wait in cpu_call_all */
}

void
cpu_call_all(void (*fn)(void *arg), void *arg)
{
	unsigned self;
	bool irq;

	lck_mtx_lock(&call_mutex);
	disable_preemption();
	self = ml_get_cpu_number();
	call.fn = fn;
	call.arg = arg;
	for (unsigned i = 0; i < cpu_count; i++) {
		/* acquire: a CPU that runs has its handlers */
		if (i != self && os_atomic_load(&cpu_data_get(i)->cpu_state, acquire) == CPU_RUNNING) {
			os_atomic_inc(&call.pending, relaxed);
			cpu_signal(i, CPU_SIGNAL_CALL); /* makes fn and arg visible */
		}
	}
	irq = ml_set_interrupts_enabled(false);
	fn(arg);
	ml_set_interrupts_enabled(irq);
	while (os_atomic_load(&call.pending, acquire) != 0) { /* what the calls did is visible */
		cpu_relax();
	}
	enable_preemption();
	lck_mtx_unlock(&call_mutex);
}

void
cpu_call_hold(void) NO_THREAD_SAFETY
{
	lck_mtx_lock(&call_mutex);
}

void
cpu_call_release(void) NO_THREAD_SAFETY
{
	lck_mtx_unlock(&call_mutex);
}

static void
halt_interrupt(void *arg)
{
	panic_stop_this_cpu();
}

void
cpu_signal_init(void)
{
	pe_irq_register(CPU_SIGNAL_RESCHED, resched_interrupt, NULL);
	pe_irq_register(CPU_SIGNAL_NOTHING, nothing_interrupt, NULL);
	pe_irq_register(CPU_SIGNAL_CALL, call_interrupt, NULL);
	pe_irq_register(CPU_SIGNAL_HALT, halt_interrupt, NULL);
}

void
cpu_signal(unsigned cpu, enum cpu_signal kind)
{
	pe_sgi_send(kind, cpu_data_get(cpu)->mpidr);
}

/* --- the other CPUs --- */

static bool
wait_until_running(struct cpu_data *cpu)
{
	uint64_t deadline = ml_get_timebase() + CPU_START_TIMEOUT_SECONDS * ml_get_timebase_frequency();

	/* acquire: pairs with the release in arm_init_cpu */
	while (os_atomic_load(&cpu->cpu_state, acquire) != CPU_RUNNING) {
		if (ml_get_timebase() > deadline) {
			return false;
		}
		cpu_relax();
	}
	return true;
}

static int
turn_on(struct cpu_data *cpu)
{
	int error;

	os_atomic_store(&cpu->cpu_state, CPU_STARTING, relaxed);
	dsb(sy); /* cpu_data before the CPU runs */
	error = psci_cpu_on(cpu->mpidr, static_vtop((uintptr_t)start_secondary), (uintptr_t)cpu);
	if (error != 0) {
		os_atomic_store(&cpu->cpu_state, CPU_OFF, relaxed);
	}
	return error;
}

int
machine_cpu_start(unsigned number)
{
	struct cpu_data *cpu = cpu_data_get(number);
	int error = 0;

	if (cpu->emergency_top == 0) {
		uintptr_t stack = kernel_stack_alloc();

		if (stack == 0) {
			return PSCI_INTERNAL_FAILURE;
		}
		cpu->emergency_top = stack + KERNEL_STACK_SIZE;
	}
	/* One that is starting was given up before, and may come yet. */
	if (os_atomic_load(&cpu->cpu_state, relaxed) != CPU_STARTING) {
		error = turn_on(cpu);
	}
	if (error == 0 && !wait_until_running(cpu)) {
		error = PSCI_ON_PENDING;
	}
	if (error != 0) {
		kprintf("cpu %u does not start: PSCI error %d\n", number, error);
	}
	return error;
}

_Noreturn void
machine_cpu_off(void)
{
	struct cpu_data *cpu = current_cpu_data();
	int error;

	ml_set_timer(UINT64_MAX);
	pe_interrupts_leave_cpu();
	os_atomic_store(&cpu->cpu_state, CPU_OFF, release); /* pairs with machine_cpu_is_off */
	error = psci_cpu_off();
	panic("cpu %u cannot be turned off: PSCI error %d", cpu->cpu_number, error);
}

bool
machine_cpu_is_off(unsigned number)
{
	struct cpu_data *cpu = cpu_data_get(number);

	return os_atomic_load(&cpu->cpu_state, acquire) == CPU_OFF && psci_cpu_is_off(cpu->mpidr);
}

void
cpu_setup_registers(struct thread *thread)
{
	sysreg_write(ttbr0_el1, static_vtop((uintptr_t)empty_root));
	sysreg_write(tpidr_el1, (uintptr_t)thread);
	sysreg_write(vbar_el1, (uintptr_t)trap_vectors());
	sysreg_write(cpacr_el1, CPACR_FP_TRAP_EL0);
	sysreg_write(mdscr_el1, 0);
	sysreg_write(oslar_el1, 0);                   /* debug exceptions are locked after a reset */
	__asm__ volatile("msr pan, #1" ::: "memory"); /* exceptions set it; this is for before the first */
	isb();
	/* The identity map was not global: nothing of it may stay behind. */
	__asm__ volatile("tlbi vmalle1" ::: "memory");
	dsb(nsh);
	isb();
}

/* A CPU that start.S brought up, on the stack of its idle thread. */
_Noreturn void
arm_init_cpu(struct cpu_data *cpu)
{
	struct machine_thread *machine = thread_machine(cpu->idle_thread);

	machine->cpu_data = cpu;
	machine->percpu_base = cpu->percpu_base;
	machine->kstack_top = cpu->boot_stack_top;
	machine->kstack = cpu->boot_stack_top - KERNEL_STACK_SIZE;
	cpu_setup_registers(cpu->idle_thread);
	sysreg_write(tpidr_el0, cpu->cpu_number);
	pe_interrupts_init_cpu();
	timer_init_cpu();
	pmu_init_cpu();
	kpc_cpu_join();
	sampling_cpu_join();
	os_atomic_store(&cpu->cpu_state, CPU_RUNNING, release); /* pairs with wait_until_running */
	secondary_cpu_main();
}
