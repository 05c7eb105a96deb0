/*
 * The sampling profiler, see sampling.h for the rings. Lock: sampling_mutex, LCK_RANK_KPERF, for starting,
 * stopping and reading.
 */
#include <kdebug/sampling.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <arm64/pmu.h>
#include <arm64/unwind.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <mach/kperf.h>
#include <string.h>
#include <vm/vm_kern.h>

/* 256 KiB a CPU: some 2000 samples of ten frames. */
#define RING_WORDS  32768U
#define RECORD_HEAD (sizeof(struct kperf_sample) / sizeof(uint64_t))
#define RECORD_MAX  (RECORD_HEAD + 2 * KPERF_FRAMES_MAX)

static_assert(sizeof(struct kperf_sample) % sizeof(uint64_t) == 0, "records are words");

struct sampling_ring {
	uint64_t *sr_words; /* constant once set, before the CPU samples */
	uint64_t sr_head;   /* words written; own CPU, atomic [K1] */
	uint64_t sr_lost;   /* own CPU */
	/* reader */
	uint64_t sr_tail OS_CACHE_ALIGNED; /* words read; atomic [K2] */
};

static PERCPU_DATA(struct sampling_ring, sampling_ring);

LCK_CLASS_DECLARE(sampling_class, "sampling", LCK_RANK_KPERF);
static LCK_MTX_DECLARE(sampling_mutex, &sampling_class);
static uint64_t current_period; /* sampling_mutex to write */
static uint64_t last_period;    /* sampling_mutex; the last one that was not 0 */

#define EVERY_PID UINT64_MAX
#define SETTINGS_AT_START                                                    \
	{ [SAMPLING_SAMPLERS] = KPERF_SAMPLER_KSTACK | KPERF_SAMPLER_USTACK, \
		[SAMPLING_KERNEL_DEPTH] = KPERF_FRAMES_MAX,                  \
		[SAMPLING_USER_DEPTH] = KPERF_FRAMES_MAX,                    \
		[SAMPLING_PID] = EVERY_PID }

/* Atomic, sampling_mutex to write; read by every CPU's interrupts, which may see some of them changed. */
static const uint64_t settings_at_start[SAMPLING_SETTINGS] = SETTINGS_AT_START;
static uint64_t settings[SAMPLING_SETTINGS] = SETTINGS_AT_START;

uint64_t
sampling_setting(enum sampling_setting setting)
{
	return os_atomic_load(&settings[setting], relaxed);
}

/* Return addresses that a stack may have now. */
static unsigned
depth_of(uint64_t sampler, enum sampling_setting depth)
{
	return (sampling_setting(SAMPLING_SAMPLERS) & sampler) != 0 ? (unsigned)sampling_setting(depth) : 0;
}

/* --- recording: interrupt context --- */

/* Where the program is, seen from the kernel: its frame, and its chain of frame records. */
static unsigned
user_frames(thread_t thread, bool with_pc, uint64_t *frames, unsigned max)
{
	unsigned n = 0;

	if (thread->task == kernel_task) {
		return 0;
	}
	if (with_pc && max >= 2) {
		frames[n++] = thread->frame.pc;
		frames[n++] = thread->frame.lr;
	}
	return n + unwind_user(thread->frame.fp, frames + n, max - n);
}

static struct kperf_sample *
fill(uint64_t *words, const struct arm_saved_state *state, uint64_t late)
{
	struct kperf_sample *sample = (struct kperf_sample *)(void *)words;
	thread_t self = current_thread();
	bool user = state != NULL && saved_state_is_user(state);
	unsigned kernel = 0;

	*sample = (struct kperf_sample){
		.cpu = (uint16_t)ml_get_cpu_number(),
		.time = ml_get_timebase_raw(),
		.thread_id = self->thread_id,
		.pid = self->task->bsd_pid,
		.flags = user            ? KPERF_SAMPLE_USER
			 : state == NULL ? KPERF_SAMPLE_IDLE
					 : 0,
		.pc = state != NULL ? state->pc : (uintptr_t)machine_idle,
		.lr = state != NULL ? state->lr : 0,
		.late = late,
	};
	if (!user && state != NULL) {
		kernel = unwind_kernel(state->fp, state->sp, sample->frames,
		    depth_of(KPERF_SAMPLER_KSTACK, SAMPLING_KERNEL_DEPTH));
	}
	sample->kernel_frames = (uint8_t)kernel;
	sample->user_frames = (uint8_t)user_frames(
	    self, !user, sample->frames + kernel, depth_of(KPERF_SAMPLER_USTACK, SAMPLING_USER_DEPTH));
	sample->size = (uint32_t)((RECORD_HEAD + kernel + sample->user_frames) * sizeof(uint64_t));
	return sample;
}

void
sampling_record(const struct arm_saved_state *state, uint64_t late)
{
	struct sampling_ring *ring = PERCPU_GET(sampling_ring);
	uint64_t words[RECORD_MAX], head = ring->sr_head;
	uint64_t pid = sampling_setting(SAMPLING_PID);
	const struct kperf_sample *sample = fill(words, state, late);
	unsigned count = sample->size / sizeof(uint64_t);

	if (pid != EVERY_PID && pid != (uint64_t)sample->pid) {
		return;
	}

	if (RING_WORDS - (head - os_atomic_load(&ring->sr_tail, acquire)) < count) { /* [K2] */
		os_counter_add(&ring->sr_lost, 1);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		ring->sr_words[(head + i) % RING_WORDS] = words[i];
	}
	os_atomic_store(&ring->sr_head, head + count, release); /* [K1] */
}

/* --- starting and stopping --- */

