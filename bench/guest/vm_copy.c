/*
 * Copies by mach_vm_copy: bytes, pages that become shared, and those that are written to afterwards.
 *
 * Source and destination are filled before anything is measured.
 */
#include <harness/bench.h>
#include <harness/platform.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <string.h>

struct ranges {
	unsigned char *from, *to;
	size_t size; /* bytes of each */
};

static bool
make_ranges(struct bench *b, struct ranges *r, size_t size)
{
	r->size = size + PLATFORM_UNIT;
	r->from = platform_map_native(r->size);
	r->to = platform_map_native(r->size);
	if (!bench_check(b, r->from != NULL && r->to != NULL, "no memory")) {
		return false;
	}
	memset(r->from, 1, r->size);
	memset(r->to, 2, r->size);
	return true;
}

static void
end_ranges(struct ranges *r)
{
	platform_unmap(r->from, r->size);
	platform_unmap(r->to, r->size);
}

static bool
copy(unsigned char *from, size_t size, unsigned char *to)
{
	return mach_vm_copy(mach_task_self(), (mach_vm_address_t)from, size, (mach_vm_address_t)to) ==
	       KERN_SUCCESS;
}

/* `offset`: how much further in their pages the bytes lie afterwards. */
static inline void
copy_to(struct bench *b, size_t offset)
{
	size_t size = (size_t)b->arg;
	struct ranges r;
	bool ok = true;

	if (!make_ranges(b, &r, size)) {
		return;
	}
	bench_loop(b)
	{
		ok &= copy(r.from, size, r.to + offset);
	}
	ok &= offset == 0 || r.to[offset - 1] == 2;
	bench_check(b, ok && r.to[offset] == 1 && r.to[offset + size - 1] == 1 && r.to[offset + size] == 2,
	    "nothing was copied");
	end_ranges(&r);
}

/* One operation: b->arg bytes of whole pages copied. */
static void
copy_pages(struct bench *b)
{
	copy_to(b, 0);
}
BENCHMARK("vm/copy/16384", copy_pages, .arg = 16384);
BENCHMARK("vm/copy/65536", copy_pages, .arg = 65536);
BENCHMARK("vm/copy/1048576", copy_pages, .arg = 1048576, .iterations = 20);

/* One operation: the same, and then a store to each page on both sides: what was saved at most has to be paid now. */
static void
copy_and_write(struct bench *b)
{
	size_t size = (size_t)b->arg;
	struct ranges r;
	bool ok = true;

	if (!make_ranges(b, &r, size)) {
		return;
	}
	bench_loop(b)
	{
		ok &= copy(r.from, size, r.to);
		for (size_t at = 0; at < size; at += PLATFORM_UNIT) {
			platform_touch(r.to + at);
			platform_touch(r.from + at);
		}
	}
	bench_check(b, ok && r.to[size - 1] == 1 && r.to[size] == 2, "nothing was copied");
	end_ranges(&r);
}
BENCHMARK("vm/copy_and_write/65536", copy_and_write, .arg = 65536);
BENCHMARK("vm/copy_and_write/1048576", copy_and_write, .arg = 1048576, .iterations = 20);

/* One operation: b->arg bytes copied to where they lie 8 bytes further in their pages. */
static void
copy_bytes(struct bench *b)
{
	copy_to(b, 8);
}
BENCHMARK("vm/copy_bytes/64", copy_bytes, .arg = 64);
BENCHMARK("vm/copy_bytes/1048576", copy_bytes, .arg = 1048576, .iterations = 20);
