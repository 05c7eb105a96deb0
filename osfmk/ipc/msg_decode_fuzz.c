/*
 * Fuzzer of the message decoder: the walk of the kernel's copyin over any bytes, in memory that ends where the message
 * does. Each verdict must be that of a second reading of the same rules, written from the layout byte by byte
 * (the model below); what is accepted is built again from what was decoded and must be decoded alike.
 *
 * An input: 8 bytes of options, 1 byte of shape, 4 bytes each of claimed size and descriptor count, then the message.
 * The shape says whether the message keeps an odd length and a count beyond its length; most do not, so that inputs
 * get deep. Both claims are also judged by themselves.
 */
#include <ipc/msg_decode.h>

#include <kern/assert.h>
#include <libkern/ktest/fuzz.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX    17U
#define INPUT_MAX 4096U
#define MADE_MAX  (PREFIX + sizeof(mach_msg_base_t) + 6 * sizeof(mach_msg_descriptor_t))

#define SHAPE_ANY_LENGTH 0x1U
#define SHAPE_ANY_COUNT  0x2U

/* How often there was a message to accept, one with descriptors, and a wrong descriptor of each kind and none. */
static unsigned long reached_accepted, reached_descriptors, reached_rejected[MACH_MSG_DESCRIPTOR_MAX + 2];

static uint32_t
get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void
put32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, sizeof(value));
}

/* --- the model --- */

static bool
model_sends_right(unsigned disposition)
{
	return disposition >= 17 && disposition <= 21;
}

static mach_msg_return_t
model_options(uint64_t option64)
{
	bool object = option64 >> 33 & 1, queue = option64 >> 34 & 1, any = option64 >> 35 & 1,
	     driver = option64 >> 36 & 1, vector = option64 >> 32 & 1;

	return object + queue + any + driver == 1 && !(vector && (object || driver))
		   ? MACH_MSG_SUCCESS
		   : MACH_SEND_INVALID_OPTIONS;
}

static mach_msg_return_t
model_size(bool complex, uint32_t size, uint32_t ndesc)
{
	uint64_t least = complex ? 28 + (uint64_t)ndesc * 12 : 24;

	if (size < 24 || size % 4 != 0) {
		return MACH_SEND_MSG_TOO_SMALL;
	}
	if (size > 64 * 1024 * 1024 / 4 * 3 - 68) {
		return MACH_SEND_TOO_LARGE;
	}
	return size < least ? MACH_SEND_MSG_TOO_SMALL : MACH_MSG_SUCCESS;
}

static mach_msg_return_t
model_header(const uint8_t *msg)
{
	unsigned remote = msg[0] & 31, local = msg[1] & 31, voucher = msg[2] & 31;
	uint32_t dest = get32(msg + 8), reply = get32(msg + 12);
	bool local_ok = model_sends_right(local) || (local == 0 && reply == 0);

	if (!model_sends_right(remote) || !local_ok || (voucher != 0 && voucher != 17 && voucher != 19)) {
		return MACH_SEND_INVALID_HEADER;
	}
	return dest == 0 || dest == 0xffffffff ? MACH_SEND_INVALID_DEST : MACH_MSG_SUCCESS;
}

/* Bytes of the descriptor at p, of which `left` are there; 0 if it does not fit. */
static uint32_t
model_desc_size(const uint8_t *p, uint32_t left)
{
	uint32_t need;

	if (left < 12) {
		return 0;
	}
	need = p[11] == 0 ? 12 : 16;
	return left < need ? 0 : need;
}

static mach_msg_return_t
model_desc(const uint8_t *p, uint64_t *rights)
{
	switch (p[11]) {
	case 0:
		*rights += 1;
		break;
	case 1:
	case 3:
		return p[9] <= 1 ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_TYPE;
	case 2:
		*rights += get32(p + 12);
		if (*rights <= 16383 && (p[10] < 16 || p[10] > 21)) {
			return MACH_SEND_INVALID_TYPE;
		}
		break;
	case 4:
		if (p[8] > 3 || p[9] != 0 || p[10] != 16) {
			return MACH_SEND_INVALID_TYPE;
		}
		*rights += 1;
		break;
	default:
		return MACH_SEND_INVALID_TYPE;
	}
	return *rights <= 16383 ? MACH_MSG_SUCCESS : MACH_SEND_TOO_LARGE;
}

