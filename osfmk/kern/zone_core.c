/*
 * Zones: magazines, depot, slabs. See <kern/zone_core.h> and <kern/zalloc.h>.
 */
#include <kern/zone_core.h>

#include <kern/assert.h>
#include <kern/zone_flags.h>
#include <os/bits.h>
#include <string.h>

struct zone zone_magazines;

static void
core_lock(struct qspin *lock, unsigned cpu)
{
	if (os_unlikely(!qspin_try_lock(lock))) {
		qspin_lock_slow(lock, cpu);
	}
}

/* --- geometry --- */

static uint32_t
slab_header_size(uint32_t nelems, uint32_t align)
{
	return (uint32_t)os_round_up(sizeof(struct zone_slab) + 8 * BITMAP_WORDS(nelems), align);
}

static void
zone_set_geometry(struct zone *zone, size_t size)
{
	uint32_t align = size % 64 == 0 ? 64 : 16, n;

	zone->z_elem_size = (uint32_t)os_round_up(size, 16UL);
	n = (uint32_t)((ZONE_PAGE_SIZE - sizeof(struct zone_slab)) / zone->z_elem_size);
	while (slab_header_size(n, align) + n * zone->z_elem_size > ZONE_PAGE_SIZE) {
		n--;
	}
	release_assert(n > 0);
	zone->z_per_slab = n;
	zone->z_elem_offset = slab_header_size(n, align);
}

/* Few large elements in a magazine, so that a CPU does not hoard pages. */
static uint32_t
magazine_capacity(uint32_t elem_size)
{
	if (elem_size <= 512) {
		return ZONE_MAGAZINE;
	}
	return elem_size <= 2048 ? 16 : 8;
}

void
zone_core_init(struct zone *zone, const char *name, size_t size, unsigned flags, struct zone_cache *caches)
{
	*zone = (struct zone){ .z_name = name, .z_flags = flags, .z_caches = caches, .z_max_full = 32 };
	list_init(&zone->z_partial);
	zone_set_geometry(zone, size);
	zone->z_magazine = caches == NULL ? 0 : magazine_capacity(zone->z_elem_size);
	zone->z_max_pending = 4 + ZONE_PENDING_BYTES / (zone->z_elem_size * os_max(zone->z_magazine, 1U));
}

/* --- slabs --- */

static struct zone_slab *
slab_of(const void *elem)
{
	return (struct zone_slab *)os_round_down((uintptr_t)elem, (uintptr_t)ZONE_PAGE_SIZE);
}

/* What a page held before is not to be relied upon: debug builds make sure that it is never zero by chance. */
static void
zone_fill_fresh(struct zone *zone, void *page)
{
	if (zone->z_flags & ZC_FRESH_ZERO) {
		memset(page, 0, ZONE_PAGE_SIZE);
	} else if (MACH_ASSERT) {
		memset(page, ZONE_POISON_BYTE, ZONE_PAGE_SIZE);
	}
}

static struct zone_slab *
slab_create(struct zone *zone)
{
	struct zone_slab *slab = zone == &zone_magazines ? zone_page_alloc_last() : zone_page_alloc();
	unsigned nwords = BITMAP_WORDS(zone->z_per_slab);

	if (slab == NULL) {
		return NULL;
	}
	zone_fill_fresh(zone, slab);
	list_init(&slab->zs_link);
	slab->zs_zone = zone;
	slab->zs_free = zone->z_per_slab;
	slab->zs_hint = 0;
	for (unsigned i = 0; i < nwords; i++) {
		slab->zs_bitmap[i] = ~0ULL;
	}
	if (zone->z_per_slab % 64 != 0) {
		slab->zs_bitmap[nwords - 1] = BIT(zone->z_per_slab % 64) - 1;
	}
	return slab;
}

