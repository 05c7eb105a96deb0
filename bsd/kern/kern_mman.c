/*
 * The POSIX memory calls over vm_map: anonymous mappings, unmapping, protection. Mapping files comes with
 * the pager; MAP_SHARED anonymous memory with shared objects.
 */
#include <bsd/kern/proc.h>

#include <mach/vm_statistics.h>
#include <sys/errno.h>
#include <sys/mman.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>

#define MMAP_FLAGS (MAP_PRIVATE | MAP_FIXED | MAP_ANON | MAP_NORESERVE)

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

sysret_t
sys_mmap(user_addr_t addr, size_t len, int prot, int flags, int fd, int64_t pos)
{
	vm_map_offset_t start, end;
	bool fixed = (flags & MAP_FIXED) != 0;
	unsigned tag = fd == -1 ? 0 : (uint32_t)fd >> 24;
	kern_return_t kr;

	if ((flags & MAP_ANON) == 0) {
		return (sysret_t){ .error = ENODEV };
	}
	if ((flags & (MAP_PRIVATE | MAP_SHARED)) == MAP_SHARED || (flags & ~(MMAP_FLAGS | MAP_SHARED)) != 0) {
		return (sysret_t){ .error = ENOTSUP };
	}
	if (len == 0 || (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0 ||
	    (fixed && !page_aligned(addr)) || !user_pages(addr, len, &start, &end) ||
	    (fd != -1 && ((uint32_t)fd & 0x00ffffffU) != 0)) {
		return (sysret_t){ .error = EINVAL };
	}
	end = start + round_page(len);
	addr = start;
	kr = vm_map_enter(current_task()->map, &addr, end - start, 0,
	    (fixed ? VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE : VM_FLAGS_ANYWHERE) | (int)VM_MAKE_TAG(tag),
	    VM_OBJECT_NULL, 0, false, prot, VM_PROT_ALL, VM_INHERIT_DEFAULT);
	return (sysret_t){ .value = (int64_t)addr, .error = mach_errno(kr) };
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
