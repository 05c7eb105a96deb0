/*
 * What Linux offers where Pluot has Mach messages: a round trip of a payload between two processes over each kind of
 * channel (channel_linux.h), in the sizes of ipc/rpc_inline.
 */
#include "channel_linux.h"

#include <harness/bench.h>
#include <harness/platform.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The bytes of a message each way. */
struct sizes {
	size_t request, reply;
};

/* The client's; a child has a copy of its own. On whole pages, as a program that cares would have it. */
static _Alignas(4096) char payload[CHANNEL_PAYLOAD_MAX] = "payload";

/* Answers every request until one comes after `stop`. */
static _Noreturn void
serve(
    const struct channel_kind *kind, struct channel *c, struct sizes sizes, unsigned cpu, _Atomic bool *stop)
{
	bool ok = platform_pin(cpu);

	while (ok && kind->receive(c, 0, payload, sizes.request) &&
	       !atomic_load_explicit(stop, memory_order_relaxed)) {
		ok = kind->send(c, 1, payload, sizes.reply);
	}
	_exit(ok ? 0 : 1);
}

static bool
ended_well(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
call(const struct channel_kind *kind, struct channel *c, struct sizes sizes)
{
	return kind->send(c, 0, payload, sizes.request) && kind->receive(c, 1, payload, sizes.reply);
}

/* One operation: a request to a process that waits on `cpu`, and its reply. */
static void
measure(struct bench *b, const struct channel_kind *kind, struct sizes sizes, unsigned cpu)
{
	_Atomic bool *stop = platform_shared(PLATFORM_UNIT);
	struct channel c;
	bool ok = true;
	pid_t pid;

	if (!bench_check(b, stop != NULL && kind->open(&c, sizes.request), "no channel")) {
		return;
	}
	pid = fork();
	if (pid == 0) {
		serve(kind, &c, sizes, cpu, stop);
	}
	while (bench_next(b)) {
		platform_settle();
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			ok &= call(kind, &c, sizes);
		}
		bench_stop(b);
	}
	atomic_store_explicit(stop, true, memory_order_relaxed);
	ok &= kind->send(&c, 0, payload, sizes.request);
	bench_check(b, ok && strcmp(payload, "payload") == 0, "a message did not come back");
	bench_check(b, pid > 0 && ended_well(pid), "the server ended badly");
}

static size_t
at_least(size_t size, size_t least)
{
	return size > least ? size : least;
}

/* One operation: b->arg bytes there and back, both processes on one CPU. */
static void
round_trip(struct bench *b, const struct channel_kind *kind)
{
	size_t size = at_least((size_t)b->arg, kind->least);

	measure(b, kind, (struct sizes){ size, size }, b->worker);
}

/* One operation: the same between two CPUs; the work of both counts. */
static void
cross_cpu(struct bench *b, const struct channel_kind *kind)
{
	size_t size = at_least((size_t)b->arg, kind->least);

	measure(b, kind, (struct sizes){ size, size }, 1);
}

/* One operation: b->arg bytes there, and as little as can be back; what ipc/rpc_ool does. */
static void
bulk(struct bench *b, const struct channel_kind *kind)
{
	measure(b, kind, (struct sizes){ (size_t)b->arg, kind->least }, b->worker);
}

/* One operation: b->arg bytes sent and received by the same thread. */
static void
self(struct bench *b, const struct channel_kind *kind)
{
	size_t size = (size_t)b->arg;
	struct channel c;
	bool ok = true;

	if (!bench_check(b, kind->open(&c, size), "no channel")) {
		return;
	}
	bench_loop(b)
	{
		ok &= kind->send(&c, 0, payload, size) && kind->receive(&c, 0, payload, size);
	}
	bench_check(b, ok && strcmp(payload, "payload") == 0, "a message did not come back");
}

/* ---- pipe ---- */

static void
pipe_round_trip(struct bench *b)
{
	round_trip(b, &channel_pipe);
}
BENCHMARK("ipc/linux_pipe/0", pipe_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_pipe/64", pipe_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_pipe/1024", pipe_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_pipe/4096", pipe_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_pipe/65536", pipe_round_trip, .arg = 65536, .iterations = 50);
BENCHMARK("scale/rpc_pairs", pipe_round_trip, .arg = 64, .cpus = 2, .workers = true);

static void
pipe_bulk(struct bench *b)
{
	bulk(b, &channel_pipe);
}
BENCHMARK("ipc/linux_bulk_pipe/65536", pipe_bulk, .arg = 65536, .iterations = 50);

