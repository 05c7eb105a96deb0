/*
 * Threads that call a slow server: a full queue, time-outs of both kinds, a signal in the middle, a
 * message that is too large.
 */
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLERS 4
#define CALLS   200

typedef struct {
	mach_msg_header_t header;
	int32_t number;
} call_t;

typedef struct {
	call_t msg;
	mach_msg_max_trailer_t trailer;
} call_rcv_t;

static mach_port_t server, never;

static void
fail(const char *what, kern_return_t kr)
{
	fprintf(stderr, "%s: %s (0x%x)\n", what, mach_error_string(kr), kr);
	exit(1);
}

/* ---- many callers, one server, and a queue of one ---- */

static void *
serve(void *arg)
{
	for (int i = 0; i < CALLERS * CALLS; i++) {
		call_rcv_t in;
		kern_return_t kr;

		kr = mach_msg(&in.msg.header, MACH_RCV_MSG, 0, sizeof(in), server, 0, MACH_PORT_NULL);
		if (kr != MACH_MSG_SUCCESS) {
			fail("server", kr);
		}
		in.msg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(in.msg.header.msgh_bits), 0);
		in.msg.header.msgh_local_port = MACH_PORT_NULL;
		in.msg.number = -in.msg.number;
		kr = mach_msg(
		    &in.msg.header, MACH_SEND_MSG, sizeof(call_t), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
		if (kr != MACH_MSG_SUCCESS) {
			fail("answer", kr);
		}
	}
	return NULL;
}

static void *
caller(void *arg)
{
	mach_port_t reply = mach_reply_port();
	intptr_t answered = 0;

	for (int i = 1; i <= CALLS; i++) {
		call_rcv_t m = { .msg.number = i };
		kern_return_t kr;

		m.msg.header.msgh_bits =
		    MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
		m.msg.header.msgh_remote_port = server;
		m.msg.header.msgh_local_port = reply;
		do { /* a message that timed out comes back with its rights, ready to be sent again */
			kr = mach_msg(&m.msg.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(call_t), 0,
			    MACH_PORT_NULL, 1, MACH_PORT_NULL);
		} while (kr == MACH_SEND_TIMED_OUT);
		if (kr != MACH_MSG_SUCCESS) {
			fail("call", kr);
		}
		kr = mach_msg(&m.msg.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), reply, 30000,
		    MACH_PORT_NULL);
		if (kr != MACH_MSG_SUCCESS) {
			fail("reply", kr);
		}
		answered += m.msg.number == -i;
	}
	mach_port_mod_refs(mach_task_self(), reply, MACH_PORT_RIGHT_RECEIVE, -1);
	return (void *)answered;
}

static void
many_callers(void)
{
	pthread_t threads[CALLERS], server_thread;
	mach_port_limits_t limits = { .mpl_qlimit = 1 };
	intptr_t sum = 0;

	mach_port_set_attributes(mach_task_self(), server, MACH_PORT_LIMITS_INFO, (mach_port_info_t)&limits,
	    MACH_PORT_LIMITS_INFO_COUNT);
	pthread_create(&server_thread, NULL, serve, NULL);
	for (int i = 0; i < CALLERS; i++) {
		pthread_create(&threads[i], NULL, caller, NULL);
	}
	for (int i = 0; i < CALLERS; i++) {
		void *answered;

		pthread_join(threads[i], &answered);
		sum += (intptr_t)answered;
	}
	pthread_join(server_thread, NULL);
	printf("%ld calls answered\n", (long)sum);
}

/* ---- a signal in a receive ---- */

static volatile sig_atomic_t signalled;

static void
on_signal(int number)
{
	signalled = 1;
}

static void *
interrupted(void *arg)
{
	call_rcv_t in;
	kern_return_t kr;

	kr = mach_msg(&in.msg.header, MACH_RCV_MSG | MACH_RCV_INTERRUPT, 0, sizeof(in), never,
	    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
	return (void *)(uintptr_t)kr;
}

static void
signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;
	void *kr;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, interrupted, NULL);
	for (;;) { /* until it has begun to wait */
		thread_basic_info_data_t info;
		mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

		thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO, (thread_info_t)&info, &count);
		if (info.run_state == TH_STATE_WAITING) {
			break;
		}
		thread_switch(MACH_PORT_NULL, SWITCH_OPTION_DEPRESS, 1);
	}
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &kr);
	printf("interrupted: %s, handler ran: %d\n",
	    (kern_return_t)(uintptr_t)kr == MACH_RCV_INTERRUPTED
		? "yes"
		: mach_error_string((kern_return_t)(uintptr_t)kr),
	    signalled);
}

/* ---- one thread alone ---- */

static void
alone(void)
{
	call_rcv_t m;
	char *large;
	mach_msg_size_t size;
	int filled = 0;
	kern_return_t kr;

	kr =
	    mach_msg(&m.msg.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), never, 10, MACH_PORT_NULL);
	printf("nothing came: %d\n", kr == MACH_RCV_TIMED_OUT);
	for (;;) {
		m.msg.header = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
			.msgh_remote_port = never,
			.msgh_size = sizeof(call_t) };
		kr = mach_msg(&m.msg.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(call_t), 0,
		    MACH_PORT_NULL, 0, MACH_PORT_NULL);
		if (kr != MACH_MSG_SUCCESS) {
			break;
		}
		filled++;
	}
	printf("queue of %d, then %d\n", filled, kr == MACH_SEND_TIMED_OUT);
	for (int i = 0; i < filled; i++) {
		mach_msg(&m.msg.header, MACH_RCV_MSG, 0, sizeof(m), never, 0, MACH_PORT_NULL);
	}
	size = 100000;
	large = calloc(1, size);
	*(mach_msg_header_t *)large =
	    (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
		    .msgh_remote_port = never,
		    .msgh_size = size,
		    .msgh_id = 77 };
	large[size - 1] = 'z';
	kr = mach_msg_send((mach_msg_header_t *)large);
	if (kr != MACH_MSG_SUCCESS) {
		fail("large", kr);
	}
	memset(large, 0, size);
	kr = mach_msg(&m.msg.header, MACH_RCV_MSG | MACH_RCV_LARGE, 0, sizeof(m), never, 0, MACH_PORT_NULL);
	printf("too large: %d, %u bytes\n", kr == MACH_RCV_TOO_LARGE, m.msg.header.msgh_size);
	size = m.msg.header.msgh_size + MAX_TRAILER_SIZE;
	large = realloc(large, size);
	kr = mach_msg_overwrite(
	    &m.msg.header, MACH_RCV_MSG, 0, size, never, 0, MACH_PORT_NULL, (mach_msg_header_t *)large, 0);
	printf("overwritten: %d, %d, %c\n", kr, ((mach_msg_header_t *)large)->msgh_id, large[99999]);
	free(large);
}

int
main(void)
{
	mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &server);
	mach_port_insert_right(mach_task_self(), server, server, MACH_MSG_TYPE_MAKE_SEND);
	mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &never);
	many_callers();
	signals();
	alone();
	return 0;
}
