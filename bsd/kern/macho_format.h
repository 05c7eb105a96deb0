/*
 * What the loader reads of the Mach-O format beyond the public <mach-o/loader.h>.
 */
#pragma once

#include <bsd/mach-o/loader.h>
#include <os/base.h>

#define MH_MAGIC               0xfeedfaceU /* a 32-bit image */
#define CPU_SUBTYPE_CAPS       0xff000000U /* capability bits of the subtype */
#define LC_LAZY_LOAD_DYLIB     0x20U
#define LC_ENCRYPTION_INFO_64  0x2cU
#define LC_LOAD_UPWARD_DYLIB   (0x23U | LC_REQ_DYLD)
#define MACHO_THREAD_STATE64   6U  /* ARM_THREAD_STATE64 */
#define MACHO_THREAD_STATE64_N 68U /* its size in 32-bit words */

struct encryption_info_command_64 {
	uint32_t cmd;
	uint32_t cmdsize;
	uint32_t cryptoff;
	uint32_t cryptsize;
	uint32_t cryptid;
	uint32_t pad;
};

/* LC_UNIXTHREAD with one ARM_THREAD_STATE64: x0-x28, fp, lr, sp, pc, cpsr, pad. */
struct thread_command_arm64 {
	uint32_t cmd;
	uint32_t cmdsize;
	uint32_t flavor;
	uint32_t count;
	uint64_t x[29];
	uint64_t fp;
	uint64_t lr;
	uint64_t sp;
	uint64_t pc;
	uint32_t cpsr;
	uint32_t pad;
};

_Static_assert(sizeof(struct thread_command_arm64) == 16 + 4 * MACHO_THREAD_STATE64_N, "Mach-O file format");
