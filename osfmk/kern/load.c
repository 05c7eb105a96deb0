/*
 * Load averages. See <kern/load.h>. Written by the boot CPU's timer, read by anybody; each word by itself.
 */
#include <kern/load.h>

#include <kern/clock.h>
#include <kern/processor.h>
#include <kern/sched_ready.h>
#include <kern/timer_call.h>

#define LOAD_PERIOD_NS (5 * NSEC_PER_SEC)
#define LOAD_LEEWAY_NS (NSEC_PER_SEC / 2) /* a sample that is a little late tells as much */
#define LOAD_SHIFT     11

static_assert(LOAD_FIXED_ONE == 1 << LOAD_SHIFT, "one number");

/* What is left of a sample after a period: e^(-5 s / span), in parts of LOAD_FIXED_ONE. */
static const uint32_t decay[LOAD_SPANS] = { 753, 1734, 1884, 2014, 2037 };

static struct load_averages averages; /* each word atomic */
static struct timer_call load_timer;
static uint64_t load_period_ticks, load_leeway_ticks; /* constant */

/* A look at each CPU without locks; they are changing while it is taken. */
static uint32_t
runnable_threads(void)
{
	uint32_t n = 0;

	percpu_foreach_cpu(cpu)
	{
		processor_t processor = processor_get(cpu);

		n += os_atomic_load(&processor->pr_active, relaxed) != processor->pr_idle_thread;
		n += os_atomic_load(&processor->pr_only, relaxed) != NULL;
		n += os_atomic_load(&processor->pr_runq.rq_count, relaxed);
	}
	return n;
}

static void
add_sample(uint32_t *word, enum load_span span, uint64_t sample)
{
	uint64_t before = os_atomic_load(word, relaxed);
	uint64_t after = (before * decay[span] + sample * (LOAD_FIXED_ONE - decay[span])) >> LOAD_SHIFT;

	os_atomic_store(word, (uint32_t)after, relaxed);
}

static void
load_timer_expired(void *param0, uint64_t deadline)
{
	uint32_t threads = runnable_threads(), cpus = processor_running_count();
	uint64_t factor = threads > cpus ? cpus * (uint64_t)LOAD_FIXED_ONE / (threads + 1)
					 : (cpus - threads) * (uint64_t)LOAD_FIXED_ONE;

	for (enum load_span span = 0; span < LOAD_SPANS; span++) {
		add_sample(&averages.la_threads[span], span, threads * (uint64_t)LOAD_FIXED_ONE);
		add_sample(&averages.la_factor[span], span, factor);
	}
	deadline += load_period_ticks;
	timer_call_enter_leeway(&load_timer, deadline, load_leeway_ticks, deadline);
}

void
load_average_get(struct load_averages *out)
{
	for (enum load_span span = 0; span < LOAD_SPANS; span++) {
		out->la_threads[span] = os_atomic_load(&averages.la_threads[span], relaxed);
		out->la_factor[span] = os_atomic_load(&averages.la_factor[span], relaxed);
	}
}

void
load_average_start(void)
{
	uint64_t deadline;

	load_period_ticks = nanoseconds_to_absolutetime(LOAD_PERIOD_NS);
	load_leeway_ticks = nanoseconds_to_absolutetime(LOAD_LEEWAY_NS);
	deadline = mach_absolute_time() + load_period_ticks;
	timer_call_setup(&load_timer, load_timer_expired, NULL);
	timer_call_enter_leeway(&load_timer, deadline, load_leeway_ticks, deadline);
}
