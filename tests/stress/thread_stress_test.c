/*
 * Threads made and killed at random: by thread_terminate, by cancellation, by their own exit, with their task, while
 * others switch, wait and hold locks. What the kernel and the library hold before and after is the same.
 */
#include <mach/mach.h>
#include <mach/semaphore.h>
#include <os/lock.h>
#include <pthread.h>
#include <pthread/workqueue.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ulock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/kernel_counts.h"
#include "../guest/ktap.h"

#define SELF         mach_task_self()
#define LIVE         48    /* threads of a storm at one time */
#define THREADS      600   /* made by a storm */
#define THREADS_LONG 10000 /* with STRESS_LONG in the environment */

static unsigned
threads_to_make(void)
{
	return getenv("STRESS_LONG") != NULL ? THREADS_LONG : THREADS;
}

static uint32_t
rnd(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* ---- What threads do ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inheriting;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static os_unfair_lock unfair = OS_UNFAIR_LOCK_INIT;
static semaphore_t semaphore;
static mach_port_t port;
static int fds[2];
static uint32_t word;
static _Atomic int leave;

static bool
go_on(unsigned i)
{
	pthread_testcancel();
	return !atomic_load(&leave) && i < 200;
}

static void
switch_cpu(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		sched_yield();
	}
}

/* A thread killed in here takes the lock with it: who waits for it then waits for its own end. */
static void
take_locks(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		if (pthread_mutex_trylock(&mutex) == 0) {
			sched_yield();
			pthread_mutex_unlock(&mutex);
		}
	}
}

static void
wait_for_locks(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		pthread_mutex_lock(&mutex);
		sched_yield();
		pthread_mutex_unlock(&mutex);
		/* this kind ends the program when its owner has ended, so nobody may wait for it here */
		if (pthread_mutex_trylock(&inheriting) == 0) {
			pthread_mutex_unlock(&inheriting);
		}
	}
}

static void
take_unfair(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		if (os_unfair_lock_trylock(&unfair)) {
			sched_yield();
			os_unfair_lock_unlock(&unfair);
		}
	}
}

static void
read_and_write(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		if (i % 4 == 0 ? pthread_rwlock_trywrlock(&rwlock) == 0
			       : pthread_rwlock_tryrdlock(&rwlock) == 0) {
			sched_yield();
			pthread_rwlock_unlock(&rwlock);
		}
	}
}

static void
wait_for_condition(void)
{
	struct timespec soon = { 0, 3000000 };
	pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&own);
	for (unsigned i = 0; go_on(i); i++) {
		(void)pthread_cond_timedwait_relative_np(&cond, &own, &soon);
	}
}

static void
signal_condition(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		i % 2 ? pthread_cond_signal(&cond) : pthread_cond_broadcast(&cond);
		sched_yield();
	}
}

static void
wait_for_semaphore(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		(void)semaphore_timedwait(semaphore, (mach_timespec_t){ 0, 2000000 });
		(void)semaphore_signal(semaphore);
	}
}

static void
read_a_pipe(void)
{
	char c;

	for (unsigned i = 0; go_on(i); i++) {
		if (i % 3 == 0) {
			(void)write(fds[1], "x", 1);
		} else {
			(void)read(fds[0], &c, 1);
		}
	}
}

static void
wait_for_a_word(void)
{
	for (unsigned i = 0; go_on(i); i++) {
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAIT_CANCEL_POINT, &word,
		    __atomic_load_n(&word, __ATOMIC_RELAXED), 2000);
		__atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
		(void)__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | (i % 2 ? ULF_WAKE_ALL : 0), &word, 0);
	}
}

static void
send_and_receive(void)
{
	struct {
		mach_msg_header_t header;
		mach_msg_max_trailer_t trailer;
	} message;

	for (unsigned i = 0; go_on(i); i++) {
		message.header = (mach_msg_header_t){
			.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
			.msgh_size = sizeof(message.header),
			.msgh_remote_port = port,
		};
		(void)mach_msg(&message.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message.header), 0,
		    MACH_PORT_NULL, 1, MACH_PORT_NULL);
		(void)mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), port, 2,
		    MACH_PORT_NULL);
	}
}

static void
spin_with_vectors(void)
{
	volatile double x = 1;

	for (unsigned i = 0; go_on(i); i++) {
		for (unsigned j = 0; j < 500; j++) {
			x = x * 1.0001 + 0.5;
		}
	}
}

