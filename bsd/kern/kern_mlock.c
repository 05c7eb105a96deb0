/*
 * mlock, munlock, mlockall, munlockall: wired memory of the calling process, over vm_map_wire.
 */
#include <bsd/kern/proc.h>

#include <sys/errno.h>
#include <sys/mman.h>
#include <sys/sysproto.h>
#include <vm/vm_map.h>

static int
wire_errno(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_RESOURCE_SHORTAGE:
		return EAGAIN;
	case KERN_PROTECTION_FAILURE:
		return EACCES;
	default:
		return ENOMEM;
	}
}

/* The pages that the range touches; false when it wraps. */
static bool
touched_pages(user_addr_t addr, size_t len, vm_map_offset_t *start, vm_map_offset_t *end)
{
	if (os_add_overflow(addr, len, end) || *end > UINT64_MAX - PAGE_SIZE) {
		return false;
	}
	*start = trunc_page(addr);
	*end = round_page(*end);
	return true;
}

sysret_t
sys_mlock(user_addr_t addr, size_t len)
{
	vm_map_offset_t start, end;

	if (len == 0) {
		return (sysret_t){ .error = 0 };
	}
	if (!touched_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = wire_errno(vm_map_wire(current_task()->map, start, end, VM_PROT_NONE)) };
}

sysret_t
sys_munlock(user_addr_t addr, size_t len)
{
	vm_map_offset_t start, end;

	if (!touched_pages(addr, len, &start, &end)) {
		return (sysret_t){ .error = EINVAL };
	}
	return (sysret_t){ .error = wire_errno(vm_map_unwire(current_task()->map, start, end)) };
}

/* Every region that is mapped now and can be read; files that all programs share are nobody's to wire. */
static kern_return_t
wire_current(vm_map_t map)
{
	struct vm_map_region region = { .end = vm_map_min(map) };

	while (region.end < vm_map_max(map) && vm_map_region(map, region.end, &region) == KERN_SUCCESS) {
		kern_return_t kr = (region.prot & VM_PROT_READ) == 0 || region.is_submap
				       ? KERN_SUCCESS
				       : vm_map_wire(map, region.start, region.end, VM_PROT_NONE);

		/* A region that has gone meanwhile needs no wiring. */
		if (kr == KERN_RESOURCE_SHORTAGE || kr == KERN_FAILURE) {
			(void)vm_map_unwire(map, vm_map_min(map), region.start);
			return kr;
		}
	}
	return KERN_SUCCESS;
}

sysret_t
sys_mlockall(int how)
{
	vm_map_t map = current_task()->map;
	kern_return_t kr = KERN_SUCCESS;

	if (how == 0 || (how & ~(MCL_CURRENT | MCL_FUTURE)) != 0) {
		return (sysret_t){ .error = EINVAL };
	}
	if ((how & MCL_CURRENT) != 0) {
		kr = wire_current(map);
	}
	if (kr == KERN_SUCCESS && (how & MCL_FUTURE) != 0) {
		vm_map_set_wire_future(map, true);
	}
	return (sysret_t){ .error = wire_errno(kr) };
}

sysret_t
sys_munlockall(int how)
{
	vm_map_t map = current_task()->map;

	(void)how;
	vm_map_set_wire_future(map, false);
	return (sysret_t){ .error = wire_errno(vm_map_unwire(map, vm_map_min(map), vm_map_max(map))) };
}
