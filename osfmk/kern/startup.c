/*
 * Start-up of the machine-independent kernel: the calls, in order. osfmk/README.md has the table.
 */
#include <kern/alloc_fail.h>
#include <kern/startup.h>

#include <arm64/commpage.h>
#include <arm64/machine_routines.h>
#include <arm64/panic.h>
#include <ipc/ipc.h>
#include <ipc/ipc_clock.h>
#include <ipc/mk_timer.h>
#include <kern/clock.h>
#include <kern/load.h>
#include <kern/percpu.h>
#include <kern/processor.h>
#include <kern/sched_policy.h>
#include <kern/sched_prim.h>
#include <kern/sched_priority.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/turnstile.h>
#include <kern/upcalls.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <ktest/ktest.h>
#include <os/panic.h>
#include <os/stall.h>
#include <pexpert/pexpert.h>
#include <vm/pmap.h>
#include <vm/vm_kern.h>
#include <vm/vm_launder.h>
#include <vm/vm_map.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>

enum startup_phase startup_phase = STARTUP_MACHINE;

void
machine_startup(void)
{
	kernel_bootstrap();
}

static void
bootstrap_memory(void)
{
	startup_phase = STARTUP_MEMORY;
	vm_page_bootstrap();
	pmap_bootstrap();
	zone_init();
	alloc_fail_init();
	os_stall_init();
	vm_map_init();
	kmem_init();
	commpage_init();
}

static void
bootstrap_objects(void)
{
	startup_phase = STARTUP_OBJECTS;
	kstack_init();
	task_init();
	thread_init();
	ipc_init();
	if (ipc_task_init(kernel_task, TASK_NULL) != KERN_SUCCESS) {
		panic("kernel_task has no ports");
	}
	commpage_populate();
}

/* --- threads run from here on --- */

static void
start_cpus(void)
{
	startup_phase = STARTUP_SMP;
	processor_boot_is_running();
	for (unsigned cpu = 1; cpu < cpu_count; cpu++) {
		if (!processor_start_at_boot(cpu)) {
			kprintf("cpu %u is not used\n", cpu);
		}
	}
	commpage_set_active_cpus(processor_running_count());
	load_average_start();
}

void
secondary_cpu_main(void)
{
	pmap_cpu_init();
	idle_loop();
}

/* Boot arguments ktest, kbench: tests end the machine, benchmarks do not. */
static void
run_requested_checks(void)
{
	char words[256] = "";

	if (pe_boot_arg_flag("ktest")) {
		pe_boot_arg_string("ktest", words, sizeof(words));
		machine_halt(ktest_run(words) == 0 ? 0 : 1);
	}
	if (pe_boot_arg_flag("kbench")) {
		words[0] = '\0';
		pe_boot_arg_string("kbench", words, sizeof(words));
		kbench_run(words);
	}
}

static OS_NORETURN void
kernel_bootstrap_thread(void *param, wait_result_t result)
{
	startup_phase = STARTUP_THREADS;
	kstack_thread_start();
	smr_thread_start();
	vm_launder_start();
	mk_timer_init();
	ipc_clock_start_alarms();
	start_cpus();
	startup_phase = STARTUP_DRIVERS;
	iokit_init();
	run_requested_checks();
	startup_phase = STARTUP_BSD;
	vm_pageout_start();
	bsd_init();
	startup_phase = STARTUP_DONE;
	thread_terminate_self();
}

void
kernel_bootstrap(void)
{
	/* Interrupts stay masked until idle_loop, so nothing preempts; code that may block is callable, and
	 * does not, since nobody else runs. */
	boot_thread.machine.preempt_count = 0;
	percpu_init();
	clock_init();
	sched_policy_init(nanoseconds_to_absolutetime);
	sched_priority_init();
	processor_init(0, &boot_thread);
	waitq_bootstrap();
	turnstile_bootstrap();
	bootstrap_memory();
	bootstrap_objects();
	if (kernel_thread_create(kernel_bootstrap_thread, NULL, BASEPRI_KERNEL, "bootstrap", NULL) !=
	    KERN_SUCCESS) {
		panic("no thread for kernel_bootstrap_thread");
	}
	idle_loop(); /* the boot thread is the idle thread of CPU 0 */
}