static void *
short_life(void *arg)
{
	return arg;
}

static void
make_threads(void)
{
	for (unsigned i = 0; go_on(i) && i < 20; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, short_life, NULL) == 0) {
			pthread_detach(thread);
		}
		sched_yield();
	}
}

static void (*const acts[])(void) = { switch_cpu, take_locks, wait_for_locks, take_unfair, read_and_write,
	wait_for_condition, signal_condition, wait_for_semaphore, read_a_pipe, wait_for_a_word,
	send_and_receive, spin_with_vectors, make_threads };
#define ACTS           (sizeof(acts) / sizeof(acts[0]))
#define ACTS_OF_KILLED (ACTS - 1) /* not the last: see act_and_die */

static void *
act(void *arg)
{
	((void (*)(void))arg)();
	return NULL;
}

/*
 * For threads that are killed. The library's own locks, as those of malloc, die with whoever holds them, and then nobody
 * makes a thread any more: so these never come into the library where it takes one. They make no threads, and end
 * through the kernel. Their names stay valid, too, so that nobody else is killed by them.
 */
static void *
act_and_die(void *arg)
{
	((void (*)(void))arg)();
	(void)thread_terminate(pthread_mach_thread_np(pthread_self()));
	return NULL;
}

static void
prepare(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&inheriting, &attr);
	(void)semaphore_create(SELF, &semaphore, SYNC_POLICY_FIFO, 1);
	(void)mach_port_allocate(SELF, MACH_PORT_RIGHT_RECEIVE, &port);
	(void)pipe(fds);
	atomic_store(&leave, 0);
}

/* ---- A storm that ends with its task ---- */

static void
nothing(void *arg)
{
}

struct storm {
	uint32_t seed;
	unsigned threads;
	bool killed; /* the parent kills it; else it exits */
};

