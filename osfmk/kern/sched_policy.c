/*
 * The scheduling policy. See <kern/sched_policy.h>; the constants are in <kern/sched.h>.
 */
#include <kern/sched_policy.h>

struct sched_ticks sched_ticks;

void
sched_policy_init(uint64_t (*ns_to_ticks)(uint64_t ns))
{
	sched_ticks = (struct sched_ticks){
		.quantum = ns_to_ticks(SCHED_QUANTUM_NS),
		.quantum_utility = ns_to_ticks(SCHED_QUANTUM_UTILITY_NS),
		.quantum_throttle = ns_to_ticks(SCHED_QUANTUM_THROTTLE_NS),
		.computation_min = ns_to_ticks(SCHED_COMPUTATION_MIN_NS),
		.computation_max = ns_to_ticks(SCHED_COMPUTATION_MAX_NS),
		.balance = ns_to_ticks(SCHED_BALANCE_NS),
		.rotate = ns_to_ticks(SCHED_ROTATE_NS),
		.idle_poll = ns_to_ticks(SCHED_IDLE_POLL_NS),
		.decay_period = ns_to_ticks(SCHED_DECAY_PERIOD_NS),
		.usage_step = ns_to_ticks(SCHED_USAGE_STEP_NS),
		.patience_default = ns_to_ticks(SCHED_PATIENCE_DEFAULT_NS),
		.patience_utility = ns_to_ticks(SCHED_PATIENCE_UTILITY_NS),
		.patience_throttle = ns_to_ticks(SCHED_PATIENCE_THROTTLE_NS),
		.unsafe_realtime = ns_to_ticks(SCHED_UNSAFE_REALTIME_NS),
		.unsafe_fixed = ns_to_ticks(SCHED_UNSAFE_FIXED_NS),
		.safe = ns_to_ticks(SCHED_SAFE_NS),
		.leeway_step = ns_to_ticks(SCHED_LEEWAY_STEP_NS),
	};
}

/* --- what is asked --- */

/* Timeshare starts with a clean sheet. */
static void
use_mode(struct sched_entity *se, enum sched_mode mode, int base)
{
	if (mode != TH_MODE_TIMESHARE || se->se_mode != TH_MODE_TIMESHARE) {
		se->se_usage = sched_initial_usage(mode, se->se_flags & SE_TRUSTED);
		se->se_decay_at = se->se_look_at = 0;
	}
	se->se_mode = (uint8_t)mode;
	se->se_base = (int16_t)base;
}

void
sched_entity_set(struct sched_entity *se, const struct sched_params *params, uint64_t now)
{
	se->se_asked_mode = (uint8_t)params->mode;
	se->se_asked_base = (int16_t)params->base;
	se->se_computation = params->computation;
	se->se_constraint = params->constraint;
	se->se_deadline = now + params->constraint;
	se->se_quantum_log2 = (int8_t)params->quantum_log2;
	se->se_left = 0;
	se->se_flags &= (uint8_t)~SE_UNPREEMPTED;
	if (params->mode == TH_MODE_REALTIME && !params->preemptible) {
		se->se_flags |= SE_UNPREEMPTED;
	}
	if (!(se->se_flags & SE_FAILSAFE)) {
		use_mode(se, params->mode, params->base);
	} else if (params->mode == TH_MODE_TIMESHARE) {
		se->se_flags &= (uint8_t)~SE_FAILSAFE;
		se->se_base = (int16_t)params->base;
	}
}

/* --- what follows --- */

int
sched_decayed_priority(int base_pri, uint64_t usage)
{
	uint64_t penalty = os_min(usage / sched_ticks.usage_step, (uint64_t)SCHED_PENALTY_MAX);

	return os_max(base_pri - (int)penalty, MINPRI_USER);
}

static int
own_priority(const struct sched_entity *se)
{
	return se->se_mode == TH_MODE_TIMESHARE ? sched_decayed_priority(se->se_base, se->se_usage)
						: se->se_base;
}

int
sched_entity_priority(const struct sched_entity *se)
{
	int lent = os_max(se->se_push, se->se_boost);

	return os_max(own_priority(se), lent);
}

