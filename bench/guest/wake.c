/*
 * Wake-up latency: how long after its wake-up call a thread runs. One event is one wake-up; what a row gives is the
 * distribution over some thousand of them, in nanoseconds, or in instructions where those are counted.
 *
 *	broadcast  eight threads of one CPU sleep on one word and are woken at once; each counts from the call
 *	spread     the same, and the threads are on all CPUs in turn
 *	chain      eight threads of one CPU, each of which wakes the next
 *	hop        the same, each on another CPU than the one that wakes it
 *	timer      one thread that sleeps until a time: how late it is
 *
 * Each of them with ordinary threads and with real-time ones, on CPUs that are else idle and on CPUs that ordinary
 * threads compute on without end ("loaded"). Who wakes first, and the load, are ordinary threads in all of them.
 *
 * Under an instruction clock an instruction is a nanosecond, and the time counter tells lateness in either unit. Such a
 * machine runs its CPUs by turns: between CPUs it would show the length of the turns, and `spread` and `hop` are
 * measured in time mode only.
 */
#include "wake.h"

#include <harness/bench.h>
#include <harness/platform.h>
#include <pthread.h>
#include <stdatomic.h>

#define SLEEPERS  8
#define CPUS_MAX  64
#define LAPS_LOOK 256 /* of the load between two looks at its stop flag */

/* How long the first waker leaves the others for going to sleep once all have said that they will; the second figure
 * under an instruction clock, where all of them share its CPU and sleep before it runs. */
#define GO_TO_SLEEP_US      30
#define GO_TO_SLEEP_TURN_US 3

/* Sleeps of `timer`: from 100 to 163 microseconds, so that they meet no rhythm of the system. */
#define TIMER_LEAST_US 100
#define TIMER_STEP     37
#define TIMER_STEPS    64

enum { REAL_TIME = 1, LOADED = 2 }; /* of a row's arg */

/* (c) constant while threads run; (a) atomic; others are written before the wake-up that makes them seen. */
struct sleeper {
	_Alignas(64) _Atomic uint32_t word; /* (a) chain: counts its wake-ups */
	uint64_t called;                    /* when it was woken */
	uint64_t ran;                       /* when it ran; its own */
	struct sleeper *next;               /* (c) whom it wakes, NULL: nobody */
	struct scene *scene;                /* (c) */
	pthread_t thread;
	unsigned cpu; /* (c) */
};

struct scene {
	_Alignas(
	    64) _Atomic uint32_t home; /* (a) counts the rounds that are over: the first waker sleeps here */
	_Alignas(64) _Atomic uint32_t all; /* (a) broadcast: counts the calls */
	_Alignas(64) _Atomic unsigned out; /* (a) sleepers that are not back yet */
	_Atomic bool stop;                 /* (a) */
	_Atomic bool failed;               /* (a) a thread did not get what it asked for */
	bool chained, real_time, loaded;   /* (c) */
	unsigned sleepers, loads;          /* started */
	unsigned cpus;                     /* (c) that the scene plays on */
	struct sleeper sleeper[SLEEPERS];
	pthread_t load[CPUS_MAX];
	unsigned load_cpu[CPUS_MAX];
};

static struct scene scene; /* a process runs one row */

/* ---- threads ---- */

static void
wait_for_change(_Atomic uint32_t *word, uint32_t *seen)
{
	uint32_t now;

	while ((now = atomic_load_explicit(word, memory_order_acquire)) == *seen) {
		wake_wait(word, *seen);
	}
	*seen = now;
}

static void
call(struct sleeper *s)
{
	s->called = counter_read();
	atomic_fetch_add_explicit(&s->word, 1, memory_order_release);
	wake_one(&s->word);
}

static void
call_all(struct scene *w)
{
	uint64_t now = counter_read();

	for (unsigned i = 0; i < w->sleepers; i++) {
		w->sleeper[i].called = now;
	}
	atomic_fetch_add_explicit(&w->all, 1, memory_order_release);
	wake_all(&w->all);
}

/* The last one back ends the round. */
static void
come_back(struct scene *w)
{
	if (atomic_fetch_sub_explicit(&w->out, 1, memory_order_acq_rel) == 1) {
		atomic_fetch_add_explicit(&w->home, 1, memory_order_release);
		wake_one(&w->home);
	}
}

static void *
sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct scene *w = s->scene;
	uint32_t seen = 0;

	if (!platform_pin(s->cpu) || (w->real_time && !wake_real_time())) {
		atomic_store_explicit(&w->failed, true, memory_order_relaxed);
	}
	for (;;) {
		come_back(w);
		wait_for_change(w->chained ? &s->word : &w->all, &seen);
		s->ran = counter_read();
		if (atomic_load_explicit(&w->stop, memory_order_relaxed)) {
			return NULL;
		}
		if (s->next != NULL) {
			call(s->next);
		}
	}
}

