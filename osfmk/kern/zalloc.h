/*
 * Zones: memory for objects of one size and type.
 *
 * Layers, from hot to cold:
 *	magazines  each CPU has two arrays of free elements for each zone, one to allocate from and one to
 *	           free into. Only preemption is disabled; no lock, no shared line.
 *	depot      full and empty magazines of the zone, under the depot lock; a CPU exchanges a whole
 *	           magazine at a time. Magazines freed through zfree_smr() wait on their CPU for a grace
 *	           period and are allocated from there again.
 *	slabs      single pages cut into elements, free ones in a bitmap in the page's header, under the zone
 *	           lock. Elements are never written while free (unless poisoned in a debug build).
 *
 * A type-stable zone (ZC_TYPESTABLE) never gives memory back and never lets an element be anything else, so a
 * stale pointer points at a live or dead object of the type, forever.
 *
 * Elements are aligned to 16 bytes, and to 64 when their size is a multiple of 64. The largest element is
 * ZONE_MAX_SIZE. Allocation may be called with preemption off or interrupts masked, and never waits; never from
 * interrupt handlers. NULL: the machine has no page to spare at the moment, though it may have one soon.
 *
 * zalloc_wait and the flag Z_WAIT wait for that moment, while page-out frees something or somebody is about to end, so
 * that a short lack of memory is no error. The wait ends because page-out does: <vm/vm_pageout.h> says who
 * waits for whom. Whoever asks for it holds no lock of <vm/>; other mutexes may be held, since nobody who frees
 * memory waits for one of these, and who is told to end lets go of them. With preemption off or interrupts
 * masked it is as without the flag.
 *
 * Lock order: depot, then zone, then the page allocator's.
 */
#pragma once

#include <kern/kern_types.h>
#include <kern/zone_flags.h>

#define ZONE_MAX_SIZE 8128 /* two elements in a 16 KiB page beside the slab header */

struct zone_counts {
	uint64_t zc_allocs; /* elements handed out since boot */
	uint64_t zc_frees;
	uint64_t zc_in_use; /* now; the difference, so approximate while other CPUs work */
	uint64_t zc_pages;  /* slabs owned */
	uint64_t zc_elem_size;
	const char *zc_name;
};

zone_t zone_create(const char *name, size_t size, unsigned flags);

/*
 * A zone that exists from zone_init() on: ZONE_DEFINE(ipc_port_zone, "ipc ports", sizeof(struct ipc_port),
 * ZC_TYPESTABLE) at file scope.
 */
#define ZONE_DEFINE(var, zname, zsize, zflags) \
	zone_t var;                            \
	OS_SECTION(".zone_defs") const struct zone_def zone_def_##var = { &(var), (zname), (zsize), (zflags) }

struct zone_def {
	zone_t *zd_zone;
	const char *zd_name;
	size_t zd_size;
	uintptr_t zd_flags;
};

OS_WARN_RESULT void *zalloc(zone_t zone);
OS_WARN_RESULT void *zalloc_flags(zone_t zone, unsigned flags);
void zfree(zone_t zone, void *elem);

/* What zalloc_flags does when there was nothing the first time. */
OS_WARN_RESULT void *zalloc_lacking(zone_t zone, unsigned flags);

OS_INLINE OS_WARN_RESULT void *
zalloc_wait(zone_t zone)
{
	void *elem = zalloc(zone);

	return os_likely(elem != NULL) ? elem : zalloc_lacking(zone, Z_WAIT);
}

/*
 * For elements that other CPUs free than allocate. The zone's user says where each CPU's list is, once, and of each
 * element which CPU allocated it: it goes back there, without a lock.
 */
struct zone_returned;
void zone_set_returned(zone_t zone, struct zone_returned *(*returned)(unsigned cpu));
void zfree_home(zone_t zone, void *elem, unsigned home);

/* For callers with preemption off or interrupts masked, who know their CPU. */
OS_WARN_RESULT void *zalloc_on_cpu(zone_t zone, unsigned cpu);
void zfree_home_on_cpu(zone_t zone, unsigned cpu, unsigned home, void *elem);

#if MACH_ASSERT
/*
 * Debug kernels fill free elements, and panic when one is handed out again that has been written to. Offset of the first
 * word of a free element that has; SIZE_MAX: none, or the zone is not looked at, being type-stable.
 */
size_t zone_written_while_free(zone_t zone, const void *elem);
#endif

/* Frees after a grace period of <kern/smr.h>; the element stays intact until then. */
void zfree_smr(zone_t zone, void *elem);

/* True if `elem` points at the start of an element of `zone`; checks the slab, for debugging and assertions.
 */
bool zone_owns(zone_t zone, const void *elem);

/* CPU `from` is off and stays so for the time of the call: the elements that it keeps go where all find them. */
void zone_take_over_cpu(unsigned from);

void zone_get_counts(zone_t zone, struct zone_counts *counts);

/* The i-th zone, NULL behind the last. Zones are never destroyed, and there are at most ZONES_MAX. */
#define ZONES_MAX 256
zone_t zone_at(unsigned i);

/* Variable sizes: size classes on zones, whole pages from kmem beyond ZONE_MAX_SIZE. kfree needs the size. */
OS_WARN_RESULT void *kalloc(size_t size);
OS_WARN_RESULT void *kalloc_flags(size_t size, unsigned flags);
void kfree(void *p, size_t size);

#define kalloc_type(type, flags) ((type *)kalloc_flags(sizeof(type), (flags)))
#define kfree_type(type, p)      kfree((p), sizeof(type))

/* Start-up, in this order: when pages can be had; then every ZONE_DEFINE and the kalloc zones exist. */
void zone_init(void);