static mach_msg_return_t
model_body(const uint8_t *msg, uint32_t size, uint32_t ndesc)
{
	uint64_t rights = 0;
	uint32_t at = 28;

	for (uint32_t i = 0; i < ndesc; i++) {
		uint32_t length = model_desc_size(msg + at, size - at);
		mach_msg_return_t mr = length == 0 ? MACH_SEND_MSG_TOO_SMALL : model_desc(msg + at, &rights);

		if (mr != MACH_MSG_SUCCESS) {
			return mr;
		}
		at += length;
	}
	return MACH_MSG_SUCCESS;
}

/* --- the decoder --- */

/* The fields of `desc` as another descriptor of the same kind, what says nothing being zero. */
static void
desc_again(const mach_msg_descriptor_t *desc, mach_msg_descriptor_t *again)
{
	switch (desc->type.type) {
	case MACH_MSG_PORT_DESCRIPTOR:
		again->port = (mach_msg_port_descriptor_t){ .name = desc->port.name,
			.disposition = desc->port.disposition,
			.type = desc->type.type };
		break;
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		again->guarded_port = desc->guarded_port;
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		again->ool_ports = desc->ool_ports;
		break;
	default:
		again->out_of_line = (mach_msg_ool_descriptor_t){ .address = desc->out_of_line.address,
			.deallocate = desc->out_of_line.deallocate,
			.copy = desc->out_of_line.copy,
			.type = desc->type.type,
			.size = desc->out_of_line.size };
		break;
	}
}

static void
reject(uint32_t kind)
{
	reached_rejected[kind <= MACH_MSG_DESCRIPTOR_MAX ? kind : MACH_MSG_DESCRIPTOR_MAX + 1]++;
}

/* The walk of ipc_kmsg_copyin_body. `again`, as long as the message, gets what was decoded. */
static mach_msg_return_t
decode_body(const uint8_t *msg, uint32_t size, uint32_t ndesc, uint8_t *again)
{
	uint32_t offset = sizeof(mach_msg_base_t), rights = 0;

	for (uint32_t i = 0; i < ndesc; i++) {
		const mach_msg_descriptor_t *desc = (const void *)(msg + offset);
		uint32_t end = msg_desc_end(desc, offset, size);
		mach_msg_return_t mr;

		if (end == 0) {
			return MACH_SEND_MSG_TOO_SMALL;
		}
		mr = msg_check_desc(desc, &rights);
		release_assert(rights <= MACH_MSG_RIGHTS_MAX);
		if (mr != MACH_MSG_SUCCESS) {
			reject(desc->type.type);
			return mr;
		}
		desc_again(desc, (void *)(again + offset));
		release_assert(msg_desc_end((const void *)(again + offset), offset, size) == end);
		release_assert(end > offset && end <= size);
		offset = end;
	}
	memcpy(again + offset, msg + offset, size - offset);
	return MACH_MSG_SUCCESS;
}

static uint8_t *
copy_exactly(const uint8_t *bytes, uint32_t size)
{
	uint8_t *copy = malloc(size);

	release_assert(copy != NULL);
	memcpy(copy, bytes, size);
	return copy;
}

/* What was decoded and built again is decoded to itself: nothing is lost, nothing depends on what says nothing. */
static void
check_again(const uint8_t *again, uint32_t size, uint32_t ndesc)
{
	uint8_t *third = copy_exactly(again, size);

	memset(third + sizeof(mach_msg_base_t), 0, size - sizeof(mach_msg_base_t));
	release_assert(decode_body(again, size, ndesc, third) == MACH_MSG_SUCCESS);
	release_assert(memcmp(again, third, size) == 0);
	free(third);
}

static void
check_body(const uint8_t *msg, uint32_t size, uint32_t ndesc)
{
	uint8_t *again = copy_exactly(msg, size);
	mach_msg_return_t mr = decode_body(msg, size, ndesc, again);

	release_assert(mr == model_body(msg, size, ndesc));
	if (mr == MACH_MSG_SUCCESS) {
		reached_descriptors += ndesc > 1;
		check_again(again, size, ndesc);
	}
	free(again);
}

static void
check_message(const uint8_t *bytes, uint32_t size, uint32_t ndesc)
{
	uint8_t *msg = copy_exactly(bytes, size);
	mach_msg_header_t *header = (void *)msg;
	bool complex = msg[3] & 0x80;
	mach_msg_return_t mr = msg_check_size(header->msgh_bits, size, ndesc);

	release_assert(mr == model_size(complex, size, ndesc));
	if (mr == MACH_MSG_SUCCESS) {
		release_assert(msg_fixed_size(header->msgh_bits) <= size);
		mr = msg_check_header(header);
		release_assert(mr == model_header(msg));
		if (complex) {
			put32(msg + sizeof(*header), ndesc);
			check_body(msg, size, ndesc); /* whatever the header is */
		}
		reached_accepted += mr == MACH_MSG_SUCCESS;
	}
	free(msg);
}