static void
pipe_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_pipe);
}
BENCHMARK("ipc/linux_cross_cpu_pipe/0", pipe_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

static void
pipe_self(struct bench *b)
{
	self(b, &channel_pipe);
}
BENCHMARK("ipc/linux_self_pipe/64", pipe_self, .arg = 64);

/* ---- stream ---- */

static void
stream_round_trip(struct bench *b)
{
	round_trip(b, &channel_stream);
}
BENCHMARK("ipc/linux_stream/0", stream_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_stream/64", stream_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_stream/1024", stream_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_stream/4096", stream_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_stream/65536", stream_round_trip, .arg = 65536, .iterations = 50);

static void
stream_bulk(struct bench *b)
{
	bulk(b, &channel_stream);
}
BENCHMARK("ipc/linux_bulk_stream/65536", stream_bulk, .arg = 65536, .iterations = 50);

static void
stream_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_stream);
}
BENCHMARK("ipc/linux_cross_cpu_stream/0", stream_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

/* ---- dgram ---- */

static void
dgram_round_trip(struct bench *b)
{
	round_trip(b, &channel_dgram);
}
BENCHMARK("ipc/linux_dgram/0", dgram_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_dgram/64", dgram_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_dgram/1024", dgram_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_dgram/4096", dgram_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_dgram/65536", dgram_round_trip, .arg = 65536, .iterations = 50);

static void
dgram_bulk(struct bench *b)
{
	bulk(b, &channel_dgram);
}
BENCHMARK("ipc/linux_bulk_dgram/65536", dgram_bulk, .arg = 65536, .iterations = 50);

static void
dgram_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_dgram);
}
BENCHMARK("ipc/linux_cross_cpu_dgram/0", dgram_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

static void
dgram_self(struct bench *b)
{
	self(b, &channel_dgram);
}
BENCHMARK("ipc/linux_self_dgram/64", dgram_self, .arg = 64);

/* ---- seqpacket ---- */

static void
seqpacket_round_trip(struct bench *b)
{
	round_trip(b, &channel_seqpacket);
}
BENCHMARK("ipc/linux_seqpacket/0", seqpacket_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_seqpacket/64", seqpacket_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_seqpacket/1024", seqpacket_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_seqpacket/4096", seqpacket_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_seqpacket/65536", seqpacket_round_trip, .arg = 65536, .iterations = 50);

static void
seqpacket_bulk(struct bench *b)
{
	bulk(b, &channel_seqpacket);
}
BENCHMARK("ipc/linux_bulk_seqpacket/65536", seqpacket_bulk, .arg = 65536, .iterations = 50);

static void
seqpacket_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_seqpacket);
}
BENCHMARK("ipc/linux_cross_cpu_seqpacket/0", seqpacket_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

/* ---- mq ---- */

static void
mq_round_trip(struct bench *b)
{
	round_trip(b, &channel_queue);
}
BENCHMARK("ipc/linux_mq/0", mq_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_mq/64", mq_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_mq/1024", mq_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_mq/4096", mq_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_mq/65536", mq_round_trip, .arg = 65536, .iterations = 50);

static void
mq_bulk(struct bench *b)
{
	bulk(b, &channel_queue);
}
BENCHMARK("ipc/linux_bulk_mq/65536", mq_bulk, .arg = 65536, .iterations = 50);

static void
mq_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_queue);
}
BENCHMARK("ipc/linux_cross_cpu_mq/0", mq_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

static void
mq_self(struct bench *b)
{
	self(b, &channel_queue);
}
BENCHMARK("ipc/linux_self_mq/64", mq_self, .arg = 64);

/* ---- eventfd ---- */

static void
eventfd_round_trip(struct bench *b)
{
	round_trip(b, &channel_eventfd);
}
BENCHMARK("ipc/linux_eventfd/0", eventfd_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_eventfd/64", eventfd_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_eventfd/1024", eventfd_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_eventfd/4096", eventfd_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_eventfd/65536", eventfd_round_trip, .arg = 65536, .iterations = 50);

static void
eventfd_bulk(struct bench *b)
{
	bulk(b, &channel_eventfd);
}
BENCHMARK("ipc/linux_bulk_eventfd/65536", eventfd_bulk, .arg = 65536, .iterations = 50);

static void
eventfd_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_eventfd);
}
BENCHMARK("ipc/linux_cross_cpu_eventfd/0", eventfd_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

/* ---- futex ---- */

static void
futex_round_trip(struct bench *b)
{
	round_trip(b, &channel_futex);
}
BENCHMARK("ipc/linux_futex/0", futex_round_trip, .arg = 0, .iterations = 200);
BENCHMARK("ipc/linux_futex/64", futex_round_trip, .arg = 64, .iterations = 200);
BENCHMARK("ipc/linux_futex/1024", futex_round_trip, .arg = 1024, .iterations = 200);
BENCHMARK("ipc/linux_futex/4096", futex_round_trip, .arg = 4096, .iterations = 200);
BENCHMARK("ipc/linux_futex/65536", futex_round_trip, .arg = 65536, .iterations = 50);

static void
futex_bulk(struct bench *b)
{
	bulk(b, &channel_futex);
}
BENCHMARK("ipc/linux_bulk_futex/65536", futex_bulk, .arg = 65536, .iterations = 50);

static void
futex_cross_cpu(struct bench *b)
{
	cross_cpu(b, &channel_futex);
}
BENCHMARK("ipc/linux_cross_cpu_futex/0", futex_cross_cpu, .arg = 0, .cpus = 2, .iterations = 200);

/* ---- ends of a channel that come and go ---- */

/* One operation: a pipe made and closed. */
static void
pipe_lifecycle(struct bench *b)
{
	bool ok = true;
	int ends[2];

	bench_loop(b)
	{
		ok &= pipe(ends) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0;
	}
	bench_check(b, ok, "a pipe was not made or not closed");
}
BENCHMARK("ipc/linux_lifecycle_pipe", pipe_lifecycle);

/* One operation: an eventfd made and closed. */
static void
eventfd_lifecycle(struct bench *b)
{
	bool ok = true;

	bench_loop(b)
	{
		int fd = eventfd(0, 0);

		ok &= fd >= 0 && close(fd) == 0;
	}
	bench_check(b, ok, "an eventfd was not made or not closed");
}
BENCHMARK("ipc/linux_lifecycle_eventfd", eventfd_lifecycle);
