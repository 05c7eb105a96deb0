/* The C library's portable part: strings, numbers, formatting, sorting, the environment, jumps. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

static bool formats_to(const char *expected, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
formats_to(const char *expected, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (strcmp(text, expected) != 0) {
		printf("# got '%s', expected '%s'\n", text, expected);
		return false;
	}
	return true;
}

TEST(printf_integers)
{
	EXPECT(formats_to("-5 5 005   5|5   |+5", "%d %u %03d %3d|%-4d|%+d", -5, 5U, 5, 5, 5, 5));
	EXPECT(formats_to("ff FF 0xff 377 ff", "%x %X %#x %o %hhx", 255, 255, 255, 255, 255));
	EXPECT(formats_to("-9223372036854775808", "%" PRId64, INT64_MIN));
	EXPECT(formats_to("18446744073709551615", "%llu", ULLONG_MAX));
	EXPECT(formats_to("12345678901 7", "%zu %jd", (size_t)12345678901, (intmax_t)7));
}

TEST(printf_strings_and_pointers)
{
	EXPECT(formats_to("[abc] [  abc] [abc  ] [ab] [c]", "[%s] [%5s] [%-5s] [%.2s] [%c]", "abc", "abc",
	    "abc", "abc", 'c'));
	EXPECT(formats_to("0x1234", "%p", (void *)0x1234));
	EXPECT(formats_to("100%", "%d%%", 100));
	EXPECT(formats_to("   7 ab", "%*d %.*s", 4, 7, 2, "abc"));
}

TEST(printf_floating_point)
{
	EXPECT(formats_to("3.14 1e+10 0.0001 1e-05", "%.2f %g %g %g", 3.14159, 1e10, 1e-4, 1e-5));
	EXPECT(formats_to("0.1000000000000000055511", "%.22f", 0.1));
	EXPECT(formats_to("inf -inf nan", "%f %f %f", __builtin_inf(), -__builtin_inf(), __builtin_nan("")));
	EXPECT(formats_to("1.500000e+00 0x1.8p+0", "%e %a", 1.5, 1.5));
	EXPECT(formats_to("123456789.125", "%.3f", 123456789.125));
}

TEST(snprintf_says_what_it_needs)
{
	char text[4] = "zzz";

	EXPECT_EQ(snprintf(text, sizeof(text), "%d", 123456), 6);
	EXPECT_EQ(strcmp(text, "123"), 0);
	EXPECT_EQ(snprintf(NULL, 0, "%s", "four"), 4);
}

TEST(asprintf_allocates)
{
	char *text = NULL;

	EXPECT_EQ(asprintf(&text, "%s-%d", "x", 9), 3);
	REQUIRE(text != NULL);
	EXPECT_EQ(strcmp(text, "x-9"), 0);
	free(text);
}

TEST(sscanf_reads_back)
{
	int a = 0, b = 0;
	double d = 0;
	char word[8] = "";

	EXPECT_EQ(sscanf("12 0x1f 2.5 word", "%d %i %lf %7s", &a, &b, &d, word), 4);
	EXPECT_EQ(a, 12);
	EXPECT_EQ(b, 31);
	EXPECT(d == 2.5);
	EXPECT_EQ(strcmp(word, "word"), 0);
}

TEST(strtol_family)
{
	char *end;

	EXPECT_EQ(strtol("  -42x", &end, 10), -42);
	EXPECT_EQ(*end, 'x');
	EXPECT_EQ(strtoul("ff", NULL, 16), 255);
	EXPECT_EQ(strtoull("0xfffffffffffffff0", NULL, 0), 0xfffffffffffffff0);
	errno = 0;
	EXPECT_EQ(strtol("99999999999999999999", NULL, 10), LONG_MAX);
	EXPECT_EQ(errno, ERANGE);
	EXPECT_EQ(strtol("z", &end, 36), 35);
	EXPECT_EQ(atoi("17abc"), 17);
}

TEST(strtod_is_exact)
{
	char *end;

	EXPECT(strtod("0.1", NULL) == 0.1);
	EXPECT(strtod("1.7976931348623157e308", NULL) == 1.7976931348623157e308);
	EXPECT(strtod("2.2250738585072014e-308", NULL) == 2.2250738585072014e-308);
	EXPECT(strtod("0x1.8p1z", &end) == 3.0);
	EXPECT_EQ(*end, 'z');
	EXPECT(strtod("1e400", NULL) == __builtin_inf());
}

static int
compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

TEST(qsort_sorts_and_bsearch_finds)
{
	enum { COUNT = 1000 };
	static int numbers[COUNT];
	unsigned seed = 7;
	int key;

	for (int i = 0; i < COUNT; i++) {
		numbers[i] = rand_r(&seed) % 500;
	}
	key = numbers[500];
	qsort(numbers, COUNT, sizeof(numbers[0]), compare_ints);
	for (int i = 1; i < COUNT; i++) {
		EXPECT(numbers[i - 1] <= numbers[i]);
	}
	EXPECT(bsearch(&key, numbers, COUNT, sizeof(numbers[0]), compare_ints) != NULL);
	key = 1000;
	EXPECT(bsearch(&key, numbers, COUNT, sizeof(numbers[0]), compare_ints) == NULL);
}

/* Every length, every alignment, both directions of overlap, against bytes moved one by one. */
TEST(memory_functions_at_every_length)
{
	static unsigned char a[300], b[300], expected[300];

	for (size_t len = 0; len <= 200; len++) {
		for (size_t shift = 0; shift < 17; shift++) {
			for (size_t i = 0; i < sizeof(a); i++) {
				a[i] = expected[i] = (unsigned char)(i * 7 + len);
				b[i] = 0;
			}
			memcpy(b + 16, a + shift, len);
			EXPECT_EQ(memcmp(b + 16, a + shift, len), 0);
			EXPECT(b[15] == 0 && b[16 + len] == 0);
			for (size_t i = len; i-- > 0;) {
				expected[shift + 5 + i] = expected[i + 5];
			}
			memmove(a + shift + 5, a + 5, len);
			REQUIRE(memcmp(a, expected, sizeof(a)) == 0);
			for (size_t i = 0; i < len; i++) {
				expected[i] = expected[i + shift];
			}
			memmove(a, a + shift, len);
			REQUIRE(memcmp(a, expected, sizeof(a)) == 0);
			memset(b + shift, 0x5a, len);
			for (size_t i = 0; i < len; i++) {
				EXPECT_EQ(b[shift + i], 0x5a);
			}
		}
	}
}

