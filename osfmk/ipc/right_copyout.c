/*
 * Rights on their way into a space, and names for new objects; see right.h. A space has one name for a port's send and
 * receive rights, whose entry holds one reference for both; each send-once right has a name of its own.
 */
#include <ipc/right_internal.h>

#include <ipc/port.h>
#include <ipc/pset.h>
#include <kern/assert.h>
#include <kern/task.h>
#include <kern/thread.h>

/* A send right for a space that has the port under a name already: one more user reference. */
static mach_port_name_t
ipc_right_merge_send_locked(ipc_space_t space, ipc_entry_t entry) REQUIRES(space->is_lock)
{
	uint64_t word = entry->ie_word;

	if (nt_rights(word) & NT_SEND) {
		if (entry->ie_urefs < MACH_PORT_UREFS_MAX) {
			entry->ie_urefs++;
		}
	} else {
		entry->ie_urefs = 1;
		os_atomic_store(&entry->ie_word, word | NT_SEND, release);
	}
	return ipc_entry_name(entry);
}

/*
 * The entry that the space has for the port, or one made for it, which says nothing yet. Making one may drop the lock
 * for a while: what has come by then is used.
 */
static kern_return_t
ipc_right_entry_for(ipc_space_t space, ipc_port_t port, ipc_entry_t *entry, bool *made)
    REQUIRES(space->is_lock)
{
	ipc_entry_t fresh;
	kern_return_t kr;

	*made = false;
	*entry = ipc_entry_of_port(space, port);
	if (*entry != NULL) {
		return KERN_SUCCESS;
	}
	kr = ipc_entry_alloc(space, &fresh);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	*entry = ipc_entry_of_port(space, port);
	if (*entry != NULL) {
		nt_free(&space->is_table, fresh);
	} else {
		*entry = fresh;
		*made = true;
	}
	return KERN_SUCCESS;
}

static kern_return_t
ipc_right_copyout_send(ipc_space_t space, ipc_port_t port, mach_port_name_t *name)
{
	bool made, had_send = false;
	ipc_entry_t entry;
	kern_return_t kr;

	is_write_lock(space);
	kr = ipc_right_entry_for(space, port, &entry, &made);
	if (kr == KERN_SUCCESS && made) {
		*name = ipc_entry_set(entry, port, NT_SEND, 1);
		ipc_hash_insert(space, entry);
	} else if (kr == KERN_SUCCESS) {
		assert(nt_rights(entry->ie_word) & (NT_SEND | NT_RECEIVE));
		had_send = (nt_rights(entry->ie_word) & NT_SEND) != 0;
		*name = ipc_right_merge_send_locked(space, entry);
	}
	is_write_unlock(space);
	if (kr != KERN_SUCCESS || made) {
		return kr;
	}
	/* The entry holds one reference, and one send right if it names any: what is too much goes. */
	if (had_send) {
		ipc_port_release_send(port);
	} else {
		ip_release(port);
	}
	return KERN_SUCCESS;
}

/*
 * The slot is read with the lock held. If the port it names has gone, its memory may be another port by now, but one
 * that came into this space before we took the lock: then we would have read IP_DEAD. So the entry is the port's, and
 * its reference keeps the port.
 */
mach_port_name_t
ipc_right_copyout_known(ipc_space_t space, const ipc_port_t *slot)
{
	mach_port_name_t name = MACH_PORT_NULL;
	ipc_entry_t entry;
	ipc_port_t port;

	is_write_lock(space);
	port = os_atomic_load(slot, relaxed);
	entry = IP_VALID(port) ? ipc_hash_lookup(space, port) : NULL;
	if (entry != NULL && os_likely(ip_active(port))) {
		os_atomic_add(&port->ip_rights, IP_MSCOUNT, relaxed); /* the entry has its send right */
		name = ipc_right_merge_send_locked(space, entry);
	}
	is_write_unlock(space);
	return name;
}

