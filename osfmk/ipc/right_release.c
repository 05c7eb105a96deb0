/*
 * Rights that a task gives up: user references, deallocate, destroy, destruct, and the end of a space; see right.h.
 */
#include <ipc/right_internal.h>

#include <ipc/port.h>
#include <ipc/pset.h>

bool
ipc_right_drop_uref(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	if (entry->ie_urefs == MACH_PORT_UREFS_MAX || entry->ie_urefs > 1) {
		entry->ie_urefs -= entry->ie_urefs != MACH_PORT_UREFS_MAX; /* pegged counts stay */
		return false;
	}
	entry->ie_urefs = 0;
	r->deleted = ipc_right_cancel_request(entry, word);
	if (nt_rights(word) == (NT_SEND | NT_RECEIVE)) {
		ip_reference(nt_object(word)); /* the entry keeps its own for the receive right */
		os_atomic_store(&entry->ie_word, word & ~(NT_SEND | NT_REQUEST), release);
		return true;
	}
	if (nt_rights(word) == NT_SEND) {
		ipc_hash_remove(space, entry);
	}
	ipc_entry_dealloc(space, entry);
	return true;
}

/* The send half of an entry goes altogether. */
static void
ipc_right_drop_send_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	ipc_port_t port = nt_object(word);

	r->deleted = ipc_right_cancel_request(entry, word);
	r->send = port;
	entry->ie_urefs = 0;
	if (nt_rights(word) & NT_RECEIVE) {
		ip_reference(port); /* the entry keeps its own */
		os_atomic_store(&entry->ie_word, word & ~(uint64_t)NT_SEND & ~NT_REQUEST, release);
	} else {
		ipc_hash_remove(space, entry);
		ipc_entry_dealloc(space, entry);
	}
}

/* The port loses its receiver. True if a port-destroyed request keeps it alive: it will move to another task. */
static bool
ipc_right_take_receiver(ipc_port_t port)
{
	bool moves;

	lck_spin_lock(&port->ip_lock);
	port->ip_receiver = IS_NULL;
	port->ip_receiver_name = MACH_PORT_NULL;
	moves = port->ip_pdrequest != IP_NULL; /* nobody without the receive right can change it */
	lck_spin_unlock(&port->ip_lock);
	return moves;
}

/* The receive half goes; send references stay with a port that moves, or become references of a dead name. */
static void
ipc_right_drop_receive_locked(
    ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	bool moves = ipc_right_take_receiver(nt_object(word));

	r->receive = nt_object(word);
	if (!(nt_rights(word) & NT_SEND)) {
		if (word & NT_REQUEST) {
			r->deleted = ipc_right_cancel_request(entry, word);
		}
		ipc_entry_dealloc(space, entry);
		return;
	}
	ip_reference(r->receive); /* the entry had one for both rights */
	if (moves) {
		os_atomic_store(&entry->ie_word, word & ~(uint64_t)NT_RECEIVE, release);
		ipc_hash_insert(space, entry);
		return;
	}
	r->dead = ipc_right_cancel_request(entry, word);
	if (r->dead != IP_NULL) {
		entry->ie_urefs += entry->ie_urefs < MACH_PORT_UREFS_MAX;
	}
	r->send = r->receive;
	os_atomic_store(&entry->ie_word, nt_make(NULL, NT_DEAD_NAME, word), relaxed); /* [N2] */
}

/* All rights of an entry go. */
static void
ipc_right_drop_all_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	void *object = nt_object(word);

	switch (nt_rights(word)) {
	case NT_SEND:
		ipc_right_drop_send_locked(space, entry, word, r);
		return;
	case NT_RECEIVE | NT_SEND:
		ipc_right_drop_send_locked(space, entry, word, r);
		ipc_right_drop_receive_locked(space, entry, entry->ie_word, r);
		return;
	case NT_RECEIVE:
		ipc_right_drop_receive_locked(space, entry, word, r);
		return;
	case NT_SEND_ONCE:
		r->deleted = ipc_right_cancel_request(entry, word);
		if (!os_atomic_cmpxchg(&entry->ie_word, word, nt_next_gen(word), relaxed)) { /* [N2] */
			return; /* being sent with: that thread recycles the entry */
		}
		r->sonce = object;
		nt_free(&space->is_table, entry);
		return;
	case NT_PORT_SET:
		r->pset = object;
		break;
	default:
		break;
	}
	ipc_entry_dealloc(space, entry);
}