TEST(memcmp_orders_by_bytes)
{
	EXPECT(memcmp("abcdefgh1", "abcdefgh2", 9) < 0);
	EXPECT(memcmp("\xff"
		      "aaaaaaa",
		   "\x01"
		   "bbbbbbb",
		   8) > 0);
	EXPECT(memcmp("aaaaaaab", "aaaaaaba", 8) < 0);
	EXPECT_EQ(memcmp("x", "y", 0), 0);
}

TEST(string_functions)
{
	char buf[16], text[] = "a,b,,c", *last, *p = text;

	EXPECT_EQ(strlcpy(buf, "0123456789abcdefXYZ", sizeof(buf)), 19);
	EXPECT_EQ(strlen(buf), 15);
	EXPECT_EQ(strcmp(strchr("hello", 'l'), "llo"), 0);
	EXPECT_EQ(strcmp(strrchr("hello", 'l'), "lo"), 0);
	EXPECT(strstr("needle in hay", "in") != NULL);
	EXPECT(strstr("needle", "hay") == NULL);
	EXPECT_EQ(strspn("aabbc", "ab"), 4);
	EXPECT_EQ(strcspn("aabbc", "c"), 4);
	EXPECT_EQ(strcasecmp("HeLLo", "hEllO"), 0);
	EXPECT_EQ(strcmp(strtok_r(text, ",", &last), "a"), 0);
	EXPECT_EQ(strcmp(strtok_r(NULL, ",", &last), "b"), 0);
	EXPECT_EQ(strcmp(strtok_r(NULL, ",", &last), "c"), 0);
	strcpy(text, "x::y");
	p = text;
	EXPECT_EQ(strcmp(strsep(&p, ":"), "x"), 0);
	EXPECT_EQ(strcmp(strsep(&p, ":"), ""), 0);
	EXPECT(strcmp(strerror(ENOENT), strerror(EACCES)) != 0);
	EXPECT(isspace('\t') && isxdigit('F') && !isalpha('1') && toupper('q') == 'Q');
}

