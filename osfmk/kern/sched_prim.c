/*
 * The scheduler's verbs: choose, switch, wake. See <kern/sched_prim.h>, <kern/wait.h>, <kern/handoff.h>.
 *
 * Unless a function says otherwise, it runs with interrupts masked, and `processor` is this CPU.
 */
#include <kern/sched_prim.h>

#include <arm64/machine_routines.h>
#include <kdebug/kdebug.h>
#include <kern/clock.h>
#include <kern/handoff.h>
#include <kern/lock_check.h>
#include <kern/rpc_push.h>
#include <kern/sched_place.h>
#include <kern/sched_policy.h>
#include <kern/sched_priority.h>
#include <kern/sched_ready.h>
#include <kern/task.h>
#include <kern/thread_policy.h>
#include <kern/waitq.h>
#include <vm/pmap.h>

PERCPU_DATA(struct processor, percpu_processor);

static LCK_CLASS_DECLARE(runq_lock_class, "run queue", LCK_RANK_RUNQ);

/* --- what <kern/sched_place.h> wants to know --- */

static struct sched_cluster sched_clusters[(MAX_CPUS + SCHED_CLUSTER_CPUS - 1) / SCHED_CLUSTER_CPUS];

unsigned
sched_cpus(void)
{
	return cpu_count;
}

struct sched_cpu *
sched_cpu(unsigned cpu)
{
	return &processor_get(cpu)->pr_shown;
}

unsigned
sched_cpu_waiting(unsigned cpu)
{
	return os_atomic_load(&processor_get(cpu)->pr_runq.rq_count, relaxed);
}

struct sched_cluster *
sched_cluster(unsigned cluster)
{
	return &sched_clusters[cluster];
}

/* As a rule the hint is there from the last time. */
static inline void
show_idle(unsigned cpu)
{
	if (os_unlikely(!(os_atomic_load(&sched_clusters[cpu / SCHED_CLUSTER_CPUS].sc_idle, relaxed) &
			  (1U << (cpu % SCHED_CLUSTER_CPUS))))) {
		sched_show_idle(cpu);
	}
}

static void inbox_send(processor_t target, thread_t thread);
static void inbox_rescue(processor_t gone);

/* --- time slices --- */

static void
signal_reschedule(processor_t target)
{
	if (os_atomic_xchg(&target->pr_signalled, 1, relaxed) == 0) {
		if (os_unlikely(os_atomic_load(&target->pr_gone, acquire))) { /* [G2] */
			inbox_rescue(target);
			return;
		}
		KDEBUG(MACHDBG_CODE(DBG_MACH_SCHED, MACH_REMOTE_AST), target->pr_cpu, 0, 0, 0);
		cpu_signal(target->pr_cpu, CPU_SIGNAL_RESCHED);
	}
}

static inline void
timer_program_no_later(processor_t processor, uint64_t deadline)
{
	if (deadline < processor->pr_timer_programmed) {
		processor->pr_timer_programmed = deadline;
		ml_set_timer(deadline);
	}
}

/*
 * A turn begins, or goes on after a preemption. pr_quantum_end is always right; the timer is set for it only while
 * somebody waits, and may stand at an earlier time than needed.
 */
static inline void
quantum_begin(processor_t processor, thread_t thread)
{
	processor->pr_quantum_end = processor->pr_dispatched + thread_quantum_ticks(thread);
	if (processor->pr_quantum_end < processor->pr_timer_programmed && ready_any(processor)) {
		timer_program_no_later(processor, processor->pr_quantum_end);
	}
}

/*
 * A thread has waited here for a while, which a waker that was about to block would have prevented: an idle
 * CPU shall come and take it.
 */
static void
balance(processor_t processor)
{
	int idle;

	processor->pr_balance_at = UINT64_MAX;
	if (!ready_any(processor)) {
		return;
	}
	ready_share(processor);
	sched_offer_spare(processor->pr_cpu);
	idle = sched_place_idle(processor->pr_cpu, processor->pr_cpu);
	if (idle >= 0) {
		signal_reschedule(processor_get((unsigned)idle));
	}
}

/* Others wait here all the time: one of them goes to a CPU with fewer threads, or with lesser ones. */
static void
rotate(processor_t processor, uint64_t now)
{
	thread_t thread;
	int target;

	processor->pr_rotate_at = now + sched_ticks.rotate;
	target = sched_place_rotate(
	    processor->pr_cpu, processor->pr_runq.rq_count, ready_highest(processor), &processor->pr_random);
	if (target < 0) {
		return;
	}
	thread = ready_steal(processor);
	if (thread != NULL) {
		os_counter_add(&processor->pr_rotations, 1);
		thread->sched_flags |= TH_SFLAG_AGED;
		inbox_send(processor_get((unsigned)target), thread);
	}
}

