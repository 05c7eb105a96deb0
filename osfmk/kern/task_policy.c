/*
 * Policies of tasks. See <kern/task_policy.h>.
 */
#include <kern/task_policy.h>

#include <kern/sched_request.h>
#include <kern/task.h>
#include <kern/thread_policy.h>
#include <kern/zalloc.h>
#include <string.h>

static_assert(TASK_GRAPHICS_SERVER == (int)SCHED_ROLE_GRAPHICS &&
		  TASK_DARWINBG_APPLICATION == (int)SCHED_ROLE_DARWIN_BACKGROUND,
    "programs and the policy number alike");

/* What a thread starts with that asks for nothing. */
static void
note_priority_locked(task_t task)
{
	static const struct sched_request nothing;
	struct sched_params params;

	sched_resolve(&nothing, &task->sched, &params);
	task->priority = (int16_t)params.base;
	task->timer_tier = (uint8_t)params.timer_tier;
}

/* Nice goes to children, as everywhere; the rest is for the task that was named. */
void
task_policy_init(task_t task, task_t parent)
{
	if (parent != TASK_NULL) {
		task->sched.st_nice = parent->sched.st_nice;
	}
	note_priority_locked(task);
}

/* Changes a request as the words of a flavor say; false if they say nothing sensible. */
typedef bool (*request_change_t)(
    struct sched_task_request *request, task_policy_flavor_t flavor, const integer_t *words);

/* A task's request changes, and all its threads follow. */
static kern_return_t
change_request(task_t task, request_change_t change, task_policy_flavor_t flavor, const integer_t *words)
{
	struct sched_task_request request;
	kern_return_t kr = KERN_TERMINATED;

	lck_mtx_lock(&task->lock);
	request = task->sched;
	if (task->active) {
		kr = change(&request, flavor, words) ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
	}
	if (kr == KERN_SUCCESS) {
		task->sched = request;
		note_priority_locked(task);
		list_foreach (link, &task->threads) {
			thread_policy_task_changed(list_entry(link, struct thread, task_link));
		}
	}
	lck_mtx_unlock(&task->lock);
	return kr;
}

static struct sched_task_request
copy_request(task_t task)
{
	struct sched_task_request request;

	lck_mtx_lock(&task->lock);
	request = task->sched;
	lck_mtx_unlock(&task->lock);
	return request;
}

/* --- set --- */

static bool
tier_of(integer_t word, integer_t first, uint8_t *tier)
{
	*tier = (uint8_t)(word == 0 ? 0 : word - first + 1);
	return word == 0 || (word >= first && word <= first + SCHED_TIER_COUNT - 2);
}

static bool
set_tiers(const integer_t *words, uint8_t *latency, uint8_t *throughput)
{
	return tier_of(words[0], LATENCY_QOS_TIER_0, latency) &&
	       tier_of(words[1], THROUGHPUT_QOS_TIER_0, throughput);
}

static bool
change_flavor(struct sched_task_request *request, task_policy_flavor_t flavor, const integer_t *words)
{
	switch (flavor) {
	case TASK_CATEGORY_POLICY:
		request->st_role = (uint8_t)words[0];
		return words[0] >= TASK_UNSPECIFIED && words[0] < (int)SCHED_ROLE_COUNT;
	case TASK_SUPPRESSION_POLICY:
		request->st_suppressed = words[0] != 0 && (words[1] != 0 || words[7] != 0);
		return true;
	case TASK_BASE_QOS_POLICY:
		return set_tiers(words, &request->st_latency, &request->st_throughput);
	case TASK_OVERRIDE_QOS_POLICY:
		return set_tiers(words, &request->st_latency_override, &request->st_throughput_override);
	case TASK_BASE_LATENCY_QOS_POLICY:
		return tier_of(words[0], LATENCY_QOS_TIER_0, &request->st_latency);
	case TASK_BASE_THROUGHPUT_QOS_POLICY:
		return tier_of(words[0], THROUGHPUT_QOS_TIER_0, &request->st_throughput);
	default:
		return false;
	}
}

/* The size of a flavor's structure; 0 for an unknown one. */
static mach_msg_type_number_t
flavor_words(task_policy_flavor_t flavor)
{
	switch (flavor) {
	case TASK_CATEGORY_POLICY:
		return TASK_CATEGORY_POLICY_COUNT;
	case TASK_SUPPRESSION_POLICY:
		return TASK_SUPPRESSION_POLICY_COUNT;
	case TASK_BASE_QOS_POLICY:
	case TASK_OVERRIDE_QOS_POLICY:
		return TASK_QOS_POLICY_COUNT;
	case TASK_BASE_LATENCY_QOS_POLICY:
	case TASK_BASE_THROUGHPUT_QOS_POLICY:
		return 1;
	default:
		return 0;
	}
}

