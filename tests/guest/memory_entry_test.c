/*
 * Memory entries: made of every kind of memory, mapped shared and by copy, in this task and in others; wrong
 * arguments; nothing left behind. By the stubs, and by a request written by hand.
 */
#include <fcntl.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/memory_entry.h>
#include <mach/memory_object_types.h>
#include <mach/vm_map.h>
#include <mach/vm_map_routines.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_counts.h"
#include "ktap.h"

#define PAGE 16384ull
#define SELF mach_task_self()
#define RW   (VM_PROT_READ | VM_PROT_WRITE)

static char *
allocate(mach_vm_size_t size)
{
	mach_vm_address_t at = 0;

	EXPECT_EQ(mach_vm_allocate(SELF, &at, size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	return (char *)at;
}

static void
release(void *at, mach_vm_size_t size)
{
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)at, size), KERN_SUCCESS);
}

static kern_return_t
make(mach_vm_size_t *size, const void *at, int permission, mach_port_t parent, mach_port_t *entry)
{
	*entry = MACH_PORT_NULL;
	return mach_make_memory_entry_64(SELF, size, (mach_vm_address_t)at, permission, entry, parent);
}

static mach_port_t
made(mach_vm_size_t size, const void *at, int permission, mach_port_t parent)
{
	mach_port_t entry;

	EXPECT_EQ(make(&size, at, permission, parent, &entry), KERN_SUCCESS);
	return entry;
}

static void
drop(mach_port_t entry)
{
	EXPECT_EQ(mach_port_deallocate(SELF, entry), KERN_SUCCESS);
}

static kern_return_t
map_entry(mach_port_t entry, mach_vm_size_t size, mach_vm_offset_t offset, boolean_t copy, vm_prot_t cur,
    vm_prot_t max, char **at)
{
	mach_vm_address_t address = 0;
	kern_return_t kr = mach_vm_map(
	    SELF, &address, size, 0, VM_FLAGS_ANYWHERE, entry, offset, copy, cur, max, VM_INHERIT_SHARE);

	*at = (char *)address;
	return kr;
}

static char *
mapped(mach_port_t entry, mach_vm_size_t size, mach_vm_offset_t offset, boolean_t copy)
{
	char *at;

	EXPECT_EQ(map_entry(entry, size, offset, copy, RW, RW, &at), KERN_SUCCESS);
	return at;
}

TEST(of_a_range_shared_and_copied)
{
	char *memory = allocate(4 * PAGE), *shared, *copy;
	mach_vm_size_t size = 4 * PAGE;
	mach_port_t entry;

	memset(memory, 'a', 4 * PAGE);
	REQUIRE(EXPECT_EQ(make(&size, memory, RW, MACH_PORT_NULL, &entry), KERN_SUCCESS));
	EXPECT_EQ(size, 4 * PAGE);
	shared = mapped(entry, 2 * PAGE, PAGE, FALSE);
	copy = mapped(entry, 2 * PAGE, PAGE, TRUE);
	memory[PAGE] = 'b';
	shared[PAGE] = 'c';
	EXPECT_EQ(shared[0], 'b');
	EXPECT_EQ(memory[2 * PAGE], 'c');
	EXPECT_EQ(copy[0], 'a');
	EXPECT_EQ(copy[PAGE], 'a');
	copy[0] = 'd';
	EXPECT_EQ(memory[PAGE], 'b');
	release(memory, 4 * PAGE);
	EXPECT_EQ(shared[0], 'b');
	drop(entry);
	EXPECT_EQ(shared[PAGE], 'c');
	release(shared, 2 * PAGE);
	release(copy, 2 * PAGE);
}

