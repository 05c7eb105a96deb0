/*
 * Arrays of ports out of line: the parent hands its child send rights to all its counters and
 * takes receive rights back.
 */
#include <mach/mach.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS 64

typedef struct {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_ool_ports_descriptor_t ports;
	mach_msg_port_descriptor_t answer;
} ports_msg_t;

struct ports_rcv {
	ports_msg_t msg;
	mach_msg_max_trailer_t trailer;
};

static void
check(kern_return_t kr, const char *what)
{
	if (kr != KERN_SUCCESS) {
		mach_error(what, kr);
		exit(1);
	}
}

static void
send_ports(
    mach_port_t to, mach_port_t *ports, mach_msg_type_name_t how, boolean_t deallocate, mach_port_t answer)
{
	ports_msg_t msg;

	memset(&msg, 0, sizeof(msg));
	msg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
	msg.header.msgh_remote_port = to;
	msg.header.msgh_size = sizeof(msg);
	msg.body.msgh_descriptor_count = 2;
	msg.ports.address = ports;
	msg.ports.count = PORTS;
	msg.ports.deallocate = deallocate;
	msg.ports.copy = MACH_MSG_PHYSICAL_COPY;
	msg.ports.disposition = how;
	msg.ports.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
	msg.answer.name = answer;
	msg.answer.disposition = MACH_MSG_TYPE_MAKE_SEND;
	msg.answer.type = MACH_MSG_PORT_DESCRIPTOR;
	check(mach_msg(&msg.header, MACH_SEND_MSG, sizeof(msg), 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
		  MACH_PORT_NULL),
	    "send ports");
}

static mach_port_t *
receive_ports(mach_port_t from, mach_msg_type_name_t as, mach_port_t *answer)
{
	struct ports_rcv in;

	check(mach_msg(
		  &in.msg.header, MACH_RCV_MSG, 0, sizeof(in), from, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
	    "receive ports");
	if (in.msg.ports.type != MACH_MSG_OOL_PORTS_DESCRIPTOR || in.msg.ports.count != PORTS ||
	    in.msg.ports.disposition != as) {
		fprintf(stderr, "not the array that was sent\n");
		exit(1);
	}
	*answer = in.msg.answer.name;
	return in.msg.ports.address;
}

static void
child(void)
{
	mach_port_t parent, mine, nobody, *counters, *own;
	vm_size_t bytes = PORTS * sizeof(mach_port_t);
	vm_address_t memory;

	check(task_get_bootstrap_port(mach_task_self(), &parent), "task_get_bootstrap_port");
	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &mine), "mach_port_allocate");
	check(vm_allocate(mach_task_self(), &memory, bytes, VM_FLAGS_ANYWHERE), "vm_allocate");
	own = (mach_port_t *)memory;
	for (int i = 0; i < PORTS; i++) {
		check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &own[i]), "allocate");
		if (i % 2) { /* a message waits in every other one */
			mach_msg_header_t note = { .msgh_bits =
						       MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, 0),
				.msgh_remote_port = own[i],
				.msgh_size = sizeof(note),
				.msgh_id = i };

			check(mach_msg_send(&note), "note");
		}
	}
	send_ports(parent, own, MACH_MSG_TYPE_MOVE_RECEIVE, TRUE, mine);
	counters = receive_ports(mine, MACH_MSG_TYPE_PORT_SEND, &nobody);
	for (int i = 0; i < PORTS; i++) {
		for (int n = 0; n < i % 5; n++) {
			mach_msg_header_t count = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
				.msgh_remote_port = counters[i],
				.msgh_size = sizeof(count) };

			check(mach_msg_send(&count), "count");
		}
	}
	check(vm_deallocate(mach_task_self(), (vm_address_t)counters, bytes), "vm_deallocate");
	_exit(0);
}

int
main(void)
{
	mach_port_t meet, answer, *theirs, counters[PORTS];
	int status, counted = 0, notes = 0;

	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &meet), "mach_port_allocate");
	check(mach_port_insert_right(mach_task_self(), meet, meet, MACH_MSG_TYPE_MAKE_SEND), "insert");
	check(task_set_bootstrap_port(mach_task_self(), meet), "task_set_bootstrap_port");
	if (fork() == 0) {
		child();
	}
	theirs = receive_ports(meet, MACH_MSG_TYPE_PORT_RECEIVE, &answer);
	for (int i = 0; i < PORTS; i++) {
		check(
		    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &counters[i]), "allocate");
	}
	send_ports(answer, counters, MACH_MSG_TYPE_MAKE_SEND, FALSE, MACH_PORT_NULL);
	wait(&status);
	for (int i = 0; i < PORTS; i++) {
		mach_port_status_t info;
		mach_msg_type_number_t size = MACH_PORT_RECEIVE_STATUS_COUNT;
		struct {
			mach_msg_header_t header;
			mach_msg_trailer_t trailer;
		} note;

		check(mach_port_get_attributes(mach_task_self(), counters[i], MACH_PORT_RECEIVE_STATUS,
			  (mach_port_info_t)&info, &size),
		    "mach_port_get_attributes");
		/* a waiting message keeps a right to the port that it waits at */
		counted +=
		    info.mps_msgcount == (mach_port_msgcount_t)(i % 5) && info.mps_srights == (i % 5 != 0);
		if (mach_msg(&note.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(note), theirs[i], 0,
			MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
			notes += note.header.msgh_id == i;
		}
		check(
		    mach_port_mod_refs(mach_task_self(), theirs[i], MACH_PORT_RIGHT_RECEIVE, -1), "mod_refs");
		check(mach_port_destroy(mach_task_self(), counters[i]), "mach_port_destroy");
	}
	printf("child %d: %d counters right, %d notes\n", status, counted, notes);
	return 0;
}
