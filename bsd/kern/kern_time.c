/*
 * Time calls. Programs read the clock from the commpage; gettimeofday comes here only when the page has
 * nothing fresh to say. Sleeping is __semwait_signal with a time-out and no semaphores, as the C library
 * calls it.
 */
#include <bsd/kern/proc.h>

#include <arm64/commpage.h>
#include <arm64/copyio.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_kobject.h>
#include <kern/clock.h>
#include <kern/semaphore.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/resource.h>
#include <sys/resource_private.h>
#include <sys/sysproto.h>
#include <sys/time.h>

void
timeval_set(struct timeval *tv, uint64_t ns)
{
	memset(tv, 0, sizeof(*tv));
	tv->tv_sec = (int64_t)(ns / NSEC_PER_SEC);
	tv->tv_usec = (int32_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

bool
timeval_is_valid(const struct timeval *tv, int64_t seconds_max)
{
	return tv->tv_sec >= 0 && tv->tv_sec <= seconds_max && tv->tv_usec >= 0 &&
	       tv->tv_usec < (int32_t)(NSEC_PER_SEC / NSEC_PER_USEC);
}

sysret_t
sys_gettimeofday(user_addr_t tp, user_addr_t tzp, user_addr_t absolute_time)
{
	uint64_t seconds, now = mach_absolute_time();
	uint32_t nanoseconds;
	struct timeval tv;
	struct timezone tz = { 0 };
	int error = 0;

	clock_publish_time_of_day();
	clock_get_calendar_ns(&seconds, &nanoseconds);
	timeval_set(&tv, seconds * NSEC_PER_SEC + nanoseconds);
	if (tp != 0) {
		error = copyout(&tv, tp, sizeof(tv));
	}
	if (error == 0 && tzp != 0) {
		error = copyout(&tz, tzp, sizeof(tz));
	}
	if (error == 0 && absolute_time != 0) {
		error = copyout(&now, absolute_time, sizeof(now));
	}
	return (sysret_t){ .error = error };
}

/* The superuser's. There is no time zone to be set. */
sysret_t
sys_settimeofday(user_addr_t tp, user_addr_t tzp)
{
	struct timeval tv = { 0 };
	int error = tp != 0 ? copyin(tp, &tv, sizeof(tv)) : 0;

	(void)tzp;
	if (error == 0 && current_proc()->p_ucred.cr_uid != 0) {
		error = EPERM;
	}
	if (error == 0 && !timeval_is_valid(&tv, UINT32_MAX)) {
		error = EINVAL;
	}
	if (error == 0 && tp != 0) {
		host_set_calendar((uint64_t)tv.tv_sec, (uint32_t)tv.tv_usec * (uint32_t)NSEC_PER_USEC);
	}
	return (sysret_t){ .error = error };
}

/* A deadline from what the call was given: an interval, or a time of day. */
static int
sleep_deadline(int relative, int64_t sec, int32_t nsec, uint64_t *deadline)
{
	uint64_t ns, seconds, now_ns;
	uint32_t nanoseconds;

	if (sec < 0 || nsec < 0 || nsec >= (int32_t)NSEC_PER_SEC) {
		return EINVAL;
	}
	if (os_mul_overflow((uint64_t)sec, NSEC_PER_SEC, &ns) || os_add_overflow(ns, (uint64_t)nsec, &ns)) {
		ns = UINT64_MAX;
	}
	if (!relative) {
		clock_get_calendar_ns(&seconds, &nanoseconds);
		now_ns = seconds * NSEC_PER_SEC + nanoseconds;
		ns = ns > now_ns ? ns - now_ns : 0;
	}
	*deadline = clock_interval_to_deadline_ns(ns);
	return 0;
}

static int
semwait_errno(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_OPERATION_TIMED_OUT:
		return ETIMEDOUT;
	case KERN_ABORTED:
		return EINTR;
	default:
		return EINVAL;
	}
}

/* Signals mutex_sem, if there is one, and waits for cond_sem; deadline 0: for ever. */
static int
semwait(mach_port_name_t cond_sem, mach_port_name_t mutex_sem, uint64_t deadline)
{
	semaphore_t cond, mutex = NULL;
	kern_return_t kr;

	if (port_name_to_semaphore(cond_sem, &cond) != KERN_SUCCESS) {
		return EINVAL;
	}
	kr = mutex_sem != 0 ? port_name_to_semaphore(mutex_sem, &mutex) : KERN_SUCCESS;
	if (kr == KERN_SUCCESS && mutex != NULL) {
		kr = semaphore_signal(mutex);
		semaphore_dereference(mutex);
	}
	if (kr == KERN_SUCCESS) {
		kr = semaphore_wait_deadline(cond, deadline);
	}
	semaphore_dereference(cond);
	return semwait_errno(kr);
}

/* With neither semaphore it is a sleep. */
sysret_t
sys___semwait_signal(int cond_sem, int mutex_sem, int timeout, int relative, int64_t tv_sec, int32_t tv_nsec)
{
	uint64_t deadline = 0;
	int error = timeout != 0 ? sleep_deadline(relative, tv_sec, tv_nsec, &deadline) : 0;

	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	if (cond_sem != 0) {
		error = semwait((mach_port_name_t)cond_sem, (mach_port_name_t)mutex_sem, deadline);
	} else if (mutex_sem != 0 || timeout == 0) {
		error = EINVAL;
	} else {
		error = clock_wait_until(deadline) == KERN_SUCCESS ? ETIMEDOUT : EINTR;
	}
	return (sysret_t){ .error = error };
}

void
rusage_set(struct rusage *ru, const struct cpu_usage *usage)
{
	memset(ru, 0, sizeof(*ru));
	timeval_set(&ru->ru_utime, absolutetime_to_nanoseconds(usage->cu_user));
	timeval_set(&ru->ru_stime, absolutetime_to_nanoseconds(usage->cu_system));
}

void
proc_self_usage(struct cpu_usage *usage)
{
	struct cpu_usage live;

	task_usage_get(current_task(), usage, &live);
	cpu_usage_add(usage, &live);
}

sysret_t
sys_getrusage(int who, user_addr_t rusage)
{
	struct rusage ru;
	struct cpu_usage usage;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN) {
		return (sysret_t){ .error = EINVAL };
	}
	task_usage_want(current_task());
	if (who == RUSAGE_SELF) {
		proc_self_usage(&usage);
	} else {
		lck_mtx_lock(&current_proc()->p_child_lock);
		usage = current_proc()->p_children_usage;
		lck_mtx_unlock(&current_proc()->p_child_lock);
	}
	rusage_set(&ru, &usage);
	return (sysret_t){ .error = copyout(&ru, rusage, sizeof(ru)) };
}

