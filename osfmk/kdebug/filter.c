/*
 * See filter.h.
 */
#include <kdebug/filter.h>

void
kdebug_filter_clear(struct kdebug_filter *filter)
{
	kdebug_filter_set_none(filter);
	kdebug_filter_set_tasks(filter, KDEBUG_TASKS_ALL);
	for (size_t i = 0; i < os_countof(filter->kf_blocked); i++) {
		os_atomic_store(&filter->kf_blocked[i], 0, relaxed);
	}
}

void
kdebug_filter_set_types(struct kdebug_filter *filter, const uint64_t *types)
{
	const size_t trace = DBG_TRACE * 256 / 64;

	for (size_t i = 0; i < os_countof(filter->kf_blocked); i++) {
		bool of_trace = i >= trace && i < trace + 256 / 64;

		os_atomic_store(&filter->kf_blocked[i], of_trace ? 0 : ~types[i], relaxed);
	}
}

void
kdebug_filter_set_range(struct kdebug_filter *filter, uint32_t begin, uint32_t end)
{
	os_atomic_store(&filter->kf_begin, begin, relaxed);
	os_atomic_store(&filter->kf_end, end, relaxed);
	os_atomic_store(&filter->kf_kind, KDEBUG_FILTER_RANGE, relaxed);
}

void
kdebug_filter_set_values(struct kdebug_filter *filter, const uint32_t values[KDEBUG_FILTER_VALUES])
{
	for (size_t i = 0; i < KDEBUG_FILTER_VALUES; i++) {
		os_atomic_store(&filter->kf_values[i], values[i] & KDBG_EVENTID_MASK, relaxed);
	}
	os_atomic_store(&filter->kf_kind, KDEBUG_FILTER_VALUES_ONLY, relaxed);
}

void
kdebug_filter_set_none(struct kdebug_filter *filter)
{
	os_atomic_store(&filter->kf_kind, KDEBUG_FILTER_NONE, relaxed);
}

void
kdebug_filter_set_tasks(struct kdebug_filter *filter, enum kdebug_filter_tasks tasks)
{
	os_atomic_store(&filter->kf_tasks, tasks, relaxed);
}

static bool
in_values(const struct kdebug_filter *filter, uint32_t event)
{
	for (size_t i = 0; i < KDEBUG_FILTER_VALUES; i++) {
		if (os_atomic_load(&filter->kf_values[i], relaxed) == event) {
			return true;
		}
	}
	return false;
}

static bool
id_passes(const struct kdebug_filter *filter, uint32_t debugid)
{
	switch (os_atomic_load(&filter->kf_kind, relaxed)) {
	case KDEBUG_FILTER_RANGE:
		return debugid >= os_atomic_load(&filter->kf_begin, relaxed) &&
		       debugid < os_atomic_load(&filter->kf_end, relaxed);
	case KDEBUG_FILTER_VALUES_ONLY:
		return in_values(filter, debugid & KDBG_EVENTID_MASK);
	default:
		return true;
	}
}

static bool
task_passes(const struct kdebug_filter *filter, bool marked)
{
	switch (os_atomic_load(&filter->kf_tasks, relaxed)) {
	case KDEBUG_TASKS_MARKED:
		return marked;
	case KDEBUG_TASKS_UNMARKED:
		return !marked;
	default:
		return true;
	}
}

bool
kdebug_filter_passes(const struct kdebug_filter *filter, uint32_t debugid, bool marked)
{
	return KDBG_EXTRACT_CLASS(debugid) == DBG_TRACE ||
	       (id_passes(filter, debugid) && task_passes(filter, marked));
}
