/* Options of thread_switch and of yielding. */
#pragma once

#define SWITCH_OPTION_NONE                0
#define SWITCH_OPTION_DEPRESS             1
#define SWITCH_OPTION_WAIT                2
#define SWITCH_OPTION_DISPATCH_CONTENTION 3
#define SWITCH_OPTION_OSLOCK_DEPRESS      4
#define SWITCH_OPTION_OSLOCK_WAIT         5
