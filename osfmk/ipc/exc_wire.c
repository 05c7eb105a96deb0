/*
 * See exc_wire.h. Layouts as MIG has them for exc.defs and mach_exc.defs: packed to four bytes, arrays as a count and
 * their elements.
 */
#include <ipc/exc_wire.h>

#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/thread.h>
#include <mach/ndr.h>
#include <string.h>

#define EXC_BASE      2401
#define MACH_EXC_BASE 2405

/* Bytes in front of an answer's flavor, of its state. */
#define EXC_ANSWER_BARE  ((uint32_t)offsetof(struct exc_answer, flavor))
#define EXC_ANSWER_STATE ((uint32_t)offsetof(struct exc_answer, state))

static_assert(offsetof(struct exc_answer, flavor) == 36, "mig_reply_error_t");

uint32_t
exc_request_size(const struct exception_action *action)
{
	uint32_t size = sizeof(mach_msg_header_t) + sizeof(NDR_record_t) + 2 * sizeof(uint32_t);

	size += EXCEPTION_CODE_MAX * (exc_tells_wide_codes(action) ? sizeof(int64_t) : sizeof(int32_t));
	if (exc_request_ports(action) != 0) {
		size +=
		    sizeof(mach_msg_body_t) + exc_request_ports(action) * sizeof(mach_msg_port_descriptor_t);
	}
	if (exc_tells_token(action)) {
		size += sizeof(uint64_t);
	}
	if (exc_tells_state(action)) {
		size += 2 * sizeof(uint32_t) + 4 * machine_thread_state_words(action->flavor);
	}
	return size;
}

mach_msg_id_t
exc_request_id(const struct exception_action *action)
{
	mach_msg_id_t base = exc_tells_wide_codes(action) ? MACH_EXC_BASE : EXC_BASE;

	/* Between the two forms with a token lies one with a backtrace. */
	return base + (mach_msg_id_t)(exc_form(action) - EXCEPTION_DEFAULT) +
	       (exc_form(action) == EXCEPTION_STATE_IDENTITY_PROTECTED);
}

OS_INLINE uint8_t *
put(uint8_t *at, const void *data, size_t size)
{
	__builtin_memcpy(at, data, size);
	return at + size;
}

OS_INLINE uint8_t *
put_word(uint8_t *at, uint32_t word)
{
	return put(at, &word, sizeof(word));
}

static uint8_t *
put_ports(uint8_t *at, uint32_t count)
{
	const mach_msg_port_descriptor_t port = { .type = MACH_MSG_PORT_DESCRIPTOR };

	at = put_word(at, count);
	while (count-- > 0) {
		at = put(at, &port, sizeof(port));
	}
	return at;
}

static uint8_t *
put_state(uint8_t *at, thread_t self, thread_state_flavor_t flavor)
{
	uint32_t count = machine_thread_state_words(flavor);
	kern_return_t kr;

	at = put_word(at, (uint32_t)flavor);
	at = put_word(at, count);
	kr = machine_thread_get_state(self, flavor, (uint32_t *)(void *)at, &count);
	assert(kr == KERN_SUCCESS);
	(void)kr;
	return at + 4 * count;
}

void
exc_request_write(thread_t self, const struct exception_action *action, void *message)
{
	static const NDR_record_t ndr = NDR_RECORD_INIT;
	const struct exception_state *exception = &self->ipc.ith_exception;
	uint8_t *at = (uint8_t *)message + sizeof(mach_msg_header_t);

	if (exc_request_ports(action) != 0) {
		at = put_ports(at, exc_request_ports(action));
	}
	at = put(at, &ndr, sizeof(ndr));
	if (exc_tells_token(action)) {
		at = put(at, &self->thread_id, sizeof(self->thread_id));
	}
	at = put_word(at, exception->type);
	at = put_word(at, EXCEPTION_CODE_MAX);
	if (exc_tells_wide_codes(action)) {
		at = put(at, exception->code, sizeof(exception->code));
	} else {
		at = put_word(at, (uint32_t)exception->code[0]);
		at = put_word(at, (uint32_t)exception->code[1]);
	}
	if (exc_tells_state(action)) {
		(void)put_state(at, self, action->flavor);
	}
}

bool
exc_answer_accepts(thread_t thread, const struct exc_answer *answer, uint32_t size, mach_msg_id_t id)
{
	if (size < EXC_ANSWER_BARE || answer->retcode != KERN_SUCCESS ||
	    id != thread->ipc.ith_exception.reply_id) {
		return false;
	}
	if (!thread->ipc.ith_exception.carries_state) {
		return size == EXC_ANSWER_BARE;
	}
	return size >= EXC_ANSWER_STATE && answer->count <= ARM_NEON_STATE64_COUNT &&
	       size == EXC_ANSWER_STATE + 4 * answer->count;
}

bool
exc_answer_apply(thread_t thread, const struct exc_answer *answer)
{
	return !thread->ipc.ith_exception.carries_state ||
	       machine_thread_set_state(thread, answer->flavor, answer->state, answer->count) == KERN_SUCCESS;
}
