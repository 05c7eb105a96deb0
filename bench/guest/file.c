/*
 * Files and pipes.
 */
#include <fcntl.h>
#include <harness/bench.h>
#include <harness/platform.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Files that every guest has. */
#define SOME_FILE  "/bin/bench_nothing"
#define LARGE_FILE "/bin/bench"

/* One operation: open and close. */
static void
open_close(struct bench *b)
{
	bool ok = true;

	bench_loop(b)
	{
		int fd = open(SOME_FILE, O_RDONLY);

		ok &= fd >= 0 && close(fd) == 0;
	}
	bench_check(b, ok, "the file was not opened");
}
BENCHMARK("file/open_close", open_close);
BENCHMARK("scale/open_close", open_close, .cpus = 2, .processes = true);

static void
stat_file(struct bench *b)
{
	struct stat st = { 0 };
	bool ok = true;

	bench_loop(b)
	{
		ok &= stat(SOME_FILE, &st) == 0;
	}
	bench_check(b, ok && S_ISREG(st.st_mode), "the file has no status");
}
BENCHMARK("file/stat", stat_file);

#define READ_MAX 4096

/* One operation: pread of b->arg bytes from the start of the file. */
static void
read_from(struct bench *b, int fd)
{
	_Alignas(64) char buffer[READ_MAX];
	bool ok = fd >= 0;

	bench_loop(b)
	{
		ok &= pread(fd, buffer, (size_t)b->arg, 0) == b->arg;
	}
	bench_check(b, ok && close(fd) == 0, "the file was not read whole");
}

static void
read_file(struct bench *b)
{
	read_from(b, open(LARGE_FILE, O_RDONLY));
}
BENCHMARK("file/read/4096", read_file, .arg = 4096);

/* The same, each worker from another file; the descriptors are of one process. */
static void
read_own_file(struct bench *b)
{
	static const char *const files[] = { LARGE_FILE, SOME_FILE };

	if (b->worker >= sizeof(files) / sizeof(files[0])) {
		bench_skip(b, "not so many files that every guest has");
		return;
	}
	read_from(b, open(files[b->worker], O_RDONLY));
}
BENCHMARK("scale/read_files", read_own_file, .arg = 4096, .cpus = 2, .workers = true);

/* One operation: a byte goes into a pipe and comes out of it. */
static void
pipe_same_thread(struct bench *b)
{
	int ends[2];
	char byte = 1;
	bool ok = pipe(ends) == 0;

	bench_loop(b)
	{
		ok &= write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
	}
	bench_check(b, ok, "the byte was lost");
	(void)close(ends[0]);
	(void)close(ends[1]);
}
BENCHMARK("file/pipe_same_thread", pipe_same_thread);

/* Sends every byte back until the other side is gone. */
static _Noreturn void
echo(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1) {
		if (write(to, &byte, 1) != 1) {
			break;
		}
	}
	_exit(0);
}

/* One operation: a byte to another process and back. */
static void
pipe_pingpong(struct bench *b)
{
	int there[2], back[2];
	char byte = 1;
	bool ok = true;
	pid_t peer;

	if (pipe(there) != 0 || pipe(back) != 0) {
		bench_fail(b, "no pipe was made");
		return;
	}
	peer = fork();
	if (peer == 0) {
		(void)close(there[1]);
		(void)close(back[0]);
		echo(there[0], back[1]);
	}
	(void)close(there[0]);
	(void)close(back[1]);
	while (bench_next(b)) {
		platform_settle();
		bench_start(b);
		for (uint64_t i = b->iterations; i != 0; i--) {
			ok &= write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1;
		}
		bench_stop(b);
	}
	(void)close(there[1]);
	(void)close(back[0]);
	bench_check(b, ok && waitpid(peer, NULL, 0) == peer, "the other process did not answer");
}
BENCHMARK("file/pipe_pingpong", pipe_pingpong);
BENCHMARK("scale/pipe_pingpong", pipe_pingpong, .cpus = 2, .processes = true);
