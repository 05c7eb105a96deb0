/*
 * The commpage: contents and protocols are described in <mach/arm/commpage.h>, who writes what in
 * <arm64/commpage.h>.
 *
 * The translations are global (nG = 0) and hang in one level 3 table that every pmap links, so a program's
 * look at the clock costs one TLB entry for the whole machine.
 */
#include <arm64/commpage.h>

#include <arm64/boot_info.h>
#include <arm64/machine_routines.h>
#include <arm64/pmap_internal.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <mach/arm/commpage.h>
#include <string.h>

pmap_paddr_t commpage_l3_table;

static uint8_t *commpage; /* data page, through the physical map */
static uint8_t *commpage_ro;

#define COMMPAGE_PTE                                                                                    \
	(ARM_PTE_PAGE | ARM_PTE_AF | ARM_PTE_SH_INNER | ARM_PTE_AP_USER | ARM_PTE_AP_RO | ARM_PTE_UXN | \
	    ARM_PTE_PXN)

/* CPU_CAPABILITIES64 beyond those that programs of this system name; the numbers are the interface's. */
#define CAP_FP16       BIT(3)
#define CAP_ADVSIMD_HP BIT(9)
#define CAP_UNCACHED   BIT(11)
#define CAP_FMA        BIT(13)
#define CAP_FHM        BIT(14)
#define CAP_SHA512     BIT(31)
#define CAP_SHA3       BIT(32)
#define CAP_FCMA       BIT(33)
#define CAP_AFP        BIT(34)
#define CAP_FLAGM      BIT(40)
#define CAP_FLAGM2     BIT(41)
#define CAP_DOTPROD    BIT(42)
#define CAP_RDM        BIT(43)
#define CAP_SPECRES    BIT(44)
#define CAP_SB         BIT(45)
#define CAP_FRINTTS    BIT(46)
#define CAP_LRCPC      BIT(48)
#define CAP_LRCPC2     BIT(49)
#define CAP_JSCVT      BIT(50)
#define CAP_DPB        BIT(52)
#define CAP_DPB2       BIT(53)
#define CAP_LSE2       BIT(54)
#define CAP_CSV2       BIT(55)
#define CAP_CSV3       BIT(56)
#define CAP_DIT        BIT(57)

/*
 * Which four-bit field of which identification register has to be how large. Signed fields (FP) say 15 for
 * none.
 */
enum id_register { ID_ISAR0, ID_ISAR1, ID_PFR0, ID_MMFR1, ID_MMFR2, ID_REGISTERS };

struct capability {
	uint64_t bits;
	uint8_t reg;
	uint8_t shift;
	uint8_t least;
};

static const struct capability capabilities[] = {
	{ COMMPAGE_CAP_CRC32, ID_ISAR0, 16, 1 },
	{ COMMPAGE_CAP_LSE, ID_ISAR0, 20, 2 },
	{ CAP_RDM, ID_ISAR0, 28, 1 },
	{ CAP_SHA512, ID_ISAR0, 12, 2 },
	{ CAP_SHA3, ID_ISAR0, 32, 1 },
	{ CAP_DOTPROD, ID_ISAR0, 44, 1 },
	{ CAP_FHM, ID_ISAR0, 48, 1 },
	{ CAP_FLAGM, ID_ISAR0, 52, 1 },
	{ CAP_FLAGM2, ID_ISAR0, 52, 2 },
	{ CAP_DPB, ID_ISAR1, 0, 1 },
	{ CAP_DPB2, ID_ISAR1, 0, 2 },
	{ CAP_JSCVT, ID_ISAR1, 12, 1 },
	{ CAP_FCMA, ID_ISAR1, 16, 1 },
	{ CAP_LRCPC, ID_ISAR1, 20, 1 },
	{ CAP_LRCPC2, ID_ISAR1, 20, 2 },
	{ CAP_FRINTTS, ID_ISAR1, 32, 1 },
	{ CAP_SB, ID_ISAR1, 36, 1 },
	{ CAP_SPECRES, ID_ISAR1, 40, 1 },
	{ CAP_DIT, ID_PFR0, 48, 1 },
	{ CAP_CSV2, ID_PFR0, 56, 1 },
	{ CAP_CSV3, ID_PFR0, 60, 1 },
	{ CAP_AFP, ID_MMFR1, 44, 1 },
	{ CAP_LSE2, ID_MMFR2, 32, 1 },
};

