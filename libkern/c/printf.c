/*
 * vsnprintf without floating point.
 *
 *	%[-0+ #][width][.precision][hh h l ll j z t]conversion
 *
 * Conversions: d i u o x X c s p %. Width and precision may be '*'. The result is what C17 says, including
 * the return value (the length of the whole output) and termination whenever size > 0.
 */
#include <os/base.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	F_LEFT = 1,
	F_ZERO = 2,
	F_PLUS = 4,
	F_SPACE = 8,
	F_ALT = 16,
	F_UPPER = 32,
};

struct out {
	char *buf;
	size_t size;
	size_t len; /* may exceed size: what the output would be */
};

struct spec {
	unsigned flags;
	int width;
	int precision; /* -1: none given */
	int length;    /* bytes of the integer argument */
};

static void
put(struct out *out, char c)
{
	if (out->len < out->size) {
		out->buf[out->len] = c;
	}
	out->len++;
}

static void
put_many(struct out *out, char c, int n)
{
	for (; n > 0; n--) {
		put(out, c);
	}
}

static void
put_text(struct out *out, const struct spec *spec, const char *text, size_t len)
{
	int pad = spec->width - (int)len;

	if ((spec->flags & F_LEFT) == 0) {
		put_many(out, ' ', pad);
	}
	for (size_t i = 0; i < len; i++) {
		put(out, text[i]);
	}
	if ((spec->flags & F_LEFT) != 0) {
		put_many(out, ' ', pad);
	}
}

static void
put_string(struct out *out, const struct spec *spec, const char *s)
{
	if (s == NULL) {
		s = "(null)";
	}
	put_text(out, spec, s, spec->precision >= 0 ? strnlen(s, (size_t)spec->precision) : strlen(s));
}

/* Digits of value in the base, most significant first, at the end of buf; returns where they start. */
static char *
digits(char *end, uint64_t value, unsigned base, unsigned flags)
{
	const char *set = (flags & F_UPPER) != 0 ? "0123456789ABCDEF" : "0123456789abcdef";

	while (value != 0) {
		*--end = set[value % base];
		value /= base;
	}
	return end;
}

static void
put_number(struct out *out, const struct spec *spec, const char *prefix, uint64_t value, unsigned base)
{
	char buf[24];
	char *end = buf + sizeof(buf);
	char *start = digits(end, value, base, spec->flags);
	int len = (int)(end - start), plen = (int)strlen(prefix);
	int zeroes = (spec->precision >= 0 ? spec->precision : 1) - len;

	if (base == 8 && (spec->flags & F_ALT) != 0 && zeroes <= 0) {
		zeroes = 1;
	}
	zeroes = os_max(zeroes, 0);
	int pad = os_max(spec->width - plen - zeroes - len, 0);

	if ((spec->flags & (F_LEFT | F_ZERO)) == F_ZERO && spec->precision < 0) {
		zeroes += pad;
		pad = 0;
	}
	if ((spec->flags & F_LEFT) == 0) {
		put_many(out, ' ', pad);
	}
	for (int i = 0; i < plen; i++) {
		put(out, prefix[i]);
	}
	put_many(out, '0', zeroes);
	for (; start < end; start++) {
		put(out, *start);
	}
	if ((spec->flags & F_LEFT) != 0) {
		put_many(out, ' ', pad);
	}
}

