/*
 * Clock ports: the system clock (absolute time) and the calendar. Routines on the clock port, its control port and,
 * for the names of both, the host's.
 */
#pragma once

#include <ipc/ipc_kobject.h>
#include <mach/clock_types.h>
#include <mach/mach_types.h>

/* Makes the ports. Once, from ipc_host_init. */
void ipc_clock_init(void);

/* Makes the thread that sends alarms. Once, when threads can be made. */
void ipc_clock_start_alarms(void);

kern_return_t host_get_clock_service(host_t host, clock_id_t id, ipc_port_t *clock);
kern_return_t host_get_clock_control(host_t host, clock_id_t id, ipc_port_t *control);

kern_return_t clock_get_time(clock_serv_t clock, mach_timespec_t *time);
kern_return_t clock_get_attributes(
    clock_serv_t clock, clock_flavor_t flavor, clock_attr_t attr, mach_msg_type_number_t *count);
/* `port` is a send-once right, taken over on KERN_SUCCESS. */
kern_return_t clock_alarm(clock_serv_t clock, alarm_type_t type, mach_timespec_t time, ipc_port_t port);

/* Of the calendar alone. */
kern_return_t clock_set_time(clock_serv_t clock, mach_timespec_t time);