/* Once in a quantum, for those who wait: they age, and who starves gets a turn unless this one is such a turn. */
static void
look_after_waiting(processor_t processor, thread_t self, bool boosted, uint64_t now)
{
	processor->pr_look_at = now + sched_ticks.quantum;
	ready_age_first(processor, now);
	if (!boosted && self->se.se_mode == TH_MODE_TIMESHARE &&
	    ready_boost_starving(processor, self->sched_pri, now)) {
		os_counter_add(&processor->pr_starved, 1);
	}
}

/* The running thread is in its turn, but turns may have been short for a while. */
static void
look_between_quanta(processor_t processor, thread_t self, uint64_t now)
{
	look_after_waiting(processor, self, self->se.se_boost >= 0, now);
	if (ready_preempts(processor, self, false)) {
		os_atomic_or(&self->machine.slow_flags, AST_PREEMPT, relaxed);
	}
}

/* The quantum of the running thread is over while others wait. */
static void
quantum_expired(processor_t processor, thread_t self, uint64_t now)
{
	bool boosted = thread_quantum_expired(self, now - processor->pr_dispatched, now);

	rpc_push_decayed(self);
	ready_end_depression(processor);
	if (cpu_count > 1) {
		balance(processor);
		if (now >= processor->pr_rotate_at) {
			rotate(processor, now);
		}
	}
	processor_show_priority(processor, self->sched_pri);
	processor->pr_quantum_end = now + thread_quantum_ticks(self);
	look_after_waiting(processor, self, boosted, now);
	if (ready_preempts(processor, self, true)) {
		self->sched_flags |= TH_SFLAG_EXPIRED;
		os_atomic_or(&self->machine.slow_flags, AST_PREEMPT, relaxed);
	}
}

uint64_t
sched_timer(processor_t processor, uint64_t now)
{
	thread_t self = processor->pr_active;

	if (now >= processor->pr_balance_at) {
		balance(processor);
	}
	if (self == processor->pr_idle_thread || !ready_any(processor)) {
		return processor->pr_balance_at;
	}
	if (now >= processor->pr_quantum_end) {
		quantum_expired(processor, self, now);
	} else if (now >= processor->pr_look_at) {
		look_between_quanta(processor, self, now);
	}
	return os_min(processor->pr_quantum_end, processor->pr_balance_at);
}

static void
balance_start(processor_t processor)
{
	processor->pr_balance_at = ml_get_timebase_raw() + sched_ticks.balance;
	timer_program_no_later(processor, processor->pr_balance_at);
}

/* --- wake-up --- */

/* The thread outranks what runs here, or others wait, too. What it has used counts first, unless this CPU is idle. */
static OS_NOINLINE void
enqueue_contended(processor_t processor, thread_t thread, bool strict)
{
	if (processor->pr_current_pri != IDLEPRI) {
		thread_charge(thread, ml_get_timebase_raw());
	}
	if (ready_any(processor) || thread->runq_entry.re_since != 0) {
		ready_insert_slow(processor, thread, thread->sched_pri, RUNQ_TAIL);
	} else {
		ready_insert_only(processor, thread, thread->sched_pri);
	}
	if (thread->sched_pri > (strict ? processor->pr_current_pri : processor->pr_wake_pri)) {
		os_atomic_or(&processor->pr_active->machine.slow_flags, AST_PREEMPT, relaxed);
	} else {
		timer_program_no_later(processor, processor->pr_quantum_end);
	}
}

/* A runnable thread joins this CPU's queue and, if it ranks above what runs, asks for the CPU. */
static inline void
enqueue_local(processor_t processor, thread_t thread)
{
	bool strict = thread_wake_priority(thread);

	if (thread->sched_pri > processor->pr_wake_pri || os_unlikely(strict || ready_any(processor))) {
		enqueue_contended(processor, thread, strict);
	} else {
		ready_insert_only(processor, thread, thread->sched_pri);
		timer_program_no_later(processor, processor->pr_quantum_end);
	}
	if (cpu_count > 1 && processor->pr_balance_at == UINT64_MAX) {
		balance_start(processor);
	}
}

/* A thread that came with the age it had elsewhere is not kept alone in front; see sched_ready.h. */
static inline void
enqueue_from_inbox(processor_t processor, thread_t thread)
{
	if (os_unlikely(thread->sched_flags & TH_SFLAG_AGED)) {
		thread->sched_flags &= (uint8_t)~TH_SFLAG_AGED;
		enqueue_contended(processor, thread, true);
	} else {
		enqueue_local(processor, thread);
	}
}

/* Everything that other CPUs sent joins the queue. */
static OS_NOINLINE void
inbox_drain_slow(processor_t processor)
{
	struct inbox_entry *entry, *next;

	for (entry = inbox_take_all(&processor->pr_inbox); entry != NULL; entry = next) {
		next = entry->ie_next;
		enqueue_from_inbox(processor, os_containerof(entry, struct thread, inbox_entry));
	}
}

