/*
 * A lock of one word that knows its owner and sleeps when it must wait; it is not handed over in order. Taking it
 * twice, or giving back what another thread holds, ends the program.
 */
#pragma once

#include <os/base.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define OS_LOCK_API_VERSION 20160309

typedef struct os_unfair_lock_s {
	uint32_t
	    _os_unfair_lock_opaque; /* 0 free; else the owner's thread port, its lowest bit clear if one waits */
} os_unfair_lock, *os_unfair_lock_t;

#define OS_UNFAIR_LOCK_INIT ((os_unfair_lock){ 0 })

void os_unfair_lock_lock(os_unfair_lock_t lock);
OS_WARN_RESULT bool os_unfair_lock_trylock(os_unfair_lock_t lock);
void os_unfair_lock_unlock(os_unfair_lock_t lock);

/* End the program unless the calling thread holds the lock, or does not. */
void os_unfair_lock_assert_owner(const os_unfair_lock *lock);
void os_unfair_lock_assert_not_owner(const os_unfair_lock *lock);

__END_DECLS
