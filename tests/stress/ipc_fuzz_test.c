/*
 * Hostile messages and port calls: headers, descriptors, options, sizes, names and hand-made MIG requests of every wrong
 * kind, among right ones so that many get far. A child makes them, in a space with rights of all kinds; it must live
 * through them, and when it has gone the kernel must have as many ports and messages as before.
 *
 * Nothing waits: every send and receive has a time-out of 0. Calls that are meant to end or stop the caller (terminate,
 * suspend, set_state, memory of the program) are left out. The sequence is the same in every run.
 */
#include <mach/host_priv.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/mk_timer.h>
#include <mach/notify.h>
#include <mach_debug/zone_info.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/kernel_counts.h"
#include "../guest/ktap.h"

#define SELF      mach_task_self()
#define POOL      24
#define CHILDREN  4
#define CASES     2500 /* of a child; a hundred times as many with STRESS_LONG in the environment */
#define SCRATCH   262144
#define SETTLE_MS 5000

static uint64_t random_state;
static mach_port_t pool[POOL];
static unsigned char *scratch; /* memory that messages may take away */
static bool scratch_given;     /* one was asked to */

static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 9;
}

static bool
one_in(unsigned n)
{
	return next_random() % n == 0;
}

/* ---- names ---- */

static mach_port_t
make_name(unsigned kind)
{
	mach_port_t name = MACH_PORT_NULL;
	mach_msg_type_name_t type;

	switch (kind % 10) {
	case 0:
		mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &name);
		break;
	case 1:
	case 2:
		mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &name);
		mach_port_insert_right(SELF, name, name, MACH_MSG_TYPE_MAKE_SEND);
		break;
	case 3:
		mach_port_extract_right(SELF, pool[0], MACH_MSG_TYPE_MAKE_SEND_ONCE, &name, &type);
		break;
	case 4:
		mach_port_allocate(SELF, MACH_PORT_RIGHT_DEAD_NAME, &name);
		break;
	case 5:
		mach_port_allocate(SELF, MACH_PORT_RIGHT_PORT_SET, &name);
		break;
	case 6:
		name = mach_host_self();
		break;
	case 7:
		name = mk_timer_create();
		break;
	case 8:
		semaphore_create(SELF, &name, SYNC_POLICY_FIFO, 0);
		break;
	default:
		host_get_clock_service(mach_host_self(), SYSTEM_CLOCK, &name);
		break;
	}
	return name;
}

/* The task's own port is never among them: too much can be done with it. */
static mach_port_t
any_name(void)
{
	static const mach_port_t odd[] = { MACH_PORT_NULL, MACH_PORT_DEAD, 1, 0x103 << 4, 0x7fffff03,
		0xfffffe03 };

	return one_in(12) ? odd[next_random() % (sizeof(odd) / sizeof(odd[0]))] : pool[next_random() % POOL];
}

static mach_msg_type_name_t
any_disposition(void)
{
	return one_in(10) ? next_random() % 32 : 16 + next_random() % 6;
}

/* For a header: a right to send, of a kind that most names have. */
static mach_msg_type_name_t
any_send_disposition(void)
{
	static const mach_msg_type_name_t usual[] = { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_COPY_SEND,
		MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_SEND,
		MACH_MSG_TYPE_MOVE_SEND_ONCE };

	return one_in(16) ? any_disposition() : usual[next_random() % 6];
}

/* Half of the pool are ports with both rights; what has gone is made again. */
static void
refresh_pool(void)
{
	unsigned i = (unsigned)(next_random() % POOL);
	mach_port_type_t type;

	if (mach_port_type(SELF, pool[i], &type) != KERN_SUCCESS || type == MACH_PORT_TYPE_DEAD_NAME) {
		(void)mach_port_destroy(SELF, pool[i]);
		pool[i] = make_name(i % 2 ? 1 : i / 2);
	}
}

/* ---- messages ---- */

struct fuzz_message {
	mach_msg_header_t head;
	unsigned char bytes[2048];
};

/* Memory that may be taken, or is none; never the program's. */
static void *
any_memory(void)
{
	switch (next_random() % 8) {
	case 0:
		return NULL;
	case 1:
		return (void *)0xfffffe0007004000;
	case 2:
		return (void *)0x7fffffff0000;
	default:
		return scratch + next_random() % SCRATCH;
	}
}

