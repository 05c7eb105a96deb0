/*
 * The simulated machine. See sim.h. One simulation at a time: the policy asks for CPUs by number.
 */
#include "sim.h"

#include <kern/assert.h>
#include <stdlib.h>
#include <string.h>

#define SIM_CLASSES 16

struct sim_cpu {
	struct sched_cpu sc_shown;
	struct run_queue sc_runq;
	struct timer_heap_entry sc_timer; /* the next thing that happens here */
	struct sim_thread *sc_active;     /* NULL: idle */
	struct sim_thread *sc_only;       /* alone in front of the CPU, see <kern/sched_ready.h> */
	int sc_only_pri;
	uint32_t sc_cpu;
	bool sc_armed;   /* sc_timer is in the heap */
	bool sc_resched; /* AST_PREEMPT */
	bool sc_expired; /* the active thread's turn is over */
	uint64_t sc_quantum_end, sc_balance_at, sc_rotate_at, sc_starve_at;
	uint64_t sc_accounted; /* the active thread's time is charged up to here */
	uint64_t sc_random;
};

struct sim {
	struct sim_config config;
	struct sim_totals totals;
	struct sim_cpu *cpus;
	struct sched_cluster *clusters;
	struct sim_thread **threads;
	unsigned nthreads, room;
	struct timer_heap events;
	uint64_t now, random;
	unsigned idle, runnable; /* CPUs that are idle; threads that wait for one */
	uint64_t counted_at;     /* idle times are counted up to here */
	struct {
		const char *name;
		struct sim_delays delays;
	} classes[SIM_CLASSES];
};

static struct sim *the_sim;

/* --- what <kern/sched_place.h> wants to know --- */

unsigned
sched_cpus(void)
{
	return the_sim->config.cpus;
}

struct sched_cpu *
sched_cpu(unsigned cpu)
{
	return &the_sim->cpus[cpu].sc_shown;
}

unsigned
sched_cpu_waiting(unsigned cpu)
{
	return the_sim->cpus[cpu].sc_runq.rq_count;
}

struct sched_cluster *
sched_cluster(unsigned cluster)
{
	return &the_sim->clusters[cluster];
}

/* --- small things --- */

static bool
broken(enum sim_broken how)
{
	return (the_sim->config.broken & how) != 0;
}

uint64_t
sim_random(struct sim *sim)
{
	uint64_t x = sim->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	sim->random = x;
	return x >> 8;
}

/* From half of it to one and a half. */
static uint64_t
vary(struct sim *sim, uint64_t ns, bool exact)
{
	return exact || ns == 0 ? ns : ns / 2 + sim_random(sim) % ns;
}

static void
event_set(struct sim *sim, struct timer_heap_entry *entry, uint64_t when)
{
	entry->the_deadline = os_max(when, sim->now);
	timer_heap_insert(&sim->events, entry);
}

static void
count_idle(struct sim *sim)
{
	uint64_t passed = sim->now - sim->counted_at;

	sim->counted_at = sim->now;
	sim->totals.idle_ns += passed * sim->idle;
	sim->totals.idle_with_work_ns += passed * os_min(sim->idle, sim->runnable);
}

/* --- delays --- */

struct sim_delays *
sim_delays(struct sim *sim, const char *class)
{
	for (unsigned i = 0; i < SIM_CLASSES; i++) {
		if (sim->classes[i].name == NULL) {
			sim->classes[i].name = class;
		}
		if (strcmp(sim->classes[i].name, class) == 0) {
			return &sim->classes[i].delays;
		}
	}
	panic("more than %u classes", SIM_CLASSES);
}

/* Quarters of an octave: the two bits below the highest. */
static unsigned
bucket_of(uint64_t ns)
{
	unsigned top = bit_last(ns | 4);

	return (unsigned)(top * 4 + ((ns >> (top - 2)) & 3));
}