static inline void
inbox_drain(processor_t processor)
{
	if (os_unlikely(!inbox_empty(&processor->pr_inbox))) {
		inbox_drain_slow(processor);
	}
}

void
processor_recheck_inbox(processor_t processor)
{
	inbox_drain(processor);
}

/* Priorities of threads that only this CPU can see have changed. */
static OS_NOINLINE void
recheck(processor_t processor)
{
	thread_t self = processor->pr_active, only = processor->pr_only;

	os_atomic_store(&processor->pr_recheck, 0, relaxed);
	if (self == processor->pr_idle_thread) {
		return;
	}
	if (only != NULL) {
		processor->pr_only_pri = only->sched_pri;
	}
	ready_note_best(processor);
	processor_show_priority(processor, self->sched_pri);
	if (ready_any(processor) && ready_preempts(processor, self, false)) {
		os_atomic_or(&self->machine.slow_flags, AST_PREEMPT, relaxed);
	}
}

void
sched_signal_interrupt(void)
{
	processor_t processor = current_processor();

	os_atomic_store(&processor->pr_signalled, 0, relaxed);
	os_atomic_thread_fence(seq_cst); /* [D1]: before the drain, so that a push it misses signals again */
	inbox_drain(processor);
	if (os_unlikely(os_atomic_load(&processor->pr_recheck, relaxed))) {
		recheck(processor);
	}
}

void
processor_request_recheck(processor_t processor)
{
	os_atomic_store(&processor->pr_recheck, 1, relaxed);
	if (processor == current_processor()) {
		recheck(processor);
	} else {
		os_atomic_thread_fence(seq_cst); /* [D2] */
		signal_reschedule(processor);
	}
}

/*
 * [G2] Somebody has pushed onto the inbox of a CPU that is gone. What is there runs here. Should the CPU be back by
 * now, a thread may be on it already: that one is for it to fetch.
 */
static OS_NOINLINE void
inbox_rescue(processor_t gone)
{
	processor_t here = current_processor();
	struct inbox_entry *entry, *next;

	os_atomic_store(&gone->pr_signalled, 0, relaxed);
	os_atomic_thread_fence(seq_cst); /* before the emptying: a push that it misses comes here again */
	for (entry = inbox_take_all(&gone->pr_inbox); entry != NULL; entry = next) {
		thread_t thread = os_containerof(entry, struct thread, inbox_entry);

		next = entry->ie_next;
		if (os_atomic_load(&thread->on_cpu, acquire) != 0) { /* [O2] */
			inbox_send(processor_get(thread->last_cpu), thread);
			continue;
		}
		if (thread->bound_cpu == (int)gone->pr_cpu) {
			thread->bound_cpu = THREAD_CPU_ANY;
		}
		enqueue_local(here, thread);
	}
}

/* [D2] The thread goes to another CPU, or to this one while it is still on it. */
static void
inbox_send(processor_t target, thread_t thread)
{
	int pri = thread->sched_pri;
	/* The thread is the target's from here on. */
	bool first = inbox_push(&target->pr_inbox, &thread->inbox_entry);

	os_atomic_thread_fence(seq_cst); /* [D2] pairs with [D1] */
	/* Also where the thread does not outrank what runs: a CPU that knows of nobody else has no quantum. */
	if ((first || os_atomic_load(&target->pr_current_pri, relaxed) < pri) &&
	    target != current_processor()) {
		signal_reschedule(target);
	}
}

/* The next CPU behind `cpu` that takes threads; the boot CPU always does. */
static processor_t
next_online(unsigned cpu)
{
	processor_t processor;

	do {
		cpu = cpu + 1 == cpu_count ? 0 : cpu + 1;
		processor = processor_get(cpu);
	} while (!os_atomic_load(&processor->pr_online, relaxed));
	return processor;
}

void
sched_evacuate(processor_t processor)
{
	thread_t thread;

	inbox_drain(processor);
	while ((thread = ready_take(processor, 0)) != NULL) {
		int idle = sched_place_idle(processor->pr_cpu, thread->thread_id);

		if (thread->bound_cpu == (int)processor->pr_cpu) {
			thread->bound_cpu = THREAD_CPU_ANY;
		}
		inbox_send(
		    idle >= 0 ? processor_get((unsigned)idle) : next_online(processor->pr_cpu), thread);
	}
}

/* Where a thread that is off every CPU goes. */
static processor_t
choose_processor(processor_t here, thread_t thread)
{
	struct sched_wake wake = {
		.here = here->pr_cpu,
		.last = thread->last_cpu,
		.binding = thread->bound_cpu,
		.pri = thread->sched_pri,
		.waiting_here = ready_any(here),
		.salt = thread->thread_id,
	};

	return processor_get(sched_place_wake(&wake));
}

