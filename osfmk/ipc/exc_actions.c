/*
 * Exception actions and the calls that set and tell them; see exc_actions.h.
 */
#include <ipc/exc_actions.h>

#include <arm64/machine_routines.h>
#include <ipc/exc_wire.h>
#include <ipc/ipc_host.h>
#include <ipc/mig_server.h>
#include <ipc/port.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <mach_debug/ipc_info.h>
#include <string.h>

/* Handlers in one answer on the wire, whatever their number. */
#define EXC_HANDLERS 32

static LCK_CLASS_DECLARE(exc_actions_lock_class, "exception actions", LCK_RANK_IPC_MISC);

ZONE_DEFINE(exc_actions_zone, "exception actions", sizeof(struct exc_actions), ZC_NONE);

/* Entries that share port, form and flavor are told as one. */
struct exc_handlers {
	mach_msg_type_number_t count;
	exception_mask_t masks[EXC_TYPES_COUNT];
	struct exception_action handlers[EXC_TYPES_COUNT]; /* with a send right each */
};

void
exc_actions_init(struct exc_actions *actions)
{
	actions->closed = false;
	memset(actions->action, 0, sizeof(actions->action));
	lck_spin_init(&actions->lock, &exc_actions_lock_class);
}

void
exc_actions_inherit(struct exc_actions *child, struct exc_actions *parent)
{
	lck_spin_lock(&parent->lock);
	for (unsigned type = 1; type < EXC_TYPES_COUNT; type++) {
		child->action[type] = parent->action[type];
		child->action[type].port = ipc_port_copy_send(parent->action[type].port);
	}
	lck_spin_unlock(&parent->lock);
}

/* Each action named by `mask` becomes `*action`; the rights they had come out. `old` has EXC_TYPES_COUNT. */
static void
exc_actions_replace(struct exc_actions *actions, exception_mask_t mask, const struct exception_action *action,
    ipc_port_t *old)
{
	lck_spin_lock(&actions->lock);
	for (unsigned type = 1; type < EXC_TYPES_COUNT; type++) {
		old[type] = IP_NULL;
		if (mask & (1U << type)) {
			old[type] = actions->action[type].port;
			actions->action[type] = *action;
			actions->action[type].port =
			    actions->closed ? IP_NULL : ipc_port_copy_send(action->port);
		}
	}
	lck_spin_unlock(&actions->lock);
}

static void
exc_actions_set(struct exc_actions *actions, exception_mask_t mask, const struct exception_action *action)
{
	ipc_port_t old[EXC_TYPES_COUNT];

	exc_actions_replace(actions, mask, action, old);
	for (unsigned type = 1; type < EXC_TYPES_COUNT; type++) {
		ipc_port_release_send(old[type]);
	}
}

void
exc_actions_clear(struct exc_actions *actions)
{
	static const struct exception_action none = { .port = IP_NULL };

	exc_actions_set(actions, EXC_MASK_VALID, &none);
}

bool
exc_actions_get(struct exc_actions *actions, unsigned type, struct exception_action *action)
{
	if (os_likely(os_atomic_load(&actions->action[type].port, relaxed) == IP_NULL)) {
		return false;
	}
	lck_spin_lock(&actions->lock);
	*action = actions->action[type];
	action->port = ipc_port_copy_send(action->port);
	lck_spin_unlock(&actions->lock);
	return IP_VALID(action->port);
}

/* --- a thread's set --- */

static struct exc_actions *
exc_actions_of_thread(thread_t thread)
{
	struct exc_actions *actions = os_atomic_load(&thread->ipc.ith_exc_actions, acquire); /* pairs below */
	struct exc_actions *made;

	if (actions != NULL) {
		return actions;
	}
	made = zalloc_wait(exc_actions_zone);
	if (made == NULL) {
		return NULL;
	}
	exc_actions_init(made);
	if (os_atomic_cmpxchgv(&thread->ipc.ith_exc_actions, NULL, made, &actions, acq_rel)) {
		return made;
	}
	lck_spin_destroy(&made->lock);
	zfree(exc_actions_zone, made);
	return actions;
}

void
exc_actions_thread_exec(thread_t thread)
{
	if (thread->ipc.ith_exc_actions != NULL) {
		exc_actions_clear(thread->ipc.ith_exc_actions);
	}
}

