/*
 * The routines behind iokit.abi: programs look at the registry. See io_server.h.
 */
#include <Kernel/io_server.h>

#include <IOKit/IOTypes.h>
#include <Kernel/io_iterator.h>
#include <Kernel/io_registry.h>
#include <kern/upcalls.h>
#include <string.h>

static struct io_entry *
entry_of(io_object_t object)
{
	if (!io_class_is_a(object->io_class, &io_entry_class)) {
		return NULL;
	}
	return os_containerof(object, struct io_entry, ie_object);
}

const struct mig_routine *
iokit_find_routine(int32_t id)
{
	return mig_search_routine(iokit_routines, iokit_routine_count, id);
}

/* ---- any object ---- */

kern_return_t
io_object_get_class(io_object_t object, char *class_name)
{
	strlcpy(class_name, object->io_class->ioc_name, kIONameSize);
	return kIOReturnSuccess;
}

kern_return_t
io_object_conforms_to(io_object_t object, const char *class_name, boolean_t *conforms)
{
	*conforms = io_class_conforms(object->io_class, class_name);
	return kIOReturnSuccess;
}

kern_return_t
io_object_get_retain_count(io_object_t object, uint32_t *retain_count)
{
	*retain_count = io_object_references(object);
	return kIOReturnSuccess;
}

/* ---- iterators ---- */

kern_return_t
io_iterator_next(io_object_t object, io_object_t *next)
{
	struct io_entry *entry;

	if (!io_class_is_a(object->io_class, &io_iterator_class)) {
		return kIOReturnBadArgument;
	}
	entry = io_iterator_advance(object);
	if (entry == NULL) {
		return kIOReturnNoDevice;
	}
	*next = &entry->ie_object;
	return kIOReturnSuccess;
}

kern_return_t
io_iterator_reset(io_object_t object)
{
	if (!io_class_is_a(object->io_class, &io_iterator_class)) {
		return kIOReturnBadArgument;
	}
	io_iterator_restart(object);
	return kIOReturnSuccess;
}

static kern_return_t
make_iterator(io_object_t object, const char *plane_name, enum io_direction direction, io_object_t *iterator)
{
	struct io_entry *entry = entry_of(object);
	enum io_plane plane = io_plane_named(plane_name);

	if (entry == NULL || plane == IO_NPLANES) {
		return kIOReturnBadArgument;
	}
	*iterator = io_iterator_create(entry, plane, direction);
	return *iterator != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t
io_registry_entry_get_child_iterator(io_object_t object, const char *plane, io_object_t *iterator)
{
	return make_iterator(object, plane, IO_CHILDREN, iterator);
}

kern_return_t
io_registry_entry_get_parent_iterator(io_object_t object, const char *plane, io_object_t *iterator)
{
	return make_iterator(object, plane, IO_PARENTS, iterator);
}

/* ---- entries ---- */

kern_return_t
io_registry_get_root_entry(io_object_t object, io_object_t *root)
{
	io_object_retain(object);
	*root = object;
	return kIOReturnSuccess;
}

kern_return_t
io_registry_entry_get_name(io_object_t object, char *name)
{
	struct io_entry *entry = entry_of(object);

	if (entry == NULL) {
		return kIOReturnBadArgument;
	}
	strlcpy(name, entry->ie_name, kIONameSize);
	return kIOReturnSuccess;
}

/* Names do not differ between the planes there are. */
kern_return_t
io_registry_entry_get_name_in_plane(io_object_t object, const char *plane, char *name)
{
	if (io_plane_named(plane) == IO_NPLANES) {
		return kIOReturnBadArgument;
	}
	return io_registry_entry_get_name(object, name);
}

kern_return_t
io_registry_entry_get_location_in_plane(io_object_t object, const char *plane, char *location)
{
	struct io_entry *entry = entry_of(object);

	if (entry == NULL || io_plane_named(plane) == IO_NPLANES) {
		return kIOReturnBadArgument;
	}
	if (entry->ie_location[0] == '\0') {
		return kIOReturnNotFound;
	}
	strlcpy(location, entry->ie_location, kIONameSize);
	return kIOReturnSuccess;
}

kern_return_t
io_registry_entry_get_path(io_object_t object, const char *plane_name, char *path)
{
	struct io_entry *entry = entry_of(object);
	enum io_plane plane = io_plane_named(plane_name);

	if (entry == NULL || plane == IO_NPLANES) {
		return kIOReturnBadArgument;
	}
	return io_entry_copy_path(entry, plane, path, kIOStringSize);
}

kern_return_t
io_registry_entry_in_plane(io_object_t object, const char *plane_name, boolean_t *in_plane)
{
	struct io_entry *entry = entry_of(object);
	enum io_plane plane = io_plane_named(plane_name);

	if (entry == NULL || plane == IO_NPLANES) {
		return kIOReturnBadArgument;
	}
	*in_plane = io_entry_in_plane(entry, plane);
	return kIOReturnSuccess;
}

kern_return_t
io_registry_entry_get_property_bytes(
    io_object_t object, const char *property_name, char *data, mach_msg_type_number_t *dataCnt)
{
	struct io_entry *entry = entry_of(object);
	size_t len = *dataCnt;
	IOReturn result;

	if (entry == NULL) {
		return kIOReturnBadArgument;
	}
	if (property_name[0] == '\0') {
		result = io_entry_copy_property_names(entry, data, &len);
	} else {
		result = io_entry_copy_property(entry, property_name, data, &len);
	}
	*dataCnt = (mach_msg_type_number_t)len;
	return result;
}
