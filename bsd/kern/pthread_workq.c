/*
 * Work queues: the kernel keeps a pool of threads for a process that asks for so many threads of a class, and decides how
 * many of them run.
 *
 * A request (workq_kernreturn) is a count by QoS class. The pool answers it by sending a thread up into the library's
 * entry: one that is parked, or a new one, with a stack that the kernel makes. When its work is done the thread
 * returns here, and takes the next request, or parks. A thread that stays parked for workq_window_us is sent up once
 * more, with the order to end.
 *
 * How many. Requests that say "overcommit" get a thread each. Others are admitted while fewer threads of that class or
 * a higher one are busy than there are CPUs; those that wait in the kernel do not count, so work that blocks lets other
 * work run. That a thread has begun to wait is not announced, which would cost every wait of every thread: while
 * requests are held back, a service thread looks at the claim words of the busy threads every WORKQ_STALL_NS.
 *
 *	parked --request--> busy --return, nothing to do--> parked --window--> told to end --> gone
 *	                     ^ `--return, request admitted-- `
 *
 * Stack: guard page, stack, the library's thread structure, in one allocation; the library unmaps it when the thread
 * ends. Entry:
 *	x0 structure, x1 port name, x2 lowest address of the stack, x3 0, x4 WQ_FLAG_*, x5 0, or -1: end
 * with all other registers 0.
 *
 * Locks: wq_lock of a queue, then service_lock; both spin. Letters: (c) constant, (q) wq_lock, (s) service_lock, (o)
 * the thread itself, (a) atomic. A queue lives as long as its process has it, or the service thread looks at it. While
 * it makes a thread it works on the process's address space, without being one of its threads: the end of the process,
 * and exec, wait for that (wq_growing).
 */
#include <bsd/kern/pthread_workq.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <bsd/kern/pthread_internal.h>
#include <bsd/kern/sysctl_internal.h>
#include <ipc/ipc.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_task.h>
#include <ipc/right.h>
#include <kern/assert.h>
#include <kern/clock.h>
#include <kern/sched.h>
#include <kern/task.h>
#include <kern/upcalls.h>
#include <kern/wait.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <mach/vm_statistics.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>

#define WORKQ_THREADS_MAX     512U             /* of a process, as Darwin users know it */
#define WORKQ_CONSTRAINED_MAX 64U              /* of them, those that do not overcommit, on few CPUs */
#define WORKQ_CONSTRAINED_CPU 5U               /* and for each CPU on many */
#define WORKQ_STACK_SIZE      (512U * 1024)    /* bytes */
#define WORKQ_STALL_NS        (1000 * 1000ULL) /* between two looks at queues that hold requests back */
#define WORKQ_REQUESTS_MAX    100000U          /* of a class: more is a program that has lost count */

/* workq_kernreturn's operations. */
enum workq_operation {
	WQOPS_THREAD_RETURN = 0x4,
	WQOPS_FEATURE_CHECK = 0x10,
	WQOPS_REQTHREADS = 0x20,
	WQOPS_REQTHREADS2 = 0x30,
	WQOPS_THREAD_KEVENT_RETURN = 0x40,
	WQOPS_SET_EVENT_MANAGER_PRIORITY = 0x80,
	WQOPS_THREAD_WORKLOOP_RETURN = 0x100,
	WQOPS_SHOULD_NARROW = 0x200,
	WQOPS_SETUP_DISPATCH = 0x400,
};

/* The priority argument beside the class. */
#define PRIORITY_OVERCOMMIT 0x80000000U

/* x4 of the entry. */
#define WQ_FLAG_PRIO_QOS     0x004000U
#define WQ_FLAG_OVERCOMMIT   0x010000U
#define WQ_FLAG_REUSE        0x020000U
#define WQ_FLAG_NEWSPI       0x040000U
#define WQ_FLAG_TSD_BASE_SET 0x200000U

#define WQ_END ((uint64_t)-1) /* x5 */

/* What SETUP_DISPATCH brings; its layout is remembered for debuggers only. */
struct workq_dispatch_config {
	uint32_t wdc_version;
	uint32_t wdc_flags;
	uint64_t wdc_queue_serialno_offs;
	uint64_t wdc_queue_label_offs;
};
#define DISPATCH_CONFIG_MIN     16U
#define DISPATCH_CONFIG_VERSION 2U

