/*
 * Types and limits of the driver framework's messages.
 */
#pragma once

#include <stdint.h>

/* A registry entry or an iterator, named by a send right; released with mach_port_deallocate. */
#define IO_OBJECT_NULL ((io_object_t)0)

/* Bytes, with the closing NUL where it is a string. */
#define kIONameSize         128
#define kIOStringSize       512
#define kIOStructInbandSize 4096
