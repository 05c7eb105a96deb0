/*
 * Runs rows: decides batches, keeps workers together, prints results. Several rows run one after the other, each in a
 * process of its own (own_process.h).
 *
 * Output is Go benchmark text and the bench-* lines that perf/golines.py describes; both can be read by a
 * person. Every line is written by one write, so that a console shared with the kernel does not mix them.
 *
 * Concurrency. Worker 0 is the leader; it alone decides (batch size, one more batch or not) and writes the
 * team's plain fields. It publishes them by the release of `turn` [T1], which the others acquire [T2]; they
 * answer by the release increment of `arrived` [A1], which the leader acquires [A2]. Each worker waits in a
 * loop that yields the CPU: under an instruction clock a spin without it would stop everybody else.
 */
#include <harness/bench.h>
#include <harness/options.h>
#include <harness/own_process.h>
#include <harness/platform.h>
#include <harness/profile.h>
#include <harness/sample.h>
#include <harness/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Count mode: batches behind the first one. Odd, so that the median is one of them. */
#define COUNT_BATCHES 11

/* Time mode. A batch is long against the 16 ns steps of the clock, and short enough for percentiles of slow
 * operations to be those of single ones. With workers it is long against their coming together. */
#define TIME_BATCH_NS       20000ULL
#define TIME_TEAM_BATCH_NS  10000000ULL
#define TIME_ROW_NS         200000000ULL
#define TIME_WALL_NS        2000000000ULL /* set-up of batches included */
#define TIME_MIN_BATCHES    10
#define TIME_MAX_ITERATIONS (1ULL << 22)

/* While a row is sampled it is measured for longer: some two thousand samples in the usual period. In time mode a
 * batch must be long against the period. */
#define SAMPLED_INSTRUCTIONS  20000000ULL
#define SAMPLED_TIME_BATCH_NS 20000000ULL
#define SAMPLED_TIME_ROW_NS   8000000000ULL
#define SAMPLED_TIME_WALL_NS  20000000000ULL

#define WORKERS_MAX        64 /* what options.c admits */
#define OVERHEAD_READINGS  100
#define SPINS_BEFORE_YIELD 10000
#define CALIBRATE_TRIES    3 /* batches of each size: the shortest tells, since a host may stall any one */

#define NS_PER_SECOND 1000000000ULL

#define NAME_MAX_BYTES  128 /* of a row, with "/threads:N" */
#define PAIR_ITERATIONS 50  /* of a batch of two rows side by side */

bool counter_is_instructions;

enum phase {
	PHASE_FIRST,     /* the batch that is thrown away */
	PHASE_CALIBRATE, /* time mode: batches grow */
	PHASE_MEASURE,
};

/* One run of a row with a number of workers. (L) leader writes, others read after [T2]; (a) atomic. */
struct bench_team {
	const struct bench_row *row;    /* constant */
	const struct bench_row *beside; /* constant: worker 1's, where it runs another one; else NULL */
	unsigned workers;               /* constant */
	unsigned fixed;                 /* constant: iterations of a batch in count mode */
	sigset_t signals;               /* constant: the program's mask, which the workers have */
	enum phase phase;               /* (L) leader only */
	uint64_t iterations;            /* (L) */
	uint64_t shortest;              /* (L) leader only: least amount of the batches of this size */
	unsigned tries;                 /* (L) leader only: batches of this size */
	bool more;                      /* (L) */
	uint64_t before;                /* (L) leader only: counter when the batch began */
	uint64_t own;      /* (L) leader only: what its own part of the last batch took, waiting excluded */
	uint64_t overhead; /* (L) leader only: an empty batch */
	uint64_t spent;    /* (L) leader only: measured so far: instructions, or nanoseconds */
	uint64_t began_ns; /* (L) leader only: wall time when measuring began */
	uint64_t reported; /* bench_report's figure */
	bool has_report;   /* rows with one worker only, like bench_skip of a whole row */
	_Atomic unsigned turn;         /* (a) the leader's signal */
	_Atomic unsigned arrived;      /* (a) the others' answers, counted from the start of the run */
	unsigned expected;             /* (L) leader only: value of `arrived` when all have answered */
	_Atomic(const char *) failed;  /* (a) first reason */
	_Atomic(const char *) skipped; /* (a) */
	struct sample samples;         /* (L) leader only */
	struct sample sampled;         /* (L) leader only: time mode, batches during which the profiler ran */
	struct sample ratios;  /* (L) leader only: per cent, of each such batch to the one behind it */
	uint64_t last_sampled; /* (L) leader only: of the last such batch */
	bool profile;          /* (L) leader only: this batch is one */
	bool counts_locks;     /* (L) leader only: the kernel does, and the batches below are of this kind */
	uint64_t locks_before; /* (L) leader only: when the batch began */
	uint64_t locks_of_reading; /* (L) leader only: what asking for the count takes */
	uint64_t locks;            /* (L) leader only: of measured batches */
	uint64_t locks_operations; /* (L) leader only: in them */
	struct sample latencies;   /* (L) leader only: of the events that the row told of; usually empty */
};

