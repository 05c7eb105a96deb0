/*
 * Arguments of varying length in a program's MIG stubs: see osfmk/ipc/mig_serial.h for the kernel's side and for
 * their form on the wire.
 */
#pragma once

#include <mach/message.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline void
mig_put_word(uint8_t **put, uint32_t word)
{
	memcpy(*put, &word, sizeof(word));
	*put += sizeof(word);
}

/* False when the string with its NUL is longer than `limit`. */
static inline bool
mig_put_string(uint8_t **put, const char *string, size_t limit)
{
	size_t count = strnlen(string, limit) + 1;

	if (count > limit) {
		return false;
	}
	mig_put_word(put, 0);
	mig_put_word(put, (uint32_t)count);
	memset(*put + (count & ~(size_t)3), 0, 4);
	memcpy(*put, string, count);
	*put += (count + 3) & ~(size_t)3;
	return true;
}

/* False when there are more than `limit`. */
static inline bool
mig_put_chars(uint8_t **put, const void *bytes, uint32_t count, uint32_t limit)
{
	if (count > limit) {
		return false;
	}
	mig_put_word(put, count);
	if (count % 4 != 0) {
		memset(*put + (count & ~3U), 0, 4);
	}
	memcpy(*put, bytes, count);
	*put += (count + 3) & ~3U;
	return true;
}

static inline uint32_t
mig_get_word(const uint8_t **get)
{
	uint32_t word;

	memcpy(&word, *get, sizeof(word));
	*get += sizeof(word);
	return word;
}

static inline uint64_t
mig_get_long(const uint8_t **get)
{
	uint64_t value;

	memcpy(&value, *get, sizeof(value));
	*get += sizeof(value);
	return value;
}

/* False when the reply, which ends at `end`, does not hold what it says, or more than *count. */
static inline bool
mig_get_chars(const uint8_t **get, const uint8_t *end, char *bytes, mach_msg_type_number_t *count)
{
	uint32_t sent;

	if (end - *get < 4) {
		return false;
	}
	sent = mig_get_word(get);
	if (sent > *count || (size_t)(end - *get) < sent) {
		return false;
	}
	memcpy(bytes, *get, sent);
	*get += (sent + 3) & ~3u;
	*count = sent;
	return true;
}

static inline bool
mig_get_string(const uint8_t **get, const uint8_t *end, char *string, uint32_t limit)
{
	mach_msg_type_number_t count = limit;

	if (end - *get < 8) {
		return false;
	}
	(void)mig_get_word(get);
	return mig_get_chars(get, end, string, &count) && count != 0 && string[count - 1] == '\0';
}
