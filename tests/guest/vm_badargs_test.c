/*
 * Every call on memory with every kind of wrong range: addresses and sizes that are null, unaligned, wrapping, huge, in
 * holes, over guards, in the commpage, the shared region and the kernel's half, with protections, inheritances and flags
 * that are none. A call must answer; what wraps must be refused; and the system must be as before.
 *
 * The calls run in children, one for each call. Some combinations take the child's own memory away, which ends it by a
 * signal: the parent goes on behind that combination with another child.
 */
#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/shared_region.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE 16384ull

/* Five pages of the child's: readable, a hole, read-only, no access, readable. Filled in before the calls. */
static uint64_t own;

static uint64_t
address_of(unsigned i)
{
	const uint64_t addresses[] = {
		0,
		1,
		PAGE,
		own,
		own + 1,
		own + PAGE - 1, /* last byte of a page before a hole */
		own + PAGE,
		own + 2 * PAGE + PAGE / 2,
		own + 3 * PAGE,
		SHARED_REGION_BASE,
		0xFFFFFC000,        /* commpage */
		0xFC0000000 - PAGE, /* before its range */
		0x7ffffe000000 - PAGE,
		0x7ffffe000000,
		0x800000000000,
		0xffff800000000000,
		0xfffffe0007004000,
		0x7fffffffffffffff,
		0x8000000000000000,
		UINT64_MAX - PAGE,
		UINT64_MAX,
	};

	return i < sizeof(addresses) / sizeof(addresses[0]) ? addresses[i] : 0;
}
#define ADDRESSES 21

/* Nothing that would take the child's text and stack away when the address is good. */
static const uint64_t sizes[] = { 0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE, 1ull << 46, 0x7fffffffffffffff,
	0x8000000000000000, UINT64_MAX - PAGE, UINT64_MAX - 1, UINT64_MAX };
#define SIZES 12

/* Protections, inheritances, flags, behaviours: each call takes the low bits it wants. */
static const uint32_t extras[] = { 0, 1, 3, 7, 0x10, 0x80000000, 0xffffffff };
#define EXTRAS 7

typedef int64_t (*call_fn)(uint64_t address, uint64_t size, uint32_t extra);

#define TASK mach_task_self()

static int64_t
bsd(int result)
{
	return result == 0 ? 0 : errno;
}

static int64_t
call_allocate(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_allocate(TASK, &address, size, (int)(extra & ~(uint32_t)VM_FLAGS_OVERWRITE));
}

static int64_t
call_deallocate(uint64_t address, uint64_t size, uint32_t extra)
{
	(void)extra;
	return mach_vm_deallocate(TASK, address, size);
}

static int64_t
call_protect(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_protect(TASK, address, size, (boolean_t)(extra & 1), (vm_prot_t)extra);
}

static int64_t
call_inherit(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_inherit(TASK, address, size, extra);
}

static int64_t
call_map(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_map(TASK, &address, size, extra, VM_FLAGS_FIXED, MACH_PORT_NULL, 0, false,
	    (vm_prot_t)extra, VM_PROT_ALL, extra);
}

static int64_t
call_map_entry(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_map(
	    TASK, &address, size, 0, VM_FLAGS_ANYWHERE, TASK, size, true, VM_PROT_READ, (vm_prot_t)extra, 1);
}

static int64_t
call_remap(uint64_t address, uint64_t size, uint32_t extra)
{
	mach_vm_address_t target = own + PAGE;
	vm_prot_t cur, max;

	return mach_vm_remap(TASK, &target, size, 0, VM_FLAGS_ANYWHERE, TASK, address, (boolean_t)(extra & 1),
	    &cur, &max, extra & 3);
}

static int64_t
call_remap_onto(uint64_t address, uint64_t size, uint32_t extra)
{
	vm_prot_t cur, max;

	return mach_vm_remap(TASK, &address, size, extra, VM_FLAGS_FIXED, TASK, own, false, &cur, &max, 1);
}

static int64_t
call_read(uint64_t address, uint64_t size, uint32_t extra)
{
	mach_msg_type_number_t count = 0;
	vm_offset_t data = 0;
	kern_return_t kr = mach_vm_read(TASK, address, size, &data, &count);

	(void)extra;
	if (kr == KERN_SUCCESS) {
		EXPECT_EQ(mach_vm_deallocate(TASK, data, count), KERN_SUCCESS);
	}
	return kr;
}

