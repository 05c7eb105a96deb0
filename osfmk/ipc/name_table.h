/*
 * The name table of an IPC space: port name -> entry -> object and right.
 *
 * Problem. Every message looks up at least one name. With a lock, all threads of a task that do IPC queue up
 * behind each other; with a table that moves when it grows, a reader needs the lock.
 *
 * Idea. Entries live in chunks that are never moved or freed while the space lives: chunk 0 holds the first
 * NT_FIRST entries, each further chunk as many as all before it. A name is index << 8 | generation. What a
 * reader needs is one 64-bit word of the entry, so a single load is always consistent:
 *
 *	63     55 54     49 48 47 46                     6 5        0
 *	+--------+---------+-----+------------------------+----------+
 *	| flags  |   gen   | 1 1 |  object / 64           |  rights  |
 *	+--------+---------+-----+------------------------+----------+
 *
 * rights   MACH_PORT_TYPE_* >> 16 (SEND 1, RECEIVE 2, SEND_ONCE 4, PORT_SET 8, DEAD_NAME 16), 0 = free
 * gen, 11  the name's low byte, whose low two bits are always set: one compare tells whether a name is meant
 * flags    NT_REQUEST: a dead-name request is registered
 *
 * Lifetime rule (model in tests/models/name_table.pml). A reader does all of this inside one SMR section:
 * load the word [N1], check generation and rights, use the object. A remover changes the word first [N2] and
 * gives up the entry's reference on the object after that; the object's memory returns to its zone only
 * after a grace period. So an object found through a word is not reused while the section lasts; it may be
 * dead, which its own state tells. A reader that wants to keep it takes a reference that refuses to start
 * from zero.
 *
 * Writers. All changes are made with the space's lock held, except two, both a single compare-exchange:
 * consuming a send-once right (the word says which port; whoever wins owns the right), and filling an entry
 * that a thread reserved for itself. Both keep the other fields of the entry untouched.
 *
 *  [N1] acquire load of the word pairs with [N3]: the object is initialised.
 *  [N2] removal: the compare-exchange or store of the word; readers order by the word alone.
 *  [N3] release store of the word that makes an entry valid.
 *
 * No locks and no kernel types in this file: it builds for the host (name_table_test.c). Memory for chunks
 * comes from the caller.
 */
#pragma once

#include <mach/port.h>
#include <os/atomic.h>
#include <os/bits.h>
#include <os/list.h>

struct ipc_port;
struct ipc_space;

/* A dead-name or send-possible request; one per name, embedded in its entry. Under the port's lock. */
struct ipc_request {
	struct list_node ipr_link;    /* ip_requests of the port */
	struct ipc_port *ipr_soright; /* where to tell; NULL: no request */
	uint32_t ipr_msgid;           /* MACH_NOTIFY_DEAD_NAME or _SEND_POSSIBLE */
	uint32_t ipr_armed;           /* send-possible: fire when the queue has room */
};

/* 64 bytes, so that two threads which fill their reserved entries write no common line. */
struct ipc_entry {
	uint64_t ie_word;  /* (a) see above */
	uint32_t ie_urefs; /* (s) user references, 1..MACH_PORT_UREFS_MAX */
	uint32_t ie_next;  /* (s) free: next free index; send right: next in its hash chain */
	uint32_t ie_index; /* constant */
	uint32_t ie_prev;  /* (s) free: previous free index, 0 for the first; NT_NOT_FREE off the list */
	struct ipc_space *ie_space; /* constant */
	struct ipc_request ie_request;
} OS_CACHE_ALIGNED;

static_assert(sizeof(struct ipc_entry) == OS_CACHELINE, "one entry, one line");

#define NT_FIRST_SHIFT 4
#define NT_FIRST       (1U << NT_FIRST_SHIFT) /* entries of chunk 0 */
#define NT_CHUNKS      17
#define NT_MAX         (1U << (NT_FIRST_SHIFT + NT_CHUNKS - 1)) /* 2^20 names in a space */

/* Names of the caller's choice end here: a table is as large as its largest index. */
#define NT_NAMED_MAX (1U << 17)

#define NT_RIGHTS_MASK 0x3fULL
#define NT_PTR_MASK    0x00007fffffffffc0ULL
#define NT_BYTE_SHIFT  47 /* the low byte of the name */
#define NT_ONES        (3ULL << NT_BYTE_SHIFT)
#define NT_GEN_SHIFT   49
#define NT_GEN_ONE     (1ULL << NT_GEN_SHIFT)
#define NT_GEN_MASK    (0x3fULL << NT_GEN_SHIFT)
#define NT_REQUEST     (1ULL << 55)
#define NT_FLAGS_MASK  (0x1ffULL << 55)

#define NT_NOT_FREE UINT32_MAX

#define NT_SEND      0x01U
#define NT_RECEIVE   0x02U
#define NT_SEND_ONCE 0x04U
#define NT_PORT_SET  0x08U
#define NT_DEAD_NAME 0x10U

#define NT_TYPE(rights) ((mach_port_type_t)(rights) << 16)

#if !defined(PLUOT_HOST_TEST)
#define NT_PTR_BASE 0xffff800000000000ULL
#else
#define NT_PTR_BASE 0ULL
#endif

struct name_table {
	struct ipc_entry *nt_chunk[NT_CHUNKS]; /* (s) set once each, release; read without the lock */
	uint32_t nt_size;                      /* (s) entries that exist; written after the chunk pointer */
	uint32_t nt_free;                      /* (s) first free index, 0 = none (index 0 is never used) */
	uint32_t nt_high;                      /* (s) entries below this one have been in use at some time */
	uint32_t nt_used;                      /* (s) names in use, for statistics */
};

