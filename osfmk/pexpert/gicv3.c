/*
 * GICv3 (ARM IHI 0069): distributor, redistributors and the CPU interface through system registers. One
 * security state is visible; everything is group 1. No priorities are used: all the same.
 *
 * The handler table is written at start-up of a device, before its interrupt is enabled, and read by every
 * interrupt without a lock. Distributor registers that share a word with other interrupts are the set/clear
 * kind, except configuration bits, which gic_lock serialises.
 */
#include <arm64/arm_vm.h>
#include <arm64/machine_routines.h>
#include <arm64/raw_lock.h>
#include <arm64/sysregs.h>
#include <kdebug/kdebug.h>
#include <os/bits.h>
#include <os/panic.h>
#include <pexpert/device_tree.h>
#include <pexpert/interrupts.h>

/* Distributor */
#define GICD_CTLR       0x0000
#define GICD_TYPER      0x0004
#define GICD_IGROUPR    0x0080
#define GICD_ISENABLER  0x0100
#define GICD_ICENABLER  0x0180
#define GICD_ICPENDR    0x0280
#define GICD_IPRIORITYR 0x0400
#define GICD_ICFGR      0x0c00
#define GICD_IROUTER    0x6000

#define GICD_CTLR_RWP       BIT(31)
#define GICD_CTLR_ARE_NS    BIT(4)
#define GICD_CTLR_GRP1_NS   BIT(1)
#define GICD_CTLR_GRP1_ONLY BIT(0) /* with one security state, group 0 enable; harmless elsewhere */

/* Redistributor: RD frame, then the SGI frame with the distributor's layout for interrupts 0-31 */
#define GICR_CTLR      0x0000
#define GICR_TYPER     0x0008
#define GICR_WAKER     0x0014
#define GICR_SGI_FRAME 0x10000
#define GICR_STRIDE    0x20000
#define GICR_STRIDE_V4 0x40000

#define GICR_TYPER_VLPIS      BIT(1)
#define GICR_TYPER_LAST       BIT(4)
#define GICR_WAKER_SLEEP      BIT(1)
#define GICR_WAKER_CHILDSLEEP BIT(2)

#define ICC_SRE_EL1     S3_0_C12_C12_5
#define ICC_PMR_EL1     S3_0_C4_C6_0
#define ICC_BPR1_EL1    S3_0_C12_C12_3
#define ICC_CTLR_EL1    S3_0_C12_C12_4
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_IAR1_EL1    S3_0_C12_C12_0
#define ICC_EOIR1_EL1   S3_0_C12_C12_1
#define ICC_SGI1R_EL1   S3_0_C12_C11_5

/* sysreg_read pastes its argument: expand the names above first. */
#define icc_read(name)         sysreg_read(name)
#define icc_write(name, value) sysreg_write(name, value)

#define GIC_FIRST_SPI  32
#define GIC_SPURIOUS   1020 /* and above */
#define GIC_PRIORITIES 0x80808080U
#define GICR_REGIONS   4

typedef volatile uint8_t *gic_regs_t;

struct handler {
	pe_irq_handler_t fn;
	void *arg;
};

static gic_regs_t gicd;
static struct {
	gic_regs_t base;
	size_t size;
} gicr_regions[GICR_REGIONS];
static unsigned gicr_region_count;
static unsigned irq_limit; /* numbers below this exist */
static struct handler handlers[PE_IRQ_MAX];
static raw_lock_t gic_lock;

static uint32_t
reg_read(gic_regs_t base, uint32_t offset)
{
	return *(volatile uint32_t *)(base + offset);
}

static void
reg_write(gic_regs_t base, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(base + offset) = value;
}

static uint64_t
reg_read64(gic_regs_t base, uint32_t offset)
{
	return *(volatile uint64_t *)(base + offset);
}

/* Writes to the distributor and redistributor take effect late; both have a bit for "not yet". */
static void
wait_write_done(gic_regs_t base)
{
	while ((reg_read(base, GICD_CTLR) & GICD_CTLR_RWP) != 0) {
		cpu_relax();
	}
}

static void
distributor_init(void)
{
	reg_write(gicd, GICD_CTLR, 0);
	wait_write_done(gicd);
	irq_limit = os_min(32U * ((reg_read(gicd, GICD_TYPER) & 31) + 1), (unsigned)PE_IRQ_MAX);
	for (unsigned i = GIC_FIRST_SPI; i < irq_limit; i += 32) {
		reg_write(gicd, GICD_ICENABLER + i / 8, UINT32_MAX);
		reg_write(gicd, GICD_ICPENDR + i / 8, UINT32_MAX);
		reg_write(gicd, GICD_IGROUPR + i / 8, UINT32_MAX);
	}
	for (unsigned i = GIC_FIRST_SPI; i < irq_limit; i += 4) {
		reg_write(gicd, GICD_IPRIORITYR + i, GIC_PRIORITIES);
	}
	wait_write_done(gicd);
	reg_write(gicd, GICD_CTLR, GICD_CTLR_ARE_NS | GICD_CTLR_GRP1_NS | GICD_CTLR_GRP1_ONLY);
	wait_write_done(gicd);
}

