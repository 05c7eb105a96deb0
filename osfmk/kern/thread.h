/*
 * Threads.
 *
 * A thread is a register frame, a place to go on in the kernel, and scheduling state. It holds a kernel stack
 * only while it runs or while it is blocked in the middle of a kernel function; a thread that waits in a
 * continuation, was preempted on its way to user mode, or has not run yet, holds none, and the CPU's stack
 * passes from thread to thread.
 *
 * Life.
 *	thread_create_user    frame zero, not started, one reference for the caller, one for "not dead"
 *	thread_start          runnable for the first time
 *	                      Others may know the thread before: the task lists it, its port has a name. Whatever they do
 *	                      to it, it does not run, and so not end, before its maker has called thread_start or
 *	                      thread_ready_to_start.
 *	running <-> runnable <-> waiting        (<kern/wait.h>, <kern/sched_prim.h>)
 *	thread_terminate      sets AST_TERMINATE and ends abortable waits; the thread dies by itself on its
 *	                      way to user mode: thread_terminate_self
 *	freed                 with the last reference; the memory stays a struct thread forever (type-stable)
 *
 * Who writes which field; the letters stand beside the fields:
 *	(o) the thread itself, or the CPU that switches to or from it
 *	(c) constant after creation
 *	(w) the claim word protocol: the thread before wait_prepare, the claimer until thread_make_runnable
 *	(r) run queue lock of the processor in `runq`; the thread itself when `runq` is NULL
 *	(s) sched_lock; see <kern/sched_priority.h>
 *	(q) lock of the waitq in `waitq`
 *	(t) task lock
 *	(m) mutex of the thread
 *	(a) anybody, atomically
 * Lines follow the writers: registers; switch and wake-up; IPC; the run queue; the rest. A direct switch
 * touches the first ones only.
 */
#pragma once

#include <arm64/machine_routines.h>
#include <arm64/machine_thread.h>
#include <arm64/thread_state.h>
#include <ipc/ipc_thread.h>
#include <kern/ast.h>
#include <kern/inbox.h>
#include <kern/kern_types.h>
#include <kern/locks.h>
#include <kern/preempt.h>
#include <kern/runq.h>
#include <kern/sched_place.h>
#include <kern/sched_policy.h>
#include <kern/sched_request.h>
#include <kern/timer_call.h>
#include <kern/turnstile_types.h>
#include <kern/usage.h>
#include <kern/wait_word.h>
#include <mach/thread_info.h>

#define THREAD_NAME_MAX   64
#define THREAD_CPU_ANY    SCHED_CPU_ANY
#define THREAD_CPU_BOOT   0 /* the CPU the machine started on */
#define THREAD_HELD_LOCKS 16

/*
 * The continuation of a thread that has nothing left to do in the kernel: a switch to it ends in user mode
 * directly. Never called.
 */
#define THREAD_CONTINUE_USER ((thread_continue_t)1)

struct thread {
	/* --- registers: kernel entry and exit --- */
	struct arm_saved_state frame;  /* (o) */
	struct machine_thread machine; /* see there */
	struct task *task;             /* (c) until death, then kernel_task */
	struct pmap *pmap;             /* (c) until death; kernel_pmap for kernel threads */

	/* --- switch and wake-up: the CPU that runs the thread, wakers --- */
	uint64_t wait_word OS_CACHE_ALIGNED; /* (a) the claim word */
	union {
		struct {
			uint32_t on_cpu; /* a CPU holds its registers or stack; own CPU, atomic; see wait.h */
			uint32_t last_cpu; /* (o) where it runs or ran last */
		};
		uint64_t where; /* both at once, for the direct switch */
	};
	thread_continue_t continuation; /* (o)(w) where to go on; NULL: on its own stack */
	void *parameter;                /* (o)(w) argument of continuation */
	int16_t sched_pri;              /* (s) what it is queued by; anybody may look, atomic */
	uint16_t quantum;               /* (s) how long it runs at a time, ticks >> SCHED_QUANTUM_SHIFT */
	uint8_t sched_flags;            /* (o) TH_SFLAG_* */
	uint8_t timer_tier;             /* (s) sched_timer_tier; anybody may look, atomic */
	int16_t bound_cpu; /* (o) SCHED_BIND, SCHED_AFFINE or SCHED_CPU_ANY of <kern/sched_place.h> */
	uint64_t cpu_time; /* (o) timebase ticks on a CPU */
	struct inbox_entry inbox_entry; /* (w) */
	struct waitq *waitq;            /* (q) the queue it is on; NULL: on none */

	/* --- IPC: the thread and, while it waits, the sender that claimed it --- */
	struct ipc_thread_state ipc OS_CACHE_ALIGNED;

