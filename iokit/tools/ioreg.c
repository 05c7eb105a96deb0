/*
 * ioreg [-l] [-p PLANE]: prints the registry as a tree. -l adds properties; PLANE is IOService (default) or
 * IODeviceTree.
 */
#include <IOKit/IOKitKeys.h>
#include <IOKit/IOReturn.h>
#include <IOKit/IOTypes.h>
#include <IOKit/iokitmig.h>
#include <IOKit/iokitmig_main.h>
#include <ctype.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EX_USAGE 64

/* Deeper trees are a defect of the registry; this tool does not recurse without end. */
#define DEPTH_MAX 32

static const char *plane = kIOServicePlane;
static bool with_properties;

static void
indent(int depth)
{
	for (int i = 0; i < depth; i++) {
		printf("  ");
	}
}

/* --- properties --- */

/* Text: printable characters with NULs between and one at the end, as in "compatible". */
static bool
is_text(const char *bytes, size_t len)
{
	if (len < 2 || bytes[len - 1] != '\0' || bytes[0] == '\0') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		bool ends = bytes[i] == '\0' && (i == len - 1 || bytes[i + 1] != '\0');

		if (!ends && !isprint((unsigned char)bytes[i])) {
			return false;
		}
	}
	return true;
}

static void
print_text(const char *bytes, size_t len)
{
	for (const char *at = bytes; at < bytes + len; at += strlen(at) + 1) {
		printf("%s\"%s\"", at == bytes ? "" : ",", at);
	}
}

static void
print_value(const char *bytes, size_t len)
{
	if (is_text(bytes, len)) {
		print_text(bytes, len);
		return;
	}
	printf("<");
	for (size_t i = 0; i < len; i++) {
		printf("%02x", (unsigned char)bytes[i]);
	}
	printf(">");
}

static void
print_property(io_object_t entry, const char *name, int depth)
{
	static char value[kIOStructInbandSize];
	mach_msg_type_number_t len = sizeof(value);
	kern_return_t kr = io_registry_entry_get_property_bytes(entry, name, value, &len);

	indent(depth);
	printf("  | \"%s\" = ", name);
	if (kr == KERN_SUCCESS) {
		print_value(value, len);
		printf("\n");
	} else {
		printf("(error 0x%x)\n", (unsigned)kr);
	}
}

static void
print_properties(io_object_t entry, int depth)
{
	char *names = malloc(kIOStructInbandSize);
	mach_msg_type_number_t len = kIOStructInbandSize;

	/* No name: the list of names. */
	if (names != NULL && io_registry_entry_get_property_bytes(entry, "", names, &len) == KERN_SUCCESS) {
		for (const char *name = names; name < names + len; name += strlen(name) + 1) {
			print_property(entry, name, depth);
		}
	}
	free(names);
}

/* --- the tree --- */

static kern_return_t
print_entry(io_object_t entry, int depth)
{
	char name[kIONameSize], location[kIONameSize], class_name[kIONameSize];
	uint32_t references;
	kern_return_t kr = io_registry_entry_get_name_in_plane(entry, plane, name);

	if (kr == KERN_SUCCESS) {
		kr = io_object_get_class(entry, class_name);
	}
	if (kr == KERN_SUCCESS) {
		kr = io_object_get_retain_count(entry, &references);
	}
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	indent(depth);
	printf("+-o %s", name);
	if (io_registry_entry_get_location_in_plane(entry, plane, location) == KERN_SUCCESS) {
		printf("@%s", location);
	}
	printf("  <class %s, retain %u>\n", class_name, references);
	if (with_properties) {
		print_properties(entry, depth);
	}
	return KERN_SUCCESS;
}

static kern_return_t
print_tree(io_object_t entry, int depth)
{
	io_object_t iterator, child;
	kern_return_t kr = print_entry(entry, depth);

	if (kr != KERN_SUCCESS || depth == DEPTH_MAX) {
		return kr;
	}
	kr = io_registry_entry_get_child_iterator(entry, plane, &iterator);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	while ((kr = io_iterator_next(iterator, &child)) == KERN_SUCCESS) {
		kr = print_tree(child, depth + 1);
		(void)mach_port_deallocate(mach_task_self(), child);
		if (kr != KERN_SUCCESS) {
			break;
		}
	}
	(void)mach_port_deallocate(mach_task_self(), iterator);
	return kr == kIOReturnNoDevice ? KERN_SUCCESS : kr; /* the iterator's end */
}

static kern_return_t
print_registry(void)
{
	mach_port_t host = mach_host_self();
	mach_port_t io_main;
	io_object_t root;
	kern_return_t kr = host_get_io_main(host, &io_main);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = io_registry_get_root_entry(io_main, &root);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = print_tree(root, 0);
	(void)mach_port_deallocate(mach_task_self(), root);
	(void)mach_port_deallocate(mach_task_self(), io_main);
	(void)mach_port_deallocate(mach_task_self(), host);
	return kr;
}

static int
usage(void)
{
	fprintf(stderr, "usage: ioreg [-l] [-p %s|%s]\n", kIOServicePlane, kIODeviceTreePlane);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	kern_return_t kr;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-l") == 0) {
			with_properties = true;
		} else if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) {
			plane = argv[++i];
		} else {
			return usage();
		}
	}
	if (strcmp(plane, kIOServicePlane) != 0 && strcmp(plane, kIODeviceTreePlane) != 0) {
		return usage();
	}
	kr = print_registry();
	if (kr != KERN_SUCCESS) {
		fprintf(stderr, "ioreg: error 0x%x\n", (unsigned)kr);
	}
	return kr == KERN_SUCCESS ? 0 : 1;
}
