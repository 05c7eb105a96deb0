/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stale.h"

#include "memory.h"

#include <string.h>

#define INITIAL_CAPACITY 4096
#define INITIAL_THREADS  256
#define ASIDS            65536
#define TABLE_ENTRIES    2048

#define DESCRIPTOR_VALID 1ULL
#define DESCRIPTOR_RO    0x80ULL
#define ADDRESS_MASK     0x0000ffffffffc000ULL

const char *const stale_names[STALE_KINDS] = {
	[STALE_MOVED] = "moved",
	[STALE_UNMAPPED] = "unmapped",
	[STALE_READ_ONLY] = "read-only",
	[STALE_ASID] = "asid",
};

/* --- threads --- */

static void
threads_init(struct stale_threads *t, uint32_t capacity)
{
	*t = (struct stale_threads){
		.addresses = memory_get(capacity, sizeof(uint64_t)),
		.progress = memory_get(capacity, sizeof(uint64_t)),
		.slots = memory_get(2 * (size_t)capacity, sizeof(uint32_t)),
		.capacity = capacity,
	};
}

static void
threads_destroy(struct stale_threads *t)
{
	free(t->addresses);
	free(t->progress);
	free(t->slots);
}

static uint32_t
threads_add(struct stale_threads *t, uint64_t address, uint64_t progress)
{
	uint32_t at = (uint32_t)(address * 0x9e3779b97f4a7c15ULL >> 32) & (2 * t->capacity - 1);

	while (t->slots[at] != 0) {
		if (t->addresses[t->slots[at] - 1] == address) {
			return t->slots[at] - 1;
		}
		at = (at + 1) & (2 * t->capacity - 1);
	}
	t->addresses[t->count] = address;
	t->progress[t->count] = progress;
	t->slots[at] = ++t->count;
	return t->count - 1;
}

/* The number of a thread, which it keeps. */
static uint32_t
thread_number(struct stale_threads *t, uint64_t address)
{
	if (t->count == t->capacity) {
		struct stale_threads old = *t;

		threads_init(t, 2 * old.capacity);
		for (uint32_t i = 0; i < old.count; i++) {
			threads_add(t, old.addresses[i], old.progress[i]);
		}
		threads_destroy(&old);
	}
	return threads_add(t, address, 0);
}

/* --- life --- */

void
stale_init(struct stale *s, unsigned cpus, walk_read_t read)
{
	memset(s, 0, sizeof(*s));
	s->cpus = cpus;
	s->read = read;
	s->tables = memory_get(STALE_PAGES, sizeof(*s->tables));
	threads_init(&s->threads, INITIAL_THREADS);
	thread_number(&s->threads, 0); /* who runs before there are threads */
	for (unsigned i = 0; i < cpus; i++) {
		s->cpu[i].capacity = INITIAL_CAPACITY;
		s->cpu[i].slots = memory_get(INITIAL_CAPACITY, sizeof(struct stale_entry));
		s->cpu[i].roots = memory_get(ASIDS, sizeof(uint64_t));
	}
}

void
stale_destroy(struct stale *s)
{
	for (unsigned i = 0; i < s->cpus; i++) {
		free(s->cpu[i].slots);
		free(s->cpu[i].roots);
	}
	for (size_t i = 0; i < STALE_PAGES; i++) {
		free(s->tables[i]);
	}
	free(s->tables);
	threads_destroy(&s->threads);
}

/* --- the table --- */

static uint64_t
hash(uint64_t page, unsigned shift, uint16_t asid)
{
	return ((page ^ (uint64_t)shift << 50 ^ (uint64_t)asid << 34) * 0x9e3779b97f4a7c15ULL) >> 20;
}

/* The slot of a translation, or the free one where it belongs. */
static struct stale_entry *
slot_of(struct stale_entry *slots, uint64_t capacity, uint64_t va, unsigned shift, uint16_t asid, bool global)
{
	uint64_t page = (va >> shift) + 1;
	uint64_t at = hash(page, shift, global ? 0 : asid) & (capacity - 1);

	while (
	    slots[at].page != 0 && (slots[at].page != page || slots[at].shift != shift ||
				       slots[at].global != global || (!global && slots[at].asid != asid))) {
		at = (at + 1) & (capacity - 1);
	}
	return &slots[at];
}

static void
table_grow(struct stale_cpu *c)
{
	uint64_t capacity = c->capacity * 2;
	struct stale_entry *slots = memory_get(capacity, sizeof(*slots));

	c->used = 0;
	for (uint64_t i = 0; i < c->capacity; i++) {
		const struct stale_entry *e = &c->slots[i];

		if (e->valid) {
			*slot_of(slots, capacity, (e->page - 1) << e->shift, e->shift, e->asid, e->global) =
			    *e;
			c->used++;
		}
	}
	free(c->slots);
	c->slots = slots;
	c->capacity = capacity;
}