kern_return_t
task_policy_set(task_t task, task_policy_flavor_t flavor, task_policy_t info, mach_msg_type_number_t count)
{
	mach_msg_type_number_t n = flavor_words(flavor);

	if (task == kernel_task || n == 0 || count < n) {
		return KERN_INVALID_ARGUMENT;
	}
	return change_request(task, change_flavor, flavor, info);
}

/* --- get --- */

static integer_t
tier_word(unsigned tier, integer_t first)
{
	return tier == 0 ? 0 : first + (integer_t)tier - 1;
}

static void
tell(const struct sched_task_request *request, task_policy_flavor_t flavor, integer_t *words)
{
	bool override = flavor == TASK_OVERRIDE_QOS_POLICY;
	integer_t latency =
	    tier_word(override ? request->st_latency_override : request->st_latency, LATENCY_QOS_TIER_0);
	integer_t throughput = tier_word(
	    override ? request->st_throughput_override : request->st_throughput, THROUGHPUT_QOS_TIER_0);

	switch (flavor) {
	case TASK_CATEGORY_POLICY:
		words[0] = request->st_role;
		break;
	case TASK_SUPPRESSION_POLICY:
		words[0] = words[1] = request->st_suppressed;
		break;
	case TASK_BASE_THROUGHPUT_QOS_POLICY:
		words[0] = throughput;
		break;
	case TASK_BASE_LATENCY_QOS_POLICY:
		words[0] = latency;
		break;
	default:
		words[0] = latency;
		words[1] = throughput;
		break;
	}
}

kern_return_t
task_policy_get(task_t task, task_policy_flavor_t flavor, task_policy_t info, mach_msg_type_number_t *count,
    boolean_t *get_default)
{
	mach_msg_type_number_t n = flavor_words(flavor);
	struct sched_task_request request = { 0 };

	if (n == 0 || *count < n) {
		return KERN_INVALID_ARGUMENT;
	}
	if (!*get_default) {
		request = copy_request(task);
	}
	memset(info, 0, n * sizeof(*info));
	tell(&request, flavor, info);
	*count = n;
	return KERN_SUCCESS;
}

/* --- affinity --- */

/* Adds a tag to the n that are in order, each once; how many there are then. */
static uint32_t
tag_insert(integer_t *tags, uint32_t n, integer_t tag)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (tags[middle] < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low < n && tags[low] == tag) {
		return n;
	}
	memmove(&tags[low + 1], &tags[low], (n - low) * sizeof(*tags));
	tags[low] = tag;
	return n + 1;
}

static integer_t
thread_affinity_tag(thread_t thread)
{
	integer_t tag;

	lck_mtx_lock(&thread->mutex);
	tag = thread->request.sr_affinity;
	lck_mtx_unlock(&thread->mutex);
	return tag;
}

/* The different tags of some threads, in order. */
static uint32_t
tags_of(const struct task_threads *threads, integer_t *tags)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < threads->count; i++) {
		integer_t tag = thread_affinity_tag(threads->threads[i]);

		if (tag != 0) {
			n = tag_insert(tags, n, tag);
		}
	}
	return n;
}

kern_return_t
task_affinity_info(task_t task, task_affinity_tag_info_data_t *info)
{
	struct task_threads threads;
	kern_return_t kr = task_threads_snapshot(task, &threads);
	uint32_t n, room = threads.count;
	integer_t *tags;

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	tags = room != 0 ? kalloc_flags(room * sizeof(*tags), Z_WAIT) : NULL;
	n = tags != NULL ? tags_of(&threads, tags) : 0;
	if (n != 0) {
		*info = (task_affinity_tag_info_data_t){
			.set_count = (integer_t)n, .min = tags[0], .max = tags[n - 1], .task_count = 1
		};
	}
	kr = tags != NULL || room == 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	if (tags != NULL) {
		kfree(tags, room * sizeof(*tags));
	}
	task_threads_release(&threads);
	return kr;
}

/* --- nice --- */

static bool
change_nice(struct sched_task_request *request, task_policy_flavor_t flavor, const integer_t *words)
{
	(void)flavor;
	request->st_nice = (int8_t)os_max(os_min(words[0], 20), -20);
	return true;
}

kern_return_t
task_set_nice(task_t task, int nice)
{
	return change_request(task, change_nice, 0, &nice);
}

int
task_get_nice(task_t task)
{
	return copy_request(task).st_nice;
}
