/*
 * The mach_port_* calls; see mach_port.h. Names and values are a program's: everything is checked, nothing
 * asserted. A port found by name is held by a reference over the call.
 */
#include <ipc/mach_port.h>

#include <ipc/port.h>
#include <ipc/pset.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/exception.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <string.h>

kern_return_t
mach_port_type(ipc_space_t space, mach_port_name_t name, mach_port_type_t *type)
{
	mach_port_urefs_t urefs;

	if (!MACH_PORT_VALID(name)) {
		return KERN_INVALID_NAME;
	}
	return ipc_right_info(space, name, type, &urefs);
}

kern_return_t
mach_port_rename(ipc_space_t space, mach_port_name_t old_name, mach_port_name_t new_name)
{
	if (!MACH_PORT_VALID(old_name)) {
		return KERN_INVALID_NAME;
	}
	return MACH_PORT_VALID(new_name) ? ipc_right_rename(space, old_name, new_name) : KERN_INVALID_VALUE;
}

static kern_return_t
mach_port_allocate_common(ipc_space_t space, mach_port_right_t right, mach_port_name_t *name)
{
	switch (right) {
	case MACH_PORT_RIGHT_RECEIVE:
		return ipc_right_alloc_port(space, name, 0, false, NULL);
	case MACH_PORT_RIGHT_PORT_SET:
		return ipc_right_alloc_pset(space, name);
	case MACH_PORT_RIGHT_DEAD_NAME:
		return ipc_right_alloc_dead(space, name);
	default:
		return KERN_INVALID_VALUE;
	}
}

kern_return_t
mach_port_allocate_name(ipc_space_t space, mach_port_right_t right, mach_port_name_t name)
{
	return MACH_PORT_VALID(name) ? mach_port_allocate_common(space, right, &name) : KERN_INVALID_VALUE;
}

kern_return_t
mach_port_allocate(ipc_space_t space, mach_port_right_t right, mach_port_name_t *name)
{
	*name = MACH_PORT_NULL;
	return mach_port_allocate_common(space, right, name);
}

kern_return_t
mach_port_destroy(ipc_space_t space, mach_port_name_t name)
{
	return MACH_PORT_VALID(name) ? ipc_right_destroy(space, name) : KERN_SUCCESS;
}

kern_return_t
mach_port_deallocate(ipc_space_t space, mach_port_name_t name)
{
	return MACH_PORT_VALID(name) ? ipc_right_deallocate(space, name) : KERN_SUCCESS;
}

kern_return_t
mach_port_get_refs(ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_urefs_t *refs)
{
	mach_port_type_t type;
	mach_port_urefs_t urefs;
	kern_return_t kr;

	if (right >= MACH_PORT_RIGHT_NUMBER) {
		return KERN_INVALID_VALUE;
	}
	*refs = 0;
	if (!MACH_PORT_VALID(name)) {
		if (right != MACH_PORT_RIGHT_SEND && right != MACH_PORT_RIGHT_SEND_ONCE) {
			return KERN_INVALID_NAME;
		}
		*refs = 1;
		return KERN_SUCCESS;
	}
	kr = ipc_right_info(space, name, &type, &urefs);
	if (kr == KERN_SUCCESS && (type & (MACH_PORT_TYPE_SEND << right))) {
		*refs = right == MACH_PORT_RIGHT_RECEIVE ? 1 : urefs;
	}
	return kr;
}

kern_return_t
mach_port_mod_refs(ipc_space_t space, mach_port_name_t name, mach_port_right_t right, mach_port_delta_t delta)
{
	if (right >= MACH_PORT_RIGHT_NUMBER) {
		return KERN_INVALID_VALUE;
	}
	if (!MACH_PORT_VALID(name)) {
		return right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE
			   ? KERN_SUCCESS
			   : KERN_INVALID_NAME;
	}
	return ipc_right_delta(space, name, right, delta);
}