/* slab lock held; the slab has a free element. */
static void *
slab_take(struct zone *zone, struct zone_slab *slab)
{
	unsigned word = slab->zs_hint, bit;

	while (slab->zs_bitmap[word] == 0) {
		word++;
	}
	slab->zs_hint = word;
	bit = bit_first(slab->zs_bitmap[word]);
	slab->zs_bitmap[word] &= ~BIT(bit);
	if (--slab->zs_free == 0) {
		list_remove(&slab->zs_link);
	}
	return (char *)slab + zone->z_elem_offset + (size_t)(word * 64 + bit) * zone->z_elem_size;
}

static unsigned
elem_index(struct zone *zone, struct zone_slab *slab, const void *elem)
{
	size_t offset = (size_t)((const char *)elem - (const char *)slab) - zone->z_elem_offset;

	assert(offset % zone->z_elem_size == 0 && offset / zone->z_elem_size < zone->z_per_slab);
	return (unsigned)(offset / zone->z_elem_size);
}

/* slab lock held. Returns the slab if it is wholly free and may go, unlinked. */
static struct zone_slab *
slab_put(struct zone *zone, void *elem)
{
	struct zone_slab *slab = slab_of(elem);
	unsigned index = elem_index(zone, slab, elem);

	release_assert(slab->zs_zone == zone && !bitmap_test(slab->zs_bitmap, index));
	bitmap_set(slab->zs_bitmap, index);
	slab->zs_hint = os_min(slab->zs_hint, index / 64);
	if (slab->zs_free++ == 0) {
		list_push_front(&zone->z_partial, &slab->zs_link);
	}
	if (slab->zs_free < zone->z_per_slab) {
		return NULL;
	}
	list_remove(&slab->zs_link);
	if ((zone->z_flags & ZC_TYPESTABLE) || list_empty(&zone->z_partial)) {
		list_push_back(&zone->z_partial, &slab->zs_link); /* keep it, or keep one in reserve */
		return NULL;
	}
	zone->z_slabs--;
	return slab;
}

/* Takes up to `want` elements; fewer only when pages have run out. */
static unsigned
slabs_take(struct zone *zone, unsigned cpu, void **elems, unsigned want)
{
	unsigned n = 0;

	core_lock(&zone->z_slab_lock, cpu);
	while (n < want) {
		if (list_empty(&zone->z_partial)) {
			struct zone_slab *slab = slab_create(zone);

			if (slab == NULL) {
				break;
			}
			zone->z_slabs++;
			list_push_front(&zone->z_partial, &slab->zs_link);
		}
		elems[n++] = slab_take(zone, list_first_entry(&zone->z_partial, struct zone_slab, zs_link));
	}
	qspin_unlock(&zone->z_slab_lock);
	return n;
}

static void
slabs_put(struct zone *zone, unsigned cpu, void **elems, unsigned n)
{
	struct zone_slab *slab;

	for (unsigned i = 0; i < n; i++) {
		core_lock(&zone->z_slab_lock, cpu);
		slab = slab_put(zone, elems[i]);
		qspin_unlock(&zone->z_slab_lock);
		if (slab != NULL) {
			zone_page_free(slab);
		}
	}
}

/* --- depot --- */

static struct zone_magazine *
magazine_pop(struct zone_magazine **list)
{
	struct zone_magazine *mag = *list;

	if (mag != NULL) {
		*list = mag->zm_next;
	}
	return mag;
}

static void
magazine_push(struct zone_magazine **list, struct zone_magazine *mag)
{
	mag->zm_next = *list;
	*list = mag;
}

/* Depot lock held. */
static struct zone_magazine *
depot_take_full(struct zone_depot *depot)
{
	struct zone_magazine *mag = magazine_pop(&depot->zd_full);

	if (mag != NULL) {
		os_counter_add(&depot->zd_nfull, -1U);
	}
	return mag;
}

/* An empty magazine: from the depot, else new. NULL when memory has run out. */
static struct zone_magazine *
magazine_get_empty(struct zone *zone, unsigned cpu)
{
	struct zone_magazine *mag;

	core_lock(&zone->z_depot.zd_lock, cpu);
	mag = magazine_pop(&zone->z_depot.zd_empty);
	qspin_unlock(&zone->z_depot.zd_lock);
	if (mag == NULL) {
		mag = zone_core_alloc(&zone_magazines, cpu);
	}
	if (mag != NULL) {
		mag->zm_count = 0;
	}
	return mag;
}

