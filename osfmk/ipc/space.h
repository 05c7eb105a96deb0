/*
 * IPC spaces: the names of a task.
 *
 * A space is a name table (name_table.h: look-up without a lock) plus the reverse direction: the name under
 * which a port is known here. Receive rights answer that from the port (ip_receiver_name); send rights
 * through a hash of chains threaded through the entries. The space's lock serialises all changes; it is
 * short-held and never held over allocation, so growth happens outside and is retried.
 *
 * Order: space, port, set, thread.
 */
#pragma once

#include <ipc/ipc_types.h>
#include <ipc/name_table.h>
#include <kern/kern_types.h>
#include <kern/locks.h>

struct task;

#define IS_HASH_INLINE 16

struct ipc_space {
	struct name_table is_table;
	uint64_t is_refs;     /* (a) */
	struct task *is_task; /* (c) not referenced; NULL: the kernel's space */
	lck_spin_t is_lock;
	bool is_active;        /* (l) false once terminated; read without */
	uint32_t is_hash_mask; /* (l) buckets - 1 */
	uint32_t is_hash_used; /* (l) send rights in the hash */
	uint32_t *is_hash;     /* (l) heads: entry index or 0 */
	uint32_t is_hash_first[IS_HASH_INLINE];
} OS_CACHE_ALIGNED;

extern ipc_space_t ipc_space_kernel;

OS_INLINE void
is_write_lock(ipc_space_t space) ACQUIRE(space->is_lock)
{
	lck_spin_lock(&space->is_lock);
}

OS_INLINE void
is_write_unlock(ipc_space_t space) RELEASE(space->is_lock)
{
	lck_spin_unlock(&space->is_lock);
}

void is_reference(ipc_space_t space);

/*
 * A free entry, off the free list. The lock may be dropped and taken again to grow the table: what the caller
 * knew about the space is stale afterwards. KERN_RESOURCE_SHORTAGE, KERN_NO_SPACE, KERN_INVALID_TASK.
 */
kern_return_t ipc_entry_alloc(ipc_space_t space, ipc_entry_t *entry) REQUIRES(space->is_lock);

/* The same for a name of the caller's choice: KERN_NAME_EXISTS, KERN_INVALID_VALUE, KERN_FAILURE. */
kern_return_t ipc_entry_alloc_name(ipc_space_t space, mach_port_name_t name, ipc_entry_t *entry)
    REQUIRES(space->is_lock);

/* Makes a free entry valid; returns its name. The right and its reference belong to the entry from now on. */
OS_INLINE mach_port_name_t
ipc_entry_set(ipc_entry_t entry, void *object, unsigned rights, uint32_t urefs)
{
	uint64_t word = nt_make(object, rights, entry->ie_word);

	entry->ie_urefs = urefs;
	os_atomic_store(&entry->ie_word, word, release); /* [N3] */
	return nt_name_valid(entry->ie_index, word);
}

/* Makes an entry free again, next generation; what it held is the caller's. */
void ipc_entry_dealloc(ipc_space_t space, ipc_entry_t entry) REQUIRES(space->is_lock);

/* The calling thread's reserve: an entry to fill without the lock. False: no memory. */
bool ipc_entry_reserve(thread_t self, ipc_space_t space);
void ipc_entry_unreserve(thread_t self, ipc_space_t space);

/* An entry that a compare-exchange made free: becomes the thread's reserve, or goes to the free list. */
void ipc_entry_recycle(thread_t self, ipc_space_t space, ipc_entry_t entry);

OS_INLINE mach_port_name_t
ipc_entry_name(ipc_entry_t entry)
{
	return nt_name(entry->ie_index, os_atomic_load(&entry->ie_word, relaxed));
}

/* Look-up with the lock held. */
OS_INLINE ipc_entry_t
ipc_entry_lookup(ipc_space_t space, mach_port_name_t name, uint64_t *word) REQUIRES(space->is_lock)
{
	return nt_lookup(&space->is_table, name, word);
}

/* The reverse hash; only entries whose rights are exactly NT_SEND. */
void ipc_hash_insert(ipc_space_t space, ipc_entry_t entry) REQUIRES(space->is_lock);
void ipc_hash_remove(ipc_space_t space, ipc_entry_t entry) REQUIRES(space->is_lock);
/* The address is compared, not looked behind. An entry that is found holds its reference while the lock is held. */
ipc_entry_t ipc_hash_lookup(ipc_space_t space, const void *port) REQUIRES(space->is_lock);

/* Under which name `port` is known here as send or receive right; NULL if it is not. */
ipc_entry_t ipc_entry_of_port(ipc_space_t space, ipc_port_t port) REQUIRES(space->is_lock);
