/*
 * The device tree reader on a tree built here, then on every truncation and many corruptions of it: it may
 * say "absent", but must not read outside the blob (AddressSanitizer watches an exact allocation).
 */
#include <pexpert/device_tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned failures;

#define CHECK(cond) ((cond) ? (void)0 : (void)(failures++, printf("line %d: %s\n", __LINE__, #cond)))

/* --- a writer --- */

static unsigned char tokens[4096], strings[512];
static uint32_t ntokens, nstrings;

static void
put32(uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(tokens + ntokens, &value, 4);
	ntokens += 4;
}

static void
put_padded(const void *data, uint32_t len)
{
	memcpy(tokens + ntokens, data, len);
	ntokens += os_round_up(len, 4U);
}

static void
begin(const char *name)
{
	put32(1);
	put_padded(name, (uint32_t)strlen(name) + 1);
}

static void
end(void)
{
	put32(2);
}

static void
property(const char *name, const void *value, uint32_t len)
{
	put32(3);
	put32(len);
	put32(nstrings);
	put_padded(value, len);
	strcpy((char *)strings + nstrings, name);
	nstrings += (uint32_t)strlen(name) + 1;
}

static void
cells(const char *name, const uint32_t *values, unsigned count)
{
	uint32_t big[16];

	for (unsigned i = 0; i < count; i++) {
		big[i] = __builtin_bswap32(values[i]);
	}
	property(name, big, count * 4);
}

#define CELLS(name, ...)    cells(name, (uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)
#define STRING(name, value) property(name, value, sizeof(value))

static unsigned char *
build(size_t *size)
{
	uint32_t header[10] = { 0xd00dfeed, 0, 40, 0, 40, 17, 16, 0, 0, 0 };
	unsigned char *blob;

	begin("");
	CELLS("#address-cells", 2);
	CELLS("#size-cells", 2);
	put32(4); /* a NOP */
	begin("memory@40000000");
	STRING("device_type", "memory");
	CELLS("reg", 0, 0x40000000, 0, 0x20000000, 1, 0x80000000, 2, 4);
	end();
	begin("cpus");
	CELLS("#address-cells", 1);
	CELLS("#size-cells", 0);
	begin("cpu@0");
	CELLS("reg", 0);
	end();
	begin("cpu@1");
	CELLS("reg", 0x101);
	end();
	end();
	begin("uart@9000000");
	STRING("compatible", "arm,pl011\0arm,primecell");
	CELLS("interrupts", 0, 1, 4);
	property("empty", "", 0);
	end();
	end();
	put32(9);

	header[1] = 40 + ntokens + nstrings;
	header[3] = 40 + ntokens;
	header[8] = nstrings;
	header[9] = ntokens;
	*size = header[1];
	blob = malloc(*size);
	for (unsigned i = 0; i < 10; i++) {
		header[i] = __builtin_bswap32(header[i]);
	}
	memcpy(blob, header, 40);
	memcpy(blob + 40, tokens, ntokens);
	memcpy(blob + 40 + ntokens, strings, nstrings);
	return blob;
}

/* --- the tests --- */

static void
check_reading(void)
{
	dt_node_t cpus = dt_find_path("/cpus"), uart = dt_find_compatible(DT_NONE, "arm,primecell");
	uint64_t address, size;
	uint32_t value, len;

	CHECK(dt_parent(dt_root()) == DT_NONE);
	CHECK(dt_reg(dt_find_path("/memory"), 0, &address, &size) && address == 0x40000000 &&
	      size == 0x20000000);
	CHECK(dt_reg(dt_find_path("/memory@40000000"), 1, &address, &size) && address == 0x180000000 &&
	      size == 0x200000004);
	CHECK(!dt_reg(dt_find_path("/memory"), 2, &address, &size));
	CHECK(dt_find_path("/mem") == DT_NONE && dt_find_path("/cpus/none") == DT_NONE &&
	      dt_find_path("cpus") == DT_NONE);
	CHECK(dt_find_path("/") == dt_root());

	CHECK(strcmp(dt_name(dt_child(cpus)), "cpu@0") == 0);
	CHECK(dt_sibling(dt_child(cpus)) == dt_find_path("/cpus/cpu@1"));
	CHECK(dt_sibling(dt_find_path("/cpus/cpu@1")) == DT_NONE);
	CHECK(dt_parent(dt_find_path("/cpus/cpu@1")) == cpus);
	CHECK(dt_reg(dt_find_path("/cpus/cpu@1"), 0, &address, &size) && address == 0x101 && size == 0);

	CHECK(uart == dt_find_compatible(DT_NONE, "arm,pl011") && strcmp(dt_name(uart), "uart@9000000") == 0);
	CHECK(dt_find_compatible(DT_NONE, "arm,pl01") == DT_NONE &&
	      dt_find_compatible(uart, "arm,pl011") == DT_NONE);
	CHECK(dt_u32(uart, "interrupts", 2, &value) && value == 4 && !dt_u32(uart, "interrupts", 3, &value));
	CHECK(dt_property(uart, "empty", &len) != NULL && len == 0 && dt_string(uart, "empty") == NULL);
	CHECK(dt_property(uart, "absent", &len) == NULL);
	CHECK(strcmp(dt_string(dt_find_path("/memory"), "device_type"), "memory") == 0);
}

/* Everything that can be asked, of whatever the blob has become. */
static void
walk(dt_node_t node, unsigned depth)
{
	uint64_t address, size;

	for (; node != DT_NONE && depth < 40; node = dt_sibling(node)) {
		struct dt_property_walk p = { 0 };
		size_t total = strlen(dt_name(node));

		while (dt_next_property(node, &p)) {
			total += strlen(p.name);
			for (uint32_t i = 0; i < p.len; i++) {
				total += ((const unsigned char *)p.value)[i];
			}
		}
		dt_reg(node, 0, &address, &size);
		dt_string(node, "device_type");
		walk(dt_child(node), depth + 1);
		failures += total == SIZE_MAX ? 1 : 0; /* keep it computed */
	}
}

static void
check_damage(const unsigned char *good, size_t size)
{
	for (size_t cut = 0; cut < size; cut++) {
		unsigned char *blob = malloc(cut);

		memcpy(blob, good, cut);
		CHECK(!dt_init(blob, cut));
		free(blob);
	}
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned char *blob = malloc(size);

		memcpy(blob, good, size);
		for (int n = rand() % 4; n >= 0; n--) {
			blob[(size_t)rand() % size] = (unsigned char)rand();
		}
		if (dt_init(blob, size)) {
			walk(dt_root(), 0);
			dt_find_compatible(DT_NONE, "arm,pl011");
		}
		free(blob);
	}
}

int
main(void)
{
	size_t size;
	unsigned char *blob = build(&size);

	CHECK(dt_init(blob, size));
	CHECK(dt_size() == size);
	check_reading();
	check_damage(blob, size);
	free(blob);
	return failures == 0 ? 0 : 1;
}
