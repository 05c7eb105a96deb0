/*
 * Where threads run. See <kern/sched_place.h>.
 */
#include <kern/sched_place.h>

#include <kern/sched_policy.h>
#include <os/bits.h>

static unsigned
clusters(void)
{
	return (sched_cpus() + SCHED_CLUSTER_CPUS - 1) / SCHED_CLUSTER_CPUS;
}

static void
hint_set(uint32_t *hint, unsigned cpu)
{
	uint32_t bit = 1U << (cpu % SCHED_CLUSTER_CPUS);

	if (!(os_atomic_load(hint, relaxed) & bit)) {
		os_atomic_or(hint, bit, relaxed);
	}
}

static void
hint_clear(uint32_t *hint, unsigned cpu)
{
	os_atomic_and(hint, ~(1U << (cpu % SCHED_CLUSTER_CPUS)), relaxed);
}

/* The first bit of `bits` from `start` on, around; there is one. */
static unsigned
next_around(uint32_t bits, unsigned start)
{
	uint32_t behind = bits & ~((1U << start) - 1);

	return bit_first(behind != 0 ? behind : bits);
}

/* --- idle CPUs --- */

void
sched_show_idle(unsigned cpu)
{
	hint_set(&sched_cluster(cpu / SCHED_CLUSTER_CPUS)->sc_idle, cpu);
}

static bool
take_idle(unsigned cpu)
{
	uint32_t *flag = &sched_cpu(cpu)->pr_idle;

	return os_atomic_load(flag, relaxed) && os_atomic_cmpxchg(flag, 1, 0, relaxed);
}

/* An idle CPU of one cluster, from its CPU `start` on; -1. Lowers *tries for each flag looked at. */
static int
cluster_take_idle(unsigned cluster, unsigned start, unsigned *tries)
{
	uint32_t *hint = &sched_cluster(cluster)->sc_idle, bits = os_atomic_load(hint, relaxed);

	for (; bits != 0 && *tries > 0; --*tries) {
		unsigned n = next_around(bits, start), cpu = cluster * SCHED_CLUSTER_CPUS + n;

		if (take_idle(cpu)) {
			return (int)cpu;
		}
		if (!os_atomic_load(&sched_cpu(cpu)->pr_idle, relaxed)) {
			hint_clear(hint, cpu);
		}
		bits &= ~(1U << n);
	}
	return -1;
}

int
sched_place_idle(unsigned near, unsigned long salt)
{
	unsigned n = clusters(), home = near / SCHED_CLUSTER_CPUS, tries = SCHED_FLAGS_TRIED;
	int cpu = cluster_take_idle(home, near % SCHED_CLUSTER_CPUS, &tries);

	for (unsigned i = 0; cpu < 0 && i < os_min(n - 1, (unsigned)SCHED_CLUSTERS_TRIED); i++) {
		unsigned other = (home + 1 + (unsigned)((salt + i) % (n - 1))) % n;

		cpu = cluster_take_idle(other, (unsigned)(salt % SCHED_CLUSTER_CPUS), &tries);
	}
	return cpu;
}

/* --- wake-up --- */

static int
shown_priority(unsigned cpu)
{
	return os_atomic_load(&sched_cpu(cpu)->pr_current_pri, relaxed);
}

static bool
online(unsigned cpu)
{
	return os_atomic_load(&sched_cpu(cpu)->pr_online, relaxed) != 0;
}

/* The CPU of the cluster that runs the least. */
static unsigned
lowest_near(unsigned near)
{
	unsigned first = os_round_down(near, SCHED_CLUSTER_CPUS), best = near;
	unsigned end = os_min(first + SCHED_CLUSTER_CPUS, sched_cpus());

	for (unsigned cpu = first; cpu < end; cpu++) {
		if (online(cpu) && shown_priority(cpu) < shown_priority(best)) {
			best = cpu;
		}
	}
	return best;
}

