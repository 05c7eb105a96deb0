/*
 * Copies between programs and the kernel: every length and alignment through a pipe, and buffers that run into a
 * hole.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"

#define LENGTH_MAX 400 /* several of the copy's blocks and every remainder */

static unsigned char from[LENGTH_MAX + 16], to[LENGTH_MAX + 32];

static bool
copy_is_exact(int in, int out, unsigned length, unsigned from_shift, unsigned to_shift)
{
	memset(to, 0xee, sizeof(to));
	if (write(in, from + from_shift, length) != (ssize_t)length ||
	    read(out, to + 8 + to_shift, length) != (ssize_t)length) {
		return false;
	}
	for (unsigned i = 0; i < sizeof(to); i++) {
		unsigned at = i - 8 - to_shift;

		if (to[i] != (at < length ? from[from_shift + at] : 0xee)) {
			return false;
		}
	}
	return true;
}

TEST(every_length_and_alignment)
{
	int fds[2];

	REQUIRE(pipe(fds) == 0);
	for (unsigned i = 0; i < sizeof(from); i++) {
		from[i] = (unsigned char)(i * 7 + i / 256 + 1);
	}
	for (unsigned length = 1; length <= LENGTH_MAX; length++) {
		if (!EXPECT(copy_is_exact(fds[1], fds[0], length, length % 9, length * 5 % 8))) {
			break;
		}
	}
	close(fds[0]);
	close(fds[1]);
}

/* The first `mapped` bytes are there, then comes a hole. */
TEST(buffers_that_end_in_a_hole)
{
	char *page = mmap(NULL, 2 * 16384, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	int fds[2];

	REQUIRE(page != MAP_FAILED && pipe(fds) == 0);
	REQUIRE(munmap(page + 16384, 16384) == 0);
	for (unsigned mapped = 0; mapped < 140; mapped += 3) {
		EXPECT_EQ(write(fds[1], page + 16384 - mapped, mapped + 1), -1);
		EXPECT_EQ(errno, EFAULT);
	}
	EXPECT_EQ(write(fds[1], page + 16384 - 64, 64), 64);
	EXPECT_EQ(read(fds[0], page + 16384 - 64, 64), 64);
	close(fds[0]);
	close(fds[1]);
	munmap(page, 16384);
}