static struct bench_team team; /* one row at a time; that of processes lies in memory they share */

#if defined(__APPLE__)
extern const struct bench_row bench_rows_start[] __asm("section$start$__DATA$bench_rows");
extern const struct bench_row bench_rows_end[] __asm("section$end$__DATA$bench_rows");
#else
extern const struct bench_row bench_rows_start[] __asm("__start_bench_rows");
extern const struct bench_row bench_rows_end[] __asm("__stop_bench_rows");
#endif

bool
bench_counts(void)
{
	return counter_is_instructions;
}

static uint64_t
ticks_to_ns(uint64_t ticks)
{
	uint64_t hz = counter_ticks_per_second();

	return ticks / hz * NS_PER_SECOND + ticks % hz * NS_PER_SECOND / hz;
}

static uint64_t
now_ns(void)
{
	return ticks_to_ns(counter_ticks());
}

/* Measured with several workers. */
static bool
row_scales(const struct bench_row *row)
{
	return row->workers || row->processes;
}

static unsigned
row_ops(const struct bench_row *row)
{
	return row->ops != 0 ? row->ops : 1;
}

/* ---- keeping workers together ---- */

static void
wait_a_little(unsigned *spins)
{
	counter_relax();
	if (++*spins >= SPINS_BEFORE_YIELD) {
		*spins = 0;
		platform_yield();
	}
}

/* Leader: until every other worker has answered once more. */
static void
team_gather(struct bench_team *t)
{
	unsigned spins = 0;

	t->expected += t->workers - 1;
	/* [A2] */
	while (atomic_load_explicit(&t->arrived, memory_order_acquire) != t->expected) {
		wait_a_little(&spins);
	}
}

static void
team_signal(struct bench_team *t)
{
	/* [T1] */
	atomic_fetch_add_explicit(&t->turn, 1, memory_order_release);
}

/* Others: answer, then wait for the leader's next signal. */
static void
team_answer(struct bench_team *t)
{
	/* read before answering: the signal cannot come earlier */
	unsigned turn = atomic_load_explicit(&t->turn, memory_order_relaxed), spins = 0;

	/* [A1] */
	atomic_fetch_add_explicit(&t->arrived, 1, memory_order_release);
	/* [T2] */
	while (atomic_load_explicit(&t->turn, memory_order_acquire) == turn) {
		wait_a_little(&spins);
	}
}

static void
team_meet(struct bench *b)
{
	if (b->worker == 0) {
		team_gather(b->team);
		team_signal(b->team);
	} else {
		team_answer(b->team);
	}
}

void
bench_start_together(struct bench *b)
{
	team_meet(b);
}

/* ---- batches ---- */

static void
skip(struct bench_team *t, const char *reason)
{
	const char *none = NULL;

	atomic_compare_exchange_strong_explicit(
	    &t->skipped, &none, reason, memory_order_relaxed, memory_order_relaxed);
}

/* Batches with and without the profiler come in turns: what a host does for a while meets both of a pair. */
static void
record_time(struct bench_team *t, uint64_t hundredths)
{
	if (t->profile) {
		sample_add(&t->sampled, hundredths);
		t->last_sampled = hundredths;
		return;
	}
	sample_add(&t->samples, hundredths);
	if (t->last_sampled != 0 && hundredths != 0) {
		sample_add(&t->ratios, t->last_sampled * 10000 / hundredths);
		t->last_sampled = 0;
	}
}

static void
record(struct bench_team *t, uint64_t amount)
{
	uint64_t operations = t->iterations * row_ops(t->row);

	amount = amount > t->overhead ? amount - t->overhead : 0;
	if (t->phase != PHASE_MEASURE) {
		return;
	}
	if (counter_is_instructions) {
		/* the counter counts everybody's work */
		if (t->samples.count < COUNT_BATCHES) {
			sample_add(&t->samples, sample_hundredths(amount, operations * t->workers));
		}
		t->spent += amount;
	} else {
		record_time(t, sample_hundredths(ticks_to_ns(amount), operations));
		t->spent += ticks_to_ns(amount);
	}
}

