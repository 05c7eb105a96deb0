/*
 * What Linux offers where Pluot has Mach messages: a round trip of a payload between two processes on one CPU,
 * over pipes, UNIX sockets, POSIX queues, eventfd and futex. Each kind is a pair of functions, to send and to
 * receive b->arg bytes; the rest is shared.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pthread.h>

#define PAYLOAD_MAX 4096

/* Two directions: 0 from client to server, 1 back. */
struct channel {
	int fds[2][2];           /* read end, write end */
	_Atomic uint32_t *words; /* futex: one for each direction */
};

struct kind {
	bool (*open)(struct channel *c, unsigned worker);
	bool (*send)(struct channel *c, int way, const char *data, size_t size);
	bool (*receive)(struct channel *c, int way, char *data, size_t size);
	size_t least; /* bytes: a message of none would not arrive, or has a fixed size */
};

/* ---- descriptors: pipes and sockets ---- */

static bool
open_pipes(struct channel *c, unsigned worker)
{
	(void)worker;
	return pipe(c->fds[0]) == 0 && pipe(c->fds[1]) == 0;
}

static bool
open_sockets(struct channel *c, int type)
{
	int a[2];

	if (socketpair(AF_UNIX, type, 0, a) != 0) {
		return false;
	}
	c->fds[0][0] = c->fds[1][1] = a[0];
	c->fds[0][1] = c->fds[1][0] = a[1];
	return true;
}

static bool
open_stream(struct channel *c, unsigned worker)
{
	(void)worker;
	return open_sockets(c, SOCK_STREAM);
}

static bool
open_dgram(struct channel *c, unsigned worker)
{
	(void)worker;
	return open_sockets(c, SOCK_DGRAM);
}

static bool
send_fd(struct channel *c, int way, const char *data, size_t size)
{
	return write(c->fds[way][1], data, size) == (ssize_t)size;
}

static bool
receive_fd(struct channel *c, int way, char *data, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(c->fds[way][0], data + got, size - got);

		if (n <= 0) {
			return false;
		}
		got += (size_t)n;
	}
	return true;
}

/* ---- eventfd: a counter of 8 bytes ---- */

static bool
open_eventfd(struct channel *c, unsigned worker)
{
	(void)worker;
	for (int way = 0; way < 2; way++) {
		c->fds[way][0] = c->fds[way][1] = eventfd(0, 0);
	}
	return c->fds[0][0] >= 0 && c->fds[1][0] >= 0;
}

static bool
send_event(struct channel *c, int way, const char *data, size_t size)
{
	uint64_t one = 1;

	(void)data;
	(void)size;
	return write(c->fds[way][1], &one, sizeof(one)) == sizeof(one);
}

static bool
receive_event(struct channel *c, int way, char *data, size_t size)
{
	uint64_t count;

	(void)data;
	(void)size;
	return read(c->fds[way][0], &count, sizeof(count)) == sizeof(count);
}

/* ---- futex: a word that is 1 when something was sent ---- */

static long
futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static bool
open_futex(struct channel *c, unsigned worker)
{
	(void)worker;
	c->words = platform_shared(PLATFORM_UNIT);
	return c->words != NULL;
}

static bool
send_futex(struct channel *c, int way, const char *data, size_t size)
{
	(void)data;
	(void)size;
	atomic_store_explicit(&c->words[way * 16], 1, memory_order_release);
	return futex(&c->words[way * 16], FUTEX_WAKE, 1) >= 0;
}

static bool
receive_futex(struct channel *c, int way, char *data, size_t size)
{
	(void)data;
	(void)size;
	while (atomic_exchange_explicit(&c->words[way * 16], 0, memory_order_acquire) == 0) {
		futex(&c->words[way * 16], FUTEX_WAIT, 0);
	}
	return true;
}

/* ---- POSIX queues: the descriptor is a queue's ---- */

static bool
open_queues(struct channel *c, unsigned worker)
{
	struct mq_attr attr = { .mq_maxmsg = 8, .mq_msgsize = PAYLOAD_MAX };

	for (int way = 0; way < 2; way++) {
		char name[32];

		snprintf(name, sizeof(name), "/bench-%u-%d", worker, way);
		c->fds[way][0] = c->fds[way][1] = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
		mq_unlink(name);
	}
	return c->fds[0][0] >= 0 && c->fds[1][0] >= 0;
}

static bool
send_queue(struct channel *c, int way, const char *data, size_t size)
{
	return mq_send(c->fds[way][1], data, size, 0) == 0;
}

static bool
receive_queue(struct channel *c, int way, char *data, size_t size)
{
	return mq_receive(c->fds[way][0], data, PAYLOAD_MAX, NULL) == (ssize_t)size;
}

/* ---- the round trip ---- */

/* Echoes until the first byte says that it is over. */
static _Noreturn void
echo(const struct kind *kind, struct channel *c, size_t size, unsigned cpu, _Atomic bool *stop)
{
	char data[PAYLOAD_MAX];
	bool ok = platform_pin(cpu);

	while (ok && kind->receive(c, 0, data, size) && !atomic_load_explicit(stop, memory_order_relaxed)) {
		ok = kind->send(c, 1, data, size);
	}
	_exit(ok ? 0 : 1);
}