/* What the CPU may have for an address: of its address space or global, a page or a block. */
static struct stale_entry *
find(struct stale_cpu *c, uint64_t va)
{
	static const unsigned shifts[] = { WALK_PAGE_SHIFT, WALK_BLOCK_SHIFT };
	uint16_t asid = (uint16_t)walk_asid(&c->regime);

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned global = 0; global < 2; global++) {
			struct stale_entry *e =
			    slot_of(c->slots, c->capacity, va, shifts[i], asid, global != 0);

			if (e->page != 0 && e->valid) {
				return e;
			}
		}
	}
	return NULL;
}

static void
remember(struct stale_cpu *c, uint64_t va, const struct translation *t)
{
	uint16_t asid = (uint16_t)walk_asid(&c->regime);
	struct stale_entry *e;

	if (c->used * 2 >= c->capacity) {
		table_grow(c);
	}
	e = slot_of(c->slots, c->capacity, va, t->shift, asid, t->global);
	c->used += e->page == 0;
	*e = (struct stale_entry){
		.page = (va >> t->shift) + 1,
		.physical = t->physical,
		.asid = asid,
		.shift = (uint8_t)t->shift,
		.global = t->global,
		.writable = t->writable,
		.valid = true,
	};
}

/* --- the page tables --- */

/* What is known of the descriptor at a physical address; NULL: no walk has read the table. */
static struct stale_descriptor *
descriptor_at(struct stale *s, uint64_t physical)
{
	uint64_t page = physical >> WALK_PAGE_SHIFT;

	return page < STALE_PAGES && s->tables[page] != NULL
		   ? &s->tables[page][physical / sizeof(uint64_t) % TABLE_ENTRIES]
		   : NULL;
}

/* From now on stores to the tables that this walk read are followed. */
static void
follow_tables(struct stale *s, const struct translation *t)
{
	for (unsigned i = 0; i < t->reads; i++) {
		uint64_t page = t->read[i] >> WALK_PAGE_SHIFT;

		if (page >= STALE_PAGES || s->tables[page] != NULL) {
			continue;
		}
		s->tables[page] = memory_get(TABLE_ENTRIES, sizeof(struct stale_descriptor));
		for (unsigned entry = 0; entry < TABLE_ENTRIES; entry++) {
			s->read((page << WALK_PAGE_SHIFT) + entry * sizeof(uint64_t),
			    &s->tables[page][entry].value);
		}
	}
}

static bool
takes_away(uint64_t from, uint64_t to)
{
	return (from & DESCRIPTOR_VALID) != 0 &&
	       ((to & DESCRIPTOR_VALID) == 0 || ((from ^ to) & ADDRESS_MASK) != 0 ||
		   (~from & to & DESCRIPTOR_RO) != 0);
}

/* A store has been made at a physical address: one that takes away makes the thread owe a TLBI. */
static void
table_written(struct stale *s, unsigned cpu, uint64_t physical)
{
	uint32_t thread = s->cpu[cpu].thread;

	/* A pair of registers may be one store. */
	for (uint64_t at = physical & ~7ULL; at < physical + 16; at += sizeof(uint64_t)) {
		struct stale_descriptor *d = descriptor_at(s, at);
		uint64_t value;

		if (d == NULL || !s->read(at, &value) || value == d->value) {
			continue;
		}
		if (takes_away(d->value, value)) {
			d->debtor = thread;
			d->due = s->threads.progress[thread] + STALE_GRACE;
		}
		d->value = value;
	}
}

/* --- findings --- */

/* `owed`: by whom the translation was taken away; NULL: there is no excuse. */
static void
suspect(struct stale *s, unsigned cpu, enum stale_kind kind, uint64_t va, uint64_t pc, uint64_t cached,
    uint64_t now, const struct stale_descriptor *owed)
{
	if (s->nfindings == STALE_FINDINGS) {
		return; /* each that is settled stays; there are more than enough */
	}
	s->findings[s->nfindings++] = (struct stale_finding){
		.kind = kind,
		.cpu = cpu,
		.asid = (uint16_t)walk_asid(&s->cpu[cpu].regime),
		.confirmed = owed == NULL || owed->due == 0,
		.user = s->cpu[cpu].thread,
		.debtor = owed != NULL ? owed->debtor : 0,
		.due = owed != NULL ? owed->due : 0,
		.va = va,
		.pc = pc,
		.cached = cached,
		.now = now,
	};
}

