/*
 * What mach_make_memory_entry takes in its permission: protection in the low bits, flags, and how caches are used in
 * the top byte.
 */
#pragma once

#include <mach/vm_types.h>

#define MAP_MEM_NOOP                      0
#define MAP_MEM_COPYBACK                  1
#define MAP_MEM_IO                        2
#define MAP_MEM_WTHRU                     3
#define MAP_MEM_WCOMB                     4
#define MAP_MEM_INNERWBACK                5
#define MAP_MEM_POSTED                    6
#define MAP_MEM_RT                        7
#define MAP_MEM_POSTED_REORDERED          8
#define MAP_MEM_POSTED_COMBINED_REORDERED 9

#define GET_MAP_MEM(flags) ((((unsigned int)(flags)) >> 24) & 0xff)
#define SET_MAP_MEM(caching, flags) \
	((flags) = ((((unsigned int)(caching)) << 24) & 0xff000000U) | ((flags) & 0xffffff))

#define MAP_MEM_PROT_MASK            0xff
#define MAP_MEM_LEDGER_TAGGED        0x002000
#define MAP_MEM_PURGABLE_KERNEL_ONLY 0x004000
#define MAP_MEM_GRAB_SECLUDED        0x008000
#define MAP_MEM_ONLY                 0x010000 /* only change how caches are used by the parent */
#define MAP_MEM_NAMED_CREATE         0x020000 /* new memory */
#define MAP_MEM_PURGABLE             0x040000 /* ... that is purgeable */
#define MAP_MEM_NAMED_REUSE          0x080000 /* the parent, if it is the same memory */
#define MAP_MEM_USE_DATA_ADDR        0x100000 /* remember the first byte, not its page */
#define MAP_MEM_VM_COPY              0x200000 /* a copy of the range as it is now */
#define MAP_MEM_VM_SHARE             0x400000 /* the whole range, of however many parts */
#define MAP_MEM_4K_DATA_ADDR         0x800000

#define MAP_MEM_FLAGS_MASK 0x00ffff00
#define MAP_MEM_FLAGS_USER 0x00ffe000
#define MAP_MEM_FLAGS_ALL  0x00ffe000
