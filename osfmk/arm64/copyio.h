/*
 * Access to user memory from the kernel, in three forms. PAN is always on; the copies open it for the few
 * instructions of a block (MSR PAN, #0) or use the unprivileged loads and stores (LDTR/STTR) for single
 * words. Which: LDTR has no pair form, so a block of 64 bytes costs 12 instructions with it and 8 with
 * LDP/STP plus two for the window once a call; words gain nothing from the window.
 *
 *	copyin, copyout, copyinstr	may fault in pages and block; preemption on, no spin locks
 *	*_nofault			any context, also with interrupts masked; false instead of a fault
 *	vm_map_read_user, _write_user	another address space (<vm/vm_map.h>)
 *
 * Every instruction that may abort lies in a range of the fix-up table (section copyio_fixup); an abort
 * from EL1 outside them is a panic. copyio_fixup_find is the look-up for the abort handler (vm_fault_kernel).
 *
 * A copy that fails may have transferred a part. Addresses at or above MACH_VM_MAX_ADDRESS, and ranges that
 * wrap, fail without an access.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

/* What copyin and its relatives return: the errno values of the same name. */
#define COPYIO_EFAULT       14
#define COPYIO_ENAMETOOLONG 63

OS_WARN_RESULT int copyin(user_addr_t uaddr, void *kaddr, size_t len);
OS_WARN_RESULT int copyout(const void *kaddr, user_addr_t uaddr, size_t len);

/* Copies up to and including the NUL; *done counts it. ENAMETOOLONG when there is none in the first `max`
 * bytes. */
OS_WARN_RESULT int copyinstr(user_addr_t uaddr, char *kaddr, size_t max, size_t *done);

/* With PAN open an access below the limit is to user memory whatever the pointer says; above it, it is the
 * kernel's. */
OS_INLINE bool
user_range_ok(user_addr_t uaddr, size_t len)
{
	return len <= MACH_VM_MAX_ADDRESS && uaddr <= MACH_VM_MAX_ADDRESS - len;
}

/* The loops of copyio.S: 0, or 1 after an access that failed. */
uint64_t _copyin_nofault(void *kaddr, user_addr_t uaddr, size_t len);
uint64_t _copyout_nofault(user_addr_t uaddr, const void *kaddr, size_t len);

OS_INLINE OS_WARN_RESULT bool
copyin_nofault(user_addr_t uaddr, void *kaddr, size_t len)
{
	return user_range_ok(uaddr, len) && _copyin_nofault(kaddr, uaddr, len) == 0;
}

OS_INLINE OS_WARN_RESULT bool
copyout_nofault(const void *kaddr, user_addr_t uaddr, size_t len)
{
	return user_range_ok(uaddr, len) && _copyout_nofault(uaddr, kaddr, len) == 0;
}

/*
 * Message bodies: a multiple of 4 bytes, not 0, interrupts masked, the range checked by the caller. `vectors_used`
 * is not 0 when a thread's vector registers are loaded on this CPU. The copy leaves all registers but its
 * arguments' alone, which the compiler is told here.
 */
#define COPYIO_MESSAGE(name, dst_type, src_type)                                                          \
	OS_INLINE OS_WARN_RESULT bool name(dst_type dst, src_type src, size_t len, uint32_t vectors_used) \
	{                                                                                                 \
		register uint64_t x0 __asm__("x0") = (uint64_t)dst;                                       \
		register uint64_t x1 __asm__("x1") = (uint64_t)src;                                       \
		register uint64_t x2 __asm__("x2") = len;                                                 \
		register uint64_t x3 __asm__("x3") = vectors_used;                                        \
                                                                                                          \
		__asm__ volatile("bl _" #name                                                             \
		    : "+r"(x0), "+r"(x1), "+r"(x2)                                                        \
		    : "r"(x3)                                                                             \
		    : "x30", "memory", "cc");                                                             \
		return x0 == 0;                                                                           \
	}