TEST(new_memory_and_parts_of_it)
{
	mach_port_t entry = made(8 * PAGE, NULL, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL);
	mach_port_t part = made(2 * PAGE, (void *)(3 * PAGE), RW, entry);
	mach_port_t read_only = made(PAGE, NULL, VM_PROT_READ, part);
	mach_vm_size_t size = PAGE;
	mach_port_t none;
	char *all = mapped(entry, 8 * PAGE, 0, FALSE), *two = mapped(part, 2 * PAGE, 0, FALSE), *one;

	EXPECT_EQ(all[0], 0);
	two[PAGE] = 'x';
	EXPECT_EQ(all[4 * PAGE], 'x');
	EXPECT_EQ(map_entry(read_only, PAGE, 0, FALSE, VM_PROT_READ, VM_PROT_READ, &one), KERN_SUCCESS);
	all[3 * PAGE] = 'y';
	EXPECT_EQ(one[0], 'y');
	release(one, PAGE);
	EXPECT_EQ(map_entry(read_only, PAGE, 0, FALSE, RW, RW, &one), KERN_INVALID_RIGHT);
	EXPECT_EQ(map_entry(read_only, PAGE, 0, FALSE, VM_PROT_READ, VM_PROT_ALL, &one), KERN_INVALID_RIGHT);
	EXPECT_EQ(map_entry(read_only, PAGE, 0, FALSE, VM_PROT_READ, VM_PROT_ALL | VM_PROT_IS_MASK, &one),
	    KERN_SUCCESS);
	EXPECT_EQ(mach_vm_protect(SELF, (mach_vm_address_t)one, PAGE, FALSE, RW), KERN_PROTECTION_FAILURE);
	release(one, PAGE);
	EXPECT_EQ(make(&size, NULL, RW, read_only, &none), KERN_PROTECTION_FAILURE);
	size = 3 * PAGE;
	EXPECT_EQ(make(&size, NULL, RW, part, &none), KERN_INVALID_ARGUMENT);
	drop(entry);
	drop(part);
	drop(read_only);
	release(all, 8 * PAGE);
	release(two, 2 * PAGE);
}

TEST(a_copy_is_of_the_moment)
{
	char *memory = allocate(2 * PAGE), *first, *second;
	mach_port_t entry;

	memory[PAGE] = 'a';
	entry = made(2 * PAGE, memory, MAP_MEM_VM_COPY | RW, MACH_PORT_NULL);
	memory[PAGE] = 'b';
	first = mapped(entry, 2 * PAGE, 0, FALSE);
	second = mapped(entry, 2 * PAGE, 0, TRUE);
	first[PAGE] = 'c';
	EXPECT_EQ(second[PAGE], 'a');
	EXPECT_EQ(memory[PAGE], 'b');
	drop(entry);
	release(memory, 2 * PAGE);
	release(first, 2 * PAGE);
	release(second, 2 * PAGE);
}

TEST(several_regions_at_once)
{
	char *memory = allocate(4 * PAGE), *all;
	mach_vm_size_t size = 4 * PAGE;
	mach_port_t entry, none;

	memset(memory, 'a', 4 * PAGE);
	EXPECT_EQ(mach_vm_protect(SELF, (mach_vm_address_t)memory + 2 * PAGE, PAGE, FALSE, VM_PROT_READ),
	    KERN_SUCCESS);
	EXPECT_EQ(make(&size, memory, VM_PROT_READ, MACH_PORT_NULL, &entry), KERN_SUCCESS);
	EXPECT_EQ(size, 2 * PAGE); /* as far as it is one region */
	drop(entry);
	size = 4 * PAGE;
	EXPECT_EQ(make(&size, memory, MAP_MEM_VM_SHARE | RW, MACH_PORT_NULL, &none), KERN_PROTECTION_FAILURE);
	EXPECT_EQ(make(&size, memory, MAP_MEM_VM_SHARE | VM_PROT_READ, MACH_PORT_NULL, &entry), KERN_SUCCESS);
	EXPECT_EQ(size, 4 * PAGE);
	EXPECT_EQ(map_entry(entry, 4 * PAGE, 0, FALSE, VM_PROT_READ, VM_PROT_READ, &all), KERN_SUCCESS);
	memory[0] = 'b';
	memory[3 * PAGE] = 'c';
	EXPECT_EQ(all[0], 'b');
	EXPECT_EQ(all[2 * PAGE], 'a');
	EXPECT_EQ(all[3 * PAGE], 'c');
	EXPECT_EQ(mach_vm_deallocate(SELF, (mach_vm_address_t)memory + PAGE, PAGE), KERN_SUCCESS);
	EXPECT_EQ(make(&size, memory, MAP_MEM_VM_SHARE | VM_PROT_READ, MACH_PORT_NULL, &none),
	    KERN_INVALID_ADDRESS);
	drop(entry);
	release(all, 4 * PAGE);
	release(memory, 4 * PAGE);
}