static void
take_samples(struct bench *b, uint64_t closed)
{
	if (profile_wanted() && b->team->phase == PHASE_MEASURE) {
		profile_batch_over(b->opened, closed);
	}
}

void
bench_stop_alone(struct bench *b, uint64_t after)
{
	uint64_t closed = counter_ticks();

	b->team->own = counter_since(b->before, after);
	record(b->team, b->team->own);
	take_samples(b, closed);
}

/* The batch ends when the last worker is through; the leader's clock tells. */
void
bench_stop_together(struct bench *b, uint64_t after)
{
	if (b->worker == 0) {
		b->team->own = counter_since(b->before, after);
		team_gather(b->team);
		record(b->team, counter_since(b->before, counter_read()));
		take_samples(b, counter_ticks());
		team_signal(b->team);
	} else {
		team_answer(b->team);
	}
}

static bool
over(const struct bench_team *t)
{
	if (counter_is_instructions) {
		return t->samples.count == COUNT_BATCHES &&
		       (!profile_wanted() || t->spent >= SAMPLED_INSTRUCTIONS);
	}
	if (t->samples.count < TIME_MIN_BATCHES ||
	    (profile_wanted() && t->sampled.count < TIME_MIN_BATCHES)) {
		return false;
	}
	if (t->samples.count == SAMPLE_MAX || t->sampled.count == SAMPLE_MAX ||
	    t->latencies.count == SAMPLE_MAX) {
		return true;
	}
	/* the tail of a distribution takes many events, most of whose time is waiting */
	return (t->latencies.count == 0 &&
		   t->spent >= (profile_wanted() ? SAMPLED_TIME_ROW_NS : TIME_ROW_NS)) ||
	       now_ns() - t->began_ns >= (profile_wanted() ? SAMPLED_TIME_WALL_NS : TIME_WALL_NS);
}

static void
begin_measuring(struct bench_team *t)
{
	t->phase = PHASE_MEASURE;
	t->began_ns = now_ns();
	if (profile_wanted() && !profile_row_begins()) {
		skip(t, "this machine cannot sample");
	}
}

static uint64_t
wanted_batch_ns(const struct bench_team *t)
{
	if (profile_wanted()) {
		return SAMPLED_TIME_BATCH_NS;
	}
	return t->workers > 1 ? TIME_TEAM_BATCH_NS : TIME_BATCH_NS;
}

/* Time mode, after a batch: doubles it until it is long enough. */
static void
calibrate(struct bench_team *t)
{
	uint64_t wanted = wanted_batch_ns(t);
	uint64_t most = t->row->most != 0 ? t->row->most : TIME_MAX_ITERATIONS;

	t->shortest = t->tries == 0 || t->own < t->shortest ? t->own : t->shortest;
	t->tries++;
	if (ticks_to_ns(t->shortest) < wanted && t->iterations * 2 <= most) {
		t->iterations *= 2;
		t->tries = 0;
	} else if (t->tries == CALIBRATE_TRIES || t->iterations * 2 > most) {
		begin_measuring(t);
	}
}

static unsigned
fixed_iterations(const struct bench_row *row)
{
	return row->iterations != 0 ? row->iterations : BENCH_ITERATIONS;
}

static bool
gave_up(struct bench_team *t)
{
	return atomic_load_explicit(&t->failed, memory_order_relaxed) != NULL ||
	       atomic_load_explicit(&t->skipped, memory_order_relaxed) != NULL;
}

/* A traced row has a batch that is thrown away, and the one with the trace on. */
static void
decide_traced(struct bench_team *t)
{
	if (t->iterations == 0) {
		t->iterations = fixed_iterations(t->row);
	} else if (t->phase == PHASE_FIRST) {
		t->phase = PHASE_MEASURE;
		t->iterations = trace_wanted() < t->iterations ? trace_wanted() : t->iterations;
		if (!trace_batch_begins(t->iterations)) {
			skip(t, "this machine cannot trace");
		}
	} else {
		trace_batch_over();
	}
	t->more = !gave_up(t) && t->samples.count == 0;
}

/* A measured batch is over. */
static void
count_locks_end(struct bench_team *t)
{
	uint64_t now = 0;

	if (t->phase == PHASE_MEASURE && t->counts_locks && platform_locks_taken(&now)) {
		now -= t->locks_before;
		t->locks += now > t->locks_of_reading ? now - t->locks_of_reading : 0;
		t->locks_operations += t->iterations * row_ops(t->row) * t->workers;
	}
}