/* A request that was admitted. */
struct workq_job {
	uint8_t wj_qos;
	bool wj_overcommit;
};

enum workq_thread_state { WT_BUSY, WT_PARKED, WT_LEAVING };

struct workq_thread {
	struct list_node wt_link;         /* (q) on wq_busy or wq_parked; none in WT_LEAVING */
	struct workq *wt_queue;           /* (c) referenced */
	thread_t wt_thread;               /* (c) */
	uint64_t wt_cookie;               /* (q) of the wait when parked */
	uint64_t wt_pthread;              /* (c) user address: top of the stack */
	uint64_t wt_stack;                /* (c) its lowest address, above the guard */
	mach_port_name_t wt_name;         /* (c) of its port */
	enum workq_thread_state wt_state; /* (q) */
	struct workq_job wt_job;          /* (q) what it does, or did last */
};

struct workq {
	lck_spin_t wq_lock;
	uint32_t wq_refs;                          /* (a) */
	struct proc *wq_proc;                      /* (c) referenced */
	task_t wq_task;                            /* (c) referenced */
	bool wq_dead;                              /* (q) the process is done with it */
	uint32_t wq_count;                         /* (q) threads, those under construction too */
	uint32_t wq_growing;                       /* (q) those under construction */
	struct list_node wq_busy;                  /* (q) */
	struct list_node wq_parked;                /* (q) the last one that parked first */
	uint32_t wq_requests[THREAD_QOS_COUNT];    /* (q) */
	uint32_t wq_overcommits[THREAD_QOS_COUNT]; /* (q) */
	struct list_node wq_starved_link;          /* (s) */
	bool wq_starved;                           /* (s) on the list, which has a reference */
};

LCK_CLASS_DECLARE(workq_class, "work queue", LCK_RANK_WORKQ);
LCK_CLASS_DECLARE(workq_service_class, "work queue service", LCK_RANK_WORKQ_SERVICE);
ZONE_DEFINE(workq_zone, "work queues", sizeof(struct workq), ZC_NONE);
ZONE_DEFINE(workq_thread_zone, "work queue threads", sizeof(struct workq_thread), ZC_NONE);

static lck_spin_t service_lock;
static struct list_node starved_queues;    /* (s) */
static thread_t service_thread;            /* (s) NULL: there is none yet */
static uint64_t service_cookie;            /* (s) of its wait, if service_sleeps */
static bool service_sleeps;                /* (s) until a queue comes */
static uint32_t workq_window_us = 5000000; /* (a) */

void
workq_init(void)
{
	lck_spin_init(&service_lock, &workq_service_class);
	list_init(&starved_queues);
}

static void
workq_release(struct workq *wq)
{
	/* release and acquire: every use precedes the end */
	if (os_atomic_dec(&wq->wq_refs, acq_rel) == 0) {
		assert(wq->wq_count == 0 || wq->wq_dead);
		task_deallocate(wq->wq_task);
		proc_rele(wq->wq_proc);
		lck_spin_destroy(&wq->wq_lock);
		zfree(workq_zone, wq);
	}
}

/* ---- Which request next; wq_lock is held ---- */

static bool
thread_is_blocked(thread_t thread)
{
	return (os_atomic_load(&thread->wait_word, relaxed) & WAIT_STATE_MASK) == WAIT_WAITING;
}

/* Threads of at least this class that are busy, do not overcommit and do not wait in the kernel; not `self`. */
static unsigned
active_threads_locked(struct workq *wq, unsigned qos, const struct workq_thread *self) REQUIRES(wq->wq_lock)
{
	unsigned active = 0;

	list_foreach (n, &wq->wq_busy) {
		struct workq_thread *wt = list_entry(n, struct workq_thread, wt_link);

		active += wt != self && !wt->wt_job.wj_overcommit && wt->wt_job.wj_qos >= qos &&
			  !thread_is_blocked(wt->wt_thread);
	}
	return active;
}

/* Even if all of them wait in the kernel there are not more than that. */
static bool
may_add_constrained_locked(struct workq *wq, const struct workq_thread *self) REQUIRES(wq->wq_lock)
{
	unsigned constrained = 0;

	list_foreach (n, &wq->wq_busy) {
		struct workq_thread *wt = list_entry(n, struct workq_thread, wt_link);

		constrained += wt != self && !wt->wt_job.wj_overcommit;
	}
	return constrained < os_max(WORKQ_CONSTRAINED_MAX, WORKQ_CONSTRAINED_CPU * pthread_cpus_online());
}