/* --- the receive right's own state --- */

static kern_return_t
mach_port_reference_receive(ipc_space_t space, mach_port_name_t name, ipc_port_t *port)
{
	return MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, port) : KERN_INVALID_RIGHT;
}

kern_return_t
mach_port_set_mscount(ipc_space_t space, mach_port_name_t name, mach_port_mscount_t mscount)
{
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);
	uint64_t rights;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	rights = os_atomic_load(&port->ip_rights, relaxed);
	while (!os_atomic_cmpxchgv(&port->ip_rights, rights,
	    (rights & (IP_MSCOUNT - 1)) | (uint64_t)mscount << 32, &rights, relaxed)) {}
	ip_release(port);
	return KERN_SUCCESS;
}

kern_return_t
mach_port_set_seqno(ipc_space_t space, mach_port_name_t name, mach_port_seqno_t seqno)
{
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);

	if (kr == KERN_SUCCESS) {
		os_atomic_store(&port->ip_seqno, seqno, relaxed);
		ip_release(port);
	}
	return kr;
}

kern_return_t
mach_port_get_srights(ipc_space_t space, mach_port_name_t name, mach_port_rights_t *srights)
{
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);

	if (kr == KERN_SUCCESS) {
		*srights = ip_srights(port);
		ip_release(port);
	}
	return kr;
}

/* --- sets --- */

/* Port and set of a membership call, both referenced. */
static kern_return_t
mach_port_reference_member(
    ipc_space_t space, mach_port_name_t name, mach_port_name_t set_name, ipc_port_t *port, ipc_pset_t *pset)
{
	kern_return_t kr;

	if (!MACH_PORT_VALID(name) || !MACH_PORT_VALID(set_name)) {
		return KERN_INVALID_RIGHT;
	}
	kr = ipc_right_reference_receive(space, name, port);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = ipc_right_reference_pset(space, set_name, pset);
	if (kr != KERN_SUCCESS) {
		ip_release(*port);
	}
	return kr;
}

kern_return_t
mach_port_insert_member(ipc_space_t space, mach_port_name_t name, mach_port_name_t set_name)
{
	ipc_port_t port;
	ipc_pset_t pset;
	kern_return_t kr = mach_port_reference_member(space, name, set_name, &port, &pset);

	if (kr == KERN_SUCCESS) {
		kr = ipc_pset_add(pset, port);
		ips_release(pset);
		ip_release(port);
	}
	return kr;
}

kern_return_t
mach_port_extract_member(ipc_space_t space, mach_port_name_t name, mach_port_name_t set_name)
{
	ipc_port_t port;
	ipc_pset_t pset;
	kern_return_t kr = mach_port_reference_member(space, name, set_name, &port, &pset);

	if (kr == KERN_SUCCESS) {
		kr = ipc_pset_remove(pset, port);
		ips_release(pset);
		ip_release(port);
	}
	return kr;
}

/* Out of every set, and into `after` unless that is null. */
kern_return_t
mach_port_move_member(ipc_space_t space, mach_port_name_t member, mach_port_name_t after)
{
	ipc_pset_t pset = IPS_NULL;
	ipc_port_t port;
	kern_return_t kr;

	if (!MACH_PORT_VALID(member) || after == MACH_PORT_DEAD) {
		return KERN_INVALID_RIGHT;
	}
	if (after != MACH_PORT_NULL) {
		kr = mach_port_reference_member(space, member, after, &port, &pset);
	} else {
		kr = ipc_right_reference_receive(space, member, &port);
	}
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (!ipc_pset_remove_from_all(port) && pset == IPS_NULL) {
		kr = KERN_NOT_IN_SET;
	}
	if (pset != IPS_NULL) {
		kr = ipc_pset_add(pset, port);
		if (kr == KERN_ALREADY_IN_SET) {
			kr = KERN_SUCCESS; /* another thread has put it there between the two steps */
		}
		ips_release(pset);
	}
	ip_release(port);
	return kr;
}