/* A batch follows. */
static void
count_locks_begin(struct bench_team *t)
{
	uint64_t again = 0;

	t->counts_locks = t->phase == PHASE_MEASURE && platform_locks_taken(&t->locks_before) &&
			  platform_locks_taken(&again);
	t->locks_of_reading = again - t->locks_before;
	t->locks_before = again;
}

/* Leader: what comes after the batch that has just ended (or at the very start). */
static void
decide(struct bench_team *t)
{
	bool started = t->iterations != 0;

	count_locks_end(t);
	if (trace_wanted() != 0) {
		decide_traced(t);
		return;
	}
	if (!started) {
		t->iterations = counter_is_instructions ? t->fixed : 1;
	} else if (t->phase == PHASE_FIRST) {
		if (counter_is_instructions) {
			begin_measuring(t);
		} else {
			t->phase = PHASE_CALIBRATE;
		}
	} else if (t->phase == PHASE_CALIBRATE) {
		calibrate(t);
	}
	if (profile_wanted() && t->phase == PHASE_MEASURE && !counter_is_instructions) {
		t->profile = !t->profile;
		profile_batch_begins(t->profile);
	}
	t->more = !gave_up(t) && !over(t);
	count_locks_begin(t);
}

bool
bench_next(struct bench *b)
{
	struct bench_team *t = b->team;

	if (b->worker == 0) {
		team_gather(t);
		decide(t);
		team_signal(t);
	} else {
		team_answer(t);
	}
	b->iterations = t->iterations;
	b->over = !t->more;
	return t->more;
}

void
bench_fail(struct bench *b, const char *reason)
{
	const char *none = NULL;

	atomic_compare_exchange_strong_explicit(
	    &b->team->failed, &none, reason, memory_order_relaxed, memory_order_relaxed);
}

void
bench_skip(struct bench *b, const char *reason)
{
	skip(b->team, reason);
}

/* Rows with one worker only. */
void
bench_latency(struct bench *b, uint64_t amount)
{
	struct bench_team *t = b->team;

	amount = amount > t->overhead ? amount - t->overhead : 0;
	if (t->phase == PHASE_MEASURE) {
		sample_add(&t->latencies,
		    sample_hundredths(counter_is_instructions ? amount : ticks_to_ns(amount), 1));
	}
}

void
bench_report(struct bench *b, uint64_t figure)
{
	b->team->reported = counter_is_instructions ? figure : ticks_to_ns(figure);
	b->team->has_report = true;
}

/* ---- running a row ---- */

static const struct bench_row *
row_of(const struct bench_team *t, unsigned worker)
{
	return worker == 1 && t->beside != NULL ? t->beside : t->row;
}

/*
 * A benchmark whose set-up failed has returned before its loop: its worker keeps step with the team until
 * the leader, who sees the failure at the next batch, ends the run.
 */
static void
leave_team(struct bench *b)
{
	struct bench_team *t = b->team;

	if (b->over) {
		return;
	}
	if (atomic_load_explicit(&t->skipped, memory_order_relaxed) == NULL && !t->has_report) {
		bench_fail(b, "the benchmark gave up");
	}
	if (b->worker == 0) {
		(void)bench_next(b);
		return;
	}
	do {
		team_answer(t);
	} while (t->more);
}

static void *
worker_main(void *arg)
{
	struct bench *b = arg;

	/* A worker that cannot be pinned runs all the same, so that the others do not wait for it in vain. */
	if (!platform_pin(b->worker)) {
		bench_skip(b, "this kernel cannot pin threads to CPUs");
	}
	pthread_sigmask(SIG_SETMASK, &b->team->signals, NULL);
	row_of(b->team, b->worker)->fn(b);
	leave_team(b);
	return NULL;
}

static void
team_init(struct bench_team *t, const struct bench_row *row, unsigned workers)
{
	memset(t, 0, sizeof(*t));
	t->row = row;
	t->workers = workers;
	t->fixed = fixed_iterations(row);
	sample_clear(&t->samples);
	sample_clear(&t->sampled);
	sample_clear(&t->ratios);
	sample_clear(&t->latencies);
}

static struct bench
team_member(struct bench_team *t, unsigned worker)
{
	return (struct bench){
		.arg = row_of(t, worker)->arg, .worker = worker, .workers = t->workers, .team = t
	};
}

