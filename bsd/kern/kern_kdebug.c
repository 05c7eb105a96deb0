/*
 * Control of the kernel trace by programs: the operations of sysctl KERN_KDEBUG and the system calls. What they mean is
 * in <sys/kdebug.h>; the trace itself is osfmk/kdebug.
 *
 * Lock: kdebug_owner_lock, LCK_RANK_KDEBUG_OWNER, over each operation; inside it the locks of
 * processes, and kdebug_mutex.
 *
 * The owner is known by number and time of birth, so no reference keeps its zombie. Once it is gone, the next process
 * that configures gets a trace without buffers and filters.
 */
#include <bsd/kern/kern_kdebug.h>

#include <arm64/copyio.h>
#include <arm64/cpu_data.h>
#include <bsd/kern/proc.h>
#include <bsd/kern/sysctl_internal.h>
#include <kdebug/control.h>
#include <kdebug/kdebug.h>
#include <kern/clock.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>

/* Records of all buffers together, unless KERN_KDSETBUF says otherwise. */
#define RECORDS_DEFAULT 65536

/* KERN_KDBUFWAIT looks this often: writers do not tell anybody. */
#define BUFWAIT_STEP_NS (5 * NSEC_PER_MSEC)

LCK_CLASS_DECLARE(kdebug_owner_class, "kdebug owner", LCK_RANK_KDEBUG_OWNER);
static LCK_MTX_DECLARE(kdebug_owner_lock, &kdebug_owner_class);

/* All under kdebug_owner_lock. */
static pid_t owner_pid = -1;
static uint64_t owner_birth;
static uint64_t wanted_records = RECORDS_DEFAULT;
static bool nowrap;
static unsigned filter_flags; /* KDBG_RANGECHECK and the like, as last set */
static struct kdebug_thread_map thread_map;

/* --- who may --- */

static bool
is_superuser(void)
{
	return current_proc()->p_ucred.cr_uid == 0;
}

static void
forget_all(void)
{
	kdebug_reset();
	kdebug_thread_map_free(&thread_map);
	wanted_records = RECORDS_DEFAULT;
	nowrap = false;
	filter_flags = 0;
	owner_pid = -1;
}

static bool
is_owner(const struct proc *p)
{
	return p->p_pid == owner_pid && p->p_start_abstime == owner_birth;
}

static bool
owner_lives(void)
{
	struct proc *p = owner_pid >= 0 ? proc_find(owner_pid) : NULL;
	bool lives = p != NULL && is_owner(p) && os_atomic_load(&p->p_state, relaxed) != SZOMB;

	if (p != NULL) {
		proc_rele(p);
	}
	return lives;
}

/* The caller owns the trace from now on, unless somebody else does. */
static int
become_owner(void)
{
	struct proc *self = current_proc();

	if (is_owner(self)) {
		return 0;
	}
	if (owner_lives()) {
		return EBUSY;
	}
	forget_all();
	owner_pid = self->p_pid;
	owner_birth = self->p_start_abstime;
	return 0;
}

/* --- buffers --- */

static int
errno_of(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_RESOURCE_SHORTAGE:
		return ENOMEM;
	case KERN_INVALID_ADDRESS:
		return EFAULT;
	default: /* the wrong state */
		return EINVAL;
	}
}

static int
set_up(void)
{
	struct kdebug_status status;

	kdebug_get_status(&status);
	if (status.on) {
		return EBUSY;
	}
	if (status.records != 0) { /* other sizes, empty buffers; filters stay */
		kdebug_drop_buffers();
	}
	return errno_of(kdebug_make_buffers(wanted_records));
}

static int
enable(int value)
{
	if (value == 0) {
		kdebug_stop();
		return 0;
	}
	if (value != KDEBUG_ENABLE_TRACE) {
		return EINVAL;
	}
	kdebug_thread_map_free(&thread_map);
	if (!kdebug_thread_map_take(&thread_map)) {
		return ENOMEM;
	}
	return errno_of(kdebug_start(!nowrap));
}

static int
get_info(struct sysctl_request *req)
{
	struct kdebug_status status;
	kbufinfo_t info;
	int error;

	if (req->old_room < sizeof(info.nkdbufs)) {
		return EINVAL;
	}
	kdebug_get_status(&status);
	info = (kbufinfo_t){
		.nkdbufs = (int)(status.records != 0 ? status.records : wanted_records),
		.nolog = !status.on,
		.flags = KDBG_LP64 | filter_flags | (nowrap ? KDBG_NOWRAP : 0) |
			 (status.wrapped ? KDBG_WRAPPED : 0) | (status.records != 0 ? KDBG_BUFINIT : 0),
		.nkdthreads = (int)thread_map.count,
		.bufid = owner_lives() ? owner_pid : -1,
	};
	error = sysctl_out(req, &info, sizeof(info));
	return error == ENOMEM ? 0 : error; /* as much as there is room for */
}