static void
delay_note(struct sim_delays *delays, uint64_t ns)
{
	delays->count[os_min(bucket_of(ns), (unsigned)SIM_BUCKETS - 1)]++;
	delays->total++;
	delays->max_ns = os_max(delays->max_ns, ns);
}

uint64_t
sim_percentile(const struct sim_delays *delays, double part)
{
	uint64_t want = (uint64_t)(part * (double)delays->total), seen = 0;

	for (unsigned b = 0; b < SIM_BUCKETS; b++) {
		seen += delays->count[b];
		if (seen > want || seen == delays->total) {
			uint64_t end = (uint64_t)(4 + b % 4 + 1) << (b / 4 - 2); /* of the bucket */

			return os_min(end, delays->max_ns);
		}
	}
	return delays->max_ns;
}

/* --- the ready threads of a CPU, as sched_ready.c keeps them --- */

static void
queue_insert(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *thread, int pri, enum runq_end end)
{
	if (cpu->sc_runq.rq_count == 0 && !broken(SIM_LOSE_HINTS)) {
		sched_show_spare(cpu->sc_cpu);
	}
	thread->st_queue = cpu;
	if (thread->st_entry.re_since == 0) {
		thread->st_entry.re_since = sim->now;
	}
	if (pri >= BASEPRI_REALTIME) {
		thread->st_entry.re_heap.the_deadline =
		    broken(SIM_NO_DEADLINE) ? sim->now : sched_entity_deadline(&thread->st_se, sim->now);
	}
	run_queue_insert(&cpu->sc_runq, &thread->st_entry, pri, end);
}

static void
queue_remove(struct sim_cpu *cpu, struct sim_thread *thread)
{
	run_queue_remove(&cpu->sc_runq, &thread->st_entry);
	thread->st_queue = NULL;
}

static bool
ready_any(const struct sim_cpu *cpu)
{
	return cpu->sc_only != NULL || cpu->sc_runq.rq_count != 0;
}

static void
ready_share(struct sim *sim, struct sim_cpu *cpu)
{
	if (cpu->sc_only != NULL) {
		queue_insert(sim, cpu, cpu->sc_only, cpu->sc_only_pri, RUNQ_TAIL);
		cpu->sc_only = NULL;
	}
}

static void
ready_insert(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *thread, enum runq_end end)
{
	count_idle(sim);
	sim->runnable++;
	if (!ready_any(cpu) && thread->st_entry.re_since == 0) {
		cpu->sc_only = thread;
		cpu->sc_only_pri = thread->st_pri;
		return;
	}
	ready_share(sim, cpu);
	queue_insert(sim, cpu, thread, thread->st_pri, end);
}

static struct sim_thread *
entry_thread(struct runq_entry *entry)
{
	return os_containerof(entry, struct sim_thread, st_entry);
}

static int
ready_highest(const struct sim_cpu *cpu)
{
	return cpu->sc_only != NULL ? cpu->sc_only_pri : run_queue_highest(&cpu->sc_runq);
}

static struct sim_thread *
ready_first(struct sim_cpu *cpu)
{
	return cpu->sc_only != NULL
		   ? cpu->sc_only
		   : entry_thread(run_queue_first(&cpu->sc_runq, run_queue_highest(&cpu->sc_runq)));
}

static struct sim_thread *
ready_take(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *thread;

	if (!ready_any(cpu)) {
		return NULL;
	}
	count_idle(sim);
	sim->runnable--;
	thread = ready_first(cpu);
	if (cpu->sc_only == thread) {
		cpu->sc_only = NULL;
	} else {
		queue_remove(cpu, thread);
	}
	thread->st_entry.re_since = 0;
	return thread;
}

/* The best of the run queue; what waits alone is out of reach. */
static struct sim_thread *
ready_steal(struct sim *sim, struct sim_cpu *victim)
{
	int pri = run_queue_highest(&victim->sc_runq);
	struct sim_thread *thread;

	if (pri < 0) {
		return NULL;
	}
	count_idle(sim);
	sim->runnable--;
	thread = entry_thread(run_queue_first(&victim->sc_runq, pri));
	queue_remove(victim, thread);
	return thread;
}