static kern_return_t
ipc_right_copyout_sonce(ipc_space_t space, ipc_port_t port, mach_port_name_t *name)
{
	thread_t self = current_thread();
	ipc_entry_t entry = self->ipc.ith_entry;
	kern_return_t kr = KERN_SUCCESS;

	if (entry != NULL && self->task->ipc.space == space && space->is_active) {
		self->ipc.ith_entry = NULL;
		*name = ipc_entry_set(entry, port, NT_SEND_ONCE, 1);
		return KERN_SUCCESS;
	}
	is_write_lock(space);
	kr = ipc_entry_alloc(space, &entry);
	if (kr == KERN_SUCCESS) {
		*name = ipc_entry_set(entry, port, NT_SEND_ONCE, 1);
	}
	is_write_unlock(space);
	return kr;
}

static kern_return_t
ipc_right_copyout_receive(ipc_space_t space, ipc_port_t port, mach_port_name_t *name)
{
	ipc_entry_t entry;
	kern_return_t kr;
	bool made;

	ipc_port_end_transit(port);
	is_write_lock(space);
	kr = ipc_right_entry_for(space, port, &entry, &made);
	if (kr == KERN_SUCCESS && made) {
		*name = ipc_entry_set(entry, port, NT_RECEIVE, 0);
		ipc_port_set_receiver(port, space, *name);
	} else if (kr == KERN_SUCCESS) {
		ipc_hash_remove(space, entry);
		os_atomic_store(&entry->ie_word, entry->ie_word | NT_RECEIVE, release);
		*name = ipc_entry_name(entry);
		ipc_port_set_receiver(port, space, *name);
	}
	is_write_unlock(space);
	if (kr == KERN_SUCCESS && !made) {
		ip_release(port); /* one reference for both rights */
	}
	return kr;
}

kern_return_t
ipc_right_copyout(ipc_space_t space, ipc_port_t port, mach_msg_type_name_t type, mach_port_name_t *name)
{
	if (type != MACH_MSG_TYPE_PORT_RECEIVE && os_unlikely(!ip_active(port))) {
		ipc_right_destroy_naked(port, type);
		*name = MACH_PORT_DEAD;
		return KERN_SUCCESS;
	}
	switch (type) {
	case MACH_MSG_TYPE_PORT_SEND:
		return ipc_right_copyout_send(space, port, name);
	case MACH_MSG_TYPE_PORT_SEND_ONCE:
		return ipc_right_copyout_sonce(space, port, name);
	case MACH_MSG_TYPE_PORT_RECEIVE:
		return ipc_right_copyout_receive(space, port, name);
	default:
		return KERN_INVALID_VALUE;
	}
}

