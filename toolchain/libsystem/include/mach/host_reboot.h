/* How host_reboot ends the system. */
#pragma once

#define HOST_REBOOT_HALT     0x0008
#define HOST_REBOOT_UPSDELAY 0x0100
#define HOST_REBOOT_DEBUGGER 0x1000