static bool
ready_preempts(struct sim *sim, struct sim_cpu *cpu, bool expired)
{
	struct sim_thread *first, *self = cpu->sc_active;

	if (!ready_any(cpu)) {
		return false;
	}
	if (self == NULL) {
		return true;
	}
	first = ready_first(cpu);
	return sched_preempts(ready_highest(cpu),
	    broken(SIM_NO_DEADLINE) ? UINT64_MAX : sched_entity_deadline(&first->st_se, sim->now),
	    self->st_pri, &self->st_se, expired);
}

static void
boost_starving(struct sim *sim, struct sim_cpu *cpu, int pri)
{
	struct runq_entry *entry;
	struct sim_thread *thread;
	int highest;

	ready_share(sim, cpu);
	highest = run_queue_highest(&cpu->sc_runq);
	if (highest > pri && ready_first(cpu)->st_se.se_mode == TH_MODE_TIMESHARE) {
		pri = highest;
	}
	entry = run_queue_starving(&cpu->sc_runq, pri, sim->now);
	if (entry == NULL) {
		return;
	}
	thread = entry_thread(entry);
	queue_remove(cpu, thread);
	sched_entity_boost(&thread->st_se, pri);
	thread->st_pri = sched_entity_priority(&thread->st_se);
	queue_insert(sim, cpu, thread, thread->st_pri, RUNQ_HEAD);
	sim->totals.boosts++;
}

/* The first of each list, if it has something to forget by now. */
static void
age_first(struct sim *sim, struct sim_cpu *cpu)
{
	ready_share(sim, cpu);
	for (int pri = MAXPRI_USER; pri >= 0; pri--) {
		struct sim_thread *thread;

		if (!bitmap_test(cpu->sc_runq.rq_bitmap, (unsigned)pri)) {
			continue;
		}
		thread = entry_thread(run_queue_first(&cpu->sc_runq, pri));
		if (sched_entity_aged(&thread->st_se, sim->now)) {
			queue_remove(cpu, thread);
			sched_entity_age(&thread->st_se, sim->now);
			thread->st_pri = sched_entity_priority(&thread->st_se);
			queue_insert(sim, cpu, thread, thread->st_pri, RUNQ_TAIL);
		}
	}
}

/* Once in a quantum, for those who wait: age, and a turn for who starves unless this one is such a turn. */
static void
look_after_waiting(struct sim *sim, struct sim_cpu *cpu, bool boosted)
{
	const struct sim_thread *self = cpu->sc_active;

	cpu->sc_starve_at = sim->now + sched_ticks.quantum;
	if (!broken(SIM_NO_DECAY)) {
		age_first(sim, cpu);
	}
	if (!boosted && self->st_se.se_mode == TH_MODE_TIMESHARE && !broken(SIM_NO_BOOST)) {
		boost_starving(sim, cpu, self->st_pri);
	}
}

/* --- time slices --- */

static void
show_priority(struct sim_cpu *cpu)
{
	cpu->sc_shown.pr_current_pri =
	    cpu->sc_active == NULL ? IDLEPRI : sched_shown_priority(cpu->sc_active->st_pri);
}

/* The active thread has run until now. */
static void
account(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *self = cpu->sc_active;
	uint64_t ran;

	if (self == NULL || sim->now <= cpu->sc_accounted) {
		return;
	}
	ran = sim->now - cpu->sc_accounted;
	cpu->sc_accounted = sim->now;
	self->st_cpu_time += ran;
	self->st_left -= os_min(ran, self->st_left);
}