/* --- notifications --- */

/* The receive right that a request is for: reply ports take none. */
static kern_return_t
mach_port_reference_notifier(ipc_space_t space, mach_port_name_t name, ipc_port_t *port)
{
	kern_return_t kr = mach_port_reference_receive(space, name, port);

	if (kr == KERN_SUCCESS && ((*port)->ip_flags & IP_REPLY_PORT)) {
		ip_release(*port);
		kr = KERN_INVALID_RIGHT;
	}
	return kr;
}

static kern_return_t
mach_port_request_port_destroyed(
    ipc_space_t space, mach_port_name_t name, ipc_port_t notify, ipc_port_t *previous)
{
	ipc_port_t port;
	bool refused;
	kern_return_t kr = mach_port_reference_notifier(space, name, &port);

	if (kr == KERN_SUCCESS) {
		*previous = ipc_port_request_destroyed(port, notify, &refused);
		kr = refused ? KERN_FAILURE : KERN_SUCCESS;
		ip_release(port);
	}
	return kr;
}

static kern_return_t
mach_port_request_no_senders(ipc_space_t space, mach_port_name_t name, mach_port_mscount_t sync,
    ipc_port_t notify, ipc_port_t *previous)
{
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_notifier(space, name, &port);

	if (kr == KERN_SUCCESS) {
		*previous = ipc_port_request_no_senders(port, notify, sync);
		ip_release(port);
	}
	return kr;
}

kern_return_t
mach_port_request_notification(ipc_space_t space, mach_port_name_t name, mach_msg_id_t msgid,
    mach_port_mscount_t sync, ipc_port_t notify, ipc_port_t *previous)
{
	*previous = IP_NULL;
	if (notify == IP_DEAD) {
		return KERN_INVALID_CAPABILITY;
	}
	switch (msgid) {
	case MACH_NOTIFY_PORT_DESTROYED:
		return sync != 0 ? KERN_INVALID_VALUE
				 : mach_port_request_port_destroyed(space, name, notify, previous);
	case MACH_NOTIFY_NO_SENDERS:
		return mach_port_request_no_senders(space, name, sync, notify, previous);
	case MACH_NOTIFY_DEAD_NAME:
	case MACH_NOTIFY_SEND_POSSIBLE: {
		struct ipc_right_request want = { .msgid = msgid, .immediate = sync != 0, .notify = notify };

		return MACH_PORT_VALID(name) ? ipc_right_request(space, name, &want, previous)
					     : KERN_INVALID_ARGUMENT;
	}
	default:
		return KERN_INVALID_VALUE;
	}
}

/* --- rights between spaces --- */

kern_return_t
mach_port_insert_right(ipc_space_t space, mach_port_name_t name, ipc_port_t poly, mach_msg_type_name_t type)
{
	if (!MACH_PORT_VALID(name) || !MACH_MSG_TYPE_PORT_ANY_RIGHT(type)) {
		return KERN_INVALID_VALUE;
	}
	if (!IP_VALID(poly)) {
		return KERN_INVALID_CAPABILITY;
	}
	return ipc_right_copyout_name(space, name, poly, type);
}

kern_return_t
mach_port_extract_right(ipc_space_t space, mach_port_name_t name, mach_msg_type_name_t disposition,
    ipc_port_t *poly, mach_msg_type_name_t *type)
{
	if (!MACH_MSG_TYPE_PORT_ANY(disposition)) {
		return KERN_INVALID_VALUE;
	}
	if (!MACH_PORT_VALID(name)) {
		*poly = name == MACH_PORT_DEAD ? IP_DEAD : IP_NULL;
		*type = ipc_object_copyin_type(disposition);
		return KERN_SUCCESS;
	}
	*type = ipc_object_copyin_type(disposition);
	return ipc_right_copyin(space, name, disposition, poly);
}

/* --- attributes --- */

