/* Mapped files: private, shared, coherent with read and write, behind the end, truncated, unlinked, bad arguments. */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384

/* A new, open file without a name, of `size` bytes of `fill`. */
static int
scratch(size_t size, char fill)
{
	static char block[PAGE];
	int fd = open("/tmp/scratch", O_RDWR | O_CREAT | O_EXCL, 0644);

	EXPECT(fd >= 0);
	EXPECT_EQ(unlink("/tmp/scratch"), 0);
	memset(block, fill, sizeof(block));
	for (size_t done = 0; done < size;) {
		size_t part = size - done < PAGE ? size - done : PAGE;

		EXPECT_EQ(write(fd, block, part), part);
		done += part;
	}
	return fd;
}

static char *
map(int fd, size_t len, int prot, int flags, off_t at)
{
	char *p = mmap(NULL, len, prot, flags, fd, at);

	EXPECT(p != MAP_FAILED);
	return p;
}

TEST(private_mapping_of_a_program)
{
	char buffer[256];
	struct stat st;
	int fd = open("/bin/true", O_RDONLY);
	char *p;

	REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	p = map(fd, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	for (off_t at = 0; at + (off_t)sizeof(buffer) <= st.st_size; at += 4096) {
		EXPECT_EQ(pread(fd, buffer, sizeof(buffer), at), sizeof(buffer));
		EXPECT_EQ(memcmp(buffer, p + at, sizeof(buffer)), 0);
	}
	for (size_t at = (size_t)st.st_size; at % PAGE != 0; at++) {
		EXPECT_EQ(p[at], 0); /* the rest of the last page */
	}
	p[100] = 'x';
	EXPECT_EQ(pread(fd, buffer, 1, 100), 1);
	EXPECT(buffer[0] != 'x');
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(p[100], 'x');
	EXPECT_EQ(munmap(p, (size_t)st.st_size), 0);
}

TEST(shared_mapping_and_io_see_each_other)
{
	char buffer[8];
	int fd = scratch(3 * PAGE, 'a');
	char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE);
	char *q = map(fd, 3 * PAGE, PROT_READ, MAP_SHARED, 0);

	EXPECT_EQ(p[0], 'a');
	p[0] = 'b';
	EXPECT_EQ(q[PAGE], 'b');
	EXPECT_EQ(pread(fd, buffer, 1, PAGE), 1);
	EXPECT_EQ(buffer[0], 'b');
	EXPECT_EQ(pwrite(fd, "cd", 2, 2 * PAGE - 1), 2);
	EXPECT_EQ(p[PAGE - 1], 'c');
	EXPECT_EQ(q[2 * PAGE], 'd');
	EXPECT_EQ(msync(p, 2 * PAGE, MS_SYNC), 0);
	EXPECT_EQ(close(fd), 0);
	p[1] = 'e';
	EXPECT_EQ(q[PAGE + 1], 'e');
	EXPECT_EQ(munmap(p, 2 * PAGE), 0);
	EXPECT_EQ(q[PAGE + 1], 'e');
	EXPECT_EQ(munmap(q, 3 * PAGE), 0);
}

