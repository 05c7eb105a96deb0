/*
 * Everything osfmk calls in the layers above it. There is no other way up: bsd and iokit implement these
 * functions, and a check of undefined symbols keeps it so.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <kern/kern_types.h>

struct mig_routine;

/* Result of a BSD call: in registers x0, x1. error 0 is success; ERESTART and EJUSTRETURN are the machine
 * layer's business. */
typedef struct {
	int64_t value;
	int64_t error;
} sysret_t;

/* Arguments stay in x0..x7. */
typedef sysret_t (*bsd_syscall_fn_t)(
    uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7);

/* Generated from the ABI table; slots of unknown calls hold a function that returns ENOSYS. */
extern const bsd_syscall_fn_t bsd_syscall_table[];
extern const uint32_t bsd_syscall_count;

/* kernel_bootstrap_thread, after iokit_init: processes, file systems, console; starts pid 1, whose first
 * thread begins in load_init_program(). */
void bsd_init(void);

/* AST_BSD is set: signals and the like. On the way to user mode, preemption on, may block and may end the
 * thread. */
void bsd_ast(thread_t thread);

/* A thread is made (before it can run) or has left user mode for good (in its own context). */
kern_return_t bsd_thread_create(thread_t thread, task_t task);
void bsd_thread_exit(thread_t thread);

/* The last thread of a task is about to go; in its context. Not for tasks that never had a process. */
void bsd_task_exit(task_t task);

/* The task of a process that the current one may control, with a reference; TASK_NULL: there is none. */
task_t bsd_task_for_pid(int32_t pid);

/* How many processes have a task; if there is room for all of them, the tasks, each with a reference. */
uint32_t bsd_tasks(task_t *tasks, uint32_t room);

/* Nobody handled a Mach exception: becomes a signal of the current thread. */
void bsd_exception_to_signal(thread_t thread, int exception, uint64_t code, uint64_t subcode);

/* EXC_CRASH has been told: the current process ends with a wait status. */
OS_NORETURN void bsd_crash_exit(int status);

/*
 * Nothing else frees memory: the process that has the most is to end, or one is about to. False: there was none the last
 * time. Does not block.
 */
bool bsd_memory_kill(void);

/* A number that nobody can foresee, once bsd_init has begun. Any context but interrupt handlers; takes a spin lock. */
uint64_t bsd_random(void);

/* PE_init_iokit and StartIOKitMatching. */
void iokit_init(void);

/* The MIG routine of an id from IOKIT_ROUTINE_FIRST to IOKIT_ROUTINE_LAST, or NULL. */
#define IOKIT_ROUTINE_FIRST 2800
#define IOKIT_ROUTINE_LAST  2899
const struct mig_routine *iokit_find_routine(int32_t id);

/* The last send right to a port of kind IKOT_IOKIT_OBJECT has gone, after ipc_kobject_arm_no_senders. No locks
 * held; the caller has a reference to the port. */
void iokit_no_senders(ipc_port_t port);

/* Boot argument kbench: the benchmarks inside the kernel, in bench/kernel. kernel_bootstrap_thread, right
 * before bsd_init. `names` is the argument's value, a list with commas; an empty one means all. */
void kbench_run(const char *names);
