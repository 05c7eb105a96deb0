/*
 * From the firmware's device tree to entries and nubs. See io_platform.h.
 */
#include <Kernel/io_platform.h>

#include <arm64/arm_vm.h>
#include <kern/zalloc.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>
#include <string.h>

/* Deeper nodes are no devices that anything here drives; the walk below recurses, so it must end. */
#define IO_TREE_DEPTH_MAX 8

static void platform_device_free(struct io_object *object);

const struct io_class io_platform_device_class = { "IOPlatformDevice", &io_service_class,
	platform_device_free };

static const struct io_class io_platform_expert_class = { "IOPlatformExpertDevice", &io_service_class, NULL };

static void
platform_device_free(struct io_object *object)
{
	struct io_platform_device *device =
	    os_containerof(object, struct io_platform_device, iopd_service.ios_entry.ie_object);

	io_entry_destroy(&device->iopd_service.ios_entry);
	kfree_type(struct io_platform_device, device);
}

struct io_platform_device *
io_platform_device_of(struct io_service *service)
{
	if (!io_class_is_a(service->ios_entry.ie_object.io_class, &io_platform_device_class)) {
		return NULL;
	}
	return os_containerof(service, struct io_platform_device, iopd_service);
}

/* ---- what a driver asks of its device ---- */

volatile void *
io_platform_device_map(struct io_platform_device *device, unsigned index, size_t *size)
{
	uint64_t address, length;

	if (!dt_reg(device->iopd_node, index, &address, &length) || length == 0) {
		return NULL;
	}
	*size = length;
	return ml_io_map(address, length);
}

IOReturn
io_platform_device_enable_interrupt(
    struct io_platform_device *device, unsigned index, void (*handler)(void *arg), void *arg)
{
	bool edge;
	int irq = pe_irq_from_node(device->iopd_node, index, &edge);

	if (irq < 0) {
		return kIOReturnNotFound;
	}
	if (!pe_irq_register((unsigned)irq, handler, arg)) {
		return kIOReturnNoResources;
	}
	pe_irq_enable((unsigned)irq, edge);
	return kIOReturnSuccess;
}

/* ---- copying the tree ---- */

static IOReturn
copy_properties(struct io_entry *entry, dt_node_t node)
{
	struct dt_property_walk walk = { 0 };
	IOReturn result = kIOReturnSuccess;

	while (result == kIOReturnSuccess && dt_next_property(node, &walk)) {
		result = io_entry_set_property_static(entry, walk.name, walk.value, walk.len);
	}
	return result;
}

/* A nub in both planes, below the board in the service plane; or an entry of the device tree alone. */
static struct io_entry *
entry_of_node(dt_node_t node, struct io_entry *board)
{
	struct io_platform_device *device;

	if (dt_property(node, "compatible", NULL) == NULL) {
		return io_entry_create(dt_name(node));
	}
	device = kalloc_type(struct io_platform_device, Z_ZERO);
	if (device == NULL) {
		return NULL;
	}
	io_service_init(&device->iopd_service, &io_platform_device_class, dt_name(node));
	device->iopd_node = node;
	io_entry_attach(&device->iopd_service.ios_entry, board, IO_PLANE_SERVICE);
	return &device->iopd_service.ios_entry;
}

static IOReturn
publish_children(dt_node_t parent_node, struct io_entry *parent, struct io_entry *board, unsigned depth)
{
	IOReturn result = kIOReturnSuccess;

	if (depth == IO_TREE_DEPTH_MAX) {
		return kIOReturnSuccess;
	}
	for (dt_node_t node = dt_child(parent_node); node != DT_NONE && result == kIOReturnSuccess;
	    node = dt_sibling(node)) {
		struct io_entry *entry = entry_of_node(node, board);

		if (entry == NULL) {
			return kIOReturnNoMemory;
		}
		io_entry_attach(entry, parent, IO_PLANE_DEVICE_TREE);
		result = copy_properties(entry, node);
		if (result == kIOReturnSuccess &&
		    io_class_is_a(entry->ie_object.io_class, &io_service_class)) {
			io_service_register(io_service_of_entry(entry));
		}
		if (result == kIOReturnSuccess) {
			result = publish_children(node, entry, board, depth + 1);
		}
		io_object_release(&entry->ie_object); /* the planes hold it */
	}
	return result;
}

IOReturn
io_platform_publish(void)
{
	const char *model = dt_string(dt_root(), "compatible");
	struct io_service *board = kalloc_type(struct io_service, Z_ZERO);
	IOReturn result;

	if (board == NULL) {
		return kIOReturnNoMemory;
	}
	io_service_init(board, &io_platform_expert_class, model != NULL ? model : "board");
	io_entry_attach(&board->ios_entry, io_registry_root(), IO_PLANE_SERVICE);
	io_entry_attach(&board->ios_entry, io_registry_root(), IO_PLANE_DEVICE_TREE);
	result = copy_properties(&board->ios_entry, dt_root());
	if (result == kIOReturnSuccess) {
		result = publish_children(dt_root(), &board->ios_entry, &board->ios_entry, 0);
	}
	io_object_release(&board->ios_entry.ie_object);
	return result;
}
