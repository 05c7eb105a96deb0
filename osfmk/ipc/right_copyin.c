/*
 * Rights on their way out of a space; see right.h. Copying a send right, making one and moving a send-once right take no
 * lock: an SMR section, and one compare-exchange of the entry where it changes hands (name_table.h, [N2]).
 */
#include <ipc/right_internal.h>

#include <ipc/ipc_wait.h>
#include <ipc/port.h>
#include <ipc/reply_port.h>
#include <kern/smr.h>
#include <kern/thread.h>

mach_msg_type_name_t
ipc_object_copyin_type(mach_msg_type_name_t type)
{
	switch (type) {
	case MACH_MSG_TYPE_MOVE_RECEIVE:
		return MACH_MSG_TYPE_PORT_RECEIVE;
	case MACH_MSG_TYPE_MOVE_SEND:
	case MACH_MSG_TYPE_COPY_SEND:
	case MACH_MSG_TYPE_MAKE_SEND:
		return MACH_MSG_TYPE_PORT_SEND;
	case MACH_MSG_TYPE_MOVE_SEND_ONCE:
	case MACH_MSG_TYPE_MAKE_SEND_ONCE:
		return MACH_MSG_TYPE_PORT_SEND_ONCE;
	default:
		return 0;
	}
}

/* Send rights of an entry that holds one: counts one more, unless the entry's own has just gone. */
static bool
ipc_port_copy_send_live(ipc_port_t port)
{
	uint64_t rights = os_atomic_load(&port->ip_rights, relaxed);

	do {
		if ((rights & IP_SRIGHTS) == 0) {
			return false;
		}
	} while (!os_atomic_cmpxchgv(&port->ip_rights, rights, rights + IP_SRIGHT, &rights, relaxed));
	return true;
}

/*
 * Copies or makes a right without the lock. KERN_FAILURE: the entry wants a closer look with it. Inside an
 * SMR section, so the port that the word names is still that port.
 */
static kern_return_t
ipc_right_copyin_unlocked(uint64_t word, mach_msg_type_name_t type, ipc_port_t *out)
{
	ipc_port_t port = nt_object(word);

	switch (type) {
	case MACH_MSG_TYPE_COPY_SEND:
		if (!(nt_rights(word) & NT_SEND) || !ip_active(port) || !ip_try_reference(port)) {
			return KERN_FAILURE;
		}
		if (!ipc_port_copy_send_live(port)) {
			ip_release(port);
			return KERN_FAILURE;
		}
		break;
	case MACH_MSG_TYPE_MAKE_SEND:
		if (!(nt_rights(word) & NT_RECEIVE) || os_unlikely(port->ip_flags & IP_REPLY_PORT) ||
		    !ip_try_reference(port)) {
			return KERN_INVALID_RIGHT;
		}
		os_atomic_add(&port->ip_rights, IP_SRIGHT + IP_MSCOUNT, relaxed);
		break;
	case MACH_MSG_TYPE_MAKE_SEND_ONCE:
		if (!(nt_rights(word) & NT_RECEIVE) || !ip_try_reference(port)) {
			return KERN_INVALID_RIGHT;
		}
		if (os_unlikely(port->ip_flags & IP_REPLY_PORT)) {
			if (!ipc_reply_port_make_sonce(port)) {
				ip_release(port);
				return KERN_INVALID_RIGHT;
			}
			break;
		}
		os_atomic_add(&port->ip_refs, IP_SORIGHT, relaxed);
		break;
	default:
		return KERN_FAILURE;
	}
	*out = port;
	return KERN_SUCCESS;
}

/* MOVE_SEND_ONCE of a live, unobserved right: one compare-exchange decides who has it. */
static bool
ipc_right_move_sonce(ipc_space_t space, ipc_entry_t entry, uint64_t word, ipc_port_t *out)
{
	if (nt_rights(word) != NT_SEND_ONCE || (word & NT_REQUEST) || !ip_active(nt_object(word)) ||
	    !os_atomic_cmpxchg(&entry->ie_word, word, nt_next_gen(word), relaxed)) { /* [N2] */
		return false;
	}
	*out = nt_object(word);
	ipc_entry_recycle(current_thread(), space, entry);
	return true;
}