static void
apply_on_this_cpu(void *arg)
{
	pmu_sampling_set_period(os_atomic_load(&current_period, relaxed));
}

void
sampling_cpu_join(void)
{
	if (sampling_period() != 0) {
		apply_on_this_cpu(NULL);
	}
}

static kern_return_t
allocate_rings(void)
{
	percpu_foreach_cpu(cpu)
	{
		struct sampling_ring *ring = PERCPU_GET_CPU(sampling_ring, cpu);
		vm_offset_t words;

		if (ring->sr_words == NULL) {
			if (kmem_alloc(&words, RING_WORDS * sizeof(uint64_t), KMEM_NONE) != KERN_SUCCESS) {
				return KERN_RESOURCE_SHORTAGE;
			}
			ring->sr_words = (uint64_t *)words;
		}
	}
	return KERN_SUCCESS;
}

static kern_return_t
set_period_locked(uint64_t period)
{
	kern_return_t kr = period != 0 ? allocate_rings() : KERN_SUCCESS;

	if (kr == KERN_SUCCESS) {
		last_period = period != 0 ? period : last_period;
		os_atomic_store(&current_period, period, relaxed);
		cpu_call_all(apply_on_this_cpu, NULL);
	}
	return kr;
}

kern_return_t
sampling_set_period(uint64_t period)
{
	kern_return_t kr;

	if (period != 0 && period < SAMPLING_PERIOD_MIN) {
		return KERN_INVALID_ARGUMENT;
	}
	if (!pmu_sampling_supported()) {
		return period == 0 ? KERN_SUCCESS : KERN_NOT_SUPPORTED;
	}
	lck_mtx_lock(&sampling_mutex);
	kr = set_period_locked(period);
	lck_mtx_unlock(&sampling_mutex);
	return kr;
}

bool
sampling_is_on(void)
{
	return sampling_period() != 0;
}

kern_return_t
sampling_switch(bool on)
{
	kern_return_t kr;

	if (!pmu_sampling_supported()) {
		return on ? KERN_NOT_SUPPORTED : KERN_SUCCESS;
	}
	lck_mtx_lock(&sampling_mutex);
	kr = on && last_period == 0 ? KERN_INVALID_ARGUMENT : set_period_locked(on ? last_period : 0);
	lck_mtx_unlock(&sampling_mutex);
	return kr;
}

kern_return_t
sampling_set(enum sampling_setting setting, uint64_t value)
{
	bool depth = setting == SAMPLING_KERNEL_DEPTH || setting == SAMPLING_USER_DEPTH;

	if ((depth && value > KPERF_FRAMES_MAX) ||
	    (setting == SAMPLING_SAMPLERS && (value & ~settings_at_start[SAMPLING_SAMPLERS]) != 0)) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_mtx_lock(&sampling_mutex);
	os_atomic_store(&settings[setting], value, relaxed);
	lck_mtx_unlock(&sampling_mutex);
	return KERN_SUCCESS;
}

uint64_t
sampling_period(void)
{
	return os_atomic_load(&current_period, relaxed);
}

/* --- reading --- */

/* One record from the ring into `words`; its bytes, 0 when there is none or it is larger than `room`. */
static size_t
take(struct sampling_ring *ring, uint64_t words[RECORD_MAX], size_t room)
{
	uint64_t tail = ring->sr_tail;
	const struct kperf_sample *sample = (const struct kperf_sample *)(void *)words;
	size_t size;

	if (tail == os_atomic_load(&ring->sr_head, acquire)) { /* [K1] */
		return 0;
	}
	words[0] = ring->sr_words[tail % RING_WORDS];
	size = sample->size;
	if (size > room) {
		return 0;
	}
	for (size_t i = 1; i < size / sizeof(uint64_t); i++) {
		words[i] = ring->sr_words[(tail + i) % RING_WORDS];
	}
	os_atomic_store(&ring->sr_tail, tail + size / sizeof(uint64_t), release); /* [K2] */
	return size;
}

kern_return_t
sampling_read(user_addr_t buffer, size_t size, size_t *done)
{
	kern_return_t kr = KERN_SUCCESS;
	uint64_t words[RECORD_MAX];
	size_t n;

	*done = 0;
	lck_mtx_lock(&sampling_mutex);
	percpu_foreach_cpu(cpu)
	{
		struct sampling_ring *ring = PERCPU_GET_CPU(sampling_ring, cpu);

		while (kr == KERN_SUCCESS && (n = take(ring, words, size - *done)) != 0) {
			if (copyout(words, buffer + *done, n) != 0) {
				kr = KERN_INVALID_ADDRESS;
			} else {
				*done += n;
			}
		}
	}
	lck_mtx_unlock(&sampling_mutex);
	return kr;
}

kern_return_t
sampling_reset(void)
{
	kern_return_t kr = sampling_set_period(0);

	lck_mtx_lock(&sampling_mutex);
	last_period = 0;
	for (unsigned i = 0; i < SAMPLING_SETTINGS; i++) {
		os_atomic_store(&settings[i], settings_at_start[i], relaxed);
	}
	percpu_foreach_cpu(cpu)
	{
		struct sampling_ring *ring = PERCPU_GET_CPU(sampling_ring, cpu);

		/* [K1] [K2] */
		os_atomic_store(&ring->sr_tail, os_atomic_load(&ring->sr_head, acquire), release);
	}
	lck_mtx_unlock(&sampling_mutex);
	return kr;
}

uint64_t
sampling_lost(void)
{
	uint64_t lost = 0;

	percpu_foreach_cpu(cpu)
	{
		lost += os_atomic_load(&PERCPU_GET_CPU(sampling_ring, cpu)->sr_lost, relaxed);
	}
	return lost;
}
