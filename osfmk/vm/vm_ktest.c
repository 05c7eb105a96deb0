/*
 * In-kernel tests of maps, objects, faults and kernel memory. Address spaces are used through
 * vm_map_read_user and vm_map_write_user, which fault like a program would.
 */
#include <kern/sched.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <ktest/ktest.h>
#include <string.h>
#include <vm/pmap.h>
#include <vm/vm_fault.h>
#include <vm/vm_kern.h>
#include <vm/vm_leak_ktest.h>
#include <vm/vm_map.h>
#include <vm/vm_map_copy.h>
#include <vm/vm_page.h>
#include <vm/vm_user.h>

#define MAP_MIN PAGE_SIZE
#define FIXED   0x100000000ULL

static vm_map_t
map_create(void)
{
	pmap_t pmap = pmap_create();

	return pmap == NULL ? NULL : vm_map_create(pmap, MAP_MIN, MACH_VM_MAX_ADDRESS);
}

static kern_return_t
put(vm_map_t map, vm_map_offset_t va, uint64_t value)
{
	return vm_map_write_user(map, &value, va, sizeof(value));
}

/* ~0 when the address cannot be read. */
static uint64_t
get(vm_map_t map, vm_map_offset_t va)
{
	uint64_t value;

	return vm_map_read_user(map, va, &value, sizeof(value)) == KERN_SUCCESS ? value : ~0ULL;
}

static void
allocate_body(void)
{
	vm_map_t map = map_create();
	mach_vm_offset_t a = 0, b = 0, c = FIXED;

	EXPECT_EQ(mach_vm_allocate(map, &a, 3 * PAGE_SIZE, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(map, &b, 1, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	EXPECT(a >= MAP_MIN && b >= MAP_MIN && (b + PAGE_SIZE <= a || b >= a + 3 * PAGE_SIZE));
	EXPECT_EQ(get(map, a), 0);
	EXPECT_EQ(put(map, a + 2 * PAGE_SIZE + 8, 77), KERN_SUCCESS);
	EXPECT_EQ(get(map, a + 2 * PAGE_SIZE + 8), 77);
	EXPECT_EQ(mach_vm_deallocate(map, a + PAGE_SIZE, PAGE_SIZE), KERN_SUCCESS);
	EXPECT_EQ(get(map, a), 0);
	EXPECT_EQ(get(map, a + PAGE_SIZE), ~0ULL);
	EXPECT_EQ(get(map, a + 2 * PAGE_SIZE + 8), 77);
	EXPECT_EQ(
	    mach_vm_allocate(map, &c, 1ULL << 40, VM_FLAGS_FIXED), KERN_INVALID_ADDRESS); /* the commpage */
	EXPECT_EQ(mach_vm_allocate(map, &c, 1ULL << 32, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(map, FIXED + (1ULL << 31), 5), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_deallocate(map, FIXED + PAGE_SIZE, (1ULL << 32) - 2 * PAGE_SIZE), KERN_SUCCESS);
	EXPECT_EQ(get(map, FIXED + (1ULL << 31)), ~0ULL);
	EXPECT_EQ(get(map, FIXED), 0);
	EXPECT_EQ(get(map, FIXED + (1ULL << 32) - 8), 0);
	vm_map_deallocate(map);
}

KTEST(vm_allocate_deallocate)
{
	EXPECT(!vm_leaks(allocate_body));
}

KTEST(vm_allocate_errors)
{
	vm_map_t map = map_create();
	mach_vm_offset_t a = FIXED, zero = 1;

	EXPECT_EQ(mach_vm_allocate(map, &zero, 0, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	EXPECT_EQ(zero, 0);
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED), KERN_NO_SPACE);
	EXPECT_EQ(put(map, a, 9), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE), KERN_SUCCESS);
	EXPECT_EQ(get(map, a), 0);
	a = MACH_VM_MAX_ADDRESS;
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED), KERN_INVALID_ADDRESS);
	a = 0;
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED), KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_allocate(map, &a, ~0ULL, VM_FLAGS_ANYWHERE), KERN_NO_SPACE);
	EXPECT_EQ(mach_vm_allocate(map, &a, 1ULL << 47, VM_FLAGS_ANYWHERE), KERN_NO_SPACE);
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, 0x40000), KERN_NOT_SUPPORTED);
	EXPECT_EQ(mach_vm_deallocate(map, ~0ULL, 2), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_vm_deallocate(map, 0, 1ULL << 47), KERN_SUCCESS);
	EXPECT_EQ(get(map, FIXED), ~0ULL);
	vm_map_deallocate(map);
}