/* Off every CPU, and this one is not the obvious choice. */
static OS_NOINLINE void
make_runnable_somewhere(processor_t here, thread_t thread)
{
	processor_t target = cpu_count > 1 ? choose_processor(here, thread) : here;

	if (target == here) {
		enqueue_local(here, thread);
	} else {
		inbox_send(target, thread);
	}
}

/* For a thread whose last CPU is this one: bound to it, or nobody waits here, so that it is the next. */
static inline bool
wakes_here(processor_t here, thread_t thread)
{
	return thread->bound_cpu == (int)here->pr_cpu ||
	       (thread->bound_cpu == THREAD_CPU_ANY && !ready_any(here));
}

OS_INLINE void
make_runnable(thread_t thread)
{
	processor_t here = current_processor();

	KDEBUG(MACHDBG_CODE(DBG_MACH_SCHED, MACH_MAKE_RUNNABLE), thread->thread_id, thread->sched_pri,
	    wait_word_result(&thread->wait_word), 0);
	if (os_unlikely(os_atomic_load(&thread->on_cpu, acquire) != 0)) { /* [O2] */
		inbox_send(processor_get(thread->last_cpu), thread);
	} else if (os_likely(thread->last_cpu == here->pr_cpu && wakes_here(here, thread))) {
		enqueue_local(here, thread);
	} else {
		make_runnable_somewhere(here, thread);
	}
}

void
thread_make_runnable_masked(thread_t thread)
{
	assert(wait_word_claimed(&thread->wait_word));
	make_runnable(thread);
}

void
thread_make_runnable(thread_t thread)
{
	bool irq = ml_set_interrupts_enabled(false);

	thread_make_runnable_masked(thread);
	ml_set_interrupts_enabled(irq);
}

void
thread_setrun(thread_t thread)
{
	bool irq = ml_set_interrupts_enabled(false);

	make_runnable(thread);
	ml_set_interrupts_enabled(irq);
}

/* --- choice --- */

/* This CPU has nothing to do: takes a waiting thread from a CPU that has one to spare. */
static thread_t
steal(processor_t processor)
{
	struct sched_steal steal;
	thread_t thread = NULL;
	int victim;

	if (os_likely(cpu_count <= SCHED_CLUSTER_CPUS &&
		      !(os_atomic_load(&sched_clusters[0].sc_spare, relaxed) & ~(1U << processor->pr_cpu)))) {
		return NULL; /* what the search would find, sooner */
	}
	sched_steal_begin(&steal, processor->pr_cpu);
	while (thread == NULL && (victim = sched_steal_next(&steal)) >= 0) {
		thread = ready_steal(processor_get((unsigned)victim));
		if (thread == NULL) {
			sched_steal_nothing((unsigned)victim);
		}
	}
	if (thread != NULL) {
		os_counter_add(&processor->pr_steals, 1);
		thread->runq_entry.re_since = 0; /* it runs */
	}
	return thread;
}

static OS_NOINLINE thread_t
steal_or_idle(processor_t processor)
{
	thread_t thread = cpu_count > 1 && processor->pr_online ? steal(processor) : NULL;

	return thread != NULL ? thread : processor->pr_idle_thread;
}

/* The next thread of this CPU, taken off its queue; the idle thread when there is none. */
static inline thread_t
select_thread(processor_t processor)
{
	thread_t thread;

	inbox_drain(processor);
	thread = ready_take(processor, 0);
	return os_likely(thread != NULL) ? thread : steal_or_idle(processor);
}

/* --- switch --- */

/* The last words about the thread that ran before: this CPU no longer uses anything of it. */
static OS_NOINLINE void
let_go_special(thread_t prev)
{
	uint8_t flags = prev->sched_flags;

	if (flags & TH_SFLAG_DYING) {
		os_atomic_store(&prev->on_cpu, 0, release); /* [O1] */
		os_atomic_store(&prev->exited, 1, release); /* pairs with the acquire in thread_join */
		thread_wakeup(&prev->exited);
		thread_deallocate(prev);
	} else {
		prev->sched_flags = (uint8_t)(flags & ~TH_SFLAG_MIGRATE);
		os_atomic_store(&prev->on_cpu, 0, release); /* [O1] */
		make_runnable(prev);
	}
}

static inline void
let_go(thread_t prev)
{
	if (os_unlikely(prev->sched_flags & (TH_SFLAG_DYING | TH_SFLAG_MIGRATE))) {
		let_go_special(prev);
	} else {
		os_atomic_store(&prev->on_cpu, 0, release); /* [O1] */
	}
}

/* For the trace: AST_PREEMPT, if that is why; 0: the thread waits, yields or ends. */
OS_INLINE uint32_t
switch_reason(thread_t self)
{
	return os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT;
}