static_assert(offsetof(struct thsc_time_energy_cpi, ttec_user_time_mach) == sizeof(struct thsc_cpi) &&
		  offsetof(struct thsc_time_energy_cpi, ttec_energy_nj) == sizeof(struct thsc_time_cpi),
    "each begins like the longest");

/* The kinds per level are one behind those without; there is one level. */
sysret_t
sys_thread_selfcounts(uint32_t kind, user_addr_t buf, uint64_t size)
{
	static const size_t sizes[] = { [THSC_CPI] = sizeof(struct thsc_cpi),
		[THSC_CPI_PER_PERF_LEVEL] = sizeof(struct thsc_cpi),
		[THSC_TIME_CPI] = sizeof(struct thsc_time_cpi),
		[THSC_TIME_CPI_PER_PERF_LEVEL] = sizeof(struct thsc_time_cpi),
		[THSC_TIME_ENERGY_CPI] = sizeof(struct thsc_time_energy_cpi),
		[THSC_TIME_ENERGY_CPI_PER_PERF_LEVEL] = sizeof(struct thsc_time_energy_cpi) };
	struct thsc_time_energy_cpi counts;
	struct cpu_usage usage;

	if (kind < THSC_CPI || kind >= os_countof(sizes)) {
		return (sysret_t){ .error = EINVAL };
	}
	if (kind <= THSC_CPI_PER_PERF_LEVEL && !ml_pmu_splits()) {
		return (sysret_t){ .error = ENOTSUP };
	}
	thread_usage_begin();
	thread_usage_get(current_thread(), &usage);
	counts = (struct thsc_time_energy_cpi){
		.ttec_instructions = usage.cu_instructions,
		.ttec_cycles = usage.cu_cycles,
		.ttec_user_time_mach = usage.cu_user,
		.ttec_system_time_mach = usage.cu_system,
	};
	return (sysret_t){ .error = copyout(&counts, buf, os_min(size, (uint64_t)sizes[kind])) };
}