	/* --- run queue and wait queue --- */
	processor_t runq OS_CACHE_ALIGNED; /* (r) on whose run queue it is, or NULL; atomic to look at */
	struct runq_entry runq_entry;      /* (r) */

	union {
		struct list_node wait_link OS_CACHE_ALIGNED; /* (q) */
		struct pri_node wait_node;                   /* (q) on a turnstile, the same link */
	};
	uint64_t wait_queue_cookie; /* (o) of the wait that wait_link belongs to */
	event_t wait_event;         /* (q) for assert_wait */
	struct sched_entity se;     /* (s) what the priority follows from */
	lck_spin_t sched_lock;      /* LCK_RANK_THREAD, interrupts masked */

	/* --- timed waits --- */
	struct timer_call wait_timer OS_CACHE_ALIGNED;

	/* --- priority inheritance --- */
	struct thread_push push OS_CACHE_ALIGNED; /* survives the thread: walks may still look */

	struct thread_usage usage; /* (o) how cpu_time splits */

	/* --- life --- */
	uint32_t ref_count OS_CACHE_ALIGNED; /* (a) */
	uint32_t suspend_count;              /* (m) */
	uint32_t user_stop_count;            /* (m) thread_suspend by a program */
	uint8_t birth;                       /* (m) enum thread_birth */
	bool active;                         /* (m) false once terminating */
	uint32_t exited;                     /* (a) 1: off its last CPU, joiners may go */
	uint32_t parked;                     /* (a) 1: stopped by suspend_count */
	bool vm_privilege;               /* (o) gives memory back: may take the last pages, <vm/vm_page.h> */
	lck_mtx_t mutex;                 /* LCK_RANK_THREAD_MUTEX */
	struct list_node task_link;      /* (t) on task.threads */
	uint64_t thread_id;              /* (c) unique since boot */
	uint32_t kdebug_call;            /* (o) event id of the system call in progress, if AST_KDEBUG */
	struct arm_debug_state64 *debug; /* (o) while stopped, anybody; <arm64/debug_registers.h> */
	void *uthread;                   /* (o) the BSD half */
	struct sched_request request;    /* (m) what programs ask of the scheduler; <kern/thread_policy.h> */
	char name[THREAD_NAME_MAX];      /* (m) */

#if MACH_ASSERT
	struct {
		const void *lock;
		const struct lck_class *class;
		bool spin;
	} held_locks[THREAD_HELD_LOCKS]; /* (o) */
	uint32_t held_count;             /* (o) */
#endif
} OS_CACHE_ALIGNED;

static_assert(offsetof(struct thread, frame) == 0, "SP_EL1 in user mode points at the frame");
static_assert(offsetof(struct thread, wait_link) == offsetof(struct thread, wait_node.pn_link), "one link");
static_assert(offsetof(struct thread, machine) == MACHINE_THREAD_OFFSET, "entry.S relies on it");

#define TH_SFLAG_IDLE    0x02 /* an idle thread */
#define TH_SFLAG_DYING   0x04 /* last switch: the next thread drops its reference */
#define TH_SFLAG_MIGRATE 0x08 /* switched out to go to bound_cpu: the next thread sends it there */
#define TH_SFLAG_AGED    0x20 /* in an inbox with the age it had on another run queue */
#define TH_SFLAG_EXPIRED 0x10 /* its quantum is over: goes behind its equals */

/* --- creation --- */

/*
 * A kernel thread, runnable at once, in fn(param, THREAD_AWAKENED). `pri` is fixed. A reference is returned
 * when `out` is not NULL.
 */
kern_return_t kernel_thread_create(
    thread_continue_t fn, void *param, int pri, const char *name, thread_t *out);

enum thread_birth {
	THREAD_MAKING,  /* its maker writes to it; nobody else starts it */
	THREAD_MADE,    /* anybody may start it: thread_resume, thread_terminate */
	THREAD_STARTED, /* is or was runnable */
};

/*
 * A thread of `task` in the making: the caller fills in the register state and calls thread_start,
 * thread_ready_to_start or thread_unmake. One reference for the caller. KERN_TERMINATED if the task is dying.
 */
kern_return_t thread_create_user(task_t task, thread_t *out);

/* By its maker. Runnable now; to be started by others; to end without having run in user mode. */
void thread_start(thread_t thread);
void thread_ready_to_start(thread_t thread);
void thread_unmake(thread_t thread);

/* --- references --- */

OS_INLINE void
thread_reference(thread_t thread)
{
	uint32_t refs = os_atomic_inc_orig(&thread->ref_count, relaxed);

	assert(refs > 0);
	(void)refs;
}

