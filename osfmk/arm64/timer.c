/*
 * The generic timer: the virtual one, whose counter is what ml_get_timebase reads. One comparator for each
 * CPU; kern's timer queues decide what it stands at.
 */
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <arm64/timer.h>
#include <kern/timer_call.h>
#include <mach/clock_types.h>
#include <os/panic.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>

#define CNTV_CTL_ENABLE  1
#define CNTKCTL_EL0_READ 3 /* EL0 may read both counters */
#define DT_VIRTUAL_TIMER 2 /* "arm,armv8-timer": secure, non-secure, virtual, hypervisor */

/* A turn given away is as long as half a quantum, and followed by at least as much of one's own. */
#define TURN_NS (5 * NSEC_PER_MSEC)

static unsigned timer_irq;
static bool timer_edge;
static uint64_t turn_ticks; /* TURN_NS; const after init */

void
ml_set_timer(uint64_t deadline)
{
	current_cpu_data()->timer_deadline = deadline;
	if (deadline == UINT64_MAX) {
		sysreg_write(cntv_ctl_el0, 0);
	} else {
		sysreg_write(cntv_cval_el0, deadline);
		sysreg_write(cntv_ctl_el0, CNTV_CTL_ENABLE);
	}
	isb();
}

/*
 * An emulator that runs its CPUs in turns in one thread, as QEMU does under its instruction clock, runs one up to the
 * next deadline of them all. Where one always has the next deadline and always something to do, the others never run:
 * a program that waits for another CPU in a loop waits for ever. So a CPU with a timer now and then gives its turn
 * away, by a YIELD, and sets a deadline by which it gets it back. To any other machine it is a YIELD.
 */
static void
timer_give_turn(void)
{
	struct cpu_data *cpu = current_cpu_data();
	uint64_t now = ml_get_timebase_raw(), deadline = cpu->timer_deadline;

	if (now < cpu->timer_turn || deadline <= now) {
		return;
	}
	cpu->timer_turn = now + 2 * turn_ticks;
	ml_set_timer(os_min(deadline, now + turn_ticks));
	cpu_relax();
	ml_set_timer(deadline);
}

/* The line stays up while the comparator is passed, so it is disarmed before anything else. */
static void
timer_irq_handler(void *arg)
{
	ml_set_timer(UINT64_MAX);
	timer_interrupt();
	if (cpu_count > 1) {
		timer_give_turn();
	}
}

void
timer_init_cpu(void)
{
	sysreg_write(cntkctl_el1, CNTKCTL_EL0_READ);
	ml_set_timer(UINT64_MAX);
	pe_irq_enable(timer_irq, timer_edge);
}

void
timer_init(void)
{
	dt_node_t node = dt_find_compatible(DT_NONE, "arm,armv8-timer");
	int irq = node != DT_NONE ? pe_irq_from_node(node, DT_VIRTUAL_TIMER, &timer_edge) : -1;

	if (irq < 0 || !pe_irq_register((unsigned)irq, timer_irq_handler, NULL)) {
		panic("no generic timer in the device tree");
	}
	timer_irq = (unsigned)irq;
	turn_ticks = sysreg_read(cntfrq_el0) / (NSEC_PER_SEC / TURN_NS);
	timer_init_cpu();
}