/* Takes the most urgent request that may be answered now. */
static bool
take_request_locked(struct workq *wq, const struct workq_thread *self, struct workq_job *job)
    REQUIRES(wq->wq_lock)
{
	for (unsigned qos = THREAD_QOS_COUNT - 1; qos > 0; qos--) {
		*job = (struct workq_job){ .wj_qos = (uint8_t)qos };
		if (wq->wq_overcommits[qos] != 0) {
			wq->wq_overcommits[qos]--;
			job->wj_overcommit = true;
			return true;
		}
		if (wq->wq_requests[qos] != 0 &&
		    active_threads_locked(wq, qos, self) < pthread_cpus_online() &&
		    may_add_constrained_locked(wq, self)) {
			wq->wq_requests[qos]--;
			return true;
		}
	}
	return false;
}

static void
put_back_locked(struct workq *wq, struct workq_job job) REQUIRES(wq->wq_lock)
{
	(job.wj_overcommit ? wq->wq_overcommits : wq->wq_requests)[job.wj_qos]++;
}

static bool
has_requests_locked(struct workq *wq) REQUIRES(wq->wq_lock)
{
	for (unsigned qos = 1; qos < THREAD_QOS_COUNT; qos++) {
		if (wq->wq_requests[qos] != 0 || wq->wq_overcommits[qos] != 0) {
			return true;
		}
	}
	return false;
}

/* ---- Sending a thread up ---- */

/* The registers for the entry: what the interface says, and 0. */
static void
send_up(struct workq_thread *wt, uint32_t flags, uint64_t count)
{
	const struct pthread_registration *reg = &wt->wt_queue->wq_proc->p_pthread;
	struct arm_saved_state *frame = thread_frame(wt->wt_thread);

	memset(frame->x, 0, sizeof(frame->x));
	frame->fp = 0;
	frame->lr = 0;
	frame->x[0] = wt->wt_pthread;
	frame->x[1] = wt->wt_name;
	frame->x[2] = wt->wt_stack;
	frame->x[4] = flags | WQ_FLAG_NEWSPI | WQ_FLAG_TSD_BASE_SET;
	frame->x[5] = count;
	frame->sp = wt->wt_pthread & ~15ULL;
	frame->pc = reg->wqthread;
	frame->cpsr = PSR64_USER_DEFAULT;
	machine_thread_frame_changed(wt->wt_thread);
}

static uint32_t
job_flags(struct workq_job job)
{
	return job.wj_qos | WQ_FLAG_PRIO_QOS | (job.wj_overcommit ? WQ_FLAG_OVERCOMMIT : 0);
}

/* In the thread itself: its next stay in user mode is this job. */
static void
begin_job(struct workq_thread *wt, uint32_t flags)
{
	const struct thread_qos *now = &((struct uthread *)wt->wt_thread->uthread)->uu_qos;

	if (now->tq_qos != wt->wt_job.wj_qos || now->tq_relpri != 0) {
		(void)pthread_qos_set(wt->wt_thread, (struct thread_qos){ .tq_qos = wt->wt_job.wj_qos });
	}
	send_up(wt, job_flags(wt->wt_job) | flags, 0);
}

/* ---- Making a thread ---- */

static kern_return_t
map_stack(struct workq *wq, uint64_t *stack, uint64_t *pthread)
{
	vm_map_t map = wq->wq_task->map;
	vm_map_offset_t base = 0;
	vm_map_size_t size = PAGE_SIZE + WORKQ_STACK_SIZE + round_page(wq->wq_proc->p_pthread.pthread_size);
	kern_return_t kr = vm_map_enter(map, &base, size, 0, VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_STACK),
	    VM_OBJECT_NULL, 0, false, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_COPY);

	if (kr == KERN_SUCCESS) {
		*stack = base + PAGE_SIZE;
		*pthread = *stack + WORKQ_STACK_SIZE;
		kr = vm_map_protect(map, base, base + PAGE_SIZE, VM_PROT_NONE, false);
	}
	return kr;
}

static void
unmap_stack(struct workq_thread *wt)
{
	struct workq *wq = wt->wt_queue;

	(void)vm_map_remove(wq->wq_task->map, wt->wt_stack - PAGE_SIZE,
	    wt->wt_pthread + round_page(wq->wq_proc->p_pthread.pthread_size));
}