#if !defined(PLUOT_HOST_TEST)
COPYIO_MESSAGE(copyin_message, void *, user_addr_t)
COPYIO_MESSAGE(copyout_message, user_addr_t, const void *)
#endif

struct copyio_fixup {
	int32_t start;   /* first instruction, relative to this field */
	int32_t end;     /* first one after the range, relative to this field */
	int32_t landing; /* where to go on, relative to this field */
	uint32_t kind;   /* COPYIO_NOFAULT or COPYIO_MAYFAULT */
};

#define COPYIO_NOFAULT  0
#define COPYIO_MAYFAULT 1

/* Fix-up that covers pc, or NULL; *landing is an address. */
const struct copyio_fixup *copyio_fixup_find(uint64_t pc, uint64_t *landing);

/* One entry of the table for the instructions between local labels 1 and 2, continuing at the asm goto label.
 */
#define COPYIO_FIXUP_1_2(landing)                      \
	".pushsection copyio_fixup, \"a\"\n\t"         \
	".long 1b - ., 2b - ., " landing " - ., 0\n\t" \
	".popsection\n\t"

/* Word forms for the message fast path: one unprivileged access, no call. The address is checked by the
 * hardware: an unprivileged access to a kernel address aborts. */
#define COPYIO_WORD_LOAD(name, type, insn, reg, offset)                  \
	OS_INLINE OS_WARN_RESULT bool name(user_addr_t uaddr, type *out) \
	{                                                                \
		type value;                                              \
		__asm__ goto("1: " insn " %" reg "[v], [%[a], #" offset  \
			     "]\n2:\n\t" COPYIO_FIXUP_1_2("%l[fault]")   \
		    : [v] "=r"(value)                                    \
		    : [a] "r"(uaddr)                                     \
		    : "memory"                                           \
		    : fault);                                            \
		*out = value;                                            \
		return true;                                             \
	fault:                                                           \
		return false;                                            \
	}
#define COPYIO_WORD_STORE(name, type, insn, reg, offset)                  \
	OS_INLINE OS_WARN_RESULT bool name(user_addr_t uaddr, type value) \
	{                                                                 \
		__asm__ goto("1: " insn " %" reg "[v], [%[a], #" offset   \
			     "]\n2:\n\t" COPYIO_FIXUP_1_2("%l[fault]")    \
		    :                                                     \
		    : [v] "r"(value), [a] "r"(uaddr)                      \
		    : "memory"                                            \
		    : fault);                                             \
		return true;                                              \
	fault:                                                            \
		return false;                                             \
	}

COPYIO_WORD_LOAD(copyin_nofault_u32, uint32_t, "ldtr", "w", "0")
COPYIO_WORD_LOAD(copyin_nofault_u64, uint64_t, "ldtr", "x", "0")
COPYIO_WORD_LOAD(copyin_nofault_u64_at8, uint64_t, "ldtr", "x", "8")
COPYIO_WORD_LOAD(copyin_nofault_u64_at16, uint64_t, "ldtr", "x", "16")
COPYIO_WORD_STORE(copyout_nofault_u32, uint32_t, "sttr", "w", "0")
COPYIO_WORD_STORE(copyout_nofault_u64, uint64_t, "sttr", "x", "0")
COPYIO_WORD_STORE(copyout_nofault_u64_at8, uint64_t, "sttr", "x", "8")
COPYIO_WORD_STORE(copyout_nofault_u64_at16, uint64_t, "sttr", "x", "16")

/* A word, when it may fault: the inline form first, which succeeds whenever the page is there. */
OS_INLINE OS_WARN_RESULT int
copyin_u64(user_addr_t uaddr, uint64_t *out)
{
	return os_likely(copyin_nofault_u64(uaddr, out)) ? 0 : copyin(uaddr, out, sizeof(*out));
}

OS_INLINE OS_WARN_RESULT int
copyout_u64(user_addr_t uaddr, uint64_t value)
{
	return os_likely(copyout_nofault_u64(uaddr, value)) ? 0 : copyout(&value, uaddr, sizeof(value));
}
