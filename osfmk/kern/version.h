/* What the kernel calls itself. */
#pragma once

extern const char kernel_version[];   /* one line, at most 511 characters */
extern const char kernel_osrelease[]; /* of the XNU interface it keeps to */