/* The same, from the CPU's spare ones if it has any. */
static struct zone_magazine *
cache_get_empty(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	struct zone_magazine *mag = magazine_pop(&cache->zca_empty);

	if (mag == NULL) {
		return magazine_get_empty(zone, cpu);
	}
	cache->zca_nempty--;
	return mag;
}

static void
cache_put_empty(struct zone *zone, struct zone_cache *cache, unsigned cpu, struct zone_magazine *mag)
{
	if (cache->zca_nempty < ZONE_SPARE_EMPTY) {
		cache->zca_nempty++;
		magazine_push(&cache->zca_empty, mag);
		return;
	}
	core_lock(&zone->z_depot.zd_lock, cpu);
	magazine_push(&zone->z_depot.zd_empty, mag);
	qspin_unlock(&zone->z_depot.zd_lock);
}

/* A full magazine takes the place of the empty one. */
static void
cache_load(struct zone *zone, struct zone_cache *cache, unsigned cpu, struct zone_magazine *full)
{
	if (cache->zca_loaded != NULL) {
		cache_put_empty(zone, cache, cpu, cache->zca_loaded);
	}
	cache->zca_loaded = full;
}

static void
magazine_waited(struct zone *zone, const struct zone_magazine *mag)
{
	if (MACH_ASSERT) {
		for (uint32_t i = 0; i < mag->zm_count; i++) {
			zone_elem_waited(zone, mag->zm_elems[i]);
		}
	}
}

/* The oldest of the CPU's waiting magazines, if its grace period is over; `now`: try to make it so. */
static struct zone_magazine *
cache_take_pending(struct zone *zone, struct zone_cache *cache, bool now)
{
	struct zone_magazine *mag = cache->zca_pending_first;

	if (mag == NULL || !(zone_smr_reached(mag->zm_epoch) || (now && zone_smr_expedite(mag->zm_epoch)))) {
		return NULL;
	}
	cache->zca_pending_first = mag->zm_next;
	cache->zca_npending--;
	magazine_waited(zone, mag);
	return mag;
}

static bool
cache_reload_from_pending(struct zone *zone, struct zone_cache *cache, unsigned cpu, bool now)
{
	struct zone_magazine *full = cache_take_pending(zone, cache, now);

	if (full != NULL) {
		cache_load(zone, cache, cpu, full);
	}
	return full != NULL;
}

static bool
cache_reload_from_depot(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	struct zone_magazine *full;

	if (os_atomic_load(&zone->z_depot.zd_nfull, relaxed) == 0) {
		return false; /* a look without the lock: nothing is lost by missing one */
	}
	core_lock(&zone->z_depot.zd_lock, cpu);
	full = depot_take_full(&zone->z_depot);
	qspin_unlock(&zone->z_depot.zd_lock);
	if (full != NULL) {
		cache_load(zone, cache, cpu, full);
	}
	return full != NULL;
}

/* --- elements that other CPUs gave back --- */

static void *
returned_elem(uint64_t word)
{
	return (void *)(uintptr_t)((int64_t)(word << 16) >> 16);
}

static uint64_t
returned_word(const void *elem, uint64_t count)
{
	return ((uint64_t)(uintptr_t)elem & 0xffffffffffffULL) | count << 48;
}

/* False: the list is long enough. */
static bool
returned_push(struct zone_returned *returned, void *elem)
{
	uint64_t word = os_atomic_load(&returned->zr_list, relaxed);

	do {
		if (word >> 48 >= ZONE_RETURNED_MAX) {
			return false;
		}
		*(void **)elem = returned_elem(word);
		/* Pairs with the acquire in returned_pop: the link is written, the last use is over. */
	} while (!os_atomic_cmpxchgv(
	    &returned->zr_list, word, returned_word(elem, (word >> 48) + 1), &word, release));
	return true;
}

