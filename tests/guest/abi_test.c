/*
 * The entry ABI: registers, the carry flag, the classes of numbers, what a new program finds.
 */
#include <errno.h>
#include <mach/arm/commpage.h>
#include <mach/mach.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ktap.h"

/* A call by number with the registers as they come back. */
struct result {
	uint64_t x0, x1;
	bool carry;
};

static struct result
syscall_raw(int64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = a0;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;
	register int64_t x16 __asm__("x16") = number;
	uint64_t carry;

	__asm__ volatile("svc #0x80\n\tcset %2, cs"
	    : "+r"(x0), "+r"(x1), "=r"(carry)
	    : "r"(x2), "r"(x3), "r"(x16)
	    : "memory", "cc");
	return (struct result){ x0, x1, carry != 0 };
}

TEST(bsd_result_is_in_x0_with_carry_clear)
{
	struct result r = syscall_raw(SYS_getpid, 1, 2, 3, 4);

	EXPECT(!r.carry);
	EXPECT_EQ(r.x0, getpid());
	EXPECT_EQ(r.x1, 0);
}

TEST(bsd_error_is_in_x0_with_carry_set)
{
	struct result r = syscall_raw(SYS_close, (uint64_t)-1, 0, 0, 0);

	EXPECT(r.carry);
	EXPECT_EQ(r.x0, EBADF);
}

TEST(bsd_unknown_numbers_answer_enosys)
{
	static const int numbers[] = { 8, 11, 600, 5000, 32767 };

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct result r = syscall_raw(numbers[i], 0, 0, 0, 0);
		EXPECT(r.carry);
		EXPECT_EQ(r.x0, ENOSYS);
	}
}

TEST(bsd_indirect_call_takes_the_number_from_x0)
{
	struct result r = syscall_raw(0, SYS_getpid, 0, 0, 0);

	EXPECT(!r.carry);
	EXPECT_EQ(r.x0, getpid());
	r = syscall_raw(0, SYS_close, (uint64_t)-1, 0, 0);
	EXPECT(r.carry);
	EXPECT_EQ(r.x0, EBADF);
}

TEST(only_the_low_half_of_x16_counts)
{
	struct result r = syscall_raw((int64_t)0x1234567800000000 | SYS_getpid, 0, 0, 0, 0);

	EXPECT_EQ(r.x0, getpid());
}

TEST(null_trap_succeeds_and_keeps_carry)
{
	EXPECT_EQ(mach_null_trap(), KERN_SUCCESS);
	EXPECT_EQ(syscall_raw(-127, 1, 2, 3, 4).x0, KERN_SUCCESS);
}

TEST(a_trap_keeps_every_register_but_the_result)
{
	uint64_t bad;

	__asm__ volatile(
	    "mov x19, #119\n\tmov x20, #120\n\tmov x21, #121\n\tmov x22, #122\n\t"
	    "mov x9, #109\n\tmov x10, #110\n\tmov x17, #117\n\tmov x8, #108\n\t"
	    "mov x16, #-127\n\tsvc #0x80\n\t"
	    "sub x19, x19, #119\n\tsub x20, x20, #120\n\tsub x21, x21, #121\n\tsub x22, x22, #122\n\t"
	    "sub x9, x9, #109\n\tsub x10, x10, #110\n\tsub x17, x17, #117\n\tsub x8, x8, #108\n\t"
	    "orr %0, x19, x20\n\torr %0, %0, x21\n\torr %0, %0, x22\n\torr %0, %0, x9\n\t"
	    "orr %0, %0, x10\n\torr %0, %0, x17\n\torr %0, %0, x8"
	    : "=r"(bad)
	    :
	    : "x0", "x8", "x9", "x10", "x16", "x17", "x19", "x20", "x21", "x22", "memory", "cc");
	EXPECT_EQ(bad, 0);
}

