/* Options of host_reboot. */
#pragma once

#define HOST_REBOOT_HALT     0x8
#define HOST_REBOOT_UPSDELAY 0x100
#define HOST_REBOOT_DEBUGGER 0x1000
