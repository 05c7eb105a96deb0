/*
 * Policies of threads. See <kern/thread_policy.h>.
 */
#include <kern/thread_policy.h>

#include <arm64/machine_routines.h>
#include <kern/sched_prim.h>
#include <kern/sched_priority.h>
#include <kern/sched_request.h>
#include <kern/task.h>
#include <kern/turnstile.h>
#include <mach/clock_types.h>
#include <mach/policy.h>
#include <mach/task_policy.h>
#include <string.h>

static_assert(THREAD_QOS_USER_INTERACTIVE == SCHED_QOS_INTERACTIVE && THREAD_QOS_LEGACY == SCHED_QOS_LEGACY &&
		  THREAD_QOS_LAST == SCHED_QOS_COUNT && THREAD_QOS_MIN_TIER_IMPORTANCE == SCHED_RELPRI_MIN,
    "programs and the policy number alike");

/* --- a request changes --- */

/* What the two requests come to, for the scheduler. */
static void
apply_locked(thread_t thread, task_t task)
{
	struct sched_params params;

	sched_resolve(&thread->request, &task->sched, &params);
	thread_set_sched_params(thread, &params);
}

/* The rest, with no lock of the scheduler held: whom the thread waits for is pushed anew. */
static void
tell_turnstiles(thread_t thread)
{
	if (thread != current_thread()) {
		turnstile_waiter_priority_changed(thread);
	}
}

void
thread_policy_task_changed(thread_t thread)
{
	lck_mtx_lock(&thread->mutex);
	if (thread->active) {
		apply_locked(thread, thread->task);
	}
	lck_mtx_unlock(&thread->mutex);
	tell_turnstiles(thread);
}

/* A thread's request is replaced by `change` of it, unless that finds fault with it. */
typedef kern_return_t (*request_change_t)(struct sched_request *request, const integer_t *words);

static kern_return_t
change_request_in(task_t task, thread_t thread, request_change_t change, const integer_t *words)
{
	struct sched_request request;
	kern_return_t kr = KERN_TERMINATED;

	lck_mtx_lock(&task->lock);
	lck_mtx_lock(&thread->mutex);
	if (thread->active) {
		request = thread->request;
		kr = change(&request, words);
		if (kr == KERN_SUCCESS) {
			thread->request = request;
			apply_locked(thread, task);
		}
	}
	lck_mtx_unlock(&thread->mutex);
	lck_mtx_unlock(&task->lock);
	return kr;
}

static kern_return_t
change_request(thread_t thread, request_change_t change, const integer_t *words)
{
	task_t task = thread_task_reference(thread);
	kern_return_t kr = KERN_INVALID_ARGUMENT;

	if (task == TASK_NULL) {
		return KERN_TERMINATED;
	}
	if (task != kernel_task) {
		kr = change_request_in(task, thread, change, words);
	}
	task_deallocate(task);
	if (kr == KERN_SUCCESS) {
		tell_turnstiles(thread);
	}
	return kr;
}

/* --- setting --- */

/* The calls that are older than QoS take a thread out of it. */
static void
leave_qos(struct sched_request *request)
{
	request->sr_qos = SCHED_QOS_UNSPECIFIED;
	request->sr_relpri = 0;
}

static kern_return_t
set_extended(struct sched_request *request, const integer_t *words)
{
	leave_qos(request);
	request->sr_mode = words[0] ? TH_MODE_TIMESHARE : TH_MODE_FIXED;
	return KERN_SUCCESS;
}

/* Five words; the last is the priority. */
static kern_return_t
set_time_constraint(struct sched_request *request, const integer_t *words)
{
	uint32_t computation = (uint32_t)words[1], constraint = (uint32_t)words[2];
	integer_t priority = words[4];

	if (constraint < computation || computation < sched_ticks.computation_min ||
	    computation > sched_ticks.computation_max || priority < BASEPRI_REALTIME ||
	    priority > MAXPRI_REALTIME) {
		return KERN_INVALID_ARGUMENT;
	}
	leave_qos(request);
	request->sr_mode = TH_MODE_REALTIME;
	request->sr_period = (uint32_t)words[0];
	request->sr_computation = computation;
	request->sr_constraint = constraint;
	request->sr_preemptible = words[3] != 0;
	request->sr_realtime_pri = (uint8_t)priority;
	return KERN_SUCCESS;
}

