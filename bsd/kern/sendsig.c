/*
 * Frames of signal handlers.
 *
 *	sp ->	siginfo		104 bytes
 *		ucontext	 56
 *		mcontext64	816	exception, integer and NEON state
 *
 * The frame lies below the interrupted stack pointer and its red zone, or at the top of the alternate stack.
 * The handler's trampoline ends with sigreturn, which puts back what the frame holds. Its token, the frame's
 * context address XOR a number only this thread has, keeps a program from being made to "return" to a frame
 * that the kernel never built.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <bsd/kern/kern_random.h>
#include <kern/assert.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/signal.h>
#include <sys/sysproto.h>

#define RED_ZONE 128U /* bytes below the stack pointer that leaf functions may use */

/* What the trampoline is told of the handler's form. */
#define INFOSTYLE_TRADITIONAL  1
#define INFOSTYLE_FLAVOR       30
#define INFOSTYLE_SET_ALTSTACK 0x40000000
#define INFOSTYLE_END_ALTSTACK ((int)0x80000000)

struct signal_frame {
	siginfo_t sf_info;
	ucontext_t sf_uctx;
	arm_mcontext64_t sf_mctx;
};
_Static_assert(sizeof(struct signal_frame) == 976, "frame of the public interface");
_Static_assert(sizeof(arm_mcontext64_t) == 816, "frame of the public interface");

/* What is made here; the registers behind it go out from where they are. */
struct signal_frame_head {
	siginfo_t sh_info;
	ucontext_t sh_uctx;
	arm_exception_state64_t sh_es;
};
_Static_assert(
    sizeof(struct signal_frame_head) == offsetof(struct signal_frame, sf_mctx.ss), "beginning of the frame");
_Static_assert(
    offsetof(struct arm_saved_state, far) == sizeof(arm_thread_state64_t), "a register frame begins with it");

static user_addr_t
frame_address(const struct uthread *uth, const struct arm_saved_state *state, bool alternate)
{
	user_addr_t top = alternate ? uth->uu_sigstk_base + uth->uu_sigstk_size : state->sp - RED_ZONE;

	return (top - sizeof(struct signal_frame)) & ~15ULL;
}

static void
frame_head_fill(struct signal_frame_head *head, struct uthread *uth, const struct signal_delivery *sd,
    user_addr_t address)
{
	const struct arm_saved_state *state = thread_frame(uth->uu_thread);

	memset(head, 0, sizeof(*head)); /* what lies between members goes out too */
	head->sh_info.si_signo = sd->sd_sig;
	head->sh_info.si_code = sd->sd_source.ss_code;
	head->sh_info.si_pid = sd->sd_source.ss_pid;
	head->sh_info.si_status = sd->sd_source.ss_status;
	head->sh_info.si_addr = (void *)(uintptr_t)state->pc;
	head->sh_info.pad[0] = state->sp;
	if (uth->uu_exc_signal == sd->sd_sig) {
		head->sh_info.si_code = uth->uu_exc_sicode;
		head->sh_info.si_addr = (void *)(uintptr_t)uth->uu_exc_addr;
		uth->uu_exc_signal = 0;
	}
	head->sh_uctx.uc_onstack = uth->uu_on_sigstk;
	head->sh_uctx.uc_sigmask = sd->sd_old_mask;
	head->sh_uctx.uc_stack.ss_sp = (void *)(uintptr_t)uth->uu_sigstk_base;
	head->sh_uctx.uc_stack.ss_size = uth->uu_sigstk_size;
	head->sh_uctx.uc_mcsize = sizeof(arm_mcontext64_t);
	head->sh_uctx.uc_mcontext = (void *)(uintptr_t)(address + offsetof(struct signal_frame, sf_mctx));
	head->sh_es.far = state->far;
	head->sh_es.esr = state->esr;
}

static bool
frame_write_registers(thread_t thread, user_addr_t address)
{
	arm_neon_state64_t ns;
	uint32_t words = ARM_NEON_STATE64_COUNT;

	return copyout(thread_frame(thread), address + offsetof(struct signal_frame, sf_mctx.ss),
		   sizeof(arm_thread_state64_t)) == 0 &&
	       machine_thread_get_state(thread, ARM_NEON_STATE64, (uint32_t *)&ns, &words) == KERN_SUCCESS &&
	       copyout(&ns, address + offsetof(struct signal_frame, sf_mctx.ns), sizeof(ns)) == 0;
}