/* A team: every worker is a thread, and this one only waits. Signals are for the workers. */
static void
run_threads(struct bench_team *t)
{
	static struct bench members[WORKERS_MAX];
	static pthread_t threads[WORKERS_MAX];
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &t->signals);
	for (unsigned i = 0; i < t->workers; i++) {
		members[i] = team_member(t, i);
		if (pthread_create(&threads[i], NULL, worker_main, &members[i]) != 0) {
			/* those that run wait for a full team: there is no way on */
			fprintf(stderr, "bench: cannot make worker %u\n", i);
			exit(1);
		}
	}
	for (unsigned i = 0; i < t->workers; i++) {
		pthread_join(threads[i], NULL);
	}
	pthread_sigmask(SIG_SETMASK, &t->signals, NULL);
}

/*
 * A team whose workers are processes; this one is the first of them. They share the team and nothing else: the
 * strings that `failed` and `skipped` point at are where they are in all of them.
 */
static void
run_processes(struct bench_team *t)
{
	pid_t pids[WORKERS_MAX];
	struct bench first = team_member(t, 0);

	pthread_sigmask(SIG_SETMASK, NULL, &t->signals);
	for (unsigned i = 1; i < t->workers; i++) {
		struct bench other = team_member(t, i);

		pids[i] = fork();
		if (pids[i] == 0) {
			(void)worker_main(&other);
			_exit(0);
		}
		if (pids[i] < 0) {
			fprintf(stderr, "bench: cannot make worker %u\n", i);
			exit(1);
		}
	}
	(void)worker_main(&first);
	for (unsigned i = 1; i < t->workers; i++) {
		int status = -1;

		if (waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
			bench_fail(&first, "a worker's process ended badly");
		}
	}
}

/*
 * One worker is this thread, the only one of its process: a second thread changes what many calls cost (descriptors
 * and the address space count as shared), and that is the row's to decide.
 */
static void
run_team(struct bench_team *t, uint64_t overhead)
{
	struct bench alone = team_member(t, 0);

	t->overhead = overhead;
	if (t->workers > 1 && t->row->processes) {
		run_processes(t);
	} else if (t->workers > 1) {
		run_threads(t);
	} else {
		pthread_sigmask(SIG_SETMASK, NULL, &t->signals);
		(void)worker_main(&alone);
	}
}

/* ---- output ---- */

static void
wire_name(char *buf, size_t size, const struct bench_row *row, unsigned workers)
{
	char suffix[24] = "";

	if (row_scales(row)) {
		snprintf(suffix, sizeof(suffix), "/threads:%u", workers);
	}
	snprintf(buf, size, "%s%s", row->name, suffix);
}

/* "pair/ipc.rpc_inline.64+file.stat" */
static void
pair_name(char *buf, size_t size, const struct bench_row *row, const struct bench_row *beside)
{
	snprintf(buf, size, "pair/%s+%s", row->name, beside->name);
	for (char *at = buf + sizeof("pair/") - 1; *at != '\0'; at++) {
		*at = *at == '/' ? '.' : *at;
	}
}

/* "p99.9-ns" and its like, behind the row's figure */
static size_t
append_percentiles(char *buf, size_t size, struct sample *s, const char *unit)
{
	static const struct {
		const char *name;
		unsigned permille;
	} wanted[] = { { "min", 0 }, { "p5", 50 }, { "p25", 250 }, { "p50", 500 }, { "p75", 750 },
		{ "p90", 900 }, { "p95", 950 }, { "p99", 990 }, { "p99.9", 999 }, { "max", 1000 } };
	char text[SAMPLE_TEXT];
	size_t used = 0;

	/* "min-instructions" is the least batch: see append_least */
	for (size_t i = counter_is_instructions ? 1 : 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		sample_text(text, sample_quantile(s, wanted[i].permille));
		used += (size_t)snprintf(buf + used, size - used, "\t%s %s-%s", text, wanted[i].name, unit);
	}
	return used;
}

/* Count mode: the batch that took least, where that is not the median: what an operation takes undisturbed. */
static size_t
append_least(char *buf, size_t size, struct sample *s)
{
	uint64_t least = sample_quantile(s, 0);
	char text[SAMPLE_TEXT];

	if (least == sample_quantile(s, 500)) {
		return 0;
	}
	return (size_t)snprintf(buf, size, "\t%s min-instructions", sample_text(text, least));
}

