/* What mach_vm_region and mach_vm_region_recurse tell about a mapping. Packed to four bytes: MIG data. */
#pragma once

#include <mach/boolean.h>
#include <mach/vm_behavior.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_types.h>

typedef int vm_region_flavor_t;
typedef int *vm_region_info_t;
typedef int *vm_region_info_64_t;
typedef int *vm_region_recurse_info_t;
typedef int vm_page_info_flavor_t;
typedef int *vm_page_info_t;

#define VM_REGION_BASIC_INFO_64 9
#define VM_REGION_BASIC_INFO    10
#define VM_REGION_TOP_INFO      12
#define VM_REGION_EXTENDED_INFO 13
#define VM_PAGE_INFO_BASIC      1

#define VM_REGION_BASIC_INFO_COUNT_64        9
#define VM_REGION_EXTENDED_INFO_COUNT        9
#define VM_REGION_TOP_INFO_COUNT             5
#define VM_REGION_SUBMAP_SHORT_INFO_COUNT_64 12
#define VM_REGION_SUBMAP_INFO_COUNT_64       19
#define VM_REGION_INFO_MAX                   1024 /* words: more than any answer has */
#define VM_REGION_SUBMAP_INFO_V0_SIZE        64   /* bytes */
#define VM_REGION_SUBMAP_INFO_V1_SIZE        68
#define VM_REGION_SUBMAP_INFO_V2_SIZE        76
#define VM_REGION_SUBMAP_INFO_V0_COUNT_64    16
#define VM_REGION_SUBMAP_INFO_V1_COUNT_64    17
#define VM_REGION_SUBMAP_INFO_V2_COUNT_64    19
#define VM_PAGE_INFO_BASIC_COUNT             8

/* share_mode */
#define SM_COW             1
#define SM_PRIVATE         2
#define SM_EMPTY           3
#define SM_SHARED          4
#define SM_TRUESHARED      5
#define SM_PRIVATE_ALIASED 6
#define SM_SHARED_ALIASED  7
#define SM_LARGE_PAGE      8

/* Dispositions of mach_vm_page_query, page_range_query and page_info. */
#define VM_PAGE_QUERY_PAGE_PRESENT      0x1
#define VM_PAGE_QUERY_PAGE_FICTITIOUS   0x2
#define VM_PAGE_QUERY_PAGE_REF          0x4
#define VM_PAGE_QUERY_PAGE_DIRTY        0x8
#define VM_PAGE_QUERY_PAGE_PAGED_OUT    0x10
#define VM_PAGE_QUERY_PAGE_COPIED       0x20
#define VM_PAGE_QUERY_PAGE_SPECULATIVE  0x40
#define VM_PAGE_QUERY_PAGE_EXTERNAL     0x80
#define VM_PAGE_QUERY_PAGE_CS_VALIDATED 0x100
#define VM_PAGE_QUERY_PAGE_CS_TAINTED   0x200
#define VM_PAGE_QUERY_PAGE_CS_NX        0x400
#define VM_PAGE_QUERY_PAGE_REUSABLE     0x800

typedef struct vm_page_info_basic {
	int disposition;
	int ref_count;
	vm_object_id_t object_id;
	memory_object_offset_t offset;
	int depth;
	int __pad;
} vm_page_info_basic_data_t;

_Static_assert(sizeof(vm_page_info_basic_data_t) == 32, "vm_page_info_basic");

/* An address and a size, of the lists of mach_vm_read_list. */
#define VM_MAP_ENTRY_MAX 256

#pragma pack(push, 4)

typedef struct mach_vm_read_entry {
	mach_vm_address_t address;
	mach_vm_size_t size;
} mach_vm_read_entry_t[VM_MAP_ENTRY_MAX];

typedef struct vm_read_entry {
	vm_address_t address;
	vm_size_t size;
} vm_read_entry_t[VM_MAP_ENTRY_MAX];

typedef struct vm_region_basic_info_64 {
	vm_prot_t protection;
	vm_prot_t max_protection;
	vm_inherit_t inheritance;
	boolean_t shared;
	boolean_t reserved;
	memory_object_offset_t offset;
	vm_behavior_t behavior;
	unsigned short user_wired_count;
} vm_region_basic_info_data_64_t;

typedef struct vm_region_extended_info {
	vm_prot_t protection;
	unsigned int user_tag;
	unsigned int pages_resident;
	unsigned int pages_shared_now_private;
	unsigned int pages_swapped_out;
	unsigned int pages_dirtied;
	unsigned int ref_count;
	unsigned short shadow_depth;
	unsigned char external_pager;
	unsigned char share_mode;
	unsigned int pages_reusable;
} vm_region_extended_info_data_t;

typedef struct vm_region_top_info {
	unsigned int obj_id;
	unsigned int ref_count;
	unsigned int private_pages_resident;
	unsigned int shared_pages_resident;
	unsigned char share_mode;
} vm_region_top_info_data_t;

typedef struct vm_region_submap_info_64 {
	vm_prot_t protection;
	vm_prot_t max_protection;
	vm_inherit_t inheritance;
	memory_object_offset_t offset;
	unsigned int user_tag;
	unsigned int pages_resident;
	unsigned int pages_shared_now_private;
	unsigned int pages_swapped_out;
	unsigned int pages_dirtied;
	unsigned int ref_count;
	unsigned short shadow_depth;
	unsigned char external_pager;
	unsigned char share_mode;
	boolean_t is_submap;
	vm_behavior_t behavior;
	vm32_object_id_t object_id;
	unsigned short user_wired_count;
	unsigned int pages_reusable;
	vm_object_id_t object_id_full;
} vm_region_submap_info_data_64_t;

#pragma pack(pop)

_Static_assert(sizeof(vm_region_basic_info_data_64_t) == 36, "vm_region_basic_info_64");
_Static_assert(sizeof(vm_region_extended_info_data_t) == 36, "vm_region_extended_info");
_Static_assert(sizeof(vm_region_top_info_data_t) == 20, "vm_region_top_info");
_Static_assert(sizeof(vm_region_submap_info_data_64_t) == 76, "vm_region_submap_info_64");