/* MOVE_SEND: the last reference gives the entry's right away, an earlier one a copy of it. */
static kern_return_t
ipc_right_move_send_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, ipc_port_t *out,
    struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	ipc_port_t port = nt_object(word);

	if (nt_rights(word) == NT_DEAD_NAME) {
		(void)ipc_right_drop_uref(space, entry, word, r);
		*out = IP_DEAD;
		return KERN_SUCCESS;
	}
	if (!(nt_rights(word) & NT_SEND)) {
		return KERN_INVALID_RIGHT;
	}
	if (entry->ie_urefs == 1 && ipc_right_may_be_pinned(word) &&
	    ipc_right_keeps_last(space, word, MPG_FLAGS_MOD_REFS_PINNED_COPYIN, r)) {
		return KERN_INVALID_CAPABILITY;
	}
	if (!ipc_right_drop_uref(space, entry, word, r)) {
		ip_reference(port);
		os_atomic_add(&port->ip_rights, IP_SRIGHT, relaxed);
	}
	*out = port;
	return KERN_SUCCESS;
}

static kern_return_t
ipc_right_move_sonce_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, ipc_port_t *out,
    struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	if (nt_rights(word) == NT_DEAD_NAME) {
		(void)ipc_right_drop_uref(space, entry, word, r);
		*out = IP_DEAD;
		return KERN_SUCCESS;
	}
	if (nt_rights(word) != NT_SEND_ONCE) {
		return KERN_INVALID_RIGHT;
	}
	r->deleted = ipc_right_cancel_request(entry, word);
	if (!os_atomic_cmpxchg(&entry->ie_word, word, nt_next_gen(word), relaxed)) { /* [N2] */
		return KERN_INVALID_NAME; /* another thread sent with it */
	}
	nt_free(&space->is_table, entry);
	*out = nt_object(word);
	return KERN_SUCCESS;
}

/* MOVE_RECEIVE: the port leaves the space; send references stay behind under the name. */
static kern_return_t
ipc_right_move_receive_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, ipc_port_t *out,
    struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	ipc_port_t port = nt_object(word);

	if (!(nt_rights(word) & NT_RECEIVE)) {
		return KERN_INVALID_RIGHT;
	}
	if (port->ip_flags & (IP_IMMOVABLE_RECEIVE | IP_GUARD_IMMOVABLE)) {
		ipc_right_break_guard(space, port, kGUARD_EXC_IMMOVABLE, r);
		return KERN_INVALID_CAPABILITY;
	}
	if (nt_rights(word) & NT_SEND) {
		ip_reference(port); /* the entry had one for both rights */
		os_atomic_store(&entry->ie_word, word & ~(uint64_t)NT_RECEIVE, release);
		ipc_hash_insert(space, entry);
	} else {
		r->deleted = ipc_right_cancel_request(entry, word);
		ipc_entry_dealloc(space, entry);
	}
	/* [Q6] entry first, then the waiting receivers. */
	lck_spin_lock(&port->ip_lock);
	port->ip_receiver = IS_NULL;
	port->ip_receiver_name = MACH_PORT_NULL;
	os_atomic_store(&port->ip_seqno, 0, relaxed);
	os_atomic_and(&port->ip_rights, IP_MSCOUNT - 1, relaxed); /* the make-send count restarts */
	ipc_port_evict_locked(port);
	lck_spin_unlock(&port->ip_lock);
	r->moved = mq_in_set(&port->ip_mqueue) ? port : IP_NULL; /* nobody can add it any more */
	*out = port;
	return KERN_SUCCESS;
}

