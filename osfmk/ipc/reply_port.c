/*
 * The rules of reply ports; see reply_port.h.
 *
 * Locks: the port's, for NOTIFY. Rights are counted in ip_refs, by compare-exchange against the fast path.
 */
#include <ipc/reply_port.h>

#include <kern/exception.h>
#include <kern/smr.h>

bool
ipc_reply_port_is_one(ipc_port_t port)
{
	return !IP_VALID(port) || !ip_active(port) ||
	       (port->ip_flags & (IP_REPLY_PORT | IP_PROVISIONAL_REPLY)) != 0;
}

/* What kGUARD_EXC_STRICT_REPLY is to tell of the reply right that `word` gives; 0: nothing is wrong. */
static uint64_t
reply_port_wrong(uint64_t word, mach_msg_type_name_t disposition, uint32_t option)
{
	ipc_port_t port = nt_object(word);

	if ((option & MACH_MSG_STRICT_REPLY) && disposition != MACH_MSG_TYPE_MAKE_SEND_ONCE) {
		return MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_DISP | disposition;
	}
	if (!ipc_reply_port_is_one(port)) {
		return MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_PORT;
	}
	if ((option & MACH_MSG_STRICT_REPLY) && IP_VALID(port) &&
	    (ip_srights(port) != 0 || ip_sorights(port) != 0)) {
		return MPG_FLAGS_STRICT_REPLY_INVALID_REPLY_PORT;
	}
	return 0;
}

bool
ipc_reply_port_obeys(
    ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t disposition, uint32_t option)
{
	uint64_t word = 0, wrong = 0;

	smr_enter();
	if (nt_lookup(&space->is_table, name, &word) != NULL) {
		wrong = reply_port_wrong(word, disposition, option);
	}
	smr_leave();
	if (wrong != 0) {
		exception_guard(name, kGUARD_EXC_STRICT_REPLY, wrong);
	}
	return wrong == 0;
}

bool
ipc_reply_port_make_sonce(ipc_port_t port)
{
	uint64_t refs;
	bool made = false;

	lck_spin_lock(&port->ip_lock);
	refs = os_atomic_load(&port->ip_refs, relaxed);
	while (refs < IP_SORIGHT && !made) {
		made = os_atomic_cmpxchgv(&port->ip_refs, refs, refs + IP_SORIGHT, &refs, relaxed);
	}
	if (made && ip_active(port)) {
		mq_set_flag_locked(&port->ip_mqueue, MQ_NOTIFY);
	}
	lck_spin_unlock(&port->ip_lock);
	return made;
}

void
ipc_reply_port_awaited_locked(ipc_port_t port)
{
	bool armed = false;

	list_foreach (link, &port->ip_requests) {
		armed |= os_containerof(link, struct ipc_request, ipr_link)->ipr_armed != 0;
	}
	if (!armed && !(port->ip_flags & IP_ENFORCE_REPLY)) {
		mq_clear_flag_locked(&port->ip_mqueue, MQ_NOTIFY);
	}
}

void
ipc_reply_port_forsaken(ipc_port_t port)
{
	lck_spin_lock(&port->ip_lock);
	if (ip_active(port) && ip_sorights(port) != 0) {
		mq_set_flag_locked(&port->ip_mqueue, MQ_NOTIFY);
	}
	lck_spin_unlock(&port->ip_lock);
}
