/*
 * The kernel's half of the thread library: registration, creation and end of threads, thread ids.
 *
 * The library registers once after exec; fork copies the registration. A new thread begins in the library's
 * entry with
 *	x0 pthread structure, x1 thread port name, x2 function, x3 argument, x4 stack, x5 flags
 * and its thread data base already set.
 */
#include <bsd/kern/pthread_internal.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <bsd/kern/pthread_workq.h>
#include <bsd/kern/ulock.h>
#include <ipc/ipc.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_task.h>
#include <ipc/right.h>
#include <kdebug/kdebug.h>
#include <kern/assert.h>
#include <kern/semaphore.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>

/* bsdthread_create flags. */
#define PTHREAD_START_CUSTOM       0x01000000U /* the caller gives the stack: the only way there is */
#define PTHREAD_START_SETSCHED     0x02000000U
#define PTHREAD_START_QOSCLASS     0x08000000U
#define PTHREAD_START_SUSPENDED    0x20000000U
#define PTHREAD_START_TSD_BASE_SET 0x10000000U /* added: the thread data base is set */

#define PTHREAD_START_QOS_MASK        0x00ffffffU /* with QOSCLASS */
#define PTHREAD_START_POLICY_SHIFT    16          /* with SETSCHED */
#define PTHREAD_START_POLICY_MASK     0xffU
#define PTHREAD_START_IMPORTANCE_MASK 0xffffU

/* Features, the result of bsdthread_register. */
#define PTHREAD_FEATURE_BSDTHREADCTL 0x04U
#define PTHREAD_FEATURE_SETSELF      0x08U

/* Registration data as the library lays it out: packed, versioned by its size. */
struct pthread_registration_data {
	uint64_t version;
	uint64_t dispatch_queue_offset;
	uint64_t main_qos; /* out */
	uint32_t tsd_offset;
	uint32_t return_to_kernel_offset;
	uint32_t mach_thread_self_offset;
	uint64_t stack_addr_hint;      /* out */
	uint32_t mutex_default_policy; /* out */
} OS_PACKED;

#define PTHREAD_MUTEX_POLICY_ULOCK 0x100U

ZONE_DEFINE(uthread_zone, "uthreads", sizeof(struct uthread), ZC_NONE);

/* ---- Life of the BSD half of a thread ---- */