uint64_t
sched_entity_quantum(const struct sched_entity *se)
{
	uint64_t quantum = sched_ticks.quantum;

	if (se->se_mode == TH_MODE_REALTIME) {
		return se->se_computation;
	}
	if (se->se_base <= MAXPRI_THROTTLE) {
		quantum = sched_ticks.quantum_throttle;
	} else if (se->se_base <= BASEPRI_UTILITY) {
		quantum = sched_ticks.quantum_utility;
	}
	return se->se_quantum_log2 > 0 ? quantum << se->se_quantum_log2 : quantum >> -se->se_quantum_log2;
}

uint64_t
sched_entity_deadline(const struct sched_entity *se, uint64_t now)
{
	return se->se_mode == TH_MODE_REALTIME ? se->se_deadline : now;
}

uint64_t
sched_patience(int pri)
{
	if (pri <= MAXPRI_THROTTLE) {
		return sched_ticks.patience_throttle;
	}
	return pri <= BASEPRI_UTILITY ? sched_ticks.patience_utility : sched_ticks.patience_default;
}

bool
sched_preempts(int pri, uint64_t deadline, int running, const struct sched_entity *running_se, bool expired)
{
	if (pri != running) {
		return pri > running;
	}
	if (pri < BASEPRI_REALTIME) {
		return expired;
	}
	return running_se->se_mode == TH_MODE_REALTIME && !(running_se->se_flags & SE_UNPREEMPTED) &&
	       deadline < running_se->se_deadline;
}

/* --- what is used --- */

/* When a wake-up has something to do: to end what lasts until the thread waits, or to forget. */
static void
look_when_due(struct sched_entity *se)
{
	bool pending = se->se_left != 0 || se->se_boost >= 0 || (se->se_flags & SE_OWES);

	se->se_usage |= pending;
	se->se_look_at = pending ? 0 : se->se_decay_at;
}

/* Halves the usage once for each boundary of a decay period that was passed since the last time. */
static void
usage_decay(struct sched_entity *se, uint64_t now)
{
	uint64_t passed;

	if (now < se->se_decay_at) {
		return;
	}
	passed = (now - se->se_decay_at) / sched_ticks.decay_period + 1;
	se->se_decay_at += passed * sched_ticks.decay_period;
	se->se_usage = passed >= 64 ? 0 : se->se_usage >> passed;
	look_when_due(se);
}

/*
 * What is left by now of `used` ticks of CPU that were used evenly over the last `elapsed`: all of it within a period,
 * later what a thread comes to that always uses this share. At most two periods.
 */
static uint64_t
decayed_use(uint64_t used, uint64_t elapsed)
{
	uint64_t share;

	if (elapsed <= sched_ticks.decay_period) {
		return os_min(used, elapsed);
	}
	share = used >= elapsed ? 1024 : (used << 10) / elapsed; /* 2^54 ticks are 208 days at 1 GHz */
	return os_min(used, (2 * sched_ticks.decay_period * share) >> 10);
}

void
sched_entity_charge(struct sched_entity *se, uint64_t cpu_time, uint64_t now)
{
	uint64_t used = cpu_time - se->se_charged, elapsed = now - se->se_charged_at;

	se->se_charged = cpu_time;
	se->se_charged_at = now;
	if (se->se_mode == TH_MODE_TIMESHARE) {
		usage_decay(se, now);
		se->se_usage =
		    os_min(se->se_usage + decayed_use(used, elapsed), 2 * sched_ticks.decay_period);
	}
}

unsigned
sched_entity_share(const struct sched_entity *se, uint64_t cpu_time, uint64_t now)
{
	struct sched_entity charged = *se;

	if (charged.se_mode != TH_MODE_TIMESHARE) {
		charged.se_mode = TH_MODE_TIMESHARE;
		charged.se_usage = 0;
	}
	sched_entity_charge(&charged, cpu_time, now);
	return (unsigned)(charged.se_usage * 1000 / (2 * sched_ticks.decay_period));
}

