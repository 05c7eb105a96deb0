/*
 * What Linux offers where Pluot has Mach messages: ways to get bytes from one process to another and back. Each is a
 * few functions over one structure, so that the rows of ipc_linux.c are the same code for all of them.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_PAYLOAD_MAX 65536

/* Memory of one direction that both processes see, where descriptors carry no payload. */
struct channel_mailbox {
	_Alignas(64) _Atomic uint32_t full; /* futex: 1 when something was sent */
	_Alignas(64) char data[CHANNEL_PAYLOAD_MAX];
};

/* Two directions: 0 from client to server, 1 back. */
struct channel {
	int fds[2][2];                   /* read end, write end */
	struct channel_mailbox *mailbox; /* two of them */
};

struct channel_kind {
	bool (*open)(struct channel *c, size_t largest);
	bool (*send)(struct channel *c, int way, const char *data, size_t size);
	bool (*receive)(struct channel *c, int way, char *data, size_t size);
	size_t least; /* bytes: what carries nothing at all would not arrive */
};

extern const struct channel_kind channel_pipe, channel_stream, channel_dgram, channel_seqpacket,
    channel_queue;

/* A word or a counter that wakes the other side; the payload is copied into shared memory and out of it. */
extern const struct channel_kind channel_eventfd, channel_futex;