kern_return_t
mach_port_get_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t *count)
{
	mach_port_info_ext_t ext = { 0 };
	const void *source;
	mach_msg_type_number_t need;
	uint32_t word;
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	ipc_port_get_status(port, &ext.mpie_status);
	switch (flavor) {
	case MACH_PORT_LIMITS_INFO:
		word = port->ip_qlimit;
		source = &word;
		need = MACH_PORT_LIMITS_INFO_COUNT;
		break;
	case MACH_PORT_RECEIVE_STATUS:
		source = &ext.mpie_status;
		need = MACH_PORT_RECEIVE_STATUS_COUNT;
		break;
	case MACH_PORT_INFO_EXT:
		source = &ext;
		need = MACH_PORT_INFO_EXT_COUNT;
		break;
	case MACH_PORT_DNREQUESTS_SIZE:
		word = 0; /* requests live in the entries: there is no table */
		source = &word;
		need = MACH_PORT_DNREQUESTS_SIZE_COUNT;
		break;
	case MACH_PORT_GUARD_INFO:
		source = &port->ip_context;
		need = MACH_PORT_GUARD_INFO_COUNT;
		break;
	default:
		source = NULL;
		need = 0;
		kr = KERN_INVALID_ARGUMENT;
		break;
	}
	if (kr == KERN_SUCCESS && *count < need) {
		kr = KERN_FAILURE;
	}
	if (kr == KERN_SUCCESS) {
		memcpy(info, source, need * sizeof(integer_t));
		*count = need;
	}
	ip_release(port);
	return kr;
}

kern_return_t
mach_port_set_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t count)
{
	ipc_port_t port;
	kern_return_t kr;
	uint32_t qlimit;

	switch (flavor) {
	case MACH_PORT_LIMITS_INFO:
		if (count < MACH_PORT_LIMITS_INFO_COUNT) {
			return KERN_FAILURE;
		}
		memcpy(&qlimit, info, sizeof(qlimit));
		if (qlimit > MACH_PORT_QLIMIT_MAX) {
			return KERN_INVALID_VALUE;
		}
		break;
	case MACH_PORT_DNREQUESTS_SIZE:
	case MACH_PORT_TEMPOWNER:
	case MACH_PORT_IMPORTANCE_RECEIVER:
	case MACH_PORT_DENAP_RECEIVER:
		qlimit = UINT32_MAX; /* accepted: donation of importance has no effect here */
		break;
	default:
		return KERN_INVALID_ARGUMENT;
	}
	kr = mach_port_reference_receive(space, name, &port);
	if (kr == KERN_SUCCESS) {
		if (qlimit != UINT32_MAX) {
			ipc_port_set_qlimit(port, qlimit);
		}
		ip_release(port);
	}
	return kr;
}

/* --- context and guards --- */

/* EXC_GUARD for a task that breaks the rule on a port of its own. */
static void
mach_port_break_guard(ipc_space_t space, mach_port_name_t name, uint32_t flavor, uint64_t guard)
{
	if (space->is_task == current_task()) {
		exception_guard(name, flavor, guard);
	}
}

kern_return_t
mach_port_get_context(ipc_space_t space, mach_port_name_t name, mach_port_context_t *context)
{
	ipc_port_t port;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);

	if (kr == KERN_SUCCESS) {
		lck_spin_lock(&port->ip_lock);
		*context =
		    port->ip_flags & IP_STRICT_GUARD ? 0 : port->ip_context; /* a strict guard is a secret */
		lck_spin_unlock(&port->ip_lock);
		ip_release(port);
	}
	return kr;
}