/* The last reference of a send right that may be pinned. */
static OS_NOINLINE kern_return_t
ipc_right_drop_last_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	if (ipc_right_keeps_last(space, word, MPG_FLAGS_MOD_REFS_PINNED_DEALLOC, r)) {
		return KERN_INVALID_CAPABILITY;
	}
	ipc_right_drop_send_locked(space, entry, word, r);
	return KERN_SUCCESS;
}

/* Guarded receive rights do not go by accident. */
static bool
ipc_right_is_guarded(uint64_t word)
{
	return (nt_rights(word) & NT_RECEIVE) && (((ipc_port_t)nt_object(word))->ip_flags & IP_GUARDED);
}

static kern_return_t
ipc_right_destroy_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	if (ipc_right_is_guarded(word)) {
		ipc_right_break_guard(space, nt_object(word), kGUARD_EXC_DESTROY, r);
		return KERN_INVALID_RIGHT;
	}
	if (ipc_right_may_be_pinned(word) &&
	    ipc_right_keeps_last(space, word, MPG_FLAGS_MOD_REFS_PINNED_DESTROY, r)) {
		return KERN_INVALID_CAPABILITY;
	}
	ipc_right_drop_all_locked(space, entry, word, r);
	return KERN_SUCCESS;
}

kern_return_t
ipc_right_destroy(ipc_space_t space, mach_port_name_t name)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL) {
		kr = ipc_right_destroy_locked(space, entry, word, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

/* mach_port_deallocate: one user reference of whatever has them. */
static kern_return_t
ipc_right_deallocate_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	switch (nt_rights(word)) {
	case NT_SEND:
	case NT_SEND | NT_RECEIVE:
		if (entry->ie_urefs == 1 && ipc_right_may_be_pinned(word)) {
			return ipc_right_drop_last_locked(space, entry, word, r);
		}
		if (ipc_right_drop_uref(space, entry, word, r)) {
			r->send = nt_object(word);
		}
		return KERN_SUCCESS;
	case NT_DEAD_NAME:
		(void)ipc_right_drop_uref(space, entry, word, r);
		return KERN_SUCCESS;
	case NT_SEND_ONCE:
		ipc_right_drop_all_locked(space, entry, word, r);
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_RIGHT;
	}
}

kern_return_t
ipc_right_deallocate(ipc_space_t space, mach_port_name_t name)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL) {
		kr = ipc_right_deallocate_locked(space, entry, word, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

/*
 * delta user references of a send right, one that is not pinned, or dead name. Counts peg at the top:
 * only -MAX moves them again.
 */
static kern_return_t
ipc_right_delta_urefs_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, mach_port_delta_t delta,
    struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	int64_t urefs = entry->ie_urefs;

	if (delta == INT32_MIN || urefs + delta < 0) {
		return KERN_INVALID_VALUE;
	}
	if (urefs == MACH_PORT_UREFS_MAX && delta != -MACH_PORT_UREFS_MAX) {
		return KERN_SUCCESS;
	}
	urefs = os_min(urefs + delta, (int64_t)MACH_PORT_UREFS_MAX);
	if (urefs != 0) {
		entry->ie_urefs = (uint32_t)urefs;
	} else if (nt_rights(word) & NT_SEND) {
		ipc_right_drop_send_locked(space, entry, word, r);
	} else {
		ipc_right_drop_all_locked(space, entry, word, r);
	}
	return KERN_SUCCESS;
}

/* Rights that are there once: delta -1 ends them, 0 is a test. */
static kern_return_t
ipc_right_delta_single(mach_port_delta_t delta, bool *drop)
{
	*drop = delta == -1;
	return delta == 0 || delta == -1 ? KERN_SUCCESS : KERN_INVALID_VALUE;
}

static kern_return_t
ipc_right_delta_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, mach_port_right_t right,
    mach_port_delta_t delta, struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	/* By MACH_PORT_RIGHT_*. */
	static const uint8_t needed[] = { NT_SEND, NT_RECEIVE, NT_SEND_ONCE, NT_PORT_SET, NT_DEAD_NAME };
	kern_return_t kr;
	bool drop;

	if (!(nt_rights(word) & needed[right])) {
		return KERN_INVALID_RIGHT;
	}
	if (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME) {
		if (entry->ie_urefs == -(uint32_t)delta && ipc_right_may_be_pinned(word)) {
			return ipc_right_drop_last_locked(space, entry, word, r);
		}
		return ipc_right_delta_urefs_locked(space, entry, word, delta, r);
	}
	kr = ipc_right_delta_single(delta, &drop);
	if (kr != KERN_SUCCESS || !drop) {
		return kr;
	}
	if (right == MACH_PORT_RIGHT_RECEIVE) {
		if (ipc_right_is_guarded(word)) {
			ipc_right_break_guard(space, nt_object(word), kGUARD_EXC_MOD_REFS, r);
			return KERN_INVALID_RIGHT;
		}
		ipc_right_drop_receive_locked(space, entry, word, r);
	} else {
		ipc_right_drop_all_locked(space, entry, word, r);
	}
	return KERN_SUCCESS;
}