/* Accounting and what other CPUs see, for every switch but a handoff. */
OS_INLINE void
switch_prepare(processor_t processor, thread_t self, thread_t new)
{
	KDEBUG_THREAD(self, MACHDBG_CODE(DBG_MACH_SCHED, MACH_SCHED), switch_reason(self), new->thread_id,
	    self->sched_pri, new->sched_pri);
	processor_set_active(processor, self, new);
	os_counter_add(&processor->pr_switches, 1);
	if (os_unlikely(os_atomic_load(&self->machine.slow_flags, relaxed) & AST_PREEMPT)) {
		os_atomic_and(&self->machine.slow_flags, ~AST_PREEMPT, relaxed);
	}
	quantum_begin(processor, new);
	if (new->pmap != self->pmap) { /* self ran with its own loaded, or the kernel's, which is none */
		pmap_switch(new->pmap);
	}
}

/* Where every continuation starts: ordinary conditions first. */
static void
thread_continue(void *param, wait_result_t result)
{
	thread_t self = current_thread();
	thread_continue_t continuation = self->continuation; /* a preemption clears the field */

	ml_set_interrupts_enabled(true);
	waitq_finish(self);
	continuation(param, result);
	panic("continuation %p returned", (void *)continuation);
}

static inline OS_NORETURN void
go_on(thread_t self, wait_result_t result)
{
	self->machine.preempt_count = 0;
	if (os_likely(self->continuation == THREAD_CONTINUE_USER)) {
		thread_return_to_user();
	}
	machine_call_continuation(thread_continue, self->parameter, result);
}

void
thread_go_on(thread_t self, wait_result_t result)
{
	go_on(self, result);
}

void
thread_handoff_user(thread_t target)
{
	thread_t self = current_thread();
	wait_result_t result;

	result = thread_handoff_switch(self, target, self->continuation, self->parameter);
	thread_go_on(target, result);
}

/* First code of a thread on a stack of its own, reached from machine_switch_to_fresh. */
static void
fresh_start(thread_t prev, void *arg)
{
	thread_t self = arg;

	let_go(prev);
	thread_go_on(self, thread_finish_wait(self));
}

/* `self` gives up its stack; it will go on in its continuation. */
static OS_NORETURN void
switch_stackless(processor_t processor, thread_t self, thread_t new)
{
	int pri = new->sched_pri;

	self->machine.preempt_count = 0;
	switch_prepare(processor, self, new);
	if (os_likely(new->machine.kstack == 0)) {
		machine_stack_handoff(self, new);
		machine_switch_registers(self, new);
		processor_show_priority(processor, pri);
		let_go(self);
		go_on(new, thread_finish_wait(new));
	}
	kstack_put(processor, self->machine.kstack);
	self->machine.kstack = 0;
	self->machine.kstack_top = 0;
	machine_switch_registers(self, new);
	processor_show_priority(processor, pri);
	machine_resume_stack(new, self);
}

/* `self` keeps its stack and returns from here when it runs again, on whatever CPU. */
static void
switch_stackful(processor_t processor, thread_t self, thread_t new)
{
	int pri = new->sched_pri;
	thread_t prev;
	uintptr_t stack;

	self->continuation = THREAD_CONTINUE_NULL;
	if (new->machine.kstack != 0) {
		switch_prepare(processor, self, new);
		processor_show_priority(processor, pri);
		prev = machine_switch_context(self, new);
		let_go(prev);
		return;
	}
	stack = kstack_take(processor);
	if (os_unlikely(stack == 0)) {
		/* Let it wait until the pool is filled; the idle thread has a stack. */
		ready_insert(processor, new, new->sched_pri, RUNQ_HEAD);
		if (self != processor->pr_idle_thread) {
			switch_stackful(processor, self, processor->pr_idle_thread);
		}
		return;
	}
	switch_prepare(processor, self, new);
	processor_show_priority(processor, pri);
	new->machine.kstack = stack;
	new->machine.kstack_top = stack + KERNEL_STACK_SIZE;
	prev = machine_switch_to_fresh(self, new, new->machine.kstack_top, fresh_start, new);
	let_go(prev);
}

/* --- block --- */

static OS_NORETURN void
block_stackless(thread_t self)
{
	processor_t processor;
	thread_t new;

	ml_set_interrupts_enabled(false);
	lock_check_blocking(self, 1);
	processor = current_processor();
	new = select_thread(processor);
	if (os_unlikely(new == self)) {
		quantum_begin(processor, self);
		thread_go_on(self, thread_finish_wait(self));
	}
	switch_stackless(processor, self, new);
}

void
thread_block_prepared(void)
{
	thread_t self = current_thread();

	assert(self->continuation != THREAD_CONTINUE_NULL);
	block_stackless(self);
}

