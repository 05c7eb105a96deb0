/*
 * sysctl: named values. One table; a row has the dotted name, the numeric name where the public interface
 * gives one, a type and a function or a constant. Programs ask by name or by number.
 *
 * A row's handler gets a request that knows how much room the caller has; handlers only move values. Locks
 * are whatever a handler takes.
 */
#include <bsd/kern/pthread_workq.h>
#include <bsd/kern/sysctl_internal.h>

#include <arm64/boot_info.h>
#include <arm64/copyio.h>
#include <arm64/cpu_data.h>
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <bsd/kern/exec.h>
#include <bsd/kern/proc.h>
#include <ipc/ipc.h>
#include <kdebug/kpc.h>
#include <kdebug/sampling.h>
#include <kern/alloc_fail.h>
#include <kern/clock.h>
#include <kern/load.h>
#include <kern/locks.h>
#include <kern/processor.h>
#include <kern/stackshot.h>
#include <kern/version.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysctl.h>
#include <sys/sysproto.h>
#include <sys/time.h>
#include <vm/vm_map.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>
#include <vm/vm_shared_cache.h>

#define SYSCTL_NAME_MAX 128 /* bytes of a dotted name */
#define MAXPROC         (PID_MAX / 10)
#define CLOCK_HZ        100

/* On lines of its own: every program reads it. sysctl_lock. */
static char hostname[256] OS_CACHE_ALIGNED = "pluot";
LCK_CLASS_DECLARE(sysctl_class, "sysctl", LCK_RANK_BSD_MISC);
static LCK_RW_DECLARE(sysctl_lock, &sysctl_class);

void
sysctl_init(void)
{
	(void)lck_rw_spread(&sysctl_lock);
}

/* ---- Moving values ---- */

int
sysctl_out(struct sysctl_request *req, const void *value, size_t size)
{
	size_t n = req->old != 0 ? os_min(size, req->old_room) : 0;
	int error = n != 0 ? copyout(value, req->old, n) : 0;

	req->old_size = size;
	if (error != 0) {
		return error;
	}
	return req->old != 0 && n < size ? ENOMEM : 0;
}

int
sysctl_out_string(struct sysctl_request *req, const char *value)
{
	return sysctl_out(req, value, strlen(value) + 1);
}

int
sysctl_out_int(struct sysctl_request *req, int32_t value)
{
	return sysctl_out(req, &value, sizeof(value));
}

/* As wide as the caller's room says: older programs ask for these as int. */
int
sysctl_out_quad(struct sysctl_request *req, uint64_t value)
{
	int32_t narrow = (int32_t)value;

	if (req->old != 0 && req->old_room == sizeof(narrow)) {
		return value <= INT32_MAX ? sysctl_out(req, &narrow, sizeof(narrow)) : ERANGE;
	}
	return sysctl_out(req, &value, sizeof(value));
}

int
sysctl_in(struct sysctl_request *req, void *value, size_t size)
{
	return req->new_size == size ? copyin(req->new, value, size) : EINVAL;
}

/* ---- Handlers ---- */

static int
sysctl_string(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_string(req, row->arg);
}

static int
sysctl_constant(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, (int32_t)(intptr_t)row->arg);
}

static int
sysctl_hostname(const struct sysctl_row *row, struct sysctl_request *req)
{
	char name[sizeof(hostname)];
	int error;

	lck_rw_lock_shared(&sysctl_lock);
	memcpy(name, hostname, sizeof(name));
	lck_rw_unlock_shared(&sysctl_lock);
	error = sysctl_out_string(req, name);
	if (error != 0 || req->new == 0) {
		return error;
	}
	if (req->new_size >= sizeof(name)) {
		return ENAMETOOLONG;
	}
	error = copyin(req->new, name, req->new_size);
	if (error == 0) {
		name[req->new_size] = '\0';
		lck_rw_lock_exclusive(&sysctl_lock);
		memcpy(hostname, name, sizeof(hostname));
		lck_rw_unlock_exclusive(&sysctl_lock);
	}
	return error;
}

static int
sysctl_ncpu(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, (int32_t)cpu_count);
}

static int
sysctl_active_cpus(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, (int32_t)processor_running_count());
}

static int
sysctl_stackshot(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct stackshot shot;
	int error;

	if (current_proc()->p_ucred.cr_uid != 0) {
		return EPERM;
	}
	if (stackshot_take(&shot) != KERN_SUCCESS) {
		return ENOMEM;
	}
	error = sysctl_out(req, shot.ss_head, shot.ss_size);
	stackshot_free(&shot);
	return error;
}

