/*
 * Stacks of all threads. See <kern/stackshot.h>.
 *
 * Lock: stackshot_mutex (LCK_RANK_PROCESSOR), for what CPUs tell of themselves, around one shot.
 */
#include <kern/stackshot.h>

#include <arm64/kernel_image.h>
#include <arm64/machine_routines.h>
#include <arm64/unwind.h>
#include <kern/clock.h>
#include <kern/locks.h>
#include <kern/processor.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <string.h>
#include <vm/vm_map.h>

#define RECORD_MAX  (sizeof(struct stackshot_thread) + 2 * STACKSHOT_FRAMES_MAX * sizeof(uint64_t))
#define NEW_THREADS 64 /* room for those that are born while it is taken; others are left out */

static LCK_CLASS_DECLARE(stackshot_class, "stackshot", LCK_RANK_PROCESSOR);
static LCK_MTX_DECLARE(stackshot_mutex, &stackshot_class);

/* What a CPU was doing when it was asked; stackshot_mutex. */
static struct running {
	uint64_t thread_id;
	unsigned nframes;
	uint64_t frames[STACKSHOT_FRAMES_MAX];
} running[MAX_CPUS];

/* Each CPU, interrupts masked. Without interrupted state it idles, or is the one that asks. */
static void
tell_what_runs(void *arg)
{
	struct running *mine = &running[ml_get_cpu_number()];
	const struct arm_saved_state *state = current_cpu_data()->irq_state;
	uintptr_t fp = (uintptr_t)__builtin_frame_address(0);
	unsigned n = 0;

	(void)arg;
	mine->thread_id = current_thread()->thread_id;
	if (state == NULL) {
		n = unwind_kernel(fp, fp, mine->frames, STACKSHOT_FRAMES_MAX);
	} else if (!saved_state_is_user(state)) {
		mine->frames[n++] = state->pc;
		n += unwind_kernel(state->fp, state->sp, mine->frames + n, STACKSHOT_FRAMES_MAX - n);
	}
	mine->nframes = n;
}

static const struct running *
find_running(const struct thread *thread)
{
	percpu_foreach_cpu(cpu)
	{
		if (running[cpu].thread_id == thread->thread_id) {
			return &running[cpu];
		}
	}
	return NULL;
}

/* --- one thread --- */

static uint16_t
state_of(thread_t thread, bool runs)
{
	uint64_t word = os_atomic_load(&thread->wait_word, relaxed);

	if (thread->sched_flags & TH_SFLAG_IDLE) {
		return STACKSHOT_IDLE;
	}
	if (os_atomic_load(&thread->exited, relaxed)) {
		return STACKSHOT_ENDED;
	}
	if (runs) {
		return STACKSHOT_RUNNING;
	}
	if (os_atomic_load(&thread->parked, relaxed)) {
		return STACKSHOT_STOPPED;
	}
	if ((word & WAIT_STATE_MASK) == WAIT_WAITING) {
		return word & WAIT_INTERRUPTIBLE ? STACKSHOT_WAITING : STACKSHOT_UNINT;
	}
	return os_atomic_load(&thread->on_cpu, relaxed) ? STACKSHOT_RUNNING : STACKSHOT_READY;
}

/* Where a thread that does not run will go on: its saved context begins with a frame record. */
static unsigned
blocked_frames(thread_t thread, uint64_t *frames)
{
	uint64_t ksp = os_atomic_load(&thread->machine.ksp, relaxed);

	return ksp != 0 ? unwind_kernel(ksp, ksp, frames, STACKSHOT_FRAMES_MAX) : 0;
}

/* A program's frame records, through its address space. */
static unsigned
user_frames(thread_t thread, vm_map_t map, uint64_t *frames)
{
	uint64_t fp = thread->frame.fp, record[2];
	unsigned n = 0;

	frames[n++] = thread->frame.pc;
	while (n < STACKSHOT_FRAMES_MAX && fp != 0 && fp % 8 == 0 &&
	       vm_map_read_user(map, fp, record, sizeof(record)) == KERN_SUCCESS && record[1] != 0) {
		frames[n++] = record[1];
		if (record[0] <= fp) {
			break;
		}
		fp = record[0];
	}
	return n;
}

