/*
 * Sockets and readiness on Linux.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_BYTES 24

static bool
read_all(int fd, char *data, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, data + got, size - got);

		if (n <= 0) {
			return false;
		}
		got += (size_t)n;
	}
	return true;
}

/* Sends every message back until the other side is gone. */
static _Noreturn void
echo(int fd, unsigned cpu)
{
	char message[MESSAGE_BYTES];
	bool pinned = platform_pin(cpu);

	while (read_all(fd, message, sizeof(message)) &&
	       write(fd, message, sizeof(message)) == sizeof(message)) {}
	_exit(pinned ? 0 : 1);
}

/* One operation: 24 bytes to another process and back over a pair of stream sockets. */
static void
unix_stream_pingpong(struct bench *b)
{
	char message[MESSAGE_BYTES] = "there and back";
	int ends[2], status = -1;
	pid_t peer;
	bool ok = true;

	if (!bench_check(b, socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no sockets")) {
		return;
	}
	peer = fork();
	if (peer == 0) {
		(void)close(ends[0]);
		echo(ends[1], b->worker);
	}
	(void)close(ends[1]);
	while (bench_next(b)) {
		platform_settle();
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			ok &= write(ends[0], message, sizeof(message)) == sizeof(message) &&
			      read_all(ends[0], message, sizeof(message));
		}
		bench_stop(b);
	}
	(void)close(ends[0]);
	bench_check(
	    b, ok && waitpid(peer, &status, 0) == peer && status == 0, "the other process did not answer");
}
BENCHMARK("file/unix_stream_pingpong/24", unix_stream_pingpong, .iterations = 200);

/* One operation: epoll_wait with one descriptor that is ready, and stays so. */
static void
epoll_ready(struct bench *b)
{
	int ends[2] = { -1, -1 }, queue = epoll_create1(0);
	struct epoll_event wanted = { .events = EPOLLIN }, got = { 0 };
	bool ok = pipe(ends) == 0 && write(ends[1], "", 1) == 1 &&
		  epoll_ctl(queue, EPOLL_CTL_ADD, ends[0], &wanted) == 0;

	bench_loop(b)
	{
		ok &= epoll_wait(queue, &got, 1, -1) == 1;
	}
	bench_check(b, ok && (got.events & EPOLLIN) != 0, "the descriptor was not ready");
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(queue);
}
BENCHMARK("file/kevent_ready", epoll_ready);