static unsigned
id_field(uint64_t value, unsigned shift)
{
	return (value >> shift) & 0xf;
}

/*
 * AES with PMULL, SHA1 and SHA256 count as one. Pointer authentication is not switched on, so not
 * announced.
 */
static uint64_t
cpu_capabilities(void)
{
	uint64_t id[ID_REGISTERS] = {
		[ID_ISAR0] = sysreg_read(id_aa64isar0_el1),
		[ID_ISAR1] = sysreg_read(id_aa64isar1_el1),
		[ID_PFR0] = sysreg_read(id_aa64pfr0_el1),
		[ID_MMFR1] = sysreg_read(id_aa64mmfr1_el1),
		[ID_MMFR2] = sysreg_read(id_aa64mmfr2_el1),
	};
	uint64_t caps = COMMPAGE_CAP_CACHE_64 | COMMPAGE_CAP_FAST_TLS | CAP_UNCACHED;

	for (unsigned i = 0; i < os_countof(capabilities); i++) {
		const struct capability *c = &capabilities[i];

		caps |= id_field(id[c->reg], c->shift) >= c->least ? c->bits : 0;
	}
	if (id_field(id[ID_PFR0], 16) != 0xf) {
		caps |= COMMPAGE_CAP_VFP | COMMPAGE_CAP_ADVSIMD | CAP_ADVSIMD_HP | CAP_FMA;
		caps |= id_field(id[ID_PFR0], 16) >= 1 ? CAP_FP16 : 0;
	}
	if (id_field(id[ID_ISAR0], 4) >= 2 && id_field(id[ID_ISAR0], 8) >= 1 &&
	    id_field(id[ID_ISAR0], 12) >= 1) {
		caps |= COMMPAGE_CAP_CRYPTO;
	}
	if (cpu_count == 1) {
		caps |= COMMPAGE_CAP_UNIPROCESSOR;
	}
	return caps | (uint64_t)cpu_count << COMMPAGE_CAP_NCPUS_SHIFT;
}

#define FIELD(page, offset, type) ((type *)(void *)((page) + (offset)))

static struct commpage_timeofday *
timeofday(void)
{
	return FIELD(commpage, COMMPAGE_TIMEOFDAY, struct commpage_timeofday);
}

static vm_page_t
commpage_page(void)
{
	vm_page_t page = vm_page_grab_zero();

	release_assert(page != NULL);
	return page;
}

static void
commpage_map(pte_t *table, uint64_t address, vm_page_t page)
{
	table[pte_index(address, ARM_L3_SHIFT)] = vm_page_paddr(page) | COMMPAGE_PTE;
}

void
commpage_init(void)
{
	vm_page_t data = commpage_page(), ro = commpage_page(), table = commpage_page();

	commpage = vm_page_kva(data);
	commpage_ro = vm_page_kva(ro);
	commpage_map(vm_page_kva(table), COMMPAGE_ADDRESS, data);
	commpage_map(vm_page_kva(table), COMMPAGE_RO_ADDRESS, ro);
	dsb(ishst);
	commpage_l3_table = vm_page_paddr(table);
}

/* Fields of the read-only page have a copy in the data page for old readers. */
static void
populate_ro(uint8_t *page)
{
	page[COMMPAGE_USER_PAGE_SHIFT_32] = PAGE_SHIFT;
	page[COMMPAGE_USER_PAGE_SHIFT_64] = PAGE_SHIFT;
	page[COMMPAGE_KERNEL_PAGE_SHIFT] = PAGE_SHIFT;
	*FIELD(page, COMMPAGE_DEV_FIRM, uint32_t) = 1; /* debuggers are allowed */
}

static void
populate_cpus(uint8_t *page)
{
	uint64_t caps = cpu_capabilities();

	*FIELD(page, COMMPAGE_CPU_CAPABILITIES64, uint64_t) = caps;
	*FIELD(page, COMMPAGE_CPU_CAPABILITIES, uint32_t) = (uint32_t)caps;
	*FIELD(page, COMMPAGE_CACHE_LINESIZE, uint16_t) = OS_CACHELINE;
	page[COMMPAGE_NCPUS] = (uint8_t)cpu_count;
	page[COMMPAGE_CPU_CLUSTERS] = 1;
	page[COMMPAGE_ACTIVE_CPUS] = (uint8_t)cpu_count;
	page[COMMPAGE_PHYSICAL_CPUS] = (uint8_t)cpu_count;
	page[COMMPAGE_LOGICAL_CPUS] = (uint8_t)cpu_count;
	*FIELD(page, COMMPAGE_MEMORY_SIZE, uint64_t) = boot_info.ram.end - boot_info.ram.start;
	memset(page + COMMPAGE_CPU_TO_CLUSTER, 0, 256); /* all in cluster 0 */
}

