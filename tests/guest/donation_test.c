/*
 * Priority inversion: a thread of low priority holds what one of high priority waits for, and threads of middle
 * priority, as many as there are CPUs, never let go of the CPU. Without donation the first could not run until they
 * end, and so neither could the second. Each test looks at the holder's priority, and at the hogs still running
 * when the waiter is served.
 */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <os/lock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysctl.h>

#include "ktap.h"

#define SELF mach_task_self()

/* Fixed priorities; 31 is what a thread starts with. */
#define PRI_BASE 31
#define PRI_LOW  11
#define PRI_HOG  31
#define PRI_HIGH 41
#define PRI_MAIN 47

#define HANG_NS  20000000000ULL /* a hang detector */
#define MAX_HOGS 64

static uint64_t
now_ns(void)
{
	mach_timebase_info_data_t tb;

	mach_timebase_info(&tb);
	return mach_absolute_time() * tb.numer / tb.denom;
}

static void
set_priority(int pri)
{
	thread_extended_policy_data_t extended = { .timeshare = FALSE };
	thread_precedence_policy_data_t precedence = { .importance = pri - PRI_BASE };
	mach_port_t self = mach_thread_self();

	EXPECT_EQ(thread_policy_set(
		      self, THREAD_EXTENDED_POLICY, (thread_policy_t)&extended, THREAD_EXTENDED_POLICY_COUNT),
	    KERN_SUCCESS);
	EXPECT_EQ(thread_policy_set(self, THREAD_PRECEDENCE_POLICY, (thread_policy_t)&precedence,
		      THREAD_PRECEDENCE_POLICY_COUNT),
	    KERN_SUCCESS);
	mach_port_deallocate(SELF, self);
}

static int
current_priority(pthread_t thread)
{
	thread_extended_info_data_t info;
	mach_msg_type_number_t count = THREAD_EXTENDED_INFO_COUNT;

	if (thread_info(pthread_mach_thread_np(thread), THREAD_EXTENDED_INFO, (thread_info_t)&info, &count) !=
	    KERN_SUCCESS) {
		return -1;
	}
	return info.pth_curpri;
}

static void
pause_a_little(void)
{
	mach_timebase_info_data_t tb;

	mach_timebase_info(&tb);
	mach_wait_until(mach_absolute_time() + 200000ULL * tb.denom / tb.numer);
}

/* Waits until the thread has that priority; says so if it never does. */
static bool
await_priority(pthread_t thread, int pri)
{
	uint64_t give_up = now_ns() + HANG_NS;

	while (current_priority(thread) != pri) {
		if (now_ns() > give_up) {
			return EXPECT_EQ(current_priority(thread), pri);
		}
		pause_a_little();
	}
	return true;
}

/* Waits until the thread does. */
static void
await_waiting(pthread_t thread)
{
	uint64_t give_up = now_ns() + HANG_NS;
	thread_basic_info_data_t info;
	mach_msg_type_number_t count;

	do {
		if (!EXPECT(now_ns() < give_up)) {
			abort();
		}
		pause_a_little();
		count = THREAD_BASIC_INFO_COUNT;
		info.run_state = 0;
		(void)thread_info(
		    pthread_mach_thread_np(thread), THREAD_BASIC_INFO, (thread_info_t)&info, &count);
	} while (info.run_state != TH_STATE_WAITING);
}

static void
await_flag(atomic_int *flag)
{
	uint64_t give_up = now_ns() + HANG_NS;

	while (!atomic_load(flag)) {
		if (!EXPECT(now_ns() < give_up)) {
			abort();
		}
		pause_a_little();
	}
}

/*
 * Only a thread that gets the CPU comes to the end. It rests now and then: the fail-safe takes a thread of fixed priority
 * that runs for seconds for a runaway, and on a large machine that shares a few CPUs of its host
 * the test takes that long.
 */
static void
work_until(atomic_int *flag)
{
	for (unsigned turns = 1; !atomic_load(flag); turns++) {
		if (turns % 100000 == 0) {
			pause_a_little();
		}
	}
}

