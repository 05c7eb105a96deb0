/*
 * Objects with a class and a reference count: what everything in the framework starts with.
 *
 * A class is a constant descriptor that names its superclass; "is a" is a walk along that chain. The first
 * member of each object's structure is the structure of its superclass, down to struct io_object. The count
 * starts at one, for the maker; the last release runs the free function of the nearest class that has one.
 */
#pragma once

#include <os/base.h>

struct io_object;
struct ipc_port;

struct io_class {
	const char *ioc_name; /* as programs see it: "IOService" */
	const struct io_class *ioc_super;
	void (*ioc_free)(struct io_object *object); /* NULL: the superclass's */
};

struct io_object {
	const struct io_class *io_class;
	uint32_t io_references;   /* atomic */
	struct ipc_port *io_port; /* what programs name it by: io_ports.h */
};

extern const struct io_class io_object_class;

void io_object_init(struct io_object *object, const struct io_class *class);

/* Any context; the caller has a reference or otherwise knows that there is one. */
void io_object_retain(struct io_object *object);
/* May block when it is the last. */
void io_object_release(struct io_object *object);
uint32_t io_object_references(const struct io_object *object);

bool io_class_is_a(const struct io_class *class, const struct io_class *ancestor);
/* The same by name, as programs ask. */
bool io_class_conforms(const struct io_class *class, const char *name);