/* What stands behind the row's figure: how it is distributed. */
static size_t
append_distribution(char *buf, size_t size, struct bench_team *t)
{
	if (t->has_report) {
		return 0;
	}
	if (counter_is_instructions) {
		return t->latencies.count != 0 ? append_percentiles(buf, size, &t->latencies, "instructions")
					       : append_least(buf, size, &t->samples);
	}
	return append_percentiles(buf, size, t->latencies.count != 0 ? &t->latencies : &t->samples, "ns");
}

/* The row's figure, in hundredths, and how many operations or events it is drawn from. */
static uint64_t
figure(struct bench_team *t, uint64_t *total)
{
	if (t->has_report) {
		*total = 1;
		return t->reported * 100;
	}
	if (t->latencies.count != 0) {
		*total = t->latencies.count;
		return sample_quantile(&t->latencies, 500);
	}
	*total = t->iterations * t->samples.count;
	return sample_quantile(&t->samples, 500);
}

static void
print_result(struct bench_team *t, const char *name)
{
	char line[768], text[SAMPLE_TEXT];
	uint64_t total, median = figure(t, &total);
	size_t used;

	used = (size_t)snprintf(line, sizeof(line), "Benchmark%c%s\t%llu\t%s %s", name[0] - 'a' + 'A',
	    name + 1, (unsigned long long)total, sample_text(text, median),
	    counter_is_instructions ? "instructions/op" : "ns/op");
	used += append_distribution(line + used, sizeof(line) - used, t);
	if (!counter_is_instructions && row_scales(t->row) && median != 0) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, "\t%llu ops/s",
		    (unsigned long long)(t->workers * NS_PER_SECOND * 100 / median));
	}
	if (t->sampled.count != 0) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, "\t%s sampled-ns/op",
		    sample_text(text, sample_quantile(&t->sampled, 500)));
		used += (size_t)snprintf(line + used, sizeof(line) - used, "\t%s sampled-percent",
		    sample_text(text, sample_quantile(&t->ratios, 500)));
	}
	if (t->locks_operations != 0) {
		snprintf(line + used, sizeof(line) - used, "\t%s locks/op",
		    sample_text(text, sample_hundredths(t->locks, t->locks_operations)));
	}
	printf("%s\n", line);
	fflush(stdout);
}

/* True when the row gave a figure. */
static bool
report_row(struct bench_team *t, const char *name)
{
	const char *failed = atomic_load_explicit(&t->failed, memory_order_relaxed);
	const char *skipped = atomic_load_explicit(&t->skipped, memory_order_relaxed);

	if (failed != NULL) {
		printf("bench-fail: %s %s\n", name, failed);
	} else if (skipped != NULL) {
		printf("bench-skip: %s %s\n", name, skipped);
	} else if (t->samples.count == 0 && !t->has_report) {
		printf("bench-fail: %s nothing was measured\n", name);
	} else {
		print_result(t, name);
		return true;
	}
	fflush(stdout);
	return false;
}

/* ---- the program ---- */

/* What reading the counters costs, in their unit: the least of many pairs of readings. */
static uint64_t
measure_overhead(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < OVERHEAD_READINGS; i++) {
		uint64_t before = counter_read(), cost = counter_since(before, counter_read());

		least = cost < least ? cost : least;
	}
	return least;
}

/* Operations of one batch of all workers where the number is fixed: count mode. */
static uint64_t
fixed_operations(const struct bench_row *row, unsigned workers)
{
	return (uint64_t)fixed_iterations(row) * row_ops(row) * workers;
}

/* Not inlined: it shall execute what a benchmark does. */
__attribute__((noinline)) static void
empty_batch(struct bench *b)
{
	bench_start(b);
	bench_stop(b);
}

/* For an observer: empty batches, which tell it what bench_start and bench_stop execute inside the marks. */
static void
calibrate_marks(void)
{
	static const struct bench_row nothing = { .iterations = 1 };
	struct bench b;

	team_init(&team, &nothing, 1);
	b = team_member(&team, 0);
	bench_mark_row(0, 0);
	for (unsigned i = 0; i < CALIBRATE_TRIES; i++) {
		empty_batch(&b);
	}
}

static void
list_rows(void)
{
	for (const struct bench_row *row = bench_rows_start; row < bench_rows_end; row++) {
		printf("%s\n", row->name);
	}
}

static unsigned
planned(const struct options *o)
{
	unsigned rows = 0;

	for (const struct bench_row *row = bench_rows_start; row < bench_rows_end; row++) {
		if (options_choose(o, row->name)) {
			rows += row_scales(row) ? (unsigned)o->nworkers : 1;
		}
	}
	return rows;
}