/* --- the hogs --- */

static atomic_int hogs_running, hogs_stop;
static pthread_t hogs[MAX_HOGS];
static int nhogs;

static void *
hog(void *arg)
{
	(void)arg;
	set_priority(PRI_HOG);
	atomic_fetch_add(&hogs_running, 1);
	while (!atomic_load(&hogs_stop)) {}
	return NULL;
}

static void
hogs_start(void)
{
	size_t size = sizeof(nhogs);

	nhogs = 1;
	(void)sysctlbyname("hw.ncpu", &nhogs, &size, NULL, 0);
	atomic_store(&hogs_stop, 0);
	atomic_store(&hogs_running, 0);
	for (int i = 0; i < nhogs; i++) {
		pthread_create(&hogs[i], NULL, hog, NULL);
	}
	while (atomic_load(&hogs_running) < nhogs) {
		pause_a_little();
	}
}

static void
hogs_end(void)
{
	atomic_store(&hogs_stop, 1);
	for (int i = 0; i < nhogs; i++) {
		pthread_join(hogs[i], NULL);
	}
}

/* --- what is held --- */

/* A thing with a holder: taken, and let go, by calls of the kind that is tested. */
struct thing {
	void (*take)(struct thing *);
	void (*drop)(struct thing *);
	os_unfair_lock unfair;
	pthread_mutex_t mutex;
	semaphore_t semaphore;
};

static void
unfair_take(struct thing *t)
{
	os_unfair_lock_lock(&t->unfair);
}

static void
unfair_drop(struct thing *t)
{
	os_unfair_lock_unlock(&t->unfair);
}

static void
mutex_take(struct thing *t)
{
	pthread_mutex_lock(&t->mutex);
}

static void
mutex_drop(struct thing *t)
{
	pthread_mutex_unlock(&t->mutex);
}

static void
semaphore_take(struct thing *t)
{
	EXPECT_EQ(semaphore_wait(t->semaphore), KERN_SUCCESS);
}

static void
semaphore_drop(struct thing *t)
{
	EXPECT_EQ(semaphore_signal(t->semaphore), KERN_SUCCESS);
}

/* Takes `own`, then `next`, whatever there is of both; drops both when it is told. */
struct actor {
	struct thing *own, *next;
	mach_port_t server; /* calls it instead of taking `next` */
	int pri;
	atomic_int has, go, done;
	pthread_t thread;
};

static kern_return_t call(mach_port_t server, mach_msg_timeout_t timeout_ms);

static void *
act(void *arg)
{
	struct actor *a = arg;

	set_priority(a->pri);
	if (a->own != NULL) {
		a->own->take(a->own);
	}
	atomic_store(&a->has, 1);
	if (a->next != NULL) {
		a->next->take(a->next);
		a->next->drop(a->next);
	} else if (a->server != MACH_PORT_NULL) {
		EXPECT_EQ(call(a->server, 0), MACH_MSG_SUCCESS);
	} else {
		work_until(&a->go);
	}
	atomic_store(&a->done, 1);
	if (a->own != NULL) {
		a->own->drop(a->own);
	}
	return NULL;
}

static void
actor_start(struct actor *a, int pri)
{
	a->pri = pri;
	pthread_create(&a->thread, NULL, act, a);
	await_flag(&a->has);
}

/*
 * The holder holds `own`; the waiter of high priority must get it, while the hogs run on, and the holder must be as
 * before. The order is that of priorities: this thread runs first, then the waiter, which must block.
 */