static int
sysctl_loadavg(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct load_averages averages;
	struct loadavg load = { .fscale = LOAD_FIXED_ONE };

	load_average_get(&averages);
	load.ldavg[0] = averages.la_threads[LOAD_60S];
	load.ldavg[1] = averages.la_threads[LOAD_5M];
	load.ldavg[2] = averages.la_threads[LOAD_15M];
	return sysctl_out(req, &load, sizeof(load));
}

static int
sysctl_pagesize(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, PAGE_SIZE);
}

static int
sysctl_memsize(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, boot_info.ram.end - boot_info.ram.start);
}

static int
sysctl_page_counts(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct vm_page_counts counts;

	vm_page_get_counts(&counts);
	return sysctl_out_int(req, (int32_t)counts.free);
}

static int
sysctl_wire_count(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, vm_map_wired_pages());
}

/* Links to the page tables of the shared region, and those tables. */
static int
sysctl_shared_region(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t links, tables;

	vm_shared_region_counts(&links, &tables);
	return sysctl_out_quad(req, row->arg != NULL ? tables : links);
}

/* 1 normal, 2 warning, 4 critical. */
static int
sysctl_pressure_level(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, 1 << vm_pageout_pressure());
}

/* Free memory in percent. */
static int
sysctl_memory_level(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct vm_page_counts counts;

	vm_page_get_counts(&counts);
	return sysctl_out_int(req, (int32_t)(counts.free * 100 / counts.total));
}

static int
sysctl_tbfrequency(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, ml_get_timebase_frequency());
}

static int
sysctl_bootargs(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_string(req, boot_info.bootargs);
}

static int
sysctl_boottime(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t ns = clock_calendar_offset_ns();
	struct timeval tv;

	timeval_set(&tv, ns);
	return sysctl_out(req, &tv, sizeof(tv));
}

static int
sysctl_usrstack(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, current_proc()->p_stack_top);
}

/* Reads -1 when the calling thread may run anywhere, else its CPU; writing moves it. */
static int
sysctl_bind_cpu(const struct sysctl_row *row, struct sysctl_request *req)
{
	int32_t cpu;
	int error = sysctl_out_int(req, current_thread()->bound_cpu);

	if (error != 0 || req->new == 0) {
		return error;
	}
	error = sysctl_in(req, &cpu, sizeof(cpu));
	if (error == 0 && thread_bind_self(cpu) != KERN_SUCCESS) {
		error = EINVAL;
	}
	return error;
}

/* The event of counter 0: instructions retired, or 0 when the machine does not count them. */
static int
sysctl_counter0_event(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, ml_pmu_has_instructions() ? 0x08 : 0);
}

static int
sysctl_boot_instructions(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, boot_to_init_instructions);
}

static int
sysctl_boot_ns(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, absolutetime_to_nanoseconds(boot_to_init_ticks));
}

/* Debug kernels only; ENOENT elsewhere. */
static int
sysctl_locks_taken(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t count;

	return lck_count_acquired(&count) ? sysctl_out_quad(req, count) : ENOENT;
}

/* SITE/N in, {allocations seen, failed} out; <kern/alloc_fail.h>. Debug builds. */
static int
sysctl_alloc_fail(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t result[2];
	char words[32];
	int error;

	if (!MACH_ASSERT) {
		return ENOENT;
	}
	alloc_fail_result(&result[0], &result[1]);
	error = sysctl_out(req, result, sizeof(result));
	if (error != 0 || req->new == 0) {
		return error;
	}
	if (req->new_size >= sizeof(words)) {
		return EINVAL;
	}
	error = copyin(req->new, words, req->new_size);
	if (error == 0) {
		words[req->new_size] = '\0';
		error = alloc_fail_arm(words, current_task()) ? 0 : EINVAL;
	}
	return error;
}

static int
sysctl_ipc_fast_leaves(const struct sysctl_row *row, struct sysctl_request *req)
{
	unsigned count;
	const uint64_t *leaves = ipc_fast_leaves(&count);

	return leaves != NULL ? sysctl_out(req, leaves, count * sizeof(*leaves)) : ENOENT;
}

/* A reason, for the calling thread's next message call. Debug builds. */
static int
sysctl_ipc_fast_lose(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint32_t reason;
	int error;

	if (!MACH_ASSERT) {
		return ENOENT;
	}
	if (req->new_size != sizeof(reason)) {
		return EINVAL;
	}
	error = copyin(req->new, &reason, sizeof(reason));
	return error != 0 || ipc_fast_lose(reason) ? error : EINVAL;
}

#define STRING(name, ctl, id, text) { name, ctl, id, SYSCTL_RD, sysctl_string, text }
#define INT(name, ctl, id, value) \
	{ name, ctl, id, SYSCTL_RD, sysctl_constant, (const void *)(intptr_t)(value) }