/* Affinity as GICR_TYPER[63:32] has it: Aff3, Aff2, Aff1, Aff0 in one byte each. */
static uint32_t
affinity_word(uint64_t mpidr)
{
	return (uint32_t)((mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff));
}

static gic_regs_t
find_in_region(gic_regs_t base, size_t size, uint32_t affinity)
{
	for (size_t offset = 0; offset + GICR_STRIDE <= size;) {
		uint64_t typer = reg_read64(base + offset, GICR_TYPER);

		if (typer >> 32 == affinity) {
			return base + offset;
		}
		if ((typer & GICR_TYPER_LAST) != 0) {
			break;
		}
		offset += (typer & GICR_TYPER_VLPIS) != 0 ? GICR_STRIDE_V4 : GICR_STRIDE;
	}
	return NULL;
}

static gic_regs_t
find_redistributor(uint64_t mpidr)
{
	for (unsigned i = 0; i < gicr_region_count; i++) {
		gic_regs_t found =
		    find_in_region(gicr_regions[i].base, gicr_regions[i].size, affinity_word(mpidr));

		if (found != NULL) {
			return found;
		}
	}
	panic("gic: no redistributor for CPU %#llx", (unsigned long long)mpidr);
}

static void
redistributor_init(gic_regs_t rd)
{
	gic_regs_t sgi = rd + GICR_SGI_FRAME;

	reg_write(rd, GICR_WAKER, reg_read(rd, GICR_WAKER) & ~(uint32_t)GICR_WAKER_SLEEP);
	while ((reg_read(rd, GICR_WAKER) & GICR_WAKER_CHILDSLEEP) != 0) {
		cpu_relax();
	}
	reg_write(sgi, GICD_ICENABLER, UINT32_MAX);
	reg_write(sgi, GICD_ICPENDR, UINT32_MAX);
	reg_write(sgi, GICD_IGROUPR, UINT32_MAX);
	for (unsigned i = 0; i < GIC_FIRST_SPI; i += 4) {
		reg_write(sgi, GICD_IPRIORITYR + i, GIC_PRIORITIES);
	}
	reg_write(sgi, GICD_ISENABLER, (1U << CPU_SIGNAL_KINDS) - 1);
}

static void
cpu_interface_init(void)
{
	icc_write(ICC_SRE_EL1, icc_read(ICC_SRE_EL1) | 1);
	isb();
	icc_write(ICC_PMR_EL1, 0xff); /* every priority */
	icc_write(ICC_BPR1_EL1, 0);
	icc_write(ICC_CTLR_EL1, 0); /* EOI also deactivates */
	icc_write(ICC_IGRPEN1_EL1, 1);
	isb();
}

void
pe_interrupts_init_cpu(void)
{
	struct cpu_data *cpu = current_cpu_data();

	cpu->gicr_base = find_redistributor(cpu->mpidr);
	redistributor_init(cpu->gicr_base);
	cpu_interface_init();
}

void
pe_interrupts_leave_cpu(void)
{
	gic_regs_t rd = current_cpu_data()->gicr_base;

	icc_write(ICC_IGRPEN1_EL1, 0);
	isb();
	reg_write(rd + GICR_SGI_FRAME, GICD_ICENABLER, UINT32_MAX);
	reg_write(rd, GICR_WAKER, reg_read(rd, GICR_WAKER) | (uint32_t)GICR_WAKER_SLEEP);
	while ((reg_read(rd, GICR_WAKER) & GICR_WAKER_CHILDSLEEP) == 0) {
		cpu_relax();
	}
}

static void
map_controller(dt_node_t node)
{
	uint64_t address, size;
	uint32_t regions = 1;

	if (!dt_reg(node, 0, &address, &size)) {
		panic("gic: no distributor in the device tree");
	}
	gicd = (gic_regs_t)ml_io_map(address, size);
	dt_u32(node, "#redistributor-regions", 0, &regions);
	for (unsigned i = 0;
	    i < os_min(regions, (uint32_t)GICR_REGIONS) && dt_reg(node, 1 + i, &address, &size); i++) {
		/* The board's region may be made for many more CPUs than the kernel uses. */
		size = os_min(size, (uint64_t)MAX_CPUS * GICR_STRIDE_V4);
		gicr_regions[i].base = (gic_regs_t)ml_io_map(address, size);
		gicr_regions[i].size = size;
		gicr_region_count = i + 1;
	}
}

