/*
 * Rights in a space; see right.h.
 *
 * Pattern: decide and change the entry under the space's lock (or by one compare-exchange), release what the
 * entry held after the lock is gone, since the last release of a right may send messages.
 */
#include <ipc/right.h>

#include <ipc/ipc_wait.h>
#include <ipc/notify.h>
#include <ipc/port.h>
#include <ipc/pset.h>
#include <ipc/reply_port.h>
#include <kern/assert.h>
#include <kern/exception.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <mach/notify.h>

/* Rights of one entry that outlive the lock. */
struct ipc_right_remains {
	ipc_port_t send;       /* send right to release */
	ipc_port_t sonce;      /* send-once right to release */
	ipc_port_t receive;    /* receive right to destroy */
	ipc_port_t moved;      /* port that left with its receive right: out of the space's sets */
	ipc_pset_t pset;       /* set to destroy */
	ipc_port_t deleted;    /* where to tell that the name was deleted */
	ipc_port_t dead;       /* where to tell that the name is dead */
	ipc_port_t possible;   /* where to tell that a send is possible */
	mach_port_name_t name; /* what it was called */
	uint32_t guard_flavor; /* kGUARD_EXC_*: the rule that the call broke, 0 none */
	uint64_t guard;        /* what it is */
};

static void
ipc_right_release_remains(struct ipc_right_remains *r)
{
	if (r->receive != IP_NULL) {
		ipc_port_destroy(r->receive);
	}
	if (os_unlikely(r->moved != IP_NULL)) {
		(void)ipc_pset_remove_from_all(r->moved);
	}
	ipc_port_release_send(r->send);
	ipc_port_release_sonce(r->sonce);
	if (r->pset != IPS_NULL) {
		ipc_pset_destroy(r->pset);
	}
	if (os_unlikely(r->deleted != IP_NULL)) {
		ipc_notify_port_deleted(r->deleted, r->name);
	}
	if (os_unlikely(r->dead != IP_NULL)) {
		ipc_notify_dead_name(r->dead, r->name);
	}
	if (os_unlikely(r->possible != IP_NULL)) {
		ipc_notify_send_possible(r->possible, r->name);
	}
	if (os_unlikely(r->guard_flavor != 0)) {
		exception_guard(r->name, r->guard_flavor, r->guard);
	}
}

/* A rule of a guarded port is broken: EXC_GUARD for a task that does it to itself. */
static void
ipc_right_break_guard(ipc_space_t space, ipc_port_t port, uint32_t flavor, struct ipc_right_remains *r)
{
	if (space->is_task == current_task()) {
		r->guard_flavor = flavor;
		r->guard = port->ip_context;
	}
}

/*
 * Control ports of the task itself, and of its threads that say so: their names belong to the library, which keeps a
 * reference, so the last one does not go while task or thread lives. Not so the rights that others have to them.
 */
static bool
ipc_right_is_own(ipc_space_t space, ipc_port_t port)
{
	bool own = false;

	lck_spin_lock(&port->ip_lock);
	if (port->ip_kobject != NULL && (port->ip_flags & IP_PINNED) && space->is_task != TASK_NULL) {
		own = port->ip_kotype == IKOT_THREAD_CONTROL
			  ? ((thread_t)port->ip_kobject)->task == space->is_task
			  : port->ip_kobject == space->is_task;
	}
	lck_spin_unlock(&port->ip_lock);
	return own;
}

/* Worth a closer look. The rest is out of line, and called last where it can be: other rights go without a detour. */
OS_INLINE bool
ipc_right_may_be_pinned(uint64_t word)
{
	return nt_rights(word) == NT_SEND && os_unlikely(((ipc_port_t)nt_object(word))->ip_flags & IP_PINNED);
}

/*
 * True, and EXC_GUARD, if the entry's last reference is about to go and must not. `how` is one of
 * MPG_FLAGS_MOD_REFS_PINNED_*.
 */