#define PROC(name, ctl, id, handler) { name, ctl, id, SYSCTL_RD, handler, NULL }
#define SET(name, handler, arg)      { name, 0, 0, SYSCTL_RD | SYSCTL_WR, handler, (const void *)(uintptr_t)(arg) }

static const struct sysctl_row sysctl_rows[] = {
	SET("debug.alloc_fail", sysctl_alloc_fail, 0),
	PROC("debug.locks_taken", 0, 0, sysctl_locks_taken),
	PROC("debug.ipc_fast_leaves", 0, 0, sysctl_ipc_fast_leaves),
	SET("debug.ipc_fast_lose", sysctl_ipc_fast_lose, 0),
	STRING("kern.ostype", CTL_KERN, KERN_OSTYPE, "Darwin"),
	STRING("kern.osrelease", CTL_KERN, KERN_OSRELEASE, kernel_osrelease),
	INT("kern.osrevision", CTL_KERN, KERN_OSREV, 199506),
	STRING("kern.version", CTL_KERN, KERN_VERSION, kernel_version),
	STRING("kern.osversion", CTL_KERN, KERN_OSVERSION, "24F74"),
	INT("kern.maxproc", CTL_KERN, KERN_MAXPROC, MAXPROC),
	INT("kern.maxfiles", CTL_KERN, KERN_MAXFILES, FD_TABLE_MAX),
	INT("kern.maxfilesperproc", 0, 0, FD_TABLE_MAX),
	INT("kern.argmax", CTL_KERN, KERN_ARGMAX, EXEC_ARG_MAX),
	{ "kern.hostname", CTL_KERN, KERN_HOSTNAME, SYSCTL_RD | SYSCTL_WR, sysctl_hostname, NULL },
	{ "kern.kdebug", CTL_KERN, KERN_KDEBUG, SYSCTL_RD | SYSCTL_WR | SYSCTL_NODE, sysctl_kdebug, NULL },
	PROC("kern.kdebug_lost", 0, 0, sysctl_kdebug_lost),
	PROC("kern.boottime", CTL_KERN, KERN_BOOTTIME, sysctl_boottime),
	PROC("kern.memorystatus_level", 0, 0, sysctl_memory_level),
	PROC("kern.memorystatus_vm_pressure_level", 0, 0, sysctl_pressure_level),
	PROC("kern.usrstack64", CTL_KERN, KERN_USRSTACK64, sysctl_usrstack),
	PROC("kern.bootargs", 0, 0, sysctl_bootargs),
	PROC("kern.stackshot", 0, 0, sysctl_stackshot),
	PROC("kern.boot_to_init_instructions", 0, 0, sysctl_boot_instructions),
	PROC("kern.boot_to_init_ns", 0, 0, sysctl_boot_ns),
	SET("kern.wq_reduce_pool_window_usecs", sysctl_workq_window, NULL),
	{ "kern.sched_thread_bind_cpu", 0, 0, SYSCTL_RD | SYSCTL_WR, sysctl_bind_cpu, NULL },
	STRING("hw.machine", CTL_HW, HW_MACHINE, "arm64"),
	STRING("hw.model", CTL_HW, HW_MODEL, "QEMU virt"),
	PROC("hw.ncpu", CTL_HW, HW_NCPU, sysctl_ncpu),
	PROC("hw.activecpu", CTL_HW, HW_AVAILCPU, sysctl_active_cpus),
	PROC("hw.physicalcpu", 0, 0, sysctl_active_cpus),
	PROC("hw.physicalcpu_max", 0, 0, sysctl_ncpu),
	PROC("hw.logicalcpu", 0, 0, sysctl_active_cpus),
	PROC("hw.logicalcpu_max", 0, 0, sysctl_ncpu),
	INT("hw.byteorder", CTL_HW, HW_BYTEORDER, 1234),
	INT("hw.cachelinesize", CTL_HW, HW_CACHELINE, OS_CACHELINE),
	PROC("hw.pagesize", CTL_HW, HW_PAGESIZE, sysctl_pagesize),
	PROC("hw.memsize", CTL_HW, HW_MEMSIZE, sysctl_memsize),
	PROC("hw.tbfrequency", CTL_HW, HW_TB_FREQ, sysctl_tbfrequency),
	PROC("vm.loadavg", CTL_VM, VM_LOADAVG, sysctl_loadavg),
	PROC("vm.page_user_wire_count", 0, 0, sysctl_wire_count),
	PROC("vm.shared_region_links", 0, 0, sysctl_shared_region),
	{ "vm.shared_region_tables", 0, 0, SYSCTL_RD, sysctl_shared_region, "" },
	PROC("vm.page_free_count", 0, 0, sysctl_page_counts),
	PROC("kpc.classes", 0, 0, sysctl_kpc_classes),
	PROC("kpc.counter0_event", 0, 0, sysctl_counter0_event),
	SET("kpc.counting", sysctl_kpc_counting, NULL),
	SET("kpc.counter_count", sysctl_kpc_count, kpc_counter_count),
	SET("kpc.config_count", sysctl_kpc_count, kpc_config_count),
	SET("kpc.config", sysctl_kpc_config, NULL),
	SET("kpc.counters", sysctl_kpc_counters, NULL),
	PROC("kpc.cpu_events", 0, 0, sysctl_kpc_cpu_events),
	SET("kperf.action.count", sysctl_kperf_action_count, NULL),
	SET("kperf.action.samplers", sysctl_kperf_action, SAMPLING_SAMPLERS),
	SET("kperf.action.kcallstack_depth", sysctl_kperf_action, SAMPLING_KERNEL_DEPTH),
	SET("kperf.action.ucallstack_depth", sysctl_kperf_action, SAMPLING_USER_DEPTH),
	SET("kperf.action.filter_by_pid", sysctl_kperf_action, SAMPLING_PID),
	SET("kperf.period", sysctl_kperf_period, NULL),
	SET("kperf.reset", sysctl_kperf_reset, NULL),
	SET("kperf.sampling", sysctl_kperf_sampling, NULL),
	PROC("kperf.samples", 0, 0, sysctl_kperf_samples),
	PROC("kperf.lost", 0, 0, sysctl_kperf_lost),
};

