/*
 * Pipes, UNIX sockets, POSIX queues, eventfd and futex as channels; see channel_linux.h.
 */
#include "channel_linux.h"

#include <harness/platform.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what reads and writes a stream of bytes, or whole messages ---- */

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

static bool
open_pipes(struct channel *c, size_t largest)
{
	(void)largest;
	return pipe(c->fds[0]) == 0 && pipe(c->fds[1]) == 0;
}

const struct channel_kind channel_pipe = { open_pipes, send_fd, receive_fd, 1 };

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
open_stream(struct channel *c, size_t largest)
{
	(void)largest;
	return open_sockets(c, SOCK_STREAM);
}

static bool
open_dgram(struct channel *c, size_t largest)
{
	(void)largest;
	return open_sockets(c, SOCK_DGRAM);
}

static bool
open_seqpacket(struct channel *c, size_t largest)
{
	(void)largest;
	return open_sockets(c, SOCK_SEQPACKET);
}

const struct channel_kind channel_stream = { open_stream, send_fd, receive_fd, 1 };
const struct channel_kind channel_dgram = { open_dgram, send_fd, receive_fd, 1 };
const struct channel_kind channel_seqpacket = { open_seqpacket, send_fd, receive_fd, 1 };

/* ---- POSIX queues: the descriptor is a queue's ---- */

static bool
open_queues(struct channel *c, size_t largest)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = (long)largest };
	static const char *const names[2] = { "/bench-there", "/bench-back" };

	for (int way = 0; way < 2; way++) {
		c->fds[way][0] = c->fds[way][1] = mq_open(names[way], O_RDWR | O_CREAT, 0600, &attr);
		mq_unlink(names[way]);
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
	return mq_receive(c->fds[way][0], data, CHANNEL_PAYLOAD_MAX, NULL) == (ssize_t)size;
}

const struct channel_kind channel_queue = { open_queues, send_queue, receive_queue, 1 };

/* ---- shared memory, and something that wakes ---- */

/* A message of no bytes has nothing to copy: not even a call. */
static void
copy(char *to, const char *from, size_t size)
{
	if (size != 0) {
		memcpy(to, from, size);
	}
}

static bool
open_mailbox(struct channel *c)
{
	c->mailbox = platform_shared(2 * sizeof(*c->mailbox));
	return c->mailbox != NULL;
}

static bool
open_eventfd(struct channel *c, size_t largest)
{
	(void)largest;
	for (int way = 0; way < 2; way++) {
		c->fds[way][0] = c->fds[way][1] = eventfd(0, 0);
	}
	return c->fds[0][0] >= 0 && c->fds[1][0] >= 0 && open_mailbox(c);
}

static bool
send_event(struct channel *c, int way, const char *data, size_t size)
{
	uint64_t one = 1;

	copy(c->mailbox[way].data, data, size);
	return write(c->fds[way][1], &one, sizeof(one)) == sizeof(one);
}

static bool
receive_event(struct channel *c, int way, char *data, size_t size)
{
	uint64_t count;
	bool ok = read(c->fds[way][0], &count, sizeof(count)) == sizeof(count);

	copy(data, c->mailbox[way].data, size);
	return ok;
}

const struct channel_kind channel_eventfd = { open_eventfd, send_event, receive_event, 0 };

static long
futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static bool
open_futex(struct channel *c, size_t largest)
{
	(void)largest;
	return open_mailbox(c);
}

static bool
send_futex(struct channel *c, int way, const char *data, size_t size)
{
	copy(c->mailbox[way].data, data, size);
	/* [F1] the payload before the word */
	atomic_store_explicit(&c->mailbox[way].full, 1, memory_order_release);
	return futex(&c->mailbox[way].full, FUTEX_WAKE, 1) >= 0;
}

static bool
receive_futex(struct channel *c, int way, char *data, size_t size)
{
	/* pairs with [F1] */
	while (atomic_exchange_explicit(&c->mailbox[way].full, 0, memory_order_acquire) == 0) {
		futex(&c->mailbox[way].full, FUTEX_WAIT, 0);
	}
	copy(data, c->mailbox[way].data, size);
	return true;
}

const struct channel_kind channel_futex = { open_futex, send_futex, receive_futex, 0 };
