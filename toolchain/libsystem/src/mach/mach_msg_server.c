/*
 * The loop of a server: receives requests, lets `demux` answer each, sends the answer.
 *
 * An answer that nobody takes is destroyed; a request that was answered
 * with MIG_NO_REPLY was taken over by its server, and one that failed is destroyed with all it carries.
 */
#include <mach/mach.h>
#include <stdlib.h>

struct server {
	boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *);
	mach_msg_size_t bytes; /* of each buffer */
	mach_port_t port;
	mach_msg_options_t options;
	mach_msg_header_t *request, *reply;
};

/* True if there is a reply to send. */
static boolean_t
answer(const struct server *server)
{
	mig_reply_error_t *reply = (mig_reply_error_t *)server->reply;
	boolean_t is_complex;

	(void)server->demux(server->request, server->reply);
	is_complex = (reply->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
	if (!is_complex && reply->RetCode == MIG_NO_REPLY) {
		return FALSE;
	}
	if (!is_complex && reply->RetCode != KERN_SUCCESS) {
		server->request->msgh_remote_port = MACH_PORT_NULL; /* the reply takes it */
		mach_msg_destroy(server->request);
	}
	if (reply->Head.msgh_remote_port == MACH_PORT_NULL) {
		mach_msg_destroy(&reply->Head);
		return FALSE;
	}
	return TRUE;
}

/* A client that does not wait for its reply must not hold up the server. */
static mach_msg_option_t
reply_options(const mach_msg_header_t *reply)
{
	return MACH_MSGH_BITS_REMOTE(reply->msgh_bits) == MACH_MSG_TYPE_MOVE_SEND_ONCE
		   ? MACH_SEND_MSG
		   : MACH_SEND_MSG | MACH_SEND_TIMEOUT;
}

static mach_msg_return_t
send_reply(const struct server *server)
{
	mach_msg_return_t mr = mach_msg(server->reply, reply_options(server->reply), server->reply->msgh_size,
	    0, MACH_PORT_NULL, 0, MACH_PORT_NULL);

	if (mr == MACH_SEND_INVALID_DEST || mr == MACH_SEND_TIMED_OUT) {
		mach_msg_destroy(server->reply);
		return MACH_MSG_SUCCESS;
	}
	return mr;
}

static mach_msg_return_t
serve_one(const struct server *server)
{
	mach_msg_return_t mr = mach_msg(server->request, MACH_RCV_MSG | server->options, 0, server->bytes,
	    server->port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);

	if (mr != MACH_MSG_SUCCESS) {
		return mr;
	}
	return answer(server) ? send_reply(server) : MACH_MSG_SUCCESS;
}

static mach_msg_return_t
serve(struct server *server, boolean_t forever)
{
	mach_msg_return_t mr = KERN_RESOURCE_SHORTAGE;

	server->options &= ~(mach_msg_options_t)(MACH_SEND_MSG | MACH_RCV_MSG);
	server->bytes += MAX_TRAILER_SIZE;
	server->request = malloc(server->bytes);
	server->reply = malloc(server->bytes);
	if (server->request != NULL && server->reply != NULL) {
		do {
			mr = serve_one(server);
		} while (mr == MACH_MSG_SUCCESS && forever);
	}
	free(server->request);
	free(server->reply);
	return mr;
}

mach_msg_return_t
mach_msg_server(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *), mach_msg_size_t max_size,
    mach_port_t rcv_name, mach_msg_options_t options)
{
	struct server server = { .demux = demux, .bytes = max_size, .port = rcv_name, .options = options };

	return serve(&server, TRUE);
}

mach_msg_return_t
mach_msg_server_once(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *), mach_msg_size_t max_size,
    mach_port_t rcv_name, mach_msg_options_t options)
{
	struct server server = { .demux = demux, .bytes = max_size, .port = rcv_name, .options = options };

	return serve(&server, FALSE);
}