/* One of the CPU's own; NULL if none came back. */
static void *
returned_pop(struct zone_returned *returned)
{
	void *elem = returned->zr_kept;

	if (elem == NULL && os_atomic_load(&returned->zr_list, relaxed) != 0) {
		elem = returned_elem(os_atomic_xchg(&returned->zr_list, 0, acquire));
	}
	if (elem != NULL) {
		returned->zr_kept = *(void **)elem;
	}
	return elem;
}

static bool
cache_reload_from_returned(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	struct zone_returned *returned = zone->z_returned != NULL ? zone->z_returned(cpu) : NULL;
	struct zone_magazine *mag = cache->zca_loaded;
	void *elem;

	if (returned == NULL ||
	    (returned->zr_kept == NULL && os_atomic_load(&returned->zr_list, relaxed) == 0)) {
		return false;
	}
	if (mag == NULL) {
		mag = cache->zca_loaded = cache_get_empty(zone, cache, cpu);
	}
	while (mag != NULL && mag->zm_count < zone->z_magazine && (elem = returned_pop(returned)) != NULL) {
		mag->zm_elems[mag->zm_count++] = elem;
	}
	return mag != NULL && mag->zm_count != 0;
}

/* Half a magazine at once from the slabs, so that frees find room too. */
static bool
cache_reload_from_slabs(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	struct zone_magazine *mag = cache->zca_loaded;

	if (mag == NULL) {
		mag = cache->zca_loaded = cache_get_empty(zone, cache, cpu);
	}
	if (mag == NULL) {
		return false;
	}
	mag->zm_count = slabs_take(zone, cpu, mag->zm_elems, (zone->z_magazine + 1) / 2);
	return mag->zm_count != 0;
}

static void
cache_swap(struct zone_cache *cache)
{
	struct zone_magazine *swap = cache->zca_loaded;

	cache->zca_loaded = cache->zca_previous;
	cache->zca_previous = swap;
}

/* Elements from the nearest place that has some. */
static bool
cache_reload(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	return cache_reload_from_returned(zone, cache, cpu) ||
	       cache_reload_from_pending(zone, cache, cpu, false) ||
	       cache_reload_from_depot(zone, cache, cpu) || cache_reload_from_slabs(zone, cache, cpu) ||
	       cache_reload_from_pending(zone, cache, cpu, true);
}

static OS_NOINLINE void *
alloc_slow(struct zone *zone, unsigned cpu)
{
	struct zone_cache *cache;
	void *elem;

	if (zone->z_magazine == 0) {
		if (slabs_take(zone, cpu, &elem, 1) == 0) {
			return NULL;
		}
		os_atomic_inc(&zone->z_direct_allocs, relaxed);
		return elem;
	}
	cache = &zone->z_caches[cpu];
	if (cache->zca_previous != NULL && cache->zca_previous->zm_count != 0) {
		cache_swap(cache);
	} else if (!cache_reload(zone, cache, cpu)) {
		return NULL;
	}
	os_counter_add(&cache->zca_allocs, 1);
	return cache->zca_loaded->zm_elems[--cache->zca_loaded->zm_count];
}

void *
zone_core_alloc(struct zone *zone, unsigned cpu)
{
	if (os_likely(zone->z_magazine != 0)) {
		struct zone_cache *cache = &zone->z_caches[cpu];
		struct zone_magazine *mag = cache->zca_loaded;

		if (os_likely(mag != NULL && mag->zm_count != 0)) {
			os_counter_add(&cache->zca_allocs, 1);
			return mag->zm_elems[--mag->zm_count];
		}
	}
	return alloc_slow(zone, cpu);
}

/* --- free --- */

/* Puts a full magazine into the depot; if that has enough, gives an older one's elements back instead and
 * returns it empty. */
static struct zone_magazine *
depot_put_full(struct zone *zone, struct zone_magazine *mag, unsigned cpu)
{
	struct zone_depot *depot = &zone->z_depot;
	struct zone_magazine *excess = NULL;

	core_lock(&depot->zd_lock, cpu);
	magazine_push(&depot->zd_full, mag);
	os_counter_add(&depot->zd_nfull, 1);
	if (depot->zd_nfull > zone->z_max_full && !(zone->z_flags & ZC_TYPESTABLE)) {
		excess = depot_take_full(depot);
	}
	qspin_unlock(&depot->zd_lock);
	if (excess != NULL) {
		slabs_put(zone, cpu, excess->zm_elems, excess->zm_count);
		excess->zm_count = 0;
	}
	return excess;
}

