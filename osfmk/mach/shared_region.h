/*
 * The shared region: a range of addresses at which every program sees the same files, through the same page tables.
 *
 * One program, the dynamic linker of the first process, puts files there by shared_region_map_and_slide_2_np; from then
 * on all programs have them, those that run already as well. shared_region_check_np tells where they begin.
 */
#pragma once

#include <mach/vm_prot.h>
#include <mach/vm_types.h>
#include <stdint.h>

#define SHARED_REGION_BASE_ARM64 0x180000000ULL
#define SHARED_REGION_SIZE_ARM64 0x180000000ULL
#define SHARED_REGION_BASE       SHARED_REGION_BASE_ARM64
#define SHARED_REGION_SIZE       SHARED_REGION_SIZE_ARM64

/* Protections of a mapping beyond those of vm_prot.h. */
#define VM_PROT_COW    0x08 /* each program that writes has a copy of its own */
#define VM_PROT_ZF     0x10 /* zeros, not the file's contents */
#define VM_PROT_SLIDE  0x20 /* pointers in it are to be adjusted */
#define VM_PROT_NOAUTH 0x40 /* pointers in it are not signed */

/* A file, and how many of the mappings, in order, are its own. */
struct shared_file_np {
	int sf_fd;
	uint32_t sf_mappings_count;
	uint32_t sf_slide; /* bytes that are added to the addresses */
};

struct shared_file_mapping_slide_np {
	mach_vm_address_t sms_address;
	mach_vm_size_t sms_size;
	mach_vm_offset_t sms_file_offset;
	uint64_t sms_slide_size;  /* of the description of pointers to adjust; 0: none */
	uint64_t sms_slide_start; /* its address */
	vm_prot_t sms_max_prot;
	vm_prot_t sms_init_prot;
};

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int shared_region_check_np(uint64_t *start_address);
int shared_region_map_and_slide_2_np(uint32_t files_count, const struct shared_file_np *files,
    uint32_t mappings_count, const struct shared_file_mapping_slide_np *mappings);

__END_DECLS
#endif