/* ---- Look-up and the calls ---- */

static const struct sysctl_row *
sysctl_find_name(const char *name)
{
	for (size_t i = 0; i < os_countof(sysctl_rows); i++) {
		if (strcmp(sysctl_rows[i].name, name) == 0) {
			return &sysctl_rows[i];
		}
	}
	return NULL;
}

static const struct sysctl_row *
sysctl_find_id(const int *id, uint32_t len)
{
	for (size_t i = 0; i < os_countof(sysctl_rows); i++) {
		bool node = (sysctl_rows[i].access & SYSCTL_NODE) != 0;

		if ((node || len == 2) && sysctl_rows[i].ctl != 0 && sysctl_rows[i].ctl == id[0] &&
		    sysctl_rows[i].id == id[1]) {
			return &sysctl_rows[i];
		}
	}
	return NULL;
}

/* The common half: reads how much room there is, runs the row, tells how much there was. */
static int
sysctl_run(const struct sysctl_row *row, const int *rest, uint32_t rest_count, user_addr_t old,
    user_addr_t old_len, user_addr_t new, size_t new_len)
{
	struct sysctl_request req = { .old = old,
		.new = new,
		.new_size = new != 0 ? new_len : 0,
		.rest = rest,
		.rest_count = rest_count };
	uint64_t room = 0;
	int error = 0, copy_error;

	if (row == NULL) {
		return ENOENT;
	}
	if (new != 0 && (row->access & SYSCTL_WR) == 0) {
		return EPERM;
	}
	if (old_len != 0) {
		error = copyin(old_len, &room, sizeof(room));
	}
	if (error != 0) {
		return error;
	}
	req.old_room = old_len != 0 ? room : 0;
	if (old_len == 0) {
		req.old = 0;
	}
	error = row->handler(row, &req);
	if (old_len == 0 || (error != 0 && error != ENOMEM)) {
		return error;
	}
	if (old != 0) {
		req.old_size = os_min(req.old_size, req.old_room);
	}
	copy_error = copyout(&req.old_size, old_len, sizeof(uint64_t));
	return copy_error != 0 ? copy_error : error;
}

sysret_t
sys_sysctl(
    user_addr_t name, uint32_t namelen, user_addr_t old, user_addr_t oldlen, user_addr_t new, size_t newlen)
{
	int id[CTL_MAXNAME];
	int error;

	if (namelen < 2 || namelen > CTL_MAXNAME) {
		return (sysret_t){ .error = EINVAL };
	}
	error = copyin(name, id, namelen * sizeof(int));
	if (error == 0) {
		error =
		    sysctl_run(sysctl_find_id(id, namelen), id + 2, namelen - 2, old, oldlen, new, newlen);
	}
	return (sysret_t){ .error = error };
}

sysret_t
sys_sysctlbyname(
    user_addr_t uname, size_t namelen, user_addr_t old, user_addr_t oldlenp, user_addr_t new, size_t newlen)
{
	char name[SYSCTL_NAME_MAX];
	int error;

	if (namelen >= sizeof(name)) {
		return (sysret_t){ .error = ENAMETOOLONG };
	}
	error = copyin(uname, name, namelen);
	if (error == 0) {
		name[namelen] = '\0';
		error = sysctl_run(sysctl_find_name(name), NULL, 0, old, oldlenp, new, newlen);
	}
	return (sysret_t){ .error = error };
}
