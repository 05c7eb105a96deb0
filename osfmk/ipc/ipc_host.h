/*
 * MIG routines on the host and clock ports.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/clock_types.h>
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
kern_return_t host_get_clock_service(host_t host, clock_id_t id, ipc_port_t *clock);

kern_return_t clock_get_time(clock_serv_t clock, mach_timespec_t *time);
kern_return_t clock_get_attributes(
    clock_serv_t clock, clock_flavor_t flavor, clock_attr_t attr, mach_msg_type_number_t *count);
