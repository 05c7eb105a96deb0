/* What the calls of <mach/mach_port.h> and <mach/mach_host.h> for debugging answer. */
#pragma once

#include <mach_debug/hash_info.h>
#include <mach_debug/ipc_info.h>
#include <mach_debug/lockgroup_info.h>
#include <mach_debug/page_info.h>
#include <mach_debug/vm_info.h>
#include <mach_debug/zone_info.h>

typedef char symtab_name_t[32];
