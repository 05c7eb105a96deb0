/*
 * From requests to parameters. See <kern/sched_request.h>.
 */
#include <kern/sched_request.h>

static const int8_t qos_priority[SCHED_QOS_COUNT] = {
	[SCHED_QOS_UNSPECIFIED] = BASEPRI_DEFAULT,
	[SCHED_QOS_MAINTENANCE] = MAXPRI_THROTTLE,
	[SCHED_QOS_BACKGROUND] = MAXPRI_THROTTLE,
	[SCHED_QOS_UTILITY] = BASEPRI_UTILITY,
	[SCHED_QOS_LEGACY] = BASEPRI_DEFAULT,
	[SCHED_QOS_INITIATED] = BASEPRI_INITIATED,
	[SCHED_QOS_INTERACTIVE] = BASEPRI_INTERACTIVE,
};

int
sched_task_priority(const struct sched_task_request *task)
{
	int pri = BASEPRI_DEFAULT;

	if (task->st_role == SCHED_ROLE_CONTROL) {
		pri = BASEPRI_CONTROL;
	} else if (task->st_role == SCHED_ROLE_GRAPHICS) {
		pri = MAXPRI_USER;
	}
	pri -= task->st_nice;
	return os_max(os_min(pri, MAXPRI_USER), MINPRI_USER);
}

static bool
background(const struct sched_request *request, const struct sched_task_request *task)
{
	return request->sr_background || task->st_suppressed || task->st_role == SCHED_ROLE_THROTTLE ||
	       task->st_role == SCHED_ROLE_DARWIN_BACKGROUND;
}

/* Relative priorities divide the way down to the next class, which is not reached. */
static int
qos_base(const struct sched_request *request, const struct sched_task_request *task)
{
	unsigned qos = request->sr_qos;
	int pri = qos_priority[qos], below = qos_priority[qos - 1];

	if (qos <= SCHED_QOS_BACKGROUND) {
		return pri;
	}
	if (qos == SCHED_QOS_INTERACTIVE && task->st_role == SCHED_ROLE_FOREGROUND) {
		pri++;
	}
	return pri + request->sr_relpri * (pri - below - 1) / -SCHED_RELPRI_MIN;
}

static int
timeshare_base(const struct sched_request *request, const struct sched_task_request *task)
{
	int pri = request->sr_qos != SCHED_QOS_UNSPECIFIED
		      ? qos_base(request, task)
		      : sched_task_priority(task) + request->sr_importance;

	if (request->sr_override != SCHED_QOS_UNSPECIFIED) {
		pri = os_max(pri, (int)qos_priority[request->sr_override]);
	}
	if (background(request, task)) {
		pri = os_min(pri, MAXPRI_THROTTLE);
	}
	return os_max(os_min(pri, MAXPRI_USER), MINPRI_USER);
}

unsigned
sched_latency_tier(const struct sched_request *request, const struct sched_task_request *task)
{
	if (task->st_latency_override != 0) {
		return task->st_latency_override;
	}
	return request->sr_latency != 0 ? request->sr_latency : task->st_latency;
}

unsigned
sched_throughput_tier(const struct sched_request *request, const struct sched_task_request *task)
{
	if (task->st_throughput_override != 0) {
		return task->st_throughput_override;
	}
	return request->sr_throughput != 0 ? request->sr_throughput : task->st_throughput;
}

/* Tiers as requests number them: 1 + n of LATENCY_QOS_TIER_n. */
#define TIMER_TIER_UTILITY    3
#define TIMER_TIER_BACKGROUND 4

unsigned
sched_timer_tier(const struct sched_request *request, const struct sched_task_request *task)
{
	unsigned tier = sched_latency_tier(request, task);

	if (request->sr_mode == TH_MODE_REALTIME && !request->sr_background) {
		return 0;
	}
	if (tier != 0) {
		return tier;
	}
	if (background(request, task) || request->sr_qos == SCHED_QOS_BACKGROUND ||
	    request->sr_qos == SCHED_QOS_MAINTENANCE) {
		return TIMER_TIER_BACKGROUND;
	}
	return request->sr_qos == SCHED_QOS_UTILITY ? TIMER_TIER_UTILITY : 0;
}

uint64_t
sched_timer_leeway(unsigned tier, uint64_t ticks)
{
	static const struct {
		uint8_t eighths; /* of the time */
		uint8_t steps;   /* at most, of sched_ticks.leeway_step */
	} leeways[SCHED_TIER_COUNT] = { [2] = { 1, 1 }, { 2, 5 }, { 4, 20 }, { 8, 75 }, { 32, 100 } };
	uint64_t most = leeways[tier].steps * sched_ticks.leeway_step;

	return ticks / 8 >= most ? most : os_min(ticks / 8 * leeways[tier].eighths, most);
}

/* Who needs throughput gets longer turns, who needs none shorter ones: tiers 1, 2 double, 5, 6 halve the quantum. */
static int
quantum_log2(unsigned throughput_tier)
{
	if (throughput_tier == 0) {
		return 0;
	}
	return throughput_tier <= 2 ? 1 : throughput_tier >= 5 ? -1 : 0;
}

void
sched_resolve(
    const struct sched_request *request, const struct sched_task_request *task, struct sched_params *params)
{
	*params = (struct sched_params){
		.mode = (enum sched_mode)request->sr_mode,
		.computation = request->sr_computation,
		.constraint = request->sr_constraint,
		.preemptible = request->sr_preemptible,
		.quantum_log2 = quantum_log2(sched_throughput_tier(request, task)),
		.timer_tier = sched_timer_tier(request, task),
	};
	if (params->mode == TH_MODE_REALTIME && !request->sr_background) {
		params->base = request->sr_realtime_pri != 0 ? request->sr_realtime_pri : BASEPRI_REALTIME;
		return;
	}
	if (params->mode == TH_MODE_REALTIME) {
		params->mode = TH_MODE_TIMESHARE;
	}
	params->base = timeshare_base(request, task);
}