static unsigned char *
add_descriptor(unsigned char *at)
{
	mach_msg_descriptor_t *desc = (mach_msg_descriptor_t *)at;
	unsigned type = one_in(20) ? next_random() % 256 : next_random() % 5;

	memset(at, 0, 16);
	switch (type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		desc->port = (mach_msg_port_descriptor_t){
			.name = any_name(), .disposition = any_disposition(), .type = type
		};
		return at + sizeof(desc->port);
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		for (int i = 0; i < 8; i++) {
			((mach_port_t *)(void *)scratch)[i] = any_name();
		}
		desc->ool_ports =
		    (mach_msg_ool_ports_descriptor_t){ .address = one_in(4) ? any_memory() : scratch,
			    .count = one_in(10) ? (mach_msg_size_t)next_random() : next_random() % 9,
			    .disposition = any_disposition(),
			    .copy = next_random() % 4,
			    .type = type };
		return at + sizeof(desc->ool_ports);
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		desc->guarded_port = (mach_msg_guarded_port_descriptor_t){ .context = next_random(),
			.flags = one_in(4) ? next_random() : next_random() % 4,
			.disposition = one_in(4) ? any_disposition() : MACH_MSG_TYPE_MOVE_RECEIVE,
			.type = type,
			.name = any_name() };
		return at + sizeof(desc->guarded_port);
	default:
		desc->out_of_line = (mach_msg_ool_descriptor_t){ .address = any_memory(),
			.size = one_in(10) ? (mach_msg_size_t)next_random() : next_random() % 100000,
			.deallocate = one_in(3),
			.copy = next_random() % 4,
			.type = type };
		scratch_given |= desc->out_of_line.deallocate;
		return at + sizeof(desc->out_of_line);
	}
}

/*
 * Memory that has never been touched but for its ends, as often as it is needed and now and then: every time costs each
 * CPU that the task has run on a look at its TLB.
 */
static void
fresh_scratch(void)
{
	vm_address_t where = (vm_address_t)scratch;

	if (!scratch_given && !one_in(64)) {
		return;
	}
	scratch_given = false;
	if (vm_allocate(SELF, &where, SCRATCH, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE) != KERN_SUCCESS) {
		exit(3);
	}
	scratch[0] = scratch[SCRATCH - 1] = 1;
}

/* Gives back what a receive or a failed send has left in the message. */
static void
drop_message(struct fuzz_message *m, bool was_sent)
{
	if (was_sent && MACH_PORT_VALID(m->head.msgh_local_port)) {
		mach_port_deallocate(SELF, m->head.msgh_local_port);
	}
	mach_msg_destroy(&m->head);
}

static void
fuzz_message(void)
{
	static struct fuzz_message m;
	unsigned char *at = (unsigned char *)&m + sizeof(mach_msg_base_t);
	mach_msg_option_t option = MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;
	mach_msg_size_t size;
	mach_msg_return_t mr;
	bool with_reply = one_in(3);
	unsigned count = 0;

	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS_SET(any_send_disposition(),
					  one_in(3) ? 0 : any_disposition(),
					  one_in(20) ? next_random() % 32 : 0, 0),
		.msgh_remote_port = one_in(3) ? any_name() : pool[next_random() % (POOL / 2) * 2 + 1],
		.msgh_local_port = with_reply == one_in(16) ? MACH_PORT_NULL : any_name(),
		.msgh_voucher_port = one_in(20) ? any_name() : MACH_PORT_NULL,
		.msgh_id = (mach_msg_id_t)next_random() };
	if (one_in(2)) {
		m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
		count = next_random() % 6;
		for (unsigned i = 0; i < count; i++) {
			at = add_descriptor(at);
		}
		((mach_msg_base_t *)(void *)&m)->body.msgh_descriptor_count = count;
		if (one_in(16)) {
			((mach_msg_base_t *)(void *)&m)->body.msgh_descriptor_count =
			    (mach_msg_size_t)next_random();
			scratch_given = true; /* what was there before may be taken for a descriptor */
		}
	}
	size = (mach_msg_size_t)(at - (unsigned char *)&m) + (mach_msg_size_t)next_random() % 32 * 4;
	m.head.msgh_size = one_in(12) ? (mach_msg_size_t)next_random() % 4096 : size;
	if (one_in(6)) {
		option |= (mach_msg_option_t)(next_random() & 0x00ff0e80); /* not the time-outs */
	}
	if (one_in(3)) {
		option |= MACH_RCV_MSG;
	}
	if (one_in(2)) {
		mr = mach_msg_trap(&m.head, option, m.head.msgh_size, sizeof(m), any_name(), 0, 0);
	} else {
		uint64_t kind = one_in(8) ? next_random() << 32 : MACH64_SEND_ANY;

		mr = mach_msg2_trap(&m, (uint32_t)option | kind,
		    m.head.msgh_bits | (uint64_t)m.head.msgh_size << 32,
		    m.head.msgh_remote_port | (uint64_t)m.head.msgh_local_port << 32,
		    m.head.msgh_voucher_port | (uint64_t)(uint32_t)m.head.msgh_id << 32,
		    count | (uint64_t)any_name() << 32, sizeof(m), 0);
	}
	if (mr == MACH_SEND_TIMED_OUT) {
		drop_message(&m, true);
	} else if (mr == MACH_MSG_SUCCESS && (option & MACH_RCV_MSG)) {
		drop_message(&m, false);
	}
}

