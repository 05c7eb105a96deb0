/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow.h"

#define REGISTER_FP 29
#define REGISTER_SP 31

enum flow
flow_of(uint32_t word)
{
	unsigned source = word >> 5 & 31;

	if ((word & 0xfc000000U) == 0x94000000U || (word & 0xfffffc1fU) == 0xd63f0000U) {
		return FLOW_CALL;
	}
	if ((word & 0xfffffc1fU) == 0xd65f0000U) {
		return FLOW_RETURN;
	}
	if ((word & 0xfffffc1fU) == 0xd61f0000U) {
		return FLOW_LEAP;
	}
	if (word == 0xd69f03e0U) {
		return FLOW_ERET;
	}
	if ((word & 0xfffffc1fU) == 0x9100001fU && source != REGISTER_SP && source != REGISTER_FP) {
		return FLOW_SET_STACK;
	}
	return FLOW_NEXT;
}

static int32_t
sign_extend(uint32_t value, unsigned bits)
{
	uint32_t sign = 1U << (bits - 1);

	return (int32_t)((value ^ sign) - sign);
}

/* The three forms of addressing. What is written back behind the access moves SP past the address. */
enum { INDEX_POST = 1, INDEX_PRE = 3 };

static int32_t
offset_of(unsigned index, int32_t immediate)
{
	return index == INDEX_PRE ? 0 : index == INDEX_POST ? -immediate : immediate;
}

/* LDP, STP and their like. */
static struct sp_access
pair(uint32_t word)
{
	bool vector = (word >> 26 & 1) != 0;
	unsigned size = word >> 30, index = word >> 23 & 3;
	int32_t scale = vector ? 4 << size : size == 2 ? 8 : 4;

	return (struct sp_access){ .is = true,
		.store = (word >> 22 & 1) == 0,
		.offset = offset_of(index, sign_extend(word >> 15 & 0x7f, 7) * scale) };
}

/* LDR, STR and their like. */
static struct sp_access
single(uint32_t word)
{
	bool vector = (word >> 26 & 1) != 0, quad = vector && (word >> 23 & 1) != 0;
	unsigned operation = word >> 22 & 3, shift = quad ? 4 : word >> 30;
	struct sp_access access = { .is = true, .store = operation == 0 || (quad && operation == 2) };

	if ((word >> 24 & 1) != 0) {
		access.offset = (int32_t)((word >> 10 & 0xfff) << shift);
	} else {
		access.offset = offset_of(word >> 10 & 3, sign_extend(word >> 12 & 0x1ff, 9));
	}
	return access;
}

struct sp_access
sp_access_of(uint32_t word)
{
	if ((word >> 5 & 31) != REGISTER_SP) {
		return (struct sp_access){ 0 };
	}
	if ((word & 0x3a000000U) == 0x28000000U) {
		return pair(word);
	}
	if ((word & 0x3b000000U) == 0x39000000U || (word & 0x3b200000U) == 0x38000000U) {
		return single(word);
	}
	return (struct sp_access){ 0 };
}
