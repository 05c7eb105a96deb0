/*
 * The wire form of exception messages, and what of an answer counts. Shared by the general and the direct way.
 */
#pragma once

#include <ipc/exc_actions.h>
#include <kern/kern_types.h>
#include <mach/message.h>
#include <mach/ndr.h>

/* What an action asks to be told. */
OS_INLINE uint32_t
exc_form(const struct exception_action *action)
{
	return (uint32_t)action->behavior & ~MACH_EXCEPTION_MASK;
}

/* The ports of thread and task. */
OS_INLINE bool
exc_tells_identity(const struct exception_action *action)
{
	return exc_form(action) == EXCEPTION_DEFAULT || exc_form(action) == EXCEPTION_STATE_IDENTITY;
}

/* The thread's id and a token for the task, which give no power over them. */
OS_INLINE bool
exc_tells_token(const struct exception_action *action)
{
	return exc_form(action) >= EXCEPTION_IDENTITY_PROTECTED;
}

OS_INLINE bool
exc_tells_state(const struct exception_action *action)
{
	return exc_form(action) != EXCEPTION_DEFAULT && exc_form(action) != EXCEPTION_IDENTITY_PROTECTED;
}

/* Descriptors of the request. */
OS_INLINE uint32_t
exc_request_ports(const struct exception_action *action)
{
	return exc_tells_identity(action) ? 2 : exc_tells_token(action) ? 1 : 0;
}

OS_INLINE bool
exc_tells_wide_codes(const struct exception_action *action)
{
	return ((uint32_t)action->behavior & MACH_EXCEPTION_CODES) != 0;
}

/* The longest request: both ports (a token and an id take less), 64-bit codes, vector registers. */
#define EXC_REQUEST_MAX                                                                  \
	((uint32_t)(sizeof(mach_msg_base_t) + 2 * sizeof(mach_msg_port_descriptor_t) +   \
		    sizeof(NDR_record_t) + 2 * sizeof(uint32_t) + 2 * sizeof(uint64_t) + \
		    2 * sizeof(uint32_t) + ARM_NEON_STATE64_COUNT * sizeof(uint32_t)))

/* An answer with a state; one without ends at `flavor`. */
#pragma pack(push, 4)
struct exc_answer {
	mach_msg_header_t header;
	NDR_record_t ndr;
	kern_return_t retcode;
	thread_state_flavor_t flavor;
	mach_msg_type_number_t count;
	natural_t state[ARM_NEON_STATE64_COUNT];
};
#pragma pack(pop)

/* Bytes of the request. */
uint32_t exc_request_size(const struct exception_action *action);

/* Its id; the answer's is 100 more. */
mach_msg_id_t exc_request_id(const struct exception_action *action);

/*
 * Writes what follows the header (descriptors without their rights, NDR, exception, codes, state) behind `message`'s
 * header, which stays untouched.
 */
void exc_request_write(thread_t self, const struct exception_action *action, void *message);

/* Whether `size` bytes are an answer to what the thread waits for, that says "go on". */
bool exc_answer_accepts(thread_t thread, const struct exc_answer *answer, uint32_t size, mach_msg_id_t id);

/* Gives the stopped or current thread the answer's state; false if it is none that a program may have. */
bool exc_answer_apply(thread_t thread, const struct exc_answer *answer);
