/*
 * Reclamation after a grace period: the deferred calls and the waiting; <kern/smr.h> has the essay.
 *
 * smr_call pushes on a list of its CPU. One kernel thread takes the lists of all CPUs, moves the epoch once
 * for the whole batch, waits until every reader has passed it, and makes the calls. The first entry of a
 * list arms a timer, so that entries are neither forgotten nor cost a wake-up each; a long list does not wait
 * for it.
 */
#include <kern/smr.h>

#include <kern/clock.h>
#include <kern/sched.h>
#include <kern/thread.h>
#include <kern/timer_call.h>
#include <kern/waitq.h>

/* A list this long is taken at once: 64 of the largest zone elements are half a megabyte. */
#define SMR_BATCH_MAX 64U

/* How long a shorter one may rest. */
#define SMR_BATCH_DELAY_NS (10 * NSEC_PER_MSEC)

/* Between two looks at a CPU that is inside a section; sections are short. */
#define SMR_POLL_SPINS    64U
#define SMR_POLL_DELAY_NS (100 * NSEC_PER_USEC)

smr_epoch_t smr_global_epoch OS_CACHE_ALIGNED = SMR_EPOCH_FIRST;

smr_epoch_t smr_reached_epoch OS_CACHE_ALIGNED = SMR_EPOCH_FIRST - SMR_EPOCH_STEP;

PERCPU_DATA(struct smr_cpu, percpu_smr);

struct smr_deferred {
	struct smr_node *sd_list; /* newest first; pushed by the own CPU, taken by the SMR thread; atomic */
	uint32_t sd_count;        /* pushed since the list was last seen empty; own CPU, interrupts masked */
	bool sd_armed;            /* sd_timer is set; own CPU, interrupts masked */
	struct timer_call sd_timer;
};

static PERCPU_DATA(struct smr_deferred, percpu_smr_deferred);

static struct waitq smr_waitq;
static uint32_t smr_work; /* atomic: a list wants to be taken */

bool
smr_entered(void)
{
	return PERCPU_GET(percpu_smr)->sc_depth != 0;
}

smr_epoch_t
smr_advance(void)
{
	return smr_epoch_advance(&smr_global_epoch);
}

bool
smr_poll(smr_epoch_t goal)
{
	percpu_foreach_cpu(cpu)
	{
		if (!smr_epoch_passed(PERCPU_GET_CPU(percpu_smr, cpu), goal)) {
			return false;
		}
	}
	return true;
}

/* Sleeps without an event. */
static void
smr_delay(uint64_t ns)
{
	wait_prepare(current_thread(), THREAD_UNINT, clock_interval_to_deadline_ns(ns));
	(void)thread_block(THREAD_CONTINUE_NULL);
}

/* Every reader has passed `goal`. */
static void
smr_publish(smr_epoch_t goal)
{
	smr_epoch_t reached = os_atomic_load(&smr_reached_epoch, relaxed), found;

	while ((int64_t)(reached - goal) < 0 &&
	       !os_atomic_cmpxchgv(&smr_reached_epoch, reached, goal, &found, release)) { /* [S2] */
		reached = found;
		cpu_relax();
	}
}

bool
smr_expedite(smr_epoch_t goal)
{
	if ((int64_t)(os_atomic_load(&smr_global_epoch, relaxed) - goal) < 0) {
		(void)smr_advance();
	} else {
		os_atomic_thread_fence(seq_cst); /* [S1] before the scan */
	}
	if (!smr_poll(goal)) {
		return false;
	}
	smr_publish(goal);
	return true;
}

static void
smr_wait(smr_epoch_t goal)
{
	assert(preemption_enabled());
	for (;;) {
		for (unsigned i = 0; i < SMR_POLL_SPINS; i++) {
			if (smr_poll(goal)) {
				smr_publish(goal);
				return;
			}
			cpu_relax();
		}
		smr_delay(SMR_POLL_DELAY_NS);
	}
}

void
smr_synchronize(void)
{
	smr_wait(smr_advance());
}

/* --- deferred calls --- */

static void
smr_kick(void)
{
	/* [K1] pairs with [K2]: the pushes are visible to the thread that sees the flag. */
	if (os_atomic_xchg(&smr_work, 1U, acq_rel) == 0) {
		waitq_wakeup_one(&smr_waitq, THREAD_AWAKENED);
	}
}

