/*
 * Mach messages and semaphores.
 *
 * A round trip is one combined send and receive on each side, as every client and server stub does it: the
 * client makes a send-once right to its reply port, the server answers with it. The payload is copied by the
 * kernel both ways, checked when the loop is through, and the answer's id is checked each time.
 */
#include "peer.h"

#include <harness/bench.h>
#include <harness/platform.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define PAYLOAD_MAX 4096
#define REQUEST_ID  1000
#define REPLY_ID    (REQUEST_ID + 100)

struct message {
	mach_msg_header_t header;
	uint32_t payload[PAYLOAD_MAX / sizeof(uint32_t)];
	mach_msg_trailer_t trailer; /* receive only */
};

/* ---- server side ---- */

static mach_msg_return_t
serve_first(struct message *m, mach_port_t service)
{
	return mach_msg(
	    &m->header, MACH_RCV_MSG, 0, sizeof(*m), service, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

/* Answers the request in `m` and waits for the next one there. */
static mach_msg_return_t
serve_next(struct message *m, mach_port_t service)
{
	m->header.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m->header.msgh_bits), 0);
	m->header.msgh_local_port = MACH_PORT_NULL;
	m->header.msgh_id = REPLY_ID;
	return mach_msg(&m->header, MACH_SEND_MSG | MACH_RCV_MSG, m->header.msgh_size, sizeof(*m), service,
	    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

static void
echo(mach_port_t service)
{
	struct message m;
	mach_msg_return_t mr = serve_first(&m, service);

	while (mr == MACH_MSG_SUCCESS && m.header.msgh_id != PEER_QUIT) {
		mr = serve_next(&m, service);
	}
}

/* An operation on a vector register: the thread's FP state is live across what follows. */
static inline void
touch_fp(void)
{
	__asm__ volatile("fadd d16, d16, d17" ::: "v16");
}

static void
echo_fp(mach_port_t service)
{
	struct message m;
	mach_msg_return_t mr = serve_first(&m, service);

	while (mr == MACH_MSG_SUCCESS && m.header.msgh_id != PEER_QUIT) {
		touch_fp();
		mr = serve_next(&m, service);
	}
}

/* The same by way of a set that has the service and another port, as a server of several services waits. */
static void
echo_set(mach_port_t service)
{
	mach_port_t set, other;

	if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set) == KERN_SUCCESS &&
	    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &other) == KERN_SUCCESS &&
	    mach_port_insert_member(mach_task_self(), other, set) == KERN_SUCCESS &&
	    mach_port_insert_member(mach_task_self(), service, set) == KERN_SUCCESS) {
		echo(set);
	}
}

/* ---- client side ---- */

static inline bool
call(const struct peer *peer, struct message *m, mach_msg_size_t size)
{
	m->header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	m->header.msgh_size = size;
	m->header.msgh_remote_port = peer->service;
	m->header.msgh_local_port = peer->reply;
	m->header.msgh_voucher_port = MACH_PORT_NULL;
	m->header.msgh_id = REQUEST_ID;
	return mach_msg(&m->header, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(*m), peer->reply,
		   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
	       m->header.msgh_id == REPLY_ID;
}

static void
fill(struct message *m, size_t bytes)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < bytes / sizeof(m->payload[0]); i++) {
		m->payload[i] = 0x9e3779b9U * (uint32_t)(i + 1);
	}
}

static bool
is_filled(const struct message *m, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(m->payload[0]); i++) {
		if (m->payload[i] != 0x9e3779b9U * (uint32_t)(i + 1)) {
			return false;
		}
	}
	return m->header.msgh_size == sizeof(m->header) + bytes;
}

/* One operation: request and answer between two tasks, b->arg bytes of payload each way. */
static void
rpc(struct bench *b, void (*serve)(mach_port_t service), unsigned cpu)
{
	struct message m;
	struct peer peer;
	size_t bytes = (size_t)b->arg;
	mach_msg_size_t size = (mach_msg_size_t)(sizeof(m.header) + bytes);
	bool ok = true;

	if (!bench_check(b, peer_start(&peer, serve, cpu), "no second task")) {
		return;
	}
	fill(&m, bytes);
	if (serve == echo_fp) {
		bench_loop(b)
		{
			touch_fp();
			ok &= call(&peer, &m, size);
		}
	} else {
		bench_loop(b)
		{
			ok &= call(&peer, &m, size);
		}
	}
	bench_check(b, ok, "a call failed");
	bench_check(b, is_filled(&m, bytes), "the payload came back changed");
	bench_check(b, peer_stop(&peer), "the server ended badly");
}

