/*
 * The state of the trace. See control.h.
 *
 * Lock: kdebug_mutex, LCK_RANK_KDEBUG: state, buffers, filters, the reader's side of all rings.
 *
 * To start: every CPU is told to record ([E1]), then the points that pass the type filter are patched, then system
 * calls go by the traced vectors. To stop: every CPU is told first, which is the moment the trace ends.
 */
#include <kdebug/control.h>

#include <arm64/boot_info.h>
#include <arm64/commpage.h>
#include <arm64/machine_routines.h>
#include <arm64/patch.h>
#include <arm64/trap.h>
#include <kdebug/kdebug.h>
#include <kdebug/kdebug_internal.h>
#include <os/bits.h>
#include <vm/vm_kern.h>

/* No ring is smaller: its 16 KiB are one page. */
#define RING_RECORDS_MIN 256

/* Part of the machine's memory that buffers may take. */
#define MEMORY_SHARE 8

LCK_CLASS_DECLARE(kdebug_class, "kdebug", LCK_RANK_KDEBUG);
LCK_MTX_DECLARE(kdebug_mutex, &kdebug_class);

static uint64_t ring_records; /* slots of each ring, a power of two; 0: no buffers. kdebug_mutex */
static bool overwrite;        /* kdebug_mutex */

bool
kdebug_has_buffers(void)
{
	return ring_records != 0;
}

/* --- all CPUs --- */

static void
nothing(void *arg)
{
	(void)arg;
}

void
kdebug_settle(void)
{
	cpu_call_all(nothing, NULL);
}

static void
set_state_of_this_cpu(void *arg)
{
	struct kdebug_cpu *cpu = PERCPU_GET(kdebug_cpu);

	cpu->kc_number = ml_get_cpu_number();
	cpu->kc_state = *(const enum kdebug_cpu_state *)arg;
}

static bool
type_is_wanted(uint32_t csc)
{
	return os_atomic_load(&kdebug_is_on, relaxed) != 0 && kdebug_filter_type_passes(&kdebug_filter, csc);
}

/* CPUs, points and vectors go by kdebug_is_on and the filter. */
static void
make_effective(void)
{
	bool on = os_atomic_load(&kdebug_is_on, relaxed) != 0;
	enum kdebug_cpu_state state = !on                                     ? KDEBUG_CPU_OFF
				      : !kdebug_filter_is_set(&kdebug_filter) ? KDEBUG_CPU_ON
									      : KDEBUG_CPU_FILTERED;

	cpu_call_all(set_state_of_this_cpu, &state);
	patch_branches(type_is_wanted);
	trap_trace_calls(type_is_wanted(KDBG_EXTRACT_CSC(MACHDBG_CODE(DBG_MACH_EXCP_SC, 0))) ||
			 type_is_wanted(KDBG_EXTRACT_CSC(BSDDBG_CODE(DBG_BSD_EXCP_SC, 0))));
	commpage_set_kdebug(on);
}

static void
stop_locked(void) REQUIRES(kdebug_mutex)
{
	if (os_atomic_load(&kdebug_is_on, relaxed) != 0) {
		os_atomic_store(&kdebug_is_on, 0, relaxed);
		make_effective();
	}
}

/* --- buffers --- */

static void
empty_rings(void)
{
	percpu_foreach_cpu(number)
	{
		struct kdebug_cpu *cpu = PERCPU_GET_CPU(kdebug_cpu, number);

		kdebug_ring_init(&cpu->kc_ring, cpu->kc_ring.kr_slots, ring_records, overwrite);
		cpu->kc_has_next = false;
		cpu->kc_lost_told = 0;
	}
}

static void
free_rings(void)
{
	percpu_foreach_cpu(number)
	{
		struct kdebug_ring *ring = &PERCPU_GET_CPU(kdebug_cpu, number)->kc_ring;

		if (ring->kr_slots != NULL) {
			kmem_free((vm_offset_t)ring->kr_slots, ring_records * sizeof(kd_buf));
			ring->kr_slots = NULL;
		}
	}
	ring_records = 0;
}

static uint64_t
ring_size_for(uint64_t records)
{
	uint64_t memory = (boot_info.ram.end - boot_info.ram.start) / MEMORY_SHARE;
	uint64_t most = memory / sizeof(kd_buf) / cpu_count;
	uint64_t share = os_min(records / cpu_count + (records % cpu_count != 0), most),
		 size = RING_RECORDS_MIN;

	while (size < share && size * 2 <= most) {
		size *= 2;
	}
	return size;
}

