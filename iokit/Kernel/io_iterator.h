/*
 * An iterator walks the children or the parents of one entry in one plane. It holds references to the entry and to
 * where it stands, so entries may come and go meanwhile: when the place it stands on has left the plane, the walk
 * ends.
 */
#pragma once

#include <Kernel/io_registry.h>

enum io_direction { IO_CHILDREN, IO_PARENTS };

extern const struct io_class io_iterator_class;

/* NULL: no memory. */
struct io_object *io_iterator_create(
    struct io_entry *entry, enum io_plane plane, enum io_direction direction);
/* The next entry with a reference, or NULL at the end. `iterator` is of io_iterator_class. */
struct io_entry *io_iterator_advance(struct io_object *iterator);
void io_iterator_restart(struct io_object *iterator);
