/*
 * The name service: names for ports, known to every program below one bootstrap port.
 *
 * launchd serves it. A name lives as long as its port: when the server ends, the name is free again. Results are
 * the BOOTSTRAP_ codes, or those of the message when the service cannot be reached.
 */
#pragma once

#include <mach/mach_init.h>
#include <mach/mach_types.h>
#include <servers/bootstrap_defs.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

/*
 * The receive right of a service. For a name that nobody has, a port is made; for one of bootstrap_create_service,
 * the right comes with the messages that were sent so far. BOOTSTRAP_SERVICE_ACTIVE: another server has it.
 */
kern_return_t bootstrap_check_in(mach_port_t bp, const name_t service_name, mach_port_t *sp);

/* A name for a port of the caller's; MACH_PORT_NULL takes the name away. BOOTSTRAP_NAME_IN_USE: it has another. */
kern_return_t bootstrap_register(mach_port_t bp, name_t service_name, mach_port_t sp);

/* A send right; BOOTSTRAP_UNKNOWN_SERVICE if there is none. */
kern_return_t bootstrap_look_up(mach_port_t bp, const name_t service_name, mach_port_t *sp);

/* A name with a port before its server runs: launchd keeps the receive right whenever no server has it. */
kern_return_t bootstrap_create_service(mach_port_t bp, name_t service_name, mach_port_t *sp);

/* BOOTSTRAP_STATUS_ACTIVE: a server has the receive right. */
kern_return_t bootstrap_status(mach_port_t bp, name_t service_name, bootstrap_status_t *service_active);

const char *bootstrap_strerror(kern_return_t r);

__END_DECLS