/* A thread that has not run, and a name for it. */
static kern_return_t
make_thread(struct workq *wq, struct workq_thread *wt)
{
	kern_return_t kr = thread_create_user(wq->wq_task, &wt->wt_thread);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	wt->wt_name = ipc_thread_copyout_pinned(wt->wt_thread);
	thread_machine(wt->wt_thread)->tsd_base = wt->wt_pthread + wq->wq_proc->p_pthread.tsd_offset;
	return KERN_SUCCESS;
}

/* Signals go to others; those that the thread itself causes are its own. */
#define WORKQ_SIGMASK                                                                                    \
	(~(SIG_BIT(4) | SIG_BIT(5) | SIG_BIT(7) | SIG_BIT(8) | SIG_BIT(10) | SIG_BIT(11) | SIG_BIT(12) | \
	    SIG_CANTMASK))

/* One more thread, for `job`; wq_count includes it already. False: no memory, or the task is ending. */
static bool
workq_grow(struct workq *wq, struct workq_job job)
{
	struct workq_thread *wt = zalloc_flags(workq_thread_zone, Z_ZERO);
	struct uthread *uth;
	thread_t thread;

	if (wt == NULL) {
		return false;
	}
	wt->wt_queue = wq;
	wt->wt_job = job;
	wt->wt_state = WT_BUSY;
	if (map_stack(wq, &wt->wt_stack, &wt->wt_pthread) != KERN_SUCCESS) {
		zfree(workq_thread_zone, wt);
		return false;
	}
	if (make_thread(wq, wt) != KERN_SUCCESS) {
		unmap_stack(wt);
		zfree(workq_thread_zone, wt);
		return false;
	}
	thread = wt->wt_thread;
	uth = thread->uthread;
	uth->uu_workq = wt;
	uth->uu_sigmask = WORKQ_SIGMASK;
	os_atomic_inc(&wq->wq_refs, relaxed);
	lck_spin_lock(&wq->wq_lock);
	list_push_back(&wq->wq_busy, &wt->wt_link);
	lck_spin_unlock(&wq->wq_lock);
	begin_job(wt, 0);
	thread_start(thread); /* it may end, and wt with it, before the next line */
	thread_deallocate(thread);
	return true;
}

/* ---- Answering requests ---- */

/* A parked thread takes the job; false: there is none that could. */
static bool
unpark_locked(struct workq *wq, struct workq_job job) REQUIRES(wq->wq_lock)
{
	while (!list_empty(&wq->wq_parked)) {
		struct workq_thread *wt = list_entry(wq->wq_parked.next, struct workq_thread, wt_link);

		list_remove(&wt->wt_link);
		if (wait_claim(wt->wt_thread, wt->wt_cookie, THREAD_AWAKENED)) {
			wt->wt_job = job;
			wt->wt_state = WT_BUSY;
			list_push_back(&wq->wq_busy, &wt->wt_link);
			thread_make_runnable(wt->wt_thread);
			return true;
		}
		wt->wt_state = WT_LEAVING; /* its time is over, or it dies */
	}
	return false;
}

static void workq_starves(struct workq *wq);

/* A thread that is counted already. False: it could not be made; *starved: its request is there again. */
static bool
workq_add_thread(struct workq *wq, struct workq_job job, bool *starved)
{
	bool made = workq_grow(wq, job), left;

	lck_spin_lock(&wq->wq_lock);
	wq->wq_growing--;
	left = wq->wq_dead;
	if (!made) {
		wq->wq_count--;
		put_back_locked(wq, job);
		*starved = !left;
	}
	lck_spin_unlock(&wq->wq_lock);
	if (left) {
		thread_wakeup(&wq->wq_growing);
	}
	return made;
}

/* Answers all requests that may be answered now. May block. */
static void
workq_serve(struct workq *wq)
{
	bool grown = true, starved = false;

	while (grown) {
		struct workq_job job;

		grown = false;
		lck_spin_lock(&wq->wq_lock);
		while (!wq->wq_dead && take_request_locked(wq, NULL, &job)) {
			if (unpark_locked(wq, job)) {
				continue;
			}
			if (wq->wq_count < WORKQ_THREADS_MAX) {
				wq->wq_count++;
				wq->wq_growing++;
				grown = true;
			} else {
				put_back_locked(wq, job);
			}
			break;
		}
		starved = !wq->wq_dead && has_requests_locked(wq);
		lck_spin_unlock(&wq->wq_lock);
		if (grown && !workq_add_thread(wq, job, &starved)) {
			break;
		}
	}
	if (starved) {
		workq_starves(wq);
	}
}