TEST(vector_registers_survive_calls)
{
	double a = 1.5, b = 2.5;

	__asm__ volatile("fmov d20, %d0\n\tfmov d21, %d1" : : "w"(a), "w"(b) : "v20", "v21");
	for (int i = 0; i < 100; i++) {
		register uint64_t x16 __asm__("x16") = (uint64_t)-60; /* swtch: another thread may run */
		register uint64_t x0 __asm__("x0") = 0;
		__asm__ volatile("svc #0x80" : "+r"(x0) : "r"(x16) : "memory", "cc", "x1");
	}
	__asm__ volatile("fmov %d0, d20\n\tfmov %d1, d21" : "=w"(a), "=w"(b));
	EXPECT(a == 1.5 && b == 2.5);
}

TEST(fast_time_traps_answer)
{
	uint64_t a = syscall_raw(-3, 0, 0, 0, 0).x0;
	uint64_t b = mach_absolute_time();

	EXPECT(a != 0);
	EXPECT(b >= a);
	EXPECT(syscall_raw(-4, 0, 0, 0, 0).x0 >= b);
}

TEST(platform_trap_reads_and_sets_the_thread_base)
{
	uint64_t base, again;

	__asm__("mrs %0, TPIDRRO_EL0" : "=r"(base));
	EXPECT_EQ(syscall_raw(0x80000000, 0, 0, 0, 3).x0, base);
	(void)syscall_raw(0x80000000, base, 0, 0, 2);
	__asm__ volatile("mrs %0, TPIDRRO_EL0" : "=r"(again));
	EXPECT_EQ(again, base);
}

TEST(commpage_is_there)
{
	const char *page = (const char *)COMMPAGE_ADDRESS;

	EXPECT_EQ(memcmp(page, COMMPAGE_SIGNATURE, sizeof(COMMPAGE_SIGNATURE) - 1), 0);
	EXPECT_EQ(*(const uint16_t *)(page + COMMPAGE_VERSION_FIELD), COMMPAGE_VERSION);
	EXPECT_EQ(*(const uint8_t *)(page + COMMPAGE_USER_PAGE_SHIFT_64), 14);
	EXPECT(*(const uint8_t *)(page + COMMPAGE_ACTIVE_CPUS) >= 1);
	EXPECT(*(const uint64_t *)(page + COMMPAGE_CPU_CAPABILITIES64) & COMMPAGE_CAP_LSE);
}

static int
write_commpage(void *arg)
{
	*(volatile uint64_t *)COMMPAGE_ADDRESS = 1;
	return 0;
}

TEST(commpage_cannot_be_written)
{
	int status = ktap_in_child(write_commpage, NULL);

	EXPECT(status == 128 + 10 || status == 128 + 11); /* SIGBUS or SIGSEGV */
}

TEST(cpu_number_is_readable)
{
	uint64_t word;

	__asm__ volatile("mrs %0, TPIDR_EL0" : "=r"(word));
	EXPECT((word & 0xfff) < *(const uint8_t *)(COMMPAGE_ADDRESS + COMMPAGE_LOGICAL_CPUS));
}

static int
empty_mach_slot(void *arg)
{
	(void)syscall_raw(-(int64_t)(intptr_t)arg, 0, 0, 0, 0);
	return 0;
}

TEST(empty_mach_slots_end_the_process_with_sigsys)
{
	EXPECT_EQ(ktap_in_child(empty_mach_slot, (void *)5), 128 + 12);
	EXPECT_EQ(ktap_in_child(empty_mach_slot, (void *)126), 128 + 12);
	EXPECT_EQ(ktap_in_child(empty_mach_slot, (void *)4000), 128 + 12);
}

static int
undefined_instruction(void *arg)
{
	__asm__ volatile("udf #0");
	return 0;
}

TEST(undefined_instruction_is_sigill)
{
	EXPECT_EQ(ktap_in_child(undefined_instruction, NULL), 128 + 4);
}

static int
breakpoint(void *arg)
{
	__asm__ volatile("brk #1");
	return 0;
}

TEST(breakpoint_is_sigtrap)
{
	EXPECT_EQ(ktap_in_child(breakpoint, NULL), 128 + 5);
}
