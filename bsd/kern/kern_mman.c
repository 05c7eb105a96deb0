/*
 * The POSIX memory calls over vm_map: anonymous mappings, private or shared with what is forked later, files,
 * unmapping, protection, synchronisation.
 *
 * A mapping of a file holds the file's pages (vm/vm_pager.h), not the descriptor and not the vnode: it stays
 * what it is when the file is closed or loses its name.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>
#include <bsd/vfs/vnode_pager.h>

#include <arm64/copyio.h>
#include <mach/vm_statistics.h>
#include <mach/vm_sync.h>
#include <sys/errno.h>
#include <sys/mman.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>
#include <vm/vm_object.h>
#include <vm/vm_user.h>

#define MMAP_FLAGS (MAP_PRIVATE | MAP_SHARED | MAP_FIXED | MAP_ANON | MAP_NORESERVE | MMAP_HINTS)

/* What changes nothing here: how the pages are used, and promises about them. */
#define MMAP_HINTS                                                                                      \
	(MAP_NOEXTEND | MAP_HASSEMAPHORE | MAP_NOCACHE | MAP_RESILIENT_CODESIGN | MAP_RESILIENT_MEDIA | \
	    MAP_UNIX03)
#define MAP_UNIX03 0x40000 /* the C library's mark of a caller that wants POSIX errors: they all get those */

static int
mach_errno(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_INVALID_ADDRESS:
	case KERN_NO_SPACE:
	case KERN_RESOURCE_SHORTAGE:
		return ENOMEM;
	case KERN_PROTECTION_FAILURE:
		return EACCES;
	default:
		return EINVAL;
	}
}

/* The whole pages of a range; false when it wraps or leaves the address space. */
static bool
user_pages(user_addr_t addr, size_t len, vm_map_offset_t *start, vm_map_offset_t *end)
{
	if (os_add_overflow(addr, len, end) || *end > MACH_VM_MAX_ADDRESS) {
		return false;
	}
	*start = trunc_page(addr);
	*end = round_page(*end);
	return true;
}

static bool
mmap_arguments_ok(user_addr_t addr, size_t len, int prot, int flags)
{
	const int kind = flags & (MAP_PRIVATE | MAP_SHARED);
	vm_map_offset_t start, end;

	return len != 0 && kind != (MAP_PRIVATE | MAP_SHARED) &&
	       (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) == 0 &&
	       ((flags & MAP_FIXED) == 0 || page_aligned(addr)) && user_pages(addr, len, &start, &end);
}

static int
mmap_place(int flags)
{
	return (flags & MAP_FIXED) != 0 ? VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE : VM_FLAGS_ANYWHERE;
}

/* Without a file, fd is -1, or VM flags of which only the tag in the top byte is known. */
static int
mmap_anonymous(vm_map_offset_t *at, size_t len, int prot, int flags, int fd)
{
	unsigned tag = fd == -1 ? 0 : (uint32_t)fd >> 24;
	vm_inherit_t inherit = (flags & MAP_SHARED) != 0 ? VM_INHERIT_SHARE : VM_INHERIT_COPY;

	if (fd != -1 && ((uint32_t)fd << 8) != 0) {
		return EINVAL;
	}
	return mach_errno(vm_map_enter(current_task()->map, at, round_page(len), 0,
	    mmap_place(flags) | (int)VM_MAKE_TAG(tag), VM_OBJECT_NULL, 0, false, prot, VM_PROT_ALL, inherit));
}

/* What an open file allows of a mapping. EACCES, and EINVAL or ENODEV for what cannot be mapped. */
static int
mmap_file_check(const struct file *fp, int prot, int flags, vm_prot_t *max_prot)
{
	bool shared = (flags & MAP_SHARED) != 0;
	vnode_t vp = fp->f_data;

	if (fp->f_type != FILE_VNODE || (flags & (MAP_SHARED | MAP_PRIVATE)) == 0) {
		return EINVAL;
	}
	if (vp->v_type != VREG) {
		return ENODEV;
	}
	*max_prot = VM_PROT_ALL;
	if (shared && (fp->f_flag & FWRITE) == 0) {
		*max_prot &= ~VM_PROT_WRITE;
	}
	return (fp->f_flag & FREAD) == 0 || (prot & ~*max_prot) != 0 ? EACCES : 0;
}