static void
fuzz_receive(void)
{
	static struct fuzz_message m;
	mach_msg_option_t option =
	    MACH_RCV_MSG | MACH_RCV_TIMEOUT | (mach_msg_option_t)(one_in(3) ? next_random() & 0x0f00180c : 0);
	mach_msg_size_t room = one_in(4) ? (mach_msg_size_t)next_random() % 200 : sizeof(m);
	void *buffer = one_in(12) ? any_memory() : &m;

	if (buffer != &m) {
		(void)mach_msg_trap(buffer, option, 0, 64, any_name(), 0, 0);
	} else if (mach_msg_trap(&m.head, option, 0, room, any_name(), 0, 0) == MACH_MSG_SUCCESS) {
		drop_message(&m, false);
	}
}

/* ---- MIG requests by hand ---- */

static bool
is_harmless(mach_msg_id_t id)
{
	switch (id) {
	case 217:         /* host_request_notification: keeps the right until the calendar is set */
	case 401:         /* host_reboot */
	case 413:         /* host_set_special_port: keeps the right */
	case 414 ... 416: /* host's exception ports: other programs' too */
	case 1002:
	case 3401 ... 3404:
	case 3407 ... 3417:
	case 3434:
	case 3436: /* task_suspend2: the fuzzer itself */
	case 3600 ... 3609:
	case 3612 ... 3615:
	case 617202 ... 617206:
		return false;
	default:
		return true;
	}
}