OS_INLINE unsigned
nt_rights(uint64_t word)
{
	return (unsigned)(word & NT_RIGHTS_MASK);
}

OS_INLINE void *
nt_object(uint64_t word)
{
	uint64_t bits = word & NT_PTR_MASK;

	return bits == 0 ? NULL : (void *)(uintptr_t)(bits | NT_PTR_BASE);
}

/* The object of a word known to have one: no test for zero. */
OS_INLINE void *
nt_object_nonnull(uint64_t word)
{
	return (void *)(uintptr_t)((word & NT_PTR_MASK) | NT_PTR_BASE);
}

OS_INLINE uint64_t
nt_make(const void *object, unsigned rights, uint64_t gen_bits)
{
	return ((uint64_t)(uintptr_t)object & NT_PTR_MASK) | rights | NT_ONES | (gen_bits & NT_GEN_MASK);
}

OS_INLINE mach_port_name_t
nt_name(uint32_t index, uint64_t word)
{
	return (index << 8) | ((uint32_t)(word >> NT_BYTE_SHIFT) & 0xffU) | 3U;
}

/* The same for a word that is valid: NT_ONES are there. */
OS_INLINE mach_port_name_t
nt_name_valid(uint32_t index, uint64_t word)
{
	return (index << 8) | (uint8_t)(word >> NT_BYTE_SHIFT);
}

OS_INLINE uint64_t
nt_gen_of_name(mach_port_name_t name)
{
	return (uint64_t)((name >> 2) & 0x3fU) << NT_GEN_SHIFT;
}

/* Same index, next generation. */
OS_INLINE uint64_t
nt_next_gen(uint64_t word)
{
	return (word + NT_GEN_ONE) & NT_GEN_MASK;
}

/* Chunk of an index, and the index of a chunk's first entry. */
OS_INLINE unsigned
nt_chunk_of(uint32_t index)
{
	return index < NT_FIRST ? 0 : bit_last(index) - NT_FIRST_SHIFT + 1;
}

OS_INLINE uint32_t
nt_chunk_base(unsigned chunk)
{
	return chunk == 0 ? 0 : NT_FIRST << (chunk - 1);
}

OS_INLINE uint32_t
nt_chunk_entries(unsigned chunk)
{
	return chunk == 0 ? NT_FIRST : NT_FIRST << (chunk - 1);
}

/* The entry at an index, in use or not; NULL beyond the table. No lock. */
OS_INLINE struct ipc_entry *
nt_entry(const struct name_table *nt, uint32_t index)
{
	unsigned chunk = nt_chunk_of(index);
	struct ipc_entry *base;

	if (os_unlikely(index >= NT_MAX)) {
		return NULL;
	}
	/* Pairs with the release in nt_add_chunk: the entries are initialised. */
	base = os_atomic_load(&nt->nt_chunk[chunk], acquire);
	return os_unlikely(base == NULL) ? NULL : &base[index - nt_chunk_base(chunk)];
}

/*
 * Entry and word that `name` stands for; NULL when it stands for nothing. The word is what the caller goes
 * by from here on. Inside an SMR section or with the space's lock held.
 */
OS_INLINE struct ipc_entry *
nt_lookup(const struct name_table *nt, mach_port_name_t name, uint64_t *word)
{
	struct ipc_entry *entry = nt_entry(nt, name >> 8);
	uint64_t w;

	if (os_unlikely(entry == NULL)) {
		return NULL;
	}
	w = os_atomic_load(&entry->ie_word, acquire); /* [N1] */
	if (os_unlikely((uint8_t)(w >> NT_BYTE_SHIFT) != (uint8_t)name || (w & NT_RIGHTS_MASK) == 0)) {
		return NULL;
	}
	*word = w;
	return entry;
}

/*
 * The same in fewer instructions, for a caller that goes on to test the rights it wants: false, or an entry
 * that may be without rights. What the word leads to is ordered by dependency [N1].
 */
OS_INLINE bool
nt_lookup_rights(const struct name_table *nt, mach_port_name_t name, struct ipc_entry **entry, uint64_t *word)
{
	uint32_t index = name >> 8;

	*entry = &os_atomic_load(&nt->nt_chunk[0], relaxed)[index]; /* there since the space was made */
	if (os_unlikely(index >= NT_FIRST)) {
		*entry = nt_entry(nt, index);
		if (os_unlikely(*entry == NULL)) {
			return false;
		}
	}
	*word = os_atomic_load(&(*entry)->ie_word, relaxed);
	return (uint8_t)(*word >> NT_BYTE_SHIFT) == (uint8_t)name;
}

/* Bytes of the next chunk to be added; 0 when the table cannot grow. */
size_t nt_next_chunk_size(const struct name_table *nt, unsigned *chunk);

/* Makes zeroed memory the free entries of chunk `chunk`. No lock: nobody sees it yet. */
void nt_prepare_chunk(struct ipc_entry *memory, unsigned chunk, struct ipc_space *space);

/* Adds it to the table; false if somebody else added that chunk already. Space lock held. */
bool nt_add_chunk(struct name_table *nt, unsigned chunk, struct ipc_entry *memory);

/* A free entry, off the free list, its word still free (the new generation is in it); NULL: grow first. */
struct ipc_entry *nt_alloc(struct name_table *nt);

/* The free entry with this index, for a caller-chosen name; NULL if it is taken or beyond the table. */
struct ipc_entry *nt_alloc_index(struct name_table *nt, uint32_t index);

/* Back to the free list. The word has been made free (nt_next_gen) before. Space lock held. */
void nt_free(struct name_table *nt, struct ipc_entry *entry);
