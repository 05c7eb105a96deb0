/*
 * Kernel mappings made at boot: the physical map and the window for device registers.
 *
 * Only the boot CPU runs arm_vm_init. ml_io_map is called from driver start-up: a lock of its own, below
 * everything.
 */
#include <arm64/arm_vm.h>
#include <arm64/boot_info.h>
#include <arm64/kernel_image.h>
#include <arm64/machine_routines.h>
#include <arm64/raw_lock.h>
#include <arm64/sysregs.h>
#include <os/atomic.h>
#include <os/panic.h>

#define PTE_NORMAL (ARM_PTE_AF | ARM_PTE_SH_INNER | ARM_PTE_ATTR(MAIR_NORMAL) | ARM_PTE_UXN | ARM_PTE_PXN)
#define PTE_DEVICE (ARM_PTE_AF | ARM_PTE_SH_INNER | ARM_PTE_ATTR(MAIR_DEVICE) | ARM_PTE_UXN | ARM_PTE_PXN)
#define BLOCK_SIZE (1ULL << ARM_L2_SHIFT)

static uint64_t io_l2[ARM_PTE_COUNT] OS_ALIGNED(ARM_PAGE_SIZE) __attribute__((section(".bss.page_tables")));
static uint64_t io_l3[ARM_PTE_COUNT] OS_ALIGNED(ARM_PAGE_SIZE) __attribute__((section(".bss.page_tables")));
static raw_lock_t io_lock;
static unsigned io_next GUARDED_BY(io_lock); /* first free page of the window */

static unsigned
table_index(uint64_t va, unsigned shift)
{
	return (unsigned)(va >> shift) % ARM_PTE_COUNT;
}

static uint64_t *
table_below(uint64_t *table, unsigned index)
{
	if (table[index] == 0) {
		table[index] = static_vtop((uintptr_t)boot_alloc(ARM_PAGE_SIZE)) | ARM_PTE_TABLE;
	}
	return (uint64_t *)physmap_ptov(table[index] & ARM_PTE_ADDR_MASK);
}

static void
flush_tlb(void)
{
	dsb(ishst);
	__asm__ volatile("tlbi vmalle1is" ::: "memory");
	dsb(ish);
	isb();
}

/* Entries of an aligned run that the contiguous hint is about, with this granule: 1 GiB of blocks, 2 MiB of pages. */
#define CONT_BLOCKS 32U
#define CONT_PAGES  128U
#define CONT_GROUP  (CONT_BLOCKS * BLOCK_SIZE)

/* The group from pa on is all RAM, and no block of it is mapped yet: what is in use may not become contiguous. */
static bool
group_is_new(const struct boot_range *ram, uint64_t pa)
{
	uint64_t va = PHYSMAP_BASE + pa;
	const uint64_t *l2 =
	    &table_below(kernel_root, table_index(va, ARM_L1_SHIFT))[table_index(va, ARM_L2_SHIFT)];

	for (unsigned i = 0; i < CONT_BLOCKS; i++) {
		if (l2[i] != 0) {
			return false;
		}
	}
	return pa >= ram->start && pa + CONT_GROUP <= ram->end;
}

static void
physmap_map_ram(const struct boot_range *ram)
{
	uint64_t cont = 0;

	for (uint64_t pa = os_round_down(ram->start, BLOCK_SIZE); pa < ram->end; pa += BLOCK_SIZE) {
		uint64_t va = PHYSMAP_BASE + pa;
		uint64_t *l2 = table_below(kernel_root, table_index(va, ARM_L1_SHIFT));

		if (pa % CONT_GROUP == 0) {
			cont = group_is_new(ram, pa) ? ARM_PTE_CONT : 0;
		}
		l2[table_index(va, ARM_L2_SHIFT)] = pa | PTE_NORMAL | ARM_PTE_BLOCK | cont;
	}
}

