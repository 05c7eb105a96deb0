/*
 * The thread map of the kernel trace: which thread number is whose.
 *
 * Locks: proc_tree_lock, and inside it one p_lock at a time. Memory is allocated outside of both, for a few
 * threads more than there were; those that are born meanwhile and find no room are left out, and show up in the
 * trace by themselves (TRACE_DATA_NEWTHREAD).
 */
#include <bsd/kern/kern_kdebug.h>

#include <bsd/kern/proc.h>
#include <kern/processor.h>
#include <kern/task.h>
#include <kern/zalloc.h>
#include <string.h>

#define ROOM_FOR_NEW 64

static void
note(struct kdebug_thread_map *map, uint64_t thread_id, int valid, const char *name)
{
	kd_threadmap *entry;

	if (map->count == map->room) {
		return;
	}
	entry = &map->entries[map->count++];
	*entry = (kd_threadmap){ .thread = thread_id, .valid = valid };
	strlcpy(entry->command, name, sizeof(entry->command));
}

static void
note_processes(struct kdebug_thread_map *map)
{
	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		lck_mtx_lock(&p->p_lock);
		list_foreach (u, &p->p_uthreads) {
			struct uthread *uth = list_entry(u, struct uthread, uu_link);

			note(map, uth->uu_thread->thread_id, p->p_pid, p->p_comm);
		}
		lck_mtx_unlock(&p->p_lock);
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
}

/* The kernel's threads by their own names. */
static void
note_kernel(struct kdebug_thread_map *map, const struct task_threads *kernel)
{
	for (uint32_t i = 0; i < kernel->count; i++) {
		thread_t thread = kernel->threads[i];

		note(map, thread->thread_id, 1, thread->name[0] != '\0' ? thread->name : "kernel_task");
	}
	for (unsigned cpu = 0; cpu < cpu_count; cpu++) { /* they are in no list */
		note(map, processor_get(cpu)->pr_idle_thread->thread_id, 1, "idle");
	}
}

static uint32_t
count_user_threads(void)
{
	uint32_t count = 0;

	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		lck_mtx_lock(&p->p_lock);
		list_foreach (u, &p->p_uthreads) {
			count++;
		}
		lck_mtx_unlock(&p->p_lock);
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return count;
}

bool
kdebug_thread_map_take(struct kdebug_thread_map *map)
{
	struct task_threads kernel;

	if (task_threads_snapshot(kernel_task, &kernel) != KERN_SUCCESS) {
		return false;
	}
	map->room = count_user_threads() + kernel.count + cpu_count + ROOM_FOR_NEW;
	map->count = 0;
	map->entries = kalloc(map->room * sizeof(kd_threadmap));
	if (map->entries != NULL) {
		note_kernel(map, &kernel);
		note_processes(map);
	}
	task_threads_release(&kernel);
	return map->entries != NULL;
}

void
kdebug_thread_map_free(struct kdebug_thread_map *map)
{
	if (map->entries != NULL) {
		kfree(map->entries, map->room * sizeof(kd_threadmap));
	}
	*map = (struct kdebug_thread_map){ 0 };
}
