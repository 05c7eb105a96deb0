/* Ending threads from outside: where they wait, where they run, and what they do about it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

static _Atomic int ready, cleaned, state;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int fds[2];

static void
clean(void *arg)
{
	atomic_fetch_add(&cleaned, (int)(intptr_t)arg);
}

/* Each waits for ever at one cancellation point. */
static void
in_read(void)
{
	char c;

	(void)read(fds[0], &c, 1);
}

static void
in_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push((void (*)(void *))(void *)pthread_mutex_unlock, &mutex);
	for (;;) {
		pthread_cond_wait(&cond, &mutex);
	}
	pthread_cleanup_pop(1);
}

static void
in_sem_wait(void)
{
	sem_wait(&semaphore);
}

static void
in_sleep(void)
{
	sleep(1000);
}

static void
in_sigwait(void)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	(void)sigwait(&set, &signal);
}

static void
in_sigsuspend(void)
{
	sigset_t none = 0;

	(void)sigsuspend(&none);
}

static void *
sleep_long(void *arg)
{
	sleep(1000);
	return arg;
}

static void
in_join(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, sleep_long, NULL) == 0) {
		pthread_cleanup_push((void (*)(void *))(void *)pthread_cancel, thread);
		pthread_cleanup_push((void (*)(void *))(void *)pthread_detach, thread);
		pthread_join(thread, NULL);
		pthread_cleanup_pop(0);
		pthread_cleanup_pop(0);
	}
}

static void
in_testcancel(void)
{
	for (;;) {
		pthread_testcancel();
	}
}

static void
nowhere_but_any_time(void)
{
	volatile unsigned long n = 0;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;) {
		n++;
	}
}

