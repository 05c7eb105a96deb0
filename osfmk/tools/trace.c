/*
 * trace: runs a program with the kernel trace on and lists what happened, one event a line:
 *
 *	trace [-n RECORDS] [-c CLASS[,CLASS...]] PROGRAM [ARGUMENT...]
 *
 *	microseconds (since the event before)  CPU  thread  event  arguments
 *
 * "{" stands before the beginning of something, "}" before its end. CLASS is a number, such as 4 for BSD; without it all
 * classes are recorded. The program's exit status is trace's; 1 and a line when the trace does not work, 64 wrong usage.
 */
#include <errno.h>
#include <mach/mach_time.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/kdebug.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "osfmk/tools/trace_names.h"

#define RECORDS_DEFAULT 65536
#define THREADS_MAX     1024
#define BLOCK           64 /* records read at once */

struct options {
	int records;
	const char *classes; /* NULL: all */
	char **program;
};

static kd_threadmap threads[THREADS_MAX];
static size_t nthreads;

/* --- control --- */

static bool
operate(int operation, int value, void *old, size_t *size)
{
	int name[] = { CTL_KERN, KERN_KDEBUG, operation, value };

	return sysctl(name, 4, old, size, NULL, 0) == 0;
}

static bool
set_classes(const char *text)
{
	static uint8_t types[KDBG_TYPEFILTER_BITMAP_SIZE];
	size_t size = sizeof(types);

	while (*text != '\0') {
		char *end;
		unsigned long class = strtoul(text, &end, 10);

		if (end == text || class > KDBG_CLASS_MAX || (*end != ',' && *end != '\0')) {
			errno = EINVAL;
			return false;
		}
		memset(types + class * 32, 0xff, 32);
		text = *end == ',' ? end + 1 : end;
	}
	return operate(KERN_KDSET_TYPEFILTER, 0, types, &size);
}

static bool
start(const struct options *o)
{
	return operate(KERN_KDREMOVE, 0, NULL, NULL) && operate(KERN_KDSETBUF, o->records, NULL, NULL) &&
	       operate(KERN_KDSETUP, 0, NULL, NULL) && (o->classes == NULL || set_classes(o->classes)) &&
	       operate(KERN_KDENABLE, KDEBUG_ENABLE_TRACE, NULL, NULL);
}

/* The threads of when the trace was started; those that are made later are learned from their events. */
static void
learn_threads(void)
{
	size_t size = sizeof(threads);

	nthreads = operate(KERN_KDTHRMAP, 0, threads, &size) ? size / sizeof(threads[0]) : 0;
}

/* --- names --- */

static const char *
look_up(const struct trace_name *names, unsigned number)
{
	for (; names->name != NULL; names++) {
		if (names->number == number) {
			return names->name;
		}
	}
	return NULL;
}

static kd_threadmap *
find_thread(uint64_t thread)
{
	for (size_t i = 0; i < nthreads; i++) {
		if (threads[i].thread == thread) {
			return &threads[i];
		}
	}
	return NULL;
}

static const char *
thread_name(uint64_t thread)
{
	const kd_threadmap *entry = find_thread(thread);

	return entry != NULL ? entry->command : "?";
}

/* A thread is made in two events: its number, then the name of its process. */
static void
note_thread(const kd_buf *event)
{
	static uint64_t made;
	uint32_t id = event->debugid & KDBG_EVENTID_MASK;
	kd_threadmap *entry = find_thread(id == TRACE_STRING_EXEC ? event->arg5 : made);

	if (id == TRACE_DATA_NEWTHREAD) {
		made = event->arg1;
	} else if (id == TRACE_STRING_NEWTHREAD || id == TRACE_STRING_EXEC) {
		if (entry == NULL && nthreads < THREADS_MAX) {
			entry = &threads[nthreads++];
			entry->thread = made;
		}
		if (entry != NULL) {
			memcpy(entry->command, &event->arg1, sizeof(entry->command) - 1);
			entry->command[sizeof(entry->command) - 1] = '\0';
		}
	}
}

static const struct {
	uint32_t id;
	const char *name;
} single_names[] = {
	{ MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_SEND), "send" },
	{ MACHDBG_CODE(DBG_MACH_IPC, MACH_IPC_MSG_RECV), "receive" },
	{ MACHDBG_CODE(DBG_MACH_SCHED, MACH_SCHED), "switch" },
	{ MACHDBG_CODE(DBG_MACH_SCHED, MACH_STACK_HANDOFF), "handoff" },
	{ MACHDBG_CODE(DBG_MACH_SCHED, MACH_MAKE_RUNNABLE), "make runnable" },
	{ MACHDBG_CODE(DBG_MACH_SCHED, MACH_IDLE), "idle" },
	{ MACHDBG_CODE(DBG_MACH_SCHED, MACH_REMOTE_AST), "signal CPU" },
	{ MACHDBG_CODE(DBG_MACH_VM, DBG_MACH_VMFAULT), "page fault" },
	{ MACHDBG_CODE(DBG_MACH_EXCP_INTR, 0), "interrupt" },
	{ TRACE_DATA_NEWTHREAD, "new thread" },
	{ TRACE_DATA_EXEC, "exec" },
	{ TRACE_STRING_NEWTHREAD, "new thread's process" },
	{ TRACE_STRING_EXEC, "exec's program" },
	{ TRACE_STRING_THREADNAME, "thread name" },
	{ TRACE_LOST_EVENTS, "lost events" },
};