kern_return_t
bsd_thread_create(thread_t thread, task_t task)
{
	struct proc *p = task->bsd_info;
	struct uthread *uth;

	if (p == NULL) {
		return KERN_SUCCESS;
	}
	uth = zalloc_flags(uthread_zone, Z_ZERO | Z_WAIT);
	if (uth == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	uth->uu_proc = p;
	uth->uu_thread = thread;
	list_init(&uth->uu_overrides);
	thread->uthread = uth;
	lck_mtx_lock(&p->p_lock);
	list_push_back(&p->p_uthreads, &uth->uu_link);
	lck_mtx_unlock(&p->p_lock);
	KDEBUG(TRACE_DATA_NEWTHREAD, thread->thread_id, p->p_pid, 0, 0);
	if (KDEBUG_ON(DBG_TRACE, DBG_TRACE_STRING)) {
		kdebug_event_name(TRACE_STRING_NEWTHREAD, p->p_comm);
	}
	return KERN_SUCCESS;
}

void
bsd_thread_exit(thread_t thread)
{
	struct uthread *uth = thread->uthread;

	if (uth == NULL) {
		return;
	}
	/* Under p_lock: who finds it there may signal it or override its class until he lets the lock go. */
	lck_mtx_lock(&uth->uu_proc->p_lock);
	list_remove(&uth->uu_link);
	thread->uthread = NULL;
	if (os_unlikely(os_atomic_load(&uth->uu_proc->p_siglist, relaxed) != 0)) {
		signals_hand_over(uth);
	}
	lck_mtx_unlock(&uth->uu_proc->p_lock);
	workq_thread_exit(uth);
	pthread_qos_thread_exit(uth);
	ulock_thread_exit(uth);
	zfree(uthread_zone, uth);
}

/* ---- Calls ---- */

static int
register_data(struct pthread_registration *reg, user_addr_t udata, size_t size)
{
	struct pthread_registration_data data = { 0 };
	size_t n = os_min(size, sizeof(data));
	int error = copyin(udata, &data, n);

	if (error != 0) {
		return error;
	}
	if (n >= offsetof(struct pthread_registration_data, stack_addr_hint)) {
		reg->tsd_offset = data.tsd_offset != 0 ? data.tsd_offset : reg->tsd_offset;
		reg->self_port_offset = data.mach_thread_self_offset;
	}
	data.version = n;
	data.main_qos = 0;
	data.stack_addr_hint = 0;
	data.mutex_default_policy = PTHREAD_MUTEX_POLICY_ULOCK;
	return copyout(&data, udata, n);
}

sysret_t
sys_bsdthread_register(user_addr_t threadstart, user_addr_t wqthread, int pthread_size, user_addr_t data,
    size_t data_size, uint64_t dispatchqueue_offset, uint64_t tsd_offset)
{
	struct proc *p = current_proc();
	struct pthread_registration reg = {
		.threadstart = threadstart,
		.wqthread = wqthread,
		.pthread_size = (uint32_t)pthread_size,
		.tsd_offset = (uint32_t)tsd_offset,
	};
	int error = 0;

	if (p->p_pthread.threadstart != 0 || threadstart == 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if (data != 0) {
		error = register_data(&reg, data, data_size);
	}
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	p->p_pthread = reg;
	return (sysret_t){ .value = PTHREAD_FEATURE_BSDTHREADCTL | PTHREAD_FEATURE_SETSELF };
}

/* Tells the library the name of the thread's port, in its thread data. */
static int
store_self_port(const struct pthread_registration *reg, user_addr_t tsd_base, mach_port_name_t name)
{
	uint64_t value = name;

	return reg->self_port_offset != 0 ? copyout(&value, tsd_base + reg->self_port_offset, sizeof(value))
					  : 0;
}

/* What the flags say of scheduling. The thread does not run yet. */
static int
start_scheduling(thread_t thread, uint32_t flags)
{
	struct thread_qos qos;

	if ((flags & PTHREAD_START_QOSCLASS) != 0) {
		return pthread_priority_decode(flags & PTHREAD_START_QOS_MASK, &qos)
			   ? pthread_qos_set(thread, qos)
			   : EINVAL;
	}
	if ((flags & PTHREAD_START_SETSCHED) != 0) {
		return pthread_policy_set(thread,
		    (int)(flags >> PTHREAD_START_POLICY_SHIFT & PTHREAD_START_POLICY_MASK),
		    (int)(flags & PTHREAD_START_IMPORTANCE_MASK));
	}
	return 0;
}

sysret_t
sys_bsdthread_create(
    user_addr_t func, user_addr_t arg, user_addr_t stack, user_addr_t pthread, uint32_t flags)
{
	const struct pthread_registration *reg = &current_proc()->p_pthread;
	struct arm_saved_state *frame;
	mach_port_name_t name;
	thread_t thread;
	int error;

	if ((flags & PTHREAD_START_CUSTOM) == 0 || reg->threadstart == 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if (thread_create_user(current_task(), &thread) != KERN_SUCCESS) {
		return (sysret_t){ .error = EAGAIN };
	}
	name = ipc_thread_copyout_pinned(thread);
	error = store_self_port(reg, pthread + reg->tsd_offset, name);
	if (error == 0 && (flags & (PTHREAD_START_QOSCLASS | PTHREAD_START_SETSCHED)) != 0) {
		error = start_scheduling(thread, flags);
	}
	if (error != 0) {
		thread_unmake(thread);
		thread_deallocate(thread);
		return (sysret_t){ .error = error };
	}
	frame = thread_frame(thread);
	frame->x[0] = pthread;
	frame->x[1] = name;
	frame->x[2] = func;
	frame->x[3] = arg;
	frame->x[4] = stack;
	frame->x[5] = flags | PTHREAD_START_TSD_BASE_SET;
	frame->sp = stack & ~15ULL;
	frame->pc = reg->threadstart;
	frame->cpsr = PSR64_USER_DEFAULT;
	thread_machine(thread)->tsd_base = pthread + reg->tsd_offset;
	machine_thread_frame_changed(thread);
	((struct uthread *)thread->uthread)->uu_sigmask = current_uthread()->uu_sigmask;
	if ((flags & PTHREAD_START_SUSPENDED) != 0) {
		(void)thread_suspend(thread);
	}
	thread_start(thread);
	thread_deallocate(thread);
	return (sysret_t){ .value = (int64_t)pthread };
}

static void
signal_semaphore_name(mach_port_name_t name)
{
	semaphore_t semaphore;

	if (port_name_to_semaphore(name, &semaphore) == KERN_SUCCESS) {
		(void)semaphore_signal(semaphore);
		semaphore_dereference(semaphore);
	}
}

/*
 * The end of a thread that the library has finished with: its stack goes, its port name goes, and whoever
 * joins is told: `notify` is a semaphore's name, or the address of a word that becomes 0 and is a ulock.
 * (No address is a port name: the low 4 GiB are never mapped.)
 */
sysret_t
sys_bsdthread_terminate(user_addr_t stackaddr, size_t freesize, uint32_t port, user_addr_t notify)
{
	const uint32_t done = 0;

	if (freesize != 0) {
		(void)vm_map_remove(
		    current_task()->map, trunc_page(stackaddr), round_page(stackaddr + freesize));
	}
	if (port != 0) {
		ipc_thread_unpin(current_thread());
		(void)ipc_right_deallocate(current_task()->ipc.space, port);
	}
	if (notify > UINT32_MAX) {
		if (copyout(&done, notify, sizeof(done)) == 0) {
			ulock_wake_all(current_task()->map, notify);
		}
	} else if (notify != 0) {
		signal_semaphore_name((mach_port_name_t)notify);
	}
	thread_terminate_self();
}

sysret_t
sys_thread_selfid(void)
{
	return (sysret_t){ .value = (int64_t)current_thread()->thread_id };
}
