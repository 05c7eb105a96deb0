/*
 * Reader of the flattened device tree (Devicetree Specification 0.4, chapter 5) that the loader passes.
 *
 * The tree is validated once by dt_init and never copied or changed, so every pointer handed out stays valid.
 * A node is the offset of its FDT_BEGIN_NODE token. No locks, no memory; any context after dt_init.
 */
#pragma once

#include <os/base.h>

typedef int32_t dt_node_t;
#define DT_NONE (-1)

/* False when the blob is not a device tree of at most max_size bytes. */
bool dt_init(const void *blob, size_t max_size);
size_t dt_size(void);

dt_node_t dt_root(void);
dt_node_t dt_child(dt_node_t node);
dt_node_t dt_sibling(dt_node_t node);
dt_node_t dt_parent(dt_node_t node);

/* Node name with its unit address ("pl011@9000000"). */
const char *dt_name(dt_node_t node);

/* "/chosen", "/cpus/cpu@0"; a path component without unit address matches any. DT_NONE if absent. */
dt_node_t dt_find_path(const char *path);

/* The next node after `after` (DT_NONE: from the start) in tree order whose "compatible" lists the string. */
dt_node_t dt_find_compatible(dt_node_t after, const char *compatible);
bool dt_is_compatible(dt_node_t node, const char *compatible);

/* Value of a property and its length in bytes; NULL if absent. len may be NULL. */
const void *dt_property(dt_node_t node, const char *name, uint32_t *len);
/* NULL unless the property is a terminated string. */
const char *dt_string(dt_node_t node, const char *name);
/* Cell number `index` of a property; false if absent. */
bool dt_u32(dt_node_t node, const char *name, unsigned index, uint32_t *value);

/* Walks properties: offset 0 starts; false at the end. */
struct dt_property_walk {
	int32_t offset;
	const char *name;
	const void *value;
	uint32_t len;
};
bool dt_next_property(dt_node_t node, struct dt_property_walk *walk);

/* Address and size number `index` of "reg", in the address space of the parent; false if absent. */
bool dt_reg(dt_node_t node, unsigned index, uint64_t *address, uint64_t *size);