static OS_NOINLINE bool
ipc_right_keeps_last(ipc_space_t space, uint64_t word, uint64_t how, struct ipc_right_remains *r)
{
	if (!ipc_right_is_own(space, nt_object(word))) {
		return false;
	}
	if (space->is_task == current_task()) {
		r->guard_flavor = kGUARD_EXC_MOD_REFS;
		r->guard = how;
	}
	return true;
}

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

/* --- dead names and requests --- */

/* Takes the registered request off entry and port; the notification right is the caller's. */
static ipc_port_t
ipc_right_cancel_request(ipc_entry_t entry, uint64_t word)
{
	ipc_port_t port = nt_object(word), notify = IP_NULL;

	if (!(word & NT_REQUEST)) {
		return IP_NULL;
	}
	if (port != IP_NULL) {
		lck_spin_lock(&port->ip_lock);
		notify = entry->ie_request.ipr_soright;
		entry->ie_request.ipr_soright = IP_NULL;
		list_remove(&entry->ie_request.ipr_link);
		lck_spin_unlock(&port->ip_lock);
	}
	return notify;
}

/*
 * Turns an entry whose port has died into a dead name. Returns the word that now holds. The released right
 * is one of a dead port, so its release sends nothing and may happen under the lock.
 */
static uint64_t
ipc_right_check(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	ipc_port_t port = nt_object(word);
	uint64_t dead;

	if (!(nt_rights(word) & (NT_SEND | NT_SEND_ONCE)) || (nt_rights(word) & NT_RECEIVE) ||
	    ip_active(port)) {
		return word;
	}
	dead = nt_make(NULL, NT_DEAD_NAME, word);
	if (nt_rights(word) == NT_SEND) {
		ipc_hash_remove(space, entry);
		os_atomic_store(&entry->ie_word, dead, relaxed);               /* [N2] */
	} else if (!os_atomic_cmpxchg(&entry->ie_word, word, dead, relaxed)) { /* [N2], against a send */
		return os_atomic_load(&entry->ie_word, acquire);
	}
	if ((word & NT_REQUEST) && entry->ie_request.ipr_msgid != 0) {
		/* If the port's death has not told yet, we do; one more reference in any case. */
		r->dead = ipc_right_cancel_request(entry, word);
		entry->ie_urefs += entry->ie_urefs < MACH_PORT_UREFS_MAX;
	}
	if (nt_rights(word) == NT_SEND) {
		ipc_port_release_send(port);
	} else {
		ipc_port_discard_sonce(port);
	}
	return dead;
}

/* Look-up with the lock held, dead names made; NULL if the name is nothing. */
static ipc_entry_t
ipc_right_lookup(ipc_space_t space, mach_port_name_t name, uint64_t *word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock)
{
	ipc_entry_t entry = ipc_entry_lookup(space, name, word);

	r->name = name;
	if (entry != NULL) {
		*word = ipc_right_check(space, entry, *word, r);
	}
	return entry != NULL && nt_rights(*word) != 0 ? entry : NULL;
}

/* --- copyin --- */

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

/* A user reference of a send right or dead name goes; true when it was the last and the right is out. */
static bool
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

/* --- copyout --- */

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

