/*
 * Codecs of MIG routines whose arguments vary in length: the request is taken, and the reply put, argument
 * after argument. Every take checks what is left; the first failure sticks until mig_cursor_end reports it.
 *
 * On the wire a string is an offset (0), a count that includes the NUL, and the characters; bytes are a count
 * and the bytes; both are padded to four.
 */
#pragma once

#include <ipc/mig_server.h>
#include <string.h>

struct mig_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

OS_INLINE struct mig_cursor
mig_cursor_start(const struct mig_request *rq)
{
	struct mig_cursor cursor = { rq->data, rq->data + rq->data_len, false };

	if (rq->data_len >= sizeof(NDR_record_t)) {
		cursor.at += sizeof(NDR_record_t);
	}
	return cursor;
}

/* `len` bytes and their padding; NULL when the request does not have them. */
OS_INLINE const uint8_t *
mig_take(struct mig_cursor *cursor, uint32_t len)
{
	const uint8_t *at = cursor->at;
	size_t left = (size_t)(cursor->end - at);

	if (cursor->bad || len > left || os_round_up(len, 4U) > left) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += os_round_up(len, 4U);
	return at;
}

OS_INLINE uint32_t
mig_take_word(struct mig_cursor *cursor)
{
	const uint8_t *at = mig_take(cursor, sizeof(uint32_t));
	uint32_t word = 0;

	if (at != NULL) {
		memcpy(&word, at, sizeof(word));
	}
	return word;
}

/* The string where it lies in the request, checked to end there. */
OS_INLINE const char *
mig_take_string(struct mig_cursor *cursor, uint32_t limit)
{
	uint32_t offset = mig_take_word(cursor);
	uint32_t count = mig_take_word(cursor);
	const uint8_t *at;

	if (offset != 0 || count == 0 || count > limit) {
		cursor->bad = true;
		return NULL;
	}
	at = mig_take(cursor, count);
	if (at != NULL && at[count - 1] != '\0') {
		cursor->bad = true;
	}
	return (const char *)at;
}

/* The bytes, whose count has been taken, where they lie in the request. */
OS_INLINE const uint8_t *
mig_take_chars(struct mig_cursor *cursor, uint32_t count, uint32_t limit)
{
	if (count > limit) {
		cursor->bad = true;
	}
	return mig_take(cursor, count);
}

/* False, with the reply's code set, unless everything was there and nothing is left. */
OS_INLINE bool
mig_cursor_end(const struct mig_cursor *cursor, const struct mig_request *rq, struct mig_reply *rp)
{
	bool ok = !cursor->bad && cursor->at == cursor->end && rq->ndesc == 0;

	rp->retcode = ok ? KERN_SUCCESS : MIG_BAD_ARGUMENTS;
	return ok;
}

OS_INLINE void
mig_put_word(struct mig_reply *rp, uint32_t word)
{
	memcpy(rp->data + rp->data_len, &word, sizeof(word));
	rp->data_len += sizeof(word);
}

OS_INLINE void
mig_put_long(struct mig_reply *rp, uint64_t value)
{
	memcpy(rp->data + rp->data_len, &value, sizeof(value));
	rp->data_len += sizeof(value);
}

/* The bytes lie behind the count already; their padding is cleared. */
OS_INLINE void
mig_put_chars(struct mig_reply *rp, uint32_t count)
{
	mig_put_word(rp, count);
	memset(rp->data + rp->data_len + count, 0, os_round_up(count, 4U) - count);
	rp->data_len += os_round_up(count, 4U);
}

/* The string lies behind offset and count already. */
OS_INLINE void
mig_put_string(struct mig_reply *rp, const char *string)
{
	uint32_t count = (uint32_t)strlen(string) + 1;

	mig_put_word(rp, 0);
	mig_put_chars(rp, count);
}
