/*
 * Tests of objects, the registry and iterators; and that this machine's devices were found and driven.
 */
#include <IOKit/IOKitKeys.h>
#include <Kernel/io_iterator.h>
#include <Kernel/io_registry.h>
#include <kern/clock.h>
#include <ktest/ktest.h>
#include <string.h>

/* --- objects --- */

static unsigned freed;

static void
count_free(struct io_object *object)
{
	freed++;
}

static const struct io_class base_class = { "TestBase", &io_object_class, count_free };
static const struct io_class derived_class = { "TestDerived", &base_class, NULL };

KTEST(io_object_last_release_frees)
{
	struct io_object object;

	freed = 0;
	io_object_init(&object, &derived_class);
	io_object_retain(&object);
	EXPECT_EQ(io_object_references(&object), 2);
	io_object_release(&object);
	EXPECT_EQ(freed, 0);
	io_object_release(&object);
	EXPECT_EQ(freed, 1);
}

KTEST(io_object_class_chain)
{
	EXPECT(io_class_is_a(&derived_class, &base_class));
	EXPECT(!io_class_is_a(&base_class, &derived_class));
	EXPECT(io_class_conforms(&derived_class, "OSObject"));
	EXPECT(!io_class_conforms(&derived_class, "IOService"));
}

/* --- entries --- */

KTEST(io_entry_properties)
{
	struct io_entry *entry = io_entry_create("thing@12");
	char bytes[16];
	size_t len = sizeof(bytes);

	EXPECT(strcmp(entry->ie_name, "thing") == 0 && strcmp(entry->ie_location, "12") == 0);
	EXPECT_EQ(io_entry_copy_property(entry, "a", bytes, &len), kIOReturnNotFound);
	EXPECT_EQ(io_entry_set_string(entry, "a", "first"), kIOReturnSuccess);
	EXPECT_EQ(io_entry_set_number(entry, "b", 7), kIOReturnSuccess);
	EXPECT_EQ(io_entry_set_string(entry, "a", "2nd"), kIOReturnSuccess);
	EXPECT_EQ(io_entry_copy_property(entry, "a", bytes, &len), kIOReturnSuccess);
	EXPECT(len == 4 && strcmp(bytes, "2nd") == 0);
	len = 7;
	EXPECT_EQ(io_entry_copy_property(entry, "b", bytes, &len), kIOReturnNoSpace);
	len = sizeof(bytes);
	EXPECT_EQ(io_entry_copy_property_names(entry, bytes, &len), kIOReturnSuccess);
	EXPECT(len == 4 && memcmp(bytes, "b\0a", 4) == 0);
	len = 3;
	EXPECT_EQ(io_entry_copy_property_names(entry, bytes, &len), kIOReturnNoSpace);
	io_object_release(&entry->ie_object);
}

/* Three entries below the root: parent, and its children one and two. */
struct family {
	struct io_entry *parent, *one, *two;
};

static struct family
family_create(void)
{
	struct family family = { io_entry_create("parent"), io_entry_create("one"),
		io_entry_create("two@2") };

	io_entry_attach(family.parent, io_registry_root(), IO_PLANE_SERVICE);
	io_entry_attach(family.one, family.parent, IO_PLANE_SERVICE);
	io_entry_attach(family.two, family.parent, IO_PLANE_SERVICE);
	return family;
}

static void
leave_plane(struct io_entry *entry)
{
	if (io_entry_in_plane(entry, IO_PLANE_SERVICE)) {
		io_entry_detach(entry, IO_PLANE_SERVICE);
	}
	EXPECT_EQ(io_object_references(&entry->ie_object), 1);
	io_object_release(&entry->ie_object);
}

static void
family_destroy(struct family family)
{
	leave_plane(family.one);
	leave_plane(family.two);
	leave_plane(family.parent);
}