static kern_return_t
set_precedence(struct sched_request *request, const integer_t *words)
{
	leave_qos(request);
	/* More than all priorities there are is no more than that. */
	request->sr_importance = (int16_t)os_max(os_min(words[0], NRQS), -NRQS);
	return KERN_SUCCESS;
}

static kern_return_t
set_affinity(struct sched_request *request, const integer_t *words)
{
	request->sr_affinity = words[0];
	return KERN_SUCCESS;
}

static kern_return_t
set_background(struct sched_request *request, const integer_t *words)
{
	if (words[0] != 0 && words[0] != THREAD_BACKGROUND_POLICY_DARWIN_BG) {
		return KERN_INVALID_ARGUMENT;
	}
	request->sr_background = words[0] != 0;
	return KERN_SUCCESS;
}

/* 0 or one of the tiers, which are `first` and the five numbers behind it. */
static kern_return_t
check_tier(integer_t word, integer_t first, uint8_t *tier)
{
	if (word != 0 && (word < first || word > first + SCHED_TIER_COUNT - 2)) {
		return KERN_INVALID_ARGUMENT;
	}
	*tier = (uint8_t)(word == 0 ? 0 : word - first + 1);
	return KERN_SUCCESS;
}

static kern_return_t
set_latency(struct sched_request *request, const integer_t *words)
{
	return check_tier(words[0], LATENCY_QOS_TIER_0, &request->sr_latency);
}

static kern_return_t
set_throughput(struct sched_request *request, const integer_t *words)
{
	return check_tier(words[0], THROUGHPUT_QOS_TIER_0, &request->sr_throughput);
}

static kern_return_t
set_qos(struct sched_request *request, const integer_t *words)
{
	if (words[0] < 0 || words[0] >= SCHED_QOS_COUNT || words[1] > 0 || words[1] < SCHED_RELPRI_MIN) {
		return KERN_INVALID_ARGUMENT;
	}
	request->sr_qos = (uint8_t)words[0];
	request->sr_relpri = words[0] == SCHED_QOS_UNSPECIFIED ? 0 : (int8_t)words[1];
	request->sr_mode = TH_MODE_TIMESHARE;
	request->sr_importance = 0;
	return KERN_SUCCESS;
}

static const struct {
	request_change_t change;
	mach_msg_type_number_t words;
} flavors[] = {
	[THREAD_EXTENDED_POLICY] = { set_extended, THREAD_STANDARD_POLICY_COUNT },
	[THREAD_TIME_CONSTRAINT_POLICY] = { set_time_constraint, THREAD_TIME_CONSTRAINT_POLICY_COUNT },
	[THREAD_PRECEDENCE_POLICY] = { set_precedence, THREAD_PRECEDENCE_POLICY_COUNT },
	[THREAD_AFFINITY_POLICY] = { set_affinity, THREAD_AFFINITY_POLICY_COUNT },
	[THREAD_BACKGROUND_POLICY] = { set_background, THREAD_BACKGROUND_POLICY_COUNT },
	[THREAD_LATENCY_QOS_POLICY] = { set_latency, THREAD_LATENCY_QOS_POLICY_COUNT },
	[THREAD_THROUGHPUT_QOS_POLICY] = { set_throughput, THREAD_THROUGHPUT_QOS_POLICY_COUNT },
	[THREAD_QOS_POLICY] = { set_qos, THREAD_QOS_POLICY_COUNT },
	[THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY] = { set_time_constraint,
	    THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY_COUNT },
};

/* The words that the caller gave, and defaults for those that a flavor lets it leave out. */
static void
complete_words(thread_policy_flavor_t flavor, const integer_t *info, mach_msg_type_number_t count,
    integer_t words[THREAD_POLICY_MAX])
{
	memset(words, 0, THREAD_POLICY_MAX * sizeof(*words));
	if (flavor == THREAD_EXTENDED_POLICY) {
		words[0] = TRUE; /* THREAD_STANDARD_POLICY, which has no words */
	}
	memcpy(words, info, os_min(count, (mach_msg_type_number_t)THREAD_POLICY_MAX) * sizeof(*words));
	if (flavor == THREAD_TIME_CONSTRAINT_POLICY) {
		words[4] = BASEPRI_REALTIME;
	}
}

