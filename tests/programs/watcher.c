/*
 * Who writes here: a debugger that watches a variable of its child with a hardware watchpoint, and then follows the child
 * instruction by instruction.
 */
#include <mach/exception.h>
#include <mach/mach.h>
#include <mach/thread_status.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_STORES 0x1ff5 /* enabled, user mode, stores, eight bytes */

extern boolean_t mach_exc_server(mach_msg_header_t *request, mach_msg_header_t *reply);

static volatile uint64_t table[8] __attribute__((aligned(8)));
static enum { WATCHING, STORING, STEPPING, DONE } phase;
static int stores, instructions;
static uint64_t last_pc;

__attribute__((noinline)) static void
fill(uint64_t from)
{
	for (unsigned i = 0; i < 8; i++) {
		table[i] = from + i;
	}
}

__attribute__((noinline)) static void
clear(void)
{
	for (unsigned i = 0; i < 8; i++) {
		table[i] = 0;
	}
}

static void
die(const char *what, kern_return_t kr)
{
	fprintf(stderr, "%s: %s (%#x)\n", what, mach_error_string(kr), kr);
	exit(1);
}

static void
arm(thread_t thread, int watch, int step)
{
	arm_debug_state64_t state;
	mach_msg_type_number_t count = ARM_DEBUG_STATE64_COUNT;
	kern_return_t kr;

	kr = thread_get_state(thread, ARM_DEBUG_STATE64, (thread_state_t)&state, &count);
	if (kr != KERN_SUCCESS) {
		die("thread_get_state", kr);
	}
	state.__wvr[0] = (uint64_t)&table[5];
	state.__wcr[0] = watch ? WATCH_STORES : 0;
	state.__mdscr_el1 = step ? state.__mdscr_el1 | 1 : state.__mdscr_el1 & ~1ULL;
	kr = thread_set_state(thread, ARM_DEBUG_STATE64, (thread_state_t)&state, count);
	if (kr != KERN_SUCCESS) {
		die("thread_set_state", kr);
	}
}

static uint64_t
pc_of(thread_t thread)
{
	arm_thread_state64_t state;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	kern_return_t kr;

	kr = thread_get_state(thread, ARM_THREAD_STATE64, (thread_state_t)&state, &count);
	if (kr != KERN_SUCCESS) {
		die("thread_get_state", kr);
	}
	return arm_thread_state64_get_pc(state);
}

/* The one that begins last before it. */
static const char *
writer(uint64_t pc)
{
	uint64_t from_fill = pc - (uint64_t)fill, from_clear = pc - (uint64_t)clear;

	return from_fill < from_clear ? "fill" : "clear";
}

kern_return_t
catch_mach_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task, exception_type_t exception,
    mach_exception_data_t code, mach_msg_type_number_t code_count)
{
	if (exception != EXC_BREAKPOINT || code_count != 2) {
		fprintf(stderr, "exception %d\n", exception);
		return KERN_FAILURE;
	}
	switch (phase) {
	case WATCHING: /* at the store: it is made with the watchpoint off */
		printf("%s stores to element %lld\n", writer(pc_of(thread)),
		    ((long long)code[1] - (long long)table) / 8);
		stores++;
		arm(thread, 0, 1);
		phase = STORING;
		break;
	case STORING: /* behind it */
		if (stores < 2) {
			arm(thread, 1, 0);
			phase = WATCHING;
			break;
		}
		phase = STEPPING;
		/* fall through */
	case STEPPING:
		instructions += pc_of(thread) != last_pc;
		last_pc = pc_of(thread);
		phase = instructions < 100 ? STEPPING : DONE;
		arm(thread, 0, phase == STEPPING);
		break;
	case DONE:
		fprintf(stderr, "one step too many\n");
		return KERN_FAILURE;
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
	fill(10);
	clear();
	fill(20);
	_exit(table[5] == 25 ? 7 : 8);
}

int
main(void)
{
	thread_act_array_t threads;
	mach_msg_type_number_t count = 0;
	mach_port_t task, exceptions;
	kern_return_t kr;
	int go[2], status;
	pid_t pid;

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
		kr = task_set_exception_ports(task, EXC_MASK_BREAKPOINT, exceptions,
		    (exception_behavior_t)(EXCEPTION_DEFAULT | MACH_EXCEPTION_CODES), THREAD_STATE_NONE);
	}
	if (kr == KERN_SUCCESS) {
		kr = task_threads(task, &threads, &count);
	}
	if (kr != KERN_SUCCESS) {
		die("set up", kr);
	}
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		arm(threads[i], 1, 0);
		mach_port_deallocate(mach_task_self(), threads[i]);
	}
	vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(threads[0]));
	(void)write(go[1], "g", 1);
	while (phase != DONE) {
		kr = mach_msg_server_once(mach_exc_server, 4096, exceptions, MACH_MSG_OPTION_NONE);
		if (kr != KERN_SUCCESS) {
			die("mach_msg_server_once", kr);
		}
	}
	waitpid(pid, &status, 0);
	printf("child: %d after %d stores and %d instructions\n", WEXITSTATUS(status), stores, instructions);
	return 0;
}
