/*
 * Reference counts and classes. See io_object.h.
 */
#include <Kernel/io_object.h>

#include <kern/assert.h>
#include <os/atomic.h>
#include <string.h>

/* Far from both ends: a count up here was raised from 0 or lowered once too often. */
#define IO_REFERENCES_MAX (UINT32_MAX / 2)

const struct io_class io_object_class = { .ioc_name = "OSObject" };

void
io_object_init(struct io_object *object, const struct io_class *class)
{
	object->io_class = class;
	object->io_references = 1;
	object->io_port = NULL;
}

void
io_object_retain(struct io_object *object)
{
	uint32_t before = os_atomic_inc_orig(&object->io_references, relaxed);

	release_assert(before != 0 && before < IO_REFERENCES_MAX);
}

void
io_object_release(struct io_object *object)
{
	/* [R] acq_rel: uses of the object before any release happen before its memory goes. Pairs with
	 * itself. */
	uint32_t before = os_atomic_dec_orig(&object->io_references, acq_rel);
	const struct io_class *class = object->io_class;

	release_assert(before != 0 && before < IO_REFERENCES_MAX);
	if (before != 1) {
		return;
	}
	while (class->ioc_free == NULL) {
		class = class->ioc_super;
	}
	class->ioc_free(object);
}

uint32_t
io_object_references(const struct io_object *object)
{
	return os_atomic_load(&object->io_references, relaxed);
}

bool
io_class_is_a(const struct io_class *class, const struct io_class *ancestor)
{
	while (class != NULL && class != ancestor) {
		class = class->ioc_super;
	}
	return class != NULL;
}

bool
io_class_conforms(const struct io_class *class, const char *name)
{
	while (class != NULL && strcmp(class->ioc_name, name) != 0) {
		class = class->ioc_super;
	}
	return class != NULL;
}
