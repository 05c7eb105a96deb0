/* CPUs go and come under load: no thread, timer or message is lost. */
#include <errno.h>
#include <mach/arm/commpage.h>
#include <mach/host_priv.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/mach_time.h>
#include <mach/processor.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define ROUNDS 3 /* each CPU goes and comes this often */

static mach_msg_type_number_t cpus;
static processor_array_t cpu_ports;
static atomic_bool stop;

static void
get_processors(void)
{
	if (cpu_ports == NULL) {
		REQUIRE(EXPECT_EQ(host_processors(mach_host_self(), &cpu_ports, &cpus), KERN_SUCCESS));
	}
}

static int
active_cpus(void)
{
	int active = 0;
	size_t size = sizeof(active);

	EXPECT_EQ(sysctlbyname("hw.activecpu", &active, &size, NULL, 0), 0);
	return active;
}

/* A number of CPUs, as the page that programs read without a call tells it. */
static unsigned
commpage_cpus(unsigned field)
{
	return *(const volatile uint8_t *)(COMMPAGE_ADDRESS + field);
}

static bool
is_running(unsigned cpu)
{
	processor_basic_info_data_t basic = { 0 };
	mach_msg_type_number_t count = PROCESSOR_BASIC_INFO_COUNT;
	mach_port_t host;

	EXPECT_EQ(
	    processor_info(cpu_ports[cpu], PROCESSOR_BASIC_INFO, &host, (processor_info_t)&basic, &count),
	    KERN_SUCCESS);
	return basic.running;
}

/* All but the boot CPU go, one after the other, and come back in another order. */
static void
cycle(void)
{
	for (unsigned cpu = 1; cpu < cpus; cpu++) {
		EXPECT_EQ(processor_exit(cpu_ports[cpu]), KERN_SUCCESS);
		EXPECT_EQ(processor_exit(cpu_ports[cpu]), KERN_SUCCESS); /* it is off already */
		EXPECT(!is_running(cpu));
	}
	EXPECT_EQ(active_cpus(), 1);
	EXPECT_EQ(commpage_cpus(COMMPAGE_ACTIVE_CPUS), 1);
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), 1);
	for (unsigned cpu = cpus - 1; cpu >= 1; cpu--) {
		EXPECT_EQ(processor_start(cpu_ports[cpu]), KERN_SUCCESS);
		EXPECT_EQ(processor_start(cpu_ports[cpu]), KERN_FAILURE); /* it runs already */
		EXPECT(is_running(cpu));
	}
	EXPECT_EQ(active_cpus(), (int)cpus);
	EXPECT_EQ(commpage_cpus(COMMPAGE_ACTIVE_CPUS), cpus);
	EXPECT_EQ(commpage_cpus(COMMPAGE_NCPUS), cpus);
	EXPECT_EQ(commpage_cpus(COMMPAGE_PHYSICAL_CPUS), cpus);
	EXPECT_EQ(commpage_cpus(COMMPAGE_LOGICAL_CPUS), cpus);
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_CONF), cpus);
}

/* --- loads; each returns how much it did --- */

static void *
compute(void *arg)
{
	uintptr_t n = 0;

	while (!stop) {
		for (volatile int i = 0; i < 1000; i++) {}
		n++;
	}
	return (void *)n;
}

static void *
nap(void *arg)
{
	uintptr_t n = 0;

	while (!stop) {
		usleep(500);
		n++;
	}
	return (void *)n;
}

static void *
make_memory(void *arg)
{
	uintptr_t n = 0;

	while (!stop) {
		char *memory =
		    mmap(NULL, 4 * vm_page_size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

		if (memory == MAP_FAILED) {
			EXPECT_EQ(errno, 0);
			break;
		}
		for (unsigned page = 0; page < 4; page++) {
			memory[page * vm_page_size] = 1;
		}
		if (munmap(memory, 4 * vm_page_size) != 0) {
			EXPECT_EQ(errno, 0);
			break;
		}
		n++;
	}
	return (void *)n;
}

static void *
make_processes(void *arg)
{
	uintptr_t n = 0;

	while (!stop) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			_exit(7);
		}
		EXPECT(pid > 0);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(WEXITSTATUS(status), 7);
		n++;
	}
	return (void *)n;
}

struct pair {
	semaphore_t ping, pong;
};

static void *
pinger(void *arg)
{
	struct pair *pair = arg;
	uintptr_t n = 0;

	while (!stop) {
		EXPECT_EQ(semaphore_signal(pair->ping), KERN_SUCCESS);
		EXPECT_EQ(semaphore_wait(pair->pong), KERN_SUCCESS);
		n++;
	}
	EXPECT_EQ(semaphore_signal(pair->ping), KERN_SUCCESS);
	return (void *)n;
}

static void *
ponger(void *arg)
{
	struct pair *pair = arg;
	uintptr_t n = 0;

	while (!stop) {
		EXPECT_EQ(semaphore_wait(pair->ping), KERN_SUCCESS);
		EXPECT_EQ(semaphore_signal(pair->pong), KERN_SUCCESS);
		n++;
	}
	EXPECT_EQ(semaphore_signal(pair->pong), KERN_SUCCESS);
	return (void *)n;
}

#define LOADS 8

