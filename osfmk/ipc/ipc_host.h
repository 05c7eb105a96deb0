/*
 * MIG routines on the host's ports.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/host_info.h>
#include <mach/mach_types.h>

struct vm_map_copy;

/* Makes the ports. Once, from ipc_init. */
void ipc_host_init(void);

/* The port that stands for the driver framework; set once, by it. */
void host_set_io_main(ipc_port_t port);
kern_return_t host_get_io_main(host_t host, ipc_port_t *io_main);

kern_return_t _host_page_size(host_t host, vm_size_t *size);
/* `version` has room for a kernel_version_t. */
kern_return_t host_kernel_version(host_t host, char *version);
kern_return_t host_info(host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count);
kern_return_t host_statistics(
    host_t host, host_flavor_t flavor, host_info_t info, mach_msg_type_number_t *count);
kern_return_t host_statistics64(
    host_t host, host_flavor_t flavor, host_info64_t info, mach_msg_type_number_t *count);
kern_return_t mach_zone_info(host_t host, struct vm_map_copy **names, mach_msg_type_number_t *names_count,
    struct vm_map_copy **info, mach_msg_type_number_t *info_count);

/* Rights given are taken over on KERN_SUCCESS. */
kern_return_t host_get_special_port(host_t host, int node, int which, ipc_port_t *port);
kern_return_t host_set_special_port(host_t host, int which, ipc_port_t port);
kern_return_t host_request_notification(host_t host, host_flavor_t type, ipc_port_t port);

/* Whatever else is asked for, the machine stops. There is no debugger to be called instead (HOST_REBOOT_DEBUGGER). */
kern_return_t host_reboot(host_t host, int options);

/* Threads are wired always; one may say so about itself alone. */
kern_return_t thread_wire(host_t host, thread_t thread, boolean_t wired);

/* Sets the wall-clock time and tells those who asked to hear of it. May be called wherever a message may be sent. */
void host_set_calendar(uint64_t seconds, uint32_t nanoseconds);

/* A port of the kernel for an object that exists for good. */
ipc_port_t ipc_host_make_port(void *kobject, ipc_kobject_type_t type);