/* When something happens here next, if nobody comes. */
static void
arm(struct sim *sim, struct sim_cpu *cpu)
{
	uint64_t when = UINT64_MAX;

	if (cpu->sc_armed) {
		timer_heap_remove(&sim->events, &cpu->sc_timer);
		cpu->sc_armed = false;
	}
	if (cpu->sc_active != NULL) {
		when = os_max(cpu->sc_accounted, sim->now) + cpu->sc_active->st_left;
		if (ready_any(cpu)) {
			when = os_min(when, cpu->sc_quantum_end);
			when = os_min(when, cpu->sc_starve_at);
		}
	}
	when = os_min(when, cpu->sc_balance_at);
	if (cpu->sc_resched) {
		when = sim->now;
	}
	if (when != UINT64_MAX) {
		event_set(sim, &cpu->sc_timer, when);
		cpu->sc_armed = true;
	}
}

static void send(struct sim *sim, unsigned target, struct sim_thread *thread);

static void
balance(struct sim *sim, struct sim_cpu *cpu)
{
	int idle;

	cpu->sc_balance_at = UINT64_MAX;
	if (!ready_any(cpu) || broken(SIM_NO_STEAL)) {
		return;
	}
	ready_share(sim, cpu);
	if (!broken(SIM_NO_OFFER)) {
		sched_offer_spare(cpu->sc_cpu);
	}
	idle = sched_place_idle(cpu->sc_cpu, cpu->sc_cpu);
	if (idle >= 0) {
		sim->totals.offers++;
		sim->cpus[idle].sc_resched = true; /* the interrupt */
		arm(sim, &sim->cpus[idle]);
	}
}

static void
rotate(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *thread;
	int target;

	cpu->sc_rotate_at = sim->now + sched_ticks.rotate;
	target = sched_place_rotate(cpu->sc_cpu, cpu->sc_runq.rq_count, ready_highest(cpu), &cpu->sc_random);
	if (target < 0 || broken(SIM_NO_ROTATE)) {
		return;
	}
	thread = ready_steal(sim, cpu);
	if (thread != NULL) {
		sim->totals.rotations++;
		send(sim, (unsigned)target, thread);
	}
}

static void
expire_entity(struct sim *sim, struct sim_thread *self)
{
	if (broken(SIM_NO_DECAY)) {
		self->st_se.se_boost = -1;
		self->st_se.se_charged = self->st_cpu_time;
		return;
	}
	sched_entity_expired(&self->st_se, self->st_cpu_time, sim->now);
	if (broken(SIM_NO_FAILSAFE)) {
		self->st_se.se_unsafe = 0;
	}
}

static void
quantum_expired(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *self = cpu->sc_active;
	bool boosted = self->st_se.se_boost >= 0;

	expire_entity(sim, self);
	self->st_pri = sched_entity_priority(&self->st_se);
	balance(sim, cpu);
	if (sim->now >= cpu->sc_rotate_at) {
		rotate(sim, cpu);
	}
	show_priority(cpu);
	cpu->sc_quantum_end = sim->now + sched_entity_quantum(&self->st_se);
	look_after_waiting(sim, cpu, boosted);
	if (ready_preempts(sim, cpu, true)) {
		cpu->sc_expired = cpu->sc_resched = true;
	}
}

/* --- wake-up --- */

static void
enqueue_local(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *thread)
{
	int running = cpu->sc_active == NULL ? IDLEPRI : cpu->sc_active->st_pri;
	int beyond = thread->st_se.se_mode == TH_MODE_TIMESHARE ? sched_wake_threshold(running)
								: cpu->sc_shown.pr_current_pri;
	bool contended = thread->st_pri > beyond || ready_any(cpu);

	if (contended && cpu->sc_active != NULL && !broken(SIM_NO_CHARGE | SIM_NO_DECAY)) {
		sched_entity_charge(&thread->st_se, thread->st_cpu_time, sim->now);
		thread->st_pri = sched_entity_priority(&thread->st_se);
	}
	ready_insert(sim, cpu, thread, RUNQ_TAIL);
	if (thread->st_pri > beyond) {
		cpu->sc_resched = true;
	}
	if (sim->config.cpus > 1 && cpu->sc_balance_at == UINT64_MAX) {
		cpu->sc_balance_at = sim->now + sched_ticks.balance;
	}
	arm(sim, cpu);
}