#define TABLES 12
#define SPAN   (32ULL << 20) /* of a page table */

static mach_vm_offset_t
in_span(unsigned i)
{
	return FIXED + i * SPAN + 17 * PAGE_SIZE;
}

/* Two pages in each of several tables, given back one by one; one page stays. */
static void
collect_body(void)
{
	vm_map_t map = map_create();
	mach_vm_offset_t a;

	for (unsigned i = 0; i < TABLES; i++) {
		a = in_span(i);
		EXPECT_EQ(mach_vm_allocate(map, &a, 2 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
		EXPECT_EQ(vm_fault(map, a, VM_PROT_WRITE), KERN_SUCCESS);
		EXPECT_EQ(vm_fault(map, a + PAGE_SIZE, VM_PROT_WRITE), KERN_SUCCESS);
	}
	EXPECT_EQ(vm_map_collect_tables(map), 0);
	for (unsigned i = 0; i < TABLES; i++) {
		EXPECT_EQ(mach_vm_deallocate(map, in_span(i), PAGE_SIZE), KERN_SUCCESS);
		if (i != 3) {
			EXPECT_EQ(mach_vm_deallocate(map, in_span(i) + PAGE_SIZE, PAGE_SIZE), KERN_SUCCESS);
		}
	}
	EXPECT_EQ(put(map, in_span(3) + PAGE_SIZE, 33), KERN_SUCCESS);
	EXPECT_EQ(vm_map_collect_tables(map), TABLES - 1);
	EXPECT_EQ(vm_map_collect_tables(map), 0);
	EXPECT_EQ(get(map, in_span(3) + PAGE_SIZE), 33);
	a = in_span(5);
	EXPECT_EQ(mach_vm_allocate(map, &a, PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(vm_fault(map, a, VM_PROT_WRITE), KERN_SUCCESS);
	EXPECT_EQ(get(map, a), 0);
	vm_map_deallocate(map);
}

KTEST(vm_map_collects_tables)
{
	EXPECT(!vm_leaks(collect_body));
}

KTEST(vm_protect)
{
	vm_map_t map = map_create();
	mach_vm_offset_t a = FIXED;
	struct vm_map_region region;

	EXPECT_EQ(mach_vm_allocate(map, &a, 4 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(map, a + PAGE_SIZE, 1), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_protect(map, a + PAGE_SIZE, PAGE_SIZE, false, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(put(map, a + PAGE_SIZE, 2), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(get(map, a + PAGE_SIZE), 1);
	EXPECT_EQ(put(map, a, 2), KERN_SUCCESS);
	EXPECT_EQ(vm_map_region(map, a, &region), KERN_SUCCESS);
	EXPECT(region.start == a && region.end == a + PAGE_SIZE && region.prot == VM_PROT_DEFAULT);
	EXPECT_EQ(mach_vm_protect(map, a + PAGE_SIZE, PAGE_SIZE, false, VM_PROT_NONE), KERN_SUCCESS);
	EXPECT_EQ(get(map, a + PAGE_SIZE), ~0ULL);
	EXPECT_EQ(mach_vm_protect(map, a + PAGE_SIZE, PAGE_SIZE, false, VM_PROT_DEFAULT), KERN_SUCCESS);
	EXPECT_EQ(get(map, a + PAGE_SIZE), 1);
	EXPECT_EQ(mach_vm_protect(map, a, PAGE_SIZE, true, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_protect(map, a, 2 * PAGE_SIZE, false, VM_PROT_DEFAULT), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(mach_vm_protect(map, a, 5 * PAGE_SIZE, false, VM_PROT_READ), KERN_INVALID_ADDRESS);
	EXPECT_EQ(put(map, a + 3 * PAGE_SIZE, 3), KERN_SUCCESS);
	vm_map_deallocate(map);
}

static void
copy_on_write_body(void)
{
	vm_map_t parent = map_create(), child;
	mach_vm_offset_t a = FIXED;

	EXPECT_EQ(mach_vm_allocate(parent, &a, 20 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	for (unsigned i = 0; i < 10; i++) {
		EXPECT_EQ(put(parent, a + ptoa(i), 100 + i), KERN_SUCCESS);
	}
	child = vm_map_fork(parent);
	if (!EXPECT(child != NULL)) {
		return;
	}
	EXPECT_EQ(put(parent, a, 1), KERN_SUCCESS);
	EXPECT_EQ(put(child, a + PAGE_SIZE, 2), KERN_SUCCESS);
	EXPECT_EQ(put(child, a + 15 * PAGE_SIZE, 3), KERN_SUCCESS);
	EXPECT_EQ(get(parent, a), 1);
	EXPECT_EQ(get(child, a), 100);
	EXPECT_EQ(get(parent, a + PAGE_SIZE), 101);
	EXPECT_EQ(get(child, a + PAGE_SIZE), 2);
	EXPECT_EQ(get(parent, a + 15 * PAGE_SIZE), 0);
	EXPECT_EQ(get(parent, a + 9 * PAGE_SIZE), 109);
	EXPECT_EQ(get(child, a + 9 * PAGE_SIZE), 109);
	vm_map_deallocate(parent);
	EXPECT_EQ(get(child, a), 100);
	EXPECT_EQ(put(child, a + 9 * PAGE_SIZE, 4), KERN_SUCCESS);
	EXPECT_EQ(get(child, a + 9 * PAGE_SIZE), 4);
	vm_map_deallocate(child);
}

KTEST(vm_copy_on_write)
{
	EXPECT(!vm_leaks(copy_on_write_body));
}

/* A tree of copies against a model: every space keeps what it wrote or inherited. */
#define SPACES 6
#define PAGES  24

KTEST(vm_copies_of_copies)
{
	static vm_map_t maps[SPACES];
	static uint64_t model[SPACES][PAGES];
	mach_vm_offset_t a = FIXED;
	uint64_t x = 42;

	maps[0] = map_create();
	EXPECT_EQ(mach_vm_allocate(maps[0], &a, ptoa(PAGES), VM_FLAGS_FIXED), KERN_SUCCESS);
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned who, page, other;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		who = (x >> 33) % SPACES;
		page = (x >> 40) % PAGES;
		other = (x >> 50) % SPACES;
		if (maps[who] == NULL) {
			continue;
		}
		if (round % 50 == 0 && other != who) {
			if (maps[other] != NULL) {
				vm_map_deallocate(maps[other]);
			}
			maps[other] = vm_map_fork(maps[who]);
			memcpy(model[other], model[who], sizeof(model[who]));
			EXPECT(maps[other] != NULL);
		} else if (round % 3 == 0) {
			EXPECT_EQ(get(maps[who], a + ptoa((vm_map_offset_t)page)), model[who][page]);
		} else {
			EXPECT_EQ(put(maps[who], a + ptoa((vm_map_offset_t)page), x), KERN_SUCCESS);
			model[who][page] = x;
		}
	}
	for (unsigned i = 0; i < SPACES; i++) {
		for (unsigned page = 0; maps[i] != NULL && page < PAGES; page++) {
			EXPECT_EQ(get(maps[i], a + ptoa((vm_map_offset_t)page)), model[i][page]);
		}
		if (maps[i] != NULL) {
			vm_map_deallocate(maps[i]);
			maps[i] = NULL;
		}
	}
}

static void
inheritance_body(void)
{
	vm_map_t parent = map_create(), child, grandchild;
	mach_vm_offset_t a = FIXED, none = FIXED + (1ULL << 30);

	EXPECT_EQ(mach_vm_allocate(parent, &a, 4 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(parent, &none, PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(parent, a, 1), KERN_SUCCESS);
	EXPECT_EQ(put(parent, a + 3 * PAGE_SIZE, 1), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_inherit(parent, a, 2 * PAGE_SIZE, VM_INHERIT_SHARE), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_inherit(parent, none, PAGE_SIZE, VM_INHERIT_NONE), KERN_SUCCESS);
	child = vm_map_fork(parent);
	if (!EXPECT(child != NULL)) {
		return;
	}
	EXPECT_EQ(put(child, a, 2), KERN_SUCCESS);
	EXPECT_EQ(put(parent, a + PAGE_SIZE, 3), KERN_SUCCESS);
	EXPECT_EQ(put(child, a + 3 * PAGE_SIZE, 2), KERN_SUCCESS);
	EXPECT_EQ(get(parent, a), 2);
	EXPECT_EQ(get(child, a + PAGE_SIZE), 3);
	EXPECT_EQ(get(parent, a + 3 * PAGE_SIZE), 1);
	EXPECT_EQ(get(child, none), ~0ULL);

	/* A copy of shared memory is a snapshot. */
	EXPECT_EQ(mach_vm_inherit(child, a, 2 * PAGE_SIZE, VM_INHERIT_COPY), KERN_SUCCESS);
	grandchild = vm_map_fork(child);
	if (EXPECT(grandchild != NULL)) {
		EXPECT_EQ(put(parent, a, 7), KERN_SUCCESS);
		EXPECT_EQ(get(child, a), 7);
		EXPECT_EQ(get(grandchild, a), 2);
		vm_map_deallocate(grandchild);
	}
	vm_map_deallocate(child);
	EXPECT_EQ(get(parent, a), 7);
	vm_map_deallocate(parent);
}

KTEST(vm_inheritance)
{
	EXPECT(!vm_leaks(inheritance_body));
}

static void
copyin_body(void)
{
	vm_map_t from = map_create(), to = map_create();
	mach_vm_offset_t a = FIXED, b = 0, odd = FIXED + 0x1234;
	vm_map_copy_t copy;

	EXPECT_EQ(mach_vm_allocate(from, &a, 8 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(from, a + PAGE_SIZE, 11), KERN_SUCCESS);
	EXPECT_EQ(put(from, odd + 4 * PAGE_SIZE, 12), KERN_SUCCESS);
	EXPECT_EQ(put(from, a, 13), KERN_SUCCESS);

	/* Not aligned: a snapshot, and nothing beside the range. */
	if (!EXPECT_EQ(vm_map_copyin(from, odd, 4 * PAGE_SIZE + 8, false, &copy), KERN_SUCCESS)) {
		return;
	}
	EXPECT_EQ(put(from, a + PAGE_SIZE, 21), KERN_SUCCESS);
	EXPECT_EQ(vm_map_copyout(to, &b, copy), KERN_SUCCESS);
	EXPECT_EQ(b & PAGE_MASK, odd & PAGE_MASK);
	EXPECT_EQ(get(to, b - (odd & PAGE_MASK) + PAGE_SIZE), 11);
	EXPECT_EQ(get(to, b + 4 * PAGE_SIZE), 12);
	EXPECT_EQ(get(to, b - (odd & PAGE_MASK)), 0);
	EXPECT_EQ(get(from, a + PAGE_SIZE), 21);
	EXPECT_EQ(put(to, b - (odd & PAGE_MASK) + PAGE_SIZE, 31), KERN_SUCCESS);
	EXPECT_EQ(get(from, a + PAGE_SIZE), 21);

	/* A whole entry that is given up; then a part of one. */
	EXPECT_EQ(vm_map_copyin(from, a, 8 * PAGE_SIZE, true, &copy), KERN_SUCCESS);
	EXPECT_EQ(get(from, a), ~0ULL);
	EXPECT_EQ(vm_map_copyout(to, &b, copy), KERN_SUCCESS);
	EXPECT_EQ(get(to, b), 13);
	EXPECT_EQ(get(to, b + PAGE_SIZE), 21);
	EXPECT_EQ(put(to, b + 7 * PAGE_SIZE, 14), KERN_SUCCESS);
	EXPECT_EQ(vm_map_copyin(to, b + PAGE_SIZE, PAGE_SIZE, true, &copy), KERN_SUCCESS);
	EXPECT_EQ(get(to, b + PAGE_SIZE), ~0ULL);
	EXPECT_EQ(get(to, b + 7 * PAGE_SIZE), 14);
	EXPECT_EQ(vm_map_copyin(to, b, 3 * PAGE_SIZE, false, &copy), KERN_INVALID_ADDRESS); /* a hole */
	vm_map_copy_discard(copy);
	vm_map_deallocate(from);
	vm_map_deallocate(to);
}

KTEST(vm_copyin_copyout)
{
	EXPECT(!vm_leaks(copyin_body));
}

/* What is given up while a fork still copies from it keeps its contents for both. */
static void
copyin_after_fork_body(void)
{
	vm_map_t parent = map_create(), child;
	mach_vm_offset_t a = FIXED, b = 0;
	vm_map_copy_t copy;

	EXPECT_EQ(mach_vm_allocate(parent, &a, 4 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(parent, a, 1), KERN_SUCCESS);
	child = vm_map_fork(parent);
	EXPECT_EQ(vm_map_copyin(parent, a, 4 * PAGE_SIZE, true, &copy), KERN_SUCCESS);
	EXPECT_EQ(vm_map_copyout(parent, &b, copy), KERN_SUCCESS);
	EXPECT_EQ(put(parent, b, 2), KERN_SUCCESS);
	EXPECT_EQ(get(child, a), 1);
	EXPECT_EQ(put(child, a, 3), KERN_SUCCESS);
	EXPECT_EQ(get(parent, b), 2);
	vm_map_deallocate(parent);
	EXPECT_EQ(get(child, a), 3);
	vm_map_deallocate(child);
}

KTEST(vm_copyin_after_fork)
{
	EXPECT(!vm_leaks(copyin_after_fork_body));
}

static void
remap_body(void)
{
	vm_map_t a_map = map_create(), b_map = map_create();
	mach_vm_offset_t a = FIXED, next = FIXED + 2 * PAGE_SIZE, b = 0, c = 0;
	vm_prot_t cur, max;
	vm_map_t child;

	/* Two entries, the first touched and forked from, mapped as one shared range. */
	EXPECT_EQ(mach_vm_allocate(a_map, &a, 2 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_allocate(a_map, &next, 2 * PAGE_SIZE, VM_FLAGS_FIXED), KERN_SUCCESS);
	EXPECT_EQ(put(a_map, a, 1), KERN_SUCCESS);
	child = vm_map_fork(a_map);
	EXPECT_EQ(mach_vm_remap(b_map, &b, 3 * PAGE_SIZE, 0, VM_FLAGS_ANYWHERE, a_map, a + PAGE_SIZE, false,
		      &cur, &max, VM_INHERIT_DEFAULT),
	    KERN_SUCCESS);
	EXPECT(cur == VM_PROT_DEFAULT && max == VM_PROT_ALL);
	EXPECT_EQ(put(b_map, b, 2), KERN_SUCCESS);
	EXPECT_EQ(put(a_map, next + PAGE_SIZE, 3), KERN_SUCCESS);
	EXPECT_EQ(get(a_map, a + PAGE_SIZE), 2);
	EXPECT_EQ(get(b_map, b + 2 * PAGE_SIZE), 3);
	EXPECT_EQ(get(child, a + PAGE_SIZE), 0);

	/* A copy is a snapshot; with the least protection of its parts. */
	EXPECT_EQ(mach_vm_protect(a_map, next, PAGE_SIZE, false, VM_PROT_READ), KERN_SUCCESS);
	EXPECT_EQ(mach_vm_remap(b_map, &c, 4 * PAGE_SIZE, 0, VM_FLAGS_ANYWHERE, a_map, a, true, &cur, &max,
		      VM_INHERIT_DEFAULT),
	    KERN_SUCCESS);
	EXPECT_EQ(cur, VM_PROT_READ);
	EXPECT_EQ(put(a_map, a, 9), KERN_SUCCESS);
	EXPECT_EQ(get(b_map, c), 1);
	EXPECT_EQ(get(b_map, c + PAGE_SIZE), 2);
	EXPECT_EQ(put(b_map, c, 5), KERN_PROTECTION_FAILURE);

	/* One side goes, the other keeps the memory. */
	EXPECT_EQ(mach_vm_deallocate(a_map, a, 4 * PAGE_SIZE), KERN_SUCCESS);
	EXPECT_EQ(get(b_map, b), 2);
	EXPECT_EQ(mach_vm_remap(b_map, &c, PAGE_SIZE, 0, VM_FLAGS_ANYWHERE, a_map, a, false, &cur, &max,
		      VM_INHERIT_DEFAULT),
	    KERN_INVALID_ADDRESS);
	EXPECT_EQ(mach_vm_copy(b_map, b, 2 * PAGE_SIZE, b + PAGE_SIZE), KERN_SUCCESS); /* overlapping */
	EXPECT_EQ(get(b_map, b + PAGE_SIZE), 2);
	vm_map_deallocate(a_map);
	vm_map_deallocate(b_map);
	vm_map_deallocate(child);
}

KTEST(vm_remap)
{
	EXPECT(!vm_leaks(remap_body));
}

/* --- several CPUs in one map --- */

#define RACERS 4
#define REGION (64ULL * PAGE_SIZE)

static vm_map_t race_map;
static uint32_t race_errors;

/*
 * All racers touch the same pages, each its own word; and each allocates, fills, cuts and frees ranges of
 * its own, and forks the map now and then.
 */
static void
racer(void *param, wait_result_t wresult)
{
	uint64_t self = (uint64_t)(uintptr_t)param;
	uint32_t errors = 0;

	(void)wresult;
	for (unsigned round = 0; round < 30; round++) {
		mach_vm_offset_t own = 0;

		for (vm_map_offset_t va = FIXED; va < FIXED + REGION; va += PAGE_SIZE) {
			errors += put(race_map, va + self * 8, va + self + round) != KERN_SUCCESS;
		}
		errors += mach_vm_allocate(race_map, &own, 8 * PAGE_SIZE, VM_FLAGS_ANYWHERE) != KERN_SUCCESS;
		for (unsigned i = 0; i < 8; i++) {
			errors += put(race_map, own + ptoa(i), self) != KERN_SUCCESS;
		}
		errors += mach_vm_deallocate(race_map, own + 2 * PAGE_SIZE, PAGE_SIZE) != KERN_SUCCESS;
		errors += get(race_map, own + 2 * PAGE_SIZE) == self;
		errors += get(race_map, own + 7 * PAGE_SIZE) != self;
		errors += mach_vm_deallocate(race_map, own, 8 * PAGE_SIZE) != KERN_SUCCESS;
		if (round % 10 == self) {
			vm_map_t copy = vm_map_fork(race_map);

			errors += copy == NULL || get(copy, FIXED + self * 8) != FIXED + self + round;
			if (copy != NULL) {
				vm_map_deallocate(copy);
			}
		}
		for (vm_map_offset_t va = FIXED; va < FIXED + REGION; va += PAGE_SIZE) {
			errors += get(race_map, va + self * 8) != va + self + round;
		}
	}
	os_atomic_add(&race_errors, errors, relaxed);
	thread_terminate_self();
}

KTEST(vm_fault_race)
{
	thread_t threads[RACERS];
	mach_vm_offset_t a = FIXED;

	race_map = map_create();
	race_errors = 0;
	EXPECT_EQ(mach_vm_allocate(race_map, &a, REGION, VM_FLAGS_FIXED), KERN_SUCCESS);
	for (uintptr_t i = 0; i < RACERS; i++) {
		if (!EXPECT_EQ(
			kernel_thread_create(racer, (void *)i, BASEPRI_DEFAULT, "vm racer", &threads[i]),
			KERN_SUCCESS)) {
			return;
		}
	}
	for (unsigned i = 0; i < RACERS; i++) {
		thread_join(threads[i]);
		thread_deallocate(threads[i]);
	}
	EXPECT_EQ(race_errors, 0);
	vm_map_deallocate(race_map);
}

/* --- kernel memory --- */

KTEST(vm_kmem)
{
	vm_offset_t a, b;

	if (!EXPECT_EQ(kmem_alloc(&a, 5 * PAGE_SIZE + 1, KMEM_ZERO), KERN_SUCCESS)) {
		return;
	}
	EXPECT_EQ(*(uint64_t *)(a + 5 * PAGE_SIZE), 0);
	memset((void *)a, 0xa5, 6 * PAGE_SIZE);
	EXPECT_EQ(kmem_alloc(&b, PAGE_SIZE, KMEM_NONE), KERN_SUCCESS);
	EXPECT(b >= a + 7 * PAGE_SIZE || b + 2 * PAGE_SIZE <= a); /* guard pages */
	kmem_free(a, 5 * PAGE_SIZE + 1);
	kmem_free(b, PAGE_SIZE);
	EXPECT_EQ(kmem_alloc(&a, KMEM_SIZE + PAGE_SIZE, KMEM_NONE), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(kmem_alloc(&a, KMEM_SIZE, KMEM_PAGEABLE), KERN_NO_SPACE);
}