/* ---- The service thread: queues whose requests are held back ---- */

static void
workq_starves(struct workq *wq)
{
	lck_spin_lock(&service_lock);
	if (!wq->wq_starved) {
		wq->wq_starved = true;
		os_atomic_inc(&wq->wq_refs, relaxed);
		list_push_back(&starved_queues, &wq->wq_starved_link);
	}
	if (service_sleeps && wait_claim(service_thread, service_cookie, THREAD_AWAKENED)) {
		service_sleeps = false;
		thread_make_runnable(service_thread);
	}
	lck_spin_unlock(&service_lock);
}

/* The next queue, with the list's reference; NULL: none. */
static struct workq *
next_starved(void)
{
	struct workq *wq = NULL;

	lck_spin_lock(&service_lock);
	if (!list_empty(&starved_queues)) {
		wq = list_entry(starved_queues.next, struct workq, wq_starved_link);
		list_remove(&wq->wq_starved_link);
		wq->wq_starved = false;
	}
	lck_spin_unlock(&service_lock);
	return wq;
}

static unsigned
count_starved(void)
{
	unsigned count = 0;

	lck_spin_lock(&service_lock);
	list_foreach (n, &starved_queues) {
		count++;
	}
	lck_spin_unlock(&service_lock);
	return count;
}

/* Until there is a queue, or if there is one for a while. */
static void
service_sleep(void)
{
	lck_spin_lock(&service_lock);
	service_sleeps = list_empty(&starved_queues);
	wait_prepare(current_thread(), THREAD_UNINT,
	    service_sleeps ? 0 : clock_interval_to_deadline_ns(WORKQ_STALL_NS));
	service_cookie = wait_cookie(current_thread());
	lck_spin_unlock(&service_lock);
	(void)thread_block(THREAD_CONTINUE_NULL);
}

static void
service_main(void *param, wait_result_t result)
{
	for (;;) {
		service_sleep();
		for (unsigned left = count_starved(); left > 0; left--) {
			struct workq *wq = next_starved();

			if (wq == NULL) {
				break;
			}
			workq_serve(wq);
			workq_release(wq);
		}
	}
}

static int
service_start(void)
{
	static uint32_t started; /* atomic */
	thread_t thread;

	if (os_atomic_load(&started, relaxed) != 0 || !os_atomic_cmpxchg(&started, 0, 1, relaxed)) {
		return 0;
	}
	if (kernel_thread_create(service_main, NULL, BASEPRI_KERNEL, "work queues", &thread) !=
	    KERN_SUCCESS) {
		os_atomic_store(&started, 0, relaxed);
		return ENOMEM;
	}
	lck_spin_lock(&service_lock);
	service_thread = thread;
	lck_spin_unlock(&service_lock);
	return 0;
}

/* ---- Returning and parking ---- */

static void workq_resumed(void *param, wait_result_t result);

/* The thread is told to end; it is no longer the pool's. wq_lock is held and dropped. */
static OS_NORETURN void
end_thread_unlock(struct workq *wq, struct workq_thread *wt) RELEASE(wq->wq_lock)
{
	wt->wt_state = WT_LEAVING;
	lck_spin_unlock(&wq->wq_lock);
	send_up(wt, WQ_FLAG_REUSE, WQ_END);
	thread_return_to_user();
}

static OS_NORETURN void
park(struct workq *wq, struct workq_thread *wt)
{
	uint64_t window_ns = os_atomic_load(&workq_window_us, relaxed) * (uint64_t)NSEC_PER_USEC;

	lck_spin_lock(&wq->wq_lock);
	list_remove(&wt->wt_link);
	if (take_request_locked(wq, wt, &wt->wt_job)) {
		list_push_back(&wq->wq_busy, &wt->wt_link);
		lck_spin_unlock(&wq->wq_lock);
		begin_job(wt, WQ_FLAG_REUSE);
		thread_return_to_user();
	}
	wt->wt_state = WT_PARKED;
	thread_set_continuation(wt->wt_thread, workq_resumed, wt);
	wait_prepare(wt->wt_thread, THREAD_ABORTSAFE, clock_interval_to_deadline_ns(window_ns));
	wt->wt_cookie = wait_cookie(wt->wt_thread);
	list_push_front(&wq->wq_parked, &wt->wt_link);
	lck_spin_unlock(&wq->wq_lock);
	thread_block_prepared();
}