/* Runs of pages in the image's block that have the same rights, and will keep them. The table is not in use yet. */
static void
image_mark_contiguous(void)
{
	for (unsigned first = 0; first < ARM_PTE_COUNT; first += CONT_PAGES) {
		bool writable = true;

		for (unsigned i = 0; i < CONT_PAGES; i++) {
			writable &= !(physmap_image_l3[first + i] & ARM_PTE_AP_RO);
		}
		for (unsigned i = 0; i < CONT_PAGES && writable; i++) {
			physmap_image_l3[first + i] |= ARM_PTE_CONT;
		}
	}
}

/*
 * The block that holds the image becomes a table, so that text and read-only data are not writable through the
 * physical map. Break before make: nothing uses the block between the two writes, since the image itself, with
 * both tables and the stack in it, is reached through its own mapping.
 */
static void
physmap_protect_image(void)
{
	uint64_t block = os_round_down(kernel_phys_base, BLOCK_SIZE);
	uint64_t ro_end = kernel_phys_base + (uint64_t)(kernel_rodata_end - kernel_text_start);
	volatile uint64_t *entry = &physmap_l2[table_index(PHYSMAP_BASE + block, ARM_L2_SHIFT)];

	for (unsigned i = 0; i < ARM_PTE_COUNT; i++) {
		uint64_t pa = block + (uint64_t)i * ARM_PAGE_SIZE;
		uint64_t ro = pa >= kernel_phys_base && pa < ro_end ? ARM_PTE_AP_RO : 0;

		physmap_image_l3[i] = pa | PTE_NORMAL | ro | ARM_PTE_PAGE;
	}
	image_mark_contiguous();
	*entry = 0;
	flush_tlb();
	*entry = static_vtop((uintptr_t)physmap_image_l3) | ARM_PTE_TABLE;
}

void
arm_vm_init(void)
{
	physmap_map_ram(&boot_info.ram);
	physmap_protect_image();
	flush_tlb();
}

/* Only the permission changes, so the entries are valid all the time. */
void
arm_vm_set_text_writable(bool writable)
{
	unsigned first = table_index(kernel_phys_base, ARM_L3_SHIFT);
	unsigned npages = (unsigned)((kernel_text_end - kernel_text_start) >> ARM_PAGE_SHIFT);

	for (unsigned i = first; i < first + npages; i++) {
		uint64_t entry = physmap_image_l3[i];

		os_atomic_store(&physmap_image_l3[i],
		    writable ? entry & ~(uint64_t)ARM_PTE_AP_RO : entry | ARM_PTE_AP_RO, relaxed);
	}
	flush_tlb();
}

volatile void *
ml_io_map(pmap_paddr_t pa, size_t size)
{
	pmap_paddr_t first = os_round_down(pa, ARM_PAGE_SIZE);
	unsigned npages = (unsigned)((os_round_up(pa + size, ARM_PAGE_SIZE) - first) >> ARM_PAGE_SHIFT);
	bool irq = raw_lock_irq(&io_lock);
	unsigned slot = io_next;

	if (npages > IO_MAP_SIZE / ARM_PAGE_SIZE - slot) {
		panic("ml_io_map: no room for %zu bytes at %#llx", size, (unsigned long long)pa);
	}
	if (slot == 0) {
		io_l2[table_index(IO_MAP_BASE, ARM_L2_SHIFT)] = static_vtop((uintptr_t)io_l3) | ARM_PTE_TABLE;
		kernel_root[table_index(IO_MAP_BASE, ARM_L1_SHIFT)] =
		    static_vtop((uintptr_t)io_l2) | ARM_PTE_TABLE;
	}
	for (unsigned i = 0; i < npages; i++) {
		io_l3[slot + i] = (first + (uint64_t)i * ARM_PAGE_SIZE) | PTE_DEVICE | ARM_PTE_PAGE;
	}
	io_next = slot + npages;
	/* The entries were invalid before, so nothing needs to be dropped, only made visible. */
	dsb(ishst);
	isb();
	raw_unlock_irq(&io_lock, irq);
	return (volatile void *)(IO_MAP_BASE + (uintptr_t)slot * ARM_PAGE_SIZE + (uintptr_t)(pa - first));
}
