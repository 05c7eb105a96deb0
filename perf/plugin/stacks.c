/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_HALF      (1ULL << 47) /* addresses from here are the kernel's */
#define SLOT_SHIFT       15           /* a kernel stack and its guard */
#define VECTOR_BYTES     0x80U
#define VECTORS_KERNEL   0x200U /* offsets of the four vectors of each kind */
#define VECTORS_PROGRAM  0x400U
#define VECTORS_END      0x600U
#define PROGRAM_STACK    (256U << 10) /* SP that is farther up belongs to another stack */
#define BUCKETS          (1U << 16)
#define LEVELS_AT_FIRST  32U
#define LEVELS_MOST      512U /* more is a stack that was left in a way we do not understand */
#define INSTRUCTION_SIZE 4U

struct stacks_count {
	struct stacks_node *node;
	uint64_t pc;
	uint64_t executed;
	struct stacks_count *next;    /* in its hash chain */
	struct stacks_count *sibling; /* of the same node */
};

struct stacks_node {
	struct stacks_node *parent;
	uint64_t site; /* instruction that called, or that an exception came behind */
	struct stacks_node *children, *sibling;
	struct stacks_count *counts;
	uint64_t number;               /* in the report */
	struct stacks_node *next_free; /* of orphans */
};

/* One level above the base of a stack. */
struct level {
	struct stacks_node *node;
	uint64_t resume; /* where its return goes to */
	uint64_t sp;     /* at the call, as far as known */
	bool exception;
	bool returning; /* exception: a return had not arrived yet */
};

/* A stack: of a program's thread, or a kernel stack. */
struct context {
	struct stacks_node *base;
	struct level *levels;
	unsigned depth, room;
	bool orphan;    /* kernel: its base waits to be moved under a program's thread */
	bool returning; /* a return is on its way */
	/* of a program: */
	uint64_t site;    /* its last instruction before it entered the kernel */
	uint64_t sp;      /* then, as far as known */
	bool interrupted; /* it entered by an interrupt: it goes on anywhere */
	bool elsewhere;   /* it went on elsewhere than it should, and has not used its stack since */
	unsigned before;  /* its levels then */
	uint64_t left;    /* where it would have gone on; 0: nowhere else */
	uint64_t key;
	struct context *next; /* in its hash chain */
};

struct cpu {
	struct context *context;
	struct context *visit;   /* the context is this one, and no kernel stack is known for it yet */
	struct context *entered; /* vector of a program: whose thread the first store tells */
	uint64_t last_pc, sp;
	bool returned;  /* ERET was last */
	bool stack_set; /* SP was set, and nothing has shown yet what that meant */
	bool accessed;  /* the access of the current instruction has been seen */
};

struct stacks {
	uint64_t vectors;
	struct stacks_node root;
	struct stacks_node *nobody; /* kernel work that led to no program */
	struct stacks_node *free_orphans;
	struct stacks_insn *insns[BUCKETS];
	struct stacks_count *counts[BUCKETS];
	struct context *contexts[BUCKETS];
	struct context *spare; /* for visits, linked by next */
	struct cpu cpus[STACKS_CPUS];
	uint64_t unmatched;
};

