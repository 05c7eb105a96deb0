/*
 * Rights in a space: looking at them, dead names, renaming; see right.h, and right_internal.h for
 * the files beside this one.
 */
#include <ipc/right_internal.h>

#include <ipc/notify.h>
#include <ipc/port.h>
#include <ipc/pset.h>
#include <kern/exception.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>

void
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

void
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

bool
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

uint64_t
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

ipc_entry_t
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

void
ipc_port_set_receiver(ipc_port_t port, ipc_space_t space, mach_port_name_t name)
{
	lck_spin_lock(&port->ip_lock);
	port->ip_receiver = space;
	port->ip_receiver_name = name;
	lck_spin_unlock(&port->ip_lock);
}

/* --- questions --- */

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
