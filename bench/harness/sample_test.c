/*
 * Order statistics and formatting, against values worked out by hand.
 */
#include <harness/sample.h>

#include <stdio.h>
#include <string.h>

static struct sample s;
static int number, failures;

static void
result(bool ok, const char *name)
{
	printf("%sok %d %s\n", ok ? "" : "not ", ++number, name);
	failures += !ok;
}

static void
test_quantiles(void)
{
	bool ok = true;

	sample_clear(&s);
	ok &= sample_quantile(&s, 500) == 0;
	for (uint64_t v = 1000; v >= 1; v--) {
		ok &= sample_add(&s, v);
	}
	ok &= sample_quantile(&s, 0) == 1 && sample_quantile(&s, 500) == 500;
	ok &= sample_quantile(&s, 999) == 999 && sample_quantile(&s, 1000) == 1000;
	/* adding after asking sorts again */
	ok &= sample_add(&s, 0) && sample_quantile(&s, 0) == 0;
	result(ok, "quantiles");
}

static void
test_median_of_odd_count(void)
{
	static const uint64_t values[] = { 7, 7, 100, 7, 6 };

	sample_clear(&s);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		(void)sample_add(&s, values[i]);
	}
	result(sample_quantile(&s, 500) == 7 && sample_quantile(&s, 1000) == 100, "median_of_odd_count");
}

static void
test_full(void)
{
	bool ok = true;

	sample_clear(&s);
	for (size_t i = 0; i < SAMPLE_MAX; i++) {
		ok &= sample_add(&s, i);
	}
	result(ok && !sample_add(&s, 1) && s.count == SAMPLE_MAX, "full");
}

static void
test_hundredths(void)
{
	char text[SAMPLE_TEXT];
	bool ok = sample_hundredths(1234, 10) == 12340 && sample_hundredths(1, 3) == 33;

	/* an amount whose hundredfold does not fit 64 bits */
	ok &= sample_hundredths(UINT64_MAX, 1000) == UINT64_MAX / 1000 * 100 + 61;
	ok &= strcmp(sample_text(text, 12345), "123.45") == 0 && strcmp(sample_text(text, 7), "0.07") == 0;
	result(ok, "hundredths");
}

int
main(void)
{
	puts("KTAP version 1");
	test_quantiles();
	test_median_of_odd_count();
	test_full();
	test_hundredths();
	printf("1..%d\n", number);
	return failures != 0;
}
