/* Timers as ports. The calls themselves are traps: <mach/mach_traps.h>. */
#pragma once

#include <mach/mach_traps.h>
#include <mach/message.h>

/* What arrives when the deadline passes. */
#pragma pack(push, 4)
typedef struct mk_timer_expire_msg {
	mach_msg_header_t header;
	uint64_t unused[3];
} mk_timer_expire_msg_t;
#pragma pack(pop)

#define MK_TIMER_NORMAL   0
#define MK_TIMER_CRITICAL 1