kern_return_t
thread_policy_set(
    thread_t thread, thread_policy_flavor_t flavor, thread_policy_t info, mach_msg_type_number_t count)
{
	integer_t words[THREAD_POLICY_MAX];
	kern_return_t kr;

	if (flavor >= os_countof(flavors) || flavors[flavor].change == NULL ||
	    count < flavors[flavor].words) {
		return KERN_INVALID_ARGUMENT;
	}
	if (flavor == THREAD_BACKGROUND_POLICY && thread->task != current_task()) {
		return KERN_PROTECTION_FAILURE;
	}
	complete_words(flavor, info, count, words);
	kr = change_request(thread, flavors[flavor].change, words);
	if (kr == KERN_SUCCESS && flavor == THREAD_AFFINITY_POLICY) {
		thread_set_affinity(thread, words[0]);
	}
	return kr;
}

kern_return_t
thread_set_qos(thread_t thread, unsigned qos, int relpri)
{
	integer_t words[] = { (integer_t)qos, relpri };

	return change_request(thread, set_qos, words);
}

void
thread_get_qos(thread_t thread, unsigned *qos, int *relpri)
{
	lck_mtx_lock(&thread->mutex);
	*qos = thread->request.sr_qos;
	*relpri = thread->request.sr_relpri;
	lck_mtx_unlock(&thread->mutex);
}

static kern_return_t
set_override(struct sched_request *request, const integer_t *words)
{
	request->sr_override = (uint8_t)words[0];
	return KERN_SUCCESS;
}

void
thread_qos_override(thread_t thread, unsigned qos)
{
	integer_t word = (integer_t)os_min(qos, (unsigned)SCHED_QOS_INTERACTIVE);

	(void)change_request(thread, set_override, &word); /* a dead thread needs none */
}

/* Two words: the mode, and the distance from the task's priority. */
static kern_return_t
set_sched(struct sched_request *request, const integer_t *words)
{
	leave_qos(request);
	request->sr_mode = (uint8_t)words[0];
	request->sr_importance = (int16_t)words[1];
	return KERN_SUCCESS;
}

kern_return_t
thread_set_sched(thread_t thread, int policy, int base_priority)
{
	integer_t words[2];

	if ((policy != POLICY_TIMESHARE && policy != POLICY_RR && policy != POLICY_FIFO) ||
	    base_priority < MINPRI_USER || base_priority > MAXPRI_USER) {
		return KERN_INVALID_ARGUMENT;
	}
	words[0] = policy == POLICY_TIMESHARE ? TH_MODE_TIMESHARE : TH_MODE_FIXED;
	words[1] = base_priority - BASEPRI_DEFAULT;
	return change_request(thread, set_sched, words);
}

uint64_t
thread_timer_leeway(thread_t thread, uint64_t deadline)
{
	unsigned tier = os_atomic_load(&thread->timer_tier, relaxed);
	uint64_t now;

	if (os_likely(tier == 0)) {
		return 0;
	}
	now = ml_get_timebase_raw();
	return deadline > now ? sched_timer_leeway(tier, deadline - now) : 0;
}

/* --- getting --- */

/* Mach tells these for a thread that has no time constraint: half a quantum within one. */
static unsigned
get_time_constraint(const struct sched_request *request, bool defaults, integer_t *words)
{
	if (defaults) {
		words[0] = 0;
		words[1] = (integer_t)(sched_ticks.quantum / 2);
		words[2] = (integer_t)sched_ticks.quantum;
		words[3] = TRUE;
		words[4] = BASEPRI_REALTIME;
	} else {
		words[0] = (integer_t)request->sr_period;
		words[1] = (integer_t)request->sr_computation;
		words[2] = (integer_t)request->sr_constraint;
		words[3] = request->sr_preemptible;
		words[4] = request->sr_realtime_pri;
	}
	return THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY_COUNT;
}

static integer_t
tier_word(unsigned tier, integer_t first)
{
	return tier == 0 ? 0 : first + (integer_t)tier - 1;
}

/* What was asked for as it was; there are no promotions and overrides of other kinds. */
static unsigned
get_requested(const struct sched_request *request, integer_t *words)
{
	const thread_requested_qos_policy_data_t requested = {
		.thrq_base_qos = request->sr_qos,
		.thrq_qos_relprio = request->sr_relpri,
		.thrq_qos_override = request->sr_override,
	};

	memcpy(words, &requested, sizeof(requested));
	return THREAD_REQUESTED_STATE_POLICY_COUNT;
}