static int64_t
call_read_overwrite(uint64_t address, uint64_t size, uint32_t extra)
{
	static char buffer[8 * PAGE];
	mach_vm_size_t got;

	(void)extra;
	return mach_vm_read_overwrite(TASK, address, size, (mach_vm_address_t)buffer, &got);
}

static int64_t
call_write(uint64_t address, uint64_t size, uint32_t extra)
{
	(void)extra;
	return mach_vm_write(
	    TASK, address, (vm_offset_t)own, (mach_msg_type_number_t)(size > PAGE ? PAGE : size));
}

static int64_t
call_copy_from(uint64_t address, uint64_t size, uint32_t extra)
{
	(void)extra;
	return mach_vm_copy(TASK, address, size, own);
}

static int64_t
call_copy_to(uint64_t address, uint64_t size, uint32_t extra)
{
	(void)extra;
	return mach_vm_copy(TASK, own, size, address);
}

static int64_t
call_msync(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_msync(TASK, address, size, extra);
}

static int64_t
call_behavior(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_behavior_set(TASK, address, size, (vm_behavior_t)extra);
}

static int64_t
call_wire(uint64_t address, uint64_t size, uint32_t extra)
{
	return mach_vm_wire(mach_host_self(), TASK, address, size, (vm_prot_t)extra);
}

static int64_t
call_attribute(uint64_t address, uint64_t size, uint32_t extra)
{
	vm_machine_attribute_val_t value = (int)extra;

	return mach_vm_machine_attribute(TASK, address, size, extra & 7, &value);
}

static int64_t
call_purgable(uint64_t address, uint64_t size, uint32_t extra)
{
	int state = (int)size;

	return mach_vm_purgable_control(TASK, address, (vm_purgable_t)extra, &state);
}

static int64_t
call_range_query(uint64_t address, uint64_t size, uint32_t extra)
{
	mach_vm_size_t count = extra;

	return mach_vm_page_range_query(TASK, address, size, own + PAGE - 2, &count);
}

static int64_t
call_page_info(uint64_t address, uint64_t size, uint32_t extra)
{
	struct vm_page_info_basic info;
	mach_msg_type_number_t count = (mach_msg_type_number_t)size;

	return mach_vm_page_info(TASK, address, (vm_page_info_flavor_t)extra, (vm_page_info_t)&info,
	    count > VM_PAGE_INFO_BASIC_COUNT ? &(mach_msg_type_number_t){ VM_PAGE_INFO_BASIC_COUNT }
					     : &count);
}

static int64_t
call_region(uint64_t address, uint64_t size, uint32_t extra)
{
	mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
	vm_region_submap_info_data_64_t info;
	natural_t depth = extra;

	return mach_vm_region_recurse(TASK, &address, &size, &depth, (vm_region_recurse_info_t)&info, &count);
}

static int64_t
call_memory_entry(uint64_t address, uint64_t size, uint32_t extra)
{
	mach_port_t entry = MACH_PORT_NULL;
	kern_return_t kr =
	    _mach_make_memory_entry(TASK, &size, address, (vm_prot_t)(extra ^ 1), &entry, MACH_PORT_NULL);

	if (kr == KERN_SUCCESS) {
		EXPECT_EQ(mach_port_deallocate(TASK, entry), KERN_SUCCESS);
	}
	return kr;
}

static int64_t
call_mmap(uint64_t address, uint64_t size, uint32_t extra)
{
	void *at = mmap((void *)address, size, (int)extra, MAP_ANON | MAP_PRIVATE | (extra & 0x10), -1, 0);

	return at != MAP_FAILED ? 0 : errno;
}

static int64_t
call_munmap(uint64_t address, uint64_t size, uint32_t extra)
{
	(void)extra;
	return bsd(munmap((void *)address, size));
}

static int64_t
call_mprotect(uint64_t address, uint64_t size, uint32_t extra)
{
	return bsd(mprotect((void *)address, size, (int)extra));
}

static int64_t
call_madvise(uint64_t address, uint64_t size, uint32_t extra)
{
	return bsd(madvise((void *)address, size, (int)extra));
}

static int64_t
call_minherit(uint64_t address, uint64_t size, uint32_t extra)
{
	return bsd(minherit((void *)address, size, (int)extra));
}