kern_return_t
ipc_right_copyout_name(ipc_space_t space, mach_port_name_t name, ipc_port_t port, mach_msg_type_name_t type)
{
	unsigned rights = type == MACH_MSG_TYPE_PORT_SEND        ? NT_SEND
			  : type == MACH_MSG_TYPE_PORT_SEND_ONCE ? NT_SEND_ONCE
								 : NT_RECEIVE;
	struct ipc_right_remains r = { 0 };
	ipc_entry_t entry, known;
	kern_return_t kr = KERN_SUCCESS;
	uint64_t word;

	if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
		ipc_port_end_transit(port);
	}
	is_write_lock(space);
	known = type == MACH_MSG_TYPE_PORT_SEND_ONCE ? NULL : ipc_entry_of_port(space, port);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (known != NULL && known == entry) {
		is_write_unlock(space);
		ipc_right_release_remains(&r);
		return ipc_right_copyout(space, port, type, &name);
	}
	if (known != NULL) {
		kr = KERN_RIGHT_EXISTS;
	} else if (entry != NULL) {
		kr = KERN_NAME_EXISTS;
	} else {
		kr = ipc_entry_alloc_name(space, name, &entry);
	}
	if (kr == KERN_SUCCESS && type != MACH_MSG_TYPE_PORT_SEND_ONCE &&
	    ipc_entry_of_port(space, port) != NULL) {
		nt_free(&space->is_table, entry);
		kr = KERN_RIGHT_EXISTS;
	}
	if (kr == KERN_SUCCESS) {
		(void)ipc_entry_set(entry, port, rights, rights == NT_RECEIVE ? 0 : 1);
		if (rights == NT_SEND) {
			ipc_hash_insert(space, entry);
		} else if (rights == NT_RECEIVE) {
			ipc_port_set_receiver(port, space, name);
		}
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

/*
 * Making a send right where the receive right is: the commonest insertion. The entry holds one reference for
 * both rights and one send right for all its user references, so nothing passes through the caller's hands.
 */
bool
ipc_right_make_send_in_place(ipc_space_t space, mach_port_name_t name)
{
	ipc_entry_t entry;
	ipc_port_t port;
	uint64_t word = 0;

	is_write_lock(space);
	entry = nt_lookup(&space->is_table, name, &word);
	if (entry == NULL || !(nt_rights(word) & NT_RECEIVE)) {
		is_write_unlock(space);
		return false;
	}
	port = nt_object_nonnull(word);
	if (os_unlikely(port->ip_flags & IP_REPLY_PORT)) {
		is_write_unlock(space);
		return false;
	}
	os_atomic_add(
	    &port->ip_rights, nt_rights(word) & NT_SEND ? IP_MSCOUNT : IP_SRIGHT + IP_MSCOUNT, relaxed);
	(void)ipc_right_merge_send_locked(space, entry);
	is_write_unlock(space);
	return true;
}

/* --- new objects --- */

static kern_return_t
ipc_right_alloc_entry(ipc_space_t space, mach_port_name_t name, ipc_entry_t *entry) REQUIRES(space->is_lock)
{
	return name == MACH_PORT_NULL ? ipc_entry_alloc(space, entry)
				      : ipc_entry_alloc_name(space, name, entry);
}

kern_return_t
ipc_right_alloc_port(
    ipc_space_t space, mach_port_name_t *name, uint32_t flags, bool make_send, ipc_port_t *out)
{
	ipc_port_t port = ipc_port_alloc();
	ipc_entry_t entry;
	kern_return_t kr;

	if (port == IP_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	port->ip_flags = flags;
	if (os_unlikely(flags & IP_ENFORCE_REPLY)) {
		port->ip_mqueue.mq_word = MQ_NOTIFY;
	}
	port->ip_receiver = space;
	if (make_send) {
		port->ip_rights = IP_SRIGHT + IP_MSCOUNT;
	}
	is_write_lock(space);
	kr = ipc_right_alloc_entry(space, *name, &entry);
	if (kr == KERN_SUCCESS) {
		port->ip_receiver_name = nt_name(entry->ie_index, entry->ie_word);
		*name = ipc_entry_set(
		    entry, port, make_send ? NT_RECEIVE | NT_SEND : NT_RECEIVE, make_send ? 1 : 0);
		if (out != NULL) {
			*out = port; /* the entry's reference: only for use before the name is known */
		}
	}
	is_write_unlock(space);
	if (kr != KERN_SUCCESS) {
		port->ip_receiver = IS_NULL;
		port->ip_rights = 0;
		ip_release(port);
	}
	return kr;
}

kern_return_t
ipc_right_alloc_pset(ipc_space_t space, mach_port_name_t *name)
{
	ipc_pset_t pset = ipc_pset_alloc();
	ipc_entry_t entry;
	kern_return_t kr;

	if (pset == IPS_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	is_write_lock(space);
	kr = ipc_right_alloc_entry(space, *name, &entry);
	if (kr == KERN_SUCCESS) {
		*name = ipc_entry_set(entry, pset, NT_PORT_SET, 0);
	}
	is_write_unlock(space);
	if (kr != KERN_SUCCESS) {
		ips_release(pset);
	}
	return kr;
}

kern_return_t
ipc_right_alloc_dead(ipc_space_t space, mach_port_name_t *name)
{
	ipc_entry_t entry;
	kern_return_t kr;

	is_write_lock(space);
	kr = ipc_right_alloc_entry(space, *name, &entry);
	if (kr == KERN_SUCCESS) {
		*name = ipc_entry_set(entry, NULL, NT_DEAD_NAME, 1);
	}
	is_write_unlock(space);
	return kr;
}