/* The words of a flavor; their number, 0 for an unknown one. *defaults is set where there is no such policy. */
static unsigned
get_words(const struct sched_request *request, thread_policy_flavor_t flavor, bool *defaults,
    integer_t words[THREAD_POLICY_MAX])
{
	static const struct sched_request nothing;

	if (request->sr_mode != TH_MODE_REALTIME &&
	    (flavor == THREAD_TIME_CONSTRAINT_POLICY ||
		flavor == THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY)) {
		*defaults = true;
	}
	if (*defaults) {
		request = &nothing;
	}
	switch (flavor) {
	case THREAD_EXTENDED_POLICY:
		words[0] = request->sr_mode == TH_MODE_TIMESHARE;
		return THREAD_EXTENDED_POLICY_COUNT;
	case THREAD_TIME_CONSTRAINT_POLICY:
		return get_time_constraint(request, *defaults, words) - 1;
	case THREAD_TIME_CONSTRAINT_WITH_PRIORITY_POLICY:
		return get_time_constraint(request, *defaults, words);
	case THREAD_PRECEDENCE_POLICY:
		words[0] = request->sr_importance;
		return THREAD_PRECEDENCE_POLICY_COUNT;
	case THREAD_AFFINITY_POLICY:
		words[0] = request->sr_affinity;
		return THREAD_AFFINITY_POLICY_COUNT;
	case THREAD_BACKGROUND_POLICY:
		words[0] = request->sr_background ? THREAD_BACKGROUND_POLICY_DARWIN_BG : 0;
		return THREAD_BACKGROUND_POLICY_COUNT;
	case THREAD_LATENCY_QOS_POLICY:
		words[0] = tier_word(request->sr_latency, LATENCY_QOS_TIER_0);
		return THREAD_LATENCY_QOS_POLICY_COUNT;
	case THREAD_THROUGHPUT_QOS_POLICY:
		words[0] = tier_word(request->sr_throughput, THROUGHPUT_QOS_TIER_0);
		return THREAD_THROUGHPUT_QOS_POLICY_COUNT;
	case THREAD_QOS_POLICY:
		words[0] = request->sr_qos;
		words[1] = request->sr_relpri;
		return THREAD_QOS_POLICY_COUNT;
	case THREAD_REQUESTED_STATE_POLICY:
		return get_requested(request, words);
	default:
		return 0;
	}
}

kern_return_t
thread_policy_get(thread_t thread, thread_policy_flavor_t flavor, thread_policy_t info,
    mach_msg_type_number_t *count, boolean_t *get_default)
{
	integer_t words[THREAD_POLICY_MAX];
	bool defaults = *get_default != 0, active;
	unsigned n;

	lck_mtx_lock(&thread->mutex);
	active = thread->active;
	n = get_words(&thread->request, flavor, &defaults, words);
	lck_mtx_unlock(&thread->mutex);
	if (!active) {
		return KERN_TERMINATED;
	}
	if (n == 0 || *count < n) {
		return KERN_INVALID_ARGUMENT;
	}
	memcpy(info, words, n * sizeof(*words));
	*count = n;
	*get_default = defaults;
	return KERN_SUCCESS;
}

/* --- thread_info --- */

/* Waits at DEPRESSPRI although it counts for more. A look without locks. */
static bool
depressed(thread_t thread)
{
	return os_atomic_load(&thread->runq, relaxed) != NULL &&
	       os_atomic_load(&thread->runq_entry.re_queued_pri, relaxed) < thread_sched_priority(thread);
}

kern_return_t
thread_timeshare_info(thread_t thread, policy_timeshare_info_data_t *info)
{
	if (thread->se.se_mode != TH_MODE_TIMESHARE) {
		return KERN_INVALID_POLICY;
	}
	*info = (policy_timeshare_info_data_t){
		.max_priority = MAXPRI_USER,
		.base_priority = thread->se.se_base,
		.cur_priority = thread_sched_priority(thread),
		.depressed = depressed(thread),
		.depress_priority = depressed(thread) ? DEPRESSPRI : -1,
	};
	return KERN_SUCCESS;
}

kern_return_t
thread_rr_info(thread_t thread, policy_rr_info_data_t *info)
{
	if (thread->se.se_mode == TH_MODE_TIMESHARE) {
		return KERN_INVALID_POLICY;
	}
	*info = (policy_rr_info_data_t){
		.max_priority = thread->se.se_mode == TH_MODE_REALTIME ? MAXPRI_REALTIME : MAXPRI_USER,
		.base_priority = thread->se.se_base,
		.quantum = (integer_t)(SCHED_QUANTUM_NS / NSEC_PER_MSEC),
		.depressed = depressed(thread),
		.depress_priority = depressed(thread) ? DEPRESSPRI : -1,
	};
	return KERN_SUCCESS;
}