/* On the CPU that set it. */
static void
smr_timer_expired(void *deferred, uint64_t param1)
{
	((struct smr_deferred *)deferred)->sd_armed = false;
	smr_kick();
}

/* Interrupts masked. The SMR thread looks at this CPU after a while. */
static void
smr_arm(struct smr_deferred *deferred)
{
	if (!deferred->sd_armed) {
		deferred->sd_armed = true;
		timer_call_setup(&deferred->sd_timer, smr_timer_expired, deferred);
		timer_call_enter(&deferred->sd_timer, clock_interval_to_deadline_ns(SMR_BATCH_DELAY_NS), 0);
	}
}

void
smr_cpu_leave(void)
{
	struct smr_deferred *deferred = PERCPU_GET(percpu_smr_deferred);

	if (deferred->sd_armed) {
		(void)timer_call_cancel(&deferred->sd_timer);
		deferred->sd_armed = false;
		smr_kick();
	}
}

void
smr_request(void)
{
	bool interrupts = ml_set_interrupts_enabled(false);

	smr_arm(PERCPU_GET(percpu_smr_deferred));
	ml_set_interrupts_enabled(interrupts);
}

/* Interrupts masked. Starts the clock for a list that was empty, or gives the alarm for a long one. */
static void
smr_deferred_pushed(struct smr_deferred *deferred, bool was_empty)
{
	deferred->sd_count = was_empty ? 1 : deferred->sd_count + 1;
	if (deferred->sd_count == SMR_BATCH_MAX) {
		smr_kick();
	} else if (was_empty) {
		smr_arm(deferred);
	}
}

void
smr_call(struct smr_node *node, void (*fn)(struct smr_node *))
{
	bool interrupts = ml_set_interrupts_enabled(false);
	struct smr_deferred *deferred = PERCPU_GET(percpu_smr_deferred);
	struct smr_node *head = os_atomic_load(&deferred->sd_list, relaxed);

	node->sn_free = fn;
	do {
		node->sn_next = head;
	} while (!os_atomic_cmpxchgv(&deferred->sd_list, head, node, &head, release)); /* [L1] */
	smr_deferred_pushed(deferred, head == NULL);
	ml_set_interrupts_enabled(interrupts);
}

/* Everything pushed so far on any CPU, as one list. */
static struct smr_node *
smr_take_all(void)
{
	struct smr_node *all = NULL;

	percpu_foreach_cpu(cpu)
	{
		struct smr_deferred *deferred = PERCPU_GET_CPU(percpu_smr_deferred, cpu);
		struct smr_node *node =
		    os_atomic_xchg(&deferred->sd_list, NULL, acquire); /* [L2] after [L1] */

		while (node != NULL) {
			struct smr_node *next = node->sn_next;

			node->sn_next = all;
			all = node;
			node = next;
		}
	}
	return all;
}

static void
smr_run(struct smr_node *node)
{
	while (node != NULL) {
		struct smr_node *next = node->sn_next;

		node->sn_free(node);
		node = next;
	}
}

static void
smr_thread_wait_for_work(void)
{
	while (os_atomic_xchg(&smr_work, 0U, acq_rel) == 0) { /* [K2] */
		waitq_wait_prepare(&smr_waitq, THREAD_UNINT, 0);
		if (os_atomic_load(&smr_work, acquire) != 0) {
			(void)waitq_cancel(&smr_waitq);
		} else {
			(void)thread_block(THREAD_CONTINUE_NULL);
		}
	}
}

static OS_NORETURN void
smr_thread(void *param, wait_result_t wresult)
{
	(void)param;
	(void)wresult;
	for (;;) {
		struct smr_node *all;

		smr_thread_wait_for_work();
		all = smr_take_all();
		smr_synchronize(); /* also for those who only asked for it */
		smr_run(all);
	}
}

void
smr_thread_start(void)
{
	waitq_init(&smr_waitq);
	if (kernel_thread_create(smr_thread, NULL, BASEPRI_KERNEL, "smr", NULL) != KERN_SUCCESS) {
		panic("smr: no thread");
	}
}
