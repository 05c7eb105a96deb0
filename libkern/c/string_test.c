/*
 * The string functions against the C library's, under the sanitizers.
 */
#include <os/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* string.c again, under other names: its own includes of <string.h> are spent by now. */
#define memcmp  kern_memcmp
#define memchr  kern_memchr
#define strlen  kern_strlen
#define strnlen kern_strnlen
#define strcmp  kern_strcmp
#define strncmp kern_strncmp
#define strchr  kern_strchr
#define strrchr kern_strrchr
#define strstr  kern_strstr
#define strlcpy kern_strlcpy
#define strlcat kern_strlcat
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#include "string.c"
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strstr

static unsigned failures;

#define CHECK(cond) ((cond) ? (void)0 : (void)(failures++, printf("line %d: %s\n", __LINE__, #cond)))

static int
sign(int value)
{
	return (value > 0) - (value < 0);
}

static void
check_pair(const char *a, const char *b)
{
	CHECK(kern_strlen(a) == strlen(a));
	CHECK(sign(kern_strcmp(a, b)) == sign(strcmp(a, b)));
	CHECK(kern_strstr(a, b) == strstr(a, b));
	for (size_t n = 0; n < 8; n++) {
		CHECK(kern_strnlen(a, n) == strnlen(a, n));
		CHECK(sign(kern_strncmp(a, b, n)) == sign(strncmp(a, b, n)));
	}
	for (int c = 0; c < 256; c++) {
		CHECK(kern_strchr(a, c) == strchr(a, c));
		CHECK(kern_strrchr(a, c) == strrchr(a, c));
		CHECK(kern_memchr(a, c, strlen(a)) == memchr(a, c, strlen(a)));
	}
}

static void
check_bounded_copies(void)
{
	char buf[8];

	CHECK(kern_strlcpy(buf, "abc", sizeof(buf)) == 3 && strcmp(buf, "abc") == 0);
	CHECK(kern_strlcat(buf, "defgh", sizeof(buf)) == 8 && strcmp(buf, "abcdefg") == 0);
	CHECK(kern_strlcpy(buf, "0123456789", sizeof(buf)) == 10 && strcmp(buf, "0123456") == 0);
	CHECK(kern_strlcpy(buf, "x", 0) == 1 && buf[0] == '0');
	CHECK(kern_strlcat(buf, "x", 0) == 1);
}

/* Exact allocations, so that a read past the end is seen. */
static void
check_memcmp(void)
{
	for (size_t n = 0; n < 40; n++) {
		unsigned char *a = malloc(n), *b = malloc(n);

		for (size_t i = 0; i < n; i++) {
			a[i] = b[i] = (unsigned char)rand();
		}
		CHECK(kern_memcmp(a, b, n) == 0);
		for (size_t i = 0; i < n; i++) {
			b[i] ^= (unsigned char)(1 + rand() % 255);
			CHECK(sign(kern_memcmp(a, b, n)) == sign(memcmp(a, b, n)));
			b[i] = a[i];
		}
		free(a);
		free(b);
	}
}

int
main(void)
{
	static const char *const words[] = { "", "a", "ab", "abc", "b", "bab", "ababac", "\xff", "abac" };

	for (unsigned i = 0; i < os_countof(words); i++) {
		for (unsigned j = 0; j < os_countof(words); j++) {
			check_pair(words[i], words[j]);
		}
	}
	check_bounded_copies();
	check_memcmp();
	return failures == 0 ? 0 : 1;
}