static int
mmap_vnode(vm_map_offset_t *at, size_t len, int prot, vm_prot_t max_prot, int flags, vnode_t vp, int64_t pos)
{
	bool shared = (flags & MAP_SHARED) != 0;
	vm_object_t object;
	kern_return_t kr;
	int error = vnode_object(vp, &object);

	if (error != 0) {
		return error == ENOTSUP ? ENODEV : error;
	}
	kr = vm_map_enter_file(current_task()->map, at, round_page(len), mmap_place(flags), object,
	    (uint64_t)pos, shared, prot, max_prot, shared ? VM_INHERIT_SHARE : VM_INHERIT_COPY);
	vm_object_deallocate(object);
	return mach_errno(kr);
}

static int
mmap_file(vm_map_offset_t *at, size_t len, int prot, int flags, int fd, int64_t pos)
{
	vm_prot_t max_prot;
	struct file *fp;
	int64_t end;
	int error;

	if (pos < 0 || !page_aligned((uint64_t)pos) || os_add_overflow(pos, (int64_t)round_page(len), &end)) {
		return EINVAL;
	}
	fp = fd_lookup(&current_proc()->p_fd, fd);
	if (fp == NULL) {
		return EBADF;
	}
	error = mmap_file_check(fp, prot, flags, &max_prot);
	if (error == 0) {
		error = mmap_vnode(at, len, prot, max_prot, flags, fp->f_data, pos);
	}
	file_rele(fp);
	return error;
}

sysret_t
sys_mmap(user_addr_t addr, size_t len, int prot, int flags, int fd, int64_t pos)
{
	vm_map_offset_t at = trunc_page(addr);
	int error;

	if ((flags & ~MMAP_FLAGS) != 0) {
		return (sysret_t){ .error = ENOTSUP };
	}
	if (!mmap_arguments_ok(addr, len, prot, flags)) {
		return (sysret_t){ .error = EINVAL };
	}
	error = (flags & MAP_ANON) != 0 ? mmap_anonymous(&at, len, prot, flags, fd)
					: mmap_file(&at, len, prot, flags, fd, pos);
	return (sysret_t){ .value = (int64_t)at, .error = error };
}

sysret_t
sys_munmap(user_addr_t addr, size_t len)
{
	vm_map_offset_t start, end;

	if (len == 0 || !page_aligned(addr) || !user_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = mach_errno(vm_map_remove(current_task()->map, start, end)) };
}

sysret_t
sys_mprotect(user_addr_t addr, size_t len, int prot)
{
	vm_map_offset_t start, end;

	if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0 || !page_aligned(addr) ||
	    !user_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	if (len == 0) {
		return (sysret_t){ .error = 0 };
	}
	return (
	    sysret_t){ .error = mach_errno(vm_map_protect(current_task()->map, start, end, prot, false)) };
}

/* MADV_NORMAL to MADV_ZERO. */
static const vm_behavior_t behaviors[] = {
	[MADV_NORMAL] = VM_BEHAVIOR_DEFAULT,
	[MADV_RANDOM] = VM_BEHAVIOR_RANDOM,
	[MADV_SEQUENTIAL] = VM_BEHAVIOR_SEQUENTIAL,
	[MADV_WILLNEED] = VM_BEHAVIOR_WILLNEED,
	[MADV_DONTNEED] = VM_BEHAVIOR_DONTNEED,
	[MADV_FREE] = VM_BEHAVIOR_FREE,
	[MADV_ZERO_WIRED_PAGES] = VM_BEHAVIOR_ZERO_WIRED_PAGES,
	[MADV_FREE_REUSABLE] = VM_BEHAVIOR_REUSABLE,
	[MADV_FREE_REUSE] = VM_BEHAVIOR_REUSE,
	[MADV_CAN_REUSE] = VM_BEHAVIOR_CAN_REUSE,
	[MADV_PAGEOUT] = VM_BEHAVIOR_PAGEOUT,
	[MADV_ZERO] = VM_BEHAVIOR_ZERO,
};