void
commpage_populate(void)
{
	uint64_t mmfr0 = sysreg_read(id_aa64mmfr0_el1);
	bool ecv = id_field(mmfr0, 60) != 0; /* ID_AA64MMFR0_EL1.ECV */

	memcpy(commpage, COMMPAGE_SIGNATURE, sizeof(COMMPAGE_SIGNATURE));
	*FIELD(commpage, COMMPAGE_VERSION_FIELD, uint16_t) = COMMPAGE_VERSION;
	populate_ro(commpage_ro);
	populate_ro(commpage);
	populate_cpus(commpage);
	commpage[COMMPAGE_USER_TIMEBASE] = ecv ? COMMPAGE_TIMEBASE_CNTVCTSS : COMMPAGE_TIMEBASE_CNTVCT;
	commpage[COMMPAGE_CONT_HWCLOCK] = 1; /* the counter does not stop */
	commpage[COMMPAGE_APPROX_TIME_OK] = 1;
	timeofday()->ticks_per_sec = ml_get_timebase_frequency();
}

/*
 * Labels are of the protocol in <mach/arm/commpage.h>: the reader's acquire load of tick pairs with the
 * last store here, and its second look with the first.
 */
void
commpage_set_timestamp(uint64_t tick, uint64_t sec, uint64_t frac)
{
	struct commpage_timeofday *tod = timeofday();
	uint64_t frequency = ml_get_timebase_frequency();

	os_atomic_store(&tod->tick, 0, relaxed);
	__asm__ volatile("dmb ish" ::: "memory"); /* invalid before anything else changes */
	os_atomic_store(&tod->sec, sec, relaxed);
	os_atomic_store(&tod->frac, frac, relaxed);
	os_atomic_store(&tod->ticks_scale, UINT64_MAX / frequency, relaxed);
	os_atomic_store(&tod->ticks_per_sec, frequency, relaxed);
	__asm__ volatile("dmb ish" ::: "memory"); /* all of it before it is valid */
	os_atomic_store(&tod->tick, tick, relaxed);
}

bool
commpage_time_of_day(uint64_t now, uint64_t *sec, uint64_t *frac)
{
	const struct commpage_timeofday *tod = timeofday();
	uint64_t tick, scale;
	unsigned __int128 delta;

	do {
		tick = os_atomic_load(&tod->tick, acquire);
		if (tick == 0) {
			return false;
		}
		*sec = os_atomic_load(&tod->sec, relaxed);
		*frac = os_atomic_load(&tod->frac, relaxed);
		scale = os_atomic_load(&tod->ticks_scale, relaxed);
		os_atomic_thread_fence(acquire); /* pairs with the first DMB of the writer */
	} while (os_atomic_load(&tod->tick, relaxed) != tick);
	delta = (unsigned __int128)scale * (now - tick) + *frac;
	*frac = (uint64_t)delta;
	*sec += (uint64_t)(delta >> 64);
	return true;
}

void
commpage_set_boottime_usec(uint64_t usec)
{
	uint64_t *field = FIELD(commpage, COMMPAGE_BOOTTIME_USEC, uint64_t);

	/* In the line of what programs read with every look at the clock. */
	if (os_atomic_load(field, relaxed) != usec) {
		os_atomic_store(field, usec, relaxed);
	}
}

void
commpage_update_approximate_time(uint64_t now)
{
	if (ml_get_cpu_number() == 0) {
		os_atomic_store(FIELD(commpage, COMMPAGE_APPROX_TIME, uint64_t), now, relaxed);
	}
}

void
commpage_set_active_cpus(unsigned count)
{
	os_atomic_store(FIELD(commpage, COMMPAGE_ACTIVE_CPUS, uint8_t), (uint8_t)count, relaxed);
}

void
commpage_set_memory_pressure(uint32_t level)
{
	os_atomic_store(FIELD(commpage, COMMPAGE_MEMORY_PRESSURE, uint32_t), level, relaxed);
}

void
commpage_set_kdebug(uint32_t state)
{
	os_atomic_store(FIELD(commpage, COMMPAGE_KDEBUG_ENABLE, uint32_t), state, relaxed);
}
