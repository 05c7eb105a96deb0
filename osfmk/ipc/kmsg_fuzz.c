/*
 * Fuzzer of copyin and copyout: kmsg.c, kmsg_receive.h and ool.c as they are, between two spaces, their memory and an
 * allocator that only count. Any message goes in; it is received with any trailer into a buffer that fits or does not,
 * received by somebody whose buffer is gone, given back to its sender or dropped, and up to two of the steps that may
 * fail do: a name, an allocation, an access to user memory, a place for a right.
 *
 * What must hold: each right that the receiver gets is there under the name and with the disposition that the message
 * tells; the trailer begins where the message ends, is of the length that its elements say, tells of this message what it
 * was sent with, and nothing is written behind it; and when the receiver has dropped what it was told of, the kernel
 * holds no right and no byte, and the receiver's space and memory are empty.
 *
 * An input: which steps fail (two numbers, 0 for none), circularity, what is done with the message, how many descriptors,
 * type and elements of the trailer, how much larger the buffer is than what it takes, then, at PREFIX, the message. Names
 * are {port, kind of right}; addresses are offsets into the sender's buffer, or nothing.
 */
#include <ipc/kmsg.h>

#include <arm64/copyio.h>
#include <arm64/cpu_data.h>
#include <ipc/kmsg_receive.h>
#include <ipc/mk_timer.h>
#include <ipc/msg_decode.h>
#include <ipc/ool.h>
#include <ipc/port.h>
#include <ipc/reply_port.h>
#include <ipc/right.h>
#include <ipc/voucher.h>
#include <kern/assert.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <kern/zone_core.h>
#include <libkern/ktest/fuzz.h>
#include <mach/vm_statistics.h>
#include <stdlib.h>
#include <string.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_user.h>

#define PORTS     6U
#define KINDS     3U /* MACH_MSG_TYPE_PORT_RECEIVE and the two behind it */
#define HELD_EACH 3U
#define REGIONS   64U
#define PREFIX    16U
#define INPUT_MAX 2048U
#define MADE_MAX  (PREFIX + sizeof(mach_msg_base_t) + 6 * sizeof(mach_msg_descriptor_t) + 64)

enum { SENDER, RECEIVER, SPACES };
#define NOWHERE 8U /* an address */

enum fate { RECEIVED, BUFFER_GONE, GIVEN_BACK, DROPPED, FATES };

/* --- the world around a message --- */

static struct cpu_data host_cpu;
static struct thread host_thread;
static struct task host_task;

static struct ipc_space spaces[SPACES + 1];
static struct ipc_port ports[PORTS];
static unsigned held[SPACES][PORTS][KINDS]; /* by name */
static unsigned naked[PORTS][KINDS];        /* by the kernel: in messages */
static size_t heap_bytes, heap_elements, copies;
static struct region {
	uint8_t *start;
	size_t size;
} regions[REGIONS];
static _Alignas(mach_port_name_t) uint8_t user_names[MACH_MSG_RIGHTS_MAX * sizeof(mach_port_name_t)];

static unsigned steps, fail_at[2];
static bool circular;
static user_addr_t buffer; /* the receiver's, while it receives */
static uint32_t buffer_size;
static unsigned long reached[FATES], reached_failures, reached_ports, reached_memory;
static unsigned long reached_trailers[16], reached_no_trailer, reached_too_large, reached_nothing,
    reached_unwritten;

/* A step that may fail is one that does. */
static bool
fails(void)
{
	steps++;
	reached_failures += steps == fail_at[0] || steps == fail_at[1];
	return steps == fail_at[0] || steps == fail_at[1];
}

static unsigned
port_index(ipc_port_t port)
{
	release_assert(port >= ports && port < ports + PORTS);
	return (unsigned)(port - ports);
}

static unsigned
kind_of(mach_msg_type_name_t type)
{
	release_assert(
	    type >= MACH_MSG_TYPE_PORT_RECEIVE && type < (int)(MACH_MSG_TYPE_PORT_RECEIVE + KINDS));
	return (unsigned)type - MACH_MSG_TYPE_PORT_RECEIVE;
}

static mach_port_name_t
name_of(unsigned port, unsigned kind)
{
	return (mach_port_name_t)((port * KINDS + kind + 1) << 8 | 3);
}