static void
failsafe_enter(struct sched_entity *se, uint64_t now)
{
	se->se_flags |= SE_FAILSAFE;
	se->se_unsafe = now + sched_ticks.safe;
	use_mode(se, TH_MODE_TIMESHARE, os_min((int)se->se_base, BASEPRI_DEFAULT));
}

static void
failsafe_leave(struct sched_entity *se)
{
	se->se_flags &= (uint8_t)~SE_FAILSAFE;
	se->se_unsafe = 0;
	use_mode(se, (enum sched_mode)se->se_asked_mode, se->se_asked_base);
}

static void
charge_unsafe(struct sched_entity *se, uint64_t now)
{
	uint64_t limit =
	    se->se_mode == TH_MODE_REALTIME ? sched_ticks.unsafe_realtime : sched_ticks.unsafe_fixed;

	if (se->se_mode == TH_MODE_REALTIME) {
		se->se_deadline = UINT64_MAX; /* behind those that are within their computation */
	}
	se->se_unsafe += sched_entity_quantum(se);
	if (se->se_unsafe >= limit && !(se->se_flags & SE_TRUSTED)) {
		failsafe_enter(se, now);
	}
}

void
sched_entity_age(struct sched_entity *se, uint64_t now)
{
	usage_decay(se, now);
}

/* --- turns --- */

/* Runs, or would run, at a priority that it has of others: there is no equal to go behind. */
static bool
pushed(const struct sched_entity *se)
{
	return se->se_push > own_priority(se);
}

static void
owe(struct sched_entity *se, bool owes)
{
	se->se_flags = (uint8_t)(owes ? se->se_flags | SE_OWES : se->se_flags & ~SE_OWES);
	look_when_due(se);
}

void
sched_entity_push(struct sched_entity *se, int pri, bool queued)
{
	bool passes = queued && se->se_left == 0 && pri > sched_entity_priority(se);

	se->se_push = (int16_t)pri;
	if (passes) {
		owe(se, true);
	}
}

void
sched_entity_expired(struct sched_entity *se, uint64_t cpu_time, uint64_t now)
{
	se->se_boost = -1;
	se->se_left = 0;
	sched_entity_charge(se, cpu_time, now);
	if (se->se_mode != TH_MODE_TIMESHARE) {
		charge_unsafe(se, now);
	} else if ((se->se_flags & SE_FAILSAFE) && now >= se->se_unsafe) {
		failsafe_leave(se);
	}
	owe(se, pushed(se));
}

/* What is left of a quantum and not worth a switch; a computation is used up to its end. */
static uint64_t
scrap(const struct sched_entity *se)
{
	return se->se_mode == TH_MODE_REALTIME ? 0 : sched_entity_quantum(se) / SCHED_SCRAPS;
}

bool
sched_entity_preempted(struct sched_entity *se, uint64_t cpu_time, uint64_t left, uint64_t now)
{
	if (left <= scrap(se)) {
		sched_entity_expired(se, cpu_time, now);
		return true;
	}
	sched_entity_charge(se, cpu_time, now);
	if ((se->se_flags & SE_OWES) && !pushed(se)) {
		se->se_left = 0;
		owe(se, false);
		return true;
	}
	se->se_left = (uint32_t)left;
	look_when_due(se);
	return false;
}

void
sched_entity_boost(struct sched_entity *se, int pri)
{
	se->se_boost = (int16_t)pri;
	look_when_due(se);
}

void
sched_entity_wake(struct sched_entity *se, uint64_t now)
{
	if ((se->se_flags & SE_FAILSAFE) && now >= se->se_unsafe) {
		failsafe_leave(se);
	}
	se->se_boost = -1;
	se->se_left = 0;
	se->se_flags &= (uint8_t)~SE_OWES;
	if (se->se_mode == TH_MODE_TIMESHARE) {
		usage_decay(se, now);
		look_when_due(se);
		return;
	}
	se->se_usage = sched_initial_usage((enum sched_mode)se->se_mode, se->se_flags & SE_TRUSTED);
	se->se_unsafe = 0;
	if (se->se_mode == TH_MODE_REALTIME) {
		se->se_deadline = now + se->se_constraint;
	}
}