TEST(data_addresses)
{
	char *memory = allocate(2 * PAGE), *at;
	mach_vm_size_t size = 100;
	mach_vm_address_t address = 0;
	mach_port_t entry;

	memory[PAGE - 10] = 'x';
	EXPECT_EQ(make(&size, memory + PAGE - 10, MAP_MEM_USE_DATA_ADDR | RW, MACH_PORT_NULL, &entry),
	    KERN_SUCCESS);
	EXPECT_EQ(size, 100);
	EXPECT_EQ(mach_vm_map(SELF, &address, 100, 0, VM_FLAGS_ANYWHERE | VM_FLAGS_RETURN_DATA_ADDR, entry, 0,
		      FALSE, RW, RW, VM_INHERIT_NONE),
	    KERN_SUCCESS);
	at = (char *)address;
	EXPECT_EQ(at[0], 'x');
	EXPECT_EQ(address % PAGE, PAGE - 10);
	drop(entry);
	release(at, 100);
	release(memory, 2 * PAGE);
}

TEST(the_parent_again)
{
	mach_port_t entry = made(2 * PAGE, NULL, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL), again, other;
	char *memory = mapped(entry, 2 * PAGE, 0, FALSE);

	again = made(2 * PAGE, memory, MAP_MEM_NAMED_REUSE | RW, entry);
	EXPECT_EQ(again, entry);
	other = made(PAGE, memory, MAP_MEM_NAMED_REUSE | RW, entry);
	EXPECT(other != entry);
	EXPECT_EQ(make(&(mach_vm_size_t){ 0 }, NULL, MAP_MEM_ONLY | MAP_MEM_WCOMB << 24, entry, &again),
	    KERN_SUCCESS);
	EXPECT_EQ(again, MACH_PORT_NULL);
	EXPECT_EQ(make(&(mach_vm_size_t){ 0 }, NULL, MAP_MEM_ONLY | 77 << 24, entry, &again),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    make(&(mach_vm_size_t){ 0 }, NULL, MAP_MEM_ONLY, MACH_PORT_NULL, &again), KERN_INVALID_ARGUMENT);
	drop(entry);
	drop(entry);
	drop(other);
	release(memory, 2 * PAGE);
}

TEST(of_mapped_files)
{
	int fd = open("/tmp/entry", O_RDWR | O_CREAT, 0644);
	char *file, *alias, byte = 0;
	mach_port_t entry;

	REQUIRE(fd >= 0);
	EXPECT_EQ(ftruncate(fd, 2 * PAGE), 0);
	file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(file != MAP_FAILED);
	entry = made(2 * PAGE, file, RW, MACH_PORT_NULL);
	EXPECT_EQ(munmap(file, 2 * PAGE), 0);
	alias = mapped(entry, PAGE, PAGE, FALSE);
	alias[0] = 'f';
	EXPECT_EQ(pread(fd, &byte, 1, PAGE), 1);
	EXPECT_EQ(byte, 'f');
	drop(entry);
	release(alias, PAGE);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(unlink("/tmp/entry"), 0);
}

TEST(a_child_maps_what_it_inherits)
{
	mach_port_t entry = made(PAGE, NULL, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL);
	char *memory = mapped(entry, PAGE, 0, FALSE);
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		memory[7] = 'k'; /* VM_INHERIT_SHARE */
		_exit(0);
	}
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(memory[7], 'k');
	drop(entry);
	release(memory, PAGE);
}

