/*
 * bsdthread_ctl: quality of service of threads, overrides of it, and what else the thread library asks.
 *
 * A thread has the class that it asked for, and overrides: a class that somebody wants it to have at least, for the
 * sake of a resource that it holds. The highest override counts. They are kept here, by resource, and their maximum is
 * handed to the scheduler; a resource may be named several times and must be ended as often.
 *
 * Lock: p_lock for a thread's overrides.
 */
#include <bsd/kern/pthread_internal.h>

#include <arm64/copyio.h>
#include <ipc/ipc_kobject.h>
#include <kern/clock.h>
#include <kern/processor.h>
#include <kern/zalloc.h>
#include <sys/errno.h>
#include <sys/sysproto.h>

enum bsdthread_ctl {
	CTL_SET_QOS = 0x10,
	CTL_GET_QOS = 0x20,
	CTL_OVERRIDE_START = 0x40,
	CTL_OVERRIDE_END = 0x80,
	CTL_SET_SELF = 0x100,
	CTL_OVERRIDE_RESET = 0x200,
	CTL_OVERRIDE_DISPATCH = 0x400,
	CTL_OVERRIDE_ASYNC_ADD = 0x401,
	CTL_OVERRIDE_ASYNC_RESET = 0x402,
	CTL_MAX_PARALLELISM = 0x800,
	CTL_ALLOW_KILL = 0x1000,
	CTL_APPLY_ATTR = 0x2000,
	CTL_ALLOW_SIGMASK = 0x4000,
};

/* CTL_SET_SELF */
#define SET_SELF_QOS       0x01U
#define SET_SELF_VOUCHER   0x02U
#define SET_SELF_FIXED     0x04U
#define SET_SELF_TIMESHARE 0x08U
#define SET_SELF_WQ_UNBIND 0x10U
#define SET_SELF_KNOWN     0x3fU

/* CTL_MAX_PARALLELISM */
#define PARALLELISM_LOGICAL  0x1U
#define PARALLELISM_REALTIME 0x2U

#define OVERRIDES_MAX 256U /* of one thread: more is a program that never ends them */

struct qos_override {
	struct list_node qo_link; /* p_lock */
	uint64_t qo_resource;     /* any number the program likes */
	uint32_t qo_count;        /* p_lock: how often it must be ended */
	uint8_t qo_qos;           /* p_lock: the highest class it was started with */
};

ZONE_DEFINE(override_zone, "qos overrides", sizeof(struct qos_override), ZC_NONE);

/* ---- The word in which the library gives a class and a relative priority ---- */

#define PRIORITY_CLASS_SHIFT 8
#define PRIORITY_CLASS_MASK  0x3f00U

bool
pthread_priority_decode(uint64_t priority, struct thread_qos *qos)
{
	uint32_t bits = (uint32_t)(priority & PRIORITY_CLASS_MASK) >> PRIORITY_CLASS_SHIFT;

	*qos = (struct thread_qos){ 0 };
	if (bits == 0) {
		return true;
	}
	qos->tq_qos = (uint8_t)(__builtin_ctz(bits) + 1);
	qos->tq_relpri = (int8_t)((int8_t)(priority & 0xff) + 1);
	return (bits & (bits - 1)) == 0 && qos->tq_relpri <= 0 && qos->tq_relpri >= -15;
}

uint32_t
pthread_priority_encode(struct thread_qos qos)
{
	return qos.tq_qos == 0 ? 0
			       : 1U << (PRIORITY_CLASS_SHIFT + qos.tq_qos - 1) | (uint8_t)(qos.tq_relpri - 1);
}

/* ---- Overrides; p_lock is held ---- */

static struct qos_override *
override_find(struct uthread *uth, uint64_t resource)
{
	list_foreach (n, &uth->uu_overrides) {
		struct qos_override *qo = list_entry(n, struct qos_override, qo_link);

		if (qo->qo_resource == resource) {
			return qo;
		}
	}
	return NULL;
}

static unsigned
override_highest(const struct uthread *uth)
{
	unsigned highest = 0;

	list_foreach (n, &uth->uu_overrides) {
		highest = os_max(highest, list_entry(n, struct qos_override, qo_link)->qo_qos);
	}
	return highest;
}