void
exc_actions_thread_close(thread_t thread)
{
	struct exc_actions *actions = thread->ipc.ith_exc_actions;

	if (actions != NULL) {
		lck_spin_lock(&actions->lock);
		actions->closed = true;
		lck_spin_unlock(&actions->lock);
		exc_actions_clear(actions);
	}
}

void
exc_actions_thread_free(thread_t thread)
{
	struct exc_actions *actions = thread->ipc.ith_exc_actions;

	if (actions != NULL) {
		thread->ipc.ith_exc_actions = NULL;
		lck_spin_destroy(&actions->lock);
		zfree(exc_actions_zone, actions);
	}
}

/* --- the calls --- */

static bool
exc_behavior_valid(exception_behavior_t behavior)
{
	switch ((uint32_t)behavior & ~MACH_EXCEPTION_MASK) {
	case EXCEPTION_DEFAULT:
	case EXCEPTION_STATE:
	case EXCEPTION_STATE_IDENTITY:
		return true;
	case EXCEPTION_IDENTITY_PROTECTED:
	case EXCEPTION_STATE_IDENTITY_PROTECTED:
		return ((uint32_t)behavior & MACH_EXCEPTION_CODES) != 0; /* there is no other form */
	default:
		return false;
	}
}

static bool
exc_has_flavor(const struct exception_action *action)
{
	return action->flavor != 0 && action->flavor != THREAD_STATE_NONE;
}

static kern_return_t
exc_check(exception_mask_t mask, const struct exception_action *action)
{
	if ((mask & ~(exception_mask_t)EXC_MASK_VALID) != 0) {
		return KERN_INVALID_ARGUMENT;
	}
	if (IP_VALID(action->port) && !exc_behavior_valid(action->behavior)) {
		return KERN_INVALID_ARGUMENT;
	}
	if (exc_has_flavor(action) && machine_thread_state_words(action->flavor) == 0) {
		return KERN_INVALID_ARGUMENT;
	}
	if (IP_VALID(action->port) && !exc_has_flavor(action) && exc_tells_state(action)) {
		return KERN_INVALID_ARGUMENT;
	}
	return KERN_SUCCESS;
}

static bool
exc_same_handler(const struct exception_action *a, const struct exception_action *b)
{
	return a->port == b->port && a->behavior == b->behavior && a->flavor == b->flavor;
}

/* Which of the handlers found so far `action` is; a new one at the end. */
static mach_msg_type_number_t
exc_handler_index(struct exc_handlers *found, const struct exception_action *action)
{
	mach_msg_type_number_t i = 0;

	while (i < found->count && !exc_same_handler(&found->handlers[i], action)) {
		i++;
	}
	if (i == found->count) {
		found->handlers[i] = *action;
		found->masks[i] = 0;
		found->count++;
	}
	return i;
}

static void
exc_collect(struct exc_actions *actions, exception_mask_t mask, struct exc_handlers *found)
{
	found->count = 0;
	lck_spin_lock(&actions->lock);
	for (unsigned type = 1; type < EXC_TYPES_COUNT; type++) {
		if (mask & (1U << type)) {
			found->masks[exc_handler_index(found, &actions->action[type])] |= 1U << type;
		}
	}
	for (mach_msg_type_number_t i = 0; i < found->count; i++) {
		found->handlers[i].port = ipc_port_copy_send(found->handlers[i].port);
	}
	lck_spin_unlock(&actions->lock);
}

