/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system instructions by which a kernel manages translations: writes of TTBR0, TTBR1 and TCR, and TLBI.
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
	SYSOP_TLBI_ALL,     /* everything of EL1&0 */
	SYSOP_TLBI_ASID,    /* what is not global, of one ASID */
	SYSOP_TLBI_VA,      /* one address in one ASID, or global */
	SYSOP_TLBI_VA_ALL,  /* one address in every ASID */
	SYSOP_TLBI_UNKNOWN, /* another TLBI: by range, of another exception level */
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

/* Sign-extended from bit 55. */
static inline uint64_t
sysop_va(uint64_t operand)
{
	return (uint64_t)((int64_t)(operand << 20) >> 8);
}