static OS_NOINLINE void
free_slow(struct zone *zone, unsigned cpu, void *elem)
{
	struct zone_cache *cache;
	struct zone_magazine *mag;

	if (zone->z_magazine == 0) {
		os_atomic_inc(&zone->z_direct_frees, relaxed);
		slabs_put(zone, cpu, &elem, 1);
		return;
	}
	cache = &zone->z_caches[cpu];
	os_counter_add(&cache->zca_frees, 1);
	if (cache->zca_previous != NULL && cache->zca_previous->zm_count < zone->z_magazine) {
		cache_swap(cache);
	} else {
		mag = cache->zca_previous;
		if (mag != NULL) {
			mag = depot_put_full(zone, mag, cpu);
		}
		cache->zca_previous = cache->zca_loaded;
		cache->zca_loaded = mag != NULL ? mag : cache_get_empty(zone, cache, cpu);
	}
	mag = cache->zca_loaded;
	if (mag != NULL) {
		mag->zm_elems[mag->zm_count++] = elem;
	} else {
		slabs_put(zone, cpu, &elem, 1);
	}
}

void
zone_core_free(struct zone *zone, unsigned cpu, void *elem)
{
	if (os_likely(zone->z_magazine != 0)) {
		struct zone_cache *cache = &zone->z_caches[cpu];
		struct zone_magazine *mag = cache->zca_loaded;

		if (os_likely(mag != NULL && mag->zm_count < zone->z_magazine)) {
			os_counter_add(&cache->zca_frees, 1);
			mag->zm_elems[mag->zm_count++] = elem;
			return;
		}
	}
	free_slow(zone, cpu, elem);
}

void
zone_core_free_home(struct zone *zone, unsigned cpu, unsigned home, void *elem)
{
	if (os_likely(home == cpu) || !returned_push(zone->z_returned(home), elem)) {
		zone_core_free(zone, cpu, elem);
	} else {
		os_counter_add(&zone->z_caches[cpu].zca_frees, 1);
	}
}

/* A full magazine of deferred elements begins its wait. Too many of them: the oldest goes where others can
 * have it, if its wait can be ended. */
static void
cache_put_pending(struct zone *zone, struct zone_cache *cache, unsigned cpu, struct zone_magazine *mag)
{
	mag->zm_epoch = zone_smr_goal();
	mag->zm_next = NULL;
	if (cache->zca_pending_first == NULL) {
		cache->zca_pending_first = mag;
	} else {
		cache->zca_pending_last->zm_next = mag;
	}
	cache->zca_pending_last = mag;
	zone_smr_request();
	if (++cache->zca_npending > zone->z_max_pending) {
		mag = cache_take_pending(zone, cache, true);
		mag = mag != NULL ? depot_put_full(zone, mag, cpu) : NULL;
		if (mag != NULL) {
			cache_put_empty(zone, cache, cpu, mag);
		}
	}
}

/* No magazine can be had: one of the CPU's own, whose elements go to the slabs. */
static OS_COLD struct zone_magazine *
cache_give_magazine(struct zone *zone, struct zone_cache *cache, unsigned cpu)
{
	struct zone_magazine **slot = cache->zca_previous != NULL ? &cache->zca_previous : &cache->zca_loaded;
	struct zone_magazine *mag = *slot;

	*slot = NULL;
	if (mag != NULL) {
		slabs_put(zone, cpu, mag->zm_elems, mag->zm_count);
		mag->zm_count = 0;
	}
	return mag;
}