static bool
name_parse(mach_port_name_t name, unsigned *port, unsigned *kind)
{
	unsigned index = (name >> 8) - 1;

	*port = index / KINDS;
	*kind = index % KINDS;
	return (name & 0xff) == 3 && index < PORTS * KINDS;
}

static void
kernel_loses(ipc_port_t port, mach_msg_type_name_t type)
{
	unsigned *count = &naked[port_index(port)][kind_of(type)];

	release_assert(*count > 0);
	--*count;
}

/* --- what kmsg.c and ool.c call --- */

zone_t zone_of_messages; /* no zone is looked at */
struct ipc_space *const kernel_space = &spaces[SPACES];

void *
kalloc(size_t size)
{
	if (fails()) {
		return NULL;
	}
	heap_bytes += size;
	heap_elements++;
	return malloc(size);
}

void *
kalloc_flags(size_t size, unsigned flags)
{
	void *p = kalloc(size);

	return p == NULL ? NULL : memset(p, flags & Z_ZERO ? 0 : 0xa5, size);
}

void
kfree(void *p, size_t size)
{
	release_assert(p != NULL && heap_bytes >= size && heap_elements > 0);
	heap_bytes -= size;
	heap_elements--;
	free(p);
}

void *
zalloc(zone_t zone)
{
	if (fails()) {
		return NULL;
	}
	heap_elements++;
	return aligned_alloc(64, IKM_SIZE);
}

void *
zalloc_flags(zone_t zone, unsigned flags)
{
	return zalloc(zone);
}

void *
zalloc_lacking(zone_t zone, unsigned flags)
{
	return NULL;
}

void *
zalloc_on_cpu(zone_t zone, unsigned cpu)
{
	return zalloc(zone);
}

void
zfree_home(zone_t zone, void *elem, unsigned home)
{
	release_assert(heap_elements > 0);
	heap_elements--;
	free(elem);
}

void
zfree_home_on_cpu(zone_t zone, unsigned cpu, unsigned home, void *elem)
{
	zfree_home(zone, elem, home);
}

void
zone_set_returned(zone_t zone, struct zone_returned *(*returned)(unsigned cpu))
{
}

void
mk_timer_message_freed(ipc_kmsg_t kmsg)
{
	release_assert(!"no timer has sent one");
}

static bool
is_user(const uint8_t *start, size_t size)
{
	if (start >= user_names && start <= user_names + sizeof(user_names)) {
		return size <= (size_t)(user_names + sizeof(user_names) - start);
	}
	for (unsigned i = 0; i < REGIONS; i++) {
		if (regions[i].start != NULL && start >= regions[i].start &&
		    start <= regions[i].start + regions[i].size) {
			return size <= (size_t)(regions[i].start + regions[i].size - start);
		}
	}
	return false;
}

int
copyin(user_addr_t uaddr, void *kaddr, size_t len)
{
	if (!is_user((const uint8_t *)uaddr, len) || fails()) {
		return 14;
	}
	memcpy(kaddr, (const void *)uaddr, len);
	return 0;
}

/* A receiver who cannot be told has trouble enough: from there on all goes well. */
static void
cannot_tell(void)
{
	fail_at[0] = fail_at[1] = 0;
	reached_unwritten++;
}

int
copyout(const void *kaddr, user_addr_t uaddr, size_t len)
{
	bool there = is_user((const uint8_t *)uaddr, len), told = uaddr - buffer < buffer_size;

	release_assert(!told || there || buffer == NOWHERE); /* what is written fits */
	if (!there || fails()) {
		if (told) {
			cannot_tell();
		}
		return 14;
	}
	memcpy((void *)uaddr, kaddr, len);
	return 0;
}

static uint8_t *
region_add(uint8_t *start, size_t size)
{
	for (unsigned i = 0; i < REGIONS; i++) {
		if (regions[i].start == NULL) {
			regions[i] = (struct region){ start, size };
			return start;
		}
	}
	release_assert(!"enough regions for any message");
	return NULL;
}

kern_return_t
mach_vm_allocate(vm_map_t map, mach_vm_offset_t *addr, mach_vm_size_t size, int flags)
{
	if (fails()) {
		return KERN_NO_SPACE;
	}
	*addr = (mach_vm_offset_t)region_add(malloc(size), size);
	return KERN_SUCCESS;
}

