/*
 * Flattened device tree reader. All offsets are checked against the block they point into: a damaged tree
 * gives "absent", never a wild read.
 */
#include <pexpert/device_tree.h>
#include <string.h>

#define FDT_MAGIC      0xd00dfeedU
#define FDT_BEGIN_NODE 1U
#define FDT_END_NODE   2U
#define FDT_PROP       3U
#define FDT_NOP        4U
#define FDT_END        9U
#define FDT_MAX_DEPTH  32

struct fdt_header {
	uint32_t magic;
	uint32_t totalsize;
	uint32_t off_dt_struct;
	uint32_t off_dt_strings;
	uint32_t off_mem_rsvmap;
	uint32_t version;
	uint32_t last_comp_version;
	uint32_t boot_cpuid_phys;
	uint32_t size_dt_strings;
	uint32_t size_dt_struct;
};

static struct {
	const char *tokens;
	const char *strings;
	uint32_t tokens_size;
	uint32_t strings_size;
	uint32_t total;
} dt;

/* One token: what it is, where its payload is, and where the next one begins. */
struct token {
	uint32_t kind;
	int32_t payload;
	int32_t next;
	uint32_t len; /* FDT_PROP: bytes of value */
};

static uint32_t
be32(const void *p)
{
	uint32_t value;

	__builtin_memcpy(&value, p, sizeof(value));
	return __builtin_bswap32(value);
}

static bool
block_inside(uint32_t offset, uint32_t size, uint32_t total)
{
	return offset <= total && size <= total - offset;
}

bool
dt_init(const void *blob, size_t max_size)
{
	const struct fdt_header *h = blob;
	uint32_t total, tokens, strings, tokens_size, strings_size;

	if (max_size < sizeof(*h) || be32(&h->magic) != FDT_MAGIC || be32(&h->last_comp_version) > 17 ||
	    be32(&h->version) < 17) {
		return false;
	}
	total = be32(&h->totalsize);
	tokens = be32(&h->off_dt_struct);
	tokens_size = be32(&h->size_dt_struct);
	strings = be32(&h->off_dt_strings);
	strings_size = be32(&h->size_dt_strings);
	if (total > max_size || total > INT32_MAX || tokens % 4 != 0 ||
	    !block_inside(tokens, tokens_size, total) || !block_inside(strings, strings_size, total) ||
	    strings_size == 0 || ((const char *)blob)[strings + strings_size - 1] != '\0') {
		return false;
	}
	dt.tokens = (const char *)blob + tokens;
	dt.tokens_size = tokens_size;
	dt.strings = (const char *)blob + strings;
	dt.strings_size = strings_size;
	dt.total = total;
	return dt_root() != DT_NONE;
}

size_t
dt_size(void)
{
	return dt.total;
}

/* Reads the token at `offset`, skipping NOPs. Anything malformed reads as FDT_END. */
static struct token
token_at(int32_t offset)
{
	struct token t = { .kind = FDT_END, .next = offset };
	uint32_t at = (uint32_t)offset, len;

	while (block_inside(at, 4, dt.tokens_size) && be32(dt.tokens + at) == FDT_NOP) {
		at += 4;
	}
	if (!block_inside(at, 4, dt.tokens_size)) {
		return t;
	}
	t.kind = be32(dt.tokens + at);
	at += 4;
	t.payload = (int32_t)at;
	switch (t.kind) {
	case FDT_BEGIN_NODE:
		len = (uint32_t)strnlen(dt.tokens + at, dt.tokens_size - at);
		if (len == dt.tokens_size - at) {
			t.kind = FDT_END;
			break;
		}
		at += os_round_up(len + 1, 4U);
		break;
	case FDT_PROP:
		if (!block_inside(at, 8, dt.tokens_size) ||
		    !block_inside(at + 8, be32(dt.tokens + at), dt.tokens_size) ||
		    be32(dt.tokens + at + 4) >= dt.strings_size) {
			t.kind = FDT_END;
			break;
		}
		t.len = be32(dt.tokens + at);
		at += 8 + os_round_up(t.len, 4U);
		break;
	case FDT_END_NODE:
		break;
	default:
		t.kind = FDT_END;
		break;
	}
	t.next = (int32_t)at;
	return t;
}

static const char *
property_name(const struct token *t)
{
	return dt.strings + be32(dt.tokens + t->payload + 4);
}

dt_node_t
dt_root(void)
{
	return token_at(0).kind == FDT_BEGIN_NODE ? 0 : DT_NONE;
}

const char *
dt_name(dt_node_t node)
{
	return dt.tokens + token_at(node).payload;
}

/* Offset of the first token after the node's properties. */
static int32_t
skip_properties(dt_node_t node)
{
	int32_t at = token_at(node).next;

	for (;;) {
		struct token t = token_at(at);

		if (t.kind != FDT_PROP) {
			return at;
		}
		at = t.next;
	}
}

dt_node_t
dt_child(dt_node_t node)
{
	int32_t at = skip_properties(node);

	return token_at(at).kind == FDT_BEGIN_NODE ? at : DT_NONE;
}

