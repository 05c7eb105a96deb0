/*
 * Reading the rings of all CPUs as one sequence. Lock: kdebug_mutex.
 *
 * Each ring is in the order of time. The reader holds the next record of each ring in its hand and gives out the
 * oldest. While the trace is on, a record with an earlier time could still be on its way into a ring that seems
 * empty; so the reader notes the time, waits until every CPU has left the record it was writing, and only then looks
 * where the rings end: what is older than the noted time is all there, and what is younger waits for the next call.
 *
 * Where a ring lost records, a TRACE_LOST_EVENTS with their number stands before the record behind the gap.
 */
#include <kdebug/control.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <kdebug/kdebug_internal.h>

/* Records copied out at once: 1 KiB of stack. */
#define BATCH 16

static uint64_t ring_ends[MAX_CPUS]; /* kdebug_mutex */

/* Takes the next record of a ring into the reader's hand. */
static bool
have_next(struct kdebug_cpu *cpu, uint64_t end)
{
	if (!cpu->kc_has_next) {
		cpu->kc_has_next = kdebug_ring_take(&cpu->kc_ring, end, &cpu->kc_next);
	}
	return cpu->kc_has_next;
}

/* The CPU with the oldest record before `barrier`, or NULL. */
static struct kdebug_cpu *
oldest(uint64_t barrier)
{
	struct kdebug_cpu *best = NULL;

	percpu_foreach_cpu(number)
	{
		struct kdebug_cpu *cpu = PERCPU_GET_CPU(kdebug_cpu, number);

		if (have_next(cpu, ring_ends[number]) && cpu->kc_next.timestamp <= barrier &&
		    (best == NULL || cpu->kc_next.timestamp < best->kc_next.timestamp)) {
			best = cpu;
		}
	}
	return best;
}

static kd_buf
lost_record(struct kdebug_cpu *cpu, unsigned number, uint64_t lost, uint64_t time)
{
	cpu->kc_lost_told += lost;
	return (kd_buf){ .timestamp = time, .arg1 = lost, .debugid = TRACE_LOST_EVENTS, .cpuid = number };
}

/* A CPU at the end of its ring that lost records which nobody was told of. */
static bool
take_late_loss(uint64_t barrier, kd_buf *record)
{
	percpu_foreach_cpu(number)
	{
		struct kdebug_cpu *cpu = PERCPU_GET_CPU(kdebug_cpu, number);
		uint64_t lost = kdebug_ring_lost(&cpu->kc_ring) - cpu->kc_lost_told;

		if (!cpu->kc_has_next && lost != 0) {
			*record = lost_record(cpu, number, lost, barrier);
			return true;
		}
	}
	return false;
}

/* The next record of the sequence. */
static bool
take(uint64_t barrier, kd_buf *record)
{
	struct kdebug_cpu *cpu = oldest(barrier);
	uint64_t lost;

	if (cpu == NULL) {
		return take_late_loss(barrier, record);
	}
	lost = os_atomic_load(&cpu->kc_ring.kr_overwritten, relaxed);
	if (lost > cpu->kc_lost_told) {
		*record = lost_record(cpu, cpu->kc_number, lost - cpu->kc_lost_told, cpu->kc_next.timestamp);
		return true;
	}
	*record = cpu->kc_next;
	cpu->kc_has_next = false;
	return true;
}

static uint64_t
find_ends(void)
{
	uint64_t barrier = ml_get_timebase();

	if (os_atomic_load(&kdebug_is_on, relaxed) != 0) {
		kdebug_settle();
	}
	percpu_foreach_cpu(number)
	{
		ring_ends[number] = kdebug_ring_head(&PERCPU_GET_CPU(kdebug_cpu, number)->kc_ring);
	}
	return barrier;
}

/* They were taken and could not be handed out: lost, in the account of the CPU they came from. */
static void
count_unread(const kd_buf *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct kdebug_cpu *cpu = PERCPU_GET_CPU(kdebug_cpu, records[i].cpuid);

		if (records[i].debugid == TRACE_LOST_EVENTS) {
			cpu->kc_lost_told -= records[i].arg1;
		} else {
			os_counter_add(&cpu->kc_ring.kr_overwritten, 1);
		}
	}
}

static kern_return_t
read_locked(user_addr_t buffer, uint64_t count, uint64_t *done) REQUIRES(kdebug_mutex)
{
	uint64_t barrier = find_ends();
	kd_buf records[BATCH];
	unsigned n;

	do {
		for (n = 0; n < BATCH && *done + n < count && take(barrier, &records[n]); n++) {}
		if (n != 0 && copyout(records, buffer + *done * sizeof(kd_buf), n * sizeof(kd_buf)) != 0) {
			count_unread(records, n);
			return KERN_INVALID_ADDRESS;
		}
		*done += n;
	} while (n == BATCH);
	return KERN_SUCCESS;
}

kern_return_t
kdebug_read(user_addr_t buffer, uint64_t count, uint64_t *done)
{
	kern_return_t kr = KERN_FAILURE;

	*done = 0;
	lck_mtx_lock(&kdebug_mutex);
	if (kdebug_has_buffers()) {
		kr = read_locked(buffer, count, done);
	}
	lck_mtx_unlock(&kdebug_mutex);
	return kr;
}