kern_return_t
mach_port_set_context(ipc_space_t space, mach_port_name_t name, mach_port_context_t context)
{
	ipc_port_t port;
	uint64_t guard;
	kern_return_t kr = mach_port_reference_receive(space, name, &port);

	if (kr == KERN_SUCCESS) {
		lck_spin_lock(&port->ip_lock);
		if (port->ip_flags & IP_STRICT_GUARD) {
			kr = KERN_INVALID_ARGUMENT;
		} else {
			port->ip_context = context;
		}
		guard = port->ip_context;
		lck_spin_unlock(&port->ip_lock);
		if (kr != KERN_SUCCESS) {
			mach_port_break_guard(space, name, kGUARD_EXC_SET_CONTEXT, guard);
		}
		ip_release(port);
	}
	return kr;
}

kern_return_t
mach_port_guard(ipc_space_t space, mach_port_name_t name, uint64_t guard, boolean_t strict)
{
	return mach_port_guard_with_flags(space, name, guard, strict ? MPG_STRICT : 0);
}

/* IP_* of MPG_*. */
static uint32_t
guard_port_flags(uint64_t flags)
{
	return IP_GUARDED | (flags & MPG_STRICT ? IP_STRICT_GUARD : 0) |
	       (flags & MPG_IMMOVABLE_RECEIVE ? IP_GUARD_IMMOVABLE : 0);
}

kern_return_t
mach_port_guard_with_flags(ipc_space_t space, mach_port_name_t name, uint64_t guard, uint64_t flags)
{
	ipc_port_t port;
	kern_return_t kr = (flags & ~(uint64_t)(MPG_STRICT | MPG_IMMOVABLE_RECEIVE)) != 0
			       ? KERN_INVALID_ARGUMENT
			   : MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, &port)
						   : KERN_INVALID_NAME;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&port->ip_lock);
	if (port->ip_context != 0 || (port->ip_flags & IP_GUARDED)) {
		kr = KERN_INVALID_ARGUMENT;
	} else {
		port->ip_context = guard;
		port->ip_flags |= guard_port_flags(flags);
	}
	lck_spin_unlock(&port->ip_lock);
	ip_release(port);
	return kr;
}

/* Who knows the guard replaces it, or takes it away with everything it forbids (`replacement` NULL). */
static kern_return_t
mach_port_replace_guard(ipc_space_t space, mach_port_name_t name, uint64_t guard, const uint64_t *replacement)
{
	ipc_port_t port;
	uint64_t context;
	uint32_t flavor = 0;
	kern_return_t kr =
	    MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, &port) : KERN_INVALID_NAME;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&port->ip_lock);
	context = port->ip_context;
	if (!(port->ip_flags & IP_GUARDED)) {
		flavor = kGUARD_EXC_UNGUARDED;
	} else if (context != guard) {
		flavor = kGUARD_EXC_INCORRECT_GUARD;
	} else if (replacement != NULL) {
		port->ip_context = *replacement;
	} else {
		port->ip_context = 0;
		port->ip_flags &= ~(IP_GUARDED | IP_STRICT_GUARD | IP_GUARD_IMMOVABLE);
	}
	lck_spin_unlock(&port->ip_lock);
	ip_release(port);
	if (flavor != 0) {
		mach_port_break_guard(space, name, flavor, context);
		kr = KERN_INVALID_ARGUMENT;
	}
	return kr;
}

kern_return_t
mach_port_swap_guard(ipc_space_t space, mach_port_name_t name, uint64_t old_guard, uint64_t new_guard)
{
	return mach_port_replace_guard(space, name, old_guard, &new_guard);
}

kern_return_t
mach_port_unguard(ipc_space_t space, mach_port_name_t name, uint64_t guard)
{
	return mach_port_replace_guard(space, name, guard, NULL);
}

kern_return_t
mach_port_assert_attributes(ipc_space_t space, mach_port_name_t name, mach_port_flavor_t flavor,
    mach_port_info_t info, mach_msg_type_number_t count)
{
	uint64_t guard;

	if (flavor != MACH_PORT_GUARD_INFO) {
		return KERN_INVALID_ARGUMENT;
	}
	if (count < MACH_PORT_GUARD_INFO_COUNT) {
		return KERN_FAILURE;
	}
	memcpy(&guard, info, sizeof(guard));
	return mach_port_replace_guard(space, name, guard, &guard);
}

