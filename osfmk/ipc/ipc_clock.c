/*
 * Clocks as kernel objects: telling the time, sleeping, alarms.
 *
 * An alarm is an element of one list, sorted by deadline. One thread sleeps until the first of them is due and sends its
 * message; whoever puts an alarm at the head wakes it. Alarms are rare (a timer that is armed again and again is a
 * timer port, mk_timer.c), so one lock and a walk to the place will do.
 *
 * Lock: clock_alarm_lock, a leaf but for the wait of the thread.
 */
#include <ipc/ipc_clock.h>

#include <arm64/copyio.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_tt.h>
#include <ipc/kmsg.h>
#include <ipc/port.h>
#include <ipc/send.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/mach_traps.h>
#include <kern/sched.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/wait.h>
#include <kern/zalloc.h>
#include <mach/ndr.h>

#define CLOCK_ALARM_REPLY_ID 3125107 /* clock_alarm_reply */

static struct clock_service clocks[] = { { .clock_id = SYSTEM_CLOCK }, { .clock_id = CALENDAR_CLOCK } };

void
ipc_clock_init(void)
{
	for (unsigned i = 0; i < os_countof(clocks); i++) {
		clocks[i].clock_port = ipc_host_make_port(&clocks[i], IKOT_CLOCK);
		clocks[i].control_port = ipc_host_make_port(&clocks[i], IKOT_CLOCK_CTRL);
	}
}

clock_serv_t
convert_port_to_clock(ipc_port_t port)
{
	return ip_lasting_kobject(port, IKOT_CLOCK);
}

clock_serv_t
convert_port_to_clock_ctrl(ipc_port_t port)
{
	return ip_lasting_kobject(port, IKOT_CLOCK_CTRL);
}

kern_return_t
host_get_clock_service(host_t host, clock_id_t id, ipc_port_t *clock)
{
	(void)host;
	if (id < 0 || (unsigned)id >= os_countof(clocks)) {
		return KERN_INVALID_ARGUMENT;
	}
	*clock = ipc_port_make_send(clocks[id].clock_port);
	return KERN_SUCCESS;
}

kern_return_t
host_get_clock_control(host_t host, clock_id_t id, ipc_port_t *control)
{
	(void)host;
	if (id < 0 || (unsigned)id >= os_countof(clocks)) {
		return KERN_INVALID_ARGUMENT;
	}
	*control = ipc_port_make_send(clocks[id].control_port);
	return KERN_SUCCESS;
}

/* --- the time --- */

static bool
timespec_is_valid(mach_timespec_t time)
{
	return time.tv_nsec >= 0 && (uint64_t)time.tv_nsec < NSEC_PER_SEC;
}

