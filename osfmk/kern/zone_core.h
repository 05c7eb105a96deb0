/*
 * Zones, the algorithm: magazines, depot, slabs. Plain C that also builds for the host; zalloc.c binds it to
 * preemption and per-CPU data. See <kern/zalloc.h> for the layers.
 *
 * Every function takes the caller's CPU, which must not change during the call (preemption off).
 *
 * Who writes what: zone_cache its own CPU; zd_* under zd_lock; zs_* of the zone and all slab headers under
 * z_slab_lock. Both locks are leaves; depot is taken before slabs where both are needed.
 */
#pragma once

#include <kern/qspin.h>
#include <os/base.h>
#include <os/list.h>

#define ZONE_PAGE_SIZE   16384U
#define ZONE_MAGAZINE    29 /* elements: makes a magazine 256 bytes */
#define ZONE_POISON_BYTE 0xdb
#define ZONE_SPARE_EMPTY 8

/* Bytes of elements of one zone that may wait for a grace period on one CPU before it looks for itself. */
#define ZONE_PENDING_BYTES (1U << 20)

/* A handful of free elements. Belongs to one CPU's cache or lies in a depot. */
struct zone_magazine {
	struct zone_magazine *zm_next; /* in a depot list */
	uint64_t zm_epoch;             /* when it waits for a grace period: the epoch to reach */
	uint32_t zm_count;
	uint32_t zm_unused;
	void *zm_elems[ZONE_MAGAZINE];
};
static_assert(sizeof(struct zone_magazine) == 256, "sized for the magazine zone");

struct zone_cache {
	struct zone_magazine *zca_loaded;        /* allocate from, free into */
	struct zone_magazine *zca_previous;      /* full or empty, or NULL */
	struct zone_magazine *zca_empty;         /* spare ones, at most ZONE_SPARE_EMPTY */
	struct zone_magazine *zca_smr;           /* freed through zfree_smr, not full yet */
	struct zone_magazine *zca_pending_first; /* full, waiting for their epochs; oldest first */
	struct zone_magazine *zca_pending_last;
	uint32_t zca_npending;
	uint32_t zca_nempty;
	uint64_t zca_allocs; /* statistics; read by others */
	uint64_t zca_frees;
} OS_CACHE_ALIGNED;

/*
 * A zone whose elements are usually freed by another CPU than the one that allocated them (messages) may have them go
 * back there, so that the two do not meet in the depot: one of these for each CPU.
 */
struct zone_returned {
	/* (a) Pushed to by all CPUs, taken as a whole by its own: newest element in the low 48 bits, count above. */
	uint64_t zr_list OS_CACHE_ALIGNED;
	void *zr_kept OS_CACHE_ALIGNED; /* own CPU: what was taken and is not in a magazine yet */
};

/* Elements on a CPU's list before others keep them. */
#define ZONE_RETURNED_MAX 512

/* Lists are last in, first out. */
struct zone_depot {
	struct qspin zd_lock;
	uint32_t zd_nfull; /* looked at without the lock, as a hint */
	struct zone_magazine *zd_full;
	struct zone_magazine *zd_empty;
} OS_CACHE_ALIGNED;

/* Head of a page of elements. */
struct zone_slab {
	struct list_node
	    zs_link; /* on z_partial if some but not all elements are taken or free; else nowhere */
	struct zone *zs_zone;
	uint32_t zs_free;
	uint32_t zs_hint;     /* no word of the bitmap below this one has a free element */
	uint64_t zs_bitmap[]; /* 1: free */
};

struct zone {
	const char *z_name;
	uint32_t z_elem_size;
	uint32_t z_elem_offset; /* of the first element in a slab */
	uint32_t z_per_slab;
	uint32_t z_magazine; /* elements a magazine of this zone may hold; 0: no magazines */
	uint32_t z_flags;
	uint32_t z_max_full;    /* full magazines the depot keeps before it gives elements back to slabs */
	uint32_t z_max_pending; /* magazines, from ZONE_PENDING_BYTES */
	struct zone_cache *z_caches;                       /* by CPU */
	struct zone_returned *(*z_returned)(unsigned cpu); /* NULL: elements stay where they are freed */

	struct zone_depot z_depot;

	struct qspin z_slab_lock OS_CACHE_ALIGNED;
	uint32_t z_slabs;
	struct list_node z_partial; /* slabs with free elements, wholly free ones last */
	uint64_t z_direct_allocs;   /* that no cache counted */
	uint64_t z_direct_frees;
};

/*
 * Prepares a zone; `caches` is cleared memory for every CPU, or NULL for a zone without magazines. Magazines
 * come from `zone_magazines`.
 */
void zone_core_init(
    struct zone *zone, const char *name, size_t size, unsigned flags, struct zone_cache *caches);

extern struct zone zone_magazines;

/* NULL when no page can be had. */
void *zone_core_alloc(struct zone *zone, unsigned cpu);
void zone_core_free(struct zone *zone, unsigned cpu, void *elem);
void zone_core_free_smr(struct zone *zone, unsigned cpu, void *elem);

/* For a zone with z_returned: `home` allocated the element. */
void zone_core_free_home(struct zone *zone, unsigned cpu, unsigned home, void *elem);

/* CPU `from` is off for as long as the call takes: its cache is emptied. */
void zone_core_take_over(struct zone *zone, unsigned from, unsigned cpu);

bool zone_core_owns(struct zone *zone, const void *elem);
void zone_core_count(struct zone *zone, unsigned ncpus, uint64_t *allocs, uint64_t *frees, uint64_t *slabs);

/* What the core needs; zalloc.c and the unit test provide them. */
void *zone_page_alloc(void); /* ZONE_PAGE_SIZE bytes, aligned to it; NULL: none left */
/* The same for magazines, which are needed to free: may take the last one. */
void *zone_page_alloc_last(void);
void zone_page_free(void *page);
void zone_elem_waited(struct zone *zone, void *elem); /* debug: the grace period of a free element is over */
uint64_t zone_smr_goal(void);                         /* <kern/smr.h>: smr_goal and so on */
bool zone_smr_reached(uint64_t goal);
void zone_smr_request(void);
bool zone_smr_expedite(uint64_t goal);
