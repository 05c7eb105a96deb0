/*
 * Memory for what must exist before the page allocator: taken from the space behind the image, on the boot
 * CPU only, and never given back.
 */
#include <arm64/arm_vm.h>
#include <arm64/boot_info.h>
#include <os/panic.h>
#include <string.h>

struct boot_info boot_info = { .bootargs = "" };
static bool boot_alloc_finished;

/* Does [start, end) touch anything that is reserved beside the image itself (entry 0)? */
static bool
is_reserved(pmap_paddr_t start, pmap_paddr_t end)
{
	for (unsigned i = 1; i < boot_info.reserved_count; i++) {
		const struct boot_range *r = &boot_info.reserved[i];

		if (start < r->end && end > r->start) {
			return true;
		}
	}
	return end > boot_info.ram.end;
}

void *
boot_alloc(size_t size)
{
	pmap_paddr_t start = boot_info.first_free;
	pmap_paddr_t end = start + os_round_up(size, ARM_PAGE_SIZE);

	if (boot_alloc_finished || is_reserved(start, end)) {
		panic("boot_alloc: no room for %zu bytes", size);
	}
	boot_info.first_free = end;
	boot_info.reserved[0].end = end;
	/* QEMU hands RAM over zeroed, but nothing promises it. */
	return memset((void *)physmap_ptov(start), 0, end - start);
}

void
boot_alloc_finish(void)
{
	boot_alloc_finished = true;
}
