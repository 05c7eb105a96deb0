/*
 * Atomics. Every operation names its memory order as the last argument: relaxed, acquire, release, acq_rel
 * or seq_cst; there is no default. An ordered operation carries a comment that says what it pairs with.
 *
 * Objects are plain C objects (no _Atomic), so a struct can be initialised before it is shared and read
 * without ceremony by its single owner. Arithmetic forms come in two flavours: os_atomic_add returns the
 * new value, os_atomic_add_orig the old one. arm64 is compiled with LSE: each is one instruction.
 *
 * All but loads have a stall point before them, stores and os_atomic_cmpxchg one behind as well (<os/stall.h>): nothing,
 * except in debug kernels.
 */
#pragma once

#include <os/base.h>
#include <os/stall.h>

#define os_mo_relaxed __ATOMIC_RELAXED
#define os_mo_acquire __ATOMIC_ACQUIRE
#define os_mo_release __ATOMIC_RELEASE
#define os_mo_acq_rel __ATOMIC_ACQ_REL
#define os_mo_seq_cst __ATOMIC_SEQ_CST

/* The order of the load that a failed compare-exchange is. */
#define os_mo_fail_relaxed __ATOMIC_RELAXED
#define os_mo_fail_acquire __ATOMIC_ACQUIRE
#define os_mo_fail_release __ATOMIC_RELAXED
#define os_mo_fail_acq_rel __ATOMIC_ACQUIRE
#define os_mo_fail_seq_cst __ATOMIC_SEQ_CST

#define os_atomic_load(p, mo)     __atomic_load_n((p), os_mo_##mo)
#define os_atomic_store(p, v, mo) (os_stall_point(), __atomic_store_n((p), (v), os_mo_##mo), os_stall_point())
#define os_atomic_xchg(p, v, mo)  (os_stall_point(), __atomic_exchange_n((p), (v), os_mo_##mo))

#define os_atomic_add(p, v, mo)      (os_stall_point(), __atomic_add_fetch((p), (v), os_mo_##mo))
#define os_atomic_add_orig(p, v, mo) (os_stall_point(), __atomic_fetch_add((p), (v), os_mo_##mo))
#define os_atomic_sub(p, v, mo)      (os_stall_point(), __atomic_sub_fetch((p), (v), os_mo_##mo))
#define os_atomic_sub_orig(p, v, mo) (os_stall_point(), __atomic_fetch_sub((p), (v), os_mo_##mo))
#define os_atomic_or(p, v, mo)       (os_stall_point(), __atomic_or_fetch((p), (v), os_mo_##mo))
#define os_atomic_or_orig(p, v, mo)  (os_stall_point(), __atomic_fetch_or((p), (v), os_mo_##mo))
#define os_atomic_and(p, v, mo)      (os_stall_point(), __atomic_and_fetch((p), (v), os_mo_##mo))
#define os_atomic_and_orig(p, v, mo) (os_stall_point(), __atomic_fetch_and((p), (v), os_mo_##mo))
#define os_atomic_xor(p, v, mo)      (os_stall_point(), __atomic_xor_fetch((p), (v), os_mo_##mo))
#define os_atomic_xor_orig(p, v, mo) (os_stall_point(), __atomic_fetch_xor((p), (v), os_mo_##mo))
#define os_atomic_inc(p, mo)         os_atomic_add(p, 1, mo)
#define os_atomic_inc_orig(p, mo)    os_atomic_add_orig(p, 1, mo)
#define os_atomic_dec(p, mo)         os_atomic_sub(p, 1, mo)
#define os_atomic_dec_orig(p, mo)    os_atomic_sub_orig(p, 1, mo)

/* Strong compare-exchange; true when *p held `expected` and now holds `desired`. */
#define os_atomic_cmpxchg(p, expected, desired, mo)                               \
	({                                                                        \
		__typeof__(*(p)) _cas_e = (expected);                             \
		bool _cas_done;                                                   \
		os_stall_point();                                                 \
		_cas_done = __atomic_compare_exchange_n(                          \
		    (p), &_cas_e, (desired), false, os_mo_##mo, os_mo_fail_##mo); \
		os_stall_point();                                                 \
		_cas_done;                                                        \
	})

/* The same, and *found receives what was in *p (equal to `expected` on success). */
#define os_atomic_cmpxchgv(p, expected, desired, found, mo)                                               \
	({                                                                                                \
		*(found) = (expected);                                                                    \
		os_stall_point();                                                                         \
		__atomic_compare_exchange_n((p), (found), (desired), false, os_mo_##mo, os_mo_fail_##mo); \
	})

#define os_atomic_thread_fence(mo) __atomic_thread_fence(os_mo_##mo)
#define os_compiler_barrier()      __asm__ volatile("" ::: "memory")

/*
 * A load whose value is used to compute the address of the next one (message passing by pointer). arm64 keeps such
 * loads in order by themselves, and saves an instruction for each; elsewhere, and for the sanitizers, it is an acquire.
 */
#if defined(KERNEL) && !defined(PLUOT_HOST_TEST)
#define os_atomic_load_dependency(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#else
#define os_atomic_load_dependency(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#endif

/*
 * Counters that only their owner writes (per-CPU statistics): no atomic read-modify-write is needed, but a
 * reader on another CPU must see whole words.
 */
#define os_counter_add(p, v) os_atomic_store((p), *(p) + (v), relaxed)
