/*
 * Unit test of the message decoder: each rule at its edges.
 */
#include <ipc/msg_decode.h>

#include <kern/assert.h>
#include <stdio.h>
#include <string.h>

#define COMPLEX MACH_MSGH_BITS_COMPLEX
#define LONGEST MACH_MSG_BODY_MAX_BYTES

static void
test_options(void)
{
	const uint64_t kinds[] = { MACH64_SEND_KOBJECT_CALL, MACH64_SEND_MQ_CALL, MACH64_SEND_ANY,
		MACH64_SEND_DK_CALL };

	release_assert(msg_check_options(0) == MACH_SEND_INVALID_OPTIONS);
	release_assert(msg_check_options(MACH64_MSG_VECTOR) == MACH_SEND_INVALID_OPTIONS);
	for (unsigned i = 0; i < 4; i++) {
		bool queues = kinds[i] == MACH64_SEND_MQ_CALL || kinds[i] == MACH64_SEND_ANY;

		release_assert(msg_check_options(kinds[i] | MACH_SEND_MSG) == MACH_MSG_SUCCESS);
		release_assert(
		    (msg_check_options(kinds[i] | MACH64_MSG_VECTOR) == MACH_MSG_SUCCESS) == queues);
		for (unsigned j = 0; j < i; j++) {
			release_assert(msg_check_options(kinds[i] | kinds[j]) == MACH_SEND_INVALID_OPTIONS);
		}
	}
	release_assert(msg_check_aux_size(0) == MACH_MSG_SUCCESS);
	release_assert(msg_check_aux_size(7) == MACH_SEND_AUX_TOO_SMALL);
	release_assert(msg_check_aux_size(8) == MACH_MSG_SUCCESS);
	release_assert(msg_check_aux_size(1024) == MACH_MSG_SUCCESS);
	release_assert(msg_check_aux_size(1025) == MACH_SEND_AUX_TOO_LARGE);
}

static void
test_sizes(void)
{
	static const struct {
		mach_msg_bits_t bits;
		uint32_t size, ndesc;
		mach_msg_return_t expected;
	} cases[] = {
		{ 0, 0, 0, MACH_SEND_MSG_TOO_SMALL },
		{ 0, 20, 0, MACH_SEND_MSG_TOO_SMALL },
		{ 0, 24, 0, MACH_MSG_SUCCESS },
		{ 0, 24, UINT32_MAX, MACH_MSG_SUCCESS }, /* not complex: nobody counts */
		{ 0, 26, 0, MACH_SEND_MSG_TOO_SMALL },
		{ 0, LONGEST, 0, MACH_MSG_SUCCESS },
		{ 0, LONGEST + 4, 0, MACH_SEND_TOO_LARGE },
		{ 0, UINT32_MAX, 0, MACH_SEND_MSG_TOO_SMALL },
		{ 0, UINT32_MAX - 3, 0, MACH_SEND_TOO_LARGE },
		{ COMPLEX, 24, 0, MACH_SEND_MSG_TOO_SMALL },
		{ COMPLEX, 28, 0, MACH_MSG_SUCCESS },
		{ COMPLEX, 28, 1, MACH_SEND_MSG_TOO_SMALL },
		{ COMPLEX, 36, 1, MACH_SEND_MSG_TOO_SMALL },
		{ COMPLEX, 40, 1, MACH_MSG_SUCCESS },
		{ COMPLEX, 40, 0x15555556, MACH_SEND_MSG_TOO_SMALL }, /* times 12 is 8 in 32 bits */
		{ COMPLEX, 40, UINT32_MAX, MACH_SEND_MSG_TOO_SMALL },
		{ COMPLEX, LONGEST, (LONGEST - 28) / 12, MACH_MSG_SUCCESS },
		{ COMPLEX, LONGEST, (LONGEST - 28) / 12 + 1, MACH_SEND_MSG_TOO_SMALL },
	};

	for (unsigned i = 0; i < os_countof(cases); i++) {
		release_assert(
		    msg_check_size(cases[i].bits, cases[i].size, cases[i].ndesc) == cases[i].expected);
	}
	release_assert(msg_fixed_size(0) == 24 && msg_fixed_size(COMPLEX) == 28);
}

static mach_msg_return_t
header(mach_msg_bits_t bits, mach_port_name_t remote, mach_port_name_t local)
{
	mach_msg_header_t h = { .msgh_bits = bits, .msgh_remote_port = remote, .msgh_local_port = local };

	return msg_check_header(&h);
}

static void
test_header(void)
{
	const mach_msg_bits_t plain = MACH_MSG_TYPE_COPY_SEND;

	for (unsigned type = 0; type < 32; type++) {
		bool sends = type >= 17 && type <= 21;

		release_assert(
		    header(type, 0x103, 0) == (sends ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_HEADER));
		release_assert(header(plain | type << 8, 0x103, 0x203) ==
			       (sends ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_HEADER));
		release_assert(
		    header(plain | type << 16, 0x103, 0) ==
		    (type == 0 || type == 17 || type == 19 ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_HEADER));
	}
	release_assert(header(plain, MACH_PORT_NULL, 0) == MACH_SEND_INVALID_DEST);
	release_assert(header(plain, MACH_PORT_DEAD, 0) == MACH_SEND_INVALID_DEST);
	release_assert(header(0, MACH_PORT_NULL, 0) == MACH_SEND_INVALID_HEADER); /* the header comes first */
	release_assert(header(plain, 0x103, MACH_PORT_DEAD) == MACH_SEND_INVALID_HEADER);
	release_assert(header(plain | MACH_MSG_TYPE_MAKE_SEND_ONCE << 8, 0x103, 0) == MACH_MSG_SUCCESS);
	release_assert(header(plain | ~MACH_MSGH_BITS_USER, 0x103, 0) == MACH_MSG_SUCCESS);
}

