/*
 * Mapped files whose pages are in memory: what a fault on them costs, one by one and many at a time, and what a
 * mapping does that is made to be read once.
 */
#include <fcntl.h>
#include <harness/bench.h>
#include <harness/platform.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH    "/tmp/bench_map" /* on a file system in memory, on every system */
#define FILE_UNITS 256              /* 4 MiB */
#define FILE_SIZE  ((size_t)FILE_UNITS * PLATFORM_UNIT)
#define FAR_UNITS  64 /* 1 MiB: farther apart than any system maps around a fault */

/* A new file without a name, of which every byte has been written; -1: none. */
static int
scratch_file(void)
{
	static unsigned char block[PLATFORM_UNIT];
	int fd;

	(void)mkdir("/tmp", 0755);
	fd = open(SCRATCH, O_RDWR | O_CREAT | O_TRUNC, 0644);
	(void)unlink(SCRATCH);
	memset(block, 1, sizeof(block));
	for (int i = 0; fd >= 0 && i < FILE_UNITS; i++) {
		if (write(fd, block, sizeof(block)) != sizeof(block)) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

static unsigned
read_unit(const volatile unsigned char *unit)
{
	unsigned sum = 0;

	for (size_t at = 0; at < PLATFORM_UNIT; at += PLATFORM_NATIVE_PAGE) {
		sum += unit[at];
	}
	return sum;
}

#define UNIT_SUM (PLATFORM_UNIT / PLATFORM_NATIVE_PAGE)

/* First reads of the units of a fresh mapping, `step` apart; one operation is one unit. */
static void
fault_cached(struct bench *b, size_t step)
{
	int fd = scratch_file();

	bench_check(b, fd >= 0, "no file");
	while (bench_next(b)) {
		size_t size = b->iterations * step * PLATFORM_UNIT;
		unsigned char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		unsigned sum = 0;

		bench_check(b, memory != MAP_FAILED && size <= FILE_SIZE, "no mapping");
		bench_start(b);
		for (size_t at = 0; memory != MAP_FAILED && at < size; at += step * PLATFORM_UNIT) {
			sum += read_unit(memory + at);
		}
		bench_stop(b);
		bench_check(b, sum == b->iterations * UNIT_SUM, "a page does not hold what it must");
		bench_check(
		    b, memory != MAP_FAILED && munmap(memory, size) == 0, "the file was not unmapped");
	}
	close(fd);
}

/* Every unit, one after the other. */
static void
mmap_fault_cached(struct bench *b)
{
	fault_cached(b, 1);
}
BENCHMARK("file/mmap_fault_cached", mmap_fault_cached, .iterations = FILE_UNITS);

/* One unit in a MiB. */
static void
mmap_fault_sparse(struct bench *b)
{
	fault_cached(b, FAR_UNITS);
}
BENCHMARK("file/mmap_fault_sparse", mmap_fault_sparse, .iterations = FILE_UNITS / FAR_UNITS);

/* One operation: b->arg bytes of a file mapped, a byte of every page read, and unmapped. */
static void
mmap_read(struct bench *b)
{
	size_t size = (size_t)b->arg;
	int fd = scratch_file();
	bool ok = fd >= 0;

	bench_loop(b)
	{
		unsigned char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

		ok &= memory != MAP_FAILED;
		for (size_t at = 0; ok && at < size; at += PLATFORM_UNIT) {
			ok &= read_unit(memory + at) == UNIT_SUM;
		}
		ok &= munmap(memory, size) == 0;
	}
	bench_check(b, ok, "the file was not mapped, or not what it must be");
	close(fd);
}
BENCHMARK("file/mmap_read/65536", mmap_read, .arg = 65536);

/* One operation: the first store to a unit of a shared mapping. */
static void
mmap_write_shared(struct bench *b)
{
	int fd = scratch_file();

	bench_check(b, fd >= 0, "no file");
	while (bench_next(b)) {
		size_t size = b->iterations * PLATFORM_UNIT;
		unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		unsigned char last = 0;

		bench_check(b, memory != MAP_FAILED && size <= FILE_SIZE, "no mapping");
		bench_start(b);
		for (size_t at = 0; memory != MAP_FAILED && at < size; at += PLATFORM_UNIT) {
			platform_touch(memory + at);
		}
		bench_stop(b);
		bench_check(
		    b, memory != MAP_FAILED && munmap(memory, size) == 0, "the file was not unmapped");
		bench_check(b, pread(fd, &last, 1, (off_t)(size - PLATFORM_UNIT)) == 1 && last == 1,
		    "what was stored is not in the file");
	}
	close(fd);
}
BENCHMARK("file/mmap_write_shared", mmap_write_shared, .iterations = FILE_UNITS);