/* --- inputs that are nearly right --- */

static uint32_t
next_random(unsigned *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

#define ONE_OF(state, ...)                                     \
	({                                                     \
		static const uint32_t _of[] = { __VA_ARGS__ }; \
		_of[next_random(state) % os_countof(_of)];     \
	})

/* A descriptor of which most fields are within the limits, or at them; returns its size. */
static uint32_t
make_desc(uint8_t *p, unsigned *state)
{
	uint32_t kind = ONE_OF(state, 0, 1, 2, 2, 2, 3, 4, 4, 0, 1, 2, 2, 2, 3, 4, 4, 5);

	memset(p, 0, sizeof(mach_msg_descriptor_t));
	p[11] = (uint8_t)kind;
	switch (kind) {
	case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
		p[8] = (uint8_t)ONE_OF(state, 0, 1, 2, 3, 3, 4, 0x80);
		p[9] = (uint8_t)ONE_OF(state, 0, 0, 0, 0, 0, 0, 1);
		p[10] = (uint8_t)ONE_OF(state, 16, 16, 16, 16, 16, 0, 17);
		break;
	case MACH_MSG_OOL_PORTS_DESCRIPTOR:
		p[10] = (uint8_t)ONE_OF(state, 16, 17, 18, 19, 20, 21, 16, 17, 19, 15, 22);
		put32(p + 12, ONE_OF(state, 0, 1, 5461, 5462, 8191, 8192, 16382, 16383, 16384, UINT32_MAX));
		break;
	default:
		p[9] = (uint8_t)ONE_OF(state, 0, 0, 0, 1, 1, 1, 2, 0xff);
		break;
	}
	return msg_desc_kind_size(kind);
}

/* A complex message with a good header, sometimes cut short. */
static size_t
make_input(uint8_t *data, unsigned *state)
{
	uint32_t ndesc = 1 + next_random(state) % 6, at = PREFIX + sizeof(mach_msg_base_t);

	memset(data, 0, at);
	data[8] = SHAPE_ANY_COUNT;
	put32(data + 13, ndesc);
	put32(data + PREFIX, MACH_MSGH_BITS_COMPLEX | MACH_MSG_TYPE_COPY_SEND);
	put32(data + PREFIX + 8, 0x103);
	for (uint32_t i = 0; i < ndesc; i++) {
		at += make_desc(data + at, state);
	}
	return at - ONE_OF(state, 0, 0, 0, 4, 8, 12);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	unsigned state = seed;

	if (next_random(&state) % 4 != 0 || max_size < MADE_MAX) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	return make_input(data, &state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t claimed_size, claimed_count, length;
	uint64_t option64;
	unsigned shape;

	if (size < PREFIX + sizeof(mach_msg_header_t) || size > INPUT_MAX) {
		return 0;
	}
	memcpy(&option64, data, sizeof(option64));
	shape = data[8];
	claimed_size = get32(data + 9);
	claimed_count = get32(data + 13);
	length = (uint32_t)size - PREFIX;

	release_assert(msg_check_options(option64) == model_options(option64));
	release_assert((msg_check_aux_size(claimed_count) == MACH_MSG_SUCCESS) ==
		       (claimed_count == 0 || (claimed_count >= 8 && claimed_count <= 1024)));
	release_assert(msg_check_size((mach_msg_bits_t)option64, claimed_size, claimed_count) ==
		       model_size(option64 >> 31 & 1, claimed_size, claimed_count));
	if (!(shape & SHAPE_ANY_LENGTH)) {
		length -= length % 4;
	}
	if (!(shape & SHAPE_ANY_COUNT)) {
		claimed_count = (claimed_count & 0xff) % (length / 12 + 1);
	}
	check_message(data + PREFIX, length, claimed_count);
	return 0;
}

void
fuzz_check_reached(void)
{
	release_assert(reached_accepted != 0 && reached_descriptors != 0);
	for (unsigned i = 0; i < os_countof(reached_rejected); i++) {
		release_assert(reached_rejected[i] != 0);
	}
}
