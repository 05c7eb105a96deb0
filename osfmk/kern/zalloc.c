/*
 * Zones and kalloc: the kernel's interface to zone_core.c. See <kern/zalloc.h>.
 */
#include <kern/zalloc.h>

#include <kern/alloc_fail.h>
#include <kern/percpu.h>
#include <kern/preempt.h>
#include <kern/smr.h>
#include <kern/zone_core.h>
#include <os/atomic.h>
#include <stdio.h>
#include <string.h>
#include <vm/vm_kern.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>

static struct zone zone_zone, zone_cache_zone;
static zone_t zone_table[ZONES_MAX]; /* written before zone_table_count covers the entry */
static uint32_t zone_table_count;    /* atomic */

/* Sizes of kalloc's zones: steps of a quarter of a power of two, so that at most a fifth is wasted. */
static const uint16_t kalloc_sizes[] = { 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448,
	512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2688, 4032, ZONE_MAX_SIZE };

#define KALLOC_STEP 16
static zone_t kalloc_zones[os_countof(kalloc_sizes)];
static uint8_t kalloc_index[ZONE_MAX_SIZE / KALLOC_STEP + 1]; /* by size in steps of 16, rounded up */

extern const struct zone_def __zone_defs_start[], __zone_defs_end[];

/* --- what zone_core needs --- */

void *
zone_page_alloc(void)
{
	vm_page_t page = vm_page_grab();

	return page != NULL ? vm_page_kva(page) : NULL;
}

void *
zone_page_alloc_last(void)
{
	vm_page_t page = vm_page_grab_last();

	return page != NULL ? vm_page_kva(page) : NULL;
}

void
zone_page_free(void *page)
{
	vm_page_release(vm_page_from_kva(page));
}

uint64_t
zone_smr_goal(void)
{
	return smr_goal();
}

bool
zone_smr_reached(uint64_t goal)
{
	return smr_reached(goal);
}

void
zone_smr_request(void)
{
	smr_request();
}

bool
zone_smr_expedite(uint64_t goal)
{
	return smr_expedite(goal);
}

/* --- zones --- */

static void
zone_register(zone_t zone)
{
	uint32_t n = os_atomic_inc_orig(&zone_table_count, relaxed);

	release_assert(n < ZONES_MAX);
	os_atomic_store(&zone_table[n], zone, release); /* pairs with the acquire in zone_at */
}

zone_t
zone_at(unsigned i)
{
	return i < ZONES_MAX ? os_atomic_load(&zone_table[i], acquire) : NULL;
}

static zone_t
zone_create_static(const char *name, size_t size, unsigned flags)
{
	zone_t zone = zalloc_flags(&zone_zone, Z_NOFAIL);
	struct zone_cache *caches = NULL;

	if (!(flags & ZC_NOMAG)) {
		caches = zalloc_flags(&zone_cache_zone, Z_NOFAIL | Z_ZERO);
	}
	zone_core_init(zone, name, size, flags, caches);
	zone_register(zone);
	return zone;
}

zone_t
zone_create(const char *name, size_t size, unsigned flags)
{
	release_assert(size > 0 && size <= ZONE_MAX_SIZE);
	return zone_create_static(name, size, flags);
}

#if MACH_ASSERT
#define POISON_WORD (ZONE_POISON_BYTE * 0x0101010101010101ULL)

/*
 * Free elements of ordinary zones are filled with a pattern, and checked when they are handed out again. Those that
 * zfree_smr freed are filled when nobody can look at them any more.
 */
static bool
zone_poisons(zone_t zone)
{
	return !(zone->z_flags & (ZC_TYPESTABLE | ZC_FRESH_ZERO)) && zone->z_magazine != 0;
}

static void
zone_poison(zone_t zone, void *elem)
{
	if (zone_poisons(zone)) {
		memset(elem, ZONE_POISON_BYTE, zone->z_elem_size);
	}
}

size_t
zone_written_while_free(zone_t zone, const void *elem)
{
	const uint64_t *words = elem;
	/* the list of returned elements links them through their first word */
	size_t first = zone->z_returned != NULL ? 1 : 0, count = zone->z_elem_size / sizeof(*words);

	if (!zone_poisons(zone)) {
		return SIZE_MAX;
	}
	for (size_t i = first; i < count; i++) {
		if (words[i] != POISON_WORD) {
			return i * sizeof(*words);
		}
	}
	return SIZE_MAX;
}

static void *
zone_check_poison(zone_t zone, void *elem)
{
	size_t where = elem == NULL ? SIZE_MAX : zone_written_while_free(zone, elem);

	if (os_unlikely(where != SIZE_MAX)) {
		panic("zone %s: %p was written while it was free: %#llx at offset %zu", zone->z_name, elem,
		    *(unsigned long long *)((char *)elem + where), where);
	}
	return elem;
}
#else
#define zone_poison(zone, elem)       ((void)0)
#define zone_check_poison(zone, elem) (elem)
#endif

void
zone_elem_waited(struct zone *zone, void *elem)
{
	zone_poison(zone, elem);
}

void *
zalloc(zone_t zone)
{
	void *elem;

	if (alloc_fail_now(ALLOC_FAIL_ZONE)) {
		return NULL;
	}
	disable_preemption();
	elem = zone_core_alloc(zone, current_cpu_data()->cpu_number);
	enable_preemption();
	return zone_check_poison(zone, elem);
}

OS_NOINLINE void *
zalloc_lacking(zone_t zone, unsigned flags)
{
	struct vm_shortage shortage = { .vs_begun = false };
	void *elem = NULL;

	while ((flags & Z_WAIT) && elem == NULL && vm_shortage_wait(&shortage, false)) {
		elem = zalloc(zone);
	}
	if (elem == NULL && (flags & Z_NOFAIL)) {
		panic("zone %s: out of memory", zone->z_name);
	}
	return elem;
}