void
pe_interrupts_init(void)
{
	dt_node_t node = dt_find_compatible(DT_NONE, "arm,gic-v3");

	if (node == DT_NONE) {
		panic("no GICv3 in the device tree");
	}
	map_controller(node);
	distributor_init();
	pe_interrupts_init_cpu();
}

bool
pe_irq_register(unsigned irq, pe_irq_handler_t handler, void *arg)
{
	bool ok = irq < irq_limit, state = raw_lock_irq(&gic_lock);

	ok = ok && handlers[irq].fn == NULL;
	if (ok) {
		handlers[irq].arg = arg;
		/* release: pairs with the acquire in pe_irq_dispatch, which then sees arg */
		os_atomic_store(&handlers[irq].fn, handler, release);
	}
	raw_unlock_irq(&gic_lock, state);
	return ok;
}

/* Register frame that configures `irq`: this CPU's redistributor or the distributor. */
static gic_regs_t
frame_of(unsigned irq)
{
	return irq < GIC_FIRST_SPI ? current_cpu_data()->gicr_base + GICR_SGI_FRAME : gicd;
}

static void
set_trigger(gic_regs_t frame, unsigned irq, bool edge)
{
	uint32_t offset = GICD_ICFGR + irq / 16 * 4;
	uint32_t bit = 2U << (irq % 16 * 2);
	uint32_t value = reg_read(frame, offset);

	reg_write(frame, offset, edge ? value | bit : value & ~bit);
}

void
pe_irq_enable(unsigned irq, bool edge)
{
	bool state = raw_lock_irq(&gic_lock);
	gic_regs_t frame = frame_of(irq);

	set_trigger(frame, irq, edge);
	if (irq >= GIC_FIRST_SPI) {
		uint64_t mpidr = cpu_data_get(0)->mpidr;

		*(volatile uint64_t *)(gicd + GICD_IROUTER + (size_t)irq * 8) = mpidr & 0xff00ffffff;
	}
	reg_write(frame, GICD_ISENABLER + irq / 32 * 4, 1U << irq % 32);
	raw_unlock_irq(&gic_lock, state);
}

void
pe_irq_disable(unsigned irq)
{
	bool state = raw_lock_irq(&gic_lock);

	reg_write(frame_of(irq), GICD_ICENABLER + irq / 32 * 4, 1U << irq % 32);
	raw_unlock_irq(&gic_lock, state);
}

int
pe_irq_from_node(int32_t node, unsigned index, bool *edge)
{
	uint32_t kind, number, flags;

	if (!dt_u32(node, "interrupts", index * 3, &kind) ||
	    !dt_u32(node, "interrupts", index * 3 + 1, &number) ||
	    !dt_u32(node, "interrupts", index * 3 + 2, &flags) || number >= PE_IRQ_MAX) {
		return -1;
	}
	*edge = (flags & 3) != 0;
	return (int)(number + (kind == 0 ? 32 : 16));
}

void
pe_sgi_send(unsigned sgi, uint64_t mpidr)
{
	uint64_t aff0 = mpidr & 0xff, aff1 = mpidr >> 8 & 0xff, aff2 = mpidr >> 16 & 0xff,
		 aff3 = mpidr >> 32 & 0xff;

	dsb(ishst); /* what the receiver is to see */
	icc_write(ICC_SGI1R_EL1,
	    aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | (uint64_t)sgi << 24 | aff1 << 16 | BIT(aff0 & 15));
	isb();
}

#define INTERRUPT_EVENT MACHDBG_CODE(DBG_MACH_EXCP_INTR, 0)

void
pe_irq_dispatch(void)
{
	uint64_t irq = icc_read(ICC_IAR1_EL1);
	struct cpu_data *cpu = current_cpu_data();
	pe_irq_handler_t fn;

	if (irq >= GIC_SPURIOUS) {
		cpu->spurious_irqs++;
		return;
	}
	cpu->irq_count++;
	KDEBUG(INTERRUPT_EVENT | DBG_FUNC_START, irq, cpu->irq_state != NULL ? cpu->irq_state->pc : 0,
	    cpu->irq_state != NULL && saved_state_is_user(cpu->irq_state), 0);
	/* acquire: pairs with the release in pe_irq_register */
	fn = os_atomic_load(&handlers[irq].fn, acquire);
	if (fn != NULL) {
		fn(handlers[irq].arg);
	} else {
		pe_irq_disable((unsigned)irq);
		kprintf("gic: interrupt %u without a handler, disabled\n", (unsigned)irq);
	}
	KDEBUG(INTERRUPT_EVENT | DBG_FUNC_END, irq, 0, 0, 0);
	icc_write(ICC_EOIR1_EL1, irq);
}