static uint64_t
timespec_to_ns(mach_timespec_t time)
{
	return time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

static mach_timespec_t
timespec_of_ns(uint64_t ns)
{
	return (mach_timespec_t){ .tv_sec = (unsigned int)(ns / NSEC_PER_SEC),
		.tv_nsec = (clock_res_t)(ns % NSEC_PER_SEC) };
}

static uint64_t
system_clock_ns(void)
{
	return absolutetime_to_nanoseconds(mach_absolute_time());
}

kern_return_t
clock_get_time(clock_serv_t clock, mach_timespec_t *time)
{
	uint64_t seconds;
	uint32_t fraction;

	if (clock->clock_id == CALENDAR_CLOCK) {
		clock_get_calendar_ns(&seconds, &fraction);
		*time =
		    (mach_timespec_t){ .tv_sec = (unsigned int)seconds, .tv_nsec = (clock_res_t)fraction };
	} else {
		*time = timespec_of_ns(system_clock_ns());
	}
	return KERN_SUCCESS;
}

kern_return_t
clock_set_time(clock_serv_t clock, mach_timespec_t time)
{
	if (clock->clock_id != CALENDAR_CLOCK) {
		return KERN_FAILURE;
	}
	if (!timespec_is_valid(time)) {
		return KERN_INVALID_VALUE;
	}
	host_set_calendar(time.tv_sec, (uint32_t)time.tv_nsec);
	return KERN_SUCCESS;
}

kern_return_t
clock_get_attributes(
    clock_serv_t clock, clock_flavor_t flavor, clock_attr_t attr, mach_msg_type_number_t *count)
{
	(void)clock;
	if (*count < 1) {
		return KERN_FAILURE;
	}
	switch (flavor) {
	case CLOCK_GET_TIME_RES:
	case CLOCK_ALARM_CURRES:
	case CLOCK_ALARM_MINRES:
	case CLOCK_ALARM_MAXRES:
		attr[0] = (integer_t)absolutetime_to_nanoseconds(1);
		*count = 1;
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_VALUE;
	}
}

/*
 * The absolute time, in ns, that `time` of `type` means. KERN_INVALID_VALUE for what is no time. Only the system
 * clock can be waited for.
 */
static kern_return_t
clock_check_wait(const struct clock_service *clock, int type, mach_timespec_t time, uint64_t *deadline_ns)
{
	if (clock->clock_id != SYSTEM_CLOCK) {
		return KERN_FAILURE;
	}
	if ((type & ~TIME_RELATIVE) != 0 || !timespec_is_valid(time)) {
		return KERN_INVALID_VALUE;
	}
	*deadline_ns = timespec_to_ns(time) + (type == TIME_RELATIVE ? system_clock_ns() : 0);
	return KERN_SUCCESS;
}

/* --- alarms --- */

struct clock_alarm {
	struct list_node link;
	uint64_t deadline; /* absolute time */
	alarm_type_t type;
	ipc_port_t port; /* send-once right */
};

#pragma pack(push, 4)
struct clock_alarm_message {
	mach_msg_header_t header;
	NDR_record_t ndr;
	kern_return_t code;
	alarm_type_t type;
	mach_timespec_t time; /* when it was sent */
};
#pragma pack(pop)

static ZONE_DEFINE(clock_alarm_zone, "clock alarms", sizeof(struct clock_alarm), ZC_NONE);
static LCK_CLASS_DECLARE(clock_alarm_lock_class, "clock alarms", LCK_RANK_IPC_MISC);
static LCK_SPIN_DECLARE(clock_alarm_lock, &clock_alarm_lock_class);
static struct list_node clock_alarms = LIST_HEAD_INIT(clock_alarms); /* by deadline */
static thread_t clock_alarm_thread;                                  /* constant after start-up */
static uint64_t clock_alarm_cookie; /* of the thread's wait; under the lock */

static void
clock_alarm_send(ipc_port_t port, alarm_type_t type)
{
	ipc_kmsg_t kmsg = ipc_kmsg_alloc_nowait(sizeof(struct clock_alarm_message));

	if (kmsg == IKM_NULL) {
		ipc_port_release_sonce(port); /* its notification says that no alarm will come */
		return;
	}
	kmsg->ikm_remote = port;
	kmsg->ikm_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
	*(struct clock_alarm_message *)(void *)kmsg->ikm_msg = (struct clock_alarm_message){
		.header = { .msgh_id = CLOCK_ALARM_REPLY_ID,
		    .msgh_size = sizeof(struct clock_alarm_message) },
		.ndr = NDR_RECORD_INIT,
		.code = KERN_SUCCESS,
		.type = type,
		.time = timespec_of_ns(system_clock_ns()),
	};
	ipc_kmsg_send_always(kmsg);
}

/* In its place; true if that is the first. */
static bool
clock_alarm_insert_locked(struct clock_alarm *alarm)
{
	struct list_node *behind = clock_alarms.prev;

	while (behind != &clock_alarms &&
	       list_entry(behind, struct clock_alarm, link)->deadline > alarm->deadline) {
		behind = behind->prev;
	}
	list_insert_between(&alarm->link, behind, behind->next);
	return behind == &clock_alarms;
}

kern_return_t
clock_alarm(clock_serv_t clock, alarm_type_t type, mach_timespec_t time, ipc_port_t port)
{
	struct clock_alarm *alarm;
	uint64_t deadline_ns;
	kern_return_t kr = clock_check_wait(clock, type, time, &deadline_ns);
	bool wake;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (!IP_VALID(port)) {
		return KERN_INVALID_CAPABILITY;
	}
	alarm = zalloc_wait(clock_alarm_zone);
	if (alarm == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	alarm->deadline = nanoseconds_to_absolutetime(deadline_ns) + 1; /* not before its time */
	alarm->type = type;
	alarm->port = port;
	lck_spin_lock(&clock_alarm_lock);
	wake = clock_alarm_insert_locked(alarm) &&
	       wait_claim(clock_alarm_thread, clock_alarm_cookie, THREAD_AWAKENED);
	lck_spin_unlock(&clock_alarm_lock);
	if (wake) {
		thread_make_runnable(clock_alarm_thread);
	}
	return KERN_SUCCESS;
}

/* The first alarm if it is due; else NULL, and the thread's wait is open until it is. */
static struct clock_alarm *
clock_alarm_take_or_wait(thread_t self)
{
	struct clock_alarm *first = NULL;

	lck_spin_lock(&clock_alarm_lock);
	if (!list_empty(&clock_alarms)) {
		first = list_first_entry(&clock_alarms, struct clock_alarm, link);
	}
	if (first != NULL && first->deadline <= mach_absolute_time()) {
		list_remove(&first->link);
	} else {
		wait_prepare(self, THREAD_UNINT, first == NULL ? 0 : first->deadline);
		clock_alarm_cookie = wait_cookie(self);
		first = NULL;
	}
	lck_spin_unlock(&clock_alarm_lock);
	return first;
}

static void
clock_alarm_thread_main(void *param, wait_result_t result)
{
	struct clock_alarm *alarm;

	(void)param;
	(void)result;
	while ((alarm = clock_alarm_take_or_wait(current_thread())) != NULL) {
		clock_alarm_send(alarm->port, alarm->type);
		zfree(clock_alarm_zone, alarm);
	}
	thread_block(clock_alarm_thread_main);
}

void
ipc_clock_start_alarms(void)
{
	kern_return_t kr = kernel_thread_create(
	    clock_alarm_thread_main, NULL, MAXPRI_KERNEL, "clock alarms", &clock_alarm_thread);

	release_assert(kr == KERN_SUCCESS);
}

/* --- sleeping --- */

/* The clock of a name in the caller's space; null is the system clock. NULL: no clock. */
static clock_serv_t
clock_of_name(mach_port_name_t name)
{
	clock_serv_t clock;

	if (name == MACH_PORT_NULL) {
		return &clocks[SYSTEM_CLOCK];
	}
	smr_enter();
	clock = convert_port_to_clock(ipc_name_to_kobject_port(name, IKOT_CLOCK));
	smr_leave();
	return clock;
}

kern_return_t
clock_sleep_trap(mach_port_name_t clock_name, sleep_type_t sleep_type, int sec, int nsec, user_addr_t wakeup)
{
	clock_serv_t clock = clock_of_name(clock_name);
	mach_timespec_t time = { .tv_sec = (unsigned int)sec, .tv_nsec = nsec };
	uint64_t deadline_ns;
	kern_return_t kr;

	if (clock == NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	kr = clock_check_wait(clock, sleep_type, time, &deadline_ns);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = clock_wait_until(nanoseconds_to_absolutetime(deadline_ns));
	time = timespec_of_ns(system_clock_ns());
	(void)copyout(&time, wakeup, sizeof(time)); /* a null or bad address: nobody wants to know */
	return kr;
}