KTEST(io_registry_paths)
{
	struct family family = family_create();
	char path[64];

	EXPECT_EQ(io_entry_copy_path(family.two, IO_PLANE_SERVICE, path, sizeof(path)), kIOReturnSuccess);
	EXPECT(strcmp(path, "IOService:/parent/two@2") == 0);
	EXPECT_EQ(io_entry_copy_path(family.two, IO_PLANE_SERVICE, path, 24), kIOReturnSuccess);
	EXPECT_EQ(io_entry_copy_path(family.two, IO_PLANE_SERVICE, path, 23), kIOReturnNoSpace);
	EXPECT_EQ(io_entry_copy_path(family.two, IO_PLANE_DEVICE_TREE, path, sizeof(path)), kIOReturnNoSpace);
	EXPECT_EQ(
	    io_entry_copy_path(io_registry_root(), IO_PLANE_SERVICE, path, sizeof(path)), kIOReturnSuccess);
	EXPECT(strcmp(path, "IOService:/") == 0);
	family_destroy(family);
}

/* Takes the next entry, and says whether it is the expected one. */
static bool
gives(struct io_object *iterator, struct io_entry *expected)
{
	struct io_entry *entry = io_iterator_advance(iterator);

	if (entry != NULL) {
		io_object_release(&entry->ie_object);
	}
	return entry == expected;
}

KTEST(io_iterator_walks)
{
	struct family family = family_create();
	struct io_object *children = io_iterator_create(family.parent, IO_PLANE_SERVICE, IO_CHILDREN);
	struct io_object *parents = io_iterator_create(family.one, IO_PLANE_SERVICE, IO_PARENTS);

	EXPECT(gives(children, family.one));
	EXPECT(gives(children, family.two));
	EXPECT(gives(children, NULL));
	EXPECT(gives(children, NULL));
	io_iterator_restart(children);
	EXPECT(gives(children, family.one));
	EXPECT(gives(parents, family.parent));
	EXPECT(gives(parents, NULL));
	io_object_release(children);
	io_object_release(parents);
	family_destroy(family);
}

KTEST(io_iterator_survives_its_place)
{
	struct family family = family_create();
	struct io_object *children = io_iterator_create(family.parent, IO_PLANE_SERVICE, IO_CHILDREN);

	EXPECT(gives(children, family.one));
	io_entry_detach(family.one, IO_PLANE_SERVICE);
	EXPECT(gives(children, NULL));
	io_object_release(children);
	family_destroy(family);
}

/* --- this machine --- */

/* The child of that name, with a reference, or NULL. */
static struct io_entry *
copy_child_named(struct io_entry *entry, const char *name)
{
	struct io_entry *child = io_entry_copy_child(entry, IO_PLANE_SERVICE, NULL);

	while (child != NULL && strcmp(child->ie_name, name) != 0) {
		struct io_entry *next = io_entry_copy_child(entry, IO_PLANE_SERVICE, child);

		io_object_release(&child->ie_object);
		child = next;
	}
	return child;
}

/* True if below the board there is `device`, with `driver` started on it. */
static bool
is_driven(const char *device, const char *driver)
{
	struct io_entry *board = io_entry_copy_child(io_registry_root(), IO_PLANE_SERVICE, NULL);
	struct io_entry *nub = copy_child_named(board, device);
	struct io_entry *client = nub != NULL ? copy_child_named(nub, driver) : NULL;

	io_object_release(&board->ie_object);
	if (nub != NULL) {
		io_object_release(&nub->ie_object);
	}
	if (client != NULL) {
		io_object_release(&client->ie_object);
	}
	return client != NULL;
}

KTEST(io_matching_started_drivers)
{
	EXPECT(is_driven("pl011", "ArmPL011"));
	EXPECT(is_driven("pl031", "ArmPL031"));
	EXPECT(!is_driven("timer", "ArmPL031"));
}

KTEST(io_rtc_set_the_calendar)
{
	const uint64_t year_2000 = 946684800;
	uint64_t seconds;
	uint32_t nanoseconds;

	clock_get_calendar_ns(&seconds, &nanoseconds);
	EXPECT(seconds >= year_2000);
	EXPECT(nanoseconds < NSEC_PER_SEC);
}