/* An online CPU; `cpu` if it is. */
static unsigned
online_from(unsigned cpu)
{
	for (unsigned i = 0; i < sched_cpus() && !online(cpu); i++) {
		cpu = cpu + 1 == sched_cpus() ? 0 : cpu + 1;
	}
	return cpu;
}

/* A real-time thread does not preempt one of its kind while other CPUs do lesser work. */
static bool
runs_lower(unsigned cpu, int pri)
{
	return shown_priority(cpu) < sched_shown_priority(pri);
}

unsigned
sched_place_wake(const struct sched_wake *wake)
{
	unsigned home = wake->binding <= SCHED_AFFINE(0) ? (unsigned)-(wake->binding + 2) : wake->last;
	int idle;

	if (wake->binding >= 0) {
		return (unsigned)wake->binding;
	}
	if (os_unlikely(!online(home))) {
		home = online_from(wake->here);
	}
	if (runs_lower(home, wake->pri) || (home == wake->here && !wake->waiting_here)) {
		return home;
	}
	idle = sched_place_idle(home, wake->salt);
	if (idle >= 0) {
		return (unsigned)idle;
	}
	return wake->pri >= BASEPRI_REALTIME ? lowest_near(home) : home;
}

/* --- stealing --- */

void
sched_show_spare(unsigned cpu)
{
	hint_set(&sched_cluster(cpu / SCHED_CLUSTER_CPUS)->sc_spare, cpu);
}

void
sched_offer_spare(unsigned cpu)
{
	os_atomic_thread_fence(seq_cst); /* [S2] */
	sched_show_spare(cpu);
}

static uint32_t
steal_candidates(const struct sched_steal *steal)
{
	unsigned cluster = (steal->thief / SCHED_CLUSTER_CPUS + steal->cluster) % clusters();
	uint32_t bits = os_atomic_load(&sched_cluster(cluster)->sc_spare, relaxed);

	return steal->cluster == 0 ? bits & ~(1U << (steal->thief % SCHED_CLUSTER_CPUS)) : bits;
}

void
sched_steal_begin(struct sched_steal *steal, unsigned thief)
{
	*steal = (struct sched_steal){ .thief = thief };
	steal->left = steal_candidates(steal);
}

int
sched_steal_next(struct sched_steal *steal)
{
	unsigned n = clusters(), member;

	while (steal->left == 0) {
		if (++steal->cluster >= n) {
			return -1;
		}
		steal->left = steal_candidates(steal);
	}
	member = next_around(steal->left, steal->thief % SCHED_CLUSTER_CPUS);
	steal->left &= ~(1U << member);
	return (int)((steal->thief / SCHED_CLUSTER_CPUS + steal->cluster) % n * SCHED_CLUSTER_CPUS + member);
}

void
sched_steal_nothing(unsigned victim)
{
	hint_clear(&sched_cluster(victim / SCHED_CLUSTER_CPUS)->sc_spare, victim);
	os_atomic_thread_fence(seq_cst); /* [S1] */
	/* It may have got some between the look and the clear. */
	if (sched_cpu_waiting(victim) != 0) {
		sched_show_spare(victim);
	}
}

/* --- fairness --- */

/* xorshift64. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Would a thread of priority `pri`, one of `waiting` here, be better off there? */
static bool
better_there(unsigned cpu, unsigned waiting, int pri)
{
	int runs = shown_priority(cpu);
	unsigned there = sched_cpu_waiting(cpu) + (runs != IDLEPRI);

	return online(cpu) && (there < waiting + 1 || runs < pri);
}

int
sched_place_rotate(unsigned cpu, unsigned waiting, int pri, uint64_t *random)
{
	unsigned n = sched_cpus(), first = os_round_down(cpu, SCHED_CLUSTER_CPUS);
	unsigned size = os_min(n - first, (unsigned)SCHED_CLUSTER_CPUS);

	for (unsigned i = 0; i < 3; i++) {
		uint64_t r = next_random(random) >> 16;
		unsigned other = (unsigned)(i < 2 ? first + r % size : r % n);

		if (other != cpu && better_there(other, waiting, pri)) {
			return (int)other;
		}
	}
	return -1;
}
