/*
 * Ownership of the FP registers, see fp.h.
 */
#include <arm64/fp.h>

#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <kern/assert.h>
#include <kern/thread.h>
#include <kern/usage.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/vm_pageout.h>

/* Whole lines: each is written by the CPU of its thread. */
static ZONE_DEFINE(fp_zone, "fp state", os_round_up(sizeof(arm_neon_state64_t), OS_CACHELINE), ZC_NONE);

void fp_registers_save(arm_neon_state64_t *state);
void fp_registers_load(const arm_neon_state64_t *state);

static struct thread *
machine_thread_owner(struct machine_thread *machine)
{
	return (struct thread *)(void *)((char *)machine - MACHINE_THREAD_OFFSET);
}

/* Returning to EL0 synchronises CPACR, and EL1 is let through in both settings: no barrier. */
static void
fp_allow(bool allow)
{
	sysreg_write(cpacr_el1, allow ? CPACR_FP_ON : CPACR_FP_TRAP_EL0);
}

static void
fp_take(struct machine_thread *self)
{
	fp_registers_load(self->neon);
	self->fp_live |= FP_LIVE;
	fp_allow(true);
}

static void
fp_release(struct machine_thread *self)
{
	fp_registers_save(self->neon);
	self->fp_live &= ~FP_LIVE;
}

/*
 * The thread has a place for its registers. The thread itself and those who set its state may come at one time: each
 * waits for memory, and one wins.
 */
static bool
fp_have_place(struct machine_thread *machine)
{
	arm_neon_state64_t *place;

	if (os_atomic_load(&machine->neon, relaxed) != NULL) {
		return true;
	}
	place = zalloc_flags(fp_zone, Z_ZERO);
	/* release: whoever sees the place sees the zeros in it; readers follow the pointer */
	if (place != NULL && !os_atomic_cmpxchg(&machine->neon, NULL, place, release)) {
		zfree(fp_zone, place);
	}
	return place != NULL;
}

void
fp_trap(void)
{
	struct machine_thread *self = thread_machine(current_thread());
	bool irq;

	if (!fp_have_place(self)) {
		(void)vm_page_wait(); /* the instruction is tried again, unless the thread is to end */
		return;
	}
	irq = ml_set_interrupts_enabled(false);
	if (!(self->fp_live & FP_LIVE)) {
		self->fp_credit = (self->fp_credit & SWITCH_WATCHED) | FP_CREDIT;
		fp_take(self);
	}
	ml_set_interrupts_enabled(irq);
}

void
machine_thread_watch_switches(struct thread *thread)
{
	struct machine_thread *machine = thread_machine(thread);

	machine->fp_live |= SWITCH_WATCHED;
	machine->fp_credit |= SWITCH_WATCHED;
}

static void
watched_leave(struct thread *old)
{
	if (old->usage.us_on) {
		usage_leave(old);
	}
	debug_leave(old);
}

static void
watched_enter(struct thread *new)
{
	debug_enter(new);
	if (new->usage.us_on) {
		usage_enter(new);
	}
}

/* fp_switch when one of the two threads is watched. */
void
machine_switch_watched(struct machine_thread *old, struct machine_thread *new)
{
	bool was_live = (old->fp_live & FP_LIVE) != 0, live = (new->fp_credit & ~SWITCH_WATCHED) != 0;

	if (old->fp_live & SWITCH_WATCHED) {
		watched_leave(machine_thread_owner(old));
	}
	if (was_live) {
		fp_release(old);
	}
	if (live) {
		new->fp_credit--;
		fp_take(new);
	} else if (was_live) {
		fp_allow(false);
	}
	if (new->fp_credit & SWITCH_WATCHED) {
		watched_enter(machine_thread_owner(new));
	}
}

/*
 * Brings the memory copy of the current thread up to date; it gets its registers back by a trap. Interrupts
 * are masked, and stay so until the caller is done with the memory copy: a switch could load it again.
 */
static void
fp_flush(struct thread *thread)
{
	struct machine_thread *machine = thread_machine(thread);

	if (thread == current_thread() && (machine->fp_live & FP_LIVE)) {
		fp_release(machine);
		fp_allow(false);
	}
}

void
fp_get_state(struct thread *thread, void *words)
{
	struct machine_thread *machine = thread_machine(thread);
	bool irq = ml_set_interrupts_enabled(false);

	fp_flush(thread);
	if (machine->neon != NULL) {
		memcpy(words, machine->neon, sizeof(*machine->neon));
	} else {
		memset(words, 0, sizeof(*machine->neon));
	}
	ml_set_interrupts_enabled(irq);
}

bool
fp_set_state(struct thread *thread, const void *words)
{
	struct machine_thread *machine = thread_machine(thread);
	bool irq;

	if (!fp_have_place(machine)) {
		return false;
	}
	irq = ml_set_interrupts_enabled(false);
	fp_flush(thread);
	memcpy(machine->neon, words, sizeof(*machine->neon));
	ml_set_interrupts_enabled(irq);
	return true;
}

void
fp_reset(struct thread *thread)
{
	struct machine_thread *machine = thread_machine(thread);
	bool irq = ml_set_interrupts_enabled(false);

	fp_flush(thread);
	machine->fp_credit &= SWITCH_WATCHED;
	if (machine->neon != NULL) {
		memset(machine->neon, 0, sizeof(*machine->neon));
	}
	ml_set_interrupts_enabled(irq);
}

void
fp_discard(struct thread *thread)
{
	struct machine_thread *machine = thread_machine(thread);
	bool irq = ml_set_interrupts_enabled(false);
	arm_neon_state64_t *neon = machine->neon;

	fp_flush(thread);
	machine->fp_credit &= SWITCH_WATCHED;
	machine->neon = NULL;
	ml_set_interrupts_enabled(irq);
	if (neon != NULL) {
		zfree(fp_zone, neon);
	}
}

bool
fp_copy_current(struct thread *child)
{
	struct thread *self = current_thread();
	bool irq;

	if (thread_machine(self)->neon == NULL) {
		return true;
	}
	irq = ml_set_interrupts_enabled(false);
	fp_flush(self);
	ml_set_interrupts_enabled(irq);
	/* Memory stays current: only a trap from EL0 or an eager load, neither of which changes values,
	 * follows. */
	return fp_set_state(child, thread_machine(self)->neon);
}
