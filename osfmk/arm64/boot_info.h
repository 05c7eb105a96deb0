/*
 * What the machine hands over to the memory system and to everybody who asks how it was booted. Filled by
 * arm_init, read-only afterwards except first_free, which moves up until vm takes over.
 */
#pragma once

#include <arm64/vm_layout.h>

#define BOOT_RESERVED_MAX 16

struct boot_range {
	pmap_paddr_t start;
	pmap_paddr_t end; /* exclusive */
};

struct boot_info {
	struct boot_range ram; /* page-aligned */
	/* Parts of it that are not free: image (up to first_free), device tree, initrd. Page-aligned. */
	struct boot_range reserved[BOOT_RESERVED_MAX];
	unsigned reserved_count;
	pmap_paddr_t first_free; /* end of the image and of what boot_alloc has given out */

	const void *dtb; /* device tree, in the physical map */
	size_t dtb_size;
	const void *initrd; /* NULL: none */
	size_t initrd_size;
	const char *bootargs; /* never NULL */

	uint64_t start_timebase; /* CNTVCT at _start */
	uint64_t *kernel_root;   /* TTBR1 table */
};

extern struct boot_info boot_info;

/*
 * Memory that is never given back, from the space behind the image: whole zeroed pages, for what must exist
 * before the page allocator. Ends when boot_alloc_finish is called; afterwards it panics.
 */
void *boot_alloc(size_t size);
void boot_alloc_finish(void);
