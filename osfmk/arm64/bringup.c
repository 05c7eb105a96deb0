/*
 * Weak stand-ins for what the machine layer calls, so that the kernel links and boots while the layers above
 * arrive. Each definition elsewhere replaces one here; the file goes when none is used.
 */
#include <arm64/copyio.h>
#include <arm64/panic.h>
#include <kern/ast.h>
#include <kern/sched_prim.h>
#include <kern/startup.h>
#include <kern/thread.h>
#include <kern/timer_call.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <ktest/ktest.h>
#include <os/panic.h>
#include <pexpert/pexpert.h>
#include <vm/vm_fault.h>
#include <vm/vm_kern.h>

#define WEAK __attribute__((weak))

WEAK struct thread boot_thread;

WEAK void
timer_interrupt(void)
{
}

WEAK void *
zalloc_flags(zone_t zone, unsigned flags)
{
	return NULL;
}

WEAK void
zfree(zone_t zone, void *elem)
{
}

WEAK void
bsd_exception_to_signal(thread_t thread, int exception, uint64_t code, uint64_t subcode)
{
	panic("exception %d code %#llx %#llx of a user thread", exception, (unsigned long long)code,
	    (unsigned long long)subcode);
}

WEAK kern_return_t
vm_fault_user(struct thread *thread, uint64_t far, uint32_t esr)
{
	return KERN_FAILURE;
}

WEAK bool
vm_fault_kernel(struct arm_saved_state *frame, uint64_t far, uint32_t esr)
{
	return false;
}

WEAK vm_offset_t
kernel_stack_alloc(void)
{
	return 0;
}

WEAK int
copyin(user_addr_t uaddr, void *kaddr, size_t len)
{
	return 14;
}

WEAK void
ast_taken_user(void)
{
}

WEAK void
ast_taken_kernel(void)
{
}

WEAK void
sched_signal_interrupt(void)
{
}

WEAK OS_NORETURN void
secondary_cpu_main(void)
{
	for (;;) {
		__asm__ volatile("wfi");
	}
}

WEAK OS_NORETURN void
machine_startup(void)
{
	thread_machine(&boot_thread)->preempt_count = 0;
	ml_set_interrupts_enabled(true);
	machine_halt(pe_boot_arg_flag("ktest") && ktest_run("") != 0);
}