/* The registers with which the trampoline is entered. */
static void
enter_trampoline(struct uthread *uth, const struct signal_delivery *sd, user_addr_t address)
{
	struct arm_saved_state *state = thread_frame(uth->uu_thread);
	user_addr_t uctx = address + offsetof(struct signal_frame, sf_uctx);

	state->x[0] = sd->sd_handler;
	state->x[1] = (sd->sd_flags & SA_SIGINFO) != 0 ? INFOSTYLE_FLAVOR : INFOSTYLE_TRADITIONAL;
	state->x[2] = (uint64_t)sd->sd_sig;
	state->x[3] = address;
	state->x[4] = uctx;
	state->x[5] = uctx ^ uth->uu_sigreturn_token;
	state->sp = address;
	state->pc = sd->sd_tramp;
	state->cpsr = PSR64_USER_DEFAULT;
	machine_thread_frame_changed(uth->uu_thread);
}

bool
sendsig(struct uthread *uth, const struct signal_delivery *sd)
{
	struct signal_frame_head head;
	bool alternate = (sd->sd_flags & SA_ONSTACK) != 0 && uth->uu_sigstk_size != 0 && !uth->uu_on_sigstk;
	user_addr_t address = frame_address(uth, thread_frame(uth->uu_thread), alternate);

	if (uth->uu_sigreturn_token == 0) {
		uth->uu_sigreturn_token = read_random_u64() | 1;
	}
	frame_head_fill(&head, uth, sd, address);
	if (copyout(&head, address, sizeof(head)) != 0 || !frame_write_registers(uth->uu_thread, address)) {
		return false;
	}
	uth->uu_on_sigstk |= alternate;
	enter_trampoline(uth, sd, address);
	return true;
}

static int
restore_neon(thread_t thread, user_addr_t mctx)
{
	arm_neon_state64_t ns;
	int error = copyin(mctx + offsetof(arm_mcontext64_t, ns), &ns, sizeof(ns));

	if (error == 0 && machine_thread_set_state(thread, ARM_NEON_STATE64, (const uint32_t *)&ns,
			      ARM_NEON_STATE64_COUNT) != KERN_SUCCESS) {
		error = EINVAL;
	}
	return error;
}

static int
restore_integers(thread_t thread, user_addr_t mctx)
{
	arm_thread_state64_t ss;
	int error = copyin(mctx + offsetof(arm_mcontext64_t, ss), &ss, sizeof(ss));

	if (error == 0 && machine_thread_set_state(thread, ARM_THREAD_STATE64, (const uint32_t *)&ss,
			      ARM_THREAD_STATE64_COUNT) != KERN_SUCCESS) {
		error = EINVAL;
	}
	return error;
}

static int
restore_context(struct uthread *uth, user_addr_t uctx_address)
{
	ucontext_t uctx;
	int error = copyin(uctx_address, &uctx, sizeof(uctx));

	if (error == 0 && uctx.uc_mcsize != sizeof(arm_mcontext64_t)) {
		error = EINVAL;
	}
	if (error == 0) {
		error = restore_neon(uth->uu_thread, (uintptr_t)uctx.uc_mcontext);
	}
	if (error == 0) {
		error = restore_integers(uth->uu_thread, (uintptr_t)uctx.uc_mcontext);
	}
	if (error != 0) {
		return error;
	}
	uth->uu_on_sigstk = uctx.uc_onstack != 0;
	os_atomic_store(&uth->uu_sigmask, uctx.uc_sigmask & ~SIG_CANTMASK, relaxed);
	/* What was blocked while the handler ran may be due. */
	if (((os_atomic_load(&uth->uu_siglist, relaxed) | os_atomic_load(&uth->uu_proc->p_siglist, relaxed)) &
		~uth->uu_sigmask) != 0) {
		thread_ast_set(uth->uu_thread, AST_BSD);
	}
	return EJUSTRETURN;
}

sysret_t
sys_sigreturn(user_addr_t uctx, int infostyle, user_addr_t token)
{
	struct uthread *uth = current_uthread();

	if (infostyle == INFOSTYLE_SET_ALTSTACK || infostyle == INFOSTYLE_END_ALTSTACK) {
		uth->uu_on_sigstk = infostyle == INFOSTYLE_SET_ALTSTACK;
		return (sysret_t){ .error = 0 };
	}
	if (token != (uctx ^ uth->uu_sigreturn_token)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = restore_context(uth, uctx) };
}