unsigned
stale_settle(struct stale *s, bool over)
{
	unsigned count = 0;

	for (unsigned i = 0; i < s->nfindings; i++) {
		struct stale_finding *f = &s->findings[i];

		f->confirmed |= over || s->threads.progress[f->debtor] > f->due;
		count += f->confirmed;
	}
	return count;
}

/* --- uses --- */

static uint64_t
page_of(uint64_t physical, unsigned shift, uint64_t va)
{
	return physical + (va & ((1ULL << shift) - 1) & ~((1ULL << WALK_PAGE_SHIFT) - 1));
}

/* The descriptor at which a walk ended. */
static const struct stale_descriptor *
last_read(struct stale *s, const struct translation *t)
{
	return t->reads != 0 ? descriptor_at(s, t->read[t->reads - 1]) : NULL;
}

/* Returns the translation by the tables as they are. */
static struct translation
use(struct stale *s, unsigned cpu, uint64_t va, bool store, uint64_t pc)
{
	struct stale_cpu *c = &s->cpu[cpu];
	struct translation t = { 0 };
	struct stale_entry *e;
	uint64_t cached, now;

	if (!walk_supported(&c->regime)) {
		return t;
	}
	s->uses++;
	t = walk(&c->regime, va, s->read);
	follow_tables(s, &t);
	e = find(c, va);
	if (e == NULL) {
		if (t.valid) {
			remember(c, va, &t);
		}
		return t;
	}
	cached = page_of(e->physical, e->shift, va);
	now = t.valid ? page_of(t.physical, t.shift, va) : 0;
	if (!t.valid) {
		suspect(s, cpu, STALE_UNMAPPED, va, pc, cached, 0, last_read(s, &t));
	} else if (cached != now) {
		suspect(s, cpu, STALE_MOVED, va, pc, cached, now, NULL);
	} else if (store && e->writable && !t.writable) {
		suspect(s, cpu, STALE_READ_ONLY, va, pc, cached, now, last_read(s, &t));
		e->writable = false; /* once is enough */
	} else if (store && !e->writable) {
		e->writable = t.writable; /* the CPU has faulted, and found nothing wrong */
	}
	if (cached != now) {
		e->valid = false; /* once is enough */
		if (t.valid) {
			remember(c, va, &t);
		}
	}
	return t;
}

void
stale_block(struct stale *s, unsigned cpu, uint64_t pc)
{
	bool kernel = (pc >> 55 & 1) != 0;

	s->threads.progress[s->cpu[cpu].thread] += kernel ? 1 : STALE_GRACE + 1;
	use(s, cpu, pc, false, pc);
}

void
stale_access(struct stale *s, unsigned cpu, uint64_t va, bool store, uint64_t pc)
{
	struct translation t = use(s, cpu, va, store, pc);

	if (store && t.valid) {
		table_written(s, cpu, t.physical + (va & ((1ULL << t.shift) - 1)));
	}
}

void
stale_fault(struct stale *s, unsigned cpu, uint64_t va, bool store, uint64_t pc)
{
	struct stale_cpu *c = &s->cpu[cpu];
	struct stale_entry *e = walk_supported(&c->regime) ? find(c, va) : NULL;
	struct translation t;

	if (e == NULL) {
		return;
	}
	t = walk(&c->regime, va, s->read);
	if (!t.valid) {
		suspect(
		    s, cpu, STALE_UNMAPPED, va, pc, page_of(e->physical, e->shift, va), 0, last_read(s, &t));
		e->valid = false;
	} else if (store && e->writable && !t.writable) {
		suspect(s, cpu, STALE_READ_ONLY, va, pc, page_of(e->physical, e->shift, va),
		    page_of(t.physical, t.shift, va), last_read(s, &t));
		e->writable = false;
	}
}

/* --- what the kernel tells the TLBs --- */

/* The range of the operand overlaps the page at va. */
static bool
range_takes(uint64_t operand, uint64_t va, unsigned shift)
{
	uint64_t start, end;

	sysop_range(operand, &start, &end);
	return va < end && va + (1ULL << shift) - 1 >= start;
}

static bool
tlbi_takes(struct sysop op, uint64_t operand, uint16_t asid, bool global, uint64_t page, unsigned shift)
{
	bool own = global || asid == (uint16_t)sysop_asid(operand);

	switch (op.kind) {
	case SYSOP_TLBI_ALL:
		return true;
	case SYSOP_TLBI_ASID:
		return !global && own;
	case SYSOP_TLBI_VA:
		return own && sysop_va(operand) >> shift == page;
	case SYSOP_TLBI_VA_ALL:
		return sysop_va(operand) >> shift == page;
	case SYSOP_TLBI_RANGE:
		return own && range_takes(operand, page << shift, shift);
	case SYSOP_TLBI_RANGE_ALL:
		return range_takes(operand, page << shift, shift);
	default:
		return true;
	}
}