/* Keeps the stack. */
static wait_result_t
block_stackful(thread_t self)
{
	wait_result_t result;
	processor_t processor;
	thread_t new;

	ml_set_interrupts_enabled(false);
	lock_check_blocking(self, 1);
	processor = current_processor();
	new = select_thread(processor);
	if (new != self) {
		switch_stackful(processor, self, new);
	} else {
		quantum_begin(processor, self);
	}
	result = thread_finish_wait(self);
	ml_set_interrupts_enabled(true);
	waitq_finish(self);
	enable_preemption();
	return result;
}

wait_result_t
thread_block_parameter(thread_continue_t continuation, void *param)
{
	thread_t self = current_thread();

	if (continuation == THREAD_CONTINUE_NULL) {
		return block_stackful(self);
	}
	thread_set_continuation(self, continuation, param);
	block_stackless(self);
}

wait_result_t
thread_block(thread_continue_t continuation)
{
	return thread_block_parameter(continuation, NULL);
}

bool
wait_cancel(thread_t self)
{
	if (!wait_word_cancel(&self->wait_word)) {
		return false;
	}
	if (timer_call_is_set(&self->wait_timer)) {
		wait_timer_cancel(self);
	}
	waitq_finish(self);
	enable_preemption();
	return true;
}

bool
thread_abort_wait(thread_t thread)
{
	if (!wait_word_abort(&thread->wait_word, THREAD_INTERRUPTED)) {
		return false;
	}
	thread_make_runnable(thread);
	return true;
}

void
wait_prepare_abort(thread_t self)
{
	(void)thread_abort_wait(self); /* if somebody else was faster, that is the result */
}

/* --- timed waits --- */

static void
wait_timer_expired(void *thread, uint64_t cookie)
{
	if (wait_claim(thread, cookie, THREAD_TIMED_OUT)) {
		thread_make_runnable(thread);
	}
}

/* A program's wait; those of the kernel's own are exact. */
static OS_NOINLINE uint64_t
wait_leeway(thread_t self, uint64_t deadline)
{
	bool interruptible = (os_atomic_load(&self->wait_word, relaxed) & WAIT_INTERRUPTIBLE) != 0;

	return interruptible ? thread_timer_leeway(self, deadline) : 0;
}

void
wait_set_deadline(thread_t self, uint64_t deadline)
{
	self->wait_timer.tc_fn = wait_timer_expired;
	self->wait_timer.tc_param0 = self;
	if (os_unlikely(os_atomic_load(&self->timer_tier, relaxed) != 0)) {
		timer_call_enter_leeway(
		    &self->wait_timer, deadline, wait_leeway(self, deadline), wait_cookie(self));
	} else {
		timer_call_enter(&self->wait_timer, deadline, wait_cookie(self));
	}
}

void
wait_timer_cancel(thread_t thread)
{
	(void)timer_call_cancel(&thread->wait_timer);
}

/* --- yield, depression, preemption, exit --- */

/* The thread that is to run instead of `self`, which has joined the queue; NULL, with nothing changed, if
 * there is none. */
OS_INLINE thread_t
yield_to(processor_t processor, thread_t self, enum sched_yield how)
{
	inbox_drain(processor);
	if (how == SCHED_YIELD_ANY) {
		return ready_exchange(processor, self, 0, DEPRESSPRI);
	}
	return ready_exchange(processor, self, self->sched_pri, self->sched_pri);
}

bool
thread_yield(enum sched_yield how)
{
	bool irq = ml_set_interrupts_enabled(false);
	thread_t self = current_thread(), new;
	processor_t processor = current_processor();

	assert(preemption_enabled());
	lock_check_blocking(self, 0);
	new = yield_to(processor, self, how);
	if (new != NULL) {
		switch_stackful(processor, self, new);
	}
	ml_set_interrupts_enabled(irq);
	return new != NULL;
}

bool
thread_yield_user(enum sched_yield how, uint64_t result)
{
	thread_t self = current_thread(), new;
	processor_t processor = current_processor();

	new = yield_to(processor, self, how);
	if (new == NULL) {
		return false;
	}
	thread_complete_syscall(self, result);
	switch_stackless(processor, self, new);
}

static void
depression_over(void *thread, uint64_t cookie)
{
	(void)cookie;
	(void)ready_abort_depression(thread);
}

bool
thread_depressed_for_a_time(thread_t thread)
{
	return timer_call_is_set(&thread->wait_timer) && thread->wait_timer.tc_fn == depression_over;
}

/* The timer is the thread's own, which it does not wait with now; when it runs again the timer is cancelled. */
void
thread_depress_user(uint64_t ns, uint64_t result)
{
	thread_t self = current_thread();

	if (!ready_any(current_processor())) {
		return;
	}
	(void)timer_call_cancel(&self->wait_timer);
	timer_call_setup(&self->wait_timer, depression_over, self);
	timer_call_enter(&self->wait_timer, clock_interval_to_deadline_ns(ns), 0);
	thread_yield_user(SCHED_YIELD_ANY, result);
	(void)timer_call_cancel(&self->wait_timer);
}

