/*
 * The part that exc_server and mach_exc_server share; EXC_* say which of the two includes it.
 *
 *	EXC_SERVER  its name              EXC_CODE    type of a code
 *	EXC_BASE    first request id      EXC_RAISE, EXC_RAISE_STATE, EXC_RAISE_STATE_IDENTITY: the program's functions
 */
#include <mach/mig_errors.h>
#include <string.h>

#pragma pack(push, 4)
struct identity {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t thread;
	mach_msg_port_descriptor_t task;
};

struct what {
	NDR_record_t ndr;
	exception_type_t exception;
	mach_msg_type_number_t code_count;
	EXC_CODE code[EXCEPTION_CODE_MAX];
};

struct state {
	int flavor;
	mach_msg_type_number_t count;
	natural_t words[THREAD_STATE_MAX];
};

struct state_reply {
	mig_reply_error_t error;
	struct state state;
};
#pragma pack(pop)

/* A request taken apart; NULL for what its form does not have. */
struct parts {
	const struct identity *identity;
	struct what *what;
	struct state *state;
};

/* False: not of the form that its id promises. */
static bool
take_apart(mach_msg_header_t *request, struct parts *p)
{
	bool identified = request->msgh_id != EXC_BASE + 1, with_state = request->msgh_id != EXC_BASE;
	size_t size = (identified ? sizeof(struct identity) : sizeof(*request)) + sizeof(struct what);
	size_t state_head = offsetof(struct state, words);

	*p = (struct parts){ .identity = identified ? (const struct identity *)request : NULL };
	if (identified != ((request->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0) ||
	    request->msgh_size < size + (with_state ? state_head : 0)) {
		return false;
	}
	if (identified && (p->identity->body.msgh_descriptor_count != 2 ||
			      p->identity->thread.type != MACH_MSG_PORT_DESCRIPTOR ||
			      p->identity->task.type != MACH_MSG_PORT_DESCRIPTOR)) {
		return false;
	}
	p->what = (struct what *)((char *)request + size - sizeof(struct what));
	if (p->what->code_count != EXCEPTION_CODE_MAX) {
		return false;
	}
	p->state = with_state ? (struct state *)((char *)request + size) : NULL;
	return !with_state || (p->state->count <= THREAD_STATE_MAX &&
				  request->msgh_size == size + state_head + 4 * (size_t)p->state->count);
}

static kern_return_t
call(mach_port_t port, const struct parts *p, struct state_reply *reply)
{
	struct what *what = p->what;
	EXC_CODE code[EXCEPTION_CODE_MAX]; /* aligned */
	struct state *out = &reply->state;

	memcpy(code, what->code, sizeof(code));
	if (p->state == NULL) {
		return EXC_RAISE(port, p->identity->thread.name, p->identity->task.name, what->exception,
		    code, what->code_count);
	}
	out->flavor = p->state->flavor;
	out->count = THREAD_STATE_MAX;
	if (p->identity == NULL) {
		return EXC_RAISE_STATE(port, what->exception, code, what->code_count, &out->flavor,
		    p->state->words, p->state->count, out->words, &out->count);
	}
	return EXC_RAISE_STATE_IDENTITY(port, p->identity->thread.name, p->identity->task.name,
	    what->exception, code, what->code_count, &out->flavor, p->state->words, p->state->count,
	    out->words, &out->count);
}

boolean_t
EXC_SERVER(mach_msg_header_t *request, mach_msg_header_t *answer)
{
	struct state_reply *reply = (struct state_reply *)answer;
	struct parts parts;

	*answer = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->msgh_bits), 0),
		.msgh_size = sizeof(reply->error),
		.msgh_remote_port = request->msgh_remote_port,
		.msgh_id = request->msgh_id + 100,
	};
	reply->error.NDR = NDR_record;
	if (request->msgh_id < EXC_BASE || request->msgh_id > EXC_BASE + 2) {
		reply->error.RetCode = MIG_BAD_ID;
		return FALSE;
	}
	if (!take_apart(request, &parts)) {
		reply->error.RetCode = MIG_BAD_ARGUMENTS;
		return TRUE;
	}
	reply->error.RetCode = call(request->msgh_local_port, &parts, reply);
	if (reply->error.RetCode == KERN_SUCCESS && parts.state != NULL) {
		answer->msgh_size += offsetof(struct state, words) + 4 * reply->state.count;
	}
	return TRUE;
}