static void
drop_one(struct stale_cpu *c, uint64_t va, unsigned shift, uint16_t asid, bool global)
{
	struct stale_entry *e = slot_of(c->slots, c->capacity, va, shift, asid, global);

	e->valid = false;
}

static void
drop_address(struct stale_cpu *c, uint64_t va, uint16_t asid)
{
	drop_one(c, va, WALK_PAGE_SHIFT, asid, false);
	drop_one(c, va, WALK_BLOCK_SHIFT, asid, false);
	drop_one(c, va, WALK_PAGE_SHIFT, asid, true);
	drop_one(c, va, WALK_BLOCK_SHIFT, asid, true);
}

static void
drop(struct stale_cpu *c, struct sysop op, uint64_t operand)
{
	uint16_t asid = (uint16_t)sysop_asid(operand);
	uint64_t start, end;

	if (op.kind == SYSOP_TLBI_VA) {
		drop_address(c, sysop_va(operand), asid);
		return;
	}
	if (op.kind == SYSOP_TLBI_RANGE) {
		sysop_range(operand, &start, &end);
		if ((end - start) >> WALK_PAGE_SHIFT < c->capacity / 8) {
			for (; start < end; start += 1ULL << WALK_PAGE_SHIFT) {
				drop_address(c, start, asid);
			}
			return;
		}
	}
	for (uint64_t i = 0; i < c->capacity; i++) {
		struct stale_entry *e = &c->slots[i];

		if (e->valid && tlbi_takes(op, operand, e->asid, e->global, e->page - 1, e->shift)) {
			e->valid = false;
		}
	}
}

/* Findings that this TLBI was on its way for are none. */
static void
absolve(struct stale *s, unsigned cpu, struct sysop op, uint64_t operand)
{
	unsigned kept = 0;

	stale_settle(s, false);
	for (unsigned i = 0; i < s->nfindings; i++) {
		struct stale_finding *f = &s->findings[i];
		bool global = (f->va >> 55 & 1) != 0;
		bool reaches =
		    (op.broadcast || f->cpu == cpu) && f->user != s->cpu[cpu].thread &&
		    tlbi_takes(op, operand, f->asid, global, f->va >> WALK_PAGE_SHIFT, WALK_PAGE_SHIFT);

		if (f->confirmed || !reaches) {
			s->findings[kept++] = *f;
		}
	}
	s->nfindings = kept;
}

static void
stale_tlbi(struct stale *s, unsigned cpu, struct sysop op, uint64_t operand)
{
	s->tlbis++;
	s->unknown_tlbi |= op.kind == SYSOP_TLBI_UNKNOWN;
	for (unsigned i = 0; i < s->cpus; i++) {
		if (op.broadcast || i == cpu) {
			drop(&s->cpu[i], op, operand);
		}
	}
	absolve(s, cpu, op, operand);
}

static uint64_t
lives(const struct stale_cpu *c, uint16_t asid)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < c->capacity; i++) {
		count += c->slots[i].valid && !c->slots[i].global && c->slots[i].asid == asid;
	}
	return count;
}

static void
stale_ttbr0(struct stale *s, unsigned cpu, uint64_t value, uint64_t pc)
{
	struct stale_cpu *c = &s->cpu[cpu];
	uint64_t root = (value << 16 >> 16) + 1, *owner = &c->roots[value >> 48];

	c->regime.ttbr0 = value;
	if (*owner != root && *owner != 0 && lives(c, (uint16_t)(value >> 48)) != 0) {
		suspect(s, cpu, STALE_ASID, value >> 48, pc, *owner - 1, root - 1, NULL);
		drop(c, (struct sysop){ .kind = SYSOP_TLBI_ASID }, value);
	}
	*owner = root;
}

void
stale_sysop(struct stale *s, unsigned cpu, struct sysop op, uint64_t operand, uint64_t pc)
{
	switch (op.kind) {
	case SYSOP_NONE:
		break;
	case SYSOP_TTBR0:
		stale_ttbr0(s, cpu, operand, pc);
		break;
	case SYSOP_TTBR1:
		s->cpu[cpu].regime.ttbr1 = operand;
		break;
	case SYSOP_TCR:
		s->cpu[cpu].regime.tcr = operand;
		break;
	case SYSOP_TPIDR:
		s->cpu[cpu].thread = thread_number(&s->threads, operand);
		break;
	default:
		stale_tlbi(s, cpu, op, operand);
		break;
	}
}