void
zone_core_free_smr(struct zone *zone, unsigned cpu, void *elem)
{
	struct zone_cache *cache = &zone->z_caches[cpu];
	struct zone_magazine *mag;

	release_assert(zone->z_magazine != 0);
	if (cache->zca_smr == NULL) {
		cache->zca_smr = cache_get_empty(zone, cache, cpu);
		if (os_unlikely(cache->zca_smr == NULL)) {
			cache->zca_smr = cache_give_magazine(zone, cache, cpu);
		}
		release_assert(cache->zca_smr != NULL);
	}
	mag = cache->zca_smr;
	os_counter_add(&cache->zca_frees, 1);
	mag->zm_elems[mag->zm_count++] = elem;
	if (mag->zm_count == zone->z_magazine) {
		cache->zca_smr = NULL;
		cache_put_pending(zone, cache, cpu, mag);
	}
}

/* --- a CPU goes --- */

/* Its elements go to the slabs, and the magazine, empty, to the depot. */
static void
magazine_give_up(struct zone *zone, struct zone_magazine **slot, unsigned cpu)
{
	struct zone_magazine *mag = *slot;

	*slot = NULL;
	if (mag == NULL) {
		return;
	}
	if (mag->zm_count != 0) {
		slabs_put(zone, cpu, mag->zm_elems, mag->zm_count);
		mag->zm_count = 0;
	}
	core_lock(&zone->z_depot.zd_lock, cpu);
	magazine_push(&zone->z_depot.zd_empty, mag);
	qspin_unlock(&zone->z_depot.zd_lock);
}

/* What waits for a grace period goes on waiting here, for a later one. */
static void
pending_take_over(struct zone *zone, struct zone_cache *from, unsigned cpu)
{
	struct zone_magazine *mag;

	while ((mag = from->zca_pending_first) != NULL) {
		from->zca_pending_first = mag->zm_next;
		from->zca_npending--;
		cache_put_pending(zone, &zone->z_caches[cpu], cpu, mag);
	}
	if (from->zca_smr != NULL) {
		cache_put_pending(zone, &zone->z_caches[cpu], cpu, from->zca_smr);
		from->zca_smr = NULL;
	}
}

static void
returned_take_over(struct zone *zone, unsigned from, unsigned cpu)
{
	void *elem;

	while (zone->z_returned != NULL && (elem = returned_pop(zone->z_returned(from))) != NULL) {
		slabs_put(zone, cpu, &elem, 1); /* counted as free when it was given back */
	}
}

void
zone_core_take_over(struct zone *zone, unsigned from, unsigned cpu)
{
	struct zone_cache *cache;

	if (zone->z_magazine == 0) {
		return;
	}
	cache = &zone->z_caches[from];
	magazine_give_up(zone, &cache->zca_loaded, cpu);
	magazine_give_up(zone, &cache->zca_previous, cpu);
	pending_take_over(zone, cache, cpu);
	returned_take_over(zone, from, cpu);
	while (cache->zca_empty != NULL) {
		struct zone_magazine *mag = magazine_pop(&cache->zca_empty);

		magazine_give_up(zone, &mag, cpu);
	}
	cache->zca_nempty = 0;
}

/* --- inspection --- */

bool
zone_core_owns(struct zone *zone, const void *elem)
{
	struct zone_slab *slab = slab_of(elem);
	size_t offset = (size_t)((const char *)elem - (const char *)slab);

	return slab->zs_zone == zone && offset >= zone->z_elem_offset &&
	       (offset - zone->z_elem_offset) % zone->z_elem_size == 0 &&
	       (offset - zone->z_elem_offset) / zone->z_elem_size < zone->z_per_slab;
}

void
zone_core_count(struct zone *zone, unsigned ncpus, uint64_t *allocs, uint64_t *frees, uint64_t *slabs)
{
	*allocs = os_atomic_load(&zone->z_direct_allocs, relaxed);
	*frees = os_atomic_load(&zone->z_direct_frees, relaxed);
	for (unsigned cpu = 0; zone->z_caches != NULL && cpu < ncpus; cpu++) {
		*allocs += os_atomic_load(&zone->z_caches[cpu].zca_allocs, relaxed);
		*frees += os_atomic_load(&zone->z_caches[cpu].zca_frees, relaxed);
	}
	*slabs = os_atomic_load(&zone->z_slabs, relaxed);
}
