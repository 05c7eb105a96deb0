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
		se->se_decay_at = 0;
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

int
sched_entity_priority(const struct sched_entity *se)
{
	int own = se->se_base, lent = os_max(se->se_push, se->se_boost);

	if (se->se_mode == TH_MODE_TIMESHARE) {
		own = sched_decayed_priority(own, se->se_usage);
	}
	return os_max(own, lent);
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
charge_unsafe(struct sched_entity *se, uint64_t turn, uint64_t now)
{
	uint64_t limit =
	    se->se_mode == TH_MODE_REALTIME ? sched_ticks.unsafe_realtime : sched_ticks.unsafe_fixed;

	if (se->se_mode == TH_MODE_REALTIME) {
		se->se_deadline = UINT64_MAX; /* behind those that are within their computation */
	}
	se->se_unsafe += turn;
	if (se->se_unsafe >= limit && !(se->se_flags & SE_TRUSTED)) {
		failsafe_enter(se, now);
	}
}

void
sched_entity_age(struct sched_entity *se, uint64_t now)
{
	usage_decay(se, now);
}

bool
sched_entity_preempted(struct sched_entity *se, uint64_t cpu_time, uint64_t ran, uint64_t now)
{
	uint64_t turn = se->se_turn + ran;
	bool over = turn >= sched_entity_quantum(se);

	se->se_turn = over ? 0 : (uint32_t)turn;
	sched_entity_charge(se, cpu_time, now);
	return over;
}

void
sched_entity_expired(struct sched_entity *se, uint64_t cpu_time, uint64_t turn, uint64_t now)
{
	se->se_boost = -1;
	se->se_turn = 0;
	sched_entity_charge(se, cpu_time, now);
	if (se->se_mode != TH_MODE_TIMESHARE) {
		charge_unsafe(se, turn, now);
	} else if ((se->se_flags & SE_FAILSAFE) && now >= se->se_unsafe) {
		failsafe_leave(se);
	}
}

void
sched_entity_boost(struct sched_entity *se, int pri, uint64_t now)
{
	se->se_boost = (int16_t)pri;
	se->se_usage |= 1; /* so that the next wake-up is looked at, and ends it */
	se->se_decay_at = now - now % sched_ticks.decay_period; /* periods begin at the same time for all */
}

void
sched_entity_wake(struct sched_entity *se, uint64_t now)
{
	if ((se->se_flags & SE_FAILSAFE) && now >= se->se_unsafe) {
		failsafe_leave(se);
	}
	se->se_boost = -1;
	if (se->se_mode == TH_MODE_TIMESHARE) {
		usage_decay(se, now);
		return;
	}
	se->se_unsafe = 0;
	if (se->se_mode == TH_MODE_REALTIME) {
		se->se_deadline = now + se->se_constraint;
	}
}