static kern_return_t
ipc_right_copyin_locked(ipc_space_t space, ipc_entry_t entry, uint64_t word, mach_msg_type_name_t type,
    ipc_port_t *out, struct ipc_right_remains *r) REQUIRES(space->is_lock)
{
	switch (type) {
	case MACH_MSG_TYPE_MOVE_SEND:
		return ipc_right_move_send_locked(space, entry, word, out, r);
	case MACH_MSG_TYPE_MOVE_SEND_ONCE:
		return ipc_right_move_sonce_locked(space, entry, word, out, r);
	case MACH_MSG_TYPE_MOVE_RECEIVE:
		return ipc_right_move_receive_locked(space, entry, word, out, r);
	case MACH_MSG_TYPE_COPY_SEND:
		if (nt_rights(word) == NT_DEAD_NAME) {
			*out = IP_DEAD;
			return KERN_SUCCESS;
		}
		if (!(nt_rights(word) & NT_SEND)) {
			return KERN_INVALID_RIGHT;
		}
		*out = nt_object(word);
		ip_reference(*out);
		os_atomic_add(&(*out)->ip_rights, IP_SRIGHT, relaxed);
		return KERN_SUCCESS;
	default:
		return ipc_right_copyin_unlocked(word, type, out);
	}
}

static OS_NOINLINE kern_return_t
ipc_right_copyin_slow(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, bool dead_ok, ipc_port_t *out)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word = 0;

	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL && !dead_ok && nt_rights(word) == NT_DEAD_NAME) {
		kr = KERN_INVALID_RIGHT;
	} else if (entry != NULL) {
		kr = ipc_right_copyin_locked(space, entry, word, type, out, &r);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

static kern_return_t
ipc_right_copyin_common(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, bool dead_ok, ipc_port_t *out)
{
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word = 0;

	smr_enter();
	entry = nt_lookup(&space->is_table, name, &word);
	if (os_likely(entry != NULL)) {
		kr = ipc_right_copyin_unlocked(word, type, out);
		if (kr == KERN_FAILURE && type == MACH_MSG_TYPE_MOVE_SEND_ONCE &&
		    ipc_right_move_sonce(space, entry, word, out)) {
			kr = KERN_SUCCESS;
		}
	}
	smr_leave();
	return os_likely(kr != KERN_FAILURE) ? kr : ipc_right_copyin_slow(space, name, type, dead_ok, out);
}

kern_return_t
ipc_right_copyin(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port)
{
	return ipc_right_copyin_common(space, name, type, true, port);
}

kern_return_t
ipc_right_copyin_live(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type, ipc_port_t *port)
{
	return ipc_right_copyin_common(space, name, type, false, port);
}

bool
ipc_right_copyin_possible(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t type,
    mach_port_name_t other, mach_msg_type_name_t other_type)
{
	uint64_t word = 0;
	ipc_entry_t entry = nt_lookup(&space->is_table, name, &word); /* the word alone: no SMR section */
	unsigned rights = entry == NULL ? 0 : nt_rights(word);

	switch (type) {
	case MACH_MSG_TYPE_MAKE_SEND:
	case MACH_MSG_TYPE_MAKE_SEND_ONCE:
		return (rights & NT_RECEIVE) != 0;
	case MACH_MSG_TYPE_COPY_SEND:
		/* Moving the only reference away first would leave nothing to copy. */
		return (rights & (NT_SEND | NT_DEAD_NAME)) != 0 &&
		       !(name == other && other_type == MACH_MSG_TYPE_MOVE_SEND && entry->ie_urefs < 2);
	case MACH_MSG_TYPE_MOVE_SEND:
		return (rights & (NT_SEND | NT_DEAD_NAME)) != 0 &&
		       !(name == other && other_type == MACH_MSG_TYPE_MOVE_SEND && entry->ie_urefs < 2);
	case MACH_MSG_TYPE_MOVE_SEND_ONCE:
		return (rights & (NT_SEND_ONCE | NT_DEAD_NAME)) != 0 && name != other;
	default:
		return false;
	}
}
