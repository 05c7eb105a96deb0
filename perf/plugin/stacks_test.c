/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit test of the shadow stacks: programs of made-up instructions, and the call chains under which they are counted. */
#include "check.h"
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#define VECTORS 0xfffffe0000001000ULL
#define SYNC    (VECTORS + 0x400)
#define IRQ_EL1 (VECTORS + 0x280)
#define CODE    0xfffffe0000010000ULL
#define THREAD  0xfffffe1000000400ULL
#define STACK   0xfffffe1000108000ULL /* of the kernel: the end of a slot */

#define NOP       0xd503201fU
#define BL        0x94000001U
#define RET       0xd65f03c0U
#define BR        0xd61f0100U
#define ERET      0xd69f03e0U
#define SVC       0xd4001001U
#define MOV_SP_X9 0x9100013fU
#define STP_0     0xa90007e0U /* stp x0, x1, [sp] */
#define STP_PRE   0xa9bf7bfdU /* stp x29, x30, [sp, #-16]! */
#define LDP_16    0xa94107e0U /* ldp x0, x1, [sp, #16] */

static struct stacks *s;

static void
at(uint64_t pc, uint32_t word)
{
	stacks_execute(s, 0, stacks_insn(s, pc, word), true);
}

/* A load or store by SP, which is `sp` afterwards. */
static void
by_sp(uint64_t pc, uint32_t word, uint64_t sp)
{
	struct stacks_insn *insn = stacks_insn(s, pc, word);

	at(pc, word);
	CHECK(insn->access.is);
	stacks_access(s, 0, insn, sp + (uint64_t)(int64_t)insn->access.offset);
}

/* Is `pc` counted `times` under the chain of call sites, given outermost first and ended by 0? */
static void
expect(uint64_t pc, unsigned times, const uint64_t *chain)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	unsigned long long node = 0, parent, number, site, count, address;
	unsigned depth = 0, found = 0;

	stacks_print(s, out);
	fclose(out);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (sscanf(line, "node %llu %llu %llx", &number, &parent, &site) == 3) {
			if (depth == 0 && number == 0) {
				continue;
			}
			if (chain[depth] != 0 && parent == node && site == chain[depth]) {
				node = number;
				depth++;
			}
		} else if (sscanf(line, "at %llu %llx %llu", &number, &address, &count) == 3 &&
			   number == node && address == pc && chain[depth] == 0) {
			found = (unsigned)count;
		} else if (strncmp(line, "unmatched", 9) == 0) {
			CHECK(strcmp(line, "unmatched 0") == 0);
		}
	}
	free(text);
	if (found != times) {
		fprintf(stderr, "%llx: %u, expected %u\n", (unsigned long long)pc, found, times);
	}
	CHECK(found == times);
}

#define CHAIN(...) ((const uint64_t[]){ __VA_ARGS__ __VA_OPT__(, ) 0 })

/* The kernel's first way to the program: as the thread `thread`, at pc. */
static void
to_program(uint64_t thread, uint64_t pc)
{
	by_sp(CODE + 0x800, LDP_16, thread);
	at(CODE + 0x804, ERET);
	at(pc, NOP);
}

static void
system_call(uint64_t pc, uint64_t thread)
{
	at(pc, SVC);
	by_sp(SYNC, STP_0, thread);
	at(SYNC + 4, MOV_SP_X9);
	at(SYNC + 8, BL);
	by_sp(CODE, STP_PRE, STACK - 16);
}

static void
test_calls_in_a_program(void)
{
	s = stacks_create(VECTORS);
	to_program(THREAD, 0x1000);
	at(0x1004, BL);
	at(0x2000, NOP);
	at(0x2004, BL);
	at(0x3000, RET);
	at(0x2008, RET);
	at(0x1008, NOP);
	expect(0x1008, 1, CHAIN());
	expect(0x2008, 1, CHAIN(0x1004));
	expect(0x3000, 1, CHAIN(0x1004, 0x2004));
	stacks_destroy(s);
}