static void
send(struct sim *sim, unsigned target, struct sim_thread *thread)
{
	enqueue_local(sim, &sim->cpus[target], thread);
}

/* Its timer went off on the CPU it ran on last: that one is the waker's. */
static void
thread_wakes(struct sim *sim, struct sim_thread *thread)
{
	struct sim_cpu *here = &sim->cpus[thread->st_last_cpu];
	struct sched_wake wake = {
		.here = here->sc_cpu,
		.last = here->sc_cpu,
		.binding = SCHED_CPU_ANY,
		.waiting_here = ready_any(here),
		.salt = thread->st_id,
	};

	sim->totals.wakes++;
	account(sim, here);
	thread->st_woke = thread->st_ready_since = sim->now;
	thread->st_has_waited = false;
	thread->st_left = vary(sim, thread->st_does.run_ns, thread->st_does.exact);
	if (thread->st_se.se_usage != 0 && sched_entity_wake_due(&thread->st_se, sim->now)) {
		sched_entity_wake(&thread->st_se, sim->now);
		thread->st_pri = sched_entity_priority(&thread->st_se);
	}
	wake.pri = thread->st_pri;
	send(sim, broken(SIM_NO_PLACE) ? here->sc_cpu : sched_place_wake(&wake), thread);
}

/* --- choice and switch --- */

static struct sim_thread *
steal(struct sim *sim, struct sim_cpu *cpu)
{
	struct sched_steal steal;
	struct sim_thread *thread = NULL;
	int victim;

	sched_steal_begin(&steal, cpu->sc_cpu);
	while (thread == NULL && (victim = sched_steal_next(&steal)) >= 0) {
		thread = ready_steal(sim, &sim->cpus[victim]);
		if (thread == NULL) {
			sched_steal_nothing((unsigned)victim);
		}
	}
	if (thread != NULL) {
		sim->totals.steals++;
		thread->st_entry.re_since = 0;
	}
	return thread;
}

static struct sim_thread *
select_thread(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *thread = ready_take(sim, cpu);

	return thread != NULL || broken(SIM_NO_STEAL) ? thread : steal(sim, cpu);
}

/* The new thread has waited for this CPU, or for any. */
static void
begin_to_run(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *thread)
{
	uint64_t waited = sim->now - thread->st_ready_since;

	thread->st_longest_wait = os_max(thread->st_longest_wait, waited);
	if (!thread->st_has_waited) {
		thread->st_has_waited = true;
		delay_note(sim_delays(sim, thread->st_does.class), waited);
	}
	if (thread->st_last_cpu != cpu->sc_cpu) {
		thread->st_last_cpu = cpu->sc_cpu;
		thread->st_left += SIM_MIGRATE_NS;
		thread->st_migrations++;
	}
}

static void
switch_to(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *thread)
{
	count_idle(sim);
	sim->idle += (thread == NULL) - (unsigned)(cpu->sc_active == NULL);
	cpu->sc_active = thread;
	cpu->sc_accounted = sim->now;
	show_priority(cpu);
	cpu->sc_shown.pr_idle = thread == NULL;
	if (thread == NULL) {
		sched_show_idle(cpu->sc_cpu);
		return;
	}
	sim->totals.switches++;
	begin_to_run(sim, cpu, thread);
	cpu->sc_accounted = sim->now + SIM_SWITCH_NS; /* it runs from then on */
	cpu->sc_quantum_end = cpu->sc_accounted + sched_entity_turn(&thread->st_se);
}

/* The active thread has run what it wanted to. */
static void
thread_ends_run(struct sim *sim, struct sim_thread *thread)
{
	const struct sim_behaviour *does = &thread->st_does;
	uint64_t next = sim->now + vary(sim, does->sleep_ns, does->exact);

	thread->st_runs++;
	if (does->period_ns != 0) {
		thread->st_late += sim->now - thread->st_woke > does->constraint_ns;
		next = thread->st_woke + does->period_ns;
	}
	event_set(sim, &thread->st_timer, next);
}