static bool
ended_well(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One operation: b->arg bytes there and back. */
static void
round_trip(struct bench *b, const struct kind *kind)
{
	size_t size = (size_t)b->arg > kind->least ? (size_t)b->arg : kind->least;
	_Atomic bool *stop = platform_shared(PLATFORM_UNIT);
	char data[PAYLOAD_MAX] = "payload";
	struct channel c;
	bool ok = true;
	pid_t pid;

	if (!bench_check(b, stop != NULL && kind->open(&c, b->worker), "no channel")) {
		return;
	}
	pid = fork();
	if (pid == 0) {
		echo(kind, &c, size, b->worker, stop);
	}
	bench_loop(b)
	{
		ok &= kind->send(&c, 0, data, size) && kind->receive(&c, 1, data, size);
	}
	atomic_store_explicit(stop, true, memory_order_relaxed);
	ok &= kind->send(&c, 0, data, size);
	bench_check(b, ok && strcmp(data, "payload") == 0, "a message did not come back");
	bench_check(b, pid > 0 && ended_well(pid), "the server ended badly");
}

static void
pipe_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_pipes, send_fd, receive_fd, 1 });
}
BENCHMARK("ipc/linux_pipe/0", pipe_round_trip, .arg = 0);
BENCHMARK("ipc/linux_pipe/64", pipe_round_trip, .arg = 64);
BENCHMARK("ipc/linux_pipe/1024", pipe_round_trip, .arg = 1024);
BENCHMARK("ipc/linux_pipe/4096", pipe_round_trip, .arg = 4096);
BENCHMARK("scale/rpc_pairs", pipe_round_trip, .arg = 64, .cpus = 2, .workers = true);

static void
stream_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_stream, send_fd, receive_fd, 1 });
}
BENCHMARK("ipc/linux_stream/64", stream_round_trip, .arg = 64);
BENCHMARK("ipc/linux_stream/1024", stream_round_trip, .arg = 1024);
BENCHMARK("ipc/linux_stream/4096", stream_round_trip, .arg = 4096);

static void
dgram_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_dgram, send_fd, receive_fd, 1 });
}
BENCHMARK("ipc/linux_dgram/64", dgram_round_trip, .arg = 64);
BENCHMARK("ipc/linux_dgram/1024", dgram_round_trip, .arg = 1024);
BENCHMARK("ipc/linux_dgram/4096", dgram_round_trip, .arg = 4096);

static void
queue_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_queues, send_queue, receive_queue, 1 });
}
BENCHMARK("ipc/linux_mq/64", queue_round_trip, .arg = 64);
BENCHMARK("ipc/linux_mq/4096", queue_round_trip, .arg = 4096);

static void
eventfd_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_eventfd, send_event, receive_event, 8 });
}
BENCHMARK("ipc/linux_eventfd/0", eventfd_round_trip, .arg = 0);

static void
futex_round_trip(struct bench *b)
{
	round_trip(b, &(struct kind){ open_futex, send_futex, receive_futex, 0 });
}
BENCHMARK("ipc/linux_futex/0", futex_round_trip, .arg = 0);

/* One operation: 64 bytes written to a pipe and read back by the same thread. */
static void
pipe_self(struct bench *b)
{
	char data[PAYLOAD_MAX] = "payload";
	struct channel c;
	size_t size = (size_t)b->arg;
	bool ok = true;

	if (!bench_check(b, open_pipes(&c, 0), "no pipe")) {
		return;
	}
	bench_loop(b)
	{
		ok &= send_fd(&c, 0, data, size) && receive_fd(&c, 0, data, size);
	}
	bench_check(b, ok && strcmp(data, "payload") == 0, "a write did not come back");
}
BENCHMARK("ipc/linux_pipe_self/64", pipe_self, .arg = 64);

/* ---- semaphores of two threads ---- */

struct pingpong {
	sem_t ping, pong;
	unsigned cpu;
	volatile bool stop; /* written before the ping that makes it seen */
};

static void *
pingpong_peer(void *arg)
{
	struct pingpong *p = arg;

	platform_pin(p->cpu);
	for (;;) {
		sem_wait(&p->ping);
		if (p->stop) {
			return NULL;
		}
		sem_post(&p->pong);
	}
}

/* One operation: a round trip; each of two threads posts once and waits once. */
static void
semaphore_pingpong(struct bench *b)
{
	struct pingpong p = { .cpu = b->worker };
	pthread_t thread;
	int failed = 0;

	sem_init(&p.ping, 0, 0);
	sem_init(&p.pong, 0, 0);
	if (!bench_check(b, pthread_create(&thread, NULL, pingpong_peer, &p) == 0, "no second thread")) {
		return;
	}
	bench_loop(b)
	{
		failed |= sem_post(&p.ping);
		failed |= sem_wait(&p.pong);
	}
	p.stop = true;
	sem_post(&p.ping);
	pthread_join(thread, NULL);
	bench_check(b, failed == 0, "a semaphore call failed");
}
BENCHMARK("ipc/semaphore_pingpong", semaphore_pingpong);