static int64_t
call_mlock(uint64_t address, uint64_t size, uint32_t extra)
{
	return bsd((extra & 1 ? munlock : mlock)((void *)address, size));
}

static int64_t
call_posix_msync(uint64_t address, uint64_t size, uint32_t extra)
{
	return bsd(msync((void *)address, size, (int)extra));
}

static int64_t
call_mincore(uint64_t address, uint64_t size, uint32_t extra)
{
	static char vec[64];

	(void)extra;
	return bsd(mincore((void *)address, size > 32 * PAGE && size < 1ull << 50 ? 32 * PAGE : size, vec));
}

#define CALL(name) { #name, call_##name }
static const struct {
	const char *name;
	call_fn fn;
} calls[] = { CALL(allocate), CALL(deallocate), CALL(protect), CALL(inherit), CALL(map), CALL(map_entry),
	CALL(remap), CALL(remap_onto), CALL(read), CALL(read_overwrite), CALL(write), CALL(copy_from),
	CALL(copy_to), CALL(msync), CALL(behavior), CALL(wire), CALL(attribute), CALL(purgable),
	CALL(range_query), CALL(page_info), CALL(region), CALL(memory_entry), CALL(mmap), CALL(munmap),
	CALL(mprotect), CALL(madvise), CALL(minherit), CALL(mlock), CALL(posix_msync), CALL(mincore) };
#define CALLS        (sizeof(calls) / sizeof(calls[0]))
#define COMBINATIONS (ADDRESSES * SIZES * EXTRAS)

/* What parent and child know of each other, in memory they share. */
struct progress {
	uint32_t next;    /* combination */
	uint32_t wrapped; /* calls that said yes to a range that wraps */
};
static struct progress *progress;
static unsigned which; /* call */

static uint64_t
make_pages(void)
{
	char *at = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);

	EXPECT(at != MAP_FAILED);
	at[0] = 1;
	at[2 * PAGE] = 1;
	EXPECT_EQ(munmap(at + PAGE, PAGE), 0);
	EXPECT_EQ(mprotect(at + 2 * PAGE, PAGE, PROT_READ), 0);
	EXPECT_EQ(mprotect(at + 3 * PAGE, PAGE, PROT_NONE), 0);
	return (uint64_t)at;
}

static void
remake_pages(void)
{
	(void)munmap((void *)own, 5 * PAGE);
	own = make_pages();
}

/* Calls to which the size means nothing, or not that. */
static bool
size_is_a_length(void)
{
	return calls[which].fn != call_purgable && calls[which].fn != call_page_info &&
	       calls[which].fn != call_region && calls[which].fn != call_write &&
	       calls[which].fn != call_map_entry && calls[which].fn != call_mmap &&
	       calls[which].fn != call_allocate && calls[which].fn != call_copy_to &&
	       calls[which].fn != call_mincore && calls[which].fn != call_range_query &&
	       calls[which].fn != call_msync;
}

static int
run_combinations(void *arg)
{
	(void)arg;
	own = make_pages();
	while (progress->next < COMBINATIONS) {
		uint32_t i = progress->next++;
		uint64_t address = address_of(i / (SIZES * EXTRAS)), size = sizes[i / EXTRAS % SIZES], end;
		uint32_t extra = extras[i % EXTRAS];
		int64_t result = calls[which].fn(address, size, extra);

		if (result == 0 && size_is_a_length() && __builtin_add_overflow(address, size, &end) &&
		    end != 0) {
			progress->wrapped++;
			printf("# %s(%#llx, %#llx, %#x) is accepted\n", calls[which].name,
			    (unsigned long long)address, (unsigned long long)size, extra);
		}
		if (i % EXTRAS == EXTRAS - 1) {
			remake_pages();
		}
	}
	return 0;
}

static uint64_t
wired_pages(void)
{
	uint64_t pages = 0;
	size_t size = sizeof(pages);

	EXPECT_EQ(sysctlbyname("vm.page_user_wire_count", &pages, &size, NULL, 0), 0);
	return pages;
}

