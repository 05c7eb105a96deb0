/* Cache maintenance that user mode may do itself. */
#include <errno.h>
#include <libkern/OSCacheControl.h>
#include <stdint.h>

/* Line sizes in bytes: CTR_EL0 has their logarithms, in words. */
static size_t
line_bytes(unsigned int shift)
{
	uint64_t ctr;

	__asm__("mrs %0, CTR_EL0" : "=r"(ctr));
	return (size_t)4 << ((ctr >> shift) & 0xf);
}

#define FOR_LINES(at, start, len, shift)                                                                    \
	for (uintptr_t at = (uintptr_t)(start) & ~(line_bytes(shift) - 1); at < (uintptr_t)(start) + (len); \
	    at += line_bytes(shift))

void
sys_icache_invalidate(void *start, size_t len)
{
	FOR_LINES(at, start, len, 16)
	{
		__asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
	}
	__asm__ volatile("dsb ish" ::: "memory");
	FOR_LINES(at, start, len, 0)
	{
		__asm__ volatile("ic ivau, %0" ::"r"(at) : "memory");
	}
	__asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

void
sys_dcache_flush(void *start, size_t len)
{
	FOR_LINES(at, start, len, 16)
	{
		__asm__ volatile("dc civac, %0" ::"r"(at) : "memory");
	}
	__asm__ volatile("dsb ish" ::: "memory");
}

int
sys_cache_control(int function, void *start, size_t len)
{
	switch (function) {
	case kCacheFunctionPrepareForExecution:
		sys_icache_invalidate(start, len);
		return 0;
	case kCacheFunctionFlush:
		sys_dcache_flush(start, len);
		return 0;
	default:
		return ENOTSUP;
	}
}
