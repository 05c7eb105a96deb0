/*
 * The platform: the root of the IOService plane below "Root", and a nub for each device of the board.
 *
 * PE_init_iokit copies the firmware's device tree into the IODeviceTree plane (entries and properties; the
 * bytes stay where the firmware put them) and makes a platform device of each node that says "compatible".
 */
#pragma once

#include <Kernel/io_service.h>

struct io_platform_device {
	struct io_service iopd_service;
	int32_t iopd_node; /* device tree node; constant */
};

extern const struct io_class io_platform_device_class;

/* The device behind a service that a driver was offered; NULL for another kind of nub. */
struct io_platform_device *io_platform_device_of(struct io_service *service);

/* Maps register range `index` of the device for as long as the machine runs. NULL: it has no such range. */
volatile void *io_platform_device_map(struct io_platform_device *device, unsigned index, size_t *size);

/* Sets the handler of the device's interrupt `index` and lets it come. Handlers run as <pexpert/interrupts.h>
 * says. kIOReturnNotFound, or kIOReturnNoResources when somebody has it. */
IOReturn io_platform_device_enable_interrupt(
    struct io_platform_device *device, unsigned index, void (*handler)(void *arg), void *arg);

/* Makes the tree of devices and offers them, see above. */
IOReturn io_platform_publish(void);