static void
put_signed(struct out *out, const struct spec *spec, int64_t value)
{
	const char *prefix = value < 0                      ? "-"
			     : (spec->flags & F_PLUS) != 0  ? "+"
			     : (spec->flags & F_SPACE) != 0 ? " "
							    : "";

	put_number(out, spec, prefix, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

static int64_t
narrow_signed(int64_t value, int length)
{
	return length == 1 ? (int8_t)value : length == 2 ? (int16_t)value : value;
}

static uint64_t
narrow_unsigned(uint64_t value, int length)
{
	return length == 1 ? (uint8_t)value : length == 2 ? (uint16_t)value : value;
}

static const char *
parse_flags(const char *f, struct spec *spec)
{
	for (;; f++) {
		switch (*f) {
		case '-':
			spec->flags |= F_LEFT;
			break;
		case '0':
			spec->flags |= F_ZERO;
			break;
		case '+':
			spec->flags |= F_PLUS;
			break;
		case ' ':
			spec->flags |= F_SPACE;
			break;
		case '#':
			spec->flags |= F_ALT;
			break;
		default:
			return f;
		}
	}
}

static const char *
parse_int(const char *f, int *value)
{
	for (*value = 0; *f >= '0' && *f <= '9'; f++) {
		*value = *value * 10 + (*f - '0');
	}
	return f;
}

static const char *
parse_length(const char *f, struct spec *spec)
{
	spec->length = sizeof(int);
	if (f[0] == 'h') {
		spec->length = f[1] == 'h' ? 1 : 2;
		return f + (f[1] == 'h' ? 2 : 1);
	}
	while (*f == 'l' || *f == 'z' || *f == 'j' || *f == 't') {
		spec->length = sizeof(int64_t);
		f++;
	}
	return f;
}

/* What a va_list is passed by reference in. */
struct args {
	va_list ap;
};

static int64_t
arg_signed(struct args *args, const struct spec *spec)
{
	return spec->length == sizeof(int64_t) ? va_arg(args->ap, int64_t)
					       : narrow_signed(va_arg(args->ap, int), spec->length);
}

static uint64_t
arg_unsigned(struct args *args, const struct spec *spec)
{
	return spec->length == sizeof(int64_t) ? va_arg(args->ap, uint64_t)
					       : narrow_unsigned(va_arg(args->ap, unsigned), spec->length);
}

static const char *
parse_spec(const char *f, struct spec *spec, struct args *args)
{
	*spec = (struct spec){ .precision = -1 };
	f = parse_flags(f, spec);
	if (*f == '*') {
		spec->width = va_arg(args->ap, int);
		if (spec->width < 0) {
			spec->flags |= F_LEFT;
			spec->width = -spec->width;
		}
		f++;
	} else {
		f = parse_int(f, &spec->width);
	}
	if (*f == '.') {
		f++;
		if (*f == '*') {
			spec->precision = va_arg(args->ap, int);
			f++;
		} else {
			f = parse_int(f, &spec->precision);
		}
	}
	return parse_length(f, spec);
}

static void
convert(struct out *out, struct spec *spec, char conversion, struct args *args)
{
	uint64_t value;
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
		put_signed(out, spec, arg_signed(args, spec));
		break;
	case 'u':
		put_number(out, spec, "", arg_unsigned(args, spec), 10);
		break;
	case 'o':
		put_number(out, spec, "", arg_unsigned(args, spec), 8);
		break;
	case 'X':
		spec->flags |= F_UPPER;
		/* FALLTHROUGH */
	case 'x':
		value = arg_unsigned(args, spec);
		put_number(out, spec,
		    (spec->flags & F_ALT) == 0 || value == 0 ? ""
		    : conversion == 'X'                      ? "0X"
							     : "0x",
		    value, 16);
		break;
	case 'p':
		put_number(out, spec, "0x", (uintptr_t)va_arg(args->ap, void *), 16);
		break;
	case 'c':
		c = (char)va_arg(args->ap, int);
		put_text(out, spec, &c, 1);
		break;
	case 's':
		put_string(out, spec, va_arg(args->ap, const char *));
		break;
	default: /* not a conversion of ours: show it */
		put(out, '%');
		put(out, conversion);
		break;
	}
}

int
vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out out = { .buf = buf, .size = size };
	struct args args;
	struct spec spec;

	va_copy(args.ap, ap);
	for (const char *f = fmt; *f != '\0'; f++) {
		if (*f != '%') {
			put(&out, *f);
			continue;
		}
		if (f[1] == '%') {
			put(&out, *++f);
			continue;
		}
		f = parse_spec(f + 1, &spec, &args);
		if (*f == '\0') {
			break;
		}
		convert(&out, &spec, *f, &args);
	}
	va_end(args.ap);
	if (size != 0) {
		buf[os_min(out.len, size - 1)] = '\0';
	}
	return (int)out.len;
}

int
snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
