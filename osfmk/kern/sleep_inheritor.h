/*
 * Sleeping on an event that one thread will bring about: that thread, the inheritor, runs at no less than the priority of
 * the sleepers. Names and meaning are XNU's.
 *
 * The callers serialise with a mutex of their own: whoever sleeps, wakes or names another inheritor for an event holds
 * it. An inheritor is named while it is alive; it may end afterwards. Events of these calls and of assert_wait are
 * different things, even at the same address.
 */
#pragma once

#include <kern/locks.h>

typedef unsigned int lck_sleep_action_t;
#define LCK_SLEEP_DEFAULT 0x00 /* the mutex is held again afterwards */
#define LCK_SLEEP_UNLOCK  0x01 /* it is not */

typedef unsigned int lck_wake_action_t;
#define LCK_WAKE_DEFAULT              0x00 /* those who sleep on push on the thread that is woken */
#define LCK_WAKE_DO_NOT_TRANSFER_PUSH 0x01 /* on nobody */

/* deadline 0: none. THREAD_RESTART: there was no memory for the sleep. */
wait_result_t lck_mtx_sleep_with_inheritor(lck_mtx_t *lock, lck_sleep_action_t action, event_t event,
    thread_t inheritor, wait_interrupt_t how, uint64_t deadline);

/* The sleeper of the highest priority. It comes back with a reference if `woken` is not NULL. KERN_NOT_WAITING: none. */
kern_return_t wakeup_one_with_inheritor(
    event_t event, wait_result_t result, lck_wake_action_t action, thread_t *woken);
kern_return_t wakeup_all_with_inheritor(event_t event, wait_result_t result);

/* KERN_NOT_WAITING: nobody sleeps. */
kern_return_t change_sleep_inheritor(event_t event, thread_t inheritor);
