/*
 * The framework's MIG routines, called by the codecs that are generated from IOKit/iokit.abi. `object` has a
 * reference of the codec's; outputs that are objects carry one for the reply. Strings out have room for their
 * type's limit.
 */
#pragma once

#include <Kernel/io_ports.h>
#include <ipc/mig_serial.h>

/* Generated; sorted by id. */
extern const struct mig_routine iokit_routines[];
extern const uint32_t iokit_routine_count;

kern_return_t io_object_get_class(io_object_t object, char *class_name);
kern_return_t io_object_conforms_to(io_object_t object, const char *class_name, boolean_t *conforms);
kern_return_t io_object_get_retain_count(io_object_t object, uint32_t *retain_count);
kern_return_t io_iterator_next(io_object_t object, io_object_t *next);
kern_return_t io_iterator_reset(io_object_t object);
kern_return_t io_registry_get_root_entry(io_object_t object, io_object_t *root);
kern_return_t io_registry_entry_get_name(io_object_t object, char *name);
kern_return_t io_registry_entry_get_name_in_plane(io_object_t object, const char *plane, char *name);
kern_return_t io_registry_entry_get_location_in_plane(io_object_t object, const char *plane, char *location);
kern_return_t io_registry_entry_get_path(io_object_t object, const char *plane, char *path);
kern_return_t io_registry_entry_in_plane(io_object_t object, const char *plane, boolean_t *in_plane);
kern_return_t io_registry_entry_get_child_iterator(
    io_object_t object, const char *plane, io_object_t *iterator);
kern_return_t io_registry_entry_get_parent_iterator(
    io_object_t object, const char *plane, io_object_t *iterator);
/* The property of no name is the list of all properties' names, each ended by NUL. */
kern_return_t io_registry_entry_get_property_bytes(
    io_object_t object, const char *property_name, char *data, mach_msg_type_number_t *dataCnt);
