/*
 * Answers from tables of flavors. See <kern/info.h>.
 */
#include <kern/info.h>

#include <kern/assert.h>
#include <string.h>

static const struct info_flavor *
flavor_find(const struct info_table *table, uint32_t flavor)
{
	for (unsigned i = 0; i < table->it_count; i++) {
		if (table->it_flavors[i].if_flavor == flavor) {
			return &table->it_flavors[i];
		}
	}
	return NULL;
}

/* The words of the latest form that fits; `room` is enough for the oldest. */
static uint32_t
form_words(const struct info_flavor *row, mach_msg_type_number_t room)
{
	uint32_t words = row->if_words[0];

	for (unsigned i = 1; i < INFO_FORMS && row->if_words[i] != 0 && row->if_words[i] <= room; i++) {
		words = row->if_words[i];
	}
	return words;
}

kern_return_t
info_get(const struct info_table *table, uint32_t flavor, void *object, integer_t *out,
    mach_msg_type_number_t *count)
{
	const struct info_flavor *row = flavor_find(table, flavor);
	uint64_t info[INFO_WORDS_MAX * sizeof(integer_t) / sizeof(uint64_t)] = { 0 };
	uint32_t words;
	kern_return_t kr;

	if (row == NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (row->if_fill == NULL) {
		return KERN_NOT_SUPPORTED;
	}
	if (*count < row->if_words[0]) {
		return table->it_too_short;
	}
	words = form_words(row, *count);
	assert(words <= INFO_WORDS_MAX);
	kr = row->if_fill(object, info);
	if (kr == KERN_SUCCESS) {
		memcpy(out, info, words * sizeof(*out));
		*count = words;
	}
	return kr;
}