/* The mode asked for, or the best the machine has. False when it lacks the counter that was asked for. */
static bool
choose_counter(const struct options *o)
{
	bool has = platform_counts_instructions();

	counter_is_instructions = o->mode_given ? o->count_mode : has;
	return has || !counter_is_instructions;
}

/* What became of a row: the exit status of a process that ran one for another. */
enum verdict {
	VERDICT_MEASURED = 0,
	VERDICT_FAILED = 1,
	VERDICT_SKIPPED = 2,
};

struct totals {
	unsigned measured;
	unsigned failed;
};

/* A team that its workers can all see; NULL when there is no such memory. */
static struct bench_team *
team_for(const struct bench_row *row, unsigned workers)
{
	if (!row->processes || workers == 1) {
		return &team;
	}
	return platform_shared((sizeof(team) + PLATFORM_UNIT - 1) / PLATFORM_UNIT * PLATFORM_UNIT);
}

static enum verdict
run_named(struct bench_team *t, const char *name)
{
	run_team(t, measure_overhead());
	if (profile_wanted()) {
		profile_row_over(name);
	}
	if (trace_wanted() != 0) {
		trace_row_over(name);
	}
	if (report_row(t, name)) {
		return VERDICT_MEASURED;
	}
	return atomic_load_explicit(&t->skipped, memory_order_relaxed) != NULL ? VERDICT_SKIPPED
									       : VERDICT_FAILED;
}

static enum verdict
skipped(const char *name, const char *why, unsigned cpus)
{
	printf("bench-skip: %s %s%u CPUs\n", name, why, cpus);
	fflush(stdout);
	return VERDICT_SKIPPED;
}

/* Here, in this process. */
static enum verdict
run_here(const struct bench_row *row, unsigned workers)
{
	struct bench_team *t = team_for(row, workers);
	char name[NAME_MAX_BYTES];

	wire_name(name, sizeof(name), row, workers);
	if (row->cpus > platform_cpus() || workers > platform_cpus()) {
		return skipped(name, "needs ", row->cpus > workers ? row->cpus : workers);
	}
	if (row->timed && counter_is_instructions) {
		printf("bench-skip: %s is measured in time mode only\n", name);
		fflush(stdout);
		return VERDICT_SKIPPED;
	}
	if (t == NULL) {
		return skipped(name, "has no memory to share between ", workers);
	}
	team_init(t, row, workers);
	return run_named(t, name);
}

/* Two rows at the same time, each by one worker on a CPU of its own. Batches are short: it is what they touch that
 * tells, not how long they take. */
static enum verdict
run_pair_here(const struct bench_row *row, const struct bench_row *beside)
{
	unsigned fixed = fixed_iterations(row) < fixed_iterations(beside) ? fixed_iterations(row)
									  : fixed_iterations(beside);
	char name[NAME_MAX_BYTES];

	pair_name(name, sizeof(name), row, beside);
	if (platform_cpus() < 2) {
		return skipped(name, "needs ", 2);
	}
	team_init(&team, row, 2);
	team.beside = beside;
	team.fixed = fixed < PAIR_ITERATIONS ? fixed : PAIR_ITERATIONS;
	return run_named(&team, name);
}

/* In a process of its own, which prints what it finds. `beside` may be NULL. */
static enum verdict
run_apart(const struct options *o, char *program, const struct bench_row *row, const struct bench_row *beside,
    unsigned workers, const char *name)
{
	char number[12], period[24], reason[128];
	char *mode = counter_is_instructions ? "count" : "time";
	char *argv[] = { program, "--part", "--mode", mode, "--workers", number, "--sample", period,
		beside != NULL ? "--pair" : "--", (char *)row->name,
		beside != NULL ? (char *)beside->name : NULL, NULL };
	int status;

	snprintf(number, sizeof(number), "%u", workers);
	snprintf(period, sizeof(period), "%llu", (unsigned long long)o->sample_period);
	status = own_process_run(argv, reason, sizeof(reason));
	if (status == VERDICT_MEASURED || status == VERDICT_SKIPPED || status == VERDICT_FAILED) {
		return (enum verdict)status;
	}
	if (status >= 0) {
		snprintf(reason, sizeof(reason), "its process ended with status %d", status);
	}
	printf("bench-fail: %s %s\n", name, reason);
	fflush(stdout);
	return VERDICT_FAILED;
}

/* A row that is alone in this program has the process to itself already. */
static void
run_one(const struct options *o, const struct bench_row *row, unsigned workers, char *program, bool alone,
    struct totals *totals)
{
	char name[NAME_MAX_BYTES];
	enum verdict verdict;

