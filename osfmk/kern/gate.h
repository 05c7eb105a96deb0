/*
 * Gates: a long-held lock beside a mutex. Names and meaning are XNU's.
 *
 * A gate is open, or closed by a thread, its holder, who does something for which it does not want to keep the mutex. The
 * mutex guards the gate: it is held in every call, and dropped only while lck_mtx_gate_wait sleeps. Those that wait push
 * on the holder (<kern/turnstile.h>).
 */
#pragma once

#include <kern/locks.h>
#include <kern/sleep_inheritor.h>

typedef struct gate {
	thread_t gt_holder;      /* NULL: open; guarded by the mutex */
	struct waitq gt_waiters; /* a turnstile */
} gate_t;

typedef enum {
	GATE_HANDOFF, /* the caller holds the gate now */
	GATE_OPENED,  /* it is open, or was for a moment */
	GATE_TIMED_OUT,
	GATE_INTERRUPTED,
} gate_wait_result_t;

typedef unsigned int gate_handoff_flags_t;
#define GATE_HANDOFF_DEFAULT            0x0
#define GATE_HANDOFF_OPEN_IF_NO_WAITERS 0x1

typedef unsigned int gate_assert_flags_t;
#define GATE_ASSERT_CLOSED 0
#define GATE_ASSERT_OPEN   1
#define GATE_ASSERT_HELD   2 /* closed, by the current thread */

void lck_mtx_gate_init(lck_mtx_t *lock, gate_t *gate);
void lck_mtx_gate_destroy(lck_mtx_t *lock, gate_t *gate);

/* KERN_FAILURE: closed already. */
kern_return_t lck_mtx_gate_try_close(lck_mtx_t *lock, gate_t *gate) REQUIRES(lock);
void lck_mtx_gate_close(lck_mtx_t *lock, gate_t *gate) REQUIRES(lock);
/* By the holder: all waiters go. */
void lck_mtx_gate_open(lck_mtx_t *lock, gate_t *gate) REQUIRES(lock);
/*
 * By the holder: the waiter of the highest priority holds it. KERN_NOT_WAITING: none; the gate
 * stays as it was, or opens.
 */
kern_return_t lck_mtx_gate_handoff(lck_mtx_t *lock, gate_t *gate, gate_handoff_flags_t flags) REQUIRES(lock);
/* A closed gate is the current thread's. */
void lck_mtx_gate_steal(lck_mtx_t *lock, gate_t *gate) REQUIRES(lock);
/* On a gate that is closed by another thread. deadline 0: none. */
gate_wait_result_t lck_mtx_gate_wait(
    lck_mtx_t *lock, gate_t *gate, lck_sleep_action_t action, wait_interrupt_t how, uint64_t deadline);
void lck_mtx_gate_assert(lck_mtx_t *lock, gate_t *gate, gate_assert_flags_t flags) REQUIRES(lock);