/* After park: there is a job, or the window is over, or the thread is wanted for something else. */
static void
workq_resumed(void *param, wait_result_t result)
{
	struct workq_thread *wt = param;
	struct workq *wq = wt->wt_queue;

	if (result == THREAD_AWAKENED) {
		begin_job(wt, WQ_FLAG_REUSE);
		thread_return_to_user();
	}
	lck_spin_lock(&wq->wq_lock);
	list_remove(&wt->wt_link);
	if (result == THREAD_TIMED_OUT) {
		end_thread_unlock(wq, wt);
	}
	/* Aborted: if it must die it does on its way up, where it would find itself without work. */
	wt->wt_state = WT_BUSY;
	list_push_back(&wq->wq_busy, &wt->wt_link);
	lck_spin_unlock(&wq->wq_lock);
	send_up(wt, WQ_FLAG_REUSE, WQ_END);
	thread_return_to_user();
}

void
workq_thread_exit(struct uthread *uth)
{
	struct workq_thread *wt = uth->uu_workq;
	struct workq *wq;

	if (wt == NULL) {
		return;
	}
	wq = wt->wt_queue;
	uth->uu_workq = NULL;
	lck_spin_lock(&wq->wq_lock);
	list_remove(&wt->wt_link);
	wq->wq_count--;
	lck_spin_unlock(&wq->wq_lock);
	zfree(workq_thread_zone, wt);
	workq_release(wq);
}

/* ---- A process's queue ---- */

static struct workq *
workq_create(struct proc *p)
{
	struct workq *wq = zalloc_flags(workq_zone, Z_ZERO | Z_WAIT);

	if (wq != NULL) {
		lck_spin_init(&wq->wq_lock, &workq_class);
		list_init(&wq->wq_busy);
		list_init(&wq->wq_parked);
		list_init(&wq->wq_starved_link);
		wq->wq_refs = 1;
		wq->wq_proc = p;
		os_atomic_inc(&p->p_refs, relaxed); /* the caller is one of its threads: it has one */
		wq->wq_task = p->p_task;
		task_reference(wq->wq_task);
	}
	return wq;
}

sysret_t
sys_workq_open(void)
{
	struct proc *p = current_proc();
	struct workq *wq, *old;
	int error;

	if (p->p_pthread.wqthread == 0) {
		return (sysret_t){ .error = EINVAL };
	}
	error = service_start();
	if (error != 0 || os_atomic_load(&p->p_workq, acquire) != NULL) {
		return (sysret_t){ .error = error };
	}
	wq = workq_create(p);
	if (wq == NULL) {
		return (sysret_t){ .error = ENOMEM };
	}
	lck_mtx_lock(&p->p_lock);
	old = p->p_workq;
	if (old == NULL) {
		os_atomic_store(&p->p_workq, wq, release);
	}
	lck_mtx_unlock(&p->p_lock);
	if (old != NULL) {
		workq_release(wq);
	}
	return (sysret_t){ 0 };
}

/* From now on nobody makes a thread for the queue. */
static void
workq_kill(struct workq *wq)
{
	uint32_t growing;

	lck_spin_lock(&wq->wq_lock);
	wq->wq_dead = true;
	lck_spin_unlock(&wq->wq_lock);
	do {
		assert_wait(&wq->wq_growing, THREAD_UNINT);
		lck_spin_lock(&wq->wq_lock);
		growing = wq->wq_growing;
		lck_spin_unlock(&wq->wq_lock);
		if (growing != 0) {
			(void)thread_block(THREAD_CONTINUE_NULL);
		} else {
			clear_wait_self();
		}
	} while (growing != 0);
}

void
workq_leave(struct proc *p)
{
	struct uthread *uth = current_uthread();
	struct workq *wq = p->p_workq;

	if (wq == NULL) {
		return;
	}
	p->p_workq = NULL;
	if (uth != NULL && uth->uu_proc == p) {
		workq_thread_exit(uth); /* exec by one of the pool: it is an ordinary thread now */
	}
	workq_kill(wq);
	workq_release(wq);
}

