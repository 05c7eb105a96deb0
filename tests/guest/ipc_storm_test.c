/*
 * IPC under load: threads send, receive, kill ports, move them into messages and between sets, and register
 * notifications, all at once on the same dozen ports. Several processes do this side by side, and send to a port that
 * belongs to the first of them as well.
 *
 * Everything is accounted for. Each message carries a send-once right to the ledger, which its receiver uses or
 * somebody destroys: either way one message reaches the ledger, and as many must be there in the end as were made. The
 * same holds for the rights of notification requests. When all is torn down, the task must have the names and the kernel
 * the ports, messages and copies that they had before.
 */
#include <mach/mach.h>
#include <mach/notify.h>
#include <mach_debug/zone_info.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_counts.h"
#include "ktap.h"

#define SELF    mach_task_self()
#define THREADS 3 /* of a process */
#define TASKS   3 /* processes */
#define SLOTS   12
#define SETS    3
#define ROUNDS  250 /* operations of a thread; a hundred times as many with STRESS_LONG in the environment */

#define ANSWER 77
#define QUIT   99

#define HANG_MS   100000 /* a hang detector */
#define SETTLE_MS 5000   /* grace periods take some milliseconds */

static mach_port_t slots[SLOTS]; /* receive right and one send reference, by whoever exchanged it last */
static mach_port_t sets[SETS];
static mach_port_t ledger, notices;
static mach_port_t exchange; /* the first process's, which empties it all the time */
static _Atomic(uint64_t) owed, requests, registered;

struct big_message {
	mach_msg_header_t head;
	union {
		struct {
			mach_msg_body_t body;
			mach_msg_descriptor_t desc[4];
		};
		uint32_t words[64];
	};
	mach_msg_max_trailer_t trailer;
};

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