/* EINVAL for what is not mapped. */
sysret_t
sys_madvise(user_addr_t addr, size_t len, int advice)
{
	vm_map_offset_t start, end;
	kern_return_t kr;

	if (advice < 0 || (size_t)advice >= os_countof(behaviors) || !user_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	kr = mach_vm_behavior_set(current_task()->map, start, end - start, behaviors[advice]);
	return (sysret_t){ .error = kr == KERN_INVALID_ADDRESS ? EINVAL : mach_errno(kr) };
}

sysret_t
sys_minherit(user_addr_t addr, size_t len, int inherit)
{
	vm_map_offset_t start, end;

	if (inherit < 0 || !user_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = mach_errno(mach_vm_inherit(
			       current_task()->map, start, end - start, (vm_inherit_t)inherit)) };
}

static vm_sync_t
msync_flags(int flags)
{
	return ((flags & MS_ASYNC) ? VM_SYNC_ASYNCHRONOUS : VM_SYNC_SYNCHRONOUS) |
	       ((flags & MS_KILLPAGES) ? VM_SYNC_KILLPAGES : 0) |
	       ((flags & MS_DEACTIVATE) ? VM_SYNC_DEACTIVATE : 0);
}

/*
 * Mappings and reads of a file see the same pages at any time; what is to be done is the errors, what the file's
 * pager has yet to see, and the advice that comes with it.
 */
sysret_t
sys_msync(user_addr_t addr, size_t len, int flags)
{
	const int known = MS_ASYNC | MS_INVALIDATE | MS_KILLPAGES | MS_DEACTIVATE | MS_SYNC;
	vm_map_offset_t start, end;

	if ((flags & ~known) != 0 || (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC) ||
	    !page_aligned(addr)) {
		return (sysret_t){ .error = EINVAL };
	}
	if (!user_pages(addr, len, &start, &end) ||
	    (start != end && !vm_map_is_mapped(current_task()->map, start, end))) {
		return (sysret_t){ .error = ENOMEM };
	}
	if (mach_vm_msync(current_task()->map, start, end - start, msync_flags(flags)) == KERN_MEMORY_ERROR) {
		return (sysret_t){ .error = EIO };
	}
	return (sysret_t){ .error = 0 };
}

#define MINCORE_CHUNK 64U /* pages told at a time */

static uint8_t
mincore_page(const struct vm_map_page *page)
{
	uint8_t flags = page->file ? 0 : MINCORE_ANONYMOUS;

	if (page->present) {
		flags |= MINCORE_INCORE | (page->referenced ? MINCORE_REFERENCED : 0) |
			 (page->dirty ? MINCORE_MODIFIED : 0) | (page->refs > 1 ? MINCORE_COPIED : 0);
	} else if (page->compressed) {
		flags |= MINCORE_PAGED_OUT;
	}
	return flags;
}

static int
mincore_chunk(vm_map_t map, vm_map_offset_t at, unsigned npages, user_addr_t vec)
{
	uint8_t flags[MINCORE_CHUNK];

	for (unsigned i = 0; i < npages; i++) {
		struct vm_map_page page;

		if (vm_map_query_page(map, at + ptoa((vm_map_offset_t)i), &page) != KERN_SUCCESS) {
			return ENOMEM;
		}
		flags[i] = mincore_page(&page);
	}
	return copyout(flags, vec, npages);
}

sysret_t
sys_mincore(user_addr_t addr, size_t len, user_addr_t vec)
{
	vm_map_offset_t at, end;
	int error = 0;

	if (!user_pages(addr, len, &at, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	while (error == 0 && at < end) {
		unsigned npages = (unsigned)os_min(atop(end - at), (uint64_t)MINCORE_CHUNK);

		error = mincore_chunk(current_task()->map, at, npages, vec);
		at += ptoa((vm_map_offset_t)npages);
		vec += npages;
	}
	return (sysret_t){ .error = error };
}
