/*
 * The registry's trees and properties. See io_registry.h.
 */
#include <Kernel/io_registry.h>

#include <IOKit/IOKitKeys.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/zalloc.h>
#include <os/atomic.h>
#include <os/panic.h>
#include <stdio.h>
#include <string.h>

static void io_entry_free(struct io_object *object);

const struct io_class io_entry_class = { "IORegistryEntry", &io_object_class, io_entry_free };

static LCK_CLASS_DECLARE(io_registry_lock_class, "io_registry", LCK_RANK_IO_REGISTRY);
static LCK_RW_DECLARE(io_registry_lock, &io_registry_lock_class);

static const char *const plane_names[IO_NPLANES] = {
	[IO_PLANE_SERVICE] = kIOServicePlane,
	[IO_PLANE_DEVICE_TREE] = kIODeviceTreePlane,
};

static struct io_entry io_root;
static uint64_t io_next_id = 1; /* atomic */

void
io_registry_init(void)
{
	(void)lck_rw_spread(&io_registry_lock);
	io_entry_init(&io_root, &io_entry_class, "Root");
}

struct io_entry *
io_registry_root(void)
{
	return &io_root;
}

enum io_plane
io_plane_named(const char *name)
{
	enum io_plane plane = 0;

	while (plane < IO_NPLANES && strcmp(name, plane_names[plane]) != 0) {
		plane++;
	}
	return plane;
}

/* ---- entries ---- */

void
io_entry_init(struct io_entry *entry, const struct io_class *class, const char *name)
{
	const char *at = strchr(name, '@');
	size_t len = at != NULL ? (size_t)(at - name) : strlen(name);

	io_object_init(&entry->ie_object, class);
	entry->ie_id = os_atomic_inc_orig(&io_next_id, relaxed);
	snprintf(entry->ie_name, sizeof(entry->ie_name), "%.*s", (int)len, name);
	snprintf(entry->ie_location, sizeof(entry->ie_location), "%s", at != NULL ? at + 1 : "");
	list_init(&entry->ie_properties);
	for (enum io_plane plane = 0; plane < IO_NPLANES; plane++) {
		entry->ie_places[plane].ip_parent = NULL;
		list_init(&entry->ie_places[plane].ip_sibling);
		list_init(&entry->ie_places[plane].ip_children);
	}
}

struct io_entry *
io_entry_create(const char *name)
{
	struct io_entry *entry = kalloc(sizeof(*entry));

	if (entry != NULL) {
		io_entry_init(entry, &io_entry_class, name);
	}
	return entry;
}

static void
property_free(struct io_property *property)
{
	kfree(property, property->iop_size);
}

void
io_entry_destroy(struct io_entry *entry)
{
	struct list_node *link;

	while ((link = list_pop_front(&entry->ie_properties)) != NULL) {
		property_free(os_containerof(link, struct io_property, iop_link));
	}
}

static void
io_entry_free(struct io_object *object)
{
	struct io_entry *entry = os_containerof(object, struct io_entry, ie_object);

	io_entry_destroy(entry);
	kfree(entry, sizeof(*entry));
}

/* ---- properties ---- */

static struct io_property *
find_property(struct io_entry *entry, const char *name) REQUIRES_SHARED(io_registry_lock)
{
	list_foreach (link, &entry->ie_properties) {
		struct io_property *property = os_containerof(link, struct io_property, iop_link);

		if (strcmp(property->iop_name, name) == 0) {
			return property;
		}
	}
	return NULL;
}

/* `copied` bytes of room behind the name. */
static struct io_property *
property_create(const char *name, size_t copied)
{
	size_t name_size = strlen(name) + 1;
	size_t size = sizeof(struct io_property) + name_size + copied;
	struct io_property *property = kalloc(size);

	if (property != NULL) {
		property->iop_size = (uint32_t)size;
		memcpy(property->iop_name, name, name_size);
		property->iop_bytes = property->iop_name + name_size;
	}
	return property;
}

static void
property_install(struct io_entry *entry, struct io_property *property)
{
	struct io_property *old;

	lck_rw_lock_exclusive(&io_registry_lock);
	old = find_property(entry, property->iop_name);
	if (old != NULL) {
		list_remove(&old->iop_link);
	}
	list_push_back(&entry->ie_properties, &property->iop_link);
	lck_rw_unlock_exclusive(&io_registry_lock);
	if (old != NULL) {
		property_free(old);
	}
}

