/*
 * IOReturn: what calls of the driver framework answer. Error system 0x38 (iokit), subsystem 0 (common).
 */
#pragma once

#include <mach/kern_return.h>

typedef kern_return_t IOReturn;

#define iokit_common_err(code) ((IOReturn)(0xe0000000u | (code)))

#define kIOReturnSuccess     KERN_SUCCESS
#define kIOReturnError       iokit_common_err(0x2bc) /* general */
#define kIOReturnNoMemory    iokit_common_err(0x2bd)
#define kIOReturnNoResources iokit_common_err(0x2be)
#define kIOReturnNoDevice    iokit_common_err(0x2c0)
#define kIOReturnBadArgument iokit_common_err(0x2c2)
#define kIOReturnUnsupported iokit_common_err(0x2c7)
#define kIOReturnIOError     iokit_common_err(0x2ca)
#define kIOReturnNoSpace     iokit_common_err(0x2db)
#define kIOReturnOverrun     iokit_common_err(0x2e8)
#define kIOReturnNotFound    iokit_common_err(0x2f0)
