/*
 * IPC spaces: life, entries, the reverse hash. See space.h and, for the table itself, name_table.h.
 *
 * Memory is allocated and freed with no lock held, so operations that need more drop the lock, grow and look
 * again. Locks: is_lock only.
 */
#include <ipc/space.h>

#include <ipc/ipc.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>

ZONE_DEFINE(ipc_space_zone, "ipc spaces", sizeof(struct ipc_space), ZC_TYPESTABLE);

static LCK_CLASS_DECLARE(ipc_space_lock_class, "ipc space", LCK_RANK_IPC_SPACE);

ipc_space_t ipc_space_kernel;

/* One more chunk, unless somebody else is faster. No locks held. */
static kern_return_t
ipc_space_grow(ipc_space_t space)
{
	unsigned chunk = 0;
	size_t size = nt_next_chunk_size(&space->is_table, &chunk);
	struct ipc_entry *memory;
	bool added;

	if (size == 0) {
		return KERN_NO_SPACE;
	}
	memory = kalloc_flags(size, Z_ZERO | Z_WAIT);
	if (memory == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	nt_prepare_chunk(memory, chunk, space);
	is_write_lock(space);
	added = nt_add_chunk(&space->is_table, chunk, memory);
	is_write_unlock(space);
	if (!added) {
		kfree(memory, size);
	}
	return KERN_SUCCESS;
}

kern_return_t
ipc_space_create(struct task *task, ipc_space_t *out)
{
	ipc_space_t space = zalloc_flags(ipc_space_zone, Z_ZERO | Z_WAIT);
	kern_return_t kr;

	if (space == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	lck_spin_init(&space->is_lock, &ipc_space_lock_class);
	space->is_refs = 1;
	space->is_task = task;
	space->is_active = true;
	space->is_hash = space->is_hash_first;
	space->is_hash_mask = IS_HASH_INLINE - 1;
	kr = ipc_space_grow(space);
	if (kr != KERN_SUCCESS) {
		zfree(ipc_space_zone, space);
		return kr;
	}
	*out = space;
	return KERN_SUCCESS;
}

void
is_reference(ipc_space_t space)
{
	os_atomic_inc(&space->is_refs, relaxed);
}

static void
ipc_space_free(ipc_space_t space)
{
	for (unsigned chunk = 0; chunk < NT_CHUNKS && space->is_table.nt_chunk[chunk] != NULL; chunk++) {
		kfree(space->is_table.nt_chunk[chunk], nt_chunk_entries(chunk) * sizeof(struct ipc_entry));
	}
	if (space->is_hash != space->is_hash_first) {
		kfree(space->is_hash, (space->is_hash_mask + 1) * sizeof(uint32_t));
	}
	lck_spin_destroy(&space->is_lock);
	zfree(ipc_space_zone, space);
}

void
ipc_space_release(ipc_space_t space)
{
	/* acq_rel: all use of the space happens before its memory goes. */
	if (os_atomic_dec(&space->is_refs, acq_rel) == 0) {
		ipc_space_free(space);
	}
}

void
ipc_space_terminate(ipc_space_t space)
{
	uint32_t high;

	is_write_lock(space);
	space->is_active = false;
	high = space->is_table.nt_high;
	is_write_unlock(space);
	for (uint32_t index = 1; index < high; index++) {
		ipc_entry_t entry = nt_entry(&space->is_table, index);

		if (nt_rights(os_atomic_load(&entry->ie_word, relaxed)) != 0) {
			ipc_right_terminate(space, entry);
		}
	}
}

/* --- entries --- */

kern_return_t
ipc_entry_alloc(ipc_space_t space, ipc_entry_t *out)
{
	kern_return_t kr;

	while (space->is_active) {
		*out = nt_alloc(&space->is_table);
		if (*out != NULL) {
			return KERN_SUCCESS;
		}
		is_write_unlock(space);
		kr = ipc_space_grow(space);
		is_write_lock(space);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
	}
	return KERN_INVALID_TASK;
}

kern_return_t
ipc_entry_alloc_name(ipc_space_t space, mach_port_name_t name, ipc_entry_t *out)
{
	uint32_t index = name >> 8;
	kern_return_t kr;

	if ((name & 3) != 3) {
		return KERN_INVALID_VALUE;
	}
	if (index == 0) {
		return KERN_FAILURE;
	}
	if (index >= NT_NAMED_MAX) {
		return KERN_NO_SPACE;
	}
	while (space->is_active && index >= space->is_table.nt_size) {
		is_write_unlock(space);
		kr = ipc_space_grow(space);
		is_write_lock(space);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
	}
	if (!space->is_active) {
		return KERN_INVALID_TASK;
	}
	*out = nt_alloc_index(&space->is_table, index);
	if (*out == NULL) {
		return KERN_NAME_EXISTS;
	}
	os_atomic_store(&(*out)->ie_word, nt_gen_of_name(name), relaxed);
	return KERN_SUCCESS;
}

void
ipc_entry_dealloc(ipc_space_t space, ipc_entry_t entry)
{
	os_atomic_store(&entry->ie_word, nt_next_gen(entry->ie_word), relaxed); /* [N2] */
	nt_free(&space->is_table, entry);
}

bool
ipc_entry_reserve(thread_t self, ipc_space_t space)
{
	ipc_entry_t entry = NULL;

	if (self->ipc.ith_entry != NULL) {
		return true;
	}
	is_write_lock(space);
	if (ipc_entry_alloc(space, &entry) == KERN_SUCCESS) {
		self->ipc.ith_entry = entry;
	}
	is_write_unlock(space);
	return self->ipc.ith_entry != NULL;
}

void
ipc_entry_unreserve(thread_t self, ipc_space_t space)
{
	ipc_entry_t entry = self->ipc.ith_entry;

	if (entry != NULL) {
		self->ipc.ith_entry = NULL;
		is_write_lock(space);
		nt_free(&space->is_table, entry);
		is_write_unlock(space);
	}
}

void
ipc_entry_recycle(thread_t self, ipc_space_t space, ipc_entry_t entry)
{
	entry->ie_urefs = 0;
	if (self->ipc.ith_entry == NULL && self->task->ipc.space == space) {
		self->ipc.ith_entry = entry;
		return;
	}
	is_write_lock(space);
	nt_free(&space->is_table, entry);
	is_write_unlock(space);
}

/* --- reverse hash: port to the entry with a bare send right --- */

/* Buckets stop doubling here: the array must come from a zone, since it is allocated under the lock. */
#define IS_HASH_MAX 1024U

static uint32_t *
ipc_hash_bucket(uint32_t *heads, uint32_t mask, const void *port)
{
	/* Ports are 64-byte aligned elements; the multiplier spreads neighbours (2^32 / golden ratio). */
	return &heads[(uint32_t)((((uint64_t)(uintptr_t)port >> 6) * 0x9e3779b9U) >> 16) & mask];
}

static void
ipc_hash_grow(ipc_space_t space) REQUIRES(space->is_lock)
{
	uint32_t old_size = space->is_hash_mask + 1, size = old_size * 2;
	uint32_t *heads = kalloc_flags(size * sizeof(uint32_t), Z_NOWAIT | Z_ZERO);

	if (heads == NULL) {
		return; /* longer chains, nothing worse */
	}
	for (uint32_t i = 0; i < old_size; i++) {
		for (uint32_t index = space->is_hash[i], next; index != 0; index = next) {
			ipc_entry_t entry = nt_entry(&space->is_table, index);
			uint32_t *head = ipc_hash_bucket(heads, size - 1, nt_object(entry->ie_word));

			next = entry->ie_next;
			entry->ie_next = *head;
			*head = index;
		}
	}
	if (space->is_hash != space->is_hash_first) {
		kfree(space->is_hash, old_size * sizeof(uint32_t));
	}
	space->is_hash = heads;
	space->is_hash_mask = size - 1;
}

void
ipc_hash_insert(ipc_space_t space, ipc_entry_t entry)
{
	uint32_t *head;

	if (space->is_hash_used > space->is_hash_mask && space->is_hash_mask + 1 < IS_HASH_MAX) {
		ipc_hash_grow(space);
	}
	head = ipc_hash_bucket(space->is_hash, space->is_hash_mask, nt_object(entry->ie_word));
	entry->ie_next = *head;
	*head = entry->ie_index;
	space->is_hash_used++;
}

void
ipc_hash_remove(ipc_space_t space, ipc_entry_t entry)
{
	uint32_t *link = ipc_hash_bucket(space->is_hash, space->is_hash_mask, nt_object(entry->ie_word));

	while (*link != entry->ie_index) {
		assert(*link != 0);
		link = &nt_entry(&space->is_table, *link)->ie_next;
	}
	*link = entry->ie_next;
	entry->ie_next = 0;
	space->is_hash_used--;
}

ipc_entry_t
ipc_hash_lookup(ipc_space_t space, const void *port)
{
	uint32_t index = *ipc_hash_bucket(space->is_hash, space->is_hash_mask, port);
	ipc_entry_t entry;

	for (; index != 0; index = entry->ie_next) {
		entry = nt_entry(&space->is_table, index);
		if (nt_object(entry->ie_word) == port) {
			return entry;
		}
	}
	return NULL;
}

ipc_entry_t
ipc_entry_of_port(ipc_space_t space, ipc_port_t port)
{
	if (port->ip_receiver == space) {
		return nt_entry(&space->is_table, port->ip_receiver_name >> 8);
	}
	return ipc_hash_lookup(space, port);
}
