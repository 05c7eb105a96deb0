/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sysop.h"

#define MSR_TTBR0_EL1 0xd5182000U
#define MSR_TTBR1_EL1 0xd5182020U
#define MSR_TCR_EL1   0xd5182040U
#define MSR_TPIDR_EL1 0xd518d080U

/* SYS #op1, Cn, Cm, #op2, Xt with Cn = 8 or, not waiting for XS accesses, 9. */
#define TLBI_MASK 0xfff8f000U
#define TLBI_C8   0xd5088000U
#define TLBI_C9   0xd5089000U

#define CM_OUTER 1
#define CM_INNER 3
#define CM_LOCAL 7

/* By range. */
#define CM_RANGE_INNER 2
#define CM_RANGE_OUTER 5
#define CM_RANGE_LOCAL 6

static struct sysop
tlbi_decode(uint32_t word)
{
	unsigned op1 = word >> 16 & 7, cm = word >> 8 & 15, op2 = word >> 5 & 7;
	static const enum sysop_kind by_op2[8] = { SYSOP_TLBI_ALL, SYSOP_TLBI_VA, SYSOP_TLBI_ASID,
		SYSOP_TLBI_VA_ALL, SYSOP_TLBI_UNKNOWN, SYSOP_TLBI_VA, SYSOP_TLBI_UNKNOWN, SYSOP_TLBI_VA_ALL };
	struct sysop op = { .kind = SYSOP_TLBI_UNKNOWN, .register_number = word & 31 };

	if (op1 == 0 && (cm == CM_OUTER || cm == CM_INNER || cm == CM_LOCAL)) {
		op.kind = by_op2[op2];
		op.broadcast = cm != CM_LOCAL;
		op.last_level = op2 >= 5;
	} else if (op1 == 0 && (op2 & 1) != 0 &&
		   (cm == CM_RANGE_INNER || cm == CM_RANGE_OUTER || cm == CM_RANGE_LOCAL)) {
		op.kind = (op2 & 2) != 0 ? SYSOP_TLBI_RANGE_ALL : SYSOP_TLBI_RANGE;
		op.broadcast = cm != CM_RANGE_LOCAL;
		op.last_level = op2 >= 5;
	}
	return op;
}

struct sysop
sysop_decode(uint32_t word)
{
	struct sysop op = { .kind = SYSOP_NONE, .register_number = word & 31 };

	if ((word & TLBI_MASK) == TLBI_C8 || (word & TLBI_MASK) == TLBI_C9) {
		return tlbi_decode(word);
	}
	switch (word & ~31U) {
	case MSR_TTBR0_EL1:
		op.kind = SYSOP_TTBR0;
		break;
	case MSR_TTBR1_EL1:
		op.kind = SYSOP_TTBR1;
		break;
	case MSR_TCR_EL1:
		op.kind = SYSOP_TCR;
		break;
	case MSR_TPIDR_EL1:
		op.kind = SYSOP_TPIDR;
		break;
	default:
		break;
	}
	return op;
}
