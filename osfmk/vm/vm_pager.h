/*
 * Pagers: where the pages of a file come from.
 *
 * A file system gives each file that is mapped or cached a file object (vm_object.h) with a pager. The slots of
 * that object are the one cache of the file's pages: read and write go through them (vm_object_hold_page), a
 * shared mapping maps them, and private mappings shadow them. The virtual memory asks the pager for a page whose
 * slot is empty, and tells it when the object is gone; the file system tells the object when the file's size
 * changes. Nothing else passes between them.
 *
 * Faults take no lock on the file. A fault on a private mapping reads the file object's slot without locking it
 * and installs the translation, all in one SMR section; no processor that runs the same program as another
 * writes a line that the other one reads. In exchange, whoever takes a page out of a file object does it in four
 * steps:
 *	[E1] the slots are emptied: a later fault does not find the page
 *	[E2] a grace period: every fault that found it has installed it
 *	[E3] the translations go, in every map that has the object or a shadow of it. There are no reverse maps,
 *	     which every fault would have to keep: the maps are searched, and only if somebody but the file
 *	     system has a reference to the object
 *	[E4] the pages are released
 * Truncation does it, and eviction of clean pages. A page that was put into the slot between [E1] and [E3] may
 * lose its translations: they come back by a fault.
 *
 * What two processors share when they map the same file is the object's reference count: once a mapping, not
 * once a fault, and not at all when the file lives as long as the machine (VO_PERMANENT: the programs of the
 * ramdisk). Forks share the shadow and do not touch the file object.
 *
 * Dirty pages. A page that data_request has brought is VM_PAGE_CLEAN and is mapped without the right to write; the first
 * write, a fault or a holder's, takes the mark away. vm_object_clean gives it back: under the slot lock the
 * page is marked, then the maps lose the right to write, then its contents go to the pager. Whoever writes
 * between makes it dirty again.
 *
 * Size. A page that begins at or behind the end of the file cannot be mapped: KERN_MEMORY_ERROR, the signal
 * SIGBUS. Bytes of the last page behind the end are zero when a page is filled; what a mapping writes there is
 * not part of the file, and is zeroed when the file grows over it.
 */
#pragma once

#include <mach/kern_return.h>
#include <os/base.h>
#include <vm/vm_types.h>

struct vm_pager;

struct vm_pager_ops {
	const char *vpo_name;
	/*
	 * A page with the contents of page `index` of the file, zero behind its end, and a reference for the
	 * caller. KERN_RESOURCE_SHORTAGE; KERN_MEMORY_ERROR when it cannot be read; KERN_ABORTED if it gave up
	 * because the thread was interrupted, which asks again unless it is to end. No locks held; may block, but not
	 * for memory that programs get, unless vpo_immediate. A pager that blocks is asked for a page by one thread at a
	 * time (vm_transit.h); an immediate one by all that want it, and one answer is kept.
	 */
	kern_return_t (*vpo_data_request)(struct vm_pager *pager, uint64_t index, vm_page_t *page);
	/*
	 * Writes the page's contents, which may change meanwhile, to the file: to be what data_request brings from then
	 * on. What is behind the file's end is not part of it. KERN_SUCCESS, or KERN_MEMORY_ERROR: the page stays as it
	 * is, and is tried again some time. No locks held; may block, but not for memory that programs get. One call
	 * for a page at a time, and none while it is requested. NULL: the file cannot change, or vpo_only_copy.
	 */
	kern_return_t (*vpo_data_return)(struct vm_pager *pager, uint64_t index, vm_page_t page);
	/* The last reference to the object is gone; its pages are freed. NULL: nothing to do. May block. */
	void (*vpo_terminate)(struct vm_pager *pager);
	bool vpo_immediate; /* data_request never blocks and is called with preemption off */
	bool vpo_only_copy; /* the pages in the slots are the file: page-out compresses them in place */
};

/* Embedded in what the file system has for a file. */
struct vm_pager {
	const struct vm_pager_ops *vp_ops; /* const */
};

/*
 * A file object for a file of `size` bytes that may grow to max_npages pages. One reference, the file system's;
 * NULL when memory is exhausted. flags: VO_PERMANENT, VO_WRITE_SHARED (the file can change).
 */
vm_object_t vm_object_create_file(struct vm_pager *pager, uint64_t size, uint64_t max_npages, uint32_t flags);

/* A VO_PERMANENT object after all goes: nobody has ever mapped it or filled a slot. */
void vm_object_destroy_file(vm_object_t file);

/*
 * The file has `size` bytes now. A shorter one loses the pages behind its end, in every mapping, and the rest of
 * its last page becomes zero. The file system serialises calls. May block; no locks that data_request or a fault
 * on the caller's own memory needs.
 */
void vm_object_resize(vm_object_t file, uint64_t size);

/*
 * Has the pager write the pages of [start, end) that were written to since it has seen them. The first error; pages with
 * errors remain to be written. May block; no locks held.
 */
kern_return_t vm_object_clean(vm_object_t file, uint64_t start, uint64_t end);

/* Is what is in a page of the object nowhere else? Of a file that cannot change it never is. */
bool vm_object_page_is_dirty(vm_object_t object, vm_page_t page);

/*
 * Drops the pages of [start, end) from the cache, in every mapping. They must be such that the pager can bring
 * them again. May block.
 */
void vm_object_evict(vm_object_t file, uint64_t start, uint64_t end);

/*
 * Fills the slot of page `index`, if it is empty, from the pager. KERN_MEMORY_ERROR: behind the end of the file,
 * or not readable; KERN_RESOURCE_SHORTAGE. Blocks if the pager does.
 */
kern_return_t vm_object_page_in(vm_object_t file, uint64_t index);
