/* The driver framework by messages: the registry's tree, properties, iterators, and requests that are wrong. */
#include <IOKit/IOKitKeys.h>
#include <IOKit/IOReturn.h>
#include <IOKit/IOTypes.h>
#include <IOKit/iokitmig.h>
#include <IOKit/iokitmig_main.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/mig_errors.h>
#include <mach/ndr.h>
#include <string.h>

#include "ktap.h"

static void
drop(mach_port_t name)
{
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), name), KERN_SUCCESS);
}

static mach_port_t
main_port(void)
{
	mach_port_t host = mach_host_self(), io_main = MACH_PORT_NULL;

	EXPECT_EQ(host_get_io_main(host, &io_main), KERN_SUCCESS);
	drop(host);
	return io_main;
}

static io_object_t
root_entry(void)
{
	mach_port_t io_main = main_port();
	io_object_t root = IO_OBJECT_NULL;

	EXPECT_EQ(io_registry_get_root_entry(io_main, &root), KERN_SUCCESS);
	drop(io_main);
	return root;
}

/* The child of that name in the service plane, or IO_OBJECT_NULL; "" for the first one. */
static io_object_t
child_of(io_object_t entry, const char *wanted)
{
	io_object_t iterator, child;
	char name[kIONameSize];

	if (!EXPECT_EQ(
		io_registry_entry_get_child_iterator(entry, kIOServicePlane, &iterator), KERN_SUCCESS)) {
		return IO_OBJECT_NULL;
	}
	while (io_iterator_next(iterator, &child) == KERN_SUCCESS) {
		if (io_registry_entry_get_name(child, name) == KERN_SUCCESS &&
		    (wanted[0] == '\0' || strcmp(name, wanted) == 0)) {
			drop(iterator);
			return child;
		}
		drop(child);
	}
	drop(iterator);
	return IO_OBJECT_NULL;
}

/* The console's serial port. */
static io_object_t
serial_port(void)
{
	io_object_t root = root_entry(), board = child_of(root, ""), port = child_of(board, "pl011");

	EXPECT(port != IO_OBJECT_NULL);
	drop(board);
	drop(root);
	return port;
}

TEST(equal_objects_have_equal_names)
{
	io_object_t once = root_entry(), twice = root_entry();

	EXPECT_EQ(once, twice);
	drop(once);
	drop(twice);
}

TEST(devices_have_drivers)
{
	io_object_t port = serial_port(), driver = child_of(port, "ArmPL011");
	char class_name[kIONameSize], path[kIOStringSize];
	boolean_t yes = false;

	REQUIRE(driver != IO_OBJECT_NULL);
	EXPECT_EQ(io_object_get_class(driver, class_name), KERN_SUCCESS);
	EXPECT(strcmp(class_name, "ArmPL011") == 0);
	EXPECT_EQ(io_object_conforms_to(driver, "IOService", &yes), KERN_SUCCESS);
	EXPECT(yes);
	EXPECT_EQ(io_object_conforms_to(driver, "IOPlatformDevice", &yes), KERN_SUCCESS);
	EXPECT(!yes);
	EXPECT_EQ(io_registry_entry_in_plane(driver, kIODeviceTreePlane, &yes), KERN_SUCCESS);
	EXPECT(!yes);
	EXPECT_EQ(io_registry_entry_get_path(driver, kIOServicePlane, path), KERN_SUCCESS);
	EXPECT(strncmp(path, "IOService:/", 11) == 0 && strstr(path, "/pl011@9000000/ArmPL011") != NULL);
	drop(driver);
	drop(port);
}

TEST(properties)
{
	io_object_t port = serial_port();
	char bytes[kIOStructInbandSize];
	mach_msg_type_number_t len = sizeof(bytes);

	EXPECT_EQ(io_registry_entry_get_property_bytes(port, "compatible", bytes, &len), KERN_SUCCESS);
	EXPECT(len > sizeof("arm,pl011") && strcmp(bytes, "arm,pl011") == 0);
	len = 4;
	EXPECT_EQ(
	    io_registry_entry_get_property_bytes(port, "compatible", bytes, &len), (int)kIOReturnNoSpace);
	len = sizeof(bytes);
	EXPECT_EQ(io_registry_entry_get_property_bytes(port, "no such", bytes, &len), (int)kIOReturnNotFound);
	len = sizeof(bytes);
	EXPECT_EQ(io_registry_entry_get_property_bytes(port, "", bytes, &len), KERN_SUCCESS);
	EXPECT(len != 0 && bytes[len - 1] == '\0');
	drop(port);
}

