/*
 * Memory exhaustion on purpose: see alloc_fail.h.
 */
#include <kern/alloc_fail.h>

#include <arm64/machine_routines.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <os/atomic.h>
#include <pexpert/pexpert.h>
#include <string.h>

#if MACH_ASSERT

#define ANY_TASK UINT64_MAX

/* All atomic, relaxed: whoever arms does it before the work that is to fail, on the same thread. */
static uint64_t armed_task; /* unique_id; 0: not armed */
static uint32_t armed_site;
static uint64_t armed_at;    /* the first allocation that fails, from 1 */
static uint64_t armed_count; /* how many fail */
static uint64_t seen_count;
static uint64_t failed_count;

static const char *const site_names[ALLOC_FAIL_SITES] = { "page", "zone", "kmem", "table" };

/* "NAME/" at the start of `words`: the number behind it, else NULL. */
static const char *
skip_name(const char *words, const char *name)
{
	size_t length = strlen(name);

	return strncmp(words, name, length) == 0 && words[length] == '/' ? words + length + 1 : NULL;
}

/* What is behind the number; NULL: there is none. */
static const char *
parse_number(const char *digits, uint64_t *number)
{
	*number = 0;
	for (; *digits >= '0' && *digits <= '9' && *number < UINT32_MAX; digits++) {
		*number = *number * 10 + (uint64_t)(*digits - '0');
	}
	return *number != 0 ? digits : NULL;
}

/* N or N/COUNT */
static bool
parse_numbers(const char *digits, uint64_t *number, uint64_t *count)
{
	const char *rest = parse_number(digits, number);

	*count = 1;
	if (rest != NULL && *rest == '/') {
		rest = parse_number(rest + 1, count);
	}
	return rest != NULL && *rest == '\0';
}

static bool
parse(const char *words, uint32_t *site, uint64_t *number, uint64_t *count)
{
	for (*site = 0; *site < ALLOC_FAIL_SITES; ++*site) {
		const char *digits = skip_name(words, site_names[*site]);

		if (digits != NULL) {
			return parse_numbers(digits, number, count);
		}
	}
	return false;
}

static void
arm(uint32_t site, uint64_t number, uint64_t count, uint64_t task)
{
	os_atomic_store(&armed_task, 0, relaxed);
	os_atomic_store(&armed_site, site, relaxed);
	os_atomic_store(&armed_at, number, relaxed);
	os_atomic_store(&armed_count, count, relaxed);
	os_atomic_store(&seen_count, 0, relaxed);
	os_atomic_store(&failed_count, 0, relaxed);
	os_atomic_store(&armed_task, task, release);
}

bool
alloc_fail_arm(const char *words, task_t task)
{
	uint64_t number = 0, count = 0;
	uint32_t site = 0;

	if (strcmp(words, "off") == 0) {
		os_atomic_store(&armed_task, 0, relaxed);
		return true;
	}
	if (!parse(words, &site, &number, &count)) {
		return false;
	}
	arm(site, number, count, task == TASK_NULL ? ANY_TASK : task->unique_id);
	return true;
}

void
alloc_fail_init(void)
{
	char words[32];

	if (pe_boot_arg_string("alloc_fail", words, sizeof(words)) && !alloc_fail_arm(words, TASK_NULL)) {
		kprintf("alloc_fail=%s: not SITE/N[/COUNT] with a site of page, zone, kmem, table\n", words);
	}
}

void
alloc_fail_result(uint64_t *seen, uint64_t *failed)
{
	*seen = os_atomic_load(&seen_count, relaxed);
	*failed = os_atomic_load(&failed_count, relaxed);
}

/* Is what runs here part of the task whose allocations are counted? */
static bool
counts_here(uint64_t task)
{
	task_t current = current_task();

	return current != kernel_task && (task == ANY_TASK || current->unique_id == task);
}

bool
alloc_fail_now(enum alloc_fail_site site)
{
	uint64_t task = os_atomic_load(&armed_task, acquire);

	if (os_likely(task == 0) || os_atomic_load(&armed_site, relaxed) != site || !counts_here(task)) {
		return false;
	}
	if (os_atomic_inc(&seen_count, relaxed) - os_atomic_load(&armed_at, relaxed) >=
	    os_atomic_load(&armed_count, relaxed)) {
		return false; /* before them, which wraps, or behind */
	}
	os_atomic_inc(&failed_count, relaxed);
	return true;
}

#else

void
alloc_fail_init(void)
{
}

bool
alloc_fail_arm(const char *words, task_t task)
{
	(void)words;
	(void)task;
	return false;
}

void
alloc_fail_result(uint64_t *seen, uint64_t *failed)
{
	*seen = 0;
	*failed = 0;
}

#endif
