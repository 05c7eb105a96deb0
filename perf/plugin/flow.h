/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an A64 instruction does to the call stack: does it call, return, leave an exception, and at which offset from
 * the stack pointer does it reach memory. Pure (stacks_test.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum flow {
	FLOW_NEXT,     /* nothing that matters here */
	FLOW_CALL,     /* BL, BLR */
	FLOW_RETURN,   /* RET */
	FLOW_LEAP,     /* BR */
	FLOW_ERET,     /* ERET */
	FLOW_SET_STACK /* MOV SP, Xn, but not from the frame pointer: another stack, or this one's beginning */
};

enum flow flow_of(uint32_t word);

/* Where a load or store finds the stack pointer: the address of its access, minus `offset`, is SP afterwards. */
struct sp_access {
	bool is; /* by SP and a constant */
	bool store;
	int32_t offset;
};

struct sp_access sp_access_of(uint32_t word);