static void
rpc_inline(struct bench *b)
{
	rpc(b, echo, b->worker);
}
BENCHMARK("ipc/rpc_inline/0", rpc_inline, .arg = 0);
BENCHMARK("ipc/rpc_inline/64", rpc_inline, .arg = 64);
BENCHMARK("ipc/rpc_inline/1024", rpc_inline, .arg = 1024);
BENCHMARK("ipc/rpc_inline/4096", rpc_inline, .arg = 4096);
BENCHMARK("scale/rpc_pairs", rpc_inline, .arg = 64, .cpus = 2, .workers = true);

static void
rpc_set(struct bench *b)
{
	rpc(b, echo_set, b->worker);
}
BENCHMARK("ipc/rpc_set/0", rpc_set, .arg = 0);
BENCHMARK("ipc/rpc_set/64", rpc_set, .arg = 64);

static void
rpc_inline_fp(struct bench *b)
{
	rpc(b, echo_fp, b->worker);
}
BENCHMARK("ipc/rpc_inline_fp/64", rpc_inline_fp, .arg = 64);

static void
rpc_cross_cpu(struct bench *b)
{
	rpc(b, echo, 1);
}
BENCHMARK("ipc/rpc_cross_cpu/0", rpc_cross_cpu, .arg = 0, .cpus = 2);

/* ---- out-of-line memory ---- */

#define OOL_BATCH 128

struct ool_message {
	mach_msg_header_t header;
	mach_msg_body_t body;
	mach_msg_ool_descriptor_t memory;
	mach_msg_max_trailer_t trailer; /* receive only */
};

/* Gives back what it gets, unread; the answer is a header. */
static void
take_memory(mach_port_t service)
{
	struct ool_message m;
	mach_msg_return_t mr =
	    mach_msg(&m.header, MACH_RCV_MSG, 0, sizeof(m), service, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);

	while (mr == MACH_MSG_SUCCESS && m.header.msgh_id != PEER_QUIT) {
		if (mach_vm_deallocate(mach_task_self(), (mach_vm_address_t)m.memory.address,
			m.memory.size) != KERN_SUCCESS) {
			return;
		}
		m.header.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m.header.msgh_bits), 0);
		m.header.msgh_local_port = MACH_PORT_NULL;
		m.header.msgh_size = sizeof(m.header);
		m.header.msgh_id = REPLY_ID;
		mr = mach_msg(&m.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.header), sizeof(m), service,
		    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
	}
}

static inline bool
call_with_memory(const struct peer *peer, void *memory, size_t size)
{
	struct ool_message m;

	m.header.msgh_bits =
	    MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) | MACH_MSGH_BITS_COMPLEX;
	m.header.msgh_size = offsetof(struct ool_message, trailer);
	m.header.msgh_remote_port = peer->service;
	m.header.msgh_local_port = peer->reply;
	m.header.msgh_voucher_port = MACH_PORT_NULL;
	m.header.msgh_id = REQUEST_ID;
	m.body.msgh_descriptor_count = 1;
	m.memory = (mach_msg_ool_descriptor_t){ .address = memory,
		.deallocate = true,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR,
		.size = (mach_msg_size_t)size };
	return mach_msg(&m.header, MACH_SEND_MSG | MACH_RCV_MSG, m.header.msgh_size, sizeof(m), peer->reply,
		   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
	       m.header.msgh_id == REPLY_ID;
}

static bool
fill_memory(void **memory, uint64_t count, size_t size)
{
	for (uint64_t i = 0; i < count; i++) {
		memory[i] = platform_map(size);
		if (memory[i] == NULL) {
			return false;
		}
		memset(memory[i], 0xa5, size);
	}
	return true;
}

/*
 * One operation: a request with b->arg bytes of memory out of line, which the sender has filled before and gives up;
 * the receiver gives them back unread and answers.
 */