static kern_return_t
ipc_right_copyout_send(ipc_space_t space, ipc_port_t port, mach_port_name_t *name)
{
	ipc_entry_t entry;
	kern_return_t kr = KERN_SUCCESS;
	bool had_send = false, had_receive;

	is_write_lock(space);
	entry = ipc_entry_of_port(space, port);
	if (entry == NULL) {
		kr = ipc_entry_alloc(space, &entry);
		/* The lock may have been dropped: look again before the new entry is used. */
		if (kr == KERN_SUCCESS && ipc_entry_of_port(space, port) != NULL) {
			nt_free(&space->is_table, entry);
			entry = ipc_entry_of_port(space, port);
		} else if (kr == KERN_SUCCESS) {
			*name = ipc_entry_set(entry, port, NT_SEND, 1);
			ipc_hash_insert(space, entry);
			is_write_unlock(space);
			return KERN_SUCCESS;
		}
	}
	if (kr != KERN_SUCCESS) {
		is_write_unlock(space);
		return kr;
	}
	had_receive = (nt_rights(entry->ie_word) & NT_RECEIVE) != 0;
	had_send = (nt_rights(entry->ie_word) & NT_SEND) != 0;
	*name = ipc_right_merge_send_locked(space, entry);
	is_write_unlock(space);
	assert(had_send || had_receive);
	(void)had_receive;
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

static void
ipc_port_set_receiver(ipc_port_t port, ipc_space_t space, mach_port_name_t name)
{
	lck_spin_lock(&port->ip_lock);
	port->ip_receiver = space;
	port->ip_receiver_name = name;
	lck_spin_unlock(&port->ip_lock);
}

static kern_return_t
ipc_right_copyout_receive(ipc_space_t space, ipc_port_t port, mach_port_name_t *name)
{
	ipc_entry_t entry;
	kern_return_t kr = KERN_SUCCESS;
	bool merged = false;

	ipc_port_end_transit(port);
	is_write_lock(space);
	entry = ipc_entry_of_port(space, port);
	if (entry == NULL) {
		kr = ipc_entry_alloc(space, &entry);
		if (kr == KERN_SUCCESS && ipc_entry_of_port(space, port) != NULL) {
			nt_free(&space->is_table, entry);
			entry = ipc_entry_of_port(space, port);
		} else if (kr == KERN_SUCCESS) {
			*name = ipc_entry_set(entry, port, NT_RECEIVE, 0);
			ipc_port_set_receiver(port, space, *name);
			is_write_unlock(space);
			return KERN_SUCCESS;
		}
	}
	if (kr == KERN_SUCCESS) {
		merged = true;
		ipc_hash_remove(space, entry);
		os_atomic_store(&entry->ie_word, entry->ie_word | NT_RECEIVE, release);
		*name = ipc_entry_name(entry);
		ipc_port_set_receiver(port, space, *name);
	}
	is_write_unlock(space);
	if (merged) {
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

/* --- giving rights up --- */

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
 * delta user references of a send right, one that is not pinned, or dead name. Counts peg at the top: only -MAX moves them
 * again.
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

/* --- questions --- */

/* A request that has fired leaves NT_REQUEST behind; the port's lock tells what there is. */
static mach_port_type_t
ipc_right_request_type(ipc_entry_t entry, uint64_t word)
{
	const struct ipc_request *request = &entry->ie_request;
	ipc_port_t port = nt_object(word);
	mach_port_type_t type = 0;

	if (!(word & NT_REQUEST)) {
		return 0;
	}
	lck_spin_lock(&port->ip_lock);
	if (request->ipr_soright != IP_NULL && request->ipr_msgid == MACH_NOTIFY_DEAD_NAME) {
		type = MACH_PORT_TYPE_DNREQUEST;
	} else if (request->ipr_soright != IP_NULL) {
		type = MACH_PORT_TYPE_SPREQUEST | (request->ipr_armed ? 0 : MACH_PORT_TYPE_SPREQUEST_DELAYED);
	}
	lck_spin_unlock(&port->ip_lock);
	return type;
}

kern_return_t
ipc_right_info(ipc_space_t space, mach_port_name_t name, mach_port_type_t *type, mach_port_urefs_t *urefs)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	is_write_lock(space);
	entry = ipc_right_lookup(space, name, &word, &r);
	if (entry != NULL) {
		*type = NT_TYPE(nt_rights(word)) | ipc_right_request_type(entry, word);
		*urefs = nt_rights(word) & (NT_SEND | NT_DEAD_NAME) ? entry->ie_urefs : 1;
		kr = KERN_SUCCESS;
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

kern_return_t
ipc_right_reference_receive(ipc_space_t space, mach_port_name_t name, ipc_port_t *out)
{
	kern_return_t kr = KERN_INVALID_NAME;
	uint64_t word = 0;

	smr_enter();
	if (nt_lookup(&space->is_table, name, &word) != NULL) {
		kr = (nt_rights(word) & NT_RECEIVE) && ip_try_reference(nt_object(word)) ? KERN_SUCCESS
											 : KERN_INVALID_RIGHT;
		*out = nt_object(word);
	}
	smr_leave();
	return kr;
}

kern_return_t
ipc_right_reference_pset(ipc_space_t space, mach_port_name_t name, ipc_pset_t *out)
{
	kern_return_t kr = KERN_INVALID_NAME;
	uint64_t word = 0;

	smr_enter();
	if (nt_lookup(&space->is_table, name, &word) != NULL) {
		kr = nt_rights(word) == NT_PORT_SET && ips_try_reference(nt_object(word))
			 ? KERN_SUCCESS
			 : KERN_INVALID_RIGHT;
		*out = nt_object(word);
	}
	smr_leave();
	return kr;
}

/* --- rename --- */

/* The request moves from one entry to another; a firing looks at its entry's name under the port's lock. */
static void
ipc_right_move_request(ipc_port_t port, ipc_entry_t from, ipc_entry_t to)
{
	lck_spin_lock(&port->ip_lock);
	if (from->ie_request.ipr_soright != IP_NULL) {
		to->ie_request.ipr_soright = from->ie_request.ipr_soright;
		to->ie_request.ipr_msgid = from->ie_request.ipr_msgid;
		to->ie_request.ipr_armed = from->ie_request.ipr_armed;
		from->ie_request.ipr_soright = IP_NULL;
		list_remove(&from->ie_request.ipr_link);
		list_push_back(&port->ip_requests, &to->ie_request.ipr_link);
		os_atomic_or(&to->ie_word, NT_REQUEST, relaxed);
	}
	lck_spin_unlock(&port->ip_lock);
}

/* The right leaves its entry. False: a send-once right that another thread has sent with. */
static bool
ipc_right_rename_leave(ipc_space_t space, ipc_entry_t from, uint64_t word) REQUIRES(space->is_lock)
{
	if (nt_rights(word) == NT_SEND_ONCE) {
		return os_atomic_cmpxchg(&from->ie_word, word, nt_next_gen(word), relaxed); /* [N2] */
	}
	if (nt_rights(word) == NT_SEND) {
		ipc_hash_remove(space, from);
	}
	return true;
}

static kern_return_t
ipc_right_rename_locked(ipc_space_t space, mach_port_name_t new_name, ipc_entry_t from, uint64_t word)
    REQUIRES(space->is_lock)
{
	void *object = nt_object(word);
	ipc_entry_t to;
	kern_return_t kr = ipc_entry_alloc_name(space, new_name, &to);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (from->ie_word != word || !ipc_right_rename_leave(space, from, word)) {
		nt_free(&space->is_table, to);
		return KERN_INVALID_NAME; /* changed while the table grew, or just now */
	}
	(void)ipc_entry_set(to, object, nt_rights(word), from->ie_urefs);
	if (word & NT_REQUEST) {
		ipc_right_move_request(object, from, to);
	}
	if (nt_rights(word) == NT_SEND_ONCE) {
		nt_free(&space->is_table, from); /* its word is a free one already */
	} else {
		ipc_entry_dealloc(space, from);
	}
	if (nt_rights(word) == NT_SEND) {
		ipc_hash_insert(space, to);
	} else if (nt_rights(word) & NT_RECEIVE) {
		ipc_port_set_receiver(object, space, new_name);
	}
	return KERN_SUCCESS;
}

kern_return_t
ipc_right_rename(ipc_space_t space, mach_port_name_t old_name, mach_port_name_t new_name)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr = KERN_INVALID_NAME;
	ipc_entry_t entry;
	uint64_t word;

	is_write_lock(space);
	entry = ipc_right_lookup(space, old_name, &word, &r);
	if (entry != NULL) {
		kr = ipc_right_rename_locked(space, new_name, entry, word);
	}
	is_write_unlock(space);
	ipc_right_release_remains(&r);
	return kr;
}

/* --- dead-name and send-possible requests --- */

/*
 * Registers, with the port's lock held; true if the request has its answer at once: a send is possible. The request
 * is then not registered.
 */
static bool
ipc_right_register_locked(ipc_port_t port, struct ipc_request *request, const struct ipc_right_request *want)
    REQUIRES(port->ip_lock)
{
	request->ipr_soright = want->notify;
	request->ipr_msgid = (uint32_t)want->msgid;
	request->ipr_armed = 0;
	if (want->notify == IP_NULL) {
		return false;
	}
	if (want->msgid == MACH_NOTIFY_SEND_POSSIBLE && want->immediate &&
	    !ipc_port_arm_locked(port, request)) {
		request->ipr_soright = IP_NULL;
		request->ipr_msgid = 0;
		return true;
	}
	list_push_back(&port->ip_requests, &request->ipr_link);
	return false;
}

static kern_return_t
ipc_right_request_locked(ipc_entry_t entry, uint64_t word, const struct ipc_right_request *want,
    ipc_port_t *previous, struct ipc_right_remains *r)
{
	uint64_t next = want->notify != IP_NULL ? word | NT_REQUEST : word & ~NT_REQUEST;
	ipc_port_t port = nt_object(word);
	kern_return_t kr = KERN_SUCCESS;

	lck_spin_lock(&port->ip_lock);
	/* A send-once right may be sent with at any moment, so even its flag is set by compare-exchange. */
	if (!ip_active(port) || !os_atomic_cmpxchg(&entry->ie_word, word, next, relaxed)) {
		kr = KERN_FAILURE; /* changed since the look-up */
	} else {
		*previous = word & NT_REQUEST ? entry->ie_request.ipr_soright : IP_NULL;
		list_remove(&entry->ie_request.ipr_link);
		if (ipc_right_register_locked(port, &entry->ie_request, want)) {
			r->possible = want->notify;
		}
	}
	lck_spin_unlock(&port->ip_lock);
	return kr;
}

kern_return_t
ipc_right_request(
    ipc_space_t space, mach_port_name_t name, const struct ipc_right_request *want, ipc_port_t *previous)
{
	struct ipc_right_remains r = { 0 };
	kern_return_t kr;
	ipc_entry_t entry;
	uint64_t word;

	*previous = IP_NULL;
	do {
		kr = KERN_INVALID_NAME;
		is_write_lock(space);
		entry = ipc_right_lookup(space, name, &word, &r);
		if (entry != NULL && (nt_rights(word) & (NT_SEND | NT_SEND_ONCE | NT_RECEIVE))) {
			kr = ipc_right_request_locked(entry, word, want, previous, &r);
		} else if (entry != NULL && nt_rights(word) == NT_DEAD_NAME && want->immediate &&
			   want->notify != IP_NULL) {
			entry->ie_urefs += entry->ie_urefs < MACH_PORT_UREFS_MAX;
			r.dead = want->notify;
			kr = KERN_SUCCESS;
		} else if (entry != NULL) {
			kr = nt_rights(word) == NT_DEAD_NAME ? KERN_INVALID_ARGUMENT : KERN_INVALID_RIGHT;
		}
		is_write_unlock(space);
	} while (kr == KERN_FAILURE);
	ipc_right_release_remains(&r);
	return kr;
}

bool
ipc_right_arm(ipc_space_t space, mach_port_name_t name)
{
	bool room = false;
	ipc_entry_t entry;
	uint64_t word = 0;

	is_write_lock(space);
	entry = nt_lookup(&space->is_table, name, &word);
	if (entry != NULL && (word & NT_REQUEST) && nt_object(word) != NULL) {
		struct ipc_request *request = &entry->ie_request;
		ipc_port_t port = nt_object(word);

		lck_spin_lock(&port->ip_lock);
		room = request->ipr_soright != IP_NULL && request->ipr_msgid == MACH_NOTIFY_SEND_POSSIBLE &&
		       ip_active(port) && !ipc_port_arm_locked(port, request);
		lck_spin_unlock(&port->ip_lock);
	}
	is_write_unlock(space);
	return room;
}