IOReturn
io_entry_set_property(struct io_entry *entry, const char *name, const void *bytes, size_t len)
{
	struct io_property *property = property_create(name, len);

	if (property == NULL) {
		return kIOReturnNoMemory;
	}
	property->iop_len = len;
	memcpy((void *)(uintptr_t)property->iop_bytes, bytes, len);
	property_install(entry, property);
	return kIOReturnSuccess;
}

IOReturn
io_entry_set_property_static(struct io_entry *entry, const char *name, const void *bytes, size_t len)
{
	struct io_property *property = property_create(name, 0);

	if (property == NULL) {
		return kIOReturnNoMemory;
	}
	property->iop_len = len;
	property->iop_bytes = bytes;
	property_install(entry, property);
	return kIOReturnSuccess;
}

IOReturn
io_entry_set_string(struct io_entry *entry, const char *name, const char *value)
{
	return io_entry_set_property(entry, name, value, strlen(value) + 1);
}

IOReturn
io_entry_set_number(struct io_entry *entry, const char *name, uint64_t value)
{
	return io_entry_set_property(entry, name, &value, sizeof(value));
}

IOReturn
io_entry_copy_property(struct io_entry *entry, const char *name, void *bytes, size_t *len)
{
	IOReturn result = kIOReturnNotFound;
	struct io_property *property;

	lck_rw_lock_shared(&io_registry_lock);
	property = find_property(entry, name);
	if (property != NULL && property->iop_len > *len) {
		result = kIOReturnNoSpace;
	} else if (property != NULL) {
		memcpy(bytes, property->iop_bytes, property->iop_len);
		*len = property->iop_len;
		result = kIOReturnSuccess;
	}
	lck_rw_unlock_shared(&io_registry_lock);
	return result;
}

IOReturn
io_entry_copy_property_names(struct io_entry *entry, char *names, size_t *len)
{
	IOReturn result = kIOReturnSuccess;
	size_t used = 0;

	lck_rw_lock_shared(&io_registry_lock);
	list_foreach (link, &entry->ie_properties) {
		struct io_property *property = os_containerof(link, struct io_property, iop_link);
		size_t size = strlen(property->iop_name) + 1;

		if (size > *len - used) {
			result = kIOReturnNoSpace;
			break;
		}
		memcpy(names + used, property->iop_name, size);
		used += size;
	}
	lck_rw_unlock_shared(&io_registry_lock);
	if (result == kIOReturnSuccess) {
		*len = used;
	}
	return result;
}

/* ---- trees ---- */

void
io_entry_attach(struct io_entry *entry, struct io_entry *parent, enum io_plane plane)
{
	struct io_place *place = &entry->ie_places[plane];

	io_object_retain(&entry->ie_object);
	lck_rw_lock_exclusive(&io_registry_lock);
	release_assert(place->ip_parent == NULL && entry != &io_root);
	place->ip_parent = parent;
	list_push_back(&parent->ie_places[plane].ip_children, &place->ip_sibling);
	lck_rw_unlock_exclusive(&io_registry_lock);
}

void
io_entry_detach(struct io_entry *entry, enum io_plane plane)
{
	struct io_place *place = &entry->ie_places[plane];

	lck_rw_lock_exclusive(&io_registry_lock);
	release_assert(place->ip_parent != NULL && list_empty(&place->ip_children));
	place->ip_parent = NULL;
	list_remove(&place->ip_sibling);
	lck_rw_unlock_exclusive(&io_registry_lock);
	io_object_release(&entry->ie_object);
}

bool
io_entry_in_plane(struct io_entry *entry, enum io_plane plane)
{
	bool in;

	lck_rw_lock_shared(&io_registry_lock);
	in = entry == &io_root || entry->ie_places[plane].ip_parent != NULL;
	lck_rw_unlock_shared(&io_registry_lock);
	return in;
}

static struct io_entry *
retained(struct io_entry *entry)
{
	if (entry != NULL) {
		io_object_retain(&entry->ie_object);
	}
	return entry;
}

struct io_entry *
io_entry_copy_parent(struct io_entry *entry, enum io_plane plane)
{
	struct io_entry *parent;

	lck_rw_lock_shared(&io_registry_lock);
	parent = retained(entry->ie_places[plane].ip_parent);
	lck_rw_unlock_shared(&io_registry_lock);
	return parent;
}

/* The entry whose place in `plane` has this sibling link. */
static struct io_entry *
entry_of_sibling(struct list_node *link, enum io_plane plane)
{
	char *place = (char *)os_containerof(link, struct io_place, ip_sibling);

	return (struct io_entry *)(void *)(place - offsetof(struct io_entry, ie_places) -
					   plane * sizeof(struct io_place));
}

