/*
 * Timers as ports.
 *
 * The receive right is the timer: whoever holds it arms it, and its death ends it. When the deadline passes, a
 * message with three words of zeros arrives. While that one has not been received, further expiries add none.
 *
 * A deadline passes in interrupt context, where no port's lock may be taken. So the interrupt only puts the timer
 * on a list of the system and wakes the one thread that empties it, which sends in ordinary context:
 *
 *	armed: mkt_call set --interrupt--> on mk_timer_due (mkt_calls) --thread--> message, not armed
 *
 * The thread sends if the timer is armed and its call is set no longer, so a cancelled timer is silent even if its
 * interrupt has come, and one that was armed again waits for the new deadline.
 *
 * References: the port's (dropped by its death), one while the call is set, which the thread drops once it has come,
 * one by a message on its way. Lock: mkt_lock, for the fields marked (l); a leaf but for atomics on ports.
 *
 * [T0] A call that has come is counted in mkt_calls, and whoever counts the first puts the timer on the list; to any
 * other the timer may be gone as soon as he has counted, for the thread takes all that are counted, in one step, and
 * with them their references. Interrupts of one timer, set on several CPUs, may overlap.
 *
 * [T1] The interrupt puts the timer on the list, then reads the thread's wait; the thread opens its wait, then looks
 * at the list; full fences between. So either the thread sees the timer or the interrupt sees the wait.
 */
#include <ipc/mk_timer.h>

#include <arm64/copyio.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <ipc/send.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/mach_traps.h>
#include <kern/sched.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/thread_policy.h>
#include <kern/timer_call.h>
#include <kern/wait.h>
#include <kern/zalloc.h>
#include <string.h>

struct mk_timer {
	struct timer_call mkt_call;
	lck_spin_t mkt_lock;
	uint32_t mkt_refs;         /* (a) */
	uint32_t mkt_calls;        /* (a) calls that have come; not 0: on mk_timer_due, or about to be [T0] */
	uint32_t mkt_underway;     /* (a) 1: its message has not been received */
	bool mkt_armed;            /* (l) */
	uint64_t mkt_deadline;     /* (l) */
	ipc_port_t mkt_port;       /* (l) send right; IP_NULL once the port is dead */
	struct mk_timer *mkt_next; /* of the list: the pusher, then the thread */
};

struct mk_timer_message {
	mach_msg_header_t header;
	uint64_t unused[3];
};

#define MK_TIMER_CRITICAL 1 /* mk_timer_arm_leeway's flags */

static ZONE_DEFINE(mk_timer_zone, "timers", sizeof(struct mk_timer), ZC_NONE);
static LCK_CLASS_DECLARE(mk_timer_lock_class, "timer port", LCK_RANK_IPC_MISC);

static struct mk_timer *mk_timer_due; /* (a) stack of expired timers */
static thread_t mk_timer_thread;      /* constant after start-up */
static uint64_t mk_timer_cookie;      /* (a) of the thread's wait */

/* --- references --- */

static void
mk_timer_reference(struct mk_timer *timer)
{
	os_atomic_add(&timer->mkt_refs, 1, relaxed);
}

static void
mk_timer_release_many(struct mk_timer *timer, uint32_t count)
{
	/* acq_rel: uses under other references happen before the memory is freed. */
	if (os_atomic_sub(&timer->mkt_refs, count, acq_rel) == 0) {
		lck_spin_destroy(&timer->mkt_lock);
		zfree(mk_timer_zone, timer);
	}
}

static void
mk_timer_release(struct mk_timer *timer)
{
	mk_timer_release_many(timer, 1);
}

/* --- expiry --- */

/* Interrupt context. */
static void
mk_timer_expired(void *param, uint64_t unused)
{
	struct mk_timer *timer = param, *head;

	(void)unused;
	if (os_atomic_add(&timer->mkt_calls, 1, acq_rel) != 1) { /* [T0], pairs with the thread's exchange */
		return;
	}
	head = os_atomic_load(&mk_timer_due, relaxed);
	do {
		timer->mkt_next = head;
	} while (
	    !os_atomic_cmpxchgv(&mk_timer_due, head, timer, &head, release)); /* pairs with the exchange */
	os_atomic_thread_fence(seq_cst); /* [T1] */
	if (wait_claim(mk_timer_thread, os_atomic_load(&mk_timer_cookie, relaxed), THREAD_AWAKENED)) {
		thread_make_runnable(mk_timer_thread);
	}
}