static void
inversion(struct thing *thing)
{
	struct actor holder = { .own = thing }, waiter = { .next = thing };

	set_priority(PRI_MAIN);
	actor_start(&holder, PRI_LOW);
	hogs_start();
	EXPECT_EQ(current_priority(holder.thread), PRI_LOW);
	actor_start(&waiter, PRI_HIGH);
	await_priority(holder.thread, PRI_HIGH);
	atomic_store(&holder.go, 1);
	await_flag(&waiter.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	pthread_join(waiter.thread, NULL);
	hogs_end();
	pthread_join(holder.thread, NULL);
	set_priority(PRI_BASE);
}

TEST(unfair_lock)
{
	struct thing thing = { .take = unfair_take, .drop = unfair_drop, .unfair = OS_UNFAIR_LOCK_INIT };

	inversion(&thing);
}

TEST(pthread_mutex)
{
	struct thing thing = { .take = mutex_take, .drop = mutex_drop };
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	REQUIRE(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	REQUIRE(pthread_mutex_init(&thing.mutex, &attr) == 0);
	inversion(&thing);
	pthread_mutex_destroy(&thing.mutex);
	pthread_mutexattr_destroy(&attr);
}

TEST(semaphore_as_lock)
{
	struct thing thing = { .take = semaphore_take, .drop = semaphore_drop };

	REQUIRE(semaphore_create(SELF, &thing.semaphore, SYNC_POLICY_FIFO, 1) == KERN_SUCCESS);
	inversion(&thing);
	semaphore_destroy(SELF, thing.semaphore);
}

/* high waits for a lock of a thread that waits for a semaphore of a thread of low priority. */
TEST(chain_of_lock_and_semaphore)
{
	struct thing lock = { .take = unfair_take, .drop = unfair_drop, .unfair = OS_UNFAIR_LOCK_INIT };
	struct thing sema = { .take = semaphore_take, .drop = semaphore_drop };
	struct actor last = { .own = &sema }, middle = { .own = &lock, .next = &sema };
	struct actor first = { .next = &lock };

	REQUIRE(semaphore_create(SELF, &sema.semaphore, SYNC_POLICY_FIFO, 1) == KERN_SUCCESS);
	set_priority(PRI_MAIN);
	actor_start(&last, PRI_LOW);
	actor_start(&middle, PRI_LOW + 1);
	await_priority(last.thread, PRI_LOW + 1);
	hogs_start();
	actor_start(&first, PRI_HIGH);
	await_priority(middle.thread, PRI_HIGH);
	await_priority(last.thread, PRI_HIGH);
	atomic_store(&last.go, 1);
	await_flag(&first.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	pthread_join(first.thread, NULL);
	hogs_end();
	pthread_join(middle.thread, NULL);
	pthread_join(last.thread, NULL);
	set_priority(PRI_BASE);
	semaphore_destroy(SELF, sema.semaphore);
}

/* --- RPC --- */

struct request {
	mach_msg_header_t head;
	mach_msg_max_trailer_t trailer;
};

/* A server's life: answers one request after the other, asks another server first if there is one. */
struct server {
	mach_port_t port, next;
	int pri;
	atomic_int working, go, answered;
	pthread_t thread;
};

#define QUIT 99

static kern_return_t
call_id(mach_port_t server, mach_msg_timeout_t timeout_ms, mach_msg_id_t id)
{
	mach_port_t reply = mach_reply_port();
	struct request message = { .head = {
				       .msgh_bits = MACH_MSGH_BITS(
					   MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
				       .msgh_remote_port = server,
				       .msgh_local_port = reply,
				       .msgh_id = id,
				   } };
	kern_return_t kr =
	    mach_msg(&message.head, MACH_SEND_MSG | MACH_RCV_MSG | (timeout_ms != 0 ? MACH_RCV_TIMEOUT : 0),
		sizeof(message.head), sizeof(message), reply, timeout_ms, MACH_PORT_NULL);

	mach_port_mod_refs(SELF, reply, MACH_PORT_RIGHT_RECEIVE, -1);
	return kr;
}

static kern_return_t
call(mach_port_t server, mach_msg_timeout_t timeout_ms)
{
	return call_id(server, timeout_ms, 1);
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	struct request message = { 0 };
	mach_msg_option_t send = 0;

	set_priority(s->pri);
	for (;;) {
		kern_return_t kr = mach_msg(&message.head, send | MACH_RCV_MSG, sizeof(message.head),
		    sizeof(message), s->port, 0, MACH_PORT_NULL);

		if (kr != MACH_MSG_SUCCESS) { /* a client that gave up: the right is in the message */
			message.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
			mach_msg_destroy(&message.head);
			send = 0;
			continue;
		}
		if (s->next != MACH_PORT_NULL) {
			EXPECT_EQ(call_id(s->next, 0, message.head.msgh_id), MACH_MSG_SUCCESS);
		} else if (message.head.msgh_id != QUIT) {
			atomic_store(&s->working, 1);
			work_until(&s->go);
		}
		atomic_fetch_add(&s->answered, 1);
		send = MACH_SEND_MSG;
		message.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
		message.head.msgh_local_port = MACH_PORT_NULL;
		if (message.head.msgh_id == QUIT) {
			mach_msg(&message.head, MACH_SEND_MSG, sizeof(message.head), 0, MACH_PORT_NULL, 0,
			    MACH_PORT_NULL);
			return NULL;
		}
	}
}

static void
server_start(struct server *s, int pri)
{
	s->pri = pri;
	REQUIRE(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &s->port) == KERN_SUCCESS);
	REQUIRE(mach_port_insert_right(SELF, s->port, s->port, MACH_MSG_TYPE_MAKE_SEND) == KERN_SUCCESS);
	pthread_create(&s->thread, NULL, serve, s);
	await_priority(s->thread, pri);
	await_waiting(s->thread); /* a port that nobody received from yet has no server */
}

static void
server_end(struct server *s)
{
	EXPECT_EQ(call_id(s->port, 0, QUIT), MACH_MSG_SUCCESS);
	pthread_join(s->thread, NULL);
	mach_port_mod_refs(SELF, s->port, MACH_PORT_RIGHT_SEND, -1);
	mach_port_mod_refs(SELF, s->port, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* A client's request is worked on by a server of low priority. */
TEST(rpc)
{
	struct server server = { 0 };
	struct actor client = { 0 };

	set_priority(PRI_MAIN);
	server_start(&server, PRI_LOW);
	hogs_start();
	client.server = server.port;
	actor_start(&client, PRI_HIGH);
	await_priority(server.thread, PRI_HIGH);
	await_flag(&server.working);
	EXPECT_EQ(atomic_load(&client.done), 0);
	atomic_store(&server.go, 1);
	await_flag(&client.done);
	await_priority(server.thread, PRI_LOW);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	hogs_end();
	pthread_join(client.thread, NULL);
	server_end(&server);
	set_priority(PRI_BASE);
}

/* --- exceptions --- */

struct exception_request {
	mach_msg_header_t head;
	uint8_t body[256];
	mach_msg_max_trailer_t trailer;
};

struct exception_answer {
	mach_msg_header_t head;
	NDR_record_t ndr;
	kern_return_t code;
};

static volatile int *page;

/* Handles one exception: a look at a page that may not be read. */
static void *
handle(void *arg)
{
	struct server *s = arg;
	struct exception_request request;
	struct exception_answer answer = { .ndr = NDR_record, .code = KERN_SUCCESS };

	set_priority(s->pri);
	EXPECT_EQ(mach_msg(&request.head, MACH_RCV_MSG, 0, sizeof(request), s->port, 0, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	atomic_store(&s->working, 1);
	work_until(&s->go);
	EXPECT_EQ(mprotect((void *)(uintptr_t)page, vm_page_size, PROT_READ), 0);
	answer.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
		.msgh_size = sizeof(answer),
		.msgh_remote_port = request.head.msgh_remote_port,
		.msgh_id = request.head.msgh_id + 100 };
	EXPECT_EQ(mach_msg(&answer.head, MACH_SEND_MSG, sizeof(answer), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	request.head.msgh_remote_port = MACH_PORT_NULL;
	mach_msg_destroy(&request.head);
	await_flag(&s->answered);
	return NULL;
}

static void *
fault(void *arg)
{
	struct actor *a = arg;
	mach_port_t self = mach_thread_self();

	EXPECT_EQ(thread_set_exception_ports(self, EXC_MASK_BAD_ACCESS, a->server,
		      EXCEPTION_DEFAULT | (int)MACH_EXCEPTION_CODES, THREAD_STATE_NONE),
	    KERN_SUCCESS);
	mach_port_deallocate(SELF, self);
	set_priority(a->pri);
	atomic_store(&a->has, 1);
	(void)*page;
	atomic_store(&a->done, 1);
	return NULL;
}

/* A thread that raised an exception waits for its handler. */
TEST(exception)
{
	struct server handler = { .pri = PRI_LOW };
	struct actor client = { .pri = PRI_HIGH };

	page = mmap(NULL, vm_page_size, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0);
	REQUIRE(page != MAP_FAILED);
	REQUIRE(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &handler.port) == KERN_SUCCESS);
	REQUIRE(mach_port_insert_right(SELF, handler.port, handler.port, MACH_MSG_TYPE_MAKE_SEND) ==
		KERN_SUCCESS);
	set_priority(PRI_MAIN);
	pthread_create(&handler.thread, NULL, handle, &handler);
	await_priority(handler.thread, PRI_LOW);
	await_waiting(handler.thread);
	hogs_start();
	client.server = handler.port;
	pthread_create(&client.thread, NULL, fault, &client);
	await_priority(handler.thread, PRI_HIGH);
	await_flag(&handler.working);
	EXPECT_EQ(atomic_load(&client.done), 0);
	atomic_store(&handler.go, 1);
	await_flag(&client.done);
	await_priority(handler.thread, PRI_LOW);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	hogs_end();
	pthread_join(client.thread, NULL);
	atomic_store(&handler.answered, 1);
	pthread_join(handler.thread, NULL);
	set_priority(PRI_BASE);
	mach_port_mod_refs(SELF, handler.port, MACH_PORT_RIGHT_SEND, -1);
	mach_port_mod_refs(SELF, handler.port, MACH_PORT_RIGHT_RECEIVE, -1);
	munmap((void *)(uintptr_t)page, vm_page_size);
}

/* --- queues and chains of RPC --- */

/* Requests of several clients: the best of those that wait counts, also while its request is queued. */
TEST(rpc_queued)
{
	struct server server = { 0 };
	struct actor low = { 0 }, high = { 0 };

	set_priority(PRI_MAIN);
	server_start(&server, PRI_LOW);
	low.server = high.server = server.port;
	actor_start(&low, PRI_LOW + 2);
	await_flag(&server.working);
	await_priority(server.thread, PRI_LOW + 2);
	hogs_start();
	actor_start(&high, PRI_HIGH);
	await_priority(server.thread, PRI_HIGH);
	atomic_store(&server.go, 1);
	await_flag(&high.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	await_priority(server.thread, PRI_LOW);
	hogs_end();
	pthread_join(low.thread, NULL);
	pthread_join(high.thread, NULL);
	server_end(&server);
	set_priority(PRI_BASE);
}

/* A message that asks for no answer; the server may not even have room for it. */
struct sender {
	mach_port_t server;
	atomic_int done;
	pthread_t thread;
};

static void *
send_plain(void *arg)
{
	struct sender *s = arg;
	mach_msg_header_t head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(head),
		.msgh_remote_port = s->server,
		.msgh_id = 1 };

	set_priority(PRI_HIGH);
	EXPECT_EQ(mach_msg(&head, MACH_SEND_MSG, sizeof(head), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	atomic_store(&s->done, 1);
	return NULL;
}

/* Who waits for room in the queue waits for the server as well, whether or not an answer is wanted. */
TEST(full_queue)
{
	mach_port_limits_t limits = { .mpl_qlimit = 1 };
	struct server server = { 0 };
	struct actor first = { 0 }, second = { 0 }, third = { 0 };
	struct sender sender = { 0 };

	set_priority(PRI_MAIN);
	server_start(&server, PRI_LOW);
	EXPECT_EQ(mach_port_set_attributes(SELF, server.port, MACH_PORT_LIMITS_INFO,
		      (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT),
	    KERN_SUCCESS);
	first.server = second.server = third.server = sender.server = server.port;
	actor_start(&first, PRI_LOW + 2);
	await_flag(&server.working);
	actor_start(&second, PRI_LOW + 4);
	await_priority(server.thread, PRI_LOW + 4); /* this one is in the queue */
	actor_start(&third, PRI_HIGH - 2);
	await_priority(server.thread, PRI_HIGH - 2);
	pthread_create(&sender.thread, NULL, send_plain, &sender);
	await_priority(server.thread, PRI_HIGH);
	EXPECT_EQ(atomic_load(&sender.done), 0);
	hogs_start(); /* late: a thread that begins among them may starve before it has its priority */
	atomic_store(&server.go, 1);
	await_flag(&third.done);
	await_flag(&sender.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	await_priority(server.thread, PRI_LOW);
	hogs_end();
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	pthread_join(third.thread, NULL);
	pthread_join(sender.thread, NULL);
	server_end(&server);
	set_priority(PRI_BASE);
}

/* The server asks another server, and that one a third: all of them work for the client. */
TEST(rpc_chain)
{
	struct server servers[3] = { 0 };
	struct actor client = { 0 };

	set_priority(PRI_MAIN);
	for (int i = 0; i < 3; i++) {
		servers[i].next = i == 0 ? MACH_PORT_NULL : servers[i - 1].port;
		server_start(&servers[i], PRI_LOW + i);
	}
	hogs_start();
	client.server = servers[2].port;
	actor_start(&client, PRI_HIGH);
	await_flag(&servers[0].working);
	for (int i = 0; i < 3; i++) {
		await_priority(servers[i].thread, PRI_HIGH);
	}
	atomic_store(&servers[0].go, 1);
	await_flag(&client.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	for (int i = 0; i < 3; i++) {
		await_priority(servers[i].thread, PRI_LOW + i);
	}
	hogs_end();
	pthread_join(client.thread, NULL);
	for (int i = 2; i > 0; i--) {
		servers[i].next = MACH_PORT_NULL;
	}
	for (int i = 2; i >= 0; i--) {
		server_end(&servers[i]);
	}
	set_priority(PRI_BASE);
}

/* An RPC that is under way at low priority is hurried when somebody starts to wait for its client. */
TEST(rpc_under_way)
{
	struct thing lock = { .take = unfair_take, .drop = unfair_drop, .unfair = OS_UNFAIR_LOCK_INIT };
	struct server server = { 0 };
	struct actor client = { .own = &lock }, waiter = { .next = &lock };

	set_priority(PRI_MAIN);
	server_start(&server, PRI_LOW);
	client.server = server.port;
	actor_start(&client, PRI_LOW); /* of the same priority: a light link */
	await_flag(&server.working);
	EXPECT_EQ(current_priority(server.thread), PRI_LOW);
	hogs_start();
	actor_start(&waiter, PRI_HIGH);
	await_priority(client.thread, PRI_HIGH);
	await_priority(server.thread, PRI_HIGH);
	atomic_store(&server.go, 1);
	await_flag(&waiter.done);
	EXPECT_EQ(atomic_load(&hogs_stop), 0);
	await_priority(server.thread, PRI_LOW);
	hogs_end();
	pthread_join(client.thread, NULL);
	pthread_join(waiter.thread, NULL);
	server_end(&server);
	set_priority(PRI_BASE);
}

static void *
call_with_timeout(void *arg)
{
	struct actor *a = arg;

	set_priority(PRI_HIGH);
	EXPECT_EQ(call(a->server, 50), MACH_RCV_TIMED_OUT);
	atomic_store(&a->done, 1);
	return NULL;
}

/* A client that gives up no longer counts. */
TEST(rpc_timeout)
{
	struct server server = { 0 };
	struct actor client = { 0 };

	set_priority(PRI_MAIN);
	server_start(&server, PRI_LOW);
	client.server = server.port;
	pthread_create(&client.thread, NULL, call_with_timeout, &client);
	await_priority(server.thread, PRI_HIGH);
	await_flag(&client.done);
	await_priority(server.thread, PRI_LOW);
	atomic_store(&server.go, 1);
	pthread_join(client.thread, NULL);
	server_end(&server);
	set_priority(PRI_BASE);
}