	wire_name(name, sizeof(name), row, workers);
	printf("bench-start: %s\n", name);
	fflush(stdout);
	bench_mark_row(workers, fixed_operations(row, workers));
	verdict = alone ? run_here(row, workers) : run_apart(o, program, row, NULL, workers, name);
	totals->measured += verdict == VERDICT_MEASURED;
	totals->failed += verdict == VERDICT_FAILED;
}

static void
run_row(
    const struct bench_row *row, const struct options *o, char *program, bool alone, struct totals *totals)
{
	size_t runs = row_scales(row) ? o->nworkers : 1;

	for (size_t i = 0; i < runs; i++) {
		run_one(o, row, row_scales(row) ? o->workers[i] : 1, program, alone, totals);
	}
}

/* The rows that the names choose, and what became of them. */
static int
run_chosen(const struct options *o, char *program)
{
	struct totals totals = { 0 };
	unsigned plan = planned(o);

	printf("Unit instructions/op better=lower assume=exact\nbench-plan: %u\n", plan);
	calibrate_marks();
	for (const struct bench_row *row = bench_rows_start; row < bench_rows_end; row++) {
		if (options_choose(o, row->name)) {
			run_row(row, o, program, plan == 1, &totals);
		}
	}
	printf("bench-done: %u\n", totals.measured);
	fflush(stdout);
	return totals.failed != 0;
}

/* A row by its exact name, NULL when there is none. */
static const struct bench_row *
find_row(const char *name)
{
	for (const struct bench_row *row = bench_rows_start; row < bench_rows_end; row++) {
		if (strcmp(row->name, name) == 0) {
			return row;
		}
	}
	return NULL;
}

static void
run_one_pair(const struct options *o, char *program, const struct bench_row *row,
    const struct bench_row *beside, struct totals *totals)
{
	char name[NAME_MAX_BYTES];
	enum verdict verdict;

	pair_name(name, sizeof(name), row, beside);
	printf("bench-start: %s\n", name);
	fflush(stdout);
	bench_mark_row(2, PAIR_ITERATIONS);
	verdict = run_apart(o, program, row, beside, 2, name);
	totals->measured += verdict == VERDICT_MEASURED;
	totals->failed += verdict == VERDICT_FAILED;
}

/* Each of the rows named beside itself and beside each one behind it. */
static int
run_pairs(const struct options *o, char *program)
{
	struct totals totals = { 0 };

	printf("bench-plan: %d\n", o->nnames * (o->nnames + 1) / 2);
	calibrate_marks();
	for (int i = 0; i < o->nnames; i++) {
		for (int j = i; j < o->nnames; j++) {
			run_one_pair(o, program, find_row(o->names[i]), find_row(o->names[j]), &totals);
		}
	}
	printf("bench-done: %u\n", totals.measured);
	fflush(stdout);
	return totals.failed != 0;
}

/* What this process was started for: one row, or two beside each other. */
static int
run_part(const struct options *o)
{
	const struct bench_row *row = find_row(o->names[0]);

	return o->pair ? run_pair_here(row, find_row(o->names[1])) : run_here(row, o->workers[0]);
}

/* With --part and --pair every name must be a row's. */
static bool
names_are_rows(const struct options *o)
{
	int least = o->part ? 1 + o->pair : o->pair;

	for (int i = 0; i < o->nnames; i++) {
		if (find_row(o->names[i]) == NULL) {
			fprintf(stderr, "bench: no row is called %s\n", o->names[i]);
			return false;
		}
	}
	if (o->nnames < least) {
		fprintf(stderr, "bench: too few names of rows\n");
		return false;
	}
	return true;
}

int
bench_main(int argc, char **argv)
{
	struct options o;

	if (!options_parse(&o, argc, argv)) {
		fprintf(stderr, "bench: %s\n", o.error);
		return 64;
	}
	if (o.list) {
		list_rows();
		return 0;
	}
	if (!choose_counter(&o)) {
		fprintf(stderr, "bench: this machine does not count instructions: not supported\n");
		return 1;
	}
	profile_set_period(o.sample_period);
	trace_set(o.trace_iterations, o.trace_types);
	if ((o.part || o.pair) && !names_are_rows(&o)) {
		return 64;
	}
	if (o.part) {
		return run_part(&o);
	}
	return o.pair ? run_pairs(&o, argv[0]) : run_chosen(&o, argv[0]);
}
