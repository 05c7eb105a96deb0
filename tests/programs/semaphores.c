/* Producers and consumers with Mach semaphores, and the clocks: sleeping, an alarm, a wait until. */
#include <mach/clock.h>
#include <mach/clock_types.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/semaphore.h>
#include <mach/sync_policy.h>
#include <mach/task.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS   1000
#define SLOTS   4
#define THREADS 3

static semaphore_t empty, full, mutex;
static int ring[SLOTS], in, out;
static long consumed;

static void
check(kern_return_t kr, const char *what)
{
	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "%s: %s\n", what, mach_error_string(kr));
		exit(1);
	}
}

static void *
producer(void *arg)
{
	for (int i = 1; i <= ITEMS; i++) {
		check(semaphore_wait(empty), "semaphore_wait");
		check(semaphore_wait(mutex), "semaphore_wait");
		ring[in++ % SLOTS] = i;
		check(semaphore_signal(mutex), "semaphore_signal");
		check(semaphore_signal(full), "semaphore_signal");
	}
	return NULL;
}

static void *
consumer(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		check(semaphore_wait(full), "semaphore_wait");
		check(semaphore_wait(mutex), "semaphore_wait");
		consumed += ring[out++ % SLOTS];
		check(semaphore_signal(mutex), "semaphore_signal");
		check(semaphore_signal(empty), "semaphore_signal");
	}
	return NULL;
}

static void *
gate(void *arg)
{
	check(semaphore_wait(*(semaphore_t *)arg), "gate");
	return NULL;
}

static void
clocks(void)
{
	clock_serv_t clock, calendar;
	mach_timespec_t now, later, alarm;
	mach_timebase_info_data_t base;
	struct {
		mach_msg_header_t header;
		NDR_record_t ndr;
		kern_return_t code;
		alarm_type_t type;
		mach_timespec_t time;
		mach_msg_trailer_t trailer;
	} msg;
	mach_port_t port;
	uint64_t start;

	check(host_get_clock_service(mach_host_self(), SYSTEM_CLOCK, &clock), "system clock");
	check(host_get_clock_service(mach_host_self(), CALENDAR_CLOCK, &calendar), "calendar");
	check(clock_get_time(clock, &now), "clock_get_time");
	alarm = (mach_timespec_t){ 0, 20 * NSEC_PER_MSEC };
	check(clock_sleep(clock, TIME_RELATIVE, alarm, &later), "clock_sleep");
	check(clock_get_time(clock, &later), "clock_get_time");
	SUB_MACH_TIMESPEC(&later, &now);
	printf("slept: %s\n", CMP_MACH_TIMESPEC(&later, &alarm) >= 0 ? "long enough" : "too short");

	check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), "port");
	check(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND), "right");
	check(clock_alarm(clock, TIME_RELATIVE, alarm, port), "clock_alarm");
	check(mach_msg(
		  &msg.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(msg), port, 20000, MACH_PORT_NULL),
	    "alarm");
	printf("alarm: id %d, code %d, type %d\n", msg.header.msgh_id, msg.code, msg.type);

	mach_timebase_info(&base);
	start = mach_absolute_time();
	check(mach_wait_until(start + 10 * NSEC_PER_MSEC * base.denom / base.numer), "mach_wait_until");
	printf("waited: %s\n", (mach_absolute_time() - start) * base.numer / base.denom >= 10 * NSEC_PER_MSEC
				   ? "long enough"
				   : "too short");
	mach_port_deallocate(mach_task_self(), clock);
	mach_port_deallocate(mach_task_self(), calendar);
}

int
main(void)
{
	pthread_t producers[THREADS], consumers[THREADS], waiters[THREADS];
	mach_timespec_t soon = { 0, 5 * NSEC_PER_MSEC };
	semaphore_t sem;

	check(semaphore_create(mach_task_self(), &empty, SYNC_POLICY_FIFO, SLOTS), "semaphore_create");
	check(semaphore_create(mach_task_self(), &full, SYNC_POLICY_FIFO, 0), "semaphore_create");
	check(semaphore_create(mach_task_self(), &mutex, SYNC_POLICY_FIFO, 1), "semaphore_create");
	for (int i = 0; i < THREADS; i++) {
		pthread_create(&producers[i], NULL, producer, NULL);
		pthread_create(&consumers[i], NULL, consumer, NULL);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(producers[i], NULL);
		pthread_join(consumers[i], NULL);
	}
	printf("consumed %ld\n", consumed);
	check(semaphore_create(mach_task_self(), &sem, SYNC_POLICY_FIFO, 0), "semaphore_create");
	printf("nobody signals: %d\n", semaphore_timedwait(sem, soon));
	for (int i = 0; i < THREADS; i++) {
		pthread_create(&waiters[i], NULL, gate, &sem);
	}
	for (int i = 0; i < THREADS; i++) {
		check(semaphore_signal(sem), "semaphore_signal");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(waiters[i], NULL);
	}
	check(semaphore_signal_all(sem), "semaphore_signal_all");
	check(semaphore_destroy(mach_task_self(), sem), "semaphore_destroy");
	printf("destroyed: %s\n", semaphore_signal(sem) != KERN_SUCCESS ? "refused" : "accepted");
	clocks();
	return 0;
}
