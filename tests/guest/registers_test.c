/*
 * Registers across everything that enters the kernel: calls that return at once, calls that block, faults,
 * interrupts, switches between threads and processes; floating-point registers as well.
 */
#include <mach/mach.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

/* Registers x0-x30 and NZCV (index 31) as a call left them; each held 100 + its number before, x0 a0 and x1 a1. */
struct registers {
	uint64_t x[32];
};

void call_with_registers(int64_t number, uint64_t a0, uint64_t a1, struct registers *after);

__asm__("	.text\n"
	"	.p2align 2\n"
	"_call_with_registers:\n"
	"	stp	x29, x30, [sp, #-112]!\n"
	"	stp	x19, x20, [sp, #16]\n"
	"	stp	x21, x22, [sp, #32]\n"
	"	stp	x23, x24, [sp, #48]\n"
	"	stp	x25, x26, [sp, #64]\n"
	"	stp	x27, x28, [sp, #80]\n"
	"	str	x3, [sp, #96]\n"
	"	mov	x16, x0\n"
	"	mov	x0, x1\n"
	"	mov	x1, x2\n"
	"	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, "
	"25, 26, 27, 28, 29, 30\n"
	"	mov	x\\n, #(100 + \\n)\n"
	"	.endr\n"
	"	msr	nzcv, xzr\n"
	"	svc	#0x80\n"
	"	stp	x0, x1, [sp, #-16]!\n"
	"	ldr	x0, [sp, #112]\n"
	"	str	x1, [x0, #8]\n"
	"	ldr	x1, [sp], #16\n"
	"	str	x1, [x0]\n"
	"	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "
	"24, 25, 26, 27, 28, 29, 30\n"
	"	str	x\\n, [x0, #(8 * \\n)]\n"
	"	.endr\n"
	"	mrs	x1, nzcv\n"
	"	str	x1, [x0, #248]\n"
	"	ldp	x19, x20, [sp, #16]\n"
	"	ldp	x21, x22, [sp, #32]\n"
	"	ldp	x23, x24, [sp, #48]\n"
	"	ldp	x25, x26, [sp, #64]\n"
	"	ldp	x27, x28, [sp, #80]\n"
	"	ldp	x29, x30, [sp], #112\n"
	"	ret\n");

/* x2-x30 are what they were. */
static void
expect_preserved(int64_t number, const struct registers *after)
{
	for (unsigned n = 2; n <= 30; n++) {
		uint64_t want = n == 16 ? (uint64_t)number : 100 + n;

		if (!EXPECT_EQ(after->x[n], want)) {
			break;
		}
	}
}

TEST(mach_traps_change_x0_only)
{
	struct registers after;

	call_with_registers(-127, 7, 8, &after); /* the null trap */
	EXPECT_EQ(after.x[0], KERN_SUCCESS);
	EXPECT_EQ(after.x[1], 8);
	EXPECT_EQ(after.x[31], 0);
	expect_preserved(-127, &after);
}

TEST(bsd_calls_change_x0_x1_and_carry)
{
	struct registers after;

	call_with_registers(SYS_getpid, 7, 8, &after);
	EXPECT_EQ(after.x[0], getpid());
	EXPECT_EQ(after.x[1], 0);
	EXPECT_EQ(after.x[31], 0);
	expect_preserved(SYS_getpid, &after);

	call_with_registers(SYS_close, (uint64_t)-1, 8, &after);
	EXPECT_EQ(after.x[1], 0);
	EXPECT_EQ(after.x[31], 0x20000000); /* carry */
	expect_preserved(SYS_close, &after);
}

