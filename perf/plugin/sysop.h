/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system instructions by which a kernel manages translations: writes of TTBR0, TTBR1 and TCR, and TLBI; and the write
 * of TPIDR_EL1, by which it says which thread runs.
 * Their operand is a register that the plugin can read only when the next translated block begins; QEMU ends the
 * block behind each of them, so that it is still unchanged there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum sysop_kind {
	SYSOP_NONE,
	SYSOP_TTBR0,
	SYSOP_TTBR1,
	SYSOP_TCR,
	SYSOP_TPIDR,
	SYSOP_TLBI_ALL,       /* everything of EL1&0 */
	SYSOP_TLBI_ASID,      /* what is not global, of one ASID */
	SYSOP_TLBI_VA,        /* one address in one ASID, or global */
	SYSOP_TLBI_VA_ALL,    /* one address in every ASID */
	SYSOP_TLBI_RANGE,     /* a range of addresses in one ASID, or global */
	SYSOP_TLBI_RANGE_ALL, /* a range of addresses in every ASID */
	SYSOP_TLBI_UNKNOWN,   /* another TLBI: of another exception level */
};

struct sysop {
	enum sysop_kind kind;
	unsigned register_number; /* operand; 31: none */
	bool broadcast;           /* TLBI: to all CPUs */
	bool last_level;          /* TLBI: cached walks may stay */
};

/* What an instruction word is. */
struct sysop sysop_decode(uint32_t word);

/* The fields of a TLBI operand. */
static inline uint64_t
sysop_asid(uint64_t operand)
{
	return operand >> 48;
}

/*
 * The addresses of a range: BaseADDR, sign-extended from its top bit, in units of the granule TG (1: 4, 2: 16, 3: 64
 * KiB), and (NUM + 1) << (5 * SCALE + 1) of them.
 */
static inline void
sysop_range(uint64_t operand, uint64_t *start, uint64_t *end)
{
	unsigned granule = 10 + 2 * (unsigned)(operand >> 46 & 3), scale = operand >> 44 & 3;
	uint64_t units = ((operand >> 39 & 31) + 1) << (5 * scale + 1);

	*start = (uint64_t)((int64_t)(operand << 27) >> 27) << granule;
	*end = *start + (units << granule);
}

/* Sign-extended from bit 55. */
static inline uint64_t
sysop_va(uint64_t operand)
{
	return (uint64_t)((int64_t)(operand << 20) >> 8);
}