static int
read_records(struct sysctl_request *req)
{
	uint64_t count = req->old_room / sizeof(kd_buf), done;
	int error;

	if (req->old == 0 || count == 0) {
		return EINVAL;
	}
	error = errno_of(kdebug_read(req->old, count, &done));
	req->old_size = done;
	return error;
}

/* The first look needs no wait; then in steps. The lock is not held meanwhile: others may stop the trace. */
static int
wait_for_buffer(struct sysctl_request *req) REQUIRES(kdebug_owner_lock)
{
	uint64_t deadline = clock_interval_to_deadline_ns((uint64_t)(uint32_t)req->old_room * NSEC_PER_MSEC);
	wait_result_t result = THREAD_TIMED_OUT;
	bool full = kdebug_half_full();

	lck_mtx_unlock(&kdebug_owner_lock);
	while (!full && result == THREAD_TIMED_OUT && mach_absolute_time() < deadline) {
		uint64_t step = clock_interval_to_deadline_ns(BUFWAIT_STEP_NS);

		assert_wait_deadline(&wanted_records, THREAD_ABORTSAFE, os_min(step, deadline));
		result = thread_block(THREAD_CONTINUE_NULL);
		full = kdebug_half_full();
	}
	lck_mtx_lock(&kdebug_owner_lock);
	req->old_size = full;
	return result == THREAD_INTERRUPTED ? EINTR : 0;
}

/* --- filters --- */

static void
change_reg(struct kdebug_filter *filter, const void *arg)
{
	const kd_regtype *reg = arg;
	uint32_t begin = reg->value1, end = reg->value2;

	switch (reg->type) {
	case KDBG_CLASSTYPE:
		kdebug_filter_set_range(filter, (begin & 0xff) << KDBG_CLASS_OFFSET,
		    end > KDBG_CLASS_MAX ? UINT32_MAX : end << KDBG_CLASS_OFFSET);
		break;
	case KDBG_SUBCLSTYPE:
		begin = KDBG_EVENTID(reg->value1, reg->value2, 0);
		kdebug_filter_set_range(filter, begin, begin + KDBG_EVENTID(0, 1, 0));
		break;
	case KDBG_RANGETYPE:
		kdebug_filter_set_range(filter, begin, end);
		break;
	case KDBG_VALCHECK:
		kdebug_filter_set_values(
		    filter, (const uint32_t[]){ reg->value1, reg->value2, reg->value3, reg->value4 });
		break;
	default:
		kdebug_filter_set_none(filter);
		break;
	}
}

static int
read_reg(const struct sysctl_request *req, kd_regtype *reg)
{
	return req->old == 0 || req->old_room < sizeof(*reg) ? EINVAL : copyin(req->old, reg, sizeof(*reg));
}

static int
set_reg(const struct sysctl_request *req)
{
	kd_regtype reg;
	int error = read_reg(req, &reg);

	if (error != 0) {
		return error;
	}
	filter_flags &= ~(KDBG_CKTYPES | KDBG_RANGECHECK | KDBG_VALCHECK);
	switch (reg.type) {
	case KDBG_CLASSTYPE:
	case KDBG_SUBCLSTYPE:
	case KDBG_RANGETYPE:
		filter_flags |= reg.type | KDBG_RANGECHECK;
		break;
	case KDBG_VALCHECK:
		filter_flags |= KDBG_VALCHECK;
		break;
	case KDBG_TYPENONE:
		break;
	default:
		return EINVAL;
	}
	kdebug_change_filter(change_reg, &reg);
	return 0;
}

static void
change_types(struct kdebug_filter *filter, const void *arg)
{
	kdebug_filter_set_types(filter, arg);
}

static int
set_typefilter(const struct sysctl_request *req)
{
	uint64_t *types;
	int error;

	if (req->old == 0 || req->old_room != KDBG_TYPEFILTER_BITMAP_SIZE) {
		return EINVAL;
	}
	types = kalloc_flags(KDBG_TYPEFILTER_BITMAP_SIZE, Z_WAIT);
	if (types == NULL) {
		return ENOMEM;
	}
	error = copyin(req->old, types, KDBG_TYPEFILTER_BITMAP_SIZE);
	if (error == 0) {
		kdebug_change_filter(change_types, types);
		filter_flags |= KDBG_TYPEFILTER_CHECK;
	}
	kfree(types, KDBG_TYPEFILTER_BITMAP_SIZE);
	return error;
}

