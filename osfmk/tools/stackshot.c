/*
 * stackshot: the stacks of all threads, for the superuser.
 *
 *	stackshot [-k] [PID...]      of these processes, 0 is the kernel; -k without the programs' halves
 *
 * One paragraph a thread: process, thread, state, priority, CPU, CPU time, name; then its frames, the innermost first. A
 * thread that waits without a kernel stack shows the function in which it will go on. `x run` repeats the output with the
 * names of the kernel's functions.
 */
#include <errno.h>
#include <inttypes.h>
#include <mach/stackshot.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sysexits.h>

#define CONTINUES_IN_PROGRAM 1

static const char *const states[] = { "idle", "running", "ready", "waiting", "waiting (not abortable)",
	"stopped", "ended" };

/* The buffer that the kernel filled, its size in *size; freed by the caller. */
static struct stackshot_head *
take(size_t *size)
{
	struct stackshot_head *shot = NULL;

	*size = 0;
	do {
		size_t room = *size + *size / 4 + 4096;

		free(shot);
		shot = malloc(room);
		*size = room;
	} while (shot != NULL && sysctlbyname("kern.stackshot", shot, size, NULL, 0) != 0 && errno == ENOMEM);
	return shot;
}

static void
show(const struct stackshot_thread *thread, bool kernel_only)
{
	const uint64_t *frames = (const uint64_t *)(const void *)(thread + 1);
	unsigned n = 0;

	printf("\npid %d thread %" PRIu64 " %s, priority %d, cpu %u, %" PRIu64 ".%06" PRIu64 " s%s%s\n",
	    thread->sst_pid, thread->sst_id, states[thread->sst_state], thread->sst_priority, thread->sst_cpu,
	    thread->sst_time_ns / 1000000000, thread->sst_time_ns / 1000 % 1000000,
	    thread->sst_name[0] != '\0' ? ", " : "", thread->sst_name);
	if (thread->sst_event != 0 && thread->sst_state >= STACKSHOT_WAITING) {
		printf("  event: 0x%016" PRIx64 "\n", thread->sst_event);
	}
	if (thread->sst_continuation > CONTINUES_IN_PROGRAM) {
		printf("  goes on in: 0x%016" PRIx64 "\n", thread->sst_continuation);
	}
	for (; n < thread->sst_kernel_frames; n++) {
		printf("  frame %u: 0x%016" PRIx64 "\n", n, frames[n]);
	}
	for (unsigned i = 0; i < thread->sst_user_frames && !kernel_only; i++) {
		printf("  program: 0x%" PRIx64 "\n", frames[n + i]);
	}
}

static bool
wanted(int pid, char **pids)
{
	if (*pids == NULL) {
		return true;
	}
	for (; *pids != NULL; pids++) {
		if (atoi(*pids) == pid) {
			return true;
		}
	}
	return false;
}

static bool
is_number(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

int
main(int argc, char **argv)
{
	bool kernel_only = argc > 1 && strcmp(argv[1], "-k") == 0;
	char **pids = argv + 1 + kernel_only;
	size_t size;
	struct stackshot_head *shot;
	const char *record;

	for (char **pid = pids; *pid != NULL; pid++) {
		if (!is_number(*pid)) {
			fprintf(stderr, "usage: stackshot [-k] [PID...]\n");
			return EX_USAGE;
		}
	}
	errno = 0;
	shot = take(&size);
	if (shot == NULL || errno != 0) {
		fprintf(stderr, "stackshot: %s\n", strerror(shot == NULL ? ENOMEM : errno));
		return 1;
	}
	printf("stackshot of %u threads; kernel slide 0x%" PRIx64 "\n", shot->ssh_threads,
	    shot->ssh_kernel_slide);
	record = (const char *)(shot + 1);
	for (uint32_t i = 0; i < shot->ssh_threads; i++) {
		const struct stackshot_thread *thread = (const struct stackshot_thread *)(const void *)record;

		if (wanted(thread->sst_pid, pids)) {
			show(thread, kernel_only);
		}
		record += thread->sst_size;
	}
	printf("\nstackshot ends\n");
	free(shot);
	return 0;
}