kern_return_t
mach_vm_deallocate(vm_map_t map, mach_vm_offset_t addr, mach_vm_size_t size)
{
	for (unsigned i = 0; i < REGIONS; i++) {
		if (regions[i].start == (uint8_t *)addr && addr != 0) {
			release_assert(regions[i].size == size);
			free(regions[i].start);
			regions[i].start = NULL;
			return KERN_SUCCESS;
		}
	}
	return KERN_INVALID_ADDRESS; /* the sender's, with `deallocate` */
}

struct vm_map_copy {
	vm_map_size_t size;
};

kern_return_t
vm_map_copyin(vm_map_t map, vm_map_offset_t addr, vm_map_size_t size, bool destroy, vm_map_copy_t *copy)
{
	if (!is_user((const uint8_t *)addr, size)) {
		return KERN_INVALID_ADDRESS;
	}
	if (fails()) {
		return KERN_RESOURCE_SHORTAGE;
	}
	*copy = malloc(sizeof(**copy));
	(*copy)->size = size;
	copies++;
	return KERN_SUCCESS;
}

kern_return_t
vm_map_copyout(vm_map_t map, vm_map_offset_t *addr, vm_map_copy_t copy)
{
	if (fails()) {
		return KERN_NO_SPACE;
	}
	*addr = (vm_map_offset_t)region_add(malloc(copy->size), copy->size);
	vm_map_copy_discard(copy);
	reached_memory++;
	return KERN_SUCCESS;
}

void
vm_map_copy_discard(vm_map_copy_t copy)
{
	release_assert(copies > 0);
	copies--;
	free(copy);
}

/* --- rights --- */

mach_msg_type_name_t
ipc_object_copyin_type(mach_msg_type_name_t type)
{
	switch (type) {
	case MACH_MSG_TYPE_MOVE_RECEIVE:
		return MACH_MSG_TYPE_PORT_RECEIVE;
	case MACH_MSG_TYPE_MOVE_SEND_ONCE:
	case MACH_MSG_TYPE_MAKE_SEND_ONCE:
		return MACH_MSG_TYPE_PORT_SEND_ONCE;
	case MACH_MSG_TYPE_MOVE_SEND:
	case MACH_MSG_TYPE_COPY_SEND:
	case MACH_MSG_TYPE_MAKE_SEND:
		return MACH_MSG_TYPE_PORT_SEND;
	default:
		return 0;
	}
}

static bool
is_move(mach_msg_type_name_t type)
{
	return type >= MACH_MSG_TYPE_MOVE_RECEIVE && type <= MACH_MSG_TYPE_MOVE_SEND_ONCE;
}

/* The right that the disposition starts from is there, `times` times if it goes away. */
static bool
has_right(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, unsigned times)
{
	bool makes = type == MACH_MSG_TYPE_MAKE_SEND || type == MACH_MSG_TYPE_MAKE_SEND_ONCE;
	unsigned port, kind;

	return name_parse(name, &port, &kind) && ipc_object_copyin_type(type) != 0 &&
	       kind == (makes ? 0 : kind_of(ipc_object_copyin_type(type))) &&
	       held[space - spaces][port][kind] >= (is_move(type) ? times : 1);
}

kern_return_t
ipc_right_copyin(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port)
{
	unsigned index, kind;

	if (!has_right(space, name, type, 1) || fails()) {
		return KERN_INVALID_RIGHT;
	}
	(void)name_parse(name, &index, &kind);
	held[space - spaces][index][kind] -= is_move(type);
	naked[index][kind_of(ipc_object_copyin_type(type))]++;
	*port = &ports[index];
	return KERN_SUCCESS;
}

kern_return_t
ipc_right_copyin_live(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port)
{
	return ipc_right_copyin(space, name, type, port);
}

bool
ipc_right_copyin_possible(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type,
    mach_port_name_t other, mach_msg_type_name_t other_type)
{
	return has_right(space, name, type, name == other && is_move(other_type) ? 2 : 1);
}

bool
ipc_reply_port_obeys(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t disposition, uint32_t option)
{
	return !fails();
}

bool
ipc_reply_port_is_one(ipc_port_t port)
{
	(void)port_index(port);
	return !fails();
}

