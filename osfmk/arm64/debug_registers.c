/*
 * Debug registers, see debug_registers.h.
 *
 * thread->debug points at the state once there was one, until nobody refers to the thread; it is written while the thread
 * is stopped or current, and read by its CPU at switches. A switch may see half of a change made while the thread waits
 * in the kernel: each word is fit to be loaded by itself, and AST_DEBUG has the whole loaded before user mode.
 */
#include <arm64/debug_registers.h>
#include <arm64/machine_routines.h>
#include <arm64/sysregs.h>
#include <kern/ast.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/vm_types.h>

/* DBGBCR and DBGWCR. */
#define CONTROL_ENABLE     1U
#define CONTROL_USER       (2U << 1)    /* matches in EL0 */
#define CONTROL_BYTES      (0xfU << 5)  /* a breakpoint: all of the instruction */
#define CONTROL_TYPE       (0xfU << 20) /* of match: 0, by address */
#define WATCH_WHAT         (3U << 3)    /* loads, stores */
#define WATCH_BYTES        (0xffU << 5)
#define WATCH_RANGE        (0x1fU << 24)
#define WATCH_RANGE_SHIFT  24
#define WATCH_RANGE_UNUSED 3 /* 1 and 2 mean nothing, 0 is no range */

#define ID_BREAKPOINTS(dfr0)  ((unsigned)((dfr0) >> 12) & 0xf)
#define ID_WATCHPOINTS(dfr0)  ((unsigned)((dfr0) >> 20) & 0xf)
#define USER_ADDRESS(address) ((address) & ~3ULL)

static ZONE_DEFINE(debug_zone, "debug state", sizeof(arm_debug_state64_t), ZC_NONE);

/* Each field of the ID register is the number of registers less one. */
static unsigned
breakpoints(void)
{
	return ID_BREAKPOINTS(sysreg_read(id_aa64dfr0_el1)) + 1;
}

static unsigned
watchpoints(void)
{
	return ID_WATCHPOINTS(sysreg_read(id_aa64dfr0_el1)) + 1;
}

/* --- the CPU's registers --- */

