/*
 * Random numbers for stack guards, address slides and getentropy.
 *
 * ChaCha20 in the fast-key-erasure form: each refill makes the next key first, so what was handed out cannot
 * be found from the state. Seeded at boot from the device tree's rng-seed, if it has one, and the time base;
 * on a machine without any source of its own (a simulation that must repeat exactly) the sequence is the same
 * at each boot.
 */
#pragma once

#include <os/base.h>

void random_init(void);

/* Any thread context; never blocks. */
void read_random(void *buf, size_t size);
uint64_t read_random_u64(void);
