/*
 * The registry: every device and driver of the machine, in planes.
 *
 * A plane is a tree over the same entries: IODeviceTree mirrors the firmware's description of the board,
 * IOService shows who provides what to whom. An entry has a name and, where siblings share it, a location;
 * its path in a plane is made of both ("IOService:/virt/pl011@9000000/IOSerial"). Properties are bytes under
 * a name; their meaning is their reader's affair, as in the device tree.
 *
 * One lock, io_registry_lock, guards the links of all planes and all properties: they change at start-up and
 * when devices come and go, and are read by tools. It is held neither while a driver's code runs nor while
 * memory is allocated for a caller.
 *
 * References: a parent holds one on each child, in each plane. Whoever gets an entry from a function here
 * gets a reference with it.
 */
#pragma once

#include <IOKit/IOReturn.h>
#include <Kernel/io_object.h>
#include <os/list.h>

enum io_plane { IO_PLANE_SERVICE, IO_PLANE_DEVICE_TREE, IO_NPLANES };

/* With the closing NUL. Longer names are cut. */
#define IO_ENTRY_NAME_SIZE 64

struct io_entry;

/* An entry's place in one plane. */
struct io_place {
	struct io_entry *ip_parent;   /* [R] NULL: the root, or not in this plane */
	struct list_node ip_sibling;  /* [R] in the parent's ip_children */
	struct list_node ip_children; /* [R] */
};

/*
 * [R] io_registry_lock  [c] constant after io_entry_init
 */
struct io_entry {
	struct io_object ie_object;
	uint64_t ie_id;                       /* [c] unique until the machine stops */
	char ie_name[IO_ENTRY_NAME_SIZE];     /* [c] */
	char ie_location[IO_ENTRY_NAME_SIZE]; /* [c] "" if it has none */
	struct list_node ie_properties;       /* [R] struct io_property, in the order they were made */
	struct io_place ie_places[IO_NPLANES];
};

struct io_property {
	struct list_node iop_link; /* [R] */
	size_t iop_len;            /* [c] bytes */
	const void *iop_bytes;     /* [c] behind the name, or memory that lives for ever */
	uint32_t iop_size;         /* [c] of this allocation */
	char iop_name[];           /* [c] */
};

extern const struct io_class io_entry_class;

/* The first entry of both planes; made by io_registry_init, before anything else here. */
void io_registry_init(void);
struct io_entry *io_registry_root(void);

/* The plane of a name; IO_NPLANES for an unknown one. */
enum io_plane io_plane_named(const char *name);

/* `name` may carry the location: "pl011@9000000". */
void io_entry_init(struct io_entry *entry, const struct io_class *class, const char *name);
/* For free functions of classes with more to their structure: gives back what io_entry_init and the setters
 * took, not the entry's own memory. */
void io_entry_destroy(struct io_entry *entry);
/* A plain entry. NULL: no memory. */
struct io_entry *io_entry_create(const char *name);

/* A property that exists is replaced. The bytes are copied; _static keeps the pointer. */
IOReturn io_entry_set_property(struct io_entry *entry, const char *name, const void *bytes, size_t len);
IOReturn io_entry_set_string(struct io_entry *entry, const char *name, const char *value);
IOReturn io_entry_set_number(struct io_entry *entry, const char *name, uint64_t value);
IOReturn io_entry_set_property_static(
    struct io_entry *entry, const char *name, const void *bytes, size_t len);

/*
 * Copies a property's bytes; *len is the room, and then the length. kIOReturnNotFound, or kIOReturnNoSpace
 * with nothing copied.
 */
IOReturn io_entry_copy_property(struct io_entry *entry, const char *name, void *bytes, size_t *len);
/* The names of all properties, each with its NUL. Results as above. */
IOReturn io_entry_copy_property_names(struct io_entry *entry, char *names, size_t *len);

/* Puts an entry that is not in the plane below `parent`, which is. */
void io_entry_attach(struct io_entry *entry, struct io_entry *parent, enum io_plane plane);
/* Takes an entry without children out of the plane. */
void io_entry_detach(struct io_entry *entry, enum io_plane plane);

bool io_entry_in_plane(struct io_entry *entry, enum io_plane plane);
/* With a reference, or NULL. */
struct io_entry *io_entry_copy_parent(struct io_entry *entry, enum io_plane plane);
/* The child behind `previous` (NULL: the first one); NULL at the end, or when `previous` is no longer a
 * child. */
struct io_entry *io_entry_copy_child(struct io_entry *entry, enum io_plane plane, struct io_entry *previous);
/* "IOService:/..."; kIOReturnNoSpace when it does not fit. */
IOReturn io_entry_copy_path(struct io_entry *entry, enum io_plane plane, char *path, size_t size);

/* Prints a plane on the console. */
void io_registry_print(enum io_plane plane);
