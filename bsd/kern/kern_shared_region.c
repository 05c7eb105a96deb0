/*
 * shared_region_check_np, shared_region_map_and_slide_2_np: how the dynamic linker finds and fills the shared region
 * (<mach/shared_region.h>).
 *
 * The region is filled once, by the superuser. Pointers in the files are not adjusted: a mapping that asks for it is
 * refused with ENOTSUP.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>
#include <bsd/vfs/vnode_pager.h>

#include <arm64/copyio.h>
#include <kern/task.h>
#include <kern/zalloc.h>
#include <mach/shared_region.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/sysproto.h>
#include <vm/vm_object.h>
#include <vm/vm_shared_cache.h>

#define FILES_MAX 64U

sysret_t
sys_shared_region_check_np(user_addr_t start_address)
{
	vm_map_offset_t start;

	if (!vm_shared_region_start(current_task()->map, &start)) {
		return (sysret_t){ .error = ENOMEM };
	}
	return (sysret_t){ .error = copyout(&start, start_address, sizeof(start)) };
}

/* What one call brings, in the kernel's memory. */
struct request {
	uint32_t files_count, mappings_count;
	struct shared_file_np files[FILES_MAX];
	struct shared_file_mapping_slide_np wanted[VM_SHARED_MAPPINGS_MAX];
	struct vm_shared_mapping mappings[VM_SHARED_MAPPINGS_MAX];
	uint32_t done; /* mappings whose file is referenced */
};

static int
request_copyin(struct request *r, user_addr_t files, user_addr_t mappings)
{
	int error = copyin(files, r->files, r->files_count * sizeof(r->files[0]));

	return error != 0 ? error : copyin(mappings, r->wanted, r->mappings_count * sizeof(r->wanted[0]));
}

/* Whole pages; rights as the interface has them, of which the map knows three. */
static int
mapping_make(const struct shared_file_mapping_slide_np *w, uint32_t slide, struct vm_shared_mapping *m)
{
	const vm_prot_t known = VM_PROT_ALL | VM_PROT_COW | VM_PROT_ZF | VM_PROT_NOAUTH;
	const vm_prot_t either = w->sms_init_prot | w->sms_max_prot;
	vm_map_offset_t start;

	if (w->sms_slide_size != 0 || (either & VM_PROT_SLIDE)) {
		return ENOTSUP;
	}
	if ((either & ~known) || ((either & VM_PROT_WRITE) && !(either & (VM_PROT_COW | VM_PROT_ZF))) ||
	    os_add_overflow(w->sms_address, (uint64_t)slide, &start) || w->sms_size == 0 ||
	    w->sms_size > SHARED_REGION_SIZE || start > UINT64_MAX - SHARED_REGION_SIZE - PAGE_SIZE) {
		return EINVAL;
	}
	*m = (struct vm_shared_mapping){
		.start = start,
		.end = round_page(start + w->sms_size),
		.offset = w->sms_file_offset,
		.prot = w->sms_init_prot & VM_PROT_ALL,
		.max_prot = w->sms_max_prot & VM_PROT_ALL,
	};
	return 0;
}

/* The object of an open file, referenced. */
static int
file_object(int fd, vm_object_t *object)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int error = EINVAL;
	vnode_t vp;

	if (fp == NULL) {
		return EBADF;
	}
	vp = fp->f_data;
	if (fp->f_type == FILE_VNODE && vp->v_type == VREG) {
		error = (fp->f_flag & FREAD) != 0 ? vnode_object(vp, object) : EPERM;
	}
	file_rele(fp);
	return error;
}

/* The mappings of one file, from request mapping `done` on. */
static int
request_file(struct request *r, const struct shared_file_np *file)
{
	if (file->sf_mappings_count > r->mappings_count - r->done) {
		return EINVAL;
	}
	for (uint32_t i = 0; i < file->sf_mappings_count; i++) {
		const struct shared_file_mapping_slide_np *w = &r->wanted[r->done];
		struct vm_shared_mapping *m = &r->mappings[r->done];
		int error = mapping_make(w, file->sf_slide, m);

		if (error == 0 && !((w->sms_init_prot | w->sms_max_prot) & VM_PROT_ZF)) {
			error = file_object(file->sf_fd, &m->file);
		}
		if (error != 0) {
			return error;
		}
		r->done++;
	}
	return 0;
}

static int
request_make(struct request *r)
{
	for (uint32_t i = 0; i < r->files_count; i++) {
		int error = request_file(r, &r->files[i]);

		if (error != 0) {
			return error;
		}
	}
	return r->done == r->mappings_count ? 0 : EINVAL;
}

static void
request_release(struct request *r)
{
	for (uint32_t i = 0; i < r->done; i++) {
		if (r->mappings[i].file != NULL) {
			vm_object_deallocate(r->mappings[i].file);
		}
	}
}

static int
request_fill(const struct request *r)
{
	switch (vm_shared_region_fill(r->mappings, r->mappings_count)) {
	case KERN_SUCCESS:
		return 0;
	case KERN_RESOURCE_SHORTAGE:
		return ENOMEM;
	default:
		return EINVAL;
	}
}

sysret_t
sys_shared_region_map_and_slide_2_np(
    uint32_t files_count, user_addr_t files, uint32_t mappings_count, user_addr_t mappings)
{
	struct request *r;
	int error;

	if (current_proc()->p_ucred.cr_uid != 0) {
		return (sysret_t){ .error = EPERM };
	}
	if (files_count == 0 || files_count > FILES_MAX || mappings_count == 0 ||
	    mappings_count > VM_SHARED_MAPPINGS_MAX) {
		return (sysret_t){ .error = EINVAL };
	}
	r = kalloc_flags(sizeof(*r), Z_WAIT);
	if (r == NULL) {
		return (sysret_t){ .error = ENOMEM };
	}
	*r = (struct request){ .files_count = files_count, .mappings_count = mappings_count };
	error = request_copyin(r, files, mappings);
	if (error == 0) {
		error = request_make(r);
	}
	if (error == 0) {
		error = request_fill(r);
	}
	request_release(r);
	kfree(r, sizeof(*r));
	return (sysret_t){ .error = error };
}