static void
test_the_kernel_stands_on_the_program(void)
{
	s = stacks_create(VECTORS);
	to_program(THREAD, 0x1000);
	at(0x1004, BL);
	system_call(0x2000, THREAD);
	at(CODE + 4, BL);
	/* an interrupt in the kernel, between the call and its target */
	by_sp(IRQ_EL1, STP_0, STACK - 400);
	at(IRQ_EL1 + 4, ERET);
	at(CODE + 0x100, RET);
	at(CODE + 8, NOP);
	to_program(THREAD, 0x2004);
	at(0x2008, RET);
	at(0x1008, NOP);
	expect(SYNC, 1, CHAIN(0x1004, 0x2000));
	expect(CODE, 1, CHAIN(0x1004, 0x2000, SYNC + 8));
	expect(CODE + 0x100, 1, CHAIN(0x1004, 0x2000, SYNC + 8, CODE + 4));
	expect(IRQ_EL1, 1, CHAIN(0x1004, 0x2000, SYNC + 8, CODE + 4, CODE + 4));
	expect(0x1008, 1, CHAIN());
	stacks_destroy(s);
}

/* One thread's system call ends in the other's program: both keep their levels. */
static void
test_switch_to_another_thread(void)
{
	const uint64_t other = THREAD + 0x400;

	s = stacks_create(VECTORS);
	to_program(other, 0x5000);
	at(0x5004, BL);
	system_call(0x6000, other);
	to_program(THREAD, 0x1000);
	at(0x1004, BL);
	system_call(0x2000, THREAD);
	to_program(other, 0x6004);
	at(0x6008, RET);
	at(0x5008, NOP);
	expect(0x6008, 1, CHAIN(0x5004));
	expect(0x5008, 1, CHAIN());
	system_call(0x500c, other);
	to_program(THREAD, 0x2004);
	expect(0x2004, 1, CHAIN(0x1004));
	stacks_destroy(s);
}

/* A continuation's work goes to the thread that it returns to. */
static void
test_continuation(void)
{
	const uint64_t other = THREAD + 0x400;

	s = stacks_create(VECTORS);
	to_program(other, 0x5000);
	at(0x5004, BL);
	system_call(0x6000, other);
	to_program(THREAD, 0x1000);
	system_call(0x2000, THREAD);
	at(CODE + 4, MOV_SP_X9);
	at(CODE + 8, BR);
	by_sp(CODE + 0x200, STP_PRE, STACK - 16);
	at(CODE + 0x204, BL);
	at(CODE + 0x300, RET);
	at(CODE + 0x208, NOP);
	to_program(other, 0x6004);
	expect(CODE + 0x200, 1, CHAIN(0x5004, 0x6000));
	expect(CODE + 0x300, 1, CHAIN(0x5004, 0x6000, CODE + 0x204));
	expect(CODE + 4, 1, CHAIN(0x2000, SYNC + 8));
	stacks_destroy(s);
}

/* A thread that kept its stack goes on there. */
static void
test_kept_stack(void)
{
	const uint64_t other = THREAD + 0x400, far_stack = STACK + 0x8000;

	s = stacks_create(VECTORS);
	to_program(other, 0x5000);
	system_call(0x6000, other);
	at(CODE + 4, BL);
	at(CODE + 0x400, MOV_SP_X9); /* leaves on a fresh stack */
	at(CODE + 0x404, BR);
	by_sp(CODE + 0x200, STP_PRE, far_stack - 16);
	to_program(THREAD, 0x1000);
	at(0x2000, SVC);
	by_sp(SYNC, STP_0, THREAD);
	at(SYNC + 4, MOV_SP_X9);
	at(SYNC + 8, BL);
	by_sp(CODE, STP_PRE, far_stack - 16);
	at(CODE + 0x500, MOV_SP_X9);
	by_sp(CODE + 0x504, LDP_16, STACK - 96);
	at(CODE + 0x508, RET);
	at(CODE + 8, NOP);
	expect(CODE + 8, 1, CHAIN(0x6000, SYNC + 8));
	to_program(other, 0x6004);
	expect(0x6004, 1, CHAIN());
	stacks_destroy(s);
}

