/* Limits of the Mach interface. */
#pragma once

#define TASK_PORT_REGISTER_MAX 3 /* mach_ports_register */
