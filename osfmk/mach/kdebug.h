/*
 * Kernel trace: what a record is, and the numbers in it. Programs include <sys/kdebug.h>, which adds control.
 *
 * An event's id is 32 bits: class (8), subclass (8), code (14), function (2). Function 1 begins something on the
 * event's thread, 2 ends it; 0 and 3 are single events. The classes, subclasses and codes below are XNU's; only those
 * that the kernel emits are listed beyond the classes. What the arguments of each are is in docs/tracing.md.
 */
#pragma once

#include <stdint.h>

/* One event. arg5 is the thread's number, 0 where there is none. */
typedef struct {
	uint64_t timestamp; /* mach_absolute_time() */
	uintptr_t arg1;
	uintptr_t arg2;
	uintptr_t arg3;
	uintptr_t arg4;
	uintptr_t arg5;
	uint32_t debugid;
	uint32_t cpuid;
	uintptr_t unused;
} kd_buf;

/* --- the parts of an id --- */

#define DBG_FUNC_NONE  0u
#define DBG_FUNC_START 1u
#define DBG_FUNC_END   2u
#define DBG_FUNC_ALL   (DBG_FUNC_START | DBG_FUNC_END)

#define KDBG_CLASS_MASK      0xff000000u
#define KDBG_CLASS_OFFSET    24
#define KDBG_CLASS_MAX       0xffu
#define KDBG_SUBCLASS_MASK   0x00ff0000u
#define KDBG_SUBCLASS_OFFSET 16
#define KDBG_SUBCLASS_MAX    0xffu
#define KDBG_CSC_MASK        0xffff0000u
#define KDBG_CSC_OFFSET      16
#define KDBG_CSC_MAX         0xffffu
#define KDBG_CODE_MASK       0x0000fffcu
#define KDBG_CODE_OFFSET     2
#define KDBG_CODE_MAX        0x3fffu
#define KDBG_EVENTID_MASK    0xfffffffcu
#define KDBG_FUNC_MASK       0x00000003u

#define KDBG_EXTRACT_CLASS(id)    ((uint8_t)(((id) & KDBG_CLASS_MASK) >> KDBG_CLASS_OFFSET))
#define KDBG_EXTRACT_SUBCLASS(id) ((uint8_t)(((id) & KDBG_SUBCLASS_MASK) >> KDBG_SUBCLASS_OFFSET))
#define KDBG_EXTRACT_CSC(id)      ((uint16_t)(((id) & KDBG_CSC_MASK) >> KDBG_CSC_OFFSET))
#define KDBG_EXTRACT_CODE(id)     (((id) & KDBG_CODE_MASK) >> KDBG_CODE_OFFSET)

#define KDBG_EVENTID(class, subclass, code)                           \
	(((unsigned)((class) & 0xff) << KDBG_CLASS_OFFSET) |          \
	    ((unsigned)((subclass) & 0xff) << KDBG_SUBCLASS_OFFSET) | \
	    ((unsigned)((code) & 0x3fff) << KDBG_CODE_OFFSET))
#define KDBG_CODE(class, subclass, code) KDBG_EVENTID(class, subclass, code)

/* --- classes --- */

#define DBG_MACH        1
#define DBG_NETWORK     2
#define DBG_FSYSTEM     3
#define DBG_BSD         4
#define DBG_IOKIT       5
#define DBG_DRIVERS     6
#define DBG_TRACE       7
#define DBG_DLIL        8
#define DBG_PTHREAD     9
#define DBG_CORESTORAGE 10
#define DBG_MONOTONIC   12
#define DBG_MISC        20
#define DBG_SECURITY    30
#define DBG_DYLD        31
#define DBG_APPS        33
#define DBG_LAUNCHD     34
#define DBG_PERF        37
#define DBG_IMPORTANCE  38
#define DBG_BANK        40
#define DBG_XPC         41
#define DBG_DAEMON      44
#define DBG_DISPATCH    46
#define DBG_TURNSTILE   53
#define DBG_MIG         255

#define MACHDBG_CODE(subclass, code)  KDBG_CODE(DBG_MACH, subclass, code)
#define BSDDBG_CODE(subclass, code)   KDBG_CODE(DBG_BSD, subclass, code)
#define TRACEDBG_CODE(subclass, code) KDBG_CODE(DBG_TRACE, subclass, code)
#define KDBG_MIGCODE(msgid) \
	(((unsigned)DBG_MIG << KDBG_CLASS_OFFSET) | (((unsigned)(msgid) & 0x3fffff) << KDBG_CODE_OFFSET))
#define APPSDBG_CODE(subclass, code) KDBG_CODE(DBG_APPS, subclass, code)

/* --- class Mach --- */

#define DBG_MACH_EXCP_INTR 0x05 /* interrupts */
#define DBG_MACH_EXCP_SC   0x0c /* Mach traps; the code is the trap's number */
#define DBG_MACH_IPC       0x20
#define DBG_MACH_VM        0x30
#define DBG_MACH_SCHED     0x40

#define MACH_IPC_MSG_SEND 0x3
#define MACH_IPC_MSG_RECV 0x4

#define DBG_MACH_VMFAULT 0x2 /* in subclass VM */

#define MACH_SCHED         0x0 /* switch; both threads keep or give up their kernel stacks */
#define MACH_STACK_HANDOFF 0x2 /* switch; the kernel stack goes on with the new thread */
#define MACH_MAKE_RUNNABLE 0x6
#define MACH_IDLE          0x9
#define MACH_REMOTE_AST    0x15 /* another CPU is told to look for a better thread */

/* --- class BSD --- */

#define DBG_BSD_EXCP_SC 0x0c /* system calls; the code is the call's number */

/* --- class Trace: about the trace itself, and names --- */

#define DBG_TRACE_DATA   0
#define DBG_TRACE_STRING 1
#define DBG_TRACE_INFO   2

#define TRACE_DATA_NEWTHREAD    TRACEDBG_CODE(DBG_TRACE_DATA, 1)
#define TRACE_DATA_EXEC         TRACEDBG_CODE(DBG_TRACE_DATA, 2)
#define TRACE_STRING_GLOBAL     TRACEDBG_CODE(DBG_TRACE_STRING, 0)
#define TRACE_STRING_NEWTHREAD  TRACEDBG_CODE(DBG_TRACE_STRING, 1)
#define TRACE_STRING_EXEC       TRACEDBG_CODE(DBG_TRACE_STRING, 2)
#define TRACE_STRING_THREADNAME TRACEDBG_CODE(DBG_TRACE_STRING, 4)
#define TRACE_LOST_EVENTS       TRACEDBG_CODE(DBG_TRACE_INFO, 2)

/* --- the type filter: one bit for each class and subclass, those that pass --- */

#define KDBG_TYPEFILTER_BITMAP_SIZE ((256 * 256) / 8) /* bytes */
