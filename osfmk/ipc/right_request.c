/*
 * Dead-name and send-possible requests: at most one a name, on its port's list, under the port's lock; see right.h.
 */
#include <ipc/right_internal.h>

#include <ipc/port.h>
#include <mach/notify.h>

ipc_port_t
ipc_right_cancel_registered(ipc_entry_t entry, uint64_t word)
{
	ipc_port_t port = nt_object(word), notify = IP_NULL;

	if (port != IP_NULL) {
		lck_spin_lock(&port->ip_lock);
		notify = entry->ie_request.ipr_soright;
		entry->ie_request.ipr_soright = IP_NULL;
		list_remove(&entry->ie_request.ipr_link);
		lck_spin_unlock(&port->ip_lock);
	}
	return notify;
}

mach_port_type_t
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

void
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