static void
change_tasks(struct kdebug_filter *filter, const void *arg)
{
	kdebug_filter_set_tasks(filter, *(const enum kdebug_filter_tasks *)arg);
}

static void
unmark_all_tasks(void)
{
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		if (p->p_task != NULL) {
			os_atomic_store(&p->p_task->kdebug_marked, false, relaxed);
		}
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
}

/* One process alone, or one left out; value2 0 ends that. `flag` is KDBG_PIDCHECK or KDBG_PIDEXCLUDE. */
static int
set_pid(const struct sysctl_request *req, unsigned flag, enum kdebug_filter_tasks kind)
{
	enum kdebug_filter_tasks tasks;
	kd_regtype reg;
	struct proc *p;
	int error = read_reg(req, &reg);

	if (error != 0) {
		return error;
	}
	p = proc_find((pid_t)reg.value1);
	if (p == NULL) {
		return ESRCH;
	}
	if (!(filter_flags & flag)) {
		unmark_all_tasks(); /* they were marked for the opposite */
	}
	if (p->p_task != NULL) {
		os_atomic_store(&p->p_task->kdebug_marked, reg.value2 != 0, relaxed);
	}
	proc_rele(p);
	filter_flags &= ~(KDBG_PIDCHECK | KDBG_PIDEXCLUDE);
	filter_flags |= reg.value2 != 0 ? flag : 0;
	tasks = reg.value2 != 0 ? kind : KDEBUG_TASKS_ALL;
	kdebug_change_filter(change_tasks, &tasks);
	return 0;
}

/* --- maps --- */

/* As many entries as there is room for. */
static int
put_thread_map(struct sysctl_request *req, const struct kdebug_thread_map *map)
{
	uint64_t n = os_min((uint64_t)map->count, req->old_room / sizeof(kd_threadmap));
	int error;

	if (req->old == 0 || n == 0) {
		return EINVAL;
	}
	error = copyout(map->entries, req->old, n * sizeof(kd_threadmap));
	req->old_size = n * sizeof(kd_threadmap);
	return error;
}

static int
put_current_thread_map(struct sysctl_request *req)
{
	struct kdebug_thread_map map = { 0 };
	int error;

	if (!kdebug_thread_map_take(&map)) {
		return ENOMEM;
	}
	error = put_thread_map(req, &map);
	kdebug_thread_map_free(&map);
	return error;
}

static int
put_cpu_map(struct sysctl_request *req)
{
	struct {
		kd_cpumap_header header;
		kd_cpumap cpus[MAX_CPUS];
	} map = { .header = { .version_no = RAW_VERSION1, .cpu_count = cpu_count } };
	size_t size = sizeof(map.header) + cpu_count * sizeof(kd_cpumap);

	for (unsigned i = 0; i < cpu_count; i++) {
		map.cpus[i] = (kd_cpumap){ .cpu_id = i };
		snprintf(map.cpus[i].name, sizeof(map.cpus[i].name), "CPU%u", i);
	}
	if (req->old != 0 && req->old_room < size) {
		return EINVAL;
	}
	return sysctl_out(req, &map, size);
}

/* --- the operations --- */

/* What anybody may ask that may ask at all. */
static int
ask(int operation, struct sysctl_request *req)
{
	switch (operation) {
	case KERN_KDGETBUF:
		return get_info(req);
	case KERN_KDREADCURTHRMAP:
		return put_current_thread_map(req);
	case KERN_KDCPUMAP:
		return put_cpu_map(req);
	default:
		return ENOTSUP;
	}
}

static int
set_records(int value)
{
	if (value < 0) {
		return EINVAL;
	}
	wanted_records = value != 0 ? (uint64_t)value : RECORDS_DEFAULT;
	return 0;
}

static int
set_flags(unsigned flags, bool on)
{
	if ((flags & KDBG_USERFLAGS) != flags) {
		return EINVAL;
	}
	nowrap = flags & KDBG_NOWRAP ? on : nowrap;
	return 0;
}