TEST(wrong_arguments)
{
	static const int bad_flags[] = { 0x100, MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE,
		MAP_MEM_NAMED_CREATE | MAP_MEM_VM_COPY, 0x40 };
	char *memory = allocate(PAGE), *at;
	mach_port_t entry = made(PAGE, memory, RW, MACH_PORT_NULL), none, other;
	mach_vm_size_t size = PAGE;

	for (unsigned i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
		EXPECT_EQ(make(&size, memory, bad_flags[i] | RW, MACH_PORT_NULL, &none), KERN_INVALID_VALUE);
	}
	EXPECT_EQ(make(&size, NULL, MAP_MEM_NAMED_CREATE | MAP_MEM_LEDGER_TAGGED | RW, MACH_PORT_NULL, &none),
	    KERN_NOT_SUPPORTED);
	EXPECT_EQ(make(&size, (void *)0x1000, RW, MACH_PORT_NULL, &none), KERN_INVALID_ADDRESS);
	EXPECT_EQ(make(&size, (void *)-PAGE, RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(make(&size, memory, RW, SELF, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(
	    make(&size, (void *)0x1000, MAP_MEM_VM_COPY | RW, MACH_PORT_NULL, &none), KERN_INVALID_ADDRESS);
	size = 0;
	EXPECT_EQ(make(&size, memory, RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	size = -1ull;
	EXPECT_EQ(make(&size, memory, RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(make(&size, NULL, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL, &none), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, 2 * PAGE, 0, FALSE, RW, RW, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, PAGE, PAGE, FALSE, RW, RW, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, PAGE, -PAGE, FALSE, RW, RW, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, 0, 0, FALSE, RW, RW, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, -1ull, 0, FALSE, RW, RW, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, PAGE, 0, FALSE, RW, VM_PROT_READ, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(entry, PAGE, 0, FALSE, 0x80, 0x80, &at), KERN_INVALID_ARGUMENT);
	EXPECT_EQ(map_entry(SELF, PAGE, 0, FALSE, RW, RW, &at), KERN_INVALID_OBJECT);
	EXPECT_EQ(mach_memory_entry_purgable_control(entry, VM_PURGABLE_GET_STATE, &(int){ 0 }),
	    KERN_INVALID_ARGUMENT);
	EXPECT_EQ(mach_memory_entry_access_tracking(entry, &(int){ 0 }, &(uint32_t){ 0 }, &(uint32_t){ 0 }),
	    KERN_NOT_SUPPORTED);
	EXPECT_EQ(mach_memory_entry_ownership(entry, SELF, 0, 0), KERN_NOT_SUPPORTED);
	/* The right that a failed call brought is still ours: one is left to drop. */
	EXPECT_EQ(mach_port_get_refs(SELF, entry, MACH_PORT_RIGHT_SEND, &other), KERN_SUCCESS);
	EXPECT_EQ(other, 1);
	drop(entry);
	release(memory, PAGE);
}

/* The request of 3825 as documented: descriptor of the parent, NDR, size, offset, permission; a port comes back. */
TEST(a_request_by_hand)
{
	struct {
		mach_msg_header_t head;
		mach_msg_body_t body;
		mach_msg_port_descriptor_t port;
		uint32_t ndr[2];
		uint32_t size[2], offset[2], permission;
		mach_msg_max_trailer_t trailer;
	} m = { .head = { .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
				       MACH_MSGH_BITS_COMPLEX,
		    .msgh_remote_port = SELF,
		    .msgh_local_port = mig_get_reply_port(),
		    .msgh_id = 3825 },
		.body = { 1 },
		.port = { .disposition = MACH_MSG_TYPE_COPY_SEND, .type = MACH_MSG_PORT_DESCRIPTOR },
		.ndr = { 0, 1 },
		.size = { 3 * PAGE },
		.permission = MAP_MEM_NAMED_CREATE | RW };
	char *at;

	m.head.msgh_size = (mach_msg_size_t)((char *)&m.trailer - (char *)&m);
	EXPECT_EQ(mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size, sizeof(m),
		      m.head.msgh_local_port, 0, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	EXPECT_EQ(m.head.msgh_id, 3925);
	REQUIRE(m.head.msgh_bits & MACH_MSGH_BITS_COMPLEX);
	EXPECT_EQ(m.body.msgh_descriptor_count, 1);
	EXPECT_EQ(m.size[0], 3 * PAGE);
	at = mapped(m.port.name, 3 * PAGE, 0, FALSE);
	at[2 * PAGE] = 1;
	release(at, 3 * PAGE);
	drop(m.port.name);
}

static void
make_and_drop(void)
{
	mach_port_t entry = made(8 * PAGE, NULL, MAP_MEM_NAMED_CREATE | RW, MACH_PORT_NULL), none;
	mach_port_t part = made(PAGE, (void *)PAGE, RW, entry);
	char *shared = mapped(entry, 8 * PAGE, 0, FALSE), *copy;
	mach_vm_size_t size = 9 * PAGE;

	memset(shared, 1, 8 * PAGE);
	copy = mapped(part, PAGE, 0, TRUE);
	EXPECT_EQ(copy[0], 1);
	EXPECT_EQ(make(&size, NULL, RW, entry, &none), KERN_INVALID_ARGUMENT);
	release(copy, PAGE);
	release(shared, 8 * PAGE);
	drop(part);
	drop(entry);
}

#define ROUNDS 20 /* others may take memory in one; a leak is there every time */

/* Not one page, nor one element of any kind. */
TEST(nothing_is_left)
{
	static struct memory_use before, now;
	const char *kind = "";

	for (int round = 0; round < ROUNDS && kind != NULL; round++) {
		memory_use_take(&before);
		for (int i = 0; i < 50; i++) {
			make_and_drop();
		}
		memory_use_take(&now);
		kind = memory_use_grown(&before, &now);
	}
	if (kind != NULL) {
		printf("# more %s\n", kind);
		EXPECT(!"something is left behind");
	}
}