/* Appends a record; `map` is the program's, NULL for a thread of the kernel. */
static void
add_thread(struct stackshot *shot, thread_t thread, int pid, vm_map_t map)
{
	struct stackshot_thread *record;
	const struct running *runs = find_running(thread);
	uint64_t *frames;

	if (shot->ss_room - shot->ss_size < RECORD_MAX) {
		return;
	}
	record = (struct stackshot_thread *)(void *)((char *)shot->ss_head + shot->ss_size);
	frames = (uint64_t *)(void *)(record + 1);
	*record = (struct stackshot_thread){
		.sst_pid = pid,
		.sst_id = thread->thread_id,
		.sst_time_ns = thread_cpu_time_ns(thread),
		.sst_event = (uintptr_t)thread->wait_event,
		.sst_priority = thread->sched_pri,
		.sst_cpu = (uint16_t)thread->last_cpu,
		.sst_state = state_of(thread, runs != NULL),
	};
	strlcpy(record->sst_name, thread->name, sizeof(record->sst_name));
	if (runs != NULL) {
		record->sst_kernel_frames = (uint8_t)runs->nframes;
		memcpy(frames, runs->frames, runs->nframes * sizeof(*frames));
	} else {
		record->sst_kernel_frames = (uint8_t)blocked_frames(thread, frames);
		record->sst_continuation =
		    record->sst_kernel_frames != 0 ? 0 : (uintptr_t)thread->continuation;
	}
	if (map != NULL) {
		record->sst_user_frames =
		    (uint8_t)user_frames(thread, map, frames + record->sst_kernel_frames);
	}
	record->sst_size =
	    (uint32_t)(sizeof(*record) +
		       (record->sst_kernel_frames + record->sst_user_frames) * sizeof(*frames));
	shot->ss_size += record->sst_size;
	shot->ss_head->ssh_threads++;
}

/* --- all of them --- */

static void
add_task(struct stackshot *shot, task_t task)
{
	struct task_threads threads;
	vm_map_t map = task != kernel_task ? task_map_reference(task) : NULL;

	if (task_threads_snapshot(task, &threads) == KERN_SUCCESS) {
		for (uint32_t i = 0; i < threads.count; i++) {
			add_thread(shot, threads.threads[i], task != kernel_task ? task->bsd_pid : 0, map);
		}
		task_threads_release(&threads);
	}
	if (map != NULL) {
		vm_map_deallocate(map);
	}
}

static void
add_idle_threads(struct stackshot *shot)
{
	percpu_foreach_cpu(cpu)
	{
		thread_t idle = processor_get(cpu)->pr_idle_thread;

		if (idle != THREAD_NULL) {
			add_thread(shot, idle, 0, NULL);
		}
	}
}

static kern_return_t
make_room(struct stackshot *shot, const struct task_list *tasks)
{
	size_t threads = kernel_task->thread_count + cpu_count + NEW_THREADS;

	for (uint32_t i = 0; i < tasks->count; i++) {
		threads += os_atomic_load(&tasks->tasks[i]->thread_count, relaxed);
	}
	*shot = (struct stackshot){
		.ss_size = sizeof(struct stackshot_head),
		.ss_room = sizeof(struct stackshot_head) + threads * RECORD_MAX,
	};
	shot->ss_head = kalloc(shot->ss_room);
	return shot->ss_head != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
stackshot_take(struct stackshot *shot)
{
	struct task_list tasks;
	kern_return_t kr = task_list_take(&tasks);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = make_room(shot, &tasks);
	if (kr == KERN_SUCCESS) {
		*shot->ss_head = (struct stackshot_head){
			.ssh_version = STACKSHOT_VERSION,
			.ssh_time = mach_absolute_time(),
			.ssh_kernel_slide = kernel_slide,
		};
		lck_mtx_lock(&stackshot_mutex);
		memset(running, 0, sizeof(running));
		cpu_call_all(tell_what_runs, NULL);
		add_idle_threads(shot);
		add_task(shot, kernel_task);
		for (uint32_t i = 0; i < tasks.count; i++) {
			add_task(shot, tasks.tasks[i]);
		}
		lck_mtx_unlock(&stackshot_mutex);
	}
	task_list_release(&tasks);
	return kr;
}

void
stackshot_free(struct stackshot *shot)
{
	kfree(shot->ss_head, shot->ss_room);
}