/* It pays; has it had a whole quantum by now? */
static bool
preempted(struct sim *sim, struct sim_cpu *cpu, struct sim_thread *self)
{
	uint64_t left = cpu->sc_quantum_end > sim->now ? cpu->sc_quantum_end - sim->now : 0;
	bool over;

	if (broken(SIM_NO_DECAY)) {
		return false;
	}
	over = sched_entity_preempted(&self->st_se, self->st_cpu_time, left, sim->now);
	if (broken(SIM_NO_REST)) {
		self->st_se.se_left = 0;
	}
	self->st_pri = sched_entity_priority(&self->st_se);
	return over;
}

static void
preempt(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *self = cpu->sc_active;
	enum runq_end end = cpu->sc_expired ? RUNQ_TAIL : RUNQ_HEAD;
	bool preempts = ready_preempts(sim, cpu, cpu->sc_expired);
	struct sim_thread *new;

	cpu->sc_resched = cpu->sc_expired = false;
	if (self == NULL) {
		new = select_thread(sim, cpu);
		if (new != NULL) {
			switch_to(sim, cpu, new);
		} else {
			cpu->sc_shown.pr_idle = 1;
		}
	} else if (preempts) {
		new = ready_take(sim, cpu);
		if (end == RUNQ_HEAD && preempted(sim, cpu, self)) {
			end = RUNQ_TAIL;
		}
		self->st_ready_since = sim->now;
		ready_insert(sim, cpu, self, end);
		switch_to(sim, cpu, new);
	}
}

/* Something happens on a CPU: a run ends, a quantum ends, somebody has waited long enough to be offered, an interrupt. */
static void
cpu_event(struct sim *sim, struct sim_cpu *cpu)
{
	struct sim_thread *self = cpu->sc_active;

	account(sim, cpu);
	if (self != NULL && self->st_left == 0 && sim->now >= cpu->sc_accounted) {
		if (self->st_does.sleep_ns == 0 && self->st_does.period_ns == 0) {
			self->st_left = UINT64_MAX / 4; /* never sleeps */
		} else {
			thread_ends_run(sim, self);
			switch_to(sim, cpu, select_thread(sim, cpu));
			cpu->sc_resched = cpu->sc_expired = false;
		}
	}
	if (sim->now >= cpu->sc_balance_at) {
		balance(sim, cpu);
	}
	if (cpu->sc_active != NULL && ready_any(cpu) && sim->now >= cpu->sc_quantum_end) {
		quantum_expired(sim, cpu);
	} else if (cpu->sc_active != NULL && ready_any(cpu) && sim->now >= cpu->sc_starve_at) {
		look_after_waiting(sim, cpu, cpu->sc_active->st_se.se_boost >= 0);
	}
	if (cpu->sc_resched) {
		preempt(sim, cpu);
	}
	arm(sim, cpu);
}

/* --- the machine --- */

static uint64_t
same(uint64_t ns)
{
	return ns;
}

static void
cpu_init(struct sim *sim, unsigned n)
{
	struct sim_cpu *cpu = &sim->cpus[n];

	cpu->sc_cpu = n;
	cpu->sc_random = sim_random(sim) | 1;
	cpu->sc_balance_at = cpu->sc_quantum_end = UINT64_MAX;
	/* CPUs do not all look for others at the same time. */
	cpu->sc_rotate_at = sim_random(sim) % sched_ticks.rotate;
	cpu->sc_shown = (struct sched_cpu){ .pr_current_pri = IDLEPRI, .pr_idle = 1, .pr_online = 1 };
	run_queue_init(&cpu->sc_runq);
	sched_show_idle(n);
}