static void
test_sizes_of_descriptors(void)
{
	mach_msg_descriptor_t desc = { .type = { 0 } };

	for (unsigned kind = 0; kind < 256; kind++) {
		uint32_t bytes = kind == 0 ? 12 : 16;

		((uint8_t *)&desc)[11] = (uint8_t)kind;
		release_assert(msg_desc_size(&desc) == bytes);
		release_assert(msg_desc_end(&desc, 28, 28 + bytes) == 28 + bytes);
		release_assert(msg_desc_end(&desc, 28, 28 + bytes - 4) == 0);
		release_assert(msg_desc_end(&desc, UINT32_MAX - 3, UINT32_MAX) == 0); /* does not wrap */
	}
	release_assert(msg_desc_end(NULL, 28, 36) == 0); /* its kind is not there to be read */
}

static mach_msg_return_t
check(mach_msg_descriptor_t desc, uint32_t rights)
{
	uint32_t before = rights;
	mach_msg_return_t mr = msg_check_desc(&desc, &rights);

	release_assert(rights >= before && rights <= MACH_MSG_RIGHTS_MAX);
	return mr;
}

static void
test_ports(void)
{
	const uint32_t most = MACH_MSG_RIGHTS_MAX;
	mach_msg_descriptor_t port = { .port = { .name = 0x103, .disposition = 99 } };
	mach_msg_descriptor_t guarded = { .guarded_port = { .disposition = MACH_MSG_TYPE_MOVE_RECEIVE,
					      .type = MACH_MSG_GUARDED_PORT_DESCRIPTOR } };

	release_assert(check(port, 0) == MACH_MSG_SUCCESS);
	release_assert(check(port, most - 1) == MACH_MSG_SUCCESS);
	release_assert(check(port, most) == MACH_SEND_TOO_LARGE);
	release_assert(check(guarded, most - 1) == MACH_MSG_SUCCESS);
	release_assert(check(guarded, most) == MACH_SEND_TOO_LARGE);
	guarded.guarded_port.flags = 3;
	release_assert(check(guarded, 0) == MACH_MSG_SUCCESS);
	guarded.guarded_port.flags = 4;
	release_assert(check(guarded, 0) == MACH_SEND_INVALID_TYPE);
	guarded.guarded_port.flags = 0;
	guarded.guarded_port.disposition = MACH_MSG_TYPE_MOVE_SEND;
	release_assert(check(guarded, 0) == MACH_SEND_INVALID_TYPE);
}

static mach_msg_return_t
ool_ports(uint32_t count, unsigned disposition, uint32_t rights)
{
	return check((mach_msg_descriptor_t){ .ool_ports = { .count = count,
						  .disposition = disposition,
						  .type = MACH_MSG_OOL_PORTS_DESCRIPTOR } },
	    rights);
}

static void
test_ool(void)
{
	const uint32_t most = MACH_MSG_RIGHTS_MAX;

	for (unsigned disposition = 0; disposition < 256; disposition++) {
		release_assert(
		    ool_ports(1, disposition, 0) ==
		    (disposition >= 16 && disposition <= 21 ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_TYPE));
	}
	release_assert(ool_ports(0, MACH_MSG_TYPE_COPY_SEND, most) == MACH_MSG_SUCCESS);
	release_assert(ool_ports(most, MACH_MSG_TYPE_COPY_SEND, 0) == MACH_MSG_SUCCESS);
	release_assert(ool_ports(most, MACH_MSG_TYPE_COPY_SEND, 1) == MACH_SEND_TOO_LARGE);
	release_assert(ool_ports(UINT32_MAX, MACH_MSG_TYPE_COPY_SEND, 1) == MACH_SEND_TOO_LARGE); /* wraps */
	for (unsigned kind = 0; kind < 256; kind++) {
		bool memory = kind == MACH_MSG_OOL_DESCRIPTOR || kind == MACH_MSG_OOL_VOLATILE_DESCRIPTOR;

		for (unsigned copy = 0; copy < 256 && (memory || kind > MACH_MSG_DESCRIPTOR_MAX); copy++) {
			mach_msg_descriptor_t desc = { .out_of_line = {
							   .copy = copy, .type = kind, .size = UINT32_MAX } };

			release_assert(check(desc, most) ==
				       (memory && copy < 2 ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_TYPE));
		}
	}
}

int
main(void)
{
	test_options();
	test_sizes();
	test_header();
	test_sizes_of_descriptors();
	test_ports();
	test_ool();
	puts("msg_decode: ok");
	return 0;
}