TEST(every_call_on_memory_answers_wrong_ranges)
{
	uint64_t wired = wired_pages();

	progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	REQUIRE(progress != MAP_FAILED);
	for (which = 0; which < CALLS; which++) {
		*progress = (struct progress){ 0 };
		while (progress->next < COMBINATIONS) {
			uint32_t before = progress->next;
			int status = ktap_in_child(run_combinations, NULL);

			/* 10 and 11: it has lost the memory it needs */
			if (!EXPECT(status == 0 || status == 128 + 10 || status == 128 + 11) ||
			    !EXPECT(progress->next > before)) {
				printf("# in %s, combination %u\n", calls[which].name, progress->next);
				break;
			}
		}
		EXPECT_EQ(progress->wrapped, 0);
	}
	EXPECT_EQ(wired_pages(), wired);
	EXPECT_EQ(munmap(progress, PAGE), 0);
}

/* --- pointers --- */

/*
 * A page with nothing behind it, and one that is read-only. What a call reads or writes begins so far before the end
 * that its first, a middle or its last byte is the first one that is not there.
 */
static char *edge, *read_only;

static void
traps_at(uint64_t where)
{
	register uint64_t x0 __asm__("x0") = TASK;
	register uint64_t x1 __asm__("x1") = where;
	register uint64_t x2 __asm__("x2") = PAGE;
	register uint64_t x3 __asm__("x3") = VM_FLAGS_ANYWHERE;
	register int64_t x16 __asm__("x16") = -10; /* mach_vm_allocate */

	__asm__ volatile("svc #0x80" : "+r"(x0), "+r"(x1) : "r"(x2), "r"(x3), "r"(x16) : "memory", "cc");
	EXPECT(x0 == KERN_INVALID_ARGUMENT);
}

static void
map_trap_at(uint64_t where)
{
	register uint64_t x0 __asm__("x0") = TASK;
	register uint64_t x1 __asm__("x1") = where;
	register uint64_t x2 __asm__("x2") = PAGE;
	register uint64_t x3 __asm__("x3") = 0;
	register uint64_t x4 __asm__("x4") = VM_FLAGS_ANYWHERE;
	register uint64_t x5 __asm__("x5") = VM_PROT_DEFAULT;
	register int64_t x16 __asm__("x16") = -15; /* mach_vm_map */

	__asm__ volatile("svc #0x80"
	    : "+r"(x0), "+r"(x1)
	    : "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x16)
	    : "memory", "cc");
	EXPECT(x0 == KERN_INVALID_ARGUMENT);
}

static uint64_t
entries(void)
{
	struct vm_region_submap_info_64 info;
	uint64_t count = 0;
	mach_vm_address_t address = 0;
	mach_vm_size_t size;

	for (;; address += size, count++) {
		mach_msg_type_number_t words = VM_REGION_SUBMAP_INFO_COUNT_64;
		natural_t depth = 0;

		if (mach_vm_region_recurse(TASK, &address, &size, &depth, (vm_region_recurse_info_t)&info,
			&words) != KERN_SUCCESS) {
			return count;
		}
	}
}

TEST(pointers_that_end_too_early)
{
	uint64_t before;
	char vec_page;

	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
	REQUIRE(edge != MAP_FAILED && read_only != MAP_FAILED);
	edge[0] = 1;
	EXPECT_EQ(munmap(edge + PAGE, PAGE), 0);
	before = entries();
	for (unsigned present = 0; present < 8;
	    present += present == 0 ? 1 : 3) { /* none, 1, 4 and 7 bytes are there */
		char *at = edge + PAGE - present;

		traps_at((uint64_t)at);
		map_trap_at((uint64_t)at);
		EXPECT_EQ(shared_region_check_np((uint64_t *)(void *)at), -1);
		EXPECT_EQ(sysctlbyname("vm.page_user_wire_count", at, &(size_t){ 8 }, NULL, 0), -1);
	}
	traps_at((uint64_t)read_only); /* an address comes in, and cannot go out: the range is taken back */
	map_trap_at((uint64_t)read_only);
	traps_at(0xffff800000000000);
	map_trap_at(0xfffffe0007004000);
	EXPECT_EQ(entries(), before);
	EXPECT_EQ(mincore(edge, PAGE, edge + PAGE), -1);
	EXPECT_EQ(mincore(edge, PAGE, read_only), -1);
	EXPECT_EQ(mincore(edge, PAGE, &vec_page), 0);
	EXPECT_EQ(munmap(edge, PAGE), 0);
	EXPECT_EQ(munmap(read_only, PAGE), 0);
}