#define BREAKPOINT(n)                                                                             \
	case n:                                                                                   \
		sysreg_write(dbgbvr##n##_el1, USER_ADDRESS(state->bvr[n]));                       \
		sysreg_write(dbgbcr##n##_el1, (state->bcr[n] & CONTROL_ENABLE) != 0               \
						  ? CONTROL_BYTES | CONTROL_USER | CONTROL_ENABLE \
						  : 0);                                           \
		break
#define WATCHPOINT(n)                                                                             \
	case n:                                                                                   \
		sysreg_write(dbgwvr##n##_el1, USER_ADDRESS(state->wvr[n]));                       \
		sysreg_write(dbgwcr##n##_el1,                                                     \
		    (state->wcr[n] & (CONTROL_ENABLE | WATCH_WHAT | WATCH_BYTES | WATCH_RANGE)) | \
			CONTROL_USER);                                                            \
		break

static void
load_breakpoint(const arm_debug_state64_t *state, unsigned n)
{
	switch (n) {
		BREAKPOINT(0);
		BREAKPOINT(1);
		BREAKPOINT(2);
		BREAKPOINT(3);
		BREAKPOINT(4);
		BREAKPOINT(5);
		BREAKPOINT(6);
		BREAKPOINT(7);
		BREAKPOINT(8);
		BREAKPOINT(9);
		BREAKPOINT(10);
		BREAKPOINT(11);
		BREAKPOINT(12);
		BREAKPOINT(13);
		BREAKPOINT(14);
		BREAKPOINT(15);
	}
}

static void
load_watchpoint(const arm_debug_state64_t *state, unsigned n)
{
	switch (n) {
		WATCHPOINT(0);
		WATCHPOINT(1);
		WATCHPOINT(2);
		WATCHPOINT(3);
		WATCHPOINT(4);
		WATCHPOINT(5);
		WATCHPOINT(6);
		WATCHPOINT(7);
		WATCHPOINT(8);
		WATCHPOINT(9);
		WATCHPOINT(10);
		WATCHPOINT(11);
		WATCHPOINT(12);
		WATCHPOINT(13);
		WATCHPOINT(14);
		WATCHPOINT(15);
	}
}

/* Nothing of it has an effect before the next return to user mode, which synchronises. */
void
debug_enter(struct thread *new)
{
	const arm_debug_state64_t *state = new->debug;

	if (state == NULL) {
		return;
	}
	for (unsigned n = 0; n < breakpoints(); n++) {
		load_breakpoint(state, n);
	}
	for (unsigned n = 0; n < watchpoints(); n++) {
		load_watchpoint(state, n);
	}
	sysreg_write(mdscr_el1, MDSCR_MDE | (state->mdscr_el1 & MDSCR_SS));
}

void
debug_leave(struct thread *old)
{
	if (old->debug != NULL) {
		sysreg_write(mdscr_el1, 0);
	}
}

/* --- on the way to user mode --- */

uint32_t
debug_step_bit(struct thread *thread)
{
	return thread->debug != NULL && (thread->debug->mdscr_el1 & MDSCR_SS) != 0 ? PSR64_SS : 0;
}

void
debug_ast(void)
{
	struct thread *self = current_thread();

	machine_thread_watch_switches(self);
	thread_frame(self)->cpsr = (thread_frame(self)->cpsr & ~PSR64_SS) | debug_step_bit(self);
	debug_enter(self);
}

void
debug_step_taken(void)
{
	struct thread *self = current_thread();

	if (self->debug != NULL) {
		self->debug->mdscr_el1 &= ~(uint64_t)MDSCR_SS;
		thread_frame(self)->cpsr &= ~PSR64_SS;
		sysreg_write(mdscr_el1, MDSCR_MDE);
	}
}

/* --- the state --- */

static bool
register_is_valid(uint64_t address, uint64_t control, bool exists)
{
	return (control & CONTROL_ENABLE) == 0 ||
	       (exists && address < MACH_VM_MAX_ADDRESS && (control & CONTROL_TYPE) == 0);
}

static bool
range_is_valid(uint64_t control)
{
	uint64_t range = (control & WATCH_RANGE) >> WATCH_RANGE_SHIFT;

	return (control & CONTROL_ENABLE) == 0 || range == 0 || range >= WATCH_RANGE_UNUSED;
}

static bool
state_is_valid(const arm_debug_state64_t *state)
{
	for (unsigned n = 0; n < os_countof(state->bvr); n++) {
		if (!register_is_valid(state->bvr[n], state->bcr[n], n < breakpoints()) ||
		    !register_is_valid(state->wvr[n], state->wcr[n], n < watchpoints()) ||
		    !range_is_valid(state->wcr[n])) {
			return false;
		}
	}
	return true;
}

/* There is a place for a state; those who set it may come at one time, and one wins. */
static bool
have_place(arm_debug_state64_t **where)
{
	arm_debug_state64_t *place;

	if (os_atomic_load(where, relaxed) != NULL) {
		return true;
	}
	place = zalloc_flags(debug_zone, Z_ZERO | Z_WAIT);
	/* release: whoever sees the place sees the zeros in it; readers follow the pointer */
	if (place != NULL && !os_atomic_cmpxchg(where, NULL, place, release)) {
		zfree(debug_zone, place);
	}
	return place != NULL;
}

static void
get_state(const arm_debug_state64_t *from, void *words)
{
	if (from != NULL) {
		memcpy(words, from, sizeof(*from));
	} else {
		memset(words, 0, sizeof(*from));
	}
}

static kern_return_t
set_state(arm_debug_state64_t **where, const void *words, uint64_t mdscr_mask)
{
	arm_debug_state64_t state;

	memcpy(&state, words, sizeof(state));
	if (!state_is_valid(&state)) {
		return KERN_INVALID_ARGUMENT;
	}
	state.mdscr_el1 &= mdscr_mask;
	if (!have_place(where)) {
		return KERN_RESOURCE_SHORTAGE;
	}
	memcpy(*where, &state, sizeof(state));
	return KERN_SUCCESS;
}

static void
discard_state(arm_debug_state64_t **where)
{
	if (os_unlikely(*where != NULL)) {
		zfree(debug_zone, *where);
		*where = NULL;
	}
}

/* --- of a thread --- */

/* relaxed: the thread is stopped, or is the caller; being made runnable orders it */
static void
thread_state_changed(struct thread *thread)
{
	os_atomic_or(&thread_machine(thread)->slow_flags, AST_DEBUG, relaxed);
}

void
debug_get_state(struct thread *thread, void *words)
{
	get_state(os_atomic_load(&thread->debug, relaxed), words);
}

kern_return_t
debug_set_state(struct thread *thread, const void *words)
{
	kern_return_t kr = set_state(&thread->debug, words, MDSCR_SS);

	if (kr == KERN_SUCCESS) {
		thread_state_changed(thread);
	}
	return kr;
}

void
debug_reset(struct thread *thread)
{
	if (os_unlikely(thread->debug != NULL)) {
		memset(thread->debug, 0, sizeof(*thread->debug));
		thread_state_changed(thread);
	}
}

void
debug_discard(struct thread *thread)
{
	discard_state(&thread->debug);
}

/* --- of a task --- */

void
debug_get_task_state(struct task *task, void *words)
{
	get_state(task->debug, words);
}

kern_return_t
debug_set_task_state(struct task *task, const void *words)
{
	return set_state(&task->debug, words, 0);
}

kern_return_t
debug_inherit(struct thread *thread, struct task *task)
{
	return os_likely(task->debug == NULL) ? KERN_SUCCESS : debug_set_state(thread, task->debug);
}

void
debug_reset_task(struct task *task)
{
	if (os_unlikely(task->debug != NULL)) {
		memset(task->debug, 0, sizeof(*task->debug));
	}
}

void
debug_discard_task(struct task *task)
{
	discard_state(&task->debug);
}
