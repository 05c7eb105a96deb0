/*
 * vsnprintf against the C library's, over combinations of flags, widths, precisions and values.
 */
#define snprintf  kern_snprintf
#define vsnprintf kern_vsnprintf
#include "printf.c"
#undef snprintf
#undef vsnprintf

#include <inttypes.h>
#include <limits.h>

extern int snprintf(char *buf, size_t size, const char *fmt, ...);

static unsigned failures;

#pragma clang diagnostic ignored "-Wformat-nonliteral"

/* One format with one argument, through both, into buffers of several sizes. */
#define CHECK(fmt, value)                                                                                  \
	do {                                                                                               \
		for (size_t size = 0; size < 40; size += 13) {                                             \
			char ours[40], theirs[40];                                                         \
			memset(ours, 'z', sizeof(ours));                                                   \
			memset(theirs, 'z', sizeof(theirs));                                               \
			int a = kern_snprintf(ours, size, fmt, value),                                     \
			    b = snprintf(theirs, size, fmt, value);                                        \
			if (a != b || memcmp(ours, theirs, sizeof(ours)) != 0) {                           \
				printf("format \"%s\": %d \"%.39s\", not %d \"%.39s\"\n", fmt, a, ours, b, \
				    theirs);                                                               \
				failures++;                                                                \
			}                                                                                  \
		}                                                                                          \
	} while (0)

static void
check_integers(const char *prefix)
{
	static const int values[] = { 0, 1, -1, 7, 8, -300, 123456, INT_MAX, INT_MIN };
	static const int64_t longs[] = { 0, -1, INT64_MAX, INT64_MIN, 0x123456789abcdef };
	char fmt[32];

	for (const char *c = "diouxX"; *c != '\0'; c++) {
		for (unsigned i = 0; i < os_countof(values); i++) {
			snprintf(fmt, sizeof(fmt), "%s%c", prefix, *c);
			CHECK(fmt, values[i]);
			snprintf(fmt, sizeof(fmt), "%shh%c", prefix, *c);
			CHECK(fmt, values[i]);
			snprintf(fmt, sizeof(fmt), "%sh%c", prefix, *c);
			CHECK(fmt, values[i]);
		}
		for (unsigned i = 0; i < os_countof(longs); i++) {
			snprintf(fmt, sizeof(fmt), "%sll%c", prefix, *c);
			CHECK(fmt, longs[i]);
			snprintf(fmt, sizeof(fmt), "%sz%c", prefix, *c);
			CHECK(fmt, longs[i]);
		}
	}
}

static void
check_strings(void)
{
	static const char *const formats[] = { "%s", "%10s", "%-10s|", "%.3s", "%10.0s", "a%%b%s", "%-2s" };

	for (unsigned i = 0; i < os_countof(formats); i++) {
		CHECK(formats[i], "hello");
		CHECK(formats[i], "");
	}
	CHECK("%c", 'x');
	CHECK("%3c", 'x');
	CHECK("%-3c|", 'x');
	CHECK("%p", (void *)0x1234);
}

int
main(void)
{
	static const char *const flags[] = { "", "-", "0", "+", " ", "#", "0+", "-+", "-0", "#0" };
	static const char *const sizes[] = { "", "1", "12", ".0", ".5", "9.4", "3.7" };
	char prefix[16], text[32];

	for (unsigned i = 0; i < os_countof(flags); i++) {
		for (unsigned j = 0; j < os_countof(sizes); j++) {
			snprintf(prefix, sizeof(prefix), "%%%s%s", flags[i], sizes[j]);
			check_integers(prefix);
		}
	}
	check_strings();
	if (kern_snprintf(text, sizeof(text), "%*d|%-*d|%.*s", 4, 1, 3, 2, 2, "abc") != 11 ||
	    strcmp(text, "   1|2  |ab") != 0) {
		failures++;
	}
	if (kern_snprintf(text, sizeof(text), "%s", (const char *)NULL) != 6) {
		failures++;
	}
	return failures == 0 ? 0 : 1;
}