/* Any context in which zfree may be called; the last reference of a thread that has exited frees it. */
void thread_deallocate(thread_t thread);

/*
 * The thread's task, with a reference; TASK_NULL once it is ending. For who has no other hold on the task: a thread that
 * leaves its task names it no more, and the task may be free then. May block.
 */
task_t thread_task_reference(thread_t thread);

/* --- ending --- */

/* The current thread dies. Preemption on, no locks. */
OS_NORETURN void thread_terminate_self(void);

/* All of it but the end of its turnstile and the last switch: nothing of the thread's task is left to it. */
void thread_retire_self(void);

/* Asks a thread to die at its next return to user mode or abortable wait. */
kern_return_t thread_terminate(thread_t thread);

/* Waits until the thread has left its last CPU. Not interruptible. */
void thread_join(thread_t thread);

/*
 * MIG routines 3411 and 3412: a thread with all registers zero that thread_resume starts, and one that runs from
 * the given state. One reference for the caller. KERN_INVALID_ARGUMENT for a state that is none.
 */
kern_return_t thread_create(task_t task, thread_t *out);
kern_return_t thread_create_running(
    task_t task, int flavor, uint32_t *state, mach_msg_type_number_t count, thread_t *out);

/* --- stop and go; counted --- */

/* thread_hold: the thread stops on its way to user mode. thread_wait_stopped: waits until it has. */
void thread_hold(thread_t thread);
void thread_release(thread_t thread);
void thread_wait_stopped(thread_t thread);

/* thread_suspend/thread_resume of the Mach interface. */
kern_return_t thread_suspend(thread_t thread);
kern_return_t thread_resume(thread_t thread);
/* thread_abort, thread_abort_safely. */
kern_return_t thread_abort(thread_t thread);
kern_return_t thread_abort_safely(thread_t thread);

/* --- attributes --- */

void thread_set_name(thread_t thread, const char *name);
/* Keeps a thread that was not started yet on `cpu`, which must be online. */
void thread_bind_unstarted(thread_t thread, unsigned cpu);
/* The first thread of a child process, not started yet, stays where its parent does. */
void thread_bind_like_parent(thread_t thread);
/* Moves the current thread to `cpu` and keeps it there; THREAD_CPU_ANY releases. KERN_INVALID_ARGUMENT for a
 * CPU that does not exist. */
kern_return_t thread_bind_self(int cpu);
/* Nanoseconds on a CPU. */
uint64_t thread_cpu_time_ns(thread_t thread);

OS_INLINE task_t
current_task(void)
{
	return current_thread()->task;
}

/* --- what programs may ask for and set; MIG routines 3603, 3604, 3612 --- */

kern_return_t thread_info(
    thread_t thread, thread_flavor_t flavor, thread_info_t info, mach_msg_type_number_t *count);
/* Another thread is stopped for the time of the call. KERN_TERMINATED for a dead one. */
kern_return_t thread_get_state(thread_t thread, int flavor, uint32_t *state, mach_msg_type_number_t *count);
kern_return_t thread_set_state(thread_t thread, int flavor, uint32_t *state, mach_msg_type_number_t count);

/*
 * MIG routine 3628: a state as the thread would store it, or (the other way) as it would load it. Addresses carry no
 * signature here, so both are the same words. KERN_INVALID_ARGUMENT for what is no such state, or no such direction.
 */
kern_return_t thread_convert_thread_state(thread_t thread, int direction, int flavor, const uint32_t *in,
    mach_msg_type_number_t in_count, uint32_t *out, mach_msg_type_number_t *out_count);

/* --- continuations --- */

/* Before the thread's wait is opened; its own with preemption off, since a preemption would clear it. */
OS_INLINE void
thread_set_continuation(thread_t self, thread_continue_t continuation, void *param)
{
	assert(self != current_thread() || !preemption_enabled() || !ml_get_interrupts_enabled());
	self->continuation = continuation;
	self->parameter = param;
}

/*
 * For the winner of a claim: the call in which `thread` waits (in a continuation) is complete. It will
 * return `value` in x0 to user mode, without running its continuation.
 */
OS_INLINE void
thread_complete_syscall(thread_t thread, uint64_t value)
{
	thread->frame.x[0] = value;
	thread->continuation = THREAD_CONTINUE_USER;
}

/* A continuation of a trap ends here. */
OS_INLINE OS_NORETURN void
thread_syscall_return(kern_return_t kr)
{
	current_thread()->frame.x[0] = (uint64_t)(int64_t)kr;
	thread_return_to_user();
}

/* Start-up: the boot thread becomes the idle thread of CPU 0; idle threads of the others, NULL without memory. */
void thread_init(void);
thread_t thread_create_idle(unsigned cpu);

#include <kern/wait.h>