/* A signal handler and its way back; then a new thread in the place of the old one. */
static void
test_going_on_elsewhere(void)
{
	s = stacks_create(VECTORS);
	to_program(THREAD, 0x1000);
	by_sp(0x1004, STP_PRE, 0x70001000);
	at(0x1008, BL);
	system_call(0x2000, THREAD);
	to_program(THREAD, 0x8000); /* the handler, farther down */
	by_sp(0x8004, STP_PRE, 0x70000800);
	at(0x8008, BL);
	at(0x9000, NOP);
	expect(0x9000, 1, CHAIN(0x1008, 0x8008));
	system_call(0x9004, THREAD);
	to_program(THREAD, 0x2004);
	by_sp(0x2008, LDP_16, 0x70001000);
	at(0x200c, RET);
	at(0x100c, BL);
	system_call(0x3000, THREAD);
	to_program(THREAD, 0x4000); /* another thread, with a stack elsewhere */
	by_sp(0x4004, STP_PRE, 0x60000000);
	at(0x4008, NOP);
	expect(0x4008, 1, CHAIN());
	stacks_destroy(s);
}

/*
 * A child of fork, in the place of one that ended in a call: it returns from its parent's
 * calls, farther down its stack.
 */
static void
test_child_after_child(void)
{
	s = stacks_create(VECTORS);
	for (unsigned i = 0; i < 3; i++) {
		to_program(THREAD, 0x2004); /* behind fork's system call */
		at(0x2008, RET);
		by_sp(0x3004, LDP_16, 0x70000800 - i * 64);
		at(0x3008, RET);
		at(0x1004, BL); /* to exit */
		by_sp(0x4000, STP_PRE, 0x70000ff0);
		at(0x4004, BL);
		system_call(0x5000, THREAD);
	}
	expect(0x3004, 3, CHAIN());
	expect(0x1004, 3, CHAIN());
	expect(0x4000, 3, CHAIN(0x1004));
	expect(0x5000, 3, CHAIN(0x1004, 0x4004));
	stacks_destroy(s);
}

static void
test_flow(void)
{
	CHECK(flow_of(NOP) == FLOW_NEXT && flow_of(BL) == FLOW_CALL && flow_of(0xd63f0100U) == FLOW_CALL);
	CHECK(flow_of(RET) == FLOW_RETURN && flow_of(BR) == FLOW_LEAP && flow_of(ERET) == FLOW_ERET);
	CHECK(flow_of(MOV_SP_X9) == FLOW_SET_STACK && flow_of(0x910003bfU) == FLOW_NEXT); /* mov sp, x29 */
	CHECK(sp_access_of(STP_PRE).is && sp_access_of(STP_PRE).store && sp_access_of(STP_PRE).offset == 0);
	CHECK(sp_access_of(LDP_16).offset == 16 && !sp_access_of(LDP_16).store);
	CHECK(sp_access_of(0xa8c17bfdU).offset == -16); /* ldp x29, x30, [sp], #16 */
	CHECK(sp_access_of(0xf94007e0U).offset == 8);   /* ldr x0, [sp, #8] */
	CHECK(sp_access_of(0xf81f0fe0U).offset == 0);   /* str x0, [sp, #-16]! */
	CHECK(sp_access_of(0x3dc007e0U).offset == 16);  /* ldr q0, [sp, #16] */
	CHECK(!sp_access_of(0xf9400420U).is);           /* ldr x0, [x1, #8] */
}

int
main(void)
{
	test_flow();
	test_calls_in_a_program();
	test_the_kernel_stands_on_the_program();
	test_switch_to_another_thread();
	test_continuation();
	test_kept_stack();
	test_going_on_elsewhere();
	test_child_after_child();
	return 0;
}