/* A send right if the deadline that holds has passed. */
static ipc_port_t
mk_timer_take_due(struct mk_timer *timer)
{
	ipc_port_t port = IP_NULL;

	lck_spin_lock(&timer->mkt_lock);
	if (timer->mkt_armed && !timer_call_is_set(&timer->mkt_call)) {
		timer->mkt_armed = false;
		port = ipc_port_copy_send(timer->mkt_port);
	}
	lck_spin_unlock(&timer->mkt_lock);
	return port;
}

/* Sends unless the last message is still underway. Consumes the right. */
static void
mk_timer_send(struct mk_timer *timer, ipc_port_t port)
{
	ipc_kmsg_t kmsg = IKM_NULL;

	if (os_atomic_xchg(&timer->mkt_underway, 1, acq_rel) == 0) {
		kmsg = ipc_kmsg_alloc(sizeof(struct mk_timer_message), 0);
		if (kmsg == IKM_NULL) {
			os_atomic_store(&timer->mkt_underway, 0, release);
		}
	}
	if (kmsg == IKM_NULL) {
		ipc_port_release_send(port);
		return;
	}
	mk_timer_reference(timer);
	memset(kmsg->ikm_msg, 0, sizeof(struct mk_timer_message));
	ikm_header(kmsg)->msgh_size = sizeof(struct mk_timer_message);
	kmsg->ikm_remote = port;
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0) | IKM_BITS_TIMER;
	kmsg->ikm_timer = timer;
	kmsg->ikm_sender = (security_token_t){ { 0, 1 } };
	kmsg->ikm_audit = (audit_token_t){ { 0 } };
	ipc_kmsg_send_always(kmsg);
}

void
mk_timer_message_freed(ipc_kmsg_t kmsg)
{
	struct mk_timer *timer = kmsg->ikm_timer;

	os_atomic_store(&timer->mkt_underway, 0, release);
	mk_timer_release(timer);
}

static void
mk_timer_send_due(struct mk_timer *list)
{
	while (list != NULL) {
		struct mk_timer *timer = list;
		uint32_t calls;
		ipc_port_t port;

		list = timer->mkt_next;
		/* [T0] From here on it may be put on again: with references of its own. */
		calls = os_atomic_xchg(&timer->mkt_calls, 0, acq_rel);
		port = mk_timer_take_due(timer);
		if (IP_VALID(port)) {
			mk_timer_send(timer, port);
		}
		mk_timer_release_many(timer, calls);
	}
}

static void
mk_timer_thread_main(void *param, wait_result_t result)
{
	thread_t self = current_thread();

	(void)param;
	(void)result;
	for (;;) {
		struct mk_timer *list = os_atomic_xchg(&mk_timer_due, NULL, acquire);

		if (list != NULL) {
			mk_timer_send_due(list);
			continue;
		}
		wait_prepare(self, THREAD_UNINT, 0);
		os_atomic_store(&mk_timer_cookie, wait_cookie(self), relaxed);
		os_atomic_thread_fence(seq_cst); /* [T1] */
		if (os_atomic_load(&mk_timer_due, relaxed) != NULL && wait_cancel(self)) {
			continue;
		}
		thread_block(mk_timer_thread_main);
	}
}

void
mk_timer_init(void)
{
	kern_return_t kr =
	    kernel_thread_create(mk_timer_thread_main, NULL, MAXPRI_KERNEL, "timer ports", &mk_timer_thread);

	release_assert(kr == KERN_SUCCESS);
}

/* --- the port --- */

void
mk_timer_port_died(void *param)
{
	struct mk_timer *timer = param;
	ipc_port_t port;

	lck_spin_lock(&timer->mkt_lock);
	port = timer->mkt_port;
	timer->mkt_port = IP_NULL;
	timer->mkt_armed = false;
	lck_spin_unlock(&timer->mkt_lock);
	if (timer_call_cancel(&timer->mkt_call)) {
		mk_timer_release(timer);
	}
	ipc_port_release_send(port);
	mk_timer_release(timer);
}

static struct mk_timer *
mk_timer_alloc(void)
{
	struct mk_timer *timer = zalloc_flags(mk_timer_zone, Z_ZERO | Z_WAIT);

	if (timer != NULL) {
		timer_call_setup(&timer->mkt_call, mk_timer_expired, timer);
		lck_spin_init(&timer->mkt_lock, &mk_timer_lock_class);
		timer->mkt_refs = 1;
	}
	return timer;
}

