/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact call stacks: how often each instruction ran under each chain of calls.
 *
 * Every call and return is seen, so the stack is known without reading any memory: a shadow of it is kept for each
 * program thread and each kernel stack. A level is a node in a tree, named by its call site under its caller's node;
 * counts belong to (node, instruction). The leaf needs no name: its instructions have one.
 *
 * Which stack a CPU is on, when the stacks are many:
 *	Exception from a program. SP is the thread then (Pluot's entry code saves registers there), so the first store
 *	of the vector names the thread. The kernel's levels stand on those of the program.
 *	In the kernel. A kernel stack is a slot of 32 KiB: the first store by SP binds the visit to one. When SP is set
 *	to another one that is known, its levels are current again (the thread that had blocked there goes on). When SP
 *	is set and a branch follows, the stack was thrown away: a continuation begins on an empty one. Whose it is turns
 *	out when it returns to the program; what it counted is moved there then.
 *	Return to a program. SP is the thread again.
 * A return finds its level by the address it goes to, which also drops levels that were left in other ways. A program
 * that goes on elsewhere than where it trapped keeps its levels if its stack goes on below them (a signal's handler), and
 * has them back when the handler ends; otherwise it is a new thread or a new program, without any.
 *
 * Addresses of an exception's levels are those of the instruction before it. Pure: no QEMU in here (stacks_test.c).
 */
#pragma once

#include "flow.h"

#include <stdio.h>

#define STACKS_CPUS 64

struct stacks;
struct stacks_node;
struct stacks_count;

/* An instruction at a virtual address; all programs' at that address are one. */
struct stacks_insn {
	uint64_t pc;
	enum flow flow;
	struct sp_access access;
	enum {
		VECTOR_NONE,
		VECTOR_KERNEL,
		VECTOR_PROGRAM,
		VECTOR_PROGRAM_IRQ
	} vector;                 /* first instruction of one */
	bool in_vector;           /* of exceptions from programs */
	struct stacks_insn *next; /* in its hash chain */
	/* of the last execution: likely the same again */
	struct stacks_node *node, *caller, *callee;
	struct stacks_count *count;
};

/* `vectors`: the address of the kernel's exception vectors. */
struct stacks *stacks_create(uint64_t vectors);

void stacks_destroy(struct stacks *s);

/* The record of an instruction; made on first use. */
struct stacks_insn *stacks_insn(struct stacks *s, uint64_t pc, uint32_t word);

/* Before it is executed. It is counted, or only followed. */
void stacks_execute(struct stacks *s, unsigned cpu, struct stacks_insn *insn, bool counted);

/* After its access to memory, when insn->access.is; of several accesses the first is the one that matters. */
void stacks_access(struct stacks *s, unsigned cpu, struct stacks_insn *insn, uint64_t address);

/*
 * "node NUMBER PARENT SITE", callers before callees, node 0 being the root; "at NODE PC COUNT"; and
 * "unmatched COUNT": returns to nowhere while counting, of which there should be none.
 */
void stacks_print(const struct stacks *s, FILE *out);
