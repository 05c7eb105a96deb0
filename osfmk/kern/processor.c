/*
 * Starting and stopping CPUs. See <kern/processor.h> for the argument that no thread is lost.
 *
 * Each CPU is OFF_LINE, STARTING, RUNNING or STOPPING. Only a caller of processor_start or processor_exit changes that,
 * with processor_mutex held from one lasting state to the other, so at most one CPU changes at a time. Meanwhile
 * cpu_call_all waits: who answers such a call must not change under it.
 *
 * Stopping takes these steps:
 *	caller          makes a thread, "cpu stop", that binds itself to the CPU: whatever runs there is preempted
 *	"cpu stop"      pr_online = 0; sends away who waits; ends, and leaves the CPU to its idle thread
 *	idle thread     gives back memory, the address space, the deferred calls; pr_gone = 1; sends away who came
 *	                meanwhile; turns the CPU off (PSCI)
 *	caller          takes over its timers and what its zone caches hold
 * The boot CPU stays: shared interrupts are routed to it, and it keeps the commpage's time.
 *
 * Locks: processor_mutex (LCK_RANK_PROCESSOR), then the mutex of cpu_call_all.
 */
#include <kern/processor.h>

#include <arm64/commpage.h>
#include <arm64/machine_routines.h>
#include <kern/clock.h>
#include <kern/sched_prim.h>
#include <kern/smr.h>
#include <kern/thread.h>
#include <kern/timer_call.h>
#include <kern/turnstile.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <vm/pmap.h>
#include <vm/vm_kern.h>
#include <vm/vm_page.h>

/* Between two looks at a CPU that is going or coming. */
#define PROCESSOR_POLL_NS (20 * NSEC_PER_USEC)

/*
 * How often the caller looks before it gives a CPU up for lost: a minute at least, which an emulator on a busy host may
 * need.
 */
#define PROCESSOR_POLLS 3000000U

struct processor_record processor_records[MAX_CPUS];

static LCK_CLASS_DECLARE(processor_class, "processor", LCK_RANK_PROCESSOR);
static LCK_MTX_DECLARE(processor_mutex, &processor_class);

/* What the "cpu stop" thread waits for, once it no longer needs anything of the rest of the kernel. */
static uint32_t stop_allowed; /* atomic; processor_mutex to set */

bool
processor_is_running(processor_t processor)
{
	return os_atomic_load(&processor_records[processor->pr_cpu].ps_state, relaxed) == PROCESSOR_RUNNING;
}

unsigned
processor_running_count(void)
{
	unsigned n = 0;

	percpu_foreach_cpu(cpu)
	{
		n += processor_is_running(processor_get(cpu));
	}
	return n;
}

static void
set_state(processor_t processor, enum processor_state state)
{
	os_atomic_store(&processor_records[processor->pr_cpu].ps_state, state, relaxed);
}

static void
poll_delay(void)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(PROCESSOR_POLL_NS));
	(void)thread_block(THREAD_CONTINUE_NULL);
}

static bool
poll_until(bool (*done)(processor_t), processor_t processor)
{
	for (unsigned i = 0; i < PROCESSOR_POLLS; i++) {
		if (done(processor)) {
			return true;
		}
		poll_delay();
	}
	return false;
}

/* --- starting --- */

void
processor_boot_is_running(void)
{
	set_state(processor_get(0), PROCESSOR_RUNNING);
	processor_records[0].ps_since = processor_get(0)->pr_dispatched;
}

/* The thread and the stack that the CPU starts on; they stay for later starts. */
static bool
make_idle_thread(unsigned cpu)
{
	struct cpu_data *data = cpu_data_get(cpu);
	thread_t idle = thread_create_idle(cpu);
	uintptr_t stack = kernel_stack_alloc();

	if (idle == THREAD_NULL || stack == 0) {
		return false;
	}
	data->idle_thread = idle;
	data->boot_stack_top = stack + KERNEL_STACK_SIZE;
	processor_init(cpu, idle);
	return true;
}

static bool
is_online(processor_t processor)
{
	return os_atomic_load(&processor->pr_online, acquire) != 0; /* pairs with idle_loop */
}

static bool
start_prepare(unsigned cpu)
{
	if (cpu_data_get(cpu)->idle_thread == THREAD_NULL && !make_idle_thread(cpu)) {
		return false;
	}
	processor_prepare(processor_get(cpu));
	set_state(processor_get(cpu), PROCESSOR_STARTING);
	processor_records[cpu].ps_since = ml_get_timebase();
	processor_records[cpu].ps_user_cycles = processor_records[cpu].ps_cycles = 0;
	return true;
}