/* The right in `action` is taken over on success. A set that does not exist yet needs memory. */
static kern_return_t
exc_set(struct exc_actions *actions, exception_mask_t mask, const struct exception_action *action)
{
	kern_return_t kr = exc_check(mask, action);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (actions == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	exc_actions_set(actions, mask, action);
	ipc_port_release_send(action->port);
	return KERN_SUCCESS;
}

kern_return_t
thread_set_exception_ports(thread_t thread, exception_mask_t mask, ipc_port_t port,
    exception_behavior_t behavior, thread_state_flavor_t flavor)
{
	struct exception_action action = { .port = port, .flavor = flavor, .behavior = behavior };

	return exc_set(exc_actions_of_thread(thread), mask, &action);
}

kern_return_t
task_set_exception_ports(task_t task, exception_mask_t mask, ipc_port_t port, exception_behavior_t behavior,
    thread_state_flavor_t flavor)
{
	struct exception_action action = { .port = port, .flavor = flavor, .behavior = behavior };

	return exc_set(&task->ipc.exc_actions, mask, &action);
}

kern_return_t
host_set_exception_ports(host_t host, exception_mask_t mask, ipc_port_t port, exception_behavior_t behavior,
    thread_state_flavor_t flavor)
{
	struct exception_action action = { .port = port, .flavor = flavor, .behavior = behavior };

	return exc_set(&host->exc_actions, mask, &action);
}

/* --- get and swap: codecs by hand, for the answer's shape is theirs alone --- */

#pragma pack(push, 4)
struct exc_get_request {
	NDR_record_t ndr;
	exception_mask_t mask;
};

struct exc_swap_request {
	NDR_record_t ndr;
	exception_mask_t mask;
	exception_behavior_t behavior;
	thread_state_flavor_t flavor;
};
#pragma pack(pop)

static void
exc_put_forms(uint8_t **out, const struct exc_handlers *found)
{
	for (uint32_t i = 0; i < found->count; i++) {
		mig_put(out, &found->handlers[i].behavior, sizeof(found->handlers[i].behavior));
	}
	for (uint32_t i = 0; i < found->count; i++) {
		mig_put(out, &found->handlers[i].flavor, sizeof(found->handlers[i].flavor));
	}
}

/* 32 port descriptors whatever the count; count, masks, behaviors, flavors in line. */
static void
exc_reply(struct mig_reply *rp, const struct exc_handlers *found)
{
	uint8_t *out = rp->data;
	uint32_t i;

	for (i = 0; i < EXC_HANDLERS; i++) {
		mig_reply_port(
		    rp, i, i < found->count ? found->handlers[i].port : IP_NULL, MACH_MSG_TYPE_PORT_SEND);
	}
	mig_put(&out, &found->count, sizeof(found->count));
	mig_put(&out, found->masks, found->count * (uint32_t)sizeof(found->masks[0]));
	exc_put_forms(&out, found);
	rp->ndesc = EXC_HANDLERS;
	rp->data_len = (uint32_t)(out - rp->data);
	rp->retcode = KERN_SUCCESS;
}

/* The handlers that the request asks for. False, with the reply's code set: a mask that means nothing. */
static bool
exc_find(const struct mig_request *rq, struct mig_reply *rp, struct exc_actions *actions,
    struct exc_handlers *found)
{
	const struct exc_get_request *in = (const void *)rq->data;

	if (in->mask & ~(exception_mask_t)EXC_MASK_VALID) {
		rp->retcode = KERN_INVALID_ARGUMENT;
		return false;
	}
	if (actions != NULL) {
		exc_collect(actions, in->mask, found);
	}
	return true;
}

static void
exc_get(const struct mig_request *rq, struct mig_reply *rp, struct exc_actions *actions)
{
	struct exc_handlers found = { 0 };

	if (exc_find(rq, rp, actions, &found)) {
		exc_reply(rp, &found);
	}
}

/* A number that stands for an object of the kernel in what tools are told: the same each time, and not its address. */
static natural_t
exc_identity(const void *object)
{
	static uint32_t factor;

	if (object == NULL) {
		return 0;
	}
	if (os_atomic_load(&factor, relaxed) == 0) {
		(void)os_atomic_cmpxchg(
		    &factor, 0, (uint32_t)(ml_get_timebase() * 0x9e3779b1U) | 1U, relaxed);
	}
	/* relaxed: the number is all there is. An odd factor keeps objects apart. */
	return (uint32_t)((uintptr_t)object / OS_CACHELINE) * os_atomic_load(&factor, relaxed);
}

static void
exc_put_info(uint8_t **out, ipc_port_t port)
{
	ipc_info_port_t info = { exc_identity(port), 0 };

	if (IP_VALID(port)) {
		lck_spin_lock(&port->ip_lock);
		info.iip_receiver_object = exc_identity(port->ip_receiver);
		lck_spin_unlock(&port->ip_lock);
	}
	mig_put(out, &info, sizeof(info));
}

/* Like exc_get, but the ports are told of instead of given: a read port is enough for it. */
static void
exc_get_info(const struct mig_request *rq, struct mig_reply *rp, struct exc_actions *actions)
{
	struct exc_handlers found = { 0 };
	uint8_t *out = rp->data;
	uint32_t i;

	if (!exc_find(rq, rp, actions, &found)) {
		return;
	}
	mig_put(&out, &found.count, sizeof(found.count));
	mig_put(&out, found.masks, found.count * (uint32_t)sizeof(found.masks[0]));
	for (i = 0; i < found.count; i++) {
		exc_put_info(&out, found.handlers[i].port);
	}
	exc_put_forms(&out, &found);
	for (i = 0; i < found.count; i++) {
		ipc_port_release_send(found.handlers[i].port);
	}
	rp->data_len = (uint32_t)(out - rp->data);
	rp->retcode = KERN_SUCCESS;
}

static void
exc_swap(const struct mig_request *rq, struct mig_reply *rp, struct exc_actions *actions)
{
	const struct exc_swap_request *in = (const void *)rq->data;
	struct exception_action action = {
		.port = rq->desc[0].ikd_port, .flavor = in->flavor, .behavior = in->behavior
	};
	struct exc_handlers found;

	rp->retcode = actions == NULL ? KERN_RESOURCE_SHORTAGE : exc_check(in->mask, &action);
	if (rp->retcode != KERN_SUCCESS) {
		return;
	}
	exc_collect(actions, in->mask, &found);
	exc_actions_set(actions, in->mask, &action);
	exc_reply(rp, &found); /* the request's right goes with the request: the set has copies */
}

static bool
exc_get_valid(const struct mig_request *rq, struct mig_reply *rp)
{
	return mig_check_request(rq, rp, sizeof(struct exc_get_request), 0);
}

static bool
exc_swap_valid(const struct mig_request *rq, struct mig_reply *rp)
{
	return mig_check_request(rq, rp, sizeof(struct exc_swap_request), 1) &&
	       mig_check_port(rq, rp, 0, MACH_MSG_TYPE_PORT_SEND);
}

typedef void (*exc_operation_t)(
    const struct mig_request *rq, struct mig_reply *rp, struct exc_actions *actions);

/* Consumes the reference. */
static void
exc_of_thread(
    const struct mig_request *rq, struct mig_reply *rp, thread_t thread, bool make, exc_operation_t operation)
{
	rp->retcode = KERN_INVALID_ARGUMENT;
	if (thread != THREAD_NULL) {
		operation(rq, rp, make ? exc_actions_of_thread(thread) : thread->ipc.ith_exc_actions);
		thread_deallocate(thread);
	}
}

/* Consumes the reference. */
static void
exc_of_task(const struct mig_request *rq, struct mig_reply *rp, task_t task, exc_operation_t operation)
{
	rp->retcode = KERN_INVALID_ARGUMENT;
	if (task != TASK_NULL) {
		operation(rq, rp, &task->ipc.exc_actions);
		task_deallocate(task);
	}
}

static void
exc_of_host(const struct mig_request *rq, struct mig_reply *rp, exc_operation_t operation)
{
	host_t host = convert_port_to_host_priv(rq->target);

	rp->retcode = KERN_INVALID_ARGUMENT;
	if (host != NULL) {
		operation(rq, rp, &host->exc_actions);
	}
}

void
_Xthread_get_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_get_valid(rq, rp)) {
		exc_of_thread(rq, rp, convert_port_to_thread(rq->target), false, exc_get);
	}
}