dt_node_t
dt_sibling(dt_node_t node)
{
	int32_t at = node;
	unsigned depth = 0;

	do {
		struct token t = token_at(at);

		if (t.kind == FDT_END) {
			return DT_NONE;
		}
		depth += t.kind == FDT_BEGIN_NODE ? 1 : 0;
		depth -= t.kind == FDT_END_NODE ? 1 : 0;
		at = t.next;
	} while (depth != 0);
	return token_at(at).kind == FDT_BEGIN_NODE ? at : DT_NONE;
}

dt_node_t
dt_parent(dt_node_t node)
{
	dt_node_t path[FDT_MAX_DEPTH];
	unsigned depth = 0;

	for (int32_t at = 0;;) {
		struct token t = token_at(at);

		if (at == node) {
			return depth == 0 ? DT_NONE : path[depth - 1];
		}
		if (t.kind == FDT_END || (t.kind == FDT_END_NODE && depth == 0) ||
		    (t.kind == FDT_BEGIN_NODE && depth == FDT_MAX_DEPTH)) {
			return DT_NONE;
		}
		if (t.kind == FDT_BEGIN_NODE) {
			path[depth++] = at;
		} else if (t.kind == FDT_END_NODE) {
			depth--;
		}
		at = t.next;
	}
}

/* Does the node's name equal name[0..len), or begin with it followed by its unit address? */
static bool
name_matches(dt_node_t node, const char *name, size_t len)
{
	const char *have = dt_name(node);

	return strncmp(have, name, len) == 0 && (have[len] == '\0' || have[len] == '@');
}

dt_node_t
dt_find_path(const char *path)
{
	dt_node_t node = dt_root();

	while (node != DT_NONE && *path == '/') {
		const char *name = path + 1;
		const char *end = strchr(name, '/');
		size_t len = end != NULL ? (size_t)(end - name) : strlen(name);

		path = name + len;
		if (len == 0) {
			continue;
		}
		for (node = dt_child(node); node != DT_NONE && !name_matches(node, name, len);) {
			node = dt_sibling(node);
		}
	}
	return *path == '\0' ? node : DT_NONE;
}

bool
dt_next_property(dt_node_t node, struct dt_property_walk *walk)
{
	struct token t = token_at(walk->offset != 0 ? walk->offset : token_at(node).next);

	if (t.kind != FDT_PROP) {
		return false;
	}
	walk->offset = t.next;
	walk->name = property_name(&t);
	walk->value = dt.tokens + t.payload + 8;
	walk->len = t.len;
	return true;
}

const void *
dt_property(dt_node_t node, const char *name, uint32_t *len)
{
	struct dt_property_walk walk = { 0 };

	while (dt_next_property(node, &walk)) {
		if (strcmp(walk.name, name) == 0) {
			if (len != NULL) {
				*len = walk.len;
			}
			return walk.value;
		}
	}
	return NULL;
}

const char *
dt_string(dt_node_t node, const char *name)
{
	uint32_t len;
	const char *value = dt_property(node, name, &len);

	return value != NULL && strnlen(value, len) < len ? value : NULL;
}

bool
dt_u32(dt_node_t node, const char *name, unsigned index, uint32_t *value)
{
	uint32_t len;
	const char *cells = dt_property(node, name, &len);

	if (cells == NULL || len / 4 <= index) {
		return false;
	}
	*value = be32(cells + (size_t)index * 4);
	return true;
}

/* Is the string one of the NUL-separated ones in list? */
static bool
string_list_contains(const char *list, uint32_t len, const char *string)
{
	while (len != 0) {
		size_t n = strnlen(list, len);

		if (n < len && strcmp(list, string) == 0) {
			return true;
		}
		n = os_min(n + 1, (size_t)len);
		list += n;
		len -= (uint32_t)n;
	}
	return false;
}

bool
dt_is_compatible(dt_node_t node, const char *compatible)
{
	uint32_t len;
	const char *list = dt_property(node, "compatible", &len);

	return list != NULL && string_list_contains(list, len, compatible);
}

dt_node_t
dt_find_compatible(dt_node_t after, const char *compatible)
{
	int32_t at = after == DT_NONE ? 0 : token_at(after).next;

	for (;;) {
		struct token t = token_at(at);

		if (t.kind == FDT_END) {
			return DT_NONE;
		}
		if (t.kind == FDT_BEGIN_NODE && dt_is_compatible(at, compatible)) {
			return at;
		}
		at = t.next;
	}
}

static uint64_t
read_cells(const char *cells, uint32_t count)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < count; i++) {
		value = value << 32 | be32(cells + (size_t)i * 4);
	}
	return value;
}

bool
dt_reg(dt_node_t node, unsigned index, uint64_t *address, uint64_t *size)
{
	dt_node_t parent = dt_parent(node);
	uint32_t address_cells = 2, size_cells = 1, len;
	const char *cells = dt_property(node, "reg", &len);

	if (cells == NULL || parent == DT_NONE) {
		return false;
	}
	dt_u32(parent, "#address-cells", 0, &address_cells);
	dt_u32(parent, "#size-cells", 0, &size_cells);
	if (address_cells > 2 || size_cells > 2 || len / (4 * (address_cells + size_cells)) <= index) {
		return false;
	}
	cells += (size_t)index * 4 * (address_cells + size_cells);
	*address = read_cells(cells, address_cells);
	*size = read_cells(cells + (size_t)address_cells * 4, size_cells);
	return true;
}
