/*
 * The framework's place in the boot order: kernel_bootstrap_thread calls iokit_init, before bsd_init.
 */
#include <Kernel/io_platform.h>
#include <Kernel/io_ports.h>
#include <kern/upcalls.h>
#include <os/panic.h>
#include <pexpert/pexpert.h>

/* The registry, and an entry for each device. */
static void
PE_init_iokit(void)
{
	IOReturn result;

	io_registry_init();
	io_ports_init();
	result = io_platform_publish();
	if (result != kIOReturnSuccess) {
		panic("PE_init_iokit: no registry: 0x%x", result);
	}
}

/* Drivers of the devices found so far have started when this returns. */
static void
StartIOKitMatching(void)
{
	io_service_start_matching();
	if (pe_boot_arg_flag("-v")) {
		io_registry_print(IO_PLANE_SERVICE);
	}
}

void
iokit_init(void)
{
	PE_init_iokit();
	StartIOKitMatching();
}
