/*
 * Types and limits of the driver framework's messages.
 */
#pragma once

#include <stdint.h>

#ifndef KERNEL
#include <mach/port.h>

/* A registry entry or an iterator, named by a send right; released with mach_port_deallocate. */
typedef mach_port_t io_object_t;
/* What host_get_io_main gives. */
typedef mach_port_t io_main_t;
#endif

#define IO_OBJECT_NULL ((io_object_t)0)

/* Bytes, with the closing NUL where it is a string. */
#define kIONameSize         128
#define kIOStringSize       512
#define kIOStructInbandSize 4096