static void *
load_main(void *arg)
{
	unsigned cpu = *(unsigned *)arg;

	if (!platform_pin(cpu)) {
		atomic_store_explicit(&scene.failed, true, memory_order_relaxed);
	}
	while (!atomic_load_explicit(&scene.stop, memory_order_relaxed)) {
		for (unsigned lap = 0; lap < LAPS_LOOK; lap++) {
			__asm__ volatile("");
		}
	}
	return NULL;
}

/* ---- a scene ---- */

static bool
scene_load(struct scene *w)
{
	for (; w->loads < w->cpus; w->loads++) {
		w->load_cpu[w->loads] = w->loads;
		if (pthread_create(&w->load[w->loads], NULL, load_main, &w->load_cpu[w->loads]) != 0) {
			return false;
		}
	}
	return true;
}

/* The first one is next to the waker's CPU where there are several. */
static bool
scene_sleepers(struct scene *w)
{
	atomic_store_explicit(&w->out, SLEEPERS, memory_order_relaxed);
	for (unsigned i = 0; i < SLEEPERS; i++) {
		struct sleeper *s = &w->sleeper[i];

		s->scene = w;
		s->cpu = (i + 1) % w->cpus;
		s->next = w->chained && i + 1 < SLEEPERS ? s + 1 : NULL;
	}
	for (; w->sleepers < SLEEPERS; w->sleepers++) {
		struct sleeper *s = &w->sleeper[w->sleepers];

		if (pthread_create(&s->thread, NULL, sleeper_main, s) != 0) {
			return false;
		}
	}
	return true;
}

static void
scene_end(struct scene *w)
{
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
	call_all(w);
	for (unsigned i = 0; i < w->sleepers; i++) {
		call(&w->sleeper[i]);
		pthread_join(w->sleeper[i].thread, NULL);
	}
	for (unsigned i = 0; i < w->loads; i++) {
		pthread_join(w->load[i], NULL);
	}
}

static void
scene_set(struct bench *b, struct scene *w, bool chained, bool everywhere)
{
	unsigned cpus = platform_cpus() < CPUS_MAX ? platform_cpus() : CPUS_MAX;

	w->chained = chained;
	w->real_time = b->arg & REAL_TIME;
	w->loaded = b->arg & LOADED;
	w->cpus = everywhere ? cpus : 1;
}

static uint64_t
ticks_of_us(uint64_t us)
{
	return us * counter_ticks_per_second() / 1000000;
}

static void
let_them_sleep(void)
{
	uint64_t from = counter_ticks(),
		 enough = ticks_of_us(bench_counts() ? GO_TO_SLEEP_TURN_US : GO_TO_SLEEP_US);

	while (counter_ticks() - from < enough) {
		counter_relax();
	}
}

/* Everybody is woken once and is back. */
static void
play_round(struct scene *w, uint32_t *rounds)
{
	let_them_sleep();
	atomic_store_explicit(&w->out, SLEEPERS, memory_order_relaxed);
	if (w->chained) {
		call(&w->sleeper[0]);
	} else {
		call_all(w);
	}
	wait_for_change(&w->home, rounds);
}

static void
tell_round(struct bench *b, struct scene *w)
{
	for (unsigned i = 0; i < SLEEPERS; i++) {
		bench_latency(b, counter_since(w->sleeper[i].called, w->sleeper[i].ran));
	}
}

static void
measure_wakeups(struct bench *b, struct scene *w)
{
	uint32_t rounds = 0;

	wait_for_change(&w->home, &rounds);
	if (atomic_load_explicit(&w->failed, memory_order_relaxed)) {
		bench_skip(b, "this kernel has no real-time threads, or cannot pin them");
	}
	while (bench_next(b)) {
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			play_round(w, &rounds);
			tell_round(b, w);
		}
		bench_stop(b);
	}
}

static void
wakeups(struct bench *b, bool chained, bool everywhere)
{
	struct scene *w = &scene;

	scene_set(b, w, chained, everywhere);
	if (bench_check(b, scene_sleepers(w) && (!w->loaded || scene_load(w)), "no threads")) {
		measure_wakeups(b, w);
	}
	scene_end(w);
}

/* ---- rows ---- */

static void
broadcast(struct bench *b)
{
	wakeups(b, false, false);
}
BENCHMARK("wake/broadcast/timeshare", broadcast, .iterations = 20);
BENCHMARK("wake/broadcast/timeshare_loaded", broadcast, .iterations = 20, .arg = LOADED);
BENCHMARK("wake/broadcast/realtime", broadcast, .iterations = 20, .arg = REAL_TIME);
BENCHMARK("wake/broadcast/realtime_loaded", broadcast, .iterations = 20, .arg = REAL_TIME | LOADED);

static void
spread(struct bench *b)
{
	wakeups(b, false, true);
}
BENCHMARK("wake/spread/timeshare", spread, .cpus = 2, .timed = true);
BENCHMARK("wake/spread/timeshare_loaded", spread, .cpus = 2, .timed = true, .arg = LOADED);
BENCHMARK("wake/spread/realtime", spread, .cpus = 2, .timed = true, .arg = REAL_TIME);
BENCHMARK("wake/spread/realtime_loaded", spread, .cpus = 2, .timed = true, .arg = REAL_TIME | LOADED);