static void *
wait_somewhere(void *place)
{
	pthread_cleanup_push(clean, (void *)1);
	pthread_cleanup_push(clean, (void *)16);
	atomic_fetch_add(&ready, 1);
	((void (*)(void))place)();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

/* Before the thread waits, while it waits: in any case it ends, and its handlers run once each. */
static void
cancel_in(void (*place)(void))
{
	for (unsigned pause_us = 0; pause_us <= 20000; pause_us += 4000) {
		void *result = NULL;
		pthread_t thread;

		atomic_store(&ready, 0);
		atomic_store(&cleaned, 0);
		REQUIRE(pthread_create(&thread, NULL, wait_somewhere, (void *)place) == 0);
		while (pause_us != 0 && atomic_load(&ready) == 0) {
			sched_yield();
		}
		if (pause_us > 4000) {
			usleep(pause_us);
		}
		EXPECT_EQ(pthread_cancel(thread), 0);
		EXPECT_EQ(pthread_join(thread, &result), 0);
		EXPECT(result == PTHREAD_CANCELED);
		EXPECT(atomic_load(&cleaned) == 17 || (atomic_load(&ready) == 0 && pause_us == 0));
	}
}

TEST(cancel_in_read)
{
	REQUIRE(pipe(fds) == 0);
	cancel_in(in_read);
	close(fds[0]);
	close(fds[1]);
}

TEST(cancel_in_cond_wait)
{
	cancel_in(in_cond_wait);
	EXPECT_EQ(pthread_mutex_trylock(&mutex), 0); /* the handler found it held and gave it back */
	EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
	EXPECT_EQ(cond.impl.waiters, 0);
}

TEST(cancel_in_sem_wait)
{
	REQUIRE(sem_init(&semaphore, 0, 0) == 0);
	cancel_in(in_sem_wait);
	EXPECT_EQ(semaphore.waiters, 0);
}

TEST(cancel_in_sleep)
{
	cancel_in(in_sleep);
}

TEST(cancel_in_sigwait)
{
	cancel_in(in_sigwait);
}

TEST(cancel_in_sigsuspend)
{
	cancel_in(in_sigsuspend);
}

TEST(cancel_in_join)
{
	cancel_in(in_join);
}

TEST(cancel_in_testcancel)
{
	cancel_in(in_testcancel);
}

TEST(cancel_at_any_time)
{
	cancel_in(nowhere_but_any_time);
}

static void *
disabled_then_not(void *arg)
{
	char c = 0;
	int old = -1;

	EXPECT_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	EXPECT_EQ(old, PTHREAD_CANCEL_ENABLE);
	atomic_store(&ready, 1);
	EXPECT_EQ(read(fds[0], &c, 1), 1); /* cancelled meanwhile: it does not matter */
	EXPECT_EQ(c, 'x');
	pthread_testcancel();
	atomic_store(&state, 1);
	EXPECT_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
	EXPECT_EQ(old, PTHREAD_CANCEL_DISABLE);
	atomic_store(&state, 2);
	(void)read(fds[0], &c, 1);
	atomic_store(&state, 3);
	return NULL;
}

TEST(cancel_waits_until_enabled)
{
	void *result = NULL;
	pthread_t thread;

	REQUIRE(pipe(fds) == 0);
	atomic_store(&ready, 0);
	atomic_store(&state, 0);
	REQUIRE(pthread_create(&thread, NULL, disabled_then_not, NULL) == 0);
	while (atomic_load(&ready) == 0) {
		sched_yield();
	}
	usleep(10000);
	EXPECT_EQ(pthread_cancel(thread), 0);
	usleep(10000);
	EXPECT_EQ(atomic_load(&state), 0);
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT(result == PTHREAD_CANCELED);
	EXPECT_EQ(atomic_load(&state), 2);
	close(fds[0]);
	close(fds[1]);
}

static void
write_in_handler(void *arg)
{
	atomic_fetch_add(
	    &cleaned, write(fds[1], "y", 1) == 1); /* a cancellation point, but the thread ends already */
}

static void *
handlers_make_calls(void *arg)
{
	char c;

	pthread_cleanup_push(write_in_handler, NULL);
	atomic_store(&ready, 1);
	(void)read(fds[0], &c, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

TEST(cancel_handlers_may_make_calls)
{
	void *result = NULL;
	pthread_t thread;
	char c = 0;

	REQUIRE(pipe(fds) == 0);
	atomic_store(&cleaned, 0);
	REQUIRE(pthread_create(&thread, NULL, handlers_make_calls, NULL) == 0);
	usleep(5000);
	EXPECT_EQ(pthread_cancel(thread), 0);
	EXPECT_EQ(pthread_cancel(thread), 0);
	EXPECT_EQ(pthread_join(thread, &result), 0);
	EXPECT(result == PTHREAD_CANCELED);
	EXPECT_EQ(atomic_load(&cleaned), 1);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int inits;

static void
slow_init(void)
{
	if (atomic_fetch_add(&inits, 1) == 0) {
		sleep(1000);
	}
}

static void *
call_once(void *arg)
{
	pthread_once(&once, slow_init);
	return NULL;
}

TEST(cancel_in_once_lets_another_do_it)
{
	void *result = NULL;
	pthread_t first, second;

	REQUIRE(pthread_create(&first, NULL, call_once, NULL) == 0);
	while (atomic_load(&inits) == 0) {
		sched_yield();
	}
	REQUIRE(pthread_create(&second, NULL, call_once, NULL) == 0);
	usleep(5000);
	EXPECT_EQ(pthread_cancel(first), 0);
	EXPECT_EQ(pthread_join(first, &result), 0);
	EXPECT(result == PTHREAD_CANCELED);
	EXPECT_EQ(pthread_join(second, NULL), 0);
	EXPECT_EQ(atomic_load(&inits), 2);
}

static int
main_thread_leaves(void *arg)
{
	pthread_t thread;

	EXPECT_EQ(pthread_create(&thread, NULL, sleep_long, NULL), 0);
	EXPECT_EQ(pthread_cancel(thread), 0);
	pthread_detach(thread);
	pthread_exit(NULL); /* the process ends with its last thread, status 0 */
}

TEST(cancel_the_last_thread_ends_the_process)
{
	EXPECT_EQ(ktap_in_child(main_thread_leaves, NULL), 0);
}

TEST(cancel_wrong_arguments)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, call_once, NULL) == 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(pthread_cancel(NULL), ESRCH);
	EXPECT_EQ(pthread_cancel(thread), ESRCH);
	EXPECT_EQ(pthread_setcancelstate(7, NULL), EINVAL);
	EXPECT_EQ(pthread_setcanceltype(7, NULL), EINVAL);
}