/* Off, or starting: a CPU that was waited for in vain may have come since. */
static bool
start_locked(unsigned cpu)
{
	processor_t processor = processor_get(cpu);
	int error;

	if (processor_records[cpu].ps_state != PROCESSOR_STARTING && !start_prepare(cpu)) {
		return false;
	}
	error = machine_cpu_start(cpu);
	if (error == 0) {
		set_state(processor, PROCESSOR_RUNNING);
	} else if (error != PSCI_ON_PENDING) {
		set_state(processor, PROCESSOR_OFF_LINE);
	}
	return error == 0;
}

bool
processor_start_at_boot(unsigned cpu)
{
	return start_locked(cpu);
}

kern_return_t
processor_start(processor_t processor)
{
	kern_return_t kr = KERN_FAILURE;
	enum processor_state state;

	lck_mtx_lock(&processor_mutex);
	state = processor_records[processor->pr_cpu].ps_state;
	if (state == PROCESSOR_OFF_LINE || state == PROCESSOR_STARTING) {
		cpu_call_hold();
		if (start_locked(processor->pr_cpu) && poll_until(is_online, processor)) {
			kr = KERN_SUCCESS;
		}
		cpu_call_release();
		commpage_set_active_cpus(processor_running_count());
	}
	lck_mtx_unlock(&processor_mutex);
	return kr;
}

/* --- stopping --- */

/* The last thread that the CPU runs. */
static OS_NORETURN void
stopper(void *param, wait_result_t result)
{
	processor_t processor = param;

	if (thread_bind_self((int)processor->pr_cpu) != KERN_SUCCESS) {
		panic("cpu %u is not there to be stopped", processor->pr_cpu);
	}
	thread_retire_self();
	while (os_atomic_load(&stop_allowed, acquire) == 0) {
		assert_wait(&stop_allowed, THREAD_UNINT);
		if (os_atomic_load(&stop_allowed, acquire) == 0) {
			thread_block(THREAD_CONTINUE_NULL);
		} else {
			clear_wait_self();
		}
	}
	ml_set_interrupts_enabled(false);
	turnstile_thread_exit(current_thread());
	sched_leave_processor();
}

void
processor_leave(processor_t processor)
{
	kstack_drain(processor);
	kernel_stack_cache_drain();
	vm_page_cpu_drain();
	smr_cpu_leave();
	pmap_cpu_leave();
	sched_evacuate(processor);
	processor->pr_idle_thread->cpu_time += ml_get_timebase() - processor->pr_dispatched;
	os_atomic_store(&processor->pr_current_pri, MAXPRI + 1, relaxed); /* nobody's first choice */
	os_atomic_store(&processor->pr_signalled, 0, relaxed);
	os_atomic_store(&processor->pr_gone, 1, release); /* [G1] */
	os_atomic_thread_fence(seq_cst);                  /* [G1] */
	sched_evacuate(processor);
	processor_look_here();
	machine_cpu_off();
}

static bool
is_off(processor_t processor)
{
	return machine_cpu_is_off(processor->pr_cpu);
}

static void
take_over(processor_t processor)
{
	struct processor_record *record = &processor_records[processor->pr_cpu];
	uint64_t on;

	timer_queue_take_over(processor);
	zone_take_over_cpu(processor->pr_cpu);
	on = ml_get_timebase() - record->ps_since;
	record->ps_user_before += processor_user_ticks(record, on);
	record->ps_before += on;
}

/* On the boot CPU: the caller's own timer must not be among those that go. */
static kern_return_t
stop_locked(processor_t processor)
{
	kern_return_t kr;

	os_atomic_store(&stop_allowed, 0, relaxed);
	set_state(processor, PROCESSOR_STOPPING);
	kr = kernel_thread_create(stopper, processor, MAXPRI, "cpu stop", NULL);
	if (kr != KERN_SUCCESS) {
		set_state(processor, PROCESSOR_RUNNING);
		return kr;
	}
	cpu_call_hold();
	os_atomic_store(&stop_allowed, 1, release);
	thread_wakeup(&stop_allowed);
	if (!poll_until(is_off, processor)) {
		panic("cpu %u does not stop", processor->pr_cpu);
	}
	cpu_call_release();
	take_over(processor);
	set_state(processor, PROCESSOR_OFF_LINE);
	commpage_set_active_cpus(processor_running_count());
	return KERN_SUCCESS;
}

kern_return_t
processor_exit(processor_t processor)
{
	kern_return_t kr = KERN_SUCCESS;
	int bound = current_thread()->bound_cpu;

	if (processor->pr_cpu == THREAD_CPU_BOOT) {
		return KERN_FAILURE;
	}
	(void)thread_bind_self(THREAD_CPU_BOOT);
	lck_mtx_lock(&processor_mutex);
	if (processor_records[processor->pr_cpu].ps_state == PROCESSOR_RUNNING) {
		kr = stop_locked(processor);
	}
	lck_mtx_unlock(&processor_mutex);
	if (thread_bind_self(bound) != KERN_SUCCESS) { /* that CPU went */
		(void)thread_bind_self(THREAD_CPU_ANY);
	}
	return kr;
}