static int
override_start(struct uthread *uth, uint64_t resource, unsigned qos, struct qos_override **spare)
{
	struct qos_override *qo = override_find(uth, resource);

	if (qo != NULL) {
		qo->qo_count++;
		qo->qo_qos = (uint8_t)os_max(qo->qo_qos, qos);
		return 0;
	}
	if (uth->uu_override_count == OVERRIDES_MAX) {
		return ENOMEM;
	}
	qo = *spare;
	*spare = NULL;
	*qo = (struct qos_override){ .qo_resource = resource, .qo_count = 1, .qo_qos = (uint8_t)qos };
	list_push_back(&uth->uu_overrides, &qo->qo_link);
	uth->uu_override_count++;
	return 0;
}

/* Off the list; the caller frees it. */
static void
override_remove(struct uthread *uth, struct qos_override *qo)
{
	list_remove(&qo->qo_link);
	uth->uu_override_count--;
}

static int
override_end(struct uthread *uth, uint64_t resource, struct qos_override **dead)
{
	struct qos_override *qo = override_find(uth, resource);

	if (qo == NULL) {
		return EINVAL;
	}
	if (--qo->qo_count == 0) {
		override_remove(uth, qo);
		*dead = qo;
	}
	return 0;
}

void
pthread_qos_thread_exit(struct uthread *uth)
{
	while (!list_empty(&uth->uu_overrides)) {
		struct qos_override *qo = list_entry(uth->uu_overrides.next, struct qos_override, qo_link);

		override_remove(uth, qo);
		zfree(override_zone, qo);
	}
}

/* ---- Calls ---- */

/* Another thread of the process, with a reference; its uthread is there as long as p_lock is held. */
static struct uthread *
lock_thread(mach_port_name_t name, thread_t *thread) NO_THREAD_SAFETY
{
	struct proc *p = current_proc();

	*thread = port_name_to_thread(name);
	if (*thread == THREAD_NULL) {
		return NULL;
	}
	lck_mtx_lock(&p->p_lock);
	if ((*thread)->task == current_task() && (*thread)->uthread != NULL) {
		return (*thread)->uthread;
	}
	lck_mtx_unlock(&p->p_lock);
	thread_deallocate(*thread);
	return NULL;
}

static void
unlock_thread(thread_t thread) NO_THREAD_SAFETY
{
	lck_mtx_unlock(&current_proc()->p_lock);
	thread_deallocate(thread);
}

static int
ctl_override_start(mach_port_name_t name, uint64_t priority, uint64_t resource)
{
	struct qos_override *spare;
	struct thread_qos qos;
	struct uthread *uth;
	thread_t thread;
	int error;

	if (!pthread_priority_decode(priority, &qos) || qos.tq_qos == 0) {
		return EINVAL;
	}
	spare = zalloc_wait(override_zone);
	if (spare == NULL) {
		return ENOMEM;
	}
	uth = lock_thread(name, &thread);
	if (uth == NULL) {
		zfree(override_zone, spare);
		return ESRCH;
	}
	error = override_start(uth, resource, qos.tq_qos, &spare);
	if (error == 0) {
		pthread_qos_override(thread, override_highest(uth));
	}
	unlock_thread(thread);
	if (spare != NULL) {
		zfree(override_zone, spare);
	}
	return error;
}

static int
ctl_override_end(mach_port_name_t name, uint64_t resource)
{
	struct qos_override *dead = NULL;
	thread_t thread;
	struct uthread *uth = lock_thread(name, &thread);
	int error;

	if (uth == NULL) {
		return ESRCH;
	}
	error = override_end(uth, resource, &dead);
	if (dead != NULL) {
		pthread_qos_override(thread, override_highest(uth));
	}
	unlock_thread(thread);
	if (dead != NULL) {
		zfree(override_zone, dead);
	}
	return error;
}

/* All overrides of the calling thread end. */
static int
ctl_override_reset(void)
{
	struct uthread *uth = current_uthread();

	lck_mtx_lock(&uth->uu_proc->p_lock);
	pthread_qos_thread_exit(uth);
	pthread_qos_override(current_thread(), 0);
	lck_mtx_unlock(&uth->uu_proc->p_lock);
	return 0;
}