kern_return_t
ipc_right_copyout(ipc_space_t space, ipc_port_t port, mach_msg_type_name_t type, mach_port_name_t *name)
{
	if (fails()) {
		return steps % 2 ? KERN_NO_SPACE : KERN_RESOURCE_SHORTAGE;
	}
	kernel_loses(port, type);
	held[space - spaces][port_index(port)][kind_of(type)]++;
	*name = name_of(port_index(port), kind_of(type));
	reached_ports++;
	return KERN_SUCCESS;
}

void
ipc_right_forget(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, uint64_t guard)
{
	unsigned port, kind;

	if (MACH_PORT_VALID(name)) {
		release_assert(name_parse(name, &port, &kind) && kind == kind_of(type));
		release_assert(held[space - spaces][port][kind] > 0);
		held[space - spaces][port][kind]--;
	}
}

kern_return_t
ipc_right_deallocate(ipc_space_t space, mach_port_name_t name)
{
	return KERN_SUCCESS; /* a voucher */
}

bool
ipc_voucher_name_is_valid(ipc_space_t space, mach_port_name_t name)
{
	return name % 2 != 0;
}

void
ipc_right_destroy_naked(ipc_port_t port, mach_msg_type_name_t type)
{
	if (IP_VALID(port)) {
		kernel_loses(port, type);
	}
}

void
ipc_port_release_send(ipc_port_t port)
{
	kernel_loses(port, MACH_MSG_TYPE_PORT_SEND);
}

static void
model_discard_sonce(ipc_port_t port)
{
	kernel_loses(port, MACH_MSG_TYPE_PORT_SEND_ONCE);
}

bool
ipc_port_check_circularity(ipc_port_t port, ipc_port_t dest)
{
	return circular;
}

void
ipc_port_guard_on_arrival(ipc_port_t port, uint64_t context, uint32_t flags)
{
	release_assert(naked[port_index(port)][0] > 0);
}

/* --- the very sources --- */

#define current_cpu_data()     (&host_cpu)
#define current_thread()       (&host_thread)
#define current_task()         (&host_task)
#define ipc_port_discard_sonce model_discard_sonce
#define ipc_space_kernel       kernel_space
#undef ZONE_DEFINE
#define ZONE_DEFINE(var, zname, zsize, zflags) static zone_t var

unsigned cpu_count = 1;

#include "kmsg.c" /* IWYU pragma: keep */
#include "ool.c"  /* IWYU pragma: keep */

/* --- a receiver that drops what it was told of --- */

static void
drop_names(ipc_space_t space, const mach_msg_ool_ports_descriptor_t *desc)
{
	const mach_port_name_t *names = desc->address;

	for (uint32_t i = 0; i < desc->count; i++) {
		ipc_right_forget(space, names[i], desc->disposition, 0);
	}
	release_assert(desc->count == 0 || mach_vm_deallocate(NULL, (mach_vm_offset_t)names,
					       desc->count * sizeof(names[0])) == KERN_SUCCESS);
}

static void
drop_desc(ipc_space_t space, const mach_msg_descriptor_t *desc)
{
	switch (desc->type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		ipc_right_forget(space, desc->port.name, desc->port.disposition, 0);
		break;
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		ipc_right_forget(space, desc->guarded_port.name, desc->guarded_port.disposition, 0);
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		drop_names(space, &desc->ool_ports);
		break;
	default:
		release_assert(desc->out_of_line.size == 0 ||
			       mach_vm_deallocate(NULL, (mach_vm_offset_t)desc->out_of_line.address,
				   desc->out_of_line.size) == KERN_SUCCESS);
		break;
	}
}

