/*
 * The pager of files whose contents lie in memory for good and never change: the ramdisk's (vop_contents).
 *
 * A page of the file that is a whole, aligned page of the ramdisk is used in place: programs run from the
 * memory that the boot loader filled, and nothing is copied. The image builder aligns the files where that pays
 * (toolchain/image). Any other page, and the last one, whose rest must be zero, is copied when it is first
 * asked for.
 *
 * File systems with files that change have file objects of their own (vop_object).
 */
#include <bsd/vfs/vnode_pager.h>

#include <bsd/vfs/vnode.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>

/* Lives as long as the machine, like the vnode. */
struct memory_pager {
	struct vm_pager mp_pager;
	const uint8_t *mp_data;
	size_t mp_size; /* bytes */
};

/* Memory in which pages may be used in place. Set by vnode_pager_adopt; page-aligned. */
static const uint8_t *adopted_start, *adopted_end;

void
vnode_pager_adopt(const void *start, size_t size)
{
	adopted_start = (const uint8_t *)round_page((vm_offset_t)start);
	adopted_end = (const uint8_t *)trunc_page((vm_offset_t)start + size);
	if (adopted_start < adopted_end) {
		vm_page_adopt_boot_range(
		    kvtophys((vm_offset_t)adopted_start), kvtophys((vm_offset_t)adopted_end));
	}
}

/* The page of `size` bytes at data, in place if it can be. */
static vm_page_t
memory_page(const uint8_t *data, size_t size)
{
	vm_page_t page;

	if (size == PAGE_SIZE && page_aligned((vm_offset_t)data) && data >= adopted_start &&
	    data < adopted_end) {
		page = vm_page_from_kva(data);
		vm_page_ref(page);
		return page;
	}
	page = size == PAGE_SIZE ? vm_page_grab() : vm_page_grab_zero();
	if (page != VM_PAGE_NULL) {
		memcpy(vm_page_kva(page), data, size);
	}
	return page;
}

static kern_return_t
memory_data_request(struct vm_pager *pager, uint64_t index, vm_page_t *page)
{
	const struct memory_pager *mp = os_containerof(pager, struct memory_pager, mp_pager);
	uint64_t offset = ptoa(index);

	assert(offset < mp->mp_size);
	*page = memory_page(mp->mp_data + offset, os_min(mp->mp_size - offset, PAGE_SIZE));
	return *page != VM_PAGE_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static const struct vm_pager_ops memory_pager_ops = {
	.vpo_name = "memory",
	.vpo_data_request = memory_data_request,
	.vpo_immediate = true,
};

static int
memory_object_create(vnode_t vp, vm_object_t *object)
{
	struct memory_pager *mp;
	const void *data;
	size_t size;
	int error = vnode_contents(vp, &data, &size);

	if (error != 0) {
		return error;
	}
	mp = kalloc_flags(sizeof(*mp), Z_WAIT);
	if (mp == NULL) {
		return ENOMEM;
	}
	*mp = (struct memory_pager){ .mp_pager = { &memory_pager_ops }, .mp_data = data, .mp_size = size };
	*object = vm_object_create_file(&mp->mp_pager, size, atop(size + PAGE_MASK), VO_PERMANENT);
	if (*object == VM_OBJECT_NULL) {
		kfree(mp, sizeof(*mp));
		return ENOMEM;
	}
	return 0;
}

/* One of several makers wins; the others' objects have nothing in them. */
static void
memory_object_discard(vm_object_t object)
{
	struct memory_pager *mp = os_containerof(object->vo_pager, struct memory_pager, mp_pager);

	vm_object_destroy_file(object);
	kfree(mp, sizeof(*mp));
}

int
vnode_object(vnode_t vp, vm_object_t *object)
{
	vm_object_t made, found;
	int error;

	if (vp->v_ops->vop_object != NULL) {
		return vp->v_ops->vop_object(vp, object);
	}
	found = os_atomic_load(&vp->v_object, acquire); /* pairs with the exchange below */
	if (found == VM_OBJECT_NULL) {
		error = memory_object_create(vp, &made);
		if (error != 0) {
			return error;
		}
		/* Release: the object is complete before it is found. */
		if (os_atomic_cmpxchgv(&vp->v_object, VM_OBJECT_NULL, made, &found, acq_rel)) {
			found = made;
		} else {
			memory_object_discard(made);
		}
	}
	*object = found;
	return 0;
}