/* Links of special reply ports are not kept beyond a call: none is ever lost. */
kern_return_t
mach_port_special_reply_port_reset_link(ipc_space_t space, mach_port_name_t name, boolean_t *lost)
{
	ipc_port_t port;
	kern_return_t kr =
	    MACH_PORT_VALID(name) ? ipc_right_reference_receive(space, name, &port) : KERN_INVALID_NAME;

	*lost = FALSE;
	if (kr == KERN_SUCCESS) {
		kr = port->ip_flags & IP_SPECIAL_REPLY ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
		ip_release(port);
	}
	return kr;
}

/* --- construct, destruct --- */

/* Options that have a meaning here or may be ignored; the rest is a product's bookkeeping. */
#define MPO_KNOWN                                                                             \
	(MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_TEMPOWNER | MPO_IMPORTANCE_RECEIVER |        \
	    MPO_INSERT_SEND_RIGHT | MPO_STRICT | MPO_DENAP_RECEIVER | MPO_IMMOVABLE_RECEIVE | \
	    MPO_FILTER_MSG | MPO_REPLY_PORT | MPO_ENFORCE_REPLY_PORT_SEMANTICS |              \
	    MPO_PROVISIONAL_REPLY_PORT | MPO_EXCEPTION_PORT)

kern_return_t
mach_port_construct(ipc_space_t space, const mach_port_options_t *options, mach_port_context_t context,
    mach_port_name_t *name)
{
	uint32_t flags = 0;
	ipc_port_t port;
	kern_return_t kr;

	if (options->flags & ~(uint32_t)MPO_KNOWN) {
		return KERN_INVALID_ARGUMENT;
	}
	if ((options->flags & MPO_REPLY_PORT) &&
	    (options->flags & (MPO_PROVISIONAL_REPLY_PORT | MPO_INSERT_SEND_RIGHT))) {
		return KERN_INVALID_ARGUMENT; /* one kind only; and it is made for send-once rights */
	}
	if ((options->flags & MPO_QLIMIT) && options->mpl.mpl_qlimit > MACH_PORT_QLIMIT_MAX) {
		return KERN_INVALID_VALUE;
	}
	if (options->flags & MPO_CONTEXT_AS_GUARD) {
		flags |= IP_GUARDED | (options->flags & MPO_STRICT ? IP_STRICT_GUARD : 0);
	}
	/* A reply port stays with who waits on it; a provisional one is as free as those of mach_reply_port. */
	if (options->flags & (MPO_IMMOVABLE_RECEIVE | MPO_REPLY_PORT)) {
		flags |= IP_IMMOVABLE_RECEIVE;
	}
	flags |= options->flags & MPO_REPLY_PORT ? IP_REPLY_PORT : 0;
	flags |= options->flags & MPO_PROVISIONAL_REPLY_PORT ? IP_PROVISIONAL_REPLY : 0;
	flags |= options->flags & MPO_ENFORCE_REPLY_PORT_SEMANTICS ? IP_ENFORCE_REPLY : 0;
	*name = MACH_PORT_NULL;
	kr = ipc_right_alloc_port(space, name, flags, (options->flags & MPO_INSERT_SEND_RIGHT) != 0, NULL);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (ipc_right_reference_receive(space, *name, &port) == KERN_SUCCESS) {
		port->ip_context = context;
		if (options->flags & MPO_QLIMIT) {
			ipc_port_set_qlimit(port, options->mpl.mpl_qlimit);
		}
		ip_release(port);
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_port_destruct(ipc_space_t space, mach_port_name_t name, mach_port_delta_t srdelta, uint64_t guard)
{
	return MACH_PORT_VALID(name) ? ipc_right_destruct(space, name, srdelta, guard) : KERN_INVALID_NAME;
}
