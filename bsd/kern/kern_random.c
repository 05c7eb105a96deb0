/*
 * The generator. See kern_random.h. One state for the machine under a spin lock: users are exec, getentropy
 * and the like, none of them hot.
 */
#include <bsd/kern/kern_random.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <kern/locks.h>
#include <kern/upcalls.h>
#include <pexpert/device_tree.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>

#define CHACHA_ROUNDS    20
#define ENTROPY_MAX      256 /* bytes of one getentropy, as documented */
#define RANDOM_KEY_WORDS 8
#define BLOCK_WORDS      16
#define RANDOM_BLOCKS    8 /* made at a time: half a block is the next key, the rest is handed out */
#define RANDOM_OUT_WORDS (RANDOM_BLOCKS * BLOCK_WORDS - RANDOM_KEY_WORDS)

LCK_CLASS_DECLARE(random_class, "random", LCK_RANK_NONE);
static LCK_SPIN_DECLARE(random_lock, &random_class);

static uint32_t random_key[RANDOM_KEY_WORDS];               /* random_lock */
static uint32_t random_blocks[RANDOM_BLOCKS * BLOCK_WORDS]; /* random_lock */
static size_t random_left; /* random_lock: bytes of random_blocks not handed out */

static uint32_t
rotate_left(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void
quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotate_left(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotate_left(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotate_left(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotate_left(s[b] ^ s[c], 7);
}

/* Block number `counter`, nonce zero: a key is used for RANDOM_BLOCKS blocks only. */
static void
chacha_block(const uint32_t key[RANDOM_KEY_WORDS], uint32_t counter, uint32_t out[BLOCK_WORDS])
{
	uint32_t start[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(start + 4, key, RANDOM_KEY_WORDS * sizeof(uint32_t));
	start[12] = counter;
	memcpy(out, start, sizeof(start));
	for (unsigned i = 0; i < CHACHA_ROUNDS; i += 2) {
		for (unsigned j = 0; j < 4; j++) {
			quarter_round(out, j, 4 + j, 8 + j, 12 + j);
		}
		for (unsigned j = 0; j < 4; j++) {
			quarter_round(out, j, 4 + (j + 1) % 4, 8 + (j + 2) % 4, 12 + (j + 3) % 4);
		}
	}
	for (unsigned i = 0; i < BLOCK_WORDS; i++) {
		out[i] += start[i];
	}
}

/* The end of the last block is the next key and is never handed out. */
static void
random_refill_locked(void) REQUIRES(random_lock)
{
	for (uint32_t i = 0; i < RANDOM_BLOCKS; i++) {
		chacha_block(random_key, i, random_blocks + i * BLOCK_WORDS);
	}
	memcpy(random_key, random_blocks + RANDOM_OUT_WORDS, sizeof(random_key));
	memset(random_blocks + RANDOM_OUT_WORDS, 0, sizeof(random_key));
	random_left = RANDOM_OUT_WORDS * sizeof(uint32_t);
}

void
read_random(void *buf, size_t size)
{
	uint8_t *at = buf;

	lck_spin_lock(&random_lock);
	while (size > 0) {
		size_t n;

		if (random_left == 0) {
			random_refill_locked();
		}
		n = os_min(size, random_left);
		random_left -= n;
		memcpy(at, (uint8_t *)random_blocks + random_left, n);
		memset((uint8_t *)random_blocks + random_left, 0, n);
		at += n;
		size -= n;
	}
	lck_spin_unlock(&random_lock);
}

uint64_t
read_random_u64(void)
{
	uint64_t value;

	read_random(&value, sizeof(value));
	return value;
}

uint64_t
bsd_random(void)
{
	return read_random_u64();
}

static void
random_mix(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t *key = (uint8_t *)random_key;

	for (size_t i = 0; i < size; i++) {
		key[i % sizeof(random_key)] ^= bytes[i];
	}
	random_left = 0;
}

void
random_init(void)
{
	uint64_t now = ml_get_timebase();
	uint32_t size = 0;
	dt_node_t chosen = dt_find_path("/chosen");
	const void *seed = chosen != DT_NONE ? dt_property(chosen, "rng-seed", &size) : NULL;

	lck_spin_lock(&random_lock);
	random_mix(&now, sizeof(now));
	if (seed != NULL) {
		random_mix(seed, size);
	}
	random_refill_locked();
	lck_spin_unlock(&random_lock);
}

sysret_t
sys_getentropy(user_addr_t buffer, uint64_t size)
{
	uint8_t bytes[ENTROPY_MAX];

	if (size > ENTROPY_MAX) {
		return (sysret_t){ .error = EINVAL };
	}
	read_random(bytes, size);
	return (sysret_t){ .error = copyout(bytes, buffer, size) };
}