mach_port_name_t
mk_timer_create(void)
{
	ipc_space_t space = current_task()->ipc.space;
	mach_port_name_t name = MACH_PORT_NULL;
	struct mk_timer *timer = mk_timer_alloc();
	ipc_port_t port;

	if (timer == NULL) {
		return MACH_PORT_NULL;
	}
	port = ipc_port_alloc();
	if (port == IP_NULL) {
		mk_timer_release(timer);
		return MACH_PORT_NULL;
	}
	port->ip_flags |= IP_TIMER;
	port->ip_kobject = timer;
	timer->mkt_port = ipc_port_make_send(port);
	if (ipc_right_copyout(space, port, MACH_MSG_TYPE_PORT_RECEIVE, &name) != KERN_SUCCESS) {
		ipc_port_destroy(port);
		return MACH_PORT_NULL;
	}
	return name;
}

/* The timer whose receive right the task has under `name`, with a reference. KERN_INVALID_ARGUMENT: no timer. */
static kern_return_t
mk_timer_lookup(mach_port_name_t name, struct mk_timer **timer)
{
	ipc_port_t port;
	kern_return_t kr = MACH_PORT_VALID(name)
			       ? ipc_right_reference_receive(current_task()->ipc.space, name, &port)
			       : KERN_INVALID_NAME;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = KERN_INVALID_ARGUMENT;
	lck_spin_lock(&port->ip_lock);
	if ((port->ip_flags & IP_TIMER) && port->ip_kobject != NULL) {
		*timer = port->ip_kobject;
		mk_timer_reference(*timer);
		kr = KERN_SUCCESS;
	}
	lck_spin_unlock(&port->ip_lock);
	ip_release(port);
	return kr;
}

/* --- traps --- */

kern_return_t
mk_timer_destroy(mach_port_name_t name)
{
	struct mk_timer *timer;
	kern_return_t kr = mk_timer_lookup(name, &timer);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	mk_timer_release(timer);
	return ipc_right_delta(current_task()->ipc.space, name, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* The setting that was is over; its call, if it had not come yet, gives back its reference. */
static void
mk_timer_disarm(struct mk_timer *timer)
{
	if (timer_call_cancel(&timer->mkt_call)) {
		mk_timer_release(timer);
	}
}

static kern_return_t
mk_timer_set(mach_port_name_t name, uint64_t deadline, uint64_t leeway)
{
	struct mk_timer *timer;
	kern_return_t kr = mk_timer_lookup(name, &timer);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&timer->mkt_lock);
	mk_timer_disarm(timer);
	timer->mkt_deadline = deadline;
	timer->mkt_armed = timer->mkt_port != IP_NULL;
	if (timer->mkt_armed) {
		mk_timer_reference(timer);
		timer_call_enter_leeway(&timer->mkt_call, deadline, leeway, 0);
	}
	lck_spin_unlock(&timer->mkt_lock);
	mk_timer_release(timer);
	return KERN_SUCCESS;
}

kern_return_t
mk_timer_arm(mach_port_name_t name, uint64_t expire_time)
{
	return mk_timer_set(name, expire_time, thread_timer_leeway(current_thread(), expire_time));
}

/* It comes up to `leeway` ticks late if another timer's interrupt can serve, more if the thread's tier allows more; not if it
 * is critical. */
kern_return_t
mk_timer_arm_leeway(mach_port_name_t name, uint64_t flags, uint64_t expire_time, uint64_t leeway)
{
	if (flags > MK_TIMER_CRITICAL) {
		return KERN_INVALID_ARGUMENT;
	}
	leeway = os_max(leeway, thread_timer_leeway(current_thread(), expire_time));
	return mk_timer_set(name, expire_time, flags == MK_TIMER_CRITICAL ? 0 : leeway);
}

kern_return_t
mk_timer_cancel(mach_port_name_t name, user_addr_t uresult)
{
	struct mk_timer *timer;
	kern_return_t kr = mk_timer_lookup(name, &timer);
	uint64_t deadline;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	lck_spin_lock(&timer->mkt_lock);
	mk_timer_disarm(timer);
	deadline = timer->mkt_armed ? timer->mkt_deadline : 0;
	timer->mkt_armed = false;
	lck_spin_unlock(&timer->mkt_lock);
	mk_timer_release(timer);
	if (uresult != 0 && copyout(&deadline, uresult, sizeof(deadline)) != 0) {
		return KERN_FAILURE;
	}
	return KERN_SUCCESS;
}