void
_Xthread_swap_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_swap_valid(rq, rp)) {
		exc_of_thread(rq, rp, convert_port_to_thread(rq->target), true, exc_swap);
	}
}

void
_Xtask_get_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_get_valid(rq, rp)) {
		exc_of_task(rq, rp, convert_port_to_task(rq->target), exc_get);
	}
}

void
_Xtask_swap_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_swap_valid(rq, rp)) {
		exc_of_task(rq, rp, convert_port_to_task(rq->target), exc_swap);
	}
}

void
_Xhost_get_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_get_valid(rq, rp)) {
		exc_of_host(rq, rp, exc_get);
	}
}

void
_Xhost_swap_exception_ports(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_swap_valid(rq, rp)) {
		exc_of_host(rq, rp, exc_swap);
	}
}

/* --- what tools may know of handlers --- */

void
_Xtask_get_exception_ports_info(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_get_valid(rq, rp)) {
		exc_of_task(rq, rp, convert_port_to_task_read(rq->target), exc_get_info);
	}
}

void
_Xthread_get_exception_ports_info(const struct mig_request *rq, struct mig_reply *rp)
{
	if (exc_get_valid(rq, rp)) {
		exc_of_thread(rq, rp, convert_port_to_thread_read(rq->target), false, exc_get_info);
	}
}
