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
 * Entries. All with the space locked unless stated.
 * alloc: on success the space is locked and the entry is off the free list; on failure unlocked.
 * KERN_RESOURCE_SHORTAGE, KERN_NO_SPACE, KERN_INVALID_TASK.
 */
kern_return_t ipc_entry_alloc(ipc_space_t space, ipc_entry_t *entry);
kern_return_t ipc_entry_alloc_name(ipc_space_t space, mach_port_name_t name, ipc_entry_t *entry);
ipc_entry_t ipc_entry_lookup_locked(ipc_space_t space, mach_port_name_t name, uint64_t *word);
void ipc_entry_set(ipc_entry_t entry, void *object, unsigned rights, uint32_t urefs);
void ipc_entry_dealloc(ipc_space_t space, ipc_entry_t entry);
mach_port_name_t ipc_entry_name(ipc_entry_t entry);

/* The reverse hash; only entries whose rights are exactly NT_SEND. */
void ipc_hash_insert(ipc_space_t space, ipc_entry_t entry);
void ipc_hash_remove(ipc_space_t space, ipc_entry_t entry);
ipc_entry_t ipc_hash_lookup(ipc_space_t space, ipc_port_t port);

/* Under which name `port` is known here as send or receive right; NULL if it is not. */
ipc_entry_t ipc_entry_of_port(ipc_space_t space, ipc_port_t port);