static kern_return_t
allocate_rings(void)
{
	percpu_foreach_cpu(number)
	{
		vm_offset_t slots;

		if (kmem_alloc(&slots, ring_records * sizeof(kd_buf), KMEM_NONE) != KERN_SUCCESS) {
			free_rings();
			return KERN_RESOURCE_SHORTAGE;
		}
		PERCPU_GET_CPU(kdebug_cpu, number)->kc_ring.kr_slots = (void *)slots;
	}
	return KERN_SUCCESS;
}

kern_return_t
kdebug_make_buffers(uint64_t records)
{
	kern_return_t kr = KERN_FAILURE;

	lck_mtx_lock(&kdebug_mutex);
	if (!kdebug_has_buffers()) {
		ring_records = ring_size_for(records);
		kr = allocate_rings();
		if (kr == KERN_SUCCESS) {
			empty_rings();
		}
	}
	lck_mtx_unlock(&kdebug_mutex);
	return kr;
}

void
kdebug_drop_buffers(void)
{
	lck_mtx_lock(&kdebug_mutex);
	stop_locked();
	free_rings(); /* [E1] */
	lck_mtx_unlock(&kdebug_mutex);
}

void
kdebug_reset(void)
{
	lck_mtx_lock(&kdebug_mutex);
	stop_locked();
	free_rings(); /* [E1] */
	kdebug_filter_clear(&kdebug_filter);
	lck_mtx_unlock(&kdebug_mutex);
}

/* --- on and off --- */

kern_return_t
kdebug_start(bool overwrites)
{
	kern_return_t kr = KERN_FAILURE;

	lck_mtx_lock(&kdebug_mutex);
	if (kdebug_has_buffers()) {
		if (os_atomic_load(&kdebug_is_on, relaxed) == 0) {
			overwrite = overwrites;
			empty_rings();
			os_atomic_store(&kdebug_is_on, 1, relaxed);
			make_effective();
		}
		kr = KERN_SUCCESS;
	}
	lck_mtx_unlock(&kdebug_mutex);
	return kr;
}

void
kdebug_stop(void)
{
	lck_mtx_lock(&kdebug_mutex);
	stop_locked();
	lck_mtx_unlock(&kdebug_mutex);
}

void
kdebug_change_filter(void (*change)(struct kdebug_filter *filter, const void *arg), const void *arg)
{
	lck_mtx_lock(&kdebug_mutex);
	change(&kdebug_filter, arg);
	if (os_atomic_load(&kdebug_is_on, relaxed) != 0) {
		make_effective();
	}
	lck_mtx_unlock(&kdebug_mutex);
}

/* --- what there is --- */

void
kdebug_get_status(struct kdebug_status *status)
{
	lck_mtx_lock(&kdebug_mutex);
	*status = (struct kdebug_status){
		.records = ring_records * cpu_count,
		.on = os_atomic_load(&kdebug_is_on, relaxed) != 0,
		.overwrite = overwrite,
	};
	if (kdebug_has_buffers()) {
		percpu_foreach_cpu(number)
		{
			const struct kdebug_ring *ring = &PERCPU_GET_CPU(kdebug_cpu, number)->kc_ring;
			uint64_t kept = ring->kr_tail + ring->kr_mask, head = kdebug_ring_head(ring);

			status->lost += kdebug_ring_lost(ring);
			if (overwrite && head > kept) { /* the reader will find that they are gone */
				status->lost += head - kept;
			}
		}
	}
	status->wrapped = status->lost != 0;
	lck_mtx_unlock(&kdebug_mutex);
}

bool
kdebug_half_full(void)
{
	bool full = false;

	lck_mtx_lock(&kdebug_mutex);
	if (kdebug_has_buffers()) {
		percpu_foreach_cpu(number)
		{
			const struct kdebug_ring *ring = &PERCPU_GET_CPU(kdebug_cpu, number)->kc_ring;

			full = full || kdebug_ring_head(ring) - ring->kr_tail > ring->kr_mask / 2;
		}
	}
	lck_mtx_unlock(&kdebug_mutex);
	return full;
}