/* write() from a mapping of the file into itself, read() into one. */
TEST(io_with_a_mapping_of_the_same_file)
{
	int fd = scratch(2 * PAGE, 'a');
	char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);

	memset(p, 'q', 100);
	EXPECT_EQ(pwrite(fd, p, 100, PAGE), 100);
	EXPECT_EQ(p[PAGE + 99], 'q');
	EXPECT_EQ(p[PAGE + 100], 'a');
	EXPECT_EQ(pread(fd, p + PAGE + 200, 100, 50), 100);
	EXPECT_EQ(p[PAGE + 249], 'q');
	EXPECT_EQ(p[PAGE + 250], 'a');
	EXPECT_EQ(munmap(p, 2 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

static int
child_writes(void *arg)
{
	char *p = arg;

	p[0] = 'C';
	p[PAGE] = 'C';
	return 0;
}

TEST(fork_shares_and_copies)
{
	int fd = scratch(2 * PAGE, 'a');
	char *shared = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *private = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);

	private[PAGE] = 'p';
	EXPECT_EQ(ktap_in_child(child_writes, private), 0);
	EXPECT_EQ(private[0], 'a');
	EXPECT_EQ(private[PAGE], 'p');
	EXPECT_EQ(ktap_in_child(child_writes, shared), 0);
	EXPECT_EQ(shared[0], 'C');
	EXPECT_EQ(private[0], 'C'); /* not written to: still the file's page */
	EXPECT_EQ(private[PAGE], 'p');
	EXPECT_EQ(munmap(shared, 2 * PAGE), 0);
	EXPECT_EQ(munmap(private, 2 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

static int
touch(void *arg)
{
	return *(volatile char *)arg;
}

static int
touch_write(void *arg)
{
	*(volatile char *)arg = 1;
	return 0;
}

TEST(behind_the_end_is_sigbus)
{
	int fd = scratch(PAGE + 10, 'a');
	char *shared = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *private = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);

	EXPECT_EQ(shared[PAGE + 10], 0);
	EXPECT_EQ(shared[2 * PAGE - 1], 0);
	EXPECT_EQ(ktap_in_child(touch, shared + 2 * PAGE), 128 + SIGBUS);
	EXPECT_EQ(ktap_in_child(touch_write, shared + 3 * PAGE), 128 + SIGBUS);
	EXPECT_EQ(ktap_in_child(touch, private + 2 * PAGE), 128 + SIGBUS);
	EXPECT_EQ(ktap_in_child(touch_write, private + 2 * PAGE), 128 + SIGBUS);
	/* What is written behind the end is not in the file when it grows. */
	shared[PAGE + 11] = 'x';
	EXPECT_EQ(ftruncate(fd, 3 * PAGE), 0);
	EXPECT_EQ(shared[PAGE + 11], 0);
	EXPECT_EQ(shared[2 * PAGE], 0);
	EXPECT_EQ(private[2 * PAGE], 0);
	shared[2 * PAGE] = 'g';
	EXPECT_EQ(private[2 * PAGE], 'g');
	EXPECT_EQ(write(fd, shared + 3 * PAGE, 1), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(munmap(shared, 4 * PAGE), 0);
	EXPECT_EQ(munmap(private, 4 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

TEST(truncate_takes_mapped_pages_away)
{
	int fd = scratch(4 * PAGE, 'a');
	char *shared = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *private = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);

	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(shared[i * PAGE], 'a');
		EXPECT_EQ(private[i * PAGE], 'a');
	}
	private[3 * PAGE] = 'p';
	EXPECT_EQ(ftruncate(fd, PAGE + 1), 0);
	EXPECT_EQ(shared[PAGE], 'a');
	EXPECT_EQ(shared[PAGE + 1], 0);
	EXPECT_EQ(private[PAGE + 1], 0);
	EXPECT_EQ(ktap_in_child(touch, shared + 2 * PAGE), 128 + SIGBUS);
	EXPECT_EQ(ktap_in_child(touch, private + 2 * PAGE), 128 + SIGBUS);
	EXPECT_EQ(private[3 * PAGE], 'p'); /* a copy is nobody else's */
	EXPECT_EQ(ftruncate(fd, 4 * PAGE), 0);
	EXPECT_EQ(shared[2 * PAGE], 0);
	EXPECT_EQ(private[2 * PAGE], 0);
	EXPECT_EQ(munmap(shared, 4 * PAGE), 0);
	EXPECT_EQ(munmap(private, 4 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

TEST(protection_follows_the_open_mode)
{
	int fd = scratch(PAGE, 'a'), read_only, write_only;
	char *p;

	read_only = open("/tmp/modes", O_RDONLY | O_CREAT, 0644);
	write_only = open("/tmp/modes", O_WRONLY);
	REQUIRE(read_only >= 0 && write_only >= 0);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, write_only, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(ftruncate(write_only, PAGE), 0);
	p = map(read_only, PAGE, PROT_READ, MAP_SHARED, 0);
	EXPECT_EQ(mprotect(p, PAGE, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(ktap_in_child(touch_write, p), 128 + SIGBUS);
	EXPECT_EQ(munmap(p, PAGE), 0);
	p = map(read_only, PAGE, PROT_READ, MAP_PRIVATE, 0);
	EXPECT_EQ(mprotect(p, PAGE, PROT_READ | PROT_WRITE), 0);
	p[0] = 'x';
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(close(read_only), 0);
	EXPECT_EQ(close(write_only), 0);
	EXPECT_EQ(unlink("/tmp/modes"), 0);
	EXPECT_EQ(close(fd), 0);
}

TEST(bad_arguments)
{
	int fd = scratch(PAGE, 'a'), directory = open("/tmp", O_RDONLY), null = open("/dev/null", O_RDWR),
	    ends[2];
	char vec[4], *p;

	REQUIRE(pipe(ends) == 0);
	EXPECT_EQ(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, -PAGE), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0x7fffffffffffc000), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_PRIVATE, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, 0, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 99, 0), MAP_FAILED);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, directory, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, null, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ends[0], 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap((void *)100, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	p = map(fd, PAGE, PROT_READ, MAP_SHARED, 0);
	EXPECT_EQ(msync(p, PAGE, MS_SYNC | MS_ASYNC), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(msync(p + 1, PAGE, MS_SYNC), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mincore(p, PAGE, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(mincore(p, PAGE, vec), 0);
	EXPECT(vec[0] & MINCORE_INCORE);
	EXPECT(!(vec[0] & MINCORE_ANONYMOUS));
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(msync(p, PAGE, MS_SYNC), -1);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_EQ(mincore(p, PAGE, vec), -1);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_EQ(close(fd) | close(directory) | close(null) | close(ends[0]) | close(ends[1]), 0);
}

TEST(fixed_replaces_what_is_there)
{
	int fd = scratch(2 * PAGE, 'f');
	char *p = map(-1, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, 0);

	memset(p, 'm', 3 * PAGE);
	EXPECT_EQ(mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE), p + PAGE);
	EXPECT_EQ(p[0], 'm');
	EXPECT_EQ(p[PAGE], 'f');
	EXPECT_EQ(p[2 * PAGE], 'm');
	EXPECT_EQ(munmap(p, 3 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}

/* Mach calls on mapped files: a message's copy is of the moment, a shared remapping is of the same memory. */
TEST(mach_copies_of_mapped_files)
{
	int fd = scratch(2 * PAGE, 'a');
	char *shared = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *private = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	vm_offset_t copy = 0;
	mach_msg_type_number_t count = 0;
	mach_vm_address_t alias = 0;
	vm_prot_t cur, max;

	EXPECT_EQ(mach_vm_read(mach_task_self(), (mach_vm_address_t) private, 2 * PAGE, &copy, &count),
	    KERN_SUCCESS);
	EXPECT_EQ(count, 2 * PAGE);
	shared[PAGE] = 'b';
	EXPECT_EQ(private[PAGE], 'b');
	EXPECT_EQ(((char *)copy)[PAGE], 'a');
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), copy, count), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_remap(mach_task_self(), &alias, 2 * PAGE, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
		      (mach_vm_address_t) private, FALSE, &cur, &max, VM_INHERIT_SHARE),
	    KERN_SUCCESS);
	EXPECT_EQ(((char *)alias)[PAGE], 'b');
	private[PAGE] = 'c';
	EXPECT_EQ(((char *)alias)[PAGE], 'c');
	((char *)alias)[0] = 'd';
	EXPECT_EQ(private[0], 'd');
	EXPECT_EQ(shared[0], 'a');
	EXPECT_EQ(mach_vm_deallocate(mach_task_self(), alias, 2 * PAGE), KERN_SUCCESS);
	EXPECT_EQ(munmap(shared, 2 * PAGE), 0);
	EXPECT_EQ(munmap(private, 2 * PAGE), 0);
	EXPECT_EQ(close(fd), 0);
}
