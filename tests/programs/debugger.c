/*
 * A small debugger: takes its child's task and exception ports, plants a breakpoint in it, runs to it, looks at
 * registers and memory, changes an argument, steps over the breakpoint and lets the child go on.
 */
#include <mach/exception.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/thread_status.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BREAKPOINT 0xd4200000U /* brk #0 */

extern boolean_t mach_exc_server(mach_msg_header_t *request, mach_msg_header_t *reply);

static volatile int secret = 42;
static uint32_t original[2]; /* the instruction of the breakpoint, and the one behind it */
static mach_vm_address_t breakpoint_at;
static int hits, steps;

__attribute__((noinline)) static int
traced(int argument)
{
	__asm__ volatile("");
	return argument + secret;
}

static void
die(const char *what, kern_return_t kr)
{
	fprintf(stderr, "%s: %s (%#x)\n", what, mach_error_string(kr), kr);
	exit(1);
}

static void
poke(task_t task, mach_vm_address_t address, uint32_t instruction)
{
	kern_return_t kr;

	kr = mach_vm_protect(
	    task, address, sizeof(instruction), FALSE, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COPY);
	if (kr != KERN_SUCCESS) {
		die("mach_vm_protect", kr);
	}
	kr = mach_vm_write(task, address, (vm_offset_t)&instruction, sizeof(instruction));
	if (kr != KERN_SUCCESS) {
		die("mach_vm_write", kr);
	}
	kr = mach_vm_protect(task, address, sizeof(instruction), FALSE, VM_PROT_READ | VM_PROT_EXECUTE);
	if (kr != KERN_SUCCESS) {
		die("mach_vm_protect", kr);
	}
}

static void
at_breakpoint(task_t task, thread_t thread)
{
	arm_thread_state64_t state;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	mach_vm_size_t got = 0;
	kern_return_t kr;
	int value = 0;

	kr = thread_get_state(thread, ARM_THREAD_STATE64, (thread_state_t)&state, &count);
	if (kr != KERN_SUCCESS) {
		die("thread_get_state", kr);
	}
	if (arm_thread_state64_get_pc(state) != breakpoint_at) {
		fprintf(stderr, "stopped elsewhere\n");
		exit(1);
	}
	kr = mach_vm_read_overwrite(
	    task, (mach_vm_address_t)&secret, sizeof(value), (mach_vm_address_t)&value, &got);
	if (kr != KERN_SUCCESS) {
		die("mach_vm_read_overwrite", kr);
	}
	printf("breakpoint: argument %llu, secret %d\n", state.__x[0], value);
	state.__x[0] += 1000;
	kr = thread_set_state(thread, ARM_THREAD_STATE64, (thread_state_t)&state, count);
	if (kr != KERN_SUCCESS) {
		die("thread_set_state", kr);
	}
}

kern_return_t
catch_mach_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task, exception_type_t exception,
    mach_exception_data_t code, mach_msg_type_number_t code_count)
{
	if (exception != EXC_BREAKPOINT) {
		fprintf(stderr, "exception %d code %#llx\n", exception,
		    code_count > 1 ? (long long)code[1] : 0LL);
		return KERN_FAILURE;
	}
	if (hits == steps) { /* its own instruction runs, up to a second breakpoint behind it */
		hits++;
		at_breakpoint(task, thread);
		poke(task, breakpoint_at, original[0]);
		poke(task, breakpoint_at + 4, BREAKPOINT);
	} else {
		steps++;
		poke(task, breakpoint_at + 4, original[1]);
		poke(task, breakpoint_at, BREAKPOINT);
	}
	mach_port_deallocate(mach_task_self(), thread);
	mach_port_deallocate(mach_task_self(), task);
	return KERN_SUCCESS;
}

kern_return_t
catch_mach_exception_raise_state(mach_port_t port, exception_type_t exception,
    const mach_exception_data_t code, mach_msg_type_number_t code_count, int *flavor,
    const thread_state_t old_state, mach_msg_type_number_t old_count, thread_state_t new_state,
    mach_msg_type_number_t *new_count)
{
	return KERN_FAILURE;
}

kern_return_t
catch_mach_exception_raise_state_identity(mach_port_t port, mach_port_t thread, mach_port_t task,
    exception_type_t exception, mach_exception_data_t code, mach_msg_type_number_t code_count, int *flavor,
    thread_state_t old_state, mach_msg_type_number_t old_count, thread_state_t new_state,
    mach_msg_type_number_t *new_count)
{
	return KERN_FAILURE;
}

static void
child(int go)
{
	char byte;

	if (read(go, &byte, 1) != 1) {
		_exit(1);
	}
	_exit(traced(1) == 1043 && traced(2) == 1044 ? 7 : 8);
}

int
main(void)
{
	mach_port_t task, exceptions;
	mach_vm_size_t got;
	kern_return_t kr;
	int go[2], status;
	pid_t pid;

	breakpoint_at = (mach_vm_address_t)traced;
	if (pipe(go) < 0 || (pid = fork()) < 0) {
		perror("fork");
		return 1;
	}
	if (pid == 0) {
		child(go[0]);
	}
	kr = task_for_pid(mach_task_self(), pid, &task);
	if (kr != KERN_SUCCESS) {
		die("task_for_pid", kr);
	}
	kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &exceptions);
	if (kr == KERN_SUCCESS) {
		kr =
		    mach_port_insert_right(mach_task_self(), exceptions, exceptions, MACH_MSG_TYPE_MAKE_SEND);
	}
	if (kr == KERN_SUCCESS) {
		kr = task_set_exception_ports(task, EXC_MASK_BREAKPOINT | EXC_MASK_BAD_ACCESS, exceptions,
		    (exception_behavior_t)(EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES), ARM_THREAD_STATE64);
	}
	if (kr != KERN_SUCCESS) {
		die("exception port", kr);
	}
	kr = mach_vm_read_overwrite(task, breakpoint_at, sizeof(original), (mach_vm_address_t)original, &got);
	if (kr != KERN_SUCCESS) {
		die("mach_vm_read_overwrite", kr);
	}
	task_suspend(task);
	poke(task, breakpoint_at, BREAKPOINT);
	task_resume(task);
	(void)write(go[1], "g", 1);
	while (steps < 2) {
		kr = mach_msg_server_once(mach_exc_server, 4096, exceptions, MACH_MSG_OPTION_NONE);
		if (kr != KERN_SUCCESS) {
			die("mach_msg_server_once", kr);
		}
	}
	waitpid(pid, &status, 0);
	printf("child: %d, %d hits, %d steps\n", WEXITSTATUS(status), hits, steps);
	return 0;
}
