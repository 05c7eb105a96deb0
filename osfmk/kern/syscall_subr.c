/*
 * The traps that give way: swtch, swtch_pri, thread_switch. Interrupts are masked throughout; a thread that
 * gives way keeps nothing in the kernel.
 */
#include <ipc/ipc_kobject.h>
#include <kern/clock.h>
#include <kern/mach_traps.h>
#include <kern/sched_prim.h>
#include <kern/thread.h>
#include <mach/thread_switch.h>

boolean_t
swtch(void)
{
	return thread_yield_user(SCHED_YIELD_EQUAL, true);
}

/* Behind every other thread of the CPU, whatever its priority. The argument has had no meaning for decades. */
boolean_t
swtch_pri(int priority)
{
	return thread_yield_user(SCHED_YIELD_ANY, true);
}

static OS_NORETURN void
switch_wait_continue(void *param, wait_result_t result)
{
	thread_syscall_return(KERN_SUCCESS); /* early or late, it is a hint */
}

/* Sleeps for a while; thread_abort ends it. */
static OS_NORETURN void
switch_wait(uint64_t ns)
{
	thread_t self = current_thread();

	thread_set_continuation(self, switch_wait_continue, NULL);
	wait_prepare(self, THREAD_ABORTSAFE, clock_interval_to_deadline_ns(ns));
	thread_block_prepared();
}

/* Behind all others until it runs, for the given time at most; 0: for a quantum. */
static void
switch_depress(mach_msg_timeout_t ms)
{
	if (ms == 0) {
		thread_yield_user(SCHED_YIELD_ANY, KERN_SUCCESS);
	} else {
		thread_depress_user(ms * NSEC_PER_MSEC, KERN_SUCCESS);
	}
}

/* The named thread runs next if it waits for this CPU. Returns if it does not. */
static void
switch_to_named(mach_port_name_t name)
{
	thread_t target = port_name_to_thread(name);

	if (target != THREAD_NULL) {
		/* Type-stable, and only a thread that is alive is found on the run queue. */
		thread_deallocate(target);
		thread_yield_to_user(target, KERN_SUCCESS);
	}
}

kern_return_t
thread_switch(mach_port_name_t thread_name, int option, mach_msg_timeout_t option_time)
{
	if (option < SWITCH_OPTION_NONE || option > SWITCH_OPTION_OSLOCK_WAIT) {
		return KERN_INVALID_ARGUMENT;
	}
	switch (option) {
	case SWITCH_OPTION_WAIT:
	case SWITCH_OPTION_OSLOCK_WAIT:
		switch_wait(option_time * NSEC_PER_MSEC);
	case SWITCH_OPTION_DISPATCH_CONTENTION:
		switch_wait(option_time * NSEC_PER_USEC);
	default:
		break;
	}
	if (thread_name != MACH_PORT_NULL) {
		switch_to_named(thread_name);
	}
	if (option == SWITCH_OPTION_NONE) {
		thread_yield_user(SCHED_YIELD_EQUAL, KERN_SUCCESS);
	} else {
		switch_depress(option_time);
	}
	return KERN_SUCCESS;
}