kern_return_t
ipc_right_delta(ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	if (right > MACH_PORT_RIGHT_DEAD_NAME) {
		return KERN_INVALID_VALUE;
	}
	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL) {
		kr = ipc_right_delta_locked(space, entry, word, right, delta, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

static kern_return_t
ipc_right_destruct_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, mach_port_delta_t srdelta,
    uint64_t guard, struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	ipc_port_t port = nt_object(word);
	kern_return_t kr;

	if (!(nt_rights(word) & NT_RECEIVE)) {
		return KERN_INVALID_RIGHT;
	}
	if ((port->ip_flags & IP_GUARDED) && port->ip_context != guard) {
		ipc_right_break_guard(space, port, kGUARD_EXC_INCORRECT_GUARD, r);
		return KERN_INVALID_ARGUMENT;
	}
	if (srdelta > 0 || (srdelta != 0 && !(nt_rights(word) & NT_SEND))) {
		return srdelta > 0 ? KERN_INVALID_VALUE : KERN_INVALID_RIGHT;
	}
	if (srdelta != 0) {
		kr = ipc_right_delta_urefs_locked(space, entry, word, srdelta, r);
		if (kr != KERN_SUCCESS) {
			return kr;
		}
		word = entry->ie_word;
	}
	ipc_right_drop_receive_locked(space, entry, word, r);
	return KERN_SUCCESS;
}

kern_return_t
ipc_right_destruct(ipc_space_t space, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL) {
		kr = ipc_right_destruct_locked(space, entry, word, srdelta, guard, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

void
ipc_right_forget(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, uint64_t guard)
{
	if (!MACH_PORT_VALID(name)) {
		return;
	}
	if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
		(void)ipc_right_destruct(space, name, 0, guard);
	} else {
		(void)ipc_right_deallocate(space, name);
	}
}

void
ipc_right_terminate(ipc_space_t space, ipc_entry_t entry)
{
	struct ipc_right_remains r = { 0 };
	uint64_t word;

	is_write_lock(space);
	word = ipc_right_check(space, entry, os_atomic_load(&entry->ie_word, acquire), &r);
	r.name = nt_name(entry->ie_index, word);
	if (nt_rights(word) != 0) {
		ipc_right_drop_all_locked(space, entry, word, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
}
