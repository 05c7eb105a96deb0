/* See version.h. */
#include <kern/version.h>

#define RELEASE "24.5.0"

const char kernel_version[] = "Pluot Kernel Version " RELEASE "; arm64";
const char kernel_osrelease[] = RELEASE;
