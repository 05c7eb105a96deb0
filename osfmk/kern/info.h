/*
 * Tables of flavors: what the *_info and *_statistics calls answer with.
 *
 * A flavor's structure may have grown over time, always at its end. The caller gets the latest form that fits the room it
 * offers, all of it, and is told its size: more room than there is to tell changes nothing, less than the oldest form is
 * an error. A structure is put together in a zeroed buffer of the caller's stack and copied out whole, since a reply's
 * words are only four-byte aligned; nothing behind it is written.
 *
 * A flavor whose counts are not kept here is in its table without a function: the answer is KERN_NOT_SUPPORTED, never
 * zeros that would pass for counts. One that is in no table is KERN_INVALID_ARGUMENT.
 */
#pragma once

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/vm_types.h>
#include <os/base.h>

#define INFO_FORMS     4
#define INFO_WORDS_MAX 96 /* of the largest structure */

struct info_flavor {
	uint32_t if_flavor;
	uint8_t if_words[INFO_FORMS]; /* sizes of its forms, the oldest first; 0 behind the last */
	/* Fills the latest form. `object` is the call's; alignment as of uint64_t. NULL: not kept here. */
	kern_return_t (*if_fill)(void *object, void *info);
};

struct info_table {
	const struct info_flavor *it_flavors;
	unsigned it_count;
	kern_return_t it_too_short; /* the error for less room than the oldest form takes */
};

#define INFO_TABLE(flavors, too_short) \
	{ .it_flavors = (flavors), .it_count = os_countof(flavors), .it_too_short = (too_short) }

/* *count: words of room in `out`, then words that were told. A failure changes neither. May block. */
kern_return_t info_get(const struct info_table *table, uint32_t flavor, void *object, integer_t *out,
    mach_msg_type_number_t *count);