/* ---- Calls ---- */

static int
request_threads(struct workq *wq, int count, uint32_t priority)
{
	struct thread_qos qos;
	uint32_t *requests;

	if (count <= 0 || count > (int)WORKQ_REQUESTS_MAX || !pthread_priority_decode(priority, &qos) ||
	    qos.tq_qos == 0) {
		return EINVAL;
	}
	lck_spin_lock(&wq->wq_lock);
	requests = (priority & PRIORITY_OVERCOMMIT) != 0 ? &wq->wq_overcommits[qos.tq_qos]
							 : &wq->wq_requests[qos.tq_qos];
	*requests = os_min(*requests + (uint32_t)count, WORKQ_REQUESTS_MAX);
	lck_spin_unlock(&wq->wq_lock);
	workq_serve(wq);
	return 0;
}

/* Should the thread return to the pool, since others of its class or a higher one keep the CPUs busy? */
static sysret_t
should_narrow(struct workq *wq)
{
	struct workq_thread *wt = current_uthread()->uu_workq;
	bool narrow = false;

	if (wt == NULL) {
		return (sysret_t){ .error = EINVAL };
	}
	lck_spin_lock(&wq->wq_lock);
	for (unsigned qos = THREAD_QOS_COUNT - 1; qos > wt->wt_job.wj_qos; qos--) {
		narrow |= wq->wq_requests[qos] != 0; /* somebody better waits */
	}
	narrow |= !wt->wt_job.wj_overcommit &&
		  active_threads_locked(wq, wt->wt_job.wj_qos, wt) >= pthread_cpus_online();
	lck_spin_unlock(&wq->wq_lock);
	return (sysret_t){ .value = narrow };
}

static int
setup_dispatch(user_addr_t uconfig, int size)
{
	struct workq_dispatch_config config = { 0 };
	int error;

	if (size < (int)DISPATCH_CONFIG_MIN || size > (int)PAGE_SIZE) {
		return EINVAL;
	}
	error = copyin(uconfig, &config, os_min((size_t)size, sizeof(config)));
	if (error != 0) {
		return error;
	}
	return config.wdc_flags != 0 || config.wdc_version < DISPATCH_CONFIG_VERSION ? ENOTSUP : 0;
}

static sysret_t
thread_returns(struct workq *wq)
{
	struct workq_thread *wt = current_uthread()->uu_workq;

	if (wt == NULL || wt->wt_state != WT_BUSY) {
		return (sysret_t){ .error = EINVAL };
	}
	park(wq, wt);
}

sysret_t
sys_workq_kernreturn(int options, user_addr_t item, int affinity, int prio)
{
	struct workq *wq = os_atomic_load(&current_proc()->p_workq, acquire);

	if (wq == NULL) {
		return (sysret_t){ .error = EINVAL };
	}
	switch (options) {
	case WQOPS_THREAD_RETURN:
		return thread_returns(wq);
	case WQOPS_FEATURE_CHECK:
		return (sysret_t){ 0 };
	case WQOPS_REQTHREADS:
	case WQOPS_REQTHREADS2:
		return (sysret_t){ .error = request_threads(wq, affinity, (uint32_t)prio) };
	case WQOPS_SHOULD_NARROW:
		return should_narrow(wq);
	case WQOPS_SETUP_DISPATCH:
		return (sysret_t){ .error = setup_dispatch(item, affinity) };
	case WQOPS_THREAD_KEVENT_RETURN:
	case WQOPS_THREAD_WORKLOOP_RETURN:
	case WQOPS_SET_EVENT_MANAGER_PRIORITY:
		return (sysret_t){ .error = ENOTSUP }; /* events are not delivered to pools */
	default:
		return (sysret_t){ .error = EINVAL };
	}
}

int
sysctl_workq_window(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint32_t window;
	int error = sysctl_out_int(req, (int32_t)os_atomic_load(&workq_window_us, relaxed));

	if (error != 0 || req->new == 0) {
		return error;
	}
	error = sysctl_in(req, &window, sizeof(window));
	if (error == 0 && (window == 0 || window > INT32_MAX)) {
		error = EINVAL;
	}
	if (error == 0) {
		os_atomic_store(&workq_window_us, window, relaxed);
	}
	return error;
}
