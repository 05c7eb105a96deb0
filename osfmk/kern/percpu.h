/*
 * Per-CPU variables.
 *
 * PERCPU_DATA(type, name) defines a variable in the section `.percpu`, the template. The boot CPU uses the
 * template itself; percpu_init() gives each other CPU a copy. PERCPU_GET(name) is the address of this CPU's
 * copy: the running thread has the base of its CPU's variables (machine.percpu_base), and the section is one
 * aligned 4 KiB page (the linker script asserts it), so that a variable's low 12 address bits are its offset:
 * one load and one add. Two CPUs never share a line.
 *
 * PERCPU_DATA_COLD(type, name) is for what is large or seldom used: it stands behind the page, and
 * PERCPU_COLD(name) reaches it by its distance from the template.
 *
 * The caller has preemption off, or does not mind to look at the CPU it just left.
 */
#pragma once

#include <arm64/cpu_data.h>
#include <arm64/machine_thread.h>
#include <os/base.h>

#define PERCPU_DATA(type, name)    OS_SECTION(".percpu") OS_CACHE_ALIGNED type name
#define PERCPU_DECLARE(type, name) extern type name

/* By another name, so that the ways of the page, which would find something else, do not compile. */
#define PERCPU_DATA_COLD(type, name) OS_SECTION(".percpu.cold") OS_CACHE_ALIGNED type name##_percpu_cold
#define PERCPU_COLD_AT(name, base)                   \
	((__typeof__(name##_percpu_cold) *)((base) + \
					    ((uintptr_t)&name##_percpu_cold - (uintptr_t)__percpu_start)))
#define PERCPU_COLD(name)              PERCPU_COLD_AT(name, thread_machine(current_thread())->percpu_base)
#define PERCPU_COLD_GET_CPU(name, cpu) PERCPU_COLD_AT(name, cpu_data_table[cpu]->percpu_base)

#define PERCPU_AT(name, base)                                                                           \
	({                                                                                              \
		__typeof__(name) *_percpu;                                                              \
		__asm__("add %0, %1, :lo12:%2" : "=r"(_percpu) : "r"((uintptr_t)(base)), "S"(&(name))); \
		_percpu;                                                                                \
	})
/* PERCPU_AT that is cheaper computed again than kept in a register. */
#define PERCPU_AT_AGAIN(name, base)                          \
	({                                                   \
		__typeof__(name) *_percpu;                   \
		__asm__ volatile("add %0, %1, :lo12:%2"      \
		    : "=r"(_percpu)                          \
		    : "r"((uintptr_t)(base)), "S"(&(name))); \
		_percpu;                                     \
	})
/* Stores to the first word of a per-CPU variable in one instruction. */
#define PERCPU_STORE_WORD(name, base, value)                                                        \
	__asm__ volatile(                                                                           \
	    "str %2, [%0, :lo12:%1]" ::"r"((uintptr_t)(base)), "S"(&(name)), "r"((uint64_t)(value)) \
	    : "memory")

/* The value of a per-CPU pointer in one instruction. */
#define PERCPU_LOAD_POINTER(name, base)                    \
	({                                                 \
		__typeof__(name) _percpu;                  \
		__asm__ volatile("ldr %0, [%1, :lo12:%2]"  \
		    : "=r"(_percpu)                        \
		    : "r"((uintptr_t)(base)), "S"(&(name)) \
		    : "memory");                           \
		_percpu;                                   \
	})
#define PERCPU_GET(name)          PERCPU_AT(name, thread_machine(current_thread())->percpu_base)
#define PERCPU_GET_CPU(name, cpu) PERCPU_AT(name, cpu_data_table[cpu]->percpu_base)

#define percpu_foreach_cpu(cpu) for (unsigned cpu = 0; cpu < cpu_count; cpu++)

extern char __percpu_start[], __percpu_end[]; /* kernel.lds */

/* Copies the template for the CPUs 1..cpu_count-1 and fills their cpu_data. The first thing the boot CPU does
 * in kernel_bootstrap: nothing has been written to a per-CPU variable yet, and memory comes from boot_alloc. */
void percpu_init(void);