TEST(environment_can_change)
{
	EXPECT(getenv("NO_SUCH_VARIABLE") == NULL);
	EXPECT_EQ(setenv("COLOUR", "red", 1), 0);
	EXPECT_EQ(strcmp(getenv("COLOUR"), "red"), 0);
	EXPECT_EQ(setenv("COLOUR", "blue", 0), 0);
	EXPECT_EQ(strcmp(getenv("COLOUR"), "red"), 0);
	EXPECT_EQ(setenv("COLOUR", "blue", 1), 0);
	EXPECT_EQ(strcmp(getenv("COLOUR"), "blue"), 0);
	EXPECT_EQ(unsetenv("COLOUR"), 0);
	EXPECT(getenv("COLOUR") == NULL);
	EXPECT_EQ(setenv("A=B", "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
}

static jmp_buf jump;

static void __attribute__((noinline))
jump_back(int value)
{
	longjmp(jump, value);
}

TEST(longjmp_returns_to_setjmp)
{
	volatile int passes = 0;
	int value = setjmp(jump);

	passes++;
	if (value < 3) {
		jump_back(value + 1);
	}
	EXPECT_EQ(value, 3);
	EXPECT_EQ(passes, 4);
	if (setjmp(jump) == 0) {
		jump_back(0); /* arrives as 1 */
	}
}

static int exit_handlers(void *arg);

static char exit_order[8];

static void
first(void)
{
	strlcat(exit_order, "1", sizeof(exit_order));
	_Exit(strcmp(exit_order, "21") == 0 ? 55 : 56);
}

static void
second(void)
{
	strlcat(exit_order, "2", sizeof(exit_order));
}

static int
exit_handlers(void *arg)
{
	EXPECT_EQ(atexit(first), 0);
	EXPECT_EQ(atexit(second), 0);
	exit(0);
}

TEST(atexit_runs_in_reverse_order)
{
	EXPECT_EQ(ktap_in_child(exit_handlers, NULL), 55);
}

TEST(getopt_reads_options)
{
	char *argv[] = { "prog", "-ab", "one", "-btwo", "-x", "--", "-a", NULL };
	char seen[8] = "";
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt(7, argv, "ab:")) != -1) {
		seen[strlen(seen)] = (char)c;
		if (c == 'b') {
			seen[strlen(seen)] = optarg[0];
		}
	}
	EXPECT_EQ(strcmp(seen, "abobt?"), 0);
	EXPECT_EQ(optind, 6);
}

TEST(parts_of_paths)
{
	char a[] = "/usr/lib/", b[] = "/usr/lib/x", c[] = "x", d[] = "/", e[] = "//a", f[] = "";

	EXPECT_EQ(strcmp(basename(a), "lib"), 0);
	EXPECT_EQ(strcmp(dirname(b), "/usr/lib"), 0);
	EXPECT_EQ(strcmp(dirname(c), "."), 0);
	EXPECT_EQ(strcmp(basename(d), "/"), 0);
	EXPECT_EQ(strcmp(dirname(e), "/"), 0);
	EXPECT_EQ(strcmp(basename(f), "."), 0);
}

TEST(mathematics)
{
	volatile double x = 0.7;

	EXPECT(fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1) < 1e-15);
	EXPECT(fabs(exp(log(x)) - x) < 1e-15);
	EXPECT(pow(2, 10) == 1024 && sqrt(x * 0 + 49) == 7 && cbrt(x * 0 + 27) == 3);
	EXPECT(floor(-x) == -1 && ceil(x) == 1 && round(x * 0 + 2.5) == 3 && lround(x * 0 - 2.5) == -3);
	EXPECT(isnan(sqrt(-x)) && isinf(log(x * 0)) && fmod(10, x * 0 + 3) == 1 && hypot(3, x * 0 + 4) == 5);
	EXPECT(fabs(atan2(1, x * 0 + 1) - M_PI_4) < 1e-15 && fabs(tan(x) - sin(x) / cos(x)) < 1e-15);
}

/* Data that needs rebasing: pointers in arrays, in const data, to functions. */
static const char *const names[] = { "alpha", "beta", "gamma" };
static int (*const functions[])(int) = { isalpha, isdigit };
static const char *moving = "moving";
static const char **pointer_to_pointer = &moving;

TEST(pointers_in_data_are_rebased)
{
	EXPECT_EQ(strcmp(names[2], "gamma"), 0);
	EXPECT(functions[0]('x') && functions[1]('7'));
	EXPECT_EQ(strcmp(*pointer_to_pointer, "moving"), 0);
}
