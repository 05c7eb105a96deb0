/*
 * Kernel trace: control by programs. Records and ids are in <mach/kdebug.h>; docs/tracing.md tells how it is used.
 *
 * sysctl({CTL_KERN, KERN_KDEBUG, operation, value}, ..., old, &size, NULL, 0); `value` only where an operation takes
 * one. Structures that go in are passed through `old` as well, as it has always been.
 *
 *	KERN_KDSETBUF value	how many records the buffers are to hold, all CPUs together
 *	KERN_KDSETUP		makes the buffers
 *	KERN_KDENABLE value	1 starts, 0 stops
 *	KERN_KDGETBUF		kbufinfo_t
 *	KERN_KDREADTR		kd_buf[]; size is bytes on the way in, the number of records on the way out
 *	KERN_KDTHRMAP		kd_threadmap[] of when the trace was started; KERN_KDREADCURTHRMAP: of now
 *	KERN_KDCPUMAP		kd_cpumap_header and kd_cpumap[]
 *	KERN_KDSETREG		kd_regtype: which ids are recorded
 *	KERN_KDSET_TYPEFILTER	KDBG_TYPEFILTER_BITMAP_SIZE bytes: which classes and subclasses are recorded
 *	KERN_KDPIDTR, KERN_KDPIDEX  kd_regtype: value1 a process that alone is (or is not) recorded, value2 1 or 0
 *	KERN_KDEFLAGS value	sets, KERN_KDDFLAGS clears: KDBG_NOWRAP
 *	KERN_KDBUFWAIT		waits until a buffer is half full; size is milliseconds on the way in, 1 or 0 on the way out
 *	KERN_KDREMOVE		stops, forgets buffers and filters
 *
 * The process that first configures the trace owns it until KERN_KDREMOVE or its end. Errors: EPERM for whoever is not
 * the superuser; EBUSY while another process owns it; EINVAL for what makes no sense, among it starting or reading
 * without buffers and wrong sizes; ENOTSUP for an operation that this kernel does not have.
 */
#pragma once

#include <mach/kdebug.h>
#include <stddef.h>
#include <sys/types.h>

/* --- operations --- */

#define KERN_KDEFLAGS         1
#define KERN_KDDFLAGS         2
#define KERN_KDENABLE         3
#define KERN_KDSETBUF         4
#define KERN_KDGETBUF         5
#define KERN_KDSETUP          6
#define KERN_KDREMOVE         7
#define KERN_KDSETREG         8
#define KERN_KDGETREG         9
#define KERN_KDREADTR         10
#define KERN_KDPIDTR          11
#define KERN_KDTHRMAP         12
#define KERN_KDPIDEX          14
#define KERN_KDSETRTCDEC      15
#define KERN_KDGETENTROPY     16
#define KERN_KDWRITETR        17
#define KERN_KDWRITEMAP       18
#define KERN_KDTEST           19
#define KERN_KDREADCURTHRMAP  21
#define KERN_KDSET_TYPEFILTER 22
#define KERN_KDBUFWAIT        23
#define KERN_KDCPUMAP         24
#define KERN_KDCPUMAP_EXT     25
#define KERN_KDSET_EDM        26
#define KERN_KDGET_EDM        27
#define KERN_KDWRITETR_V3     28

/* --- flags, in kbufinfo_t and kd_regtype.type --- */

#define KDBG_INIT       0x001u
#define KDBG_NOWRAP     0x002u /* a full buffer takes no more; otherwise it overwrites its oldest records */
#define KDBG_FREERUN    0x004u
#define KDBG_WRAPPED    0x008u /* records were lost */
#define KDBG_USERFLAGS  (KDBG_FREERUN | KDBG_NOWRAP | KDBG_INIT)
#define KDBG_PIDCHECK   0x010u
#define KDBG_PIDEXCLUDE 0x040u
#define KDBG_LP64       0x100u

#define KDBG_CLASSTYPE        0x00010000u /* value1 .. value2 - 1: classes */
#define KDBG_SUBCLSTYPE       0x00020000u /* value1: class, value2: subclass */
#define KDBG_RANGETYPE        0x00040000u /* value1 .. value2 - 1: ids */
#define KDBG_TYPENONE         0x00080000u /* all */
#define KDBG_CKTYPES          0x000f0000u
#define KDBG_RANGECHECK       0x00100000u
#define KDBG_VALCHECK         0x00200000u /* value1 .. value4: ids */
#define KDBG_TYPEFILTER_CHECK 0x00400000u
#define KDBG_BUFINIT          0x80000000u

typedef struct {
	unsigned int type;
	unsigned int value1;
	unsigned int value2;
	unsigned int value3;
	unsigned int value4;
} kd_regtype;

typedef struct {
	int nkdbufs; /* records that the buffers hold, all together; before KERN_KDSETUP what was asked for */
	int nolog;   /* 1: stopped */
	unsigned int flags;
	int nkdthreads; /* entries of the thread map */
	int bufid;      /* process that owns the trace, -1: none */
} kbufinfo_t;

typedef struct {
	uintptr_t thread; /* its number, as in kd_buf.arg5 */
	int valid;        /* process, or 1 for the kernel's threads; 0: no entry */
	char command[20]; /* name of the process */
} kd_threadmap;

#define KDEBUG_ENABLE_TRACE 1 /* value of KERN_KDENABLE */

typedef struct {
	uint32_t version_no;
	uint32_t cpu_count;
} kd_cpumap_header;

#define RAW_VERSION1 0x55aa0101

typedef struct {
	uint32_t cpu_id;
	uint32_t flags;
	char name[8];
} kd_cpumap;

_Static_assert(
    sizeof(kd_buf) == 64 && sizeof(kd_threadmap) == 32 && sizeof(kd_cpumap) == 16, "public layout");
_Static_assert(sizeof(kbufinfo_t) == 20 && sizeof(kd_regtype) == 20, "public layout");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

/*
 * Events of a program's own, by ids of its choice outside class Trace. They return 0 also while nothing is traced;
 * EPERM for class Trace. kdebug_trace is also the name of the system call with 32-bit arguments on older systems.
 */
int kdebug_trace(uint32_t debugid, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4);
/* Names a thing: returns the string's number for arguments of events, 0 while nothing is traced; (uint64_t)-1 error. */
uint64_t kdebug_trace_string(uint32_t debugid, uint64_t str_id, const char *str);

__END_DECLS
#endif
