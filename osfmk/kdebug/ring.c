/*
 * The reader's side of a trace ring. See ring.h.
 */
#include <kdebug/ring.h>

static_assert(sizeof(kd_buf) == 64, "the public layout");
static_assert(offsetof(kd_buf, timestamp) == 0 && offsetof(kd_buf, arg1) == 8 &&
		  offsetof(kd_buf, arg5) == 40 && offsetof(kd_buf, debugid) == 48 &&
		  offsetof(kd_buf, cpuid) == 52,
    "kdebug_ring_put stores words");

void
kdebug_ring_init(struct kdebug_ring *ring, void *slots, uint64_t count, bool overwrite)
{
	*ring = (struct kdebug_ring){
		.kr_slots = slots,
		.kr_mask = count - 1,
		.kr_limit = overwrite ? UINT64_MAX : count,
	};
}

static void
copy_slot(const uint64_t *slot, kd_buf *record)
{
	uint64_t *words = (uint64_t *)(void *)record;

	for (unsigned i = 0; i < KDEBUG_RECORD_WORDS - 1; i++) {
		words[i] = os_atomic_load(&slot[i], relaxed);
	}
	words[KDEBUG_RECORD_WORDS - 1] = 0;
}

/* Everything before `index` is done with; where records are refused, the writer gets the slots back. */
static void
advance(struct kdebug_ring *ring, uint64_t index)
{
	ring->kr_tail = index;
	if (ring->kr_limit != UINT64_MAX) {
		os_atomic_store(&ring->kr_limit, index + ring->kr_mask + 1, release); /* [K2] */
	}
}

/* Records below `index` are overwritten, or may be by now. */
static void
count_overwritten(struct kdebug_ring *ring, uint64_t index)
{
	os_counter_add(&ring->kr_overwritten, index - ring->kr_tail);
	advance(ring, index);
}

/*
 * The oldest record whose slot the writer cannot be in, given a head. Record head - size is being overwritten as
 * soon as the writer has begun record `head`.
 */
static uint64_t
oldest_safe(const struct kdebug_ring *ring, uint64_t head)
{
	return head > ring->kr_mask ? head - ring->kr_mask : 0;
}

bool
kdebug_ring_take(struct kdebug_ring *ring, uint64_t end, kd_buf *record)
{
	bool overwrites = ring->kr_limit == UINT64_MAX;

	while (ring->kr_tail < end) {
		uint64_t index = ring->kr_tail, oldest;

		copy_slot(ring->kr_slots[index & ring->kr_mask], record);
		os_atomic_thread_fence(acquire); /* [K4] */
		oldest = overwrites ? oldest_safe(ring, os_atomic_load(&ring->kr_head, relaxed)) : 0;
		if (index >= oldest) {
			advance(ring, index + 1);
			return true;
		}
		count_overwritten(ring, os_min(oldest, end));
	}
	return false;
}

void
kdebug_ring_skip(struct kdebug_ring *ring, uint64_t index)
{
	if (index > ring->kr_tail) {
		advance(ring, index);
	}
}