static int
set_self_qos(uint64_t priority)
{
	struct thread_qos qos;

	if (!pthread_priority_decode(priority, &qos)) {
		return EINVAL;
	}
	return pthread_qos_set(current_thread(), qos);
}

static int
ctl_set_self(uint64_t priority, uint64_t voucher, uint64_t flags)
{
	int error = 0;

	if ((flags & ~(uint64_t)SET_SELF_KNOWN) != 0 ||
	    (flags & (SET_SELF_FIXED | SET_SELF_TIMESHARE)) == (SET_SELF_FIXED | SET_SELF_TIMESHARE)) {
		return EINVAL;
	}
	if ((flags & SET_SELF_QOS) != 0) {
		error = set_self_qos(priority);
	}
	if (error == 0 && (flags & (SET_SELF_FIXED | SET_SELF_TIMESHARE)) != 0) {
		error = pthread_timeshare_set(current_thread(), (flags & SET_SELF_TIMESHARE) != 0);
	}
	return error; /* vouchers are accepted and mean nothing */
}

/* The first form of it: the class is in a slot of the thread's data. */
static int
ctl_set_qos(mach_port_name_t name, user_addr_t slot)
{
	thread_t thread = port_name_to_thread(name);
	uint64_t priority;
	int error = copyin(slot, &priority, sizeof(priority));

	if (thread == THREAD_NULL) {
		return ESRCH;
	}
	if (error == 0) {
		error = thread == current_thread() ? set_self_qos(priority) : EPERM;
	}
	thread_deallocate(thread);
	return error;
}

static sysret_t
ctl_get_qos(mach_port_name_t name)
{
	thread_t thread;
	struct uthread *uth = lock_thread(name, &thread);
	uint32_t priority;

	if (uth == NULL) {
		return (sysret_t){ .error = ESRCH };
	}
	priority = pthread_priority_encode(uth->uu_qos);
	unlock_thread(thread);
	return (sysret_t){ .value = priority };
}

unsigned
pthread_cpus_online(void)
{
	unsigned online = 0;

	for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
		online += os_atomic_load(&processor_get(cpu)->pr_online, relaxed) != 0;
	}
	return os_max(online, 1U);
}

/* How many threads of a class can run at once. */
static sysret_t
ctl_max_parallelism(uint64_t qos, uint64_t flags)
{
	if ((flags & ~(uint64_t)(PARALLELISM_LOGICAL | PARALLELISM_REALTIME)) != 0 ||
	    qos >= THREAD_QOS_COUNT) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .value = pthread_cpus_online() };
}

sysret_t
sys_bsdthread_ctl(user_addr_t cmd, user_addr_t arg1, user_addr_t arg2, user_addr_t arg3)
{
	mach_port_name_t name = (mach_port_name_t)arg1;

	switch (cmd) {
	case CTL_SET_QOS:
		return (sysret_t){ .error = ctl_set_qos(name, arg2) };
	case CTL_GET_QOS:
		return ctl_get_qos(name);
	case CTL_OVERRIDE_START:
	case CTL_OVERRIDE_DISPATCH:
	case CTL_OVERRIDE_ASYNC_ADD:
		return (sysret_t){ .error = ctl_override_start(name, arg2, arg3) };
	case CTL_OVERRIDE_END:
	case CTL_OVERRIDE_ASYNC_RESET:
		return (sysret_t){ .error = ctl_override_end(name, arg2) };
	case CTL_OVERRIDE_RESET:
		return (sysret_t){ .error = ctl_override_reset() };
	case CTL_SET_SELF:
		return (sysret_t){ .error = ctl_set_self(arg1, arg2, arg3) };
	case CTL_MAX_PARALLELISM:
		return ctl_max_parallelism(arg1, arg2);
	case CTL_ALLOW_KILL:
	case CTL_APPLY_ATTR:
	case CTL_ALLOW_SIGMASK:
		return (sysret_t){ 0 }; /* nothing here forbids signals to a kind of threads */
	default:
		return (sysret_t){ .error = EINVAL };
	}
}

/* CPU time of the calling thread, in timebase ticks. */
sysret_t
sys_thread_selfusage(void)
{
	return (
	    sysret_t){ .value = (int64_t)nanoseconds_to_absolutetime(thread_cpu_time_ns(current_thread())) };
}