void *
zalloc_flags(zone_t zone, unsigned flags)
{
	void *elem = zalloc(zone);

	if (os_unlikely(elem == NULL)) {
		elem = zalloc_lacking(zone, flags);
		if (elem == NULL) {
			return NULL;
		}
	}
	return flags & Z_ZERO ? memset(elem, 0, zone->z_elem_size) : elem;
}

void
zfree(zone_t zone, void *elem)
{
	assert(zone_core_owns(zone, elem));
	zone_poison(zone, elem);
	disable_preemption();
	zone_core_free(zone, current_cpu_data()->cpu_number, elem);
	enable_preemption();
}

void
zone_set_returned(zone_t zone, struct zone_returned *(*returned)(unsigned cpu))
{
	assert(!(zone->z_flags & ZC_TYPESTABLE)); /* the list links elements through their first word */
	zone->z_returned = returned;
}

void *
zalloc_on_cpu(zone_t zone, unsigned cpu)
{
	return zone_check_poison(zone, zone_core_alloc(zone, cpu));
}

void
zfree_home_on_cpu(zone_t zone, unsigned cpu, unsigned home, void *elem)
{
	assert(zone_core_owns(zone, elem));
	zone_poison(zone, elem);
	zone_core_free_home(zone, cpu, home, elem);
}

void
zfree_home(zone_t zone, void *elem, unsigned home)
{
	disable_preemption();
	zfree_home_on_cpu(zone, current_cpu_data()->cpu_number, home, elem);
	enable_preemption();
}

void
zfree_smr(zone_t zone, void *elem)
{
	assert(zone_core_owns(zone, elem));
	disable_preemption();
	zone_core_free_smr(zone, current_cpu_data()->cpu_number, elem);
	enable_preemption();
}

void
zone_take_over_cpu(unsigned from)
{
	zone_t zone;

	for (unsigned i = 0; (zone = zone_at(i)) != NULL; i++) {
		disable_preemption();
		zone_core_take_over(zone, from, current_cpu_data()->cpu_number);
		enable_preemption();
	}
}

bool
zone_owns(zone_t zone, const void *elem)
{
	return zone_core_owns(zone, elem);
}

void
zone_get_counts(zone_t zone, struct zone_counts *counts)
{
	zone_core_count(zone, cpu_count, &counts->zc_allocs, &counts->zc_frees, &counts->zc_pages);
	counts->zc_in_use = counts->zc_allocs - counts->zc_frees;
	counts->zc_elem_size = zone->z_elem_size;
	counts->zc_name = zone->z_name;
}

/* --- kalloc --- */

static zone_t
kalloc_zone(size_t size)
{
	return kalloc_zones[kalloc_index[(size + KALLOC_STEP - 1) / KALLOC_STEP]];
}

static kern_return_t
kalloc_large(vm_offset_t *addr, size_t size, unsigned flags)
{
	kmem_flags_t how = flags & Z_ZERO ? KMEM_ZERO : KMEM_NONE;

	return flags & Z_WAIT ? vm_shortage_retry(kmem_alloc(addr, size, how), KERN_RESOURCE_SHORTAGE, false)
			      : kmem_alloc(addr, size, how);
}

void *
kalloc_flags(size_t size, unsigned flags)
{
	vm_offset_t addr;

	if (os_likely(size <= ZONE_MAX_SIZE)) {
		return zalloc_flags(kalloc_zone(size), flags);
	}
	if (kalloc_large(&addr, size, flags) == KERN_SUCCESS) {
		return (void *)addr;
	}
	if (flags & Z_NOFAIL) {
		panic("kalloc: no %zu bytes", size);
	}
	return NULL;
}

void *
kalloc(size_t size)
{
	return kalloc_flags(size, Z_WAITOK);
}

void
kfree(void *p, size_t size)
{
	if (p == NULL) {
		return;
	}
	if (os_likely(size <= ZONE_MAX_SIZE)) {
		zfree(kalloc_zone(size), p);
	} else {
		kmem_free((vm_offset_t)p, size);
	}
}

static void
kalloc_init(void)
{
	static char names[os_countof(kalloc_sizes)][16];
	size_t step = 0;

	for (unsigned i = 0; i < os_countof(kalloc_sizes); i++) {
		snprintf(names[i], sizeof(names[i]), "kalloc.%u", kalloc_sizes[i]);
		kalloc_zones[i] = zone_create_static(names[i], kalloc_sizes[i], ZC_NONE);
		while (step * KALLOC_STEP <= kalloc_sizes[i] && step < os_countof(kalloc_index)) {
			kalloc_index[step++] = (uint8_t)i;
		}
	}
}

void
zone_init(void)
{
	zone_core_init(&zone_zone, "zones", sizeof(struct zone), ZC_NOMAG | ZC_TYPESTABLE, NULL);
	zone_core_init(&zone_cache_zone, "zone caches", cpu_count * sizeof(struct zone_cache),
	    ZC_NOMAG | ZC_TYPESTABLE, NULL);
	zone_core_init(
	    &zone_magazines, "zone magazines", sizeof(struct zone_magazine), ZC_NOMAG | ZC_TYPESTABLE, NULL);
	zone_register(&zone_zone);
	zone_register(&zone_cache_zone);
	zone_register(&zone_magazines);
	for (const struct zone_def *def = __zone_defs_start; def < __zone_defs_end; def++) {
		*def->zd_zone = zone_create(def->zd_name, def->zd_size, (unsigned)def->zd_flags);
	}
	kalloc_init();
}
