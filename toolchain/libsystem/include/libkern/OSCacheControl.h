/* Caches around memory that is code, or that a device reads. */
#pragma once

#include <stddef.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define kCacheFunctionPrepareForExecution 1
#define kCacheFunctionFlush               2

int sys_cache_control(int function, void *start, size_t len);

/* What was written to the range can be executed. */
void sys_icache_invalidate(void *start, size_t len);

/* What was written to the range has reached memory. */
void sys_dcache_flush(void *start, size_t len);

__END_DECLS