static mach_port_t
new_port(void)
{
	mach_port_t port = MACH_PORT_NULL;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	EXPECT_EQ(mach_port_insert_right(SELF, port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
	return port;
}

static mach_port_t
any_slot(uint64_t *random)
{
	return __atomic_load_n(&slots[next_random(random) % SLOTS], __ATOMIC_RELAXED);
}

/* Where to send. */
static mach_port_t
any_port(uint64_t *random)
{
	if (exchange != MACH_PORT_NULL && next_random(random) % 8 == 0) {
		return exchange;
	}
	return any_slot(random);
}

/* ---- sending ---- */

/* Descriptors of 12 and 16 bytes follow each other: where the next goes. */
static void *
add_port(void *at, mach_port_t name, mach_msg_type_name_t disposition)
{
	mach_msg_port_descriptor_t *desc = at;

	*desc = (mach_msg_port_descriptor_t){
		.name = name, .disposition = disposition, .type = MACH_MSG_PORT_DESCRIPTOR
	};
	return desc + 1;
}

static void *
add_memory(void *at, vm_size_t size)
{
	mach_msg_ool_descriptor_t *desc = at;
	vm_address_t memory = 0;

	EXPECT_EQ(vm_allocate(SELF, &memory, size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	*(volatile char *)memory = 1;
	*desc = (mach_msg_ool_descriptor_t){ .address = (void *)memory,
		.size = (mach_msg_size_t)size,
		.deallocate = true,
		.copy = MACH_MSG_VIRTUAL_COPY,
		.type = MACH_MSG_OOL_DESCRIPTOR };
	return desc + 1;
}

/* A receive right with a message in its queue, and that message has a ledger right too. */
static mach_port_t
port_with_message(void)
{
	mach_port_t port = MACH_PORT_NULL;
	mach_msg_header_t head;

	EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
	head = (mach_msg_header_t){ .msgh_bits =
					MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_size = sizeof(head),
		.msgh_remote_port = port,
		.msgh_local_port = ledger };
	EXPECT_EQ(mach_msg(&head, MACH_SEND_MSG, sizeof(head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	atomic_fetch_add_explicit(&owed, 1, memory_order_relaxed);
	return port;
}

/* Everything that a failed send gave back goes. */
static void
drop_returned(struct big_message *m)
{
	if (m->head.msgh_local_port != MACH_PORT_NULL) {
		EXPECT_EQ(mach_port_deallocate(SELF, m->head.msgh_local_port), KERN_SUCCESS);
	}
	mach_msg_destroy(&m->head);
}

/*
 * True if the message has gone, and with it what its body moved: to its receiver, who may be of this task and by now have
 * the right under the name it had, or, given back, to its end. False: the destination is dead, nothing was taken.
 */
static bool
send_message(struct big_message *m, mach_msg_option_t option)
{
	mach_msg_return_t mr =
	    mach_msg(&m->head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | option, m->head.msgh_size, 0, 0, 0, 0);

	if (mr == MACH_SEND_TIMED_OUT) {
		drop_returned(m);
	} else if (mr != MACH_MSG_SUCCESS) {
		EXPECT_EQ(mr, MACH_SEND_INVALID_DEST);
		return false;
	}
	atomic_fetch_add_explicit(&owed, 1, memory_order_relaxed);
	return true;
}

static void
address(struct big_message *m, mach_port_t to)
{
	m->head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(
					   MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_remote_port = to,
		.msgh_local_port = ledger,
		.msgh_id = 1 };
}

static void
send_simple(uint64_t *random)
{
	struct big_message m;

	address(&m, any_port(random));
	m.head.msgh_size = (mach_msg_size_t)(sizeof(m.head) + next_random(random) % 65 * 4);
	memset(m.words, 0x5a, sizeof(m.words));
	(void)send_message(&m, 0);
}

/* A receive right that nobody else has, so that it must be there. */
static void
kill_own(mach_port_t port)
{
	EXPECT_EQ(mach_port_mod_refs(SELF, port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

/* A receive right with a message inside, a copied send right, memory. */
static void
send_rich(uint64_t *random)
{
	vm_size_t size = next_random(random) % 2 ? 49152 : 200;
	mach_port_t inner = port_with_message(), to = any_port(random);
	struct big_message m;
	void *memory, *at;

	address(&m, to);
	m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
	m.body.msgh_descriptor_count = 3;
	at = add_port(m.desc, inner, MACH_MSG_TYPE_MOVE_RECEIVE);
	at = add_memory(at, size);
	memory = ((mach_msg_ool_descriptor_t *)at - 1)->address;
	at = add_port(at, ledger, MACH_MSG_TYPE_MAKE_SEND);
	m.head.msgh_size = (mach_msg_size_t)((char *)at - (char *)&m);
	if (!send_message(&m, 0)) {
		kill_own(inner);
		EXPECT_EQ(vm_deallocate(SELF, (vm_address_t)memory, size), KERN_SUCCESS);
	}
}

/* ---- receiving ---- */

static void
settle(struct big_message *m, uint64_t *random)
{
	mach_msg_header_t answer = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
		.msgh_size = sizeof(answer),
		.msgh_remote_port = m->head.msgh_remote_port,
		.msgh_id = ANSWER };

	if (next_random(random) % 2) {
		EXPECT_EQ(mach_msg(&answer, MACH_SEND_MSG, sizeof(answer), 0, 0, 0, 0), MACH_MSG_SUCCESS);
		m->head.msgh_remote_port = MACH_PORT_NULL;
	}
	mach_msg_destroy(&m->head);
}

static void
receive_from(mach_port_t port, uint64_t *random)
{
	mach_msg_timeout_t timeout_ms = next_random(random) % 8 == 0;
	struct big_message m;
	mach_msg_return_t mr =
	    mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port, timeout_ms, 0);

	if (mr == MACH_MSG_SUCCESS) {
		settle(&m, random);
	} else {
		EXPECT(mr == MACH_RCV_TIMED_OUT || mr == MACH_RCV_INVALID_NAME || mr == MACH_RCV_PORT_DIED ||
		       mr == MACH_RCV_PORT_CHANGED);
	}
}

/* ---- the rest ---- */

/* A slot gets a new port; the old one is killed, or moved away inside a message. */
static void
replace_slot(uint64_t *random)
{
	mach_port_t *slot = &slots[next_random(random) % SLOTS];
	mach_port_t old = __atomic_exchange_n(slot, new_port(), __ATOMIC_RELAXED);
	struct big_message m;
	bool sent = false;

	if (next_random(random) % 2) {
		address(&m, any_slot(random));
		m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
		m.body.msgh_descriptor_count = 1;
		m.head.msgh_size =
		    (mach_msg_size_t)((char *)add_port(m.desc, old, MACH_MSG_TYPE_MOVE_RECEIVE) - (char *)&m);
		sent = send_message(&m, MACH_SEND_NOTIFY);
	}
	if (!sent) {
		kill_own(old);
	}
	EXPECT_EQ(mach_port_deallocate(SELF, old), KERN_SUCCESS); /* the send reference, or a dead name */
}

static void
change_sets(uint64_t *random)
{
	mach_port_t port = any_slot(random), set = sets[next_random(random) % SETS];
	kern_return_t kr;

	switch (next_random(random) % 3) {
	case 0:
		kr = mach_port_insert_member(SELF, port, set);
		EXPECT(kr == KERN_SUCCESS || kr == KERN_ALREADY_IN_SET || kr == KERN_INVALID_RIGHT ||
		       kr == KERN_INVALID_NAME);
		break;
	case 1:
		kr = mach_port_extract_member(SELF, port, set);
		EXPECT(kr == KERN_SUCCESS || kr == KERN_NOT_IN_SET || kr == KERN_INVALID_RIGHT ||
		       kr == KERN_INVALID_NAME);
		break;
	default:
		kr = mach_port_move_member(SELF, port, set);
		EXPECT(kr == KERN_SUCCESS || kr == KERN_INVALID_RIGHT || kr == KERN_INVALID_NAME);
		break;
	}
}

static void
request(uint64_t *random)
{
	static const mach_msg_id_t ids[] = { MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_SEND_POSSIBLE };
	mach_port_t previous = MACH_PORT_NULL;
	kern_return_t kr;

	atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
	kr = mach_port_request_notification(SELF, any_slot(random), ids[next_random(random) % 2],
	    next_random(random) % 2 != 0, notices, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);
	if (kr == KERN_SUCCESS) {
		atomic_fetch_add_explicit(&registered, 1, memory_order_relaxed);
		if (previous != MACH_PORT_NULL) {
			EXPECT_EQ(mach_port_deallocate(SELF, previous), KERN_SUCCESS);
		}
	} else {
		EXPECT(kr == KERN_INVALID_NAME || kr == KERN_INVALID_RIGHT || kr == KERN_INVALID_ARGUMENT);
	}
}

static void *
worker(void *arg)
{
	uint64_t random = 0x9e3779b97f4a7c15ULL * ((uintptr_t)arg + 1);
	int rounds = getenv("STRESS_LONG") != NULL ? 100 * ROUNDS : ROUNDS;

	for (int i = 0; i < rounds; i++) {
		switch (next_random(&random) % 16) {
		case 0 ... 4:
			send_simple(&random);
			break;
		case 5:
		case 6:
			send_rich(&random);
			break;
		case 7 ... 9:
			receive_from(any_slot(&random), &random);
			break;
		case 10 ... 12:
			receive_from(sets[next_random(&random) % SETS], &random);
			break;
		case 13:
			change_sets(&random);
			break;
		case 14:
			request(&random);
			break;
		default:
			replace_slot(&random);
			break;
		}
	}
	return NULL;
}

/* ---- counting ---- */

static void
set_up(void)
{
	owed = requests = registered = 0;
	ledger = new_port();
	notices = new_port();
	for (int i = 0; i < SLOTS; i++) {
		slots[i] = new_port();
	}
	for (int i = 0; i < SETS; i++) {
		EXPECT_EQ(mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &sets[i]), KERN_SUCCESS);
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < SLOTS; i++) {
		kill_own(slots[i]);
		EXPECT_EQ(mach_port_deallocate(SELF, slots[i]), KERN_SUCCESS);
	}
	for (int i = 0; i < SETS; i++) {
		EXPECT_EQ(mach_port_mod_refs(SELF, sets[i], MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	}
}

/*
 * Messages on a port that must all be of the given kinds: `expected` are waited for. Dead names give back their
 * reference.
 */
static uint64_t
drain(mach_port_t port, bool is_ledger, uint64_t expected)
{
	struct big_message m;
	uint64_t count = 0;

	while (mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), port,
		   count < expected ? HANG_MS : 0, 0) == MACH_MSG_SUCCESS) {
		mach_port_name_t name = ((mach_dead_name_notification_t *)(void *)&m)->not_port;

		count++;
		if (is_ledger) {
			EXPECT(m.head.msgh_id == ANSWER || m.head.msgh_id == MACH_NOTIFY_SEND_ONCE);
		} else if (m.head.msgh_id == MACH_NOTIFY_DEAD_NAME) {
			EXPECT_EQ(mach_port_deallocate(SELF, name), KERN_SUCCESS);
		} else {
			EXPECT(m.head.msgh_id == MACH_NOTIFY_SEND_POSSIBLE ||
			       m.head.msgh_id == MACH_NOTIFY_PORT_DELETED ||
			       m.head.msgh_id == MACH_NOTIFY_SEND_ONCE);
		}
	}
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
	return count;
}

static void
storm(void)
{
	pthread_t threads[THREADS];
	uint64_t notified;

	set_up();
	for (uintptr_t i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
	}
	for (uintptr_t i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	tear_down();
	EXPECT_EQ(drain(ledger, true, owed), owed);
	notified = drain(notices, false, registered);
	EXPECT(notified >= registered && notified <= requests);
	EXPECT(owed > THREADS * ROUNDS / 8 && registered > 0);
}

static uint64_t
memory_in_use(void)
{
	mach_task_basic_info_data_t info;
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;

	EXPECT_EQ(task_info(SELF, MACH_TASK_BASIC_INFO, (task_info_t)&info, &count), KERN_SUCCESS);
	return info.virtual_size;
}

static void
pause_ms(unsigned ms)
{
	mach_timebase_info_data_t base;

	EXPECT_EQ(mach_timebase_info(&base), KERN_SUCCESS);
	mach_wait_until(mach_absolute_time() + (uint64_t)ms * 1000000 * base.denom / base.numer);
}

/* Freed ports count until their grace period is over. */
static void
expect_zone_to_settle(const char *zone, uint64_t expected)
{
	for (int i = 0; i < SETTLE_MS / 10 && elements_in_use(zone) > expected; i++) {
		pause_ms(10);
	}
	if (elements_in_use(zone) > expected) {
		printf("# %s:\n", zone);
		EXPECT_EQ(elements_in_use(zone), expected);
	}
}

static unsigned
cpus(void)
{
	host_basic_info_data_t info = { 0 };
	mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

	EXPECT_EQ(host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&info, &count), KERN_SUCCESS);
	return (unsigned)info.max_cpus;
}

TEST(a_storm_leaves_nothing_behind)
{
	static const char *const zones[] = { "ipc ports", "ipc messages", "vm map copies" };
	uint64_t before[3], memory;
	uint32_t names;

	storm(); /* what is made once and kept is there after this */
	pause_ms(100);
	for (int i = 0; i < 3; i++) {
		before[i] = elements_in_use(zones[i]);
	}
	before[1] += cpus(); /* each CPU makes itself a buffer at its first call, and keeps it */
	names = names_in_use();
	memory = memory_in_use();
	storm();
	EXPECT_EQ(names_in_use(), names);
	EXPECT_EQ(memory_in_use(), memory);
	for (int i = 0; i < 3; i++) {
		expect_zone_to_settle(zones[i], before[i]);
	}
}

/* ---- several tasks ---- */

static void *
serve_exchange(void *arg)
{
	uint64_t random = 12345;
	struct big_message m;

	while (mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), exchange, 0, 0) == MACH_MSG_SUCCESS &&
	       m.head.msgh_id != QUIT) {
		settle(&m, &random);
	}
	return NULL;
}

/* In a child: the parent's port is the first registered one. */
static int
storm_in_child(void *arg)
{
	mach_port_array_t ports = NULL;
	mach_msg_type_number_t count = 0;
	uint32_t names;

	if (mach_ports_lookup(SELF, &ports, &count) != KERN_SUCCESS || count == 0) {
		return 1;
	}
	exchange = ports[0];
	storm();
	names = names_in_use();
	storm();
	EXPECT_EQ(names_in_use(), names);
	return 0;
}

static void *
child_of_test(void *arg)
{
	EXPECT_EQ(ktap_in_child(storm_in_child, NULL), 0);
	return NULL;
}

TEST(storms_in_several_tasks)
{
	mach_msg_header_t quit = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
		.msgh_size = sizeof(quit),
		.msgh_id = QUIT };
	pthread_t server, children[TASKS - 1];
	mach_port_t none = MACH_PORT_NULL, port = new_port();

	EXPECT_EQ(mach_ports_register(SELF, &port, 1), KERN_SUCCESS);
	exchange = port;
	EXPECT_EQ(pthread_create(&server, NULL, serve_exchange, NULL), 0);
	for (int i = 0; i < TASKS - 1; i++) {
		EXPECT_EQ(pthread_create(&children[i], NULL, child_of_test, NULL), 0);
	}
	storm();
	for (int i = 0; i < TASKS - 1; i++) {
		EXPECT_EQ(pthread_join(children[i], NULL), 0);
	}
	quit.msgh_remote_port = port;
	EXPECT_EQ(mach_msg(&quit, MACH_SEND_MSG, sizeof(quit), 0, 0, 0, 0), MACH_MSG_SUCCESS);
	EXPECT_EQ(pthread_join(server, NULL), 0);
	exchange = MACH_PORT_NULL;
	EXPECT_EQ(mach_ports_register(SELF, &none, 1), KERN_SUCCESS);
	EXPECT_EQ(mach_port_destruct(SELF, port, -1, 0), KERN_SUCCESS);
}