/* A call that lets somebody else run in between: the slow way back. */
TEST(calls_that_switch_preserve_registers)
{
	struct registers after;
	int fds[2];
	char byte = 1;
	pid_t pid;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		sched_yield();
		_exit(write(fds[1], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[1]);
	byte = 0;
	/* read blocks until the child has written; the third argument, the size, is x2: 102 */
	static char buffer[102];
	call_with_registers(SYS_read, (uint64_t)fds[0], (uint64_t)buffer, &after);
	EXPECT_EQ(after.x[0], 1);
	expect_preserved(SYS_read, &after);
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

/* A page fault and interrupts happen between any two instructions. */
TEST(faults_preserve_registers)
{
	char *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	uint64_t sum;

	REQUIRE(page != MAP_FAILED);
	__asm__ volatile("mov	x0, #1\n\tmov	x9, #2\n\tmov	x17, #3\n\tmov	x19, #4\n\tmov	x30, #5\n\t"
			 "fmov	d3, #6.0\n\tcmp	x0, #1\n\t"
			 "strb	w0, [%1]\n\t"
			 "cset	x1, ne\n\tfcvtzu	x2, d3\n\t"
			 "add	%0, x0, x9\n\tadd	%0, %0, x17\n\tadd	%0, %0, x19\n\tadd	%0, "
			 "%0, x30\n\t"
			 "add	%0, %0, x2\n\tadd	%0, %0, x1, lsl #8"
	    : "=&r"(sum)
	    : "r"(page)
	    : "x0", "x1", "x2", "x9", "x17", "x19", "x30", "d3", "cc", "memory");
	EXPECT_EQ(sum, 21);
	EXPECT_EQ(page[0], 1);
	munmap(page, 16384);
}

/* --- floating point --- */

/* Puts values that follow from seed into some vector registers and FPCR, calls, and looks again. */
static bool
fp_survives(uint64_t seed, int (*call)(void))
{
	static const uint64_t modes[] = { 0, 0x400000, 0x800000, 0xc00000 };
	uint64_t d[4], fpcr, mode = modes[seed % 4];
	register int (*fn)(void) __asm__("x8") = call;

	/* x20 is preserved by the call; d8-d15 by its compiler, the others only by the kernel: so `call` is a bare svc */
	__asm__ volatile("fmov	d0, %[s]\n\tfmov	d8, %[s]\n\tfmov	d16, %[s]\n\tfmov	d31, "
			 "%[s]\n\tmsr	fpcr, %[m]\n\t"
			 "blr	%[fn]\n\t"
			 "fmov	%[a], d0\n\tfmov	%[b], d8\n\tfmov	%[c], d16\n\tfmov	"
			 "%[d], d31\n\tmrs	%[f], fpcr\n\t"
			 "msr	fpcr, xzr"
	    : [a] "=&r"(d[0]), [b] "=&r"(d[1]), [c] "=&r"(d[2]), [d] "=&r"(d[3]), [f] "=&r"(fpcr)
	    : [s] "r"(seed), [m] "r"(mode), [fn] "r"(fn)
	    : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
	    "x16", "x17", "x30", "d0", "d8", "d16", "d31", "cc", "memory");
	return d[0] == seed && d[1] == seed && d[2] == seed && d[3] == seed && fpcr == mode;
}

int call_yield(void);
__asm__("	.p2align 2\n_call_yield:\n	mov	x16, #-60\n	svc	#0x80\n	ret\n");

#define FP_ROUNDS 500

static void *
fp_thread(void *arg)
{
	uint64_t lost = 0;

	for (uint64_t i = 0; i < FP_ROUNDS; i++) {
		lost += fp_survives((uint64_t)arg * FP_ROUNDS + i, call_yield) ? 0 : 1;
	}
	return (void *)lost;
}

TEST(fp_survives_thread_switches)
{
	pthread_t threads[3];
	void *lost;

	for (uint64_t i = 0; i < 3; i++) {
		REQUIRE(pthread_create(&threads[i], NULL, fp_thread, (void *)(i + 1)) == 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(pthread_join(threads[i], &lost), 0);
		EXPECT_EQ((uint64_t)lost, 0);
	}
}

static int
fp_child(void *arg)
{
	return fp_thread(arg) == NULL ? 0 : 1;
}

TEST(fp_survives_process_switches)
{
	EXPECT_EQ(ktap_in_child(fp_child, (void *)9), 0);
}

TEST(fp_is_copied_by_fork)
{
	uint64_t value, is_child, pid;

	__asm__ volatile("fmov	d9, %[s]\n\tmov	x16, #2\n\tsvc	#0x80\n\tmov	%[p], x0\n\tmov	%[c], "
			 "x1\n\tfmov	%[v], d9"
	    : [v] "=&r"(value), [c] "=&r"(is_child), [p] "=&r"(pid)
	    : [s] "r"(0x123456789aUL)
	    : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x16", "x17", "d9", "cc", "memory");
	if (is_child != 0) {
		_exit(value == 0x123456789aUL ? 0 : 1);
	}
	int status = -1;

	EXPECT_EQ(value, 0x123456789aUL);
	EXPECT_EQ(waitpid((pid_t)pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}