/* A thread without library: on a stack that is never given back. */
static void
make_raw_thread(uint32_t *seed)
{
	arm_thread_state64_t state = { 0 };
	vm_address_t stack = 0;
	thread_act_t thread;

	if (rnd(seed) % 2 == 0) {
		if (thread_create(SELF, &thread) == KERN_SUCCESS) { /* never started */
			(void)thread_terminate(thread);
			(void)mach_port_deallocate(SELF, thread);
		}
		return;
	}
	if (vm_allocate(SELF, &stack, 65536, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		return;
	}
	state.__sp = stack + 65536;
	state.__pc = (uintptr_t)swtch_pri; /* returns to 0: the thread faults unless it is killed before */
	state.__lr = (uintptr_t)swtch_pri;
	if (thread_create_running(SELF, ARM_THREAD_STATE64, (thread_state_t)&state, ARM_THREAD_STATE64_COUNT,
		&thread) == KERN_SUCCESS) {
		sched_yield();
		(void)thread_terminate(thread);
		(void)mach_port_deallocate(SELF, thread);
	}
}

static int
storm(void *arg)
{
	struct storm *s = arg;
	pthread_t live[LIVE] = { NULL };
	uint32_t seed = s->seed;
	pthread_workqueue_t queue = NULL;

	prepare();
	(void)pthread_workqueue_create_np(&queue, NULL);
	for (unsigned made = 0; made < s->threads; made++) {
		unsigned slot = rnd(&seed) % LIVE;
		thread_act_t victim =
		    live[slot] != NULL ? pthread_mach_thread_np(live[slot]) : MACH_PORT_NULL;

		if (victim != MACH_PORT_NULL) {
			switch (rnd(&seed) % 4) {
			case 0:
				(void)thread_suspend(victim);
				(void)thread_terminate(victim);
				break;
			case 1:
				(void)pthread_kill(live[slot], SIGUSR1);
				(void)thread_terminate(victim);
				break;
			case 2:
				(void)pthread_cancel(live[slot]);
				(void)pthread_detach(live[slot]);
				break;
			default:
				(void)thread_terminate(victim);
				break;
			}
		}
		if (made % 16 == 0) {
			make_raw_thread(&seed);
			(void)pthread_workqueue_additem_np(queue, nothing, NULL);
		}
		if (pthread_create(
			&live[slot], NULL, act_and_die, (void *)acts[rnd(&seed) % ACTS_OF_KILLED]) != 0) {
			live[slot] = NULL;
		}
	}
	if (s->killed) {
		(void)kill(getpid(), SIGKILL);
	}
	return 3;
}

static void
on_signal(int number)
{
}

/* ---- Accounts ---- */

/* Elements in use of each of the kernel's zones. */
#define ZONES_MAX 96

struct zones {
	unsigned count;
	mach_zone_name_t names[ZONES_MAX];
	uint64_t in_use[ZONES_MAX];
};

static void
count_zones(struct zones *zones)
{
	struct zone_list list = zone_list_take();

	EXPECT(list.count > 20 && list.count <= ZONES_MAX);
	zones->count = list.count < ZONES_MAX ? list.count : ZONES_MAX;
	for (unsigned z = 0; z < zones->count; z++) {
		zones->names[z] = list.names[z];
		zones->in_use[z] = list.info[z].mzi_count;
	}
	zone_list_drop(list);
}

/* Zones of memory, which this program uses as well, and the zones' own stocks: they say nothing of threads. */
static bool
is_of_memory(const char *name)
{
	return strncmp(name, "vm ", 3) == 0 || strncmp(name, "kalloc", 6) == 0 ||
	       strcmp(name, "zone magazines") == 0;
}

/* What each CPU keeps one of: the message in transit, and the address space that it used last. */
static bool
is_kept_by_cpus(const char *name)
{
	return strcmp(name, "ipc messages") == 0 || strcmp(name, "pmap") == 0;
}

static bool
is_more(const struct zones *now, const struct zones *before, unsigned zone)
{
	const char *name = now->names[zone].mzn_name;
	uint64_t limit =
	    before->in_use[zone] + (is_kept_by_cpus(name) ? (uint64_t)sysconf(_SC_NPROCESSORS_CONF) : 0);

	return !is_of_memory(name) && now->in_use[zone] > limit;
}

/* Threads that were killed may still be leaving the kernel: waits for them, not for ever. */
static void
expect_zones(const struct zones *before)
{
	static struct zones now;
	unsigned more = 1;

	for (unsigned i = 0; i < 500 && more != 0; i++) {
		count_zones(&now);
		more = 0;
		for (unsigned z = 0; z < now.count; z++) {
			more += is_more(&now, before, z);
		}
		if (more != 0) {
			usleep(2000);
		}
	}
	EXPECT_EQ(now.count, before->count);
	for (unsigned z = 0; z < now.count; z++) {
		if (is_more(&now, before, z)) {
			ktap_failed(__FILE_NAME__, __LINE__, now.names[z].mzn_name);
			EXPECT_EQ(now.in_use[z], before->in_use[z]);
		}
	}
}

static void
run_storm(uint32_t seed, bool killed)
{
	struct storm s = { .seed = seed, .threads = threads_to_make() / 2, .killed = killed };

	EXPECT_EQ(ktap_in_child(storm, &s), killed ? 128 + SIGKILL : 3);
}

TEST(threads_killed_at_random_are_accounted_for)
{
	static struct zones before;

	signal(SIGUSR1, on_signal);
	run_storm(1, false); /* what the kernel keeps for the next time is there now */
	count_zones(&before);
	run_storm(2, false);
	run_storm(3, true);
	expect_zones(&before);
	signal(SIGUSR1, SIG_DFL);
}

/* ---- Killed while they are made ---- */

static thread_act_t maker, killer;
static _Atomic bool made_all;

/* Every thread but the two, as soon as the task lists it: neither of these may start one that is not made yet. */
static void
strike(thread_act_t thread, bool kill)
{
	if (kill) {
		(void)thread_terminate(thread);
	} else if (thread_suspend(thread) == KERN_SUCCESS) {
		(void)thread_resume(thread);
	}
}

/* How many there were. */
static unsigned
kill_others(void)
{
	mach_msg_type_number_t count = 0;
	thread_act_array_t threads;
	unsigned others = 0;

	if (task_threads(SELF, &threads, &count) != KERN_SUCCESS) {
		return UINT32_MAX;
	}
	for (unsigned i = 0; i < count; i++) {
		if (threads[i] != maker && threads[i] != killer) {
			strike(threads[i], i % 2 != 0);
			others++;
		}
		(void)mach_port_deallocate(SELF, threads[i]);
	}
	(void)vm_deallocate(SELF, (vm_address_t)threads, count * sizeof(threads[0]));
	return others;
}

static void *
kill_all_others(void *arg)
{
	killer = pthread_mach_thread_np(pthread_self());
	while (!atomic_load(&made_all)) {
		(void)kill_others();
	}
	return arg;
}

static void *
wait_for_the_end(void *arg)
{
	for (;;) {
		(void)semaphore_wait(semaphore);
	}
	return arg;
}

static int
make_for_the_killer(void *arg)
{
	unsigned left = 1;
	pthread_t thread;

	prepare();
	maker = mach_thread_self();
	if (pthread_create(&thread, NULL, kill_all_others, NULL) != 0) {
		return 1;
	}
	for (unsigned i = 0; i < *(unsigned *)arg; i++) {
		pthread_t other;

		if (pthread_create(&other, NULL, wait_for_the_end, NULL) != 0) {
			sched_yield(); /* the killer has not kept up */
		}
	}
	atomic_store(&made_all, true);
	(void)pthread_join(thread, NULL);
	for (unsigned i = 0; i < 5000 && left != 0; i++) {
		left = kill_others();
		usleep(1000);
	}
	return left == 0 ? 0 : 2;
}

TEST(threads_killed_while_they_are_made_are_gone)
{
	unsigned threads = threads_to_make();

	EXPECT_EQ(ktap_in_child(make_for_the_killer, &threads), 0);
}

/* ---- In one task: everything comes back ---- */

struct account {
	unsigned threads, names;
	vm_size_t virtual_size;
};

static struct account
count_task(void)
{
	mach_port_name_array_t names;
	mach_port_type_array_t types;
	mach_msg_type_number_t count = 0, types_count = 0, info_count = MACH_TASK_BASIC_INFO_COUNT;
	mach_task_basic_info_data_t info = { 0 };
	thread_act_array_t threads;
	struct account account;

	EXPECT_EQ(task_threads(SELF, &threads, &count), KERN_SUCCESS);
	account.threads = count;
	for (unsigned i = 0; i < count; i++) {
		(void)mach_port_deallocate(SELF, threads[i]);
	}
	(void)vm_deallocate(SELF, (vm_address_t)threads, count * sizeof(threads[0]));
	EXPECT_EQ(mach_port_names(SELF, &names, &count, &types, &types_count), KERN_SUCCESS);
	account.names = count;
	(void)vm_deallocate(SELF, (vm_address_t)names, count * sizeof(names[0]));
	(void)vm_deallocate(SELF, (vm_address_t)types, types_count * sizeof(types[0]));
	EXPECT_EQ(task_info(SELF, MACH_TASK_BASIC_INFO, (task_info_t)&info, &info_count), KERN_SUCCESS);
	account.virtual_size = info.virtual_size;
	return account;
}

/* Cancelled or left alone, joined or detached. */
static void
cancel_storm(uint32_t seed, unsigned threads)
{
	pthread_t live[LIVE] = { NULL };

	for (unsigned made = 0; made < threads + LIVE; made++) {
		unsigned slot = made < threads ? rnd(&seed) % LIVE : made - threads;

		if (live[slot] != NULL) {
			EXPECT_EQ(pthread_cancel(live[slot]), 0);
			EXPECT_EQ(pthread_join(live[slot], NULL), 0);
			live[slot] = NULL;
		}
		if (made < threads) {
			/* not those that a cancelled holder of a lock would keep waiting */
			static void (*const harmless[])(void) = { switch_cpu, wait_for_condition,
				signal_condition, wait_for_semaphore, read_a_pipe, wait_for_a_word,
				send_and_receive, spin_with_vectors, make_threads };

			REQUIRE(
			    pthread_create(&live[slot], NULL, act, (void *)harmless[rnd(&seed) % 9]) == 0);
		}
	}
}

TEST(threads_cancelled_at_random_leave_nothing)
{
	struct account before, after;

	prepare();
	cancel_storm(5, LIVE);
	usleep(20000);
	before = count_task();
	cancel_storm(6, threads_to_make() / 2);
	for (unsigned i = 0; i < 500; i++) {
		pthread_t thread;

		after = count_task();
		if (after.threads <= before.threads && after.names <= before.names) {
			break;
		}
		usleep(2000);
		(void)pthread_create(
		    &thread, NULL, short_life, NULL); /* collects detached threads that ended */
		(void)pthread_join(thread, NULL);
	}
	EXPECT_EQ(after.threads, before.threads);
	EXPECT(after.names <= before.names);
	/* stacks that the library keeps for the next threads are at most as many as it keeps */
	EXPECT(after.virtual_size <= before.virtual_size + 20 * 640 * 1024);
}