TEST(iterators)
{
	io_object_t port = serial_port(), iterator, first, again, end;

	REQUIRE(io_registry_entry_get_child_iterator(port, kIOServicePlane, &iterator) == KERN_SUCCESS);
	EXPECT_EQ(io_iterator_next(iterator, &first), KERN_SUCCESS);
	EXPECT_EQ(io_iterator_next(iterator, &end), (int)kIOReturnNoDevice);
	EXPECT_EQ(io_iterator_reset(iterator), KERN_SUCCESS);
	EXPECT_EQ(io_iterator_next(iterator, &again), KERN_SUCCESS);
	EXPECT_EQ(first, again);
	drop(first);
	drop(again);
	drop(iterator);
	REQUIRE(io_registry_entry_get_parent_iterator(port, kIOServicePlane, &iterator) == KERN_SUCCESS);
	EXPECT_EQ(io_iterator_next(iterator, &first), KERN_SUCCESS);
	EXPECT_EQ(io_iterator_next(iterator, &end), (int)kIOReturnNoDevice);
	drop(first);
	drop(iterator);
	drop(port);
}

/* An object's port goes with its last right, and with it the iterator: the entry's count comes back. */
TEST(iterators_do_not_pile_up)
{
	io_object_t port = serial_port(), iterator;
	uint32_t before = 0, after = 0;

	EXPECT_EQ(io_object_get_retain_count(port, &before), KERN_SUCCESS);
	for (int i = 0; i < 2000; i++) {
		REQUIRE(
		    io_registry_entry_get_child_iterator(port, kIOServicePlane, &iterator) == KERN_SUCCESS);
		drop(iterator);
	}
	EXPECT_EQ(io_object_get_retain_count(port, &after), KERN_SUCCESS);
	EXPECT_EQ(after, before);
	drop(port);
}

TEST(wrong_objects)
{
	io_object_t root = root_entry(), iterator = IO_OBJECT_NULL, none;
	mach_port_t io_main = main_port();
	char name[kIONameSize];

	EXPECT_EQ(io_registry_entry_get_child_iterator(root, "NoPlane", &none), (int)kIOReturnBadArgument);
	EXPECT_EQ(io_iterator_next(root, &none), (int)kIOReturnBadArgument);
	EXPECT_EQ(io_object_get_class(io_main, name), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(io_object_get_class(mach_task_self(), name), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(io_registry_get_root_entry(root, &none), KERN_INVALID_ARGUMENT);
	REQUIRE(io_registry_entry_get_child_iterator(root, kIOServicePlane, &iterator) == KERN_SUCCESS);
	EXPECT_EQ(io_registry_entry_get_name(iterator, name), (int)kIOReturnBadArgument);
	drop(iterator);
	drop(io_main);
	drop(root);
}

/* --- requests that no stub would send --- */

struct raw {
	mach_msg_header_t head;
	NDR_record_t ndr;
	uint32_t words[40];
	mach_msg_max_trailer_t trailer;
};

/* What the kernel answers to `bytes` of arguments. */
static kern_return_t
ask(io_object_t object, mach_msg_id_t id, const uint32_t *words, mach_msg_size_t bytes)
{
	struct raw m = { 0 };
	kern_return_t kr;

	m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
	m.head.msgh_size = (mach_msg_size_t)(sizeof(m.head) + sizeof(m.ndr)) + bytes;
	m.head.msgh_remote_port = object;
	m.head.msgh_local_port = mig_get_reply_port();
	m.head.msgh_id = id;
	memcpy(m.words, words, bytes);
	kr = mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size, sizeof(m),
	    m.head.msgh_local_port, 0, MACH_PORT_NULL);
	return kr != KERN_SUCCESS ? kr : (kern_return_t)m.words[0]; /* RetCode comes first */
}

#define GET_PROPERTY_BYTES 2812
#define LAST_ID            2899

TEST(malformed_requests)
{
	io_object_t root = root_entry();
	static const uint32_t no_terminator[] = { 0, 4, 0x41414141, 16 };
	static const uint32_t long_string[] = { 0, 4096, 0, 16 };
	static const uint32_t huge_string[] = { 0, 0xfffffffe, 0, 16 };
	static const uint32_t empty_string[] = { 0, 0, 16 };
	static const uint32_t offset[] = { 4, 4, 0, 16 };
	static const uint32_t too_much[] = { 0, 4, 0x00414141, 16, 17 };

	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, no_terminator, sizeof(no_terminator)), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, long_string, sizeof(long_string)), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, huge_string, sizeof(huge_string)), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, empty_string, sizeof(empty_string)), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, offset, sizeof(offset)), MIG_BAD_ARGUMENTS);
	EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, too_much, sizeof(too_much)), MIG_BAD_ARGUMENTS);
	for (mach_msg_size_t bytes = 0; bytes < sizeof(no_terminator); bytes += 4) {
		EXPECT_EQ(ask(root, GET_PROPERTY_BYTES, no_terminator, bytes), MIG_BAD_ARGUMENTS);
	}
	EXPECT_EQ(ask(root, LAST_ID, empty_string, sizeof(empty_string)), MIG_BAD_ID);
	drop(root);
}
