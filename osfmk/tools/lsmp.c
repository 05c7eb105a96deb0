/*
 * lsmp: the Mach port names of processes.
 *
 *	lsmp [-v] -p PID | -a
 *
 * One line a name: the name, its rights, user references, and what is behind it: a kernel object, with the flavor and
 * the owner of the ports of tasks and threads; for a receive right the queue (messages waiting, limit, send rights,
 * make-send count, requests) and its guard; for a set its members with -v. -a walks through all processes that may be
 * looked at. The read port of a process is enough for all that.
 */
#include <mach/mach.h>
#include <mach_debug/ipc_info.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PID_LIMIT 100000

static bool verbose;

static const char *
rights_name(mach_port_type_t type)
{
	switch (type & MACH_PORT_TYPE_ALL_RIGHTS) {
	case MACH_PORT_TYPE_SEND:
		return "send";
	case MACH_PORT_TYPE_RECEIVE:
		return "recv";
	case MACH_PORT_TYPE_SEND_RECEIVE:
		return "recv,send";
	case MACH_PORT_TYPE_SEND_ONCE:
		return "send-once";
	case MACH_PORT_TYPE_PORT_SET:
		return "port-set";
	case MACH_PORT_TYPE_DEAD_NAME:
		return "dead-name";
	default:
		return "?";
	}
}

/* A strict guard is a secret. */
static void
show_guard(task_read_t task, mach_port_name_t name, natural_t flags)
{
	mach_vm_address_t context = 0;

	if (flags & MACH_PORT_STATUS_FLAG_STRICT_GUARD) {
		printf(", strict guard");
	} else if (mach_port_get_context(task, name, &context) == KERN_SUCCESS &&
		   (context != 0 || (flags & MACH_PORT_STATUS_FLAG_GUARDED))) {
		printf(", %s 0x%llx", flags & MACH_PORT_STATUS_FLAG_GUARDED ? "guard" : "context",
		    (unsigned long long)context);
	}
	printf("%s", flags & MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE ? ", immovable" : "");
}

static void
show_object(task_read_t task, mach_port_name_t name)
{
	kobject_description_t text;
	natural_t kind;
	mach_vm_address_t address;

	if (mach_port_kobject_description(task, name, &kind, &address, text) == KERN_SUCCESS) {
		printf(" %s", text);
	}
}

static void
show_receive(task_read_t task, const ipc_info_name_t *name)
{
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	mach_port_status_t status;

	if (mach_port_get_attributes(task, name->iin_name, MACH_PORT_RECEIVE_STATUS,
		(mach_port_info_t)&status, &count) != KERN_SUCCESS) {
		return;
	}
	printf(" %u/%u msgs, %s, mscount %u", status.mps_msgcount, status.mps_qlimit,
	    status.mps_srights ? "has senders" : "no senders", status.mps_mscount);
	printf("%s%s%s", status.mps_sorights ? ", send-once" : "", status.mps_nsrequest ? ", N" : "",
	    status.mps_pdrequest ? ", P" : "");
	show_guard(task, name->iin_name, status.mps_flags);
}

static void
show_set(task_read_t task, const ipc_info_name_t *name)
{
	mach_port_name_array_t members = NULL;
	mach_msg_type_number_t count = 0;

	if (mach_port_get_set_status(task, name->iin_name, &members, &count) != KERN_SUCCESS) {
		return;
	}
	printf(" %u member%s", count, count == 1 ? "" : "s");
	for (mach_msg_type_number_t i = 0; verbose && i < count; i++) {
		printf("%s 0x%08x", i == 0 ? ":" : "", members[i]);
	}
	if (count != 0) {
		(void)vm_deallocate(mach_task_self(), (vm_address_t)members, count * sizeof(*members));
	}
}

static void
show_name(task_read_t task, const ipc_info_name_t *name)
{
	printf("0x%08x  %-10s %5u ", name->iin_name, rights_name(name->iin_type), name->iin_urefs);
	if (name->iin_type & MACH_PORT_TYPE_DNREQUEST) {
		printf(" D");
	}
	if (name->iin_type & MACH_PORT_TYPE_SPREQUEST) {
		printf(" S");
	}
	if (name->iin_object != 0) {
		show_object(task, name->iin_name);
	}
	if (name->iin_type & MACH_PORT_TYPE_RECEIVE) {
		show_receive(task, name);
	} else if (name->iin_type & MACH_PORT_TYPE_PORT_SET) {
		show_set(task, name);
	}
	printf("\n");
}

static bool
show_task(task_read_t task, int pid)
{
	mach_msg_type_number_t count = 0, tree_count = 0;
	ipc_info_name_array_t names = NULL;
	ipc_info_tree_name_array_t tree = NULL;
	ipc_info_space_t space;
	kern_return_t kr = mach_port_space_info(task, &space, &names, &count, &tree, &tree_count);

	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "lsmp: process %d: %s\n", pid, mach_error_string(kr));
		return false;
	}
	printf("Process %d: %u names, room for %u\n", pid, count, space.iis_table_size);
	printf("name        rights      refs  object or queue\n");
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		show_name(task, &names[i]);
	}
	if (count != 0) {
		(void)vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof(*names));
	}
	return true;
}

static bool
show_process(int pid)
{
	task_read_t task = MACH_PORT_NULL;
	bool ok;

	if (task_read_for_pid(mach_task_self(), pid, &task) != 0) {
		fprintf(stderr, "lsmp: there is no process %d, or it is somebody else's\n", pid);
		return false;
	}
	ok = show_task(task, pid);
	(void)mach_port_deallocate(mach_task_self(), task);
	return ok;
}

/* There are few process numbers: trying them all needs no list. */
static bool
show_all(void)
{
	for (int pid = 1; pid < PID_LIMIT; pid++) {
		task_read_t task = MACH_PORT_NULL;

		if (task_read_for_pid(mach_task_self(), pid, &task) == 0) {
			(void)show_task(task, pid);
			(void)mach_port_deallocate(mach_task_self(), task);
			printf("\n");
		}
	}
	return true;
}

static int
usage(void)
{
	fprintf(stderr, "usage: lsmp [-v] -p PID | -a\n");
	return 64;
}

int
main(int argc, char *argv[])
{
	const char *pid = NULL;
	bool all = false;
	char *end;
	long number;
	int option;

	while ((option = getopt(argc, argv, "avp:")) != -1) {
		switch (option) {
		case 'a':
			all = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'p':
			pid = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc || all == (pid != NULL)) {
		return usage();
	}
	if (all) {
		return show_all() ? 0 : 1;
	}
	number = strtol(pid, &end, 10);
	if (*pid == '\0' || *end != '\0' || number < 0 || number > PID_LIMIT) {
		fprintf(stderr, "lsmp: '%s' is no process number\n", pid);
		return 64;
	}
	return show_process((int)number) ? 0 : 1;
}