static void *
allocate(void *memory)
{
	if (memory == NULL) {
		fputs("pluot plugin: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static unsigned
bucket_of(uint64_t key)
{
	return (unsigned)((key * 0x9e3779b97f4a7c15ULL) >> 48);
}

/* --- nodes and counts --- */

static struct stacks_node *
child_of(struct stacks_node *parent, uint64_t site)
{
	struct stacks_node *child;

	for (child = parent->children; child != NULL; child = child->sibling) {
		if (child->site == site) {
			return child;
		}
	}
	child = allocate(calloc(1, sizeof(*child)));
	child->parent = parent;
	child->site = site;
	child->sibling = parent->children;
	parent->children = child;
	return child;
}

static struct stacks_count *
count_of(struct stacks *s, struct stacks_node *node, uint64_t pc)
{
	struct stacks_count **bucket = &s->counts[bucket_of(pc ^ (uint64_t)(uintptr_t)node)], *count;

	for (count = *bucket; count != NULL; count = count->next) {
		if (count->node == node && count->pc == pc) {
			return count;
		}
	}
	count = allocate(calloc(1, sizeof(*count)));
	*count = (struct stacks_count){ .node = node, .pc = pc, .next = *bucket, .sibling = node->counts };
	*bucket = count;
	node->counts = count;
	return count;
}

/* A base for a stack whose thread is not known yet: a child of the root of its own. */
static struct stacks_node *
orphan_create(struct stacks *s)
{
	struct stacks_node *node = s->free_orphans;

	if (node != NULL) {
		s->free_orphans = node->next_free;
		return node;
	}
	node = allocate(calloc(1, sizeof(*node)));
	node->parent = &s->root;
	node->sibling = s->root.children;
	s->root.children = node;
	return node;
}

/* Everything counted below `from` becomes `to`'s; the nodes stay, empty. */
static void
move_counts(struct stacks *s, struct stacks_node *from, struct stacks_node *to)
{
	for (struct stacks_count *count = from->counts; count != NULL; count = count->sibling) {
		if (count->executed != 0) {
			count_of(s, to, count->pc)->executed += count->executed;
			count->executed = 0;
		}
	}
	for (struct stacks_node *child = from->children; child != NULL; child = child->sibling) {
		move_counts(s, child, child_of(to, child->site));
	}
}

/* --- contexts --- */

static struct context *
context_find(struct stacks *s, uint64_t key)
{
	struct context *context = s->contexts[bucket_of(key)];

	while (context != NULL && context->key != key) {
		context = context->next;
	}
	return context;
}

static void
context_insert(struct stacks *s, struct context *context, uint64_t key)
{
	struct context **bucket = &s->contexts[bucket_of(key)];

	context->key = key;
	context->next = *bucket;
	*bucket = context;
}

static void
context_remove(struct stacks *s, struct context *context)
{
	struct context **link = &s->contexts[bucket_of(context->key)];

	while (*link != context) {
		link = &(*link)->next;
	}
	*link = context->next;
}

/* An empty one. `base` NULL: an orphan. */
static struct context *
context_create(struct stacks *s, struct stacks_node *base)
{
	struct context *context = s->spare;

	if (context != NULL) {
		s->spare = context->next;
	} else {
		context = allocate(calloc(1, sizeof(*context)));
	}
	*context =
	    (struct context){ .levels = context->levels, .room = context->room, .orphan = base == NULL };
	context->base = base != NULL ? base : orphan_create(s);
	return context;
}

/* An orphan's counts go to `to`, and its base is free for the next one. */
static void
orphan_settle(struct stacks *s, struct context *context, struct stacks_node *to)
{
	move_counts(s, context->base, to);
	context->base->next_free = s->free_orphans;
	s->free_orphans = context->base;
	context->base = &s->root; /* until the next visit to this stack */
	context->orphan = false;
	context->depth = 0;
}

/* Nobody is on it and nobody comes back. An orphan was nobody's: the idle loop, a thread of the kernel that went. */
static void
context_discard(struct stacks *s, struct context *context)
{
	if (context->orphan) {
		orphan_settle(s, context, s->nobody);
	}
	context->next = s->spare;
	s->spare = context;
}

static struct context *
thread_context(struct stacks *s, uint64_t thread)
{
	struct context *context = context_find(s, thread);

	if (context == NULL) {
		context = context_create(s, &s->root);
		context_insert(s, context, thread);
	}
	return context;
}

static struct stacks_node *
top(const struct context *context)
{
	return context->depth != 0 ? context->levels[context->depth - 1].node : context->base;
}

static struct level *
push(struct context *context, struct stacks_node *node)
{
	if (context->depth == LEVELS_MOST) {
		context->depth = 0;
	}
	if (context->depth == context->room) {
		context->room = context->room * 2 + LEVELS_AT_FIRST;
		context->levels =
		    allocate(realloc(context->levels, context->room * sizeof(*context->levels)));
	}
	context->levels[context->depth] = (struct level){ .node = node };
	return &context->levels[context->depth++];
}

/* --- the kernel's stacks --- */

/* Leaves a visit that nobody will come back to. */
static void
abandon_visit(struct stacks *s, struct cpu *cpu)
{
	if (cpu->visit != NULL) {
		context_discard(s, cpu->visit);
		cpu->visit = NULL;
	}
}

/* A visit has begun on the empty stack of whoever runs. */
static void
begin_visit(struct stacks *s, struct cpu *cpu, struct stacks_node *base)
{
	abandon_visit(s, cpu);
	cpu->visit = context_create(s, base);
	cpu->context = cpu->visit;
}

/* SP lies in a kernel stack. */
static void
on_kernel_stack(struct stacks *s, struct cpu *cpu, uint64_t slot, bool store)
{
	struct context *known;

	if (cpu->context != NULL && cpu->visit == NULL && cpu->context->key == slot) {
		return;
	}
	known = context_find(s, slot);
	if (cpu->visit != NULL && cpu->context == cpu->visit && store) {
		if (known != NULL) { /* what was left there is dead */
			context_remove(s, known);
			context_discard(s, known);
		}
		context_insert(s, cpu->visit, slot);
		cpu->visit = NULL;
		return;
	}
	if (known == NULL && store) {
		known = context_create(s, NULL);
		context_insert(s, known, slot);
	}
	if (known != NULL) { /* a load elsewhere may be from a thread's registers */
		abandon_visit(s, cpu);
		cpu->context = known;
	}
}

/* A continuation has come to its end: now it is known whose it was. */
static void
give_to_thread(struct stacks *s, struct context *kernel, struct context *thread)
{
	if (kernel != NULL && kernel->orphan) {
		orphan_settle(s, kernel, child_of(top(thread), thread->site));
	}
}

/* --- arrivals --- */

/* Behind a system call, or at an instruction that is tried again. */
static bool
goes_on(uint64_t site, uint64_t pc)
{
	return pc == site || pc == site + INSTRUCTION_SIZE;
}

/*
 * A signal's handler begins or ends, a new thread has taken the old one's place, or exec a new program. The end of a
 * handler is told by where it goes to, its beginning by the stack (stay_on_stack).
 */
static void
go_elsewhere(struct context *thread, uint64_t pc)
{
	if (thread->left != 0 && goes_on(thread->left, pc) && thread->before <= thread->depth) {
		thread->depth = thread->before;
		thread->left = 0;
		return;
	}
	thread->elsewhere = true;
	thread->before = thread->depth;
	thread->left = thread->site;
}

static void
return_to_program(struct stacks *s, struct cpu *cpu, uint64_t pc)
{
	struct context *thread = thread_context(s, cpu->sp);

	give_to_thread(s, cpu->context, thread);
	abandon_visit(s, cpu);
	cpu->context = thread;
	cpu->sp = thread->sp;
	if (pc != 0 && !thread->interrupted && !goes_on(thread->site, pc)) {
		go_elsewhere(thread, pc);
	}
}

static void
return_to_kernel(struct context *context)
{
	while (context->depth != 0) {
		const struct level *level = &context->levels[--context->depth];

		if (level->exception) {
			context->returning = level->returning;
			return;
		}
	}
}

/* ERET was executed; the next instruction, or the next exception, tells to where. */
static void
arrive_from_exception(struct stacks *s, struct cpu *cpu, const struct stacks_insn *insn)
{
	bool exception = insn->vector != VECTOR_NONE;

	cpu->returned = false;
	if (exception ? insn->vector != VECTOR_KERNEL : insn->pc < KERNEL_HALF) {
		return_to_program(s, cpu, exception ? 0 : insn->pc);
	} else if (cpu->context != NULL) {
		return_to_kernel(cpu->context);
	}
}

static void
enter(struct stacks *s, struct cpu *cpu, const struct stacks_insn *insn)
{
	struct context *from = cpu->context;

	if (insn->vector == VECTOR_KERNEL) {
		struct level *level = push(from, child_of(top(from), cpu->last_pc));

		level->exception = true;
		level->returning = from->returning;
		from->returning = false;
		return;
	}
	/* an interrupt right behind the return: the program did nothing in between */
	if (cpu->last_pc < KERNEL_HALF) {
		from->site = cpu->last_pc;
		from->sp = cpu->sp;
		from->interrupted = insn->vector == VECTOR_PROGRAM_IRQ;
	}
	cpu->entered = from;
	begin_visit(s, cpu, child_of(top(from), from->site));
}

/*
 * A program returns to where, as far as is known, nobody called from. Had a handler been taken to run, it would return to
 * what called it: so it is a new thread in the place of the old one, in the midst of its parent's calls, as a child of
 * fork is. Returns from those are no mismatch, nor are those of a thread that was in a call when
 * the plugin began to look.
 */
static bool
begun_in_a_call(struct context *context, uint64_t pc)
{
	if (pc >= KERNEL_HALF) {
		return false;
	}
	if (context->left != 0 && context->depth == context->before) {
		context->depth = context->before = 0;
		context->left = 0;
		context->elsewhere = false;
	}
	return context->depth == 0;
}

static void
arrive_from_return(struct stacks *s, struct context *context, uint64_t pc, bool counted)
{
	context->returning = false;
	for (unsigned depth = context->depth; depth != 0 && !context->levels[depth - 1].exception; depth--) {
		if (context->levels[depth - 1].resume == pc) {
			context->depth = depth - 1;
			return;
		}
	}
	if (!begun_in_a_call(context, pc)) {
		s->unmatched += counted;
	}
}

/* Where control goes to, and under which levels. */
static void
arrive(struct stacks *s, struct cpu *cpu, const struct stacks_insn *insn, bool counted)
{
	if (cpu->context == NULL) {
		begin_visit(s, cpu, NULL);
	}
	if (cpu->returned) {
		arrive_from_exception(s, cpu, insn);
	}
	if (insn->vector != VECTOR_NONE) {
		enter(s, cpu, insn);
	} else if (cpu->context->returning) {
		arrive_from_return(s, cpu->context, insn->pc, counted);
	}
}

/* --- what an instruction does --- */

static void
call(struct cpu *cpu, struct stacks_insn *insn)
{
	struct level *level;

	if (cpu->stack_set) { /* from the beginning of the stack: nothing is below */
		cpu->stack_set = false;
		cpu->context->depth = 0;
	}
	if (insn->caller != top(cpu->context)) {
		insn->caller = top(cpu->context);
		insn->callee = child_of(insn->caller, insn->pc);
	}
	level = push(cpu->context, insn->callee);
	level->resume = insn->pc + INSTRUCTION_SIZE;
	level->sp = cpu->sp;
}

static void
follow(struct stacks *s, struct cpu *cpu, struct stacks_insn *insn)
{
	switch (insn->flow) {
	case FLOW_CALL:
		call(cpu, insn);
		break;
	case FLOW_RETURN:
		cpu->context->returning = true;
		break;
	case FLOW_ERET:
		cpu->returned = true;
		cpu->stack_set = false;
		break;
	case FLOW_SET_STACK:
		cpu->stack_set = insn->pc >= KERNEL_HALF;
		break;
	case FLOW_LEAP:
		if (cpu->stack_set) {
			cpu->stack_set = false;
			begin_visit(s, cpu, NULL);
		}
		break;
	case FLOW_NEXT:
		break;
	}
}

void
stacks_execute(struct stacks *s, unsigned number, struct stacks_insn *insn, bool counted)
{
	struct cpu *cpu = &s->cpus[number];

	if (cpu->context == NULL || cpu->returned || insn->vector != VECTOR_NONE || cpu->context->returning) {
		arrive(s, cpu, insn, counted);
	}
	if (counted) {
		struct stacks_node *node = top(cpu->context);

		if (insn->node != node) {
			insn->node = node;
			insn->count = count_of(s, node, insn->pc);
		}
		insn->count->executed++;
	}
	if (insn->flow != FLOW_NEXT) {
		follow(s, cpu, insn);
	}
	cpu->accessed = false;
	cpu->last_pc = insn->pc;
}

/* The first store of the vector: whose registers they are. */
static void
name_thread(struct stacks *s, struct cpu *cpu)
{
	struct context *thread = cpu->entered, *known;

	cpu->entered = NULL;
	if (thread == NULL || thread->key == cpu->sp) {
		return;
	}
	/* entered before its return was seen: when the plugin began to look */
	known = thread_context(s, cpu->sp);
	known->site = thread->site;
	known->interrupted = thread->interrupted;
	begin_visit(s, cpu, child_of(top(known), known->site));
}

/* A program that went on elsewhere: a handler is on the same stack, farther down; all others have nothing below. */
static void
stay_on_stack(struct context *thread, uint64_t sp)
{
	thread->elsewhere = false;
	if (thread->sp - sp < PROGRAM_STACK || thread->before > thread->depth) {
		return;
	}
	thread->depth -= thread->before;
	if (thread->depth != 0) {
		memmove(
		    thread->levels, thread->levels + thread->before, thread->depth * sizeof(*thread->levels));
	}
	thread->left = 0;
}

void
stacks_access(struct stacks *s, unsigned number, struct stacks_insn *insn, uint64_t address)
{
	struct cpu *cpu = &s->cpus[number];

	if (cpu->accessed || cpu->context == NULL) {
		return;
	}
	cpu->accessed = true;
	cpu->sp = address - (uint64_t)(int64_t)insn->access.offset;
	if (insn->in_vector) {
		name_thread(s, cpu);
	} else if (insn->pc >= KERNEL_HALF) {
		on_kernel_stack(s, cpu, address >> SLOT_SHIFT, insn->access.store);
		cpu->stack_set &= !insn->access.is;
	} else if (cpu->context->elsewhere) {
		stay_on_stack(cpu->context, cpu->sp);
	}
}

/* --- records and the report --- */

struct stacks *
stacks_create(uint64_t vectors)
{
	struct stacks *s = allocate(calloc(1, sizeof(*s)));

	s->vectors = vectors;
	s->nobody = child_of(&s->root, 0);
	return s;
}

static void
nodes_free(struct stacks_node *node)
{
	while (node != NULL) {
		struct stacks_node *sibling = node->sibling;

		nodes_free(node->children);
		free(node);
		node = sibling;
	}
}

static void
contexts_free(struct context *context)
{
	while (context != NULL) {
		struct context *next = context->next;

		free(context->levels);
		free(context);
		context = next;
	}
}

void
stacks_destroy(struct stacks *s)
{
	for (unsigned i = 0; i < STACKS_CPUS; i++) {
		abandon_visit(s, &s->cpus[i]);
	}
	contexts_free(s->spare);
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct stacks_insn *insn = s->insns[i], *next; insn != NULL; insn = next) {
			next = insn->next;
			free(insn);
		}
		for (struct stacks_count *count = s->counts[i], *next; count != NULL; count = next) {
			next = count->next;
			free(count);
		}
		contexts_free(s->contexts[i]);
	}
	nodes_free(s->root.children);
	free(s);
}

static void
place_in_vectors(const struct stacks *s, struct stacks_insn *insn)
{
	uint64_t offset = insn->pc - s->vectors;

	if (offset < VECTORS_KERNEL || offset >= VECTORS_END) {
		return;
	}
	insn->in_vector = offset >= VECTORS_PROGRAM;
	if (offset % VECTOR_BYTES == 0) {
		insn->vector = !insn->in_vector                           ? VECTOR_KERNEL
			       : offset == VECTORS_PROGRAM + VECTOR_BYTES ? VECTOR_PROGRAM_IRQ
									  : VECTOR_PROGRAM;
	}
}

struct stacks_insn *
stacks_insn(struct stacks *s, uint64_t pc, uint32_t word)
{
	struct stacks_insn **bucket = &s->insns[bucket_of(pc)], *insn;

	for (insn = *bucket; insn != NULL; insn = insn->next) {
		if (insn->pc == pc) {
			break;
		}
	}
	if (insn == NULL) {
		insn = allocate(calloc(1, sizeof(*insn)));
		insn->pc = pc;
		insn->next = *bucket;
		*bucket = insn;
		place_in_vectors(s, insn);
	}
	/* translated anew: another program may be there now */
	insn->flow = flow_of(word);
	insn->access = sp_access_of(word);
	return insn;
}

static bool
counted_below(const struct stacks_node *node)
{
	for (const struct stacks_count *count = node->counts; count != NULL; count = count->sibling) {
		if (count->executed != 0) {
			return true;
		}
	}
	for (const struct stacks_node *child = node->children; child != NULL; child = child->sibling) {
		if (counted_below(child)) {
			return true;
		}
	}
	return false;
}

static uint64_t
print_node(const struct stacks_node *node, uint64_t parent, uint64_t number, FILE *out)
{
	uint64_t own = number++;

	fprintf(out, "node %" PRIu64 " %" PRIu64 " %" PRIx64 "\n", own, parent, node->site);
	for (const struct stacks_count *count = node->counts; count != NULL; count = count->sibling) {
		if (count->executed != 0) {
			fprintf(
			    out, "at %" PRIu64 " %" PRIx64 " %" PRIu64 "\n", own, count->pc, count->executed);
		}
	}
	for (const struct stacks_node *child = node->children; child != NULL; child = child->sibling) {
		if (counted_below(child)) {
			number = print_node(child, own, number, out);
		}
	}
	return number;
}

void
stacks_print(const struct stacks *s, FILE *out)
{
	print_node(&s->root, 0, 0, out);
	fprintf(out, "unmatched %" PRIu64 "\n", s->unmatched);
}
