/*
 * Which events are recorded.
 *
 * The type filter, one bit for each class and subclass, is asked where a trace point is switched on: points that do
 * not pass stay NOPs. What is left is asked for each record, and only when something is set: a range of ids, or up to
 * four single ids; only marked tasks, or all but marked ones.
 *
 * Setters are serialised by the caller. kdebug_filter_passes runs on any CPU at the same time and may judge a
 * record of that moment by a mix of old and new.
 */
#pragma once

#include <mach/kdebug.h>
#include <os/atomic.h>

#define KDEBUG_FILTER_VALUES 4

enum kdebug_filter_kind {
	KDEBUG_FILTER_NONE,
	KDEBUG_FILTER_RANGE,
	KDEBUG_FILTER_VALUES_ONLY,
};

enum kdebug_filter_tasks {
	KDEBUG_TASKS_ALL,
	KDEBUG_TASKS_MARKED,
	KDEBUG_TASKS_UNMARKED,
};

struct kdebug_filter {
	uint64_t
	    kf_blocked[KDBG_TYPEFILTER_BITMAP_SIZE / sizeof(uint64_t)]; /* types that do not pass; atomic */
	uint32_t kf_kind;                                               /* enum; atomic */
	uint32_t kf_tasks;                                              /* enum; atomic */
	uint32_t kf_begin;                        /* RANGE: first id; atomic, like the rest */
	uint32_t kf_end;                          /* RANGE: id behind the last */
	uint32_t kf_values[KDEBUG_FILTER_VALUES]; /* event ids, without function */
};

/* Everything passes, as in a filter of zeroes. */
void kdebug_filter_clear(struct kdebug_filter *filter);

/* `types` has the bits of those that pass. Events about the trace itself always pass. */
void kdebug_filter_set_types(struct kdebug_filter *filter, const uint64_t *types);

void kdebug_filter_set_range(struct kdebug_filter *filter, uint32_t begin, uint32_t end);
void kdebug_filter_set_values(struct kdebug_filter *filter, const uint32_t values[KDEBUG_FILTER_VALUES]);
void kdebug_filter_set_none(struct kdebug_filter *filter);
void kdebug_filter_set_tasks(struct kdebug_filter *filter, enum kdebug_filter_tasks tasks);

/* Must kdebug_filter_passes be asked? */
OS_INLINE bool
kdebug_filter_is_set(const struct kdebug_filter *filter)
{
	return os_atomic_load(&filter->kf_kind, relaxed) != KDEBUG_FILTER_NONE ||
	       os_atomic_load(&filter->kf_tasks, relaxed) != KDEBUG_TASKS_ALL;
}

OS_INLINE bool
kdebug_filter_type_passes(const struct kdebug_filter *filter, uint32_t csc)
{
	return (os_atomic_load(&filter->kf_blocked[csc / 64], relaxed) >> csc % 64 & 1) == 0;
}

/* What is asked for each record beside its type. `marked`: the task whose event it is. */
OS_WARN_RESULT bool kdebug_filter_passes(const struct kdebug_filter *filter, uint32_t debugid, bool marked);
