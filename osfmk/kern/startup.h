/*
 * Start-up order. The phases are XNU's; the table with what each one does and may rely on is in
 * osfmk/README.md. Each phase is a plain call from kernel/startup.c: no registration, no sections.
 */
#pragma once

#include <os/base.h>

enum startup_phase {
	STARTUP_MACHINE, /* arm_init: MMU, console, device tree; one CPU, interrupts masked */
	STARTUP_MEMORY,  /* pages, zones, kernel map, per-CPU copies */
	STARTUP_OBJECTS, /* ipc, tasks, threads, clock, timers */
	STARTUP_THREADS, /* kernel_bootstrap_thread runs; blocking allowed, interrupts on */
	STARTUP_SMP,     /* the other CPUs run */
	STARTUP_DRIVERS, /* IOKit matching */
	STARTUP_BSD,     /* processes and files */
	STARTUP_DONE,    /* pid 1 runs */
};

extern enum startup_phase startup_phase;

/* From arm_init, on the boot CPU's first stack, current_thread() == boot thread. */
OS_NORETURN void machine_startup(void);
OS_NORETURN void kernel_bootstrap(void);

/* The first C code of another CPU after its machine set-up; runs on as that CPU's idle thread. */
OS_NORETURN void secondary_cpu_main(void);

/* The boot CPU's first thread, before zones exist: static. The machine layer points TPIDR_EL1 at it. */
extern struct thread boot_thread;