kern_return_t
thread_depress_abort(thread_t thread)
{
	bool irq, depressed;

	if (!os_atomic_load(&thread->active, relaxed)) {
		return KERN_TERMINATED;
	}
	irq = ml_set_interrupts_enabled(false);
	depressed = ready_abort_depression(thread);
	ml_set_interrupts_enabled(irq);
	return depressed ? KERN_SUCCESS : KERN_NOT_DEPRESSED;
}

bool
thread_yield_to_user(thread_t target, uint64_t result)
{
	thread_t self = current_thread();
	processor_t processor = current_processor();

	inbox_drain(processor);
	if (target == self || !ready_remove(processor, target)) {
		return false;
	}
	ready_insert(processor, self, self->sched_pri, RUNQ_TAIL);
	thread_complete_syscall(self, result);
	switch_stackless(processor, self, target);
}

/* A better thread takes the CPU. Has this one had its quantum, or as good as? */
static bool
quantum_interrupted(processor_t processor, thread_t self, uint64_t now)
{
	uint64_t end = processor->pr_quantum_end;

	return thread_preempted(self, now - processor->pr_dispatched, end > now ? end - now : 0, now);
}

/* The running thread joins its queue again: in front, unless its turn was over. */
static thread_t
preempt_to(processor_t processor, thread_t self)
{
	enum runq_end end = self->sched_flags & TH_SFLAG_EXPIRED ? RUNQ_TAIL : RUNQ_HEAD;
	thread_t new;

	os_atomic_and(&self->machine.slow_flags, ~AST_PREEMPT, relaxed);
	inbox_drain(processor);
	self->sched_flags &= (uint8_t)~TH_SFLAG_EXPIRED;
	if (!ready_preempts(processor, self, end == RUNQ_TAIL)) {
		timer_program_no_later(processor, processor->pr_quantum_end);
		return self;
	}
	new = ready_take(processor, 0);
	if (new == NULL) {
		return self; /* a thief was faster */
	}
	if (end == RUNQ_HEAD && quantum_interrupted(processor, self, ml_get_timebase_raw())) {
		end = RUNQ_TAIL;
	}
	ready_insert(processor, self, self->sched_pri, end);
	os_counter_add(&processor->pr_preemptions, 1);
	return new;
}

void
ast_taken_kernel(void)
{
	thread_t self = current_thread(), new;
	processor_t processor = current_processor();

	if (self == processor->pr_idle_thread || self->machine.preempt_count != 0) {
		return;
	}
	new = preempt_to(processor, self);
	if (new != self &&new != NULL) {
		switch_stackful(processor, self, new);
	}
}

void
thread_preempt_user(void)
{
	thread_t self = current_thread(), new;
	processor_t processor;

	ml_set_interrupts_enabled(false);
	processor = current_processor();
	new = preempt_to(processor, self);
	if (new == self) {
		ml_set_interrupts_enabled(true);
		return;
	}
	self->continuation = THREAD_CONTINUE_USER;
	switch_stackless(processor, self, new);
}

void
preemption_enabled_slow(void)
{
	if (ml_set_interrupts_enabled(false)) {
		ast_taken_kernel();
		ml_set_interrupts_enabled(true);
	}
}

void
thread_exit_switch(void)
{
	thread_t self = current_thread();
	processor_t processor = current_processor();

	self->sched_flags |= TH_SFLAG_DYING;
	switch_stackless(processor, self, select_thread(processor));
}

void
sched_leave_processor(void)
{
	thread_t self = current_thread();
	processor_t processor = current_processor();

	os_atomic_store(&processor->pr_online, 0, relaxed);
	sched_evacuate(processor);
	self->sched_flags |= TH_SFLAG_DYING;
	switch_stackless(processor, self, processor->pr_idle_thread);
}

/* It is switched out and made runnable like a thread that wakes, so that it goes where it belongs. */
static void
migrate_self(processor_t processor, thread_t self)
{
	self->sched_flags |= TH_SFLAG_MIGRATE;
	switch_stackful(processor, self, select_thread(processor));
}

void
thread_set_affinity(thread_t thread, int tag)
{
	/* Tags of one task that follow each other are on CPUs that follow each other, those of two tasks anywhere. */
	unsigned home = (unsigned)((thread->task->unique_id * 7 + (unsigned)tag) % cpu_count);
	bool irq = ml_set_interrupts_enabled(false);
	processor_t processor = current_processor();

	if (sched_may_move(thread->bound_cpu)) {
		os_atomic_store(
		    &thread->bound_cpu, tag == 0 ? SCHED_CPU_ANY : (int16_t)SCHED_AFFINE(home), relaxed);
		if (thread == processor->pr_active && tag != 0 && processor->pr_cpu != home &&
		    os_atomic_load(&processor_get(home)->pr_current_pri, relaxed) < thread->sched_pri) {
			migrate_self(processor, thread);
		}
	}
	ml_set_interrupts_enabled(irq);
}