static void
rpc_ool(struct bench *b)
{
	static void *memory[OOL_BATCH];
	size_t size = (size_t)b->arg;
	struct peer peer;

	if (!bench_check(b, peer_start(&peer, take_memory, b->worker), "no second task")) {
		return;
	}
	while (bench_next(b)) {
		bool ok = bench_check(b, fill_memory(memory, b->iterations, size), "no memory");

		bench_start(b);
		for (uint64_t i = 0; ok && i < b->iterations; i++) {
			ok = call_with_memory(&peer, memory[i], size);
		}
		bench_stop(b);
		bench_check(b, ok, "a call failed");
	}
	bench_check(b, peer_stop(&peer), "the server ended badly");
}
BENCHMARK("ipc/rpc_ool/65536", rpc_ool, .arg = 65536, .iterations = OOL_BATCH, .most = OOL_BATCH);

/* ---- one thread and its own port ---- */

static inline bool
send_to(mach_port_t port, struct message *m, mach_msg_size_t size)
{
	m->header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
	m->header.msgh_size = size;
	m->header.msgh_remote_port = port;
	m->header.msgh_local_port = MACH_PORT_NULL;
	m->header.msgh_voucher_port = MACH_PORT_NULL;
	m->header.msgh_id = REQUEST_ID;
	return mach_msg(&m->header, MACH_SEND_MSG, size, 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
		   MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

static bool
own_port(mach_port_t *port)
{
	return mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, port) == KERN_SUCCESS &&
	       mach_port_insert_right(mach_task_self(), *port, *port, MACH_MSG_TYPE_MAKE_SEND) ==
		   KERN_SUCCESS;
}

static void
drop_own_port(mach_port_t port)
{
	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
	mach_port_deallocate(mach_task_self(), port);
}

/* One operation: a message of b->arg bytes sent to the own port, and received with a second call. */
static void
send_recv_self(struct bench *b)
{
	struct message m;
	size_t bytes = (size_t)b->arg;
	mach_msg_size_t size = (mach_msg_size_t)(sizeof(m.header) + bytes);
	mach_port_t port;
	bool ok = true;

	if (!bench_check(b, own_port(&port), "no port")) {
		return;
	}
	fill(&m, bytes);
	bench_loop(b)
	{
		ok &= send_to(port, &m, size);
		ok &= mach_msg(&m.header, MACH_RCV_MSG, 0, sizeof(m), port, MACH_MSG_TIMEOUT_NONE,
			  MACH_PORT_NULL) == MACH_MSG_SUCCESS;
	}
	bench_check(b, ok, "a message did not go through");
	bench_check(b, is_filled(&m, bytes), "the payload came back changed");
	drop_own_port(port);
}
BENCHMARK("ipc/send_recv_self/64", send_recv_self, .arg = 64);

/* One operation: allocate a receive right, insert a send right, destroy both. */
static void
port_lifecycle(struct bench *b)
{
	mach_port_t self = mach_task_self(), port;
	kern_return_t kr = KERN_SUCCESS;

	bench_loop(b)
	{
		kr |= mach_port_allocate(self, MACH_PORT_RIGHT_RECEIVE, &port);
		kr |= mach_port_insert_right(self, port, port, MACH_MSG_TYPE_MAKE_SEND);
		kr |= mach_port_destruct(self, port, -1, 0);
	}
	bench_check(b, kr == KERN_SUCCESS, "a port operation failed");
}
BENCHMARK("ipc/port_lifecycle", port_lifecycle);
BENCHMARK("scale/port_lifecycle", port_lifecycle, .cpus = 2, .processes = true);

/* ---- many senders, one port ---- */

#define SENDS 200 /* of a batch of one worker; the queue holds those of four */

static mach_port_t one_port; /* made before the first batch, by worker 0 */

static bool
one_port_make(void)
{
	mach_port_limits_t limits = { .mpl_qlimit = MACH_PORT_QLIMIT_MAX };

	return own_port(&one_port) &&
	       mach_port_set_attributes(mach_task_self(), one_port, MACH_PORT_LIMITS_INFO,
		   (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT) == KERN_SUCCESS;
}

/* Takes what is queued; how many there were. */
static uint64_t
one_port_drain(void)
{
	struct message m;
	uint64_t taken = 0;

	while (mach_msg(&m.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), one_port, 0,
		   MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
		taken++;
	}
	return taken;
}

/*
 * One operation: a message to the port that all workers send to. Nobody receives meanwhile: worker 0 takes what came
 * when the batch is over, and so what is shared between CPUs is the queue alone.
 */
static void
send_one_port(struct bench *b)
{
	struct message m = { 0 };
	bool ok = b->worker != 0 || bench_check(b, one_port_make(), "no port");

	while (bench_next(b)) {
		bench_start(b);
		for (uint64_t i = 0; ok && i < b->iterations; i++) {
			ok = send_to(one_port, &m, sizeof(m.header));
		}
		bench_stop(b);
		bench_check(b, ok, "a message was not sent");
		if (b->worker == 0) {
			bench_check(b, one_port_drain() == b->iterations * b->workers, "a message was lost");
		}
	}
	if (b->worker == 0) {
		drop_own_port(one_port);
	}
}
BENCHMARK("scale/one_port", send_one_port, .iterations = SENDS, .most = SENDS, .cpus = 2, .workers = true);

/* ---- kernel objects ---- */

/* One operation: a call of a kernel object by message, as a MIG stub does it: the time of a clock. */
static void
kobject_call(struct bench *b)
{
	kern_return_t kr = KERN_SUCCESS;
	mach_timespec_t first, last;
	clock_serv_t clock;

	if (!bench_check(b, host_get_clock_service(mach_host_self(), SYSTEM_CLOCK, &clock) == KERN_SUCCESS,
		"no clock")) {
		return;
	}
	kr |= clock_get_time(clock, &first);
	bench_loop(b)
	{
		kr |= clock_get_time(clock, &last);
	}
	bench_check(b, kr == KERN_SUCCESS, "a call failed");
	bench_check(
	    b, last.tv_sec != first.tv_sec || last.tv_nsec != first.tv_nsec, "the clock stands still");
	mach_port_deallocate(mach_task_self(), clock);
}
BENCHMARK("ipc/kobject_call", kobject_call);

/* ---- semaphores ---- */

struct pingpong {
	semaphore_t ping;
	semaphore_t pong;
	unsigned cpu;
	volatile bool stop; /* written before the ping that makes it seen */
	bool ok;
};

static void *
pingpong_peer(void *arg)
{
	struct pingpong *p = arg;

	p->ok = platform_pin(p->cpu);
	for (;;) {
		p->ok &= semaphore_wait(p->ping) == KERN_SUCCESS;
		if (p->stop || !p->ok) {
			break;
		}
		p->ok &= semaphore_signal(p->pong) == KERN_SUCCESS;
	}
	return NULL;
}

static bool
pingpong_create(struct pingpong *p)
{
	return semaphore_create(mach_task_self(), &p->ping, SYNC_POLICY_FIFO, 0) == KERN_SUCCESS &&
	       semaphore_create(mach_task_self(), &p->pong, SYNC_POLICY_FIFO, 0) == KERN_SUCCESS;
}

/* One operation: a round trip; each of two threads signals once and waits once. */
static void
semaphore_pingpong(struct bench *b)
{
	struct pingpong p = { .cpu = b->worker };
	kern_return_t kr = KERN_SUCCESS;
	pthread_t thread;

	if (!bench_check(b, pingpong_create(&p), "no semaphores") ||
	    !bench_check(b, pthread_create(&thread, NULL, pingpong_peer, &p) == 0, "no second thread")) {
		return;
	}
	bench_loop(b)
	{
		kr |= semaphore_signal(p.ping);
		kr |= semaphore_wait(p.pong);
	}
	p.stop = true;
	kr |= semaphore_signal(p.ping);
	pthread_join(thread, NULL);
	bench_check(b, kr == KERN_SUCCESS && p.ok, "a semaphore call failed");
	semaphore_destroy(mach_task_self(), p.ping);
	semaphore_destroy(mach_task_self(), p.pong);
}
BENCHMARK("ipc/semaphore_pingpong", semaphore_pingpong);
BENCHMARK("scale/semaphores", semaphore_pingpong, .cpus = 2, .workers = true);