static struct io_entry *
next_child(struct io_entry *entry, enum io_plane plane, struct io_entry *previous)
    REQUIRES_SHARED(io_registry_lock)
{
	struct list_node *children = &entry->ie_places[plane].ip_children;
	struct list_node *link = children->next;

	if (previous != NULL) {
		if (previous->ie_places[plane].ip_parent != entry) {
			return NULL;
		}
		link = previous->ie_places[plane].ip_sibling.next;
	}
	return link == children ? NULL : entry_of_sibling(link, plane);
}

struct io_entry *
io_entry_copy_child(struct io_entry *entry, enum io_plane plane, struct io_entry *previous)
{
	struct io_entry *child;

	lck_rw_lock_shared(&io_registry_lock);
	child = retained(next_child(entry, plane, previous));
	lck_rw_unlock_shared(&io_registry_lock);
	return child;
}

/* ---- paths ---- */

/* Puts "name@location" so that it ends at path[end]; the new start, or -1 when it does not fit above `floor`.
 */
static ptrdiff_t
prepend(char *path, ptrdiff_t end, ptrdiff_t floor, const struct io_entry *entry)
{
	char component[2 * IO_ENTRY_NAME_SIZE + 2];
	const char *at = entry->ie_location[0] != '\0' ? "@" : "";
	ptrdiff_t len =
	    snprintf(component, sizeof(component), "/%s%s%s", entry->ie_name, at, entry->ie_location);

	if (len > end - floor) {
		return -1;
	}
	memcpy(path + end - len, component, (size_t)len);
	return end - len;
}

/* Writes the path right-aligned in `path`, whose last byte is the NUL; its start, or -1. */
static ptrdiff_t
path_backwards(struct io_entry *entry, enum io_plane plane, char *path, ptrdiff_t size, ptrdiff_t floor)
    REQUIRES_SHARED(io_registry_lock)
{
	ptrdiff_t start = size - 1;

	path[start] = '\0';
	if (entry == &io_root) {
		path[--start] = '/';
	}
	for (; entry != &io_root && entry != NULL && start >= 0; entry = entry->ie_places[plane].ip_parent) {
		start = prepend(path, start, floor, entry);
	}
	return entry != NULL ? start : -1;
}

IOReturn
io_entry_copy_path(struct io_entry *entry, enum io_plane plane, char *path, size_t size)
{
	size_t head = strlen(plane_names[plane]) + 1;
	ptrdiff_t start;

	if (size < head + 2) {
		return kIOReturnNoSpace;
	}
	lck_rw_lock_shared(&io_registry_lock);
	start = path_backwards(entry, plane, path, (ptrdiff_t)size, (ptrdiff_t)head);
	lck_rw_unlock_shared(&io_registry_lock);
	if (start < 0) {
		return kIOReturnNoSpace;
	}
	memcpy(path, plane_names[plane], head - 1);
	path[head - 1] = ':';
	memmove(path + head, path + start, size - (size_t)start);
	return kIOReturnSuccess;
}

/* ---- printing ---- */

static void
print_entry(const struct io_entry *entry, int depth)
{
	const char *at = entry->ie_location[0] != '\0' ? "@" : "";

	kprintf("%*s+-o %s%s%s  <class %s, id 0x%llx>\n", 2 * depth, "", entry->ie_name, at,
	    entry->ie_location, entry->ie_object.io_class->ioc_name, (unsigned long long)entry->ie_id);
}

/* The entry behind `entry` in tree order; keeps *depth. NULL at the end. */
static struct io_entry *
next_in_tree(struct io_entry *entry, enum io_plane plane, int *depth) REQUIRES_SHARED(io_registry_lock)
{
	struct io_entry *next = next_child(entry, plane, NULL);

	if (next != NULL) {
		++*depth;
		return next;
	}
	while (entry != &io_root) {
		struct io_entry *parent = entry->ie_places[plane].ip_parent;

		next = next_child(parent, plane, entry);
		if (next != NULL) {
			return next;
		}
		entry = parent;
		--*depth;
	}
	return NULL;
}

void
io_registry_print(enum io_plane plane)
{
	int depth = 0;

	lck_rw_lock_shared(&io_registry_lock);
	for (struct io_entry *entry = &io_root; entry != NULL; entry = next_in_tree(entry, plane, &depth)) {
		print_entry(entry, depth);
	}
	lck_rw_unlock_shared(&io_registry_lock);
}