struct sim *
sim_create(const struct sim_config *config)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	release_assert(sim != NULL && config->cpus >= 1 && config->cpus <= SIM_CPUS_MAX);
	sched_policy_init(same);
	sim->config = *config;
	sim->random = config->seed * 0x9e3779b97f4a7c15ULL | 1;
	sim->cpus = calloc(config->cpus, sizeof(*sim->cpus));
	sim->clusters =
	    aligned_alloc(OS_CACHELINE, SIM_CPUS_MAX / SCHED_CLUSTER_CPUS * sizeof(*sim->clusters));
	release_assert(sim->cpus != NULL && sim->clusters != NULL);
	memset(sim->clusters, 0, SIM_CPUS_MAX / SCHED_CLUSTER_CPUS * sizeof(*sim->clusters));
	sim->idle = config->cpus;
	the_sim = sim;
	for (unsigned n = 0; n < config->cpus; n++) {
		cpu_init(sim, n);
	}
	return sim;
}

void
sim_destroy(struct sim *sim)
{
	for (unsigned i = 0; i < sim->nthreads; i++) {
		free(sim->threads[i]);
	}
	free(sim->threads);
	free(sim->clusters);
	free(sim->cpus);
	free(sim);
	the_sim = NULL;
}

static void
thread_table_add(struct sim *sim, struct sim_thread *thread)
{
	if (sim->nthreads == sim->room) {
		sim->room = sim->room == 0 ? 256 : 2 * sim->room;
		sim->threads = realloc(sim->threads, sim->room * sizeof(*sim->threads));
		release_assert(sim->threads != NULL);
	}
	thread->st_id = sim->nthreads;
	sim->threads[sim->nthreads++] = thread;
}

struct sim_thread *
sim_add(struct sim *sim, const struct sim_behaviour *does, unsigned cpu, uint64_t start)
{
	struct sim_thread *thread = calloc(1, sizeof(*thread));
	struct sched_params params = {
		.mode = does->mode,
		.base = does->base,
		.computation = (uint32_t)(does->run_ns + does->run_ns / 2),
		.constraint = (uint32_t)does->constraint_ns,
		.preemptible = true,
	};

	release_assert(thread != NULL);
	thread->st_does = *does;
	thread->st_last_cpu = cpu;
	sched_entity_init(&thread->st_se, TH_MODE_TIMESHARE, does->base, false, sim->now);
	sched_entity_set(&thread->st_se, &params, sim->now);
	thread->st_pri = sched_entity_priority(&thread->st_se);
	runq_entry_init(&thread->st_entry);
	thread_table_add(sim, thread);
	event_set(sim, &thread->st_timer, start);
	return thread;
}

static struct sim_cpu *
event_cpu(struct sim *sim, struct timer_heap_entry *event)
{
	uintptr_t first = (uintptr_t)sim->cpus, at = (uintptr_t)event;

	return at >= first && at < first + sim->config.cpus * sizeof(*sim->cpus)
		   ? os_containerof(event, struct sim_cpu, sc_timer)
		   : NULL;
}

void
sim_run(struct sim *sim, uint64_t end)
{
	while (sim->events.th_root != NULL && sim->events.th_root->the_deadline < end) {
		struct timer_heap_entry *event = sim->events.th_root;
		struct sim_cpu *cpu = event_cpu(sim, event);

		sim->now = event->the_deadline;
		timer_heap_remove(&sim->events, event);
		if (cpu != NULL) {
			cpu->sc_armed = false;
			cpu_event(sim, cpu);
		} else {
			thread_wakes(sim, os_containerof(event, struct sim_thread, st_timer));
		}
	}
	sim->now = end;
	count_idle(sim);
	for (unsigned n = 0; n < sim->config.cpus; n++) {
		account(sim, &sim->cpus[n]);
	}
}

/* --- results --- */

unsigned
sim_threads(const struct sim *sim)
{
	return sim->nthreads;
}

struct sim_thread *
sim_thread(const struct sim *sim, unsigned n)
{
	return sim->threads[n];
}

const struct sim_totals *
sim_totals(const struct sim *sim)
{
	return &sim->totals;
}