/* A message as it lies in memory. */
static void
drop_message(ipc_space_t space, const uint8_t *msg)
{
	const mach_msg_base_t *base = (const void *)msg;
	bool complex = (base->header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
	uint32_t ndesc = complex ? base->body.msgh_descriptor_count : 0, offset = sizeof(*base);

	ipc_right_forget(
	    space, base->header.msgh_remote_port, MACH_MSGH_BITS_REMOTE(base->header.msgh_bits), 0);
	for (uint32_t i = 0; i < ndesc; i++) {
		const mach_msg_descriptor_t *desc = (const void *)(msg + offset);

		drop_desc(space, desc);
		offset += msg_desc_size(desc);
	}
}

/* --- what a receiver is told: a second reading of the trailers, byte by byte --- */

#define UNTOUCHED 0xee

/* Of every message here. */
#define SEQNO   0x51525354U
#define CONTEXT 0xc1c2c3c4c5c6c7c8ULL
static const security_token_t sender = { { 0xa1a2a3a4, 0xb1b2b3b4 } };
static const audit_token_t audit = { { 1, 0x22222222, 3, 4, 5, 6, 7, 0x88888888 } };

/* By the type and elements; 0: none. */
static uint32_t
model_trailer_size(unsigned type, unsigned elements)
{
	if (type != 0 || elements == 5 || elements == 6 || elements > 8) {
		return 0;
	}
	return 8 + (elements >= 1 ? 4 : 0) + (elements >= 2 ? 8 : 0) + (elements >= 3 ? 32 : 0) +
	       (elements >= 4 ? 8 : 0) + (elements >= 7 ? 8 : 0);
}

static void
check_trailer(const uint8_t *at, uint32_t size)
{
	uint8_t longest[68] = { 0 };

	memcpy(longest + 4, &size, sizeof(size));
	memcpy(longest + 8, &(uint32_t){ SEQNO }, 4);
	memcpy(longest + 12, &sender, 8);
	memcpy(longest + 20, &audit, 32);
	memcpy(longest + 52, &(uint64_t){ CONTEXT }, 8);
	release_assert(memcmp(at, longest, size) == 0);
}

static void
check_untouched(const uint8_t *from, const uint8_t *end)
{
	while (from < end) {
		release_assert(*from++ == UNTOUCHED);
	}
}

/* `size` is the message's, when it was sent. */
static void
check_received(const uint8_t *msg, mach_msg_return_t mr, uint32_t size, uint32_t tsize)
{
	const mach_msg_header_t *header = (const void *)msg;
	bool too_large = size + tsize > buffer_size;

	if (mr == MACH_RCV_INVALID_DATA) {
		return;
	}
	release_assert(too_large == (mr == MACH_RCV_TOO_LARGE));
	reached_too_large += too_large;
	if (too_large && sizeof(*header) + tsize > buffer_size) {
		reached_nothing++;
		check_untouched(msg, msg + buffer_size);
		return;
	}
	if (too_large || (mr & ~MACH_MSG_MASK) == MACH_RCV_HEADER_ERROR) {
		size = sizeof(*header);
	}
	release_assert(header->msgh_size == size);
	check_trailer(msg + size, tsize);
	check_untouched(msg + size + tsize, msg + buffer_size);
	drop_message(&spaces[RECEIVER], msg);
}

/*
 * Into a buffer that ends where it ends, or none. `trailer` is type and elements, `slack` its
 * size's distance from enough.
 */
static void
receive(ipc_kmsg_t kmsg, bool gone, uint8_t trailer, int slack)
{
	uint32_t option = (uint32_t)trailer << 24, size = kmsg->ikm_size;
	uint32_t tsize = model_trailer_size(trailer >> 4, trailer & 15);
	int64_t room = (int64_t)size + tsize + slack;
	mach_msg_return_t mr;
	uint8_t *msg;

	release_assert(ipc_trailer_exists(option) == (tsize != 0));
	if (tsize == 0) { /* refused before there is a message */
		reached_no_trailer++;
		ipc_kmsg_destroy(kmsg);
		return;
	}
	release_assert(ipc_trailer_size(option) == tsize);
	reached_trailers[trailer & 15]++;
	kmsg->ikm_seqno = SEQNO;
	buffer_size = room < 0 ? 0 : (uint32_t)room;
	msg = malloc(buffer_size);
	memset(msg, UNTOUCHED, buffer_size);
	buffer = gone ? NOWHERE : (user_addr_t)region_add(msg, buffer_size);
	mr = ipc_kmsg_receive(kmsg, &spaces[RECEIVER], buffer, buffer_size, option);
	release_assert(!gone || mr == MACH_RCV_INVALID_DATA || mr == MACH_RCV_TOO_LARGE);
	if (gone) {
		check_untouched(msg, msg + buffer_size);
		free(msg);
	} else {
		check_received(msg, mr, size, tsize);
		(void)mach_vm_deallocate(NULL, buffer, buffer_size);
	}
	buffer = 0;
	buffer_size = 0;
}

static void
give_back(ipc_kmsg_t kmsg)
{
	const mach_msg_header_t *header = ikm_header(kmsg);

	(void)ipc_kmsg_copyout_pseudo(kmsg, &spaces[SENDER]);
	drop_message(&spaces[SENDER], kmsg->ikm_msg);
	ipc_right_forget(
	    &spaces[SENDER], header->msgh_local_port, MACH_MSGH_BITS_LOCAL(header->msgh_bits), 0);
	ipc_kmsg_free(kmsg);
}

static void
meet_fate(ipc_kmsg_t kmsg, const uint8_t *data)
{
	enum fate fate = data[3] % FATES;

	reached[fate]++;
	switch (fate) {
	case RECEIVED:
	case BUFFER_GONE:
		receive(kmsg, fate == BUFFER_GONE, data[5], (int8_t)data[6]);
		break;
	case GIVEN_BACK:
		give_back(kmsg);
		break;
	default:
		ipc_kmsg_destroy(kmsg);
		break;
	}
}

static void
world_begin(void)
{
	memset(held, 0, sizeof(held));
	for (unsigned i = 0; i < PORTS; i++) {
		held[SENDER][i][0] = 1;
		held[SENDER][i][1] = held[SENDER][i][2] = HELD_EACH;
		ports[i].ip_receiver = &spaces[i % 2 ? RECEIVER : SENDER];
		ports[i].ip_receiver_name = name_of(i, 0);
		ports[i].ip_context = CONTEXT;
	}
	host_task.ipc.sec_token = sender;
	host_task.ipc.audit_token = audit;
	steps = 0;
}

/* Runs of PORTS names of one kind. Nothing writes there. */
static void
names_begin(void)
{
	mach_port_name_t *names = (mach_port_name_t *)(void *)user_names;

	if (names[0] != 0) {
		return;
	}
	for (unsigned at = 0; at < sizeof(user_names) / sizeof(*names); at++) {
		names[at] = name_of(at % PORTS, at / PORTS % KINDS);
	}
}

static void
world_end(void)
{
	static const unsigned none[PORTS][KINDS];

	release_assert(memcmp(naked, none, sizeof(naked)) == 0);
	release_assert(memcmp(held[RECEIVER], none, sizeof(none)) == 0);
	release_assert(heap_bytes == 0 && heap_elements == 0 && copies == 0);
	for (unsigned i = 0; i < REGIONS; i++) {
		release_assert(regions[i].start == NULL);
	}
}

/* Offsets in the message become addresses in the sender's buffer; large ones stay nowhere. */
static void
place_addresses(uint8_t *msg, uint32_t size, uint32_t ndesc)
{
	uint32_t offset = sizeof(mach_msg_base_t);

	for (uint32_t i = 0; i < ndesc; i++) {
		mach_msg_descriptor_t *desc = (void *)(msg + offset);
		uint32_t end = offset + sizeof(desc->type) <= size ? msg_desc_end(desc, offset, size) : 0;

		if (end == 0) {
			break;
		}
		if (desc->type.type != MACH_MSG_PORT_DESCRIPTOR &&
		    desc->type.type != MACH_MSG_GUARDED_PORT_DESCRIPTOR &&
		    (uintptr_t)desc->out_of_line.address < sizeof(user_names)) {
			desc->out_of_line.address =
			    user_names + ((uintptr_t)desc->out_of_line.address & ~(uintptr_t)3);
		}
		offset = end;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_send_args args = { 0 };
	uint8_t *sent;
	uint32_t length;
	ipc_kmsg_t kmsg;

	if (size < PREFIX + sizeof(mach_msg_base_t) || size > INPUT_MAX) {
		return 0;
	}
	length = (uint32_t)(size - PREFIX) & ~3U;
	names_begin();
	world_begin();
	fail_at[0] = data[0];
	fail_at[1] = data[1];
	circular = data[2] & 1;
	args.ndesc = data[4] % 32;
	args.send_size = length;
	sent = region_add(malloc(length), length);
	memcpy(sent, data + PREFIX, length);
	place_addresses(sent, length, args.ndesc);
	memcpy(&args.header, sent, sizeof(args.header));
	args.msg_addr = (user_addr_t)sent;
	if (ipc_kmsg_get(&args, &kmsg) == MACH_MSG_SUCCESS &&
	    ipc_kmsg_copyin(kmsg, &spaces[SENDER], data[2] & 2 ? MACH_MSG_STRICT_REPLY : 0) ==
		MACH_MSG_SUCCESS) {
		meet_fate(kmsg, data);
	}
	(void)mach_vm_deallocate(NULL, (mach_vm_offset_t)sent, length);
	world_end();
	return 0;
}

/* --- inputs that are nearly right --- */

static unsigned
next_random(unsigned *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

/* A name, and mostly a disposition that it can have. */
static mach_port_name_t
make_right(unsigned *state, unsigned *disposition)
{
	static const uint8_t fitting[KINDS][3] = { { 16, 20, 21 }, { 17, 19, 19 }, { 18, 18, 18 } };
	unsigned kind = next_random(state) % KINDS;

	*disposition =
	    next_random(state) % 16 ? fitting[kind][next_random(state) % 3] : next_random(state) % 32;
	return next_random(state) % 16 ? name_of(next_random(state) % PORTS, kind)
				       : (mach_port_name_t)next_random(state) % 3 - 1;
}

static uint32_t
make_desc(uint8_t *at, unsigned *state)
{
	mach_msg_descriptor_t desc = { 0 };
	unsigned disposition;

	desc.type.type = (mach_msg_descriptor_type_t)(next_random(state) % 5);
	switch (desc.type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		desc.port.name = make_right(state, &disposition);
		desc.port.disposition = disposition;
		break;
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		desc.guarded_port.name = name_of(next_random(state) % PORTS, 0);
		desc.guarded_port.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
		desc.guarded_port.flags = next_random(state) % 4;
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		/* mostly a run of one kind */
		desc.ool_ports.address = (void *)(uintptr_t)(next_random(state) % KINDS * PORTS * 4);
		desc.ool_ports.count = next_random(state) % (PORTS + 2);
		desc.ool_ports.disposition = (mach_msg_type_name_t)(16 + next_random(state) % 6);
		desc.ool_ports.deallocate = next_random(state) % 2;
		break;
	default:
		desc.out_of_line.address = (void *)(uintptr_t)(next_random(state) * 2);
		desc.out_of_line.size = next_random(state) % 100;
		desc.out_of_line.copy = next_random(state) % 2;
		break;
	}
	memcpy(at, &desc, msg_desc_size(&desc));
	return msg_desc_size(&desc);
}

static size_t
make_input(uint8_t *data, unsigned *state)
{
	uint32_t ndesc = next_random(state) % 6, at = PREFIX + sizeof(mach_msg_base_t);
	mach_msg_header_t header = { 0 };
	unsigned remote, local;

	memset(data, 0, MADE_MAX);
	data[0] = next_random(state) % 2 ? (uint8_t)(next_random(state) % 24) : 0;
	data[1] = next_random(state) % 4 ? 0 : (uint8_t)(next_random(state) % 24);
	data[2] = next_random(state) % 8 == 0;
	data[3] = (uint8_t)next_random(state);
	data[4] = (uint8_t)ndesc;
	data[5] = (uint8_t)(next_random(state) % (next_random(state) % 16 ? 9 : 256));
	data[6] = (uint8_t)(next_random(state) % 4 ? next_random(state) % 5 * 4 : next_random(state));
	header.msgh_remote_port = make_right(state, &remote);
	header.msgh_local_port = make_right(state, &local);
	header.msgh_bits = MACH_MSGH_BITS_SET(
	    remote, local, next_random(state) % 8 ? 0 : 19, ndesc != 0 ? MACH_MSGH_BITS_COMPLEX : 0);
	memcpy(data + PREFIX, &header, sizeof(header));
	for (uint32_t i = 0; i < ndesc; i++) {
		at += make_desc(data + at, state);
	}
	return at + next_random(state) % 16 * 4;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	unsigned state = seed;

	if (next_random(&state) % 4 == 0 || max_size < MADE_MAX) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	return make_input(data, &state);
}

void
fuzz_check_reached(void)
{
	for (unsigned i = 0; i < FATES; i++) {
		release_assert(reached[i] != 0);
	}
	for (unsigned i = 0; i < 16; i++) {
		release_assert((reached_trailers[i] != 0) == (model_trailer_size(0, i) != 0));
	}
	release_assert(reached_failures != 0 && reached_ports != 0 && reached_memory != 0);
	release_assert(reached_no_trailer != 0 && reached_too_large != 0 && reached_nothing != 0 &&
		       reached_unwritten != 0);
}