static void
start_loads(pthread_t thread[LOADS], struct pair *pair)
{
	static void *(*const loads[LOADS])(
	    void *) = { compute, compute, nap, nap, make_memory, make_processes, pinger, ponger };

	stop = false;
	EXPECT_EQ(semaphore_create(mach_task_self(), &pair->ping, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	EXPECT_EQ(semaphore_create(mach_task_self(), &pair->pong, SYNC_POLICY_FIFO, 0), KERN_SUCCESS);
	for (unsigned i = 0; i < LOADS; i++) {
		EXPECT_EQ(pthread_create(&thread[i], NULL, loads[i], pair), 0);
	}
}

TEST(all_go_and_come_under_load)
{
	struct pair pair;
	pthread_t thread[LOADS];

	get_processors();
	if (cpus == 1) {
		ktap_skip("one CPU: nothing goes, and the loads need not have had a turn");
		return;
	}
	start_loads(thread, &pair);
	for (unsigned round = 0; round < ROUNDS; round++) {
		cycle();
	}
	stop = true;
	for (unsigned i = 0; i < LOADS; i++) {
		void *work = NULL;

		EXPECT_EQ(pthread_join(thread[i], &work), 0);
		EXPECT((uintptr_t)work > 0);
	}
}

/* --- bound threads and their timers --- */

static int
bound_to(void)
{
	int cpu = -2;
	size_t size = sizeof(cpu);

	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", &cpu, &size, NULL, 0), 0);
	return cpu;
}

static int
child_is_bound_to(void *arg)
{
	return bound_to() == *(int *)arg ? 0 : 1;
}

/* A child stays where its parent does; threads do not. */
TEST(children_are_bound_like_their_parent)
{
	int last, free = -1;

	get_processors();
	last = (int)cpus - 1;
	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &last, sizeof(last)), 0);
	EXPECT_EQ(ktap_in_child(child_is_bound_to, &last), 0);
	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &free, sizeof(free)), 0);
	EXPECT_EQ(ktap_in_child(child_is_bound_to, &free), 0);
}

static atomic_uint asleep;

static void *
sleep_bound(void *arg)
{
	int cpu = (int)(uintptr_t)arg;
	struct timespec wanted = { .tv_sec = 1 }; /* longer than a host stalls */

	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &cpu, sizeof(cpu)), 0);
	EXPECT_EQ(bound_to(), cpu);
	asleep++;
	EXPECT_EQ(nanosleep(&wanted, NULL), 0);
	return (void *)(uintptr_t)bound_to();
}

/* Whose CPU went away while it slept there wakes elsewhere, in time, and is bound no longer. */
TEST(timers_and_bound_threads_move)
{
	pthread_t thread[8];
	unsigned last;

	get_processors();
	if (cpus == 1) {
		return;
	}
	last = cpus - 1;
	asleep = 0;
	for (unsigned i = 0; i < 8; i++) {
		EXPECT_EQ(pthread_create(&thread[i], NULL, sleep_bound, (void *)(uintptr_t)last), 0);
	}
	while (asleep != 8) {
		usleep(1000);
	}
	EXPECT_EQ(processor_exit(cpu_ports[last]), KERN_SUCCESS);
	for (unsigned i = 0; i < 8; i++) {
		void *bound = NULL;

		EXPECT_EQ(pthread_join(thread[i], &bound), 0);
		EXPECT_EQ((int)(uintptr_t)bound, -1);
	}
	EXPECT_EQ(processor_start(cpu_ports[last]), KERN_SUCCESS);
}

/* Nobody can bind to a CPU that is off. */
TEST(a_cpu_that_is_off_takes_nobody)
{
	int last;

	get_processors();
	last = (int)cpus - 1;
	if (cpus == 1) {
		return;
	}
	EXPECT_EQ(processor_exit(cpu_ports[last]), KERN_SUCCESS);
	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &last, sizeof(last)), -1);
	EXPECT_EQ(bound_to(), -1);
	EXPECT_EQ(processor_start(cpu_ports[last]), KERN_SUCCESS);
	EXPECT_EQ(sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &last, sizeof(last)), 0);
	/* The caller's own CPU goes: it goes on elsewhere. */
	EXPECT_EQ(processor_exit(cpu_ports[last]), KERN_SUCCESS);
	EXPECT_EQ(bound_to(), -1);
	EXPECT_EQ(processor_start(cpu_ports[last]), KERN_SUCCESS);
}

/* What a CPU's time went to stands still while it is off. */
TEST(time_off_is_not_counted)
{
	processor_cpu_load_info_data_t load[2];
	mach_msg_type_number_t count;
	mach_port_t host;
	unsigned last, sum[2] = { 0, 0 };

	get_processors();
	last = cpus - 1;
	if (cpus == 1) {
		return;
	}
	EXPECT_EQ(processor_exit(cpu_ports[last]), KERN_SUCCESS);
	for (unsigned i = 0; i < 2; i++) {
		count = PROCESSOR_CPU_LOAD_INFO_COUNT;
		EXPECT_EQ(processor_info(cpu_ports[last], PROCESSOR_CPU_LOAD_INFO, &host,
			      (processor_info_t)&load[i], &count),
		    KERN_SUCCESS);
		for (unsigned state = 0; state < CPU_STATE_MAX; state++) {
			sum[i] += load[i].cpu_ticks[state];
		}
		usleep(50 * 1000);
	}
	EXPECT_EQ(sum[0], sum[1]);
	EXPECT_EQ(processor_start(cpu_ports[last]), KERN_SUCCESS);
}