static const char *
event_name(uint32_t id)
{
	static char number[16];
	const char *name = NULL;

	id &= KDBG_EVENTID_MASK;
	if (KDBG_EXTRACT_CSC(id) == KDBG_EXTRACT_CSC(MACHDBG_CODE(DBG_MACH_EXCP_SC, 0))) {
		name = look_up(trace_trap_names, KDBG_EXTRACT_CODE(id));
	} else if (KDBG_EXTRACT_CSC(id) == KDBG_EXTRACT_CSC(BSDDBG_CODE(DBG_BSD_EXCP_SC, 0))) {
		name = look_up(trace_call_names, KDBG_EXTRACT_CODE(id));
	} else if (KDBG_EXTRACT_CLASS(id) == DBG_MIG) {
		name = look_up(trace_routine_names, (id & ~KDBG_CLASS_MASK) >> KDBG_CODE_OFFSET);
	}
	for (size_t i = 0; name == NULL && i < sizeof(single_names) / sizeof(single_names[0]); i++) {
		name = single_names[i].id == id ? single_names[i].name : NULL;
	}
	if (name == NULL) {
		snprintf(number, sizeof(number), "%08x", id);
		name = number;
	}
	return name;
}

/* --- output --- */

static uint64_t
tenths_of_microseconds(uint64_t ticks)
{
	mach_timebase_info_data_t base;

	mach_timebase_info(&base);
	return ticks * base.numer / base.denom / 100;
}

static void
print_event(const kd_buf *event, uint64_t since_first, uint64_t since_last)
{
	static const char marks[] = { ' ', '{', '}', ' ' };
	uint64_t at = tenths_of_microseconds(since_first), after = tenths_of_microseconds(since_last);

	printf("%8llu.%llu (%6llu.%llu) %3u  %-16.16s %5llu  %c %-28s %llx %llx %llx %llx\n",
	    (unsigned long long)at / 10, (unsigned long long)at % 10, (unsigned long long)after / 10,
	    (unsigned long long)after % 10, event->cpuid, thread_name(event->arg5),
	    (unsigned long long)event->arg5, marks[event->debugid & DBG_FUNC_ALL], event_name(event->debugid),
	    (unsigned long long)event->arg1, (unsigned long long)event->arg2, (unsigned long long)event->arg3,
	    (unsigned long long)event->arg4);
}

static bool
list_events(void)
{
	static kd_buf events[BLOCK];
	uint64_t first = 0, last = 0;
	size_t n;

	for (;;) {
		n = sizeof(events);
		if (!operate(KERN_KDREADTR, 0, events, &n)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			first = first == 0 ? events[i].timestamp : first;
			last = last == 0 ? first : last;
			note_thread(&events[i]);
			print_event(&events[i], events[i].timestamp - first, events[i].timestamp - last);
			last = events[i].timestamp;
		}
		if (n < BLOCK) {
			return true;
		}
	}
}

/* --- the program --- */

static int
fail(const char *what)
{
	fprintf(stderr, "trace: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool
parse(struct options *o, int argc, char **argv)
{
	int at = 1;

	*o = (struct options){ .records = RECORDS_DEFAULT };
	while (at + 1 < argc && argv[at][0] == '-') {
		if (strcmp(argv[at], "-n") == 0) {
			o->records = atoi(argv[at + 1]);
		} else if (strcmp(argv[at], "-c") == 0) {
			o->classes = argv[at + 1];
		} else {
			return false;
		}
		at += 2;
	}
	o->program = argv + at;
	return at < argc && o->records > 0;
}

/* The wait status of the program. */
static int
run(char **program)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		execvp(program[0], program);
		fprintf(stderr, "trace: %s: %s\n", program[0], strerror(errno));
		_exit(127);
	}
	return child < 0 || waitpid(child, &status, 0) != child ? -1 : status;
}

int
main(int argc, char **argv)
{
	struct options o;
	int status;

	if (!parse(&o, argc, argv)) {
		fprintf(stderr, "usage: trace [-n RECORDS] [-c CLASS,...] PROGRAM [ARGUMENT...]\n");
		return 64;
	}
	if (!start(&o)) {
		return fail("the trace does not start");
	}
	status = run(o.program);
	operate(KERN_KDENABLE, 0, NULL, NULL);
	if (status == -1) {
		return fail(o.program[0]);
	}
	learn_threads();
	if (!list_events()) {
		return fail("reading");
	}
	operate(KERN_KDREMOVE, 0, NULL, NULL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