static void
fuzz_request(void)
{
	static const mach_msg_id_t bases[] = { 200, 400, 1000, 3000, 3200, 3400, 3600, 4000, 617200 };
	static struct fuzz_message m;
	mach_msg_id_t id = bases[next_random() % 9] + (mach_msg_id_t)(next_random() % 50);
	mach_port_t reply = mig_get_reply_port();

	if (!is_harmless(id)) {
		return;
	}
	for (unsigned i = 0; i < 128; i += 4) {
		uint32_t word = one_in(3)   ? (uint32_t)next_random()
				: one_in(2) ? any_name()
					    : next_random() % 32;

		memcpy(m.bytes + i, &word, sizeof(word));
	}
	m.head = (mach_msg_header_t){ .msgh_bits = MACH_MSGH_BITS(
					  MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
		.msgh_size = (mach_msg_size_t)(sizeof(m.head) + next_random() % 24 * 4),
		.msgh_remote_port = one_in(3) ? SELF : any_name(),
		.msgh_local_port = reply,
		.msgh_id = id };
	if (mach_msg_trap(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT,
		m.head.msgh_size, sizeof(m), reply, 0, 0) == MACH_MSG_SUCCESS) {
		drop_message(&m, false);
	}
}

/* ---- port calls ---- */

static void
fuzz_call(void)
{
	mach_port_t name = any_name(), other = any_name(), out = MACH_PORT_NULL;
	int32_t number = one_in(6) ? (int32_t)next_random() : (int32_t)(next_random() % 5) - 2;
	mach_port_options_t options = { .flags = (uint32_t)next_random() & 0xffff,
		.mpl = { (mach_port_msgcount_t)next_random() % 2000 } };
	natural_t info[32] = { 0 };
	mach_msg_type_number_t count = next_random() % 20;

	switch (next_random() % 16) {
	case 0:
		mach_port_mod_refs(SELF, name, next_random() % 6, number);
		break;
	case 1:
		mach_port_deallocate(SELF, name);
		break;
	case 2:
		mach_port_insert_right(SELF, name, other, any_disposition());
		break;
	case 3:
		mach_port_insert_member(SELF, name, other);
		break;
	case 4:
		mach_port_extract_member(SELF, name, other);
		break;
	case 5:
		mach_port_move_member(SELF, name, other);
		break;
	case 6:
		if (mach_port_construct(SELF, &options, next_random() % 3, &out) == KERN_SUCCESS) {
			pool[next_random() % POOL] = out;
		}
		break;
	case 7:
		mach_port_destruct(SELF, name, number, next_random() % 3);
		break;
	case 8:
		mach_port_guard(SELF, name, next_random() % 3, one_in(2));
		break;
	case 9:
		mach_port_unguard(SELF, name, next_random() % 3);
		break;
	case 10:
		if (mach_port_request_notification(SELF, name, 64 + (mach_msg_id_t)(next_random() % 14),
			(mach_port_mscount_t)number, other, any_disposition(), &out) == KERN_SUCCESS &&
		    out != MACH_PORT_NULL) {
			mach_port_deallocate(SELF, out);
		}
		break;
	case 11:
		mach_port_get_attributes(SELF, name, number, (mach_port_info_t)info, &count);
		break;
	case 12:
		mach_port_rename(
		    SELF, name, one_in(2) ? other : (mach_port_name_t)(0x403 + next_random() % 64 * 256));
		break;
	case 13:
		mk_timer_arm(name, one_in(2) ? 0 : next_random());
		break;
	case 14:
		mach_port_destroy(SELF, name);
		break;
	default:
		pool[next_random() % POOL] = make_name((unsigned)next_random());
		break;
	}
}

static int
fuzz(void *arg)
{
	int cases = getenv("STRESS_LONG") != NULL ? 100 * CASES : CASES;
	vm_address_t where = 0;

	random_state = 0x9e3779b97f4a7c15ULL * (uintptr_t)arg;
	if (vm_allocate(SELF, &where, SCRATCH, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		return 2;
	}
	scratch = (unsigned char *)where;
	scratch_given = true; /* nor is it there with its ends touched */
	for (unsigned i = 0; i < POOL; i++) {
		pool[i] = make_name(i);
	}
	for (int i = 0; i < cases; i++) {
		fresh_scratch();
		refresh_pool();
		switch (next_random() % 8) {
		case 0 ... 2:
			fuzz_message();
			break;
		case 3:
			fuzz_receive();
			break;
		case 4:
		case 5:
			fuzz_request();
			break;
		default:
			fuzz_call();
			break;
		}
	}
	return 0;
}

/* ---- what is left ---- */

static void
pause_ms(unsigned ms)
{
	mach_timebase_info_data_t base;

	EXPECT_EQ(mach_timebase_info(&base), KERN_SUCCESS);
	mach_wait_until(mach_absolute_time() + (uint64_t)ms * 1000000 * base.denom / base.numer);
}

/* Ports that the kernel makes when they are first asked for, and keeps. */
static void
ask_for_kept_ports(void)
{
	mach_port_t name, set;
	processor_array_t processors;
	mach_msg_type_number_t count;

	EXPECT_EQ(processor_set_default(mach_host_self(), &name), KERN_SUCCESS);
	EXPECT_EQ(host_processor_set_priv(mach_host_self(), name, &set), KERN_SUCCESS);
	EXPECT_EQ(host_processors(mach_host_self(), &processors, &count), KERN_SUCCESS);
}

TEST(hostile_messages_leave_nothing_behind)
{
	static const char *const zones[] = { "ipc ports", "ipc messages", "vm map copies", "timers" };
	host_basic_info_data_t host = { 0 };
	mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
	uint64_t before[4];

	ask_for_kept_ports();
	EXPECT_EQ(ktap_in_child(fuzz, (void *)1), 0); /* what is made once and kept is there after this */
	EXPECT_EQ(host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count), KERN_SUCCESS);
	pause_ms(200);
	for (int i = 0; i < 4; i++) {
		before[i] = elements_in_use(zones[i]);
	}
	before[1] +=
	    (uint64_t)host.max_cpus; /* each CPU makes itself a buffer at its first call, and keeps it */
	for (uintptr_t i = 2; i < 2 + CHILDREN; i++) {
		EXPECT_EQ(ktap_in_child(fuzz, (void *)i), 0);
	}
	for (int i = 0; i < 4; i++) {
		for (int ms = 0; ms < SETTLE_MS && elements_in_use(zones[i]) > before[i]; ms += 10) {
			pause_ms(10);
		}
		if (elements_in_use(zones[i]) > before[i]) {
			printf("# %s:\n", zones[i]);
			EXPECT_EQ(elements_in_use(zones[i]), before[i]);
		}
	}
}
