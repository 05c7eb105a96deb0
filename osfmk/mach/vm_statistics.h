/* Flags of mach_vm_allocate and mach_vm_map, memory tags, and the host's paging counters. */
#pragma once

#include <mach/vm_types.h>

#define VM_FLAGS_FIXED               0x0
#define VM_FLAGS_ANYWHERE            0x1
#define VM_FLAGS_PURGABLE            0x2
#define VM_FLAGS_4GB_CHUNK           0x4
#define VM_FLAGS_RANDOM_ADDR         0x8
#define VM_FLAGS_NO_CACHE            0x10
#define VM_FLAGS_RESILIENT_CODESIGN  0x20
#define VM_FLAGS_RESILIENT_MEDIA     0x40
#define VM_FLAGS_PERMANENT           0x80
#define VM_FLAGS_TPRO                0x1000
#define VM_FLAGS_OVERWRITE           0x4000
#define VM_FLAGS_SUPERPAGE_NONE      0x0
#define VM_FLAGS_SUPERPAGE_SIZE_ANY  0x10000
#define VM_FLAGS_SUPERPAGE_SIZE_2MB  0x20000
#define VM_FLAGS_SUPERPAGE_MASK      0x70000
#define VM_FLAGS_SUPERPAGE_SHIFT     0x10
#define VM_FLAGS_RETURN_DATA_ADDR    0x100000
#define VM_FLAGS_RETURN_4K_DATA_ADDR 0x800000
#define VM_FLAGS_ALIAS_MASK          0xff000000U
#define VM_FLAGS_USER_ALLOCATE       0xff07509fU
#define VM_FLAGS_USER_MAP            0xff97509fU
#define VM_FLAGS_USER_REMAP          0x104069

/* The tag of an allocation: the top byte of its flags; shown by vm_region, without other effect. */
#define VM_GET_FLAGS_ALIAS(flags, alias) ((alias) = (int)(((uint32_t)(flags) >> 24) & 0xff))
#define VM_MAKE_TAG(tag)                 ((int)((uint32_t)(tag) << 24))
#define VM_MEMORY_MALLOC                 1
#define VM_MEMORY_MALLOC_SMALL           2
#define VM_MEMORY_MALLOC_LARGE           3
#define VM_MEMORY_MALLOC_TINY            7
#define VM_MEMORY_MACH_MSG               20
#define VM_MEMORY_STACK                  30
#define VM_MEMORY_GUARD                  31
#define VM_MEMORY_SHARED_PMAP            32
#define VM_MEMORY_DYLD                   60
#define VM_MEMORY_APPLICATION_SPECIFIC_1 240

/* HOST_VM_INFO: the counts in pages, the others events, all cut to 32 bits. */
typedef struct vm_statistics {
	natural_t free_count;
	natural_t active_count;
	natural_t inactive_count;
	natural_t wire_count;
	natural_t zero_fill_count;
	natural_t reactivations;
	natural_t pageins;
	natural_t pageouts;
	natural_t faults;
	natural_t cow_faults;
	natural_t lookups;
	natural_t hits;
	natural_t purgeable_count;
	natural_t purges;
	natural_t speculative_count;
} vm_statistics_data_t;
typedef struct vm_statistics *vm_statistics_t;

typedef struct vm_statistics64 {
	natural_t free_count; /* pages, like every *_count */
	natural_t active_count;
	natural_t inactive_count;
	natural_t wire_count;
	uint64_t zero_fill_count;
	uint64_t reactivations;
	uint64_t pageins;
	uint64_t pageouts;
	uint64_t faults;
	uint64_t cow_faults;
	uint64_t lookups;
	uint64_t hits;
	uint64_t purges;
	natural_t purgeable_count;
	natural_t speculative_count;
	uint64_t decompressions;
	uint64_t compressions;
	uint64_t swapins;
	uint64_t swapouts;
	natural_t compressor_page_count;
	natural_t throttled_count;
	natural_t external_page_count;
	natural_t internal_page_count;
	uint64_t total_uncompressed_pages_in_compressor;
} vm_statistics64_data_t;
typedef struct vm_statistics64 *vm_statistics64_t;

_Static_assert(sizeof(vm_statistics64_data_t) == 152, "vm_statistics64");