/* What only the owner does. */
static int
operate(int operation, int value, struct sysctl_request *req) REQUIRES(kdebug_owner_lock)
{
	switch (operation) {
	case KERN_KDEFLAGS:
		return set_flags((unsigned)value, true);
	case KERN_KDDFLAGS:
		return set_flags((unsigned)value, false);
	case KERN_KDENABLE:
		return enable(value);
	case KERN_KDSETBUF:
		return set_records(value);
	case KERN_KDSETUP:
		return set_up();
	case KERN_KDREMOVE:
		forget_all();
		return 0;
	case KERN_KDSETREG:
		return set_reg(req);
	case KERN_KDREADTR:
		return read_records(req);
	case KERN_KDPIDTR:
		return set_pid(req, KDBG_PIDCHECK, KDEBUG_TASKS_MARKED);
	case KERN_KDPIDEX:
		return set_pid(req, KDBG_PIDEXCLUDE, KDEBUG_TASKS_UNMARKED);
	case KERN_KDTHRMAP:
		return put_thread_map(req, &thread_map);
	case KERN_KDSET_TYPEFILTER:
		return set_typefilter(req);
	case KERN_KDBUFWAIT:
		return wait_for_buffer(req);
	default:
		return ask(operation, req);
	}
}

static bool
takes_value(int operation)
{
	return operation == KERN_KDEFLAGS || operation == KERN_KDDFLAGS || operation == KERN_KDENABLE ||
	       operation == KERN_KDSETBUF;
}

static bool
only_asks(int operation)
{
	return operation == KERN_KDGETBUF || operation == KERN_KDREADCURTHRMAP || operation == KERN_KDCPUMAP;
}

int
sysctl_kdebug(const struct sysctl_row *row, struct sysctl_request *req)
{
	int operation = req->rest_count > 0 ? req->rest[0] : 0;
	int value = req->rest_count > 1 ? req->rest[1] : 0;
	int error;

	if (req->rest_count == 0 || (takes_value(operation) && req->rest_count < 2)) {
		return EINVAL;
	}
	if (!is_superuser()) {
		return EPERM;
	}
	lck_mtx_lock(&kdebug_owner_lock);
	error = only_asks(operation) ? 0 : become_owner();
	if (error == 0) {
		error = operate(operation, value, req);
	}
	lck_mtx_unlock(&kdebug_owner_lock);
	return error;
}

int
sysctl_kdebug_lost(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct kdebug_status status;

	kdebug_get_status(&status);
	return sysctl_out_quad(req, status.lost);
}

/* --- system calls: events of programs --- */

/* Class Trace describes the trace itself: not for programs. */
static bool
id_is_for_programs(uint32_t debugid)
{
	return KDBG_EXTRACT_CLASS(debugid) != DBG_TRACE;
}

sysret_t
sys_kdebug_trace64(uint32_t code, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
	if (!id_is_for_programs(code)) {
		return (sysret_t){ .error = EPERM };
	}
	kdebug_event(code, arg1, arg2, arg3, arg4);
	return (sysret_t){ 0 };
}

sysret_t
sys_kdebug_trace(uint32_t code, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
	return sys_kdebug_trace64(code, arg1, arg2, arg3, arg4);
}

#define STRING_MAX 1024 /* bytes, with the NUL */

/* The first event carries the id that the string is for, and the string's number. */
static void
record_string(uint32_t debugid, uint64_t number, const char *text)
{
	size_t left = strlen(text);
	uint64_t words[4] = { debugid, number, 0, 0 };
	size_t n = os_min(left, 2 * sizeof(uint64_t));
	uint32_t function = DBG_FUNC_START;

	memcpy(&words[2], text, n);
	for (;;) {
		text += n;
		left -= n;
		function |= left == 0 ? DBG_FUNC_END : 0;
		kdebug_event(TRACE_STRING_GLOBAL | function, words[0], words[1], words[2], words[3]);
		if (left == 0) {
			return;
		}
		memset(words, 0, sizeof(words));
		n = os_min(left, sizeof(words));
		memcpy(words, text, n);
		function = DBG_FUNC_NONE;
	}
}

sysret_t
sys_kdebug_trace_string(uint32_t debugid, uint64_t number, user_addr_t string)
{
	static uint64_t last_number; /* atomic */
	char text[STRING_MAX] = "";
	size_t length;
	int error = 0;

	if (!id_is_for_programs(debugid) || (debugid & KDBG_FUNC_MASK) != 0) {
		return (sysret_t){ .error = id_is_for_programs(debugid) ? EINVAL : EPERM };
	}
	if (string == 0 && number == 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if (!kdebug_wants(TRACE_STRING_GLOBAL)) {
		return (sysret_t){ 0 };
	}
	if (string != 0) { /* without one the number stands for nothing any more */
		error = copyinstr(string, text, sizeof(text), &length);
	}
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	if (number == 0) {
		number = os_atomic_inc(&last_number, relaxed);
	}
	record_string(debugid, number, text);
	return (sysret_t){ .value = (int64_t)number };
}