kern_return_t
thread_bind_self(int cpu)
{
	thread_t self = current_thread();
	processor_t processor;

	if (cpu != THREAD_CPU_ANY &&
	    (cpu < 0 || (unsigned)cpu >= cpu_count || !processor_get((unsigned)cpu)->pr_online)) {
		return KERN_INVALID_ARGUMENT;
	}
	ml_set_interrupts_enabled(false);
	processor = current_processor();
	self->bound_cpu = (int16_t)cpu;
	if (cpu != THREAD_CPU_ANY && processor->pr_cpu != (unsigned)cpu) {
		migrate_self(processor, self);
	}
	ml_set_interrupts_enabled(true);
	return KERN_SUCCESS;
}

/* --- idle and start-up --- */

void
processor_prepare(processor_t processor)
{
	processor->pr_active = processor->pr_idle_thread;
	processor->pr_dispatched = ml_get_timebase();
	processor->pr_quantum_end = UINT64_MAX; /* the idle thread's turn has no end */
	processor->pr_balance_at = UINT64_MAX;
	processor->pr_timer_programmed = UINT64_MAX;
	processor->pr_current_pri = IDLEPRI;
	processor->pr_wake_pri = IDLEPRI;
	processor->pr_ready_pri = -1;
}

void
processor_init(unsigned cpu, thread_t idle_thread)
{
	processor_t processor = processor_get(cpu);

	processor->pr_cpu = cpu;
	processor->pr_idle_thread = idle_thread;
	processor->pr_random = cpu + 1;
	processor_prepare(processor);
	lck_spin_init(&processor->pr_runq_lock, &runq_lock_class);
	run_queue_init(&processor->pr_runq);
	timer_queue_init(processor);
}

/*
 * A CPU that ran out of work looks out for more for a while before it waits for an interrupt: the thread it
 * just ran often is about to be answered, and an interrupt takes both sides microseconds. Meanwhile pr_signalled
 * is set, so that wakers do not send one; whoever pushed before it is cleared again is seen by the caller, who
 * looks at the inbox next, behind a full fence ([D1], pairs with the fence of the waker, [D2]).
 */
static void
idle_poll(processor_t processor)
{
	uint64_t deadline = ml_get_timebase_raw() + sched_ticks.idle_poll;

	if (!os_atomic_cmpxchg(&processor->pr_signalled, 0, 1, relaxed)) {
		return; /* an interrupt is on its way */
	}
	os_atomic_store(&processor->pr_idle, 1, relaxed);
	show_idle(processor->pr_cpu);
	while (inbox_empty(&processor->pr_inbox) && !ml_interrupt_pending() &&
	       ml_get_timebase_raw() < deadline) {
		cpu_relax();
	}
	os_atomic_store(&processor->pr_idle, 0, relaxed);
	os_atomic_store(&processor->pr_signalled, 0, relaxed);
	os_atomic_thread_fence(seq_cst); /* [D1] */
}

/* Waits for an interrupt unless there is something to do; then takes it. */
static void
idle_wait(processor_t processor)
{
	assert(ready_nobody(processor)); /* [R1] */
	os_atomic_store(&processor->pr_idle, 1, relaxed);
	show_idle(processor->pr_cpu);
	KDEBUG(MACHDBG_CODE(DBG_MACH_SCHED, MACH_IDLE) | DBG_FUNC_START, 0, 0, 0, 0);
	if (inbox_empty(&processor->pr_inbox)) { /* a push that is not seen here has signalled: [D1] */
		machine_idle();
	}
	KDEBUG(MACHDBG_CODE(DBG_MACH_SCHED, MACH_IDLE) | DBG_FUNC_END, 0, 0, 0, 0);
	os_atomic_store(&processor->pr_idle, 0, relaxed);
	ml_set_interrupts_enabled(true);
	ml_set_interrupts_enabled(false);
}

void
idle_loop(void)
{
	thread_t self = current_thread(), new;
	processor_t processor = current_processor();
	bool poll = false; /* once after each thread that ran, where somebody else could send another */

	self->machine.preempt_count = 1;
	ml_set_interrupts_enabled(false);
	os_atomic_store(&processor->pr_gone, 0, relaxed);
	os_atomic_thread_fence(seq_cst); /* [G1]: who saw it set empties the inbox, or we do */
	os_atomic_store(&processor->pr_online, 1, release);
	processor_show_priority(processor, IDLEPRI);
	for (;;) {
		if (os_unlikely(!processor->pr_online)) {
			processor_leave(processor);
		}
		new = select_thread(processor);
		if (new != self) {
			switch_stackful(processor, self, new);
			poll = cpu_count > 1;
		} else if (poll) {
			idle_poll(processor);
			poll = false;
		} else {
			idle_wait(processor);
		}
	}
}