static void
chain(struct bench *b)
{
	wakeups(b, true, false);
}
BENCHMARK("wake/chain/timeshare", chain, .iterations = 20);
BENCHMARK("wake/chain/timeshare_loaded", chain, .iterations = 20, .arg = LOADED);
BENCHMARK("wake/chain/realtime", chain, .iterations = 20, .arg = REAL_TIME);
BENCHMARK("wake/chain/realtime_loaded", chain, .iterations = 20, .arg = REAL_TIME | LOADED);

static void
hop(struct bench *b)
{
	wakeups(b, true, true);
}
BENCHMARK("wake/hop/timeshare", hop, .cpus = 2, .timed = true);
BENCHMARK("wake/hop/timeshare_loaded", hop, .cpus = 2, .timed = true, .arg = LOADED);
BENCHMARK("wake/hop/realtime", hop, .cpus = 2, .timed = true, .arg = REAL_TIME);
BENCHMARK("wake/hop/realtime_loaded", hop, .cpus = 2, .timed = true, .arg = REAL_TIME | LOADED);

/* In the unit of the row: see the head. */
static uint64_t
unit_of_ticks(uint64_t ticks)
{
	return bench_counts() ? ticks * 1000000000 / counter_ticks_per_second() : ticks;
}

/* False: it woke up before its time. */
static bool
sleep_once(struct bench *b, unsigned *step)
{
	uint64_t deadline = counter_ticks() + ticks_of_us(TIMER_LEAST_US + *step), now;

	*step = (*step + TIMER_STEP) % TIMER_STEPS;
	wake_sleep_until(deadline);
	now = counter_ticks();
	if (now < deadline) {
		return false;
	}
	bench_latency(b, unit_of_ticks(now - deadline));
	return true;
}

static void
measure_timer(struct bench *b)
{
	unsigned step = 0;
	bool ok = true;

	while (bench_next(b)) {
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			ok &= sleep_once(b, &step);
		}
		bench_stop(b);
	}
	bench_check(b, ok, "a sleep ended before its time");
}

static void
timer(struct bench *b)
{
	struct scene *w = &scene;

	scene_set(b, w, false, false);
	/* in this order: threads are made in the image of their maker */
	if (!bench_check(b, !w->loaded || scene_load(w), "no load")) {
		/* nothing to measure */
	} else if (w->real_time && !wake_real_time()) {
		bench_skip(b, "this kernel has no real-time threads");
	} else {
		measure_timer(b);
	}
	scene_end(w);
}
BENCHMARK("wake/timer/timeshare", timer, .iterations = 100);
BENCHMARK("wake/timer/timeshare_loaded", timer, .iterations = 100, .arg = LOADED);
BENCHMARK("wake/timer/realtime", timer, .iterations = 100, .arg = REAL_TIME);
BENCHMARK("wake/timer/realtime_loaded", timer, .iterations = 100, .arg = REAL_TIME | LOADED);

/* ---- on several CPUs at once ---- */

/* Two threads of one CPU that wake each other, each on a line of its own. */
struct pair {
	_Alignas(64) _Atomic uint32_t ping;
	_Alignas(64) _Atomic uint32_t pong;
	_Atomic bool stop;
	unsigned cpu;
};

static void
wake_word(_Atomic uint32_t *word)
{
	atomic_fetch_add_explicit(word, 1, memory_order_release);
	wake_one(word);
}

static void *
pair_peer(void *arg)
{
	struct pair *p = arg;
	uint32_t seen = 0;

	platform_pin(p->cpu);
	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		wait_for_change(&p->ping, &seen);
		wake_word(&p->pong);
	}
	return NULL;
}

/* One operation: a round trip; each of two threads wakes the other and waits. */
static void
pair(struct bench *b)
{
	struct pair p = { .cpu = b->worker };
	pthread_t peer;
	uint32_t seen = 0;

	if (!bench_check(b, pthread_create(&peer, NULL, pair_peer, &p) == 0, "no second thread")) {
		return;
	}
	while (bench_next(b)) {
		platform_settle();
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			wake_word(&p.ping);
			wait_for_change(&p.pong, &seen);
		}
		bench_stop(b);
	}
	atomic_store_explicit(&p.stop, true, memory_order_relaxed);
	wake_word(&p.ping);
	pthread_join(peer, NULL);
}
BENCHMARK("sync/wake_pingpong", pair);
BENCHMARK("scale/wake_pingpong", pair, .cpus = 2, .workers = true);

/* One operation: sleep for ten microseconds. */
static void
short_sleep(struct bench *b)
{
	uint64_t ticks = ticks_of_us(10), before = counter_ticks(), slept = 0;

	bench_loop(b)
	{
		wake_sleep_until(counter_ticks() + ticks);
		slept += ticks;
	}
	bench_check(b, counter_ticks() - before >= slept, "a sleep ended before its time");
}
BENCHMARK("scale/short_sleep", short_sleep, .iterations = 100, .cpus = 2, .workers = true);
