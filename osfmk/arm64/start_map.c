/*
 * The first translation tables.
 *
 * start_map runs once, on the boot CPU, with the MMU off and at physical addresses: it uses no data with
 * pointers in it, and no memory functions (they need the MMU). It maps
 *	the kernel image: text RX, read-only data R, data RW; the pages below the two boot stacks not at all
 *	in the physical map: the 32 MiB blocks that hold the image and the device tree
 *	in the identity map: the block of the image, for the instructions that turn the MMU on
 * arm_vm_init maps the rest of RAM. The identity map stays for secondaries, but no CPU keeps it in TTBR0.
 */
#include <arm64/arm_vm.h>
#include <arm64/kernel_image.h>
#include <arm64/vm_layout.h>

#define PAGE_TABLE OS_ALIGNED(ARM_PAGE_SIZE) __attribute__((section(".bss.page_tables")))

uint64_t kernel_root[ARM_PTE_COUNT] PAGE_TABLE;
uint64_t physmap_l2[ARM_PTE_COUNT] PAGE_TABLE;
uint64_t physmap_image_l3[ARM_PTE_COUNT] PAGE_TABLE;
static uint64_t image_l2[ARM_PTE_COUNT] PAGE_TABLE;
static uint64_t image_l3[ARM_PTE_COUNT] PAGE_TABLE;
uint64_t identity_root[ARM_PTE_COUNT] PAGE_TABLE;
static uint64_t identity_l2[ARM_PTE_COUNT] PAGE_TABLE;
uint64_t empty_root[ARM_PTE_COUNT] PAGE_TABLE;

uintptr_t kernel_slide;
pmap_paddr_t kernel_phys_base;

#define PTE_NORMAL (ARM_PTE_AF | ARM_PTE_SH_INNER | ARM_PTE_ATTR(MAIR_NORMAL))
#define PTE_RX     (PTE_NORMAL | ARM_PTE_AP_RO | ARM_PTE_UXN)
#define PTE_RO     (PTE_NORMAL | ARM_PTE_AP_RO | ARM_PTE_UXN | ARM_PTE_PXN)
#define PTE_RW     (PTE_NORMAL | ARM_PTE_UXN | ARM_PTE_PXN)

static unsigned
table_index(uint64_t va, unsigned shift)
{
	return (unsigned)(va >> shift) % ARM_PTE_COUNT;
}

static uint64_t
table_entry(const uint64_t *table)
{
	return (uint64_t)(uintptr_t)table | ARM_PTE_TABLE;
}

static bool
is_guard(const char *page)
{
	return page == boot_stack_slot || page == boot_emergency_slot;
}

static uint64_t
image_protection(const char *page)
{
	return page < kernel_text_end ? PTE_RX : page < kernel_rodata_end ? PTE_RO : PTE_RW;
}

/* What was written with caches off is about to be read through them: drop stale lines. */
static void
discard_cached(const char *start, const char *end)
{
	for (const char *line = start; line < end; line += OS_CACHELINE) {
		__asm__ volatile("dc ivac, %0" ::"r"(line) : "memory");
	}
	__asm__ volatile("dsb sy" ::: "memory");
}

void
start_map(pmap_paddr_t dtb, pmap_paddr_t phys_base, uintptr_t slide)
{
	uint64_t va = KERNEL_LINK_BASE + slide;
	uint64_t block_mask = (1ULL << ARM_L2_SHIFT) - 1;
	uint64_t image_block = phys_base & ~block_mask;

	kernel_slide = slide;
	kernel_phys_base = phys_base;

	kernel_root[table_index(va, ARM_L1_SHIFT)] = table_entry(image_l2);
	image_l2[table_index(va, ARM_L2_SHIFT)] = table_entry(image_l3);
	for (const char *page = kernel_text_start; page < kernel_bss_end; page += ARM_PAGE_SIZE) {
		if (!is_guard(page)) {
			image_l3[table_index(va, ARM_L3_SHIFT)] =
			    (uint64_t)(uintptr_t)page | image_protection(page) | ARM_PTE_PAGE;
		}
		va += ARM_PAGE_SIZE;
	}

	/* Device tree: 2 MiB at most (boot protocol), so it touches two blocks at most. Below 64 GiB. */
	kernel_root[table_index(PHYSMAP_BASE, ARM_L1_SHIFT)] = table_entry(physmap_l2);
	physmap_l2[table_index(image_block, ARM_L2_SHIFT)] = image_block | PTE_RW | ARM_PTE_BLOCK;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t block = (dtb & ~block_mask) + i * (block_mask + 1);

		physmap_l2[table_index(block, ARM_L2_SHIFT)] = block | PTE_RW | ARM_PTE_BLOCK;
	}

	identity_root[table_index(image_block, ARM_L1_SHIFT)] = table_entry(identity_l2);
	identity_l2[table_index(image_block, ARM_L2_SHIFT)] = image_block | PTE_RX | ARM_PTE_BLOCK;

	discard_cached(kernel_rodata_start, kernel_bss_end);
}
