/*
 * The POSIX memory calls over vm_map: anonymous mappings, private or shared with what is forked later,
 * unmapping, protection. Mapping files comes with the pager.
 */
#include <bsd/kern/proc.h>

#include <mach/vm_statistics.h>
#include <sys/errno.h>
#include <sys/mman.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>

#define MMAP_FLAGS (MAP_PRIVATE | MAP_SHARED | MAP_FIXED | MAP_ANON | MAP_NORESERVE)

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

/* fd without a file: -1, or VM flags of which only the tag in the top byte is known. */
static bool
mmap_arguments_ok(user_addr_t addr, size_t len, int prot, int flags, int fd)
{
	const int kind = flags & (MAP_PRIVATE | MAP_SHARED);
	vm_map_offset_t start, end;

	return len != 0 && kind != (MAP_PRIVATE | MAP_SHARED) &&
	       (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) == 0 &&
	       (fd == -1 || ((uint32_t)fd << 8) == 0) && ((flags & MAP_FIXED) == 0 || page_aligned(addr)) &&
	       user_pages(addr, len, &start, &end);
}

sysret_t
sys_mmap(user_addr_t addr, size_t len, int prot, int flags, int fd, int64_t pos)
{
	vm_map_offset_t at = trunc_page(addr);
	int place = (flags & MAP_FIXED) != 0 ? VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE : VM_FLAGS_ANYWHERE;
	unsigned tag = fd == -1 ? 0 : (uint32_t)fd >> 24;
	vm_inherit_t inherit = (flags & MAP_SHARED) != 0 ? VM_INHERIT_SHARE : VM_INHERIT_COPY;
	kern_return_t kr;

	if ((flags & MAP_ANON) == 0) {
		return (sysret_t){ .error = ENODEV };
	}
	if ((flags & ~MMAP_FLAGS) != 0) {
		return (sysret_t){ .error = ENOTSUP };
	}
	if (!mmap_arguments_ok(addr, len, prot, flags, fd)) {
		return (sysret_t){ .error = EINVAL };
	}
	kr = vm_map_enter(current_task()->map, &at, round_page(len), 0, place | (int)VM_MAKE_TAG(tag),
	    VM_OBJECT_NULL, 0, false, prot, VM_PROT_ALL, inherit);
	return (sysret_t){ .value = (int64_t)at, .error = mach_errno(kr) };
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

/* Advice about pages that are never paged out changes nothing. */
sysret_t
sys_madvise(user_addr_t addr, size_t len, int advice)
{
	vm_map_offset_t start, end;

	if (advice < 0 || !user_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = 0 };
}
