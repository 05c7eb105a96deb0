/*
 * Mapping a Mach-O image and replacing a process's program. See exec.h for the steps.
 *
 * The segments are private mappings of the file (vm/vm_pager.h): pages that nobody writes to are the file's own,
 * the same in all processes that run it. The bytes of a last page that lie behind a segment's end belong to
 * something else in the file and must not be seen: such a page is a copy.
 *
 * Randomness: image, stack and heap each slide by 2^14 pages at most (256 MiB), so that image and stack keep
 * apart in the 1.75 GiB between 0x100000000 and 0x16fe00000. The boot argument aslr=0 takes that from all programs,
 * POSIX_SPAWN_DISABLE_ASLR from one and what it starts. The memory of the stack is rounded to what a slot of
 * the map's index covers (STACK_ALIGN), where a stack at any page would take some hundred slots.
 */
#include <bsd/kern/exec.h>
#include <bsd/kern/pthread_workq.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <bsd/kern/kern_random.h>
#include <bsd/kern/proc.h>
#include <bsd/kern/uio.h>
#include <bsd/vfs/vnode.h>
#include <bsd/vfs/vnode_pager.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <pexpert/pexpert.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/sysproto.h>
#include <vm/pmap.h>
#include <vm/vm_map.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_pageout.h>

#define STACK_TOP  0x16fe00000ULL
#define HEAP_BASE  0x300000000ULL
#define SLIDE_BITS 14

#define STACK_ALIGN (64 * PAGE_SIZE) /* bytes: the second level of vm_map_index.h */

_Static_assert(MACHO_PAGE_SIZE == PAGE_SIZE, "the parser aligns to the machine's pages");
_Static_assert(MACHO_VM_LIMIT == MACH_VM_MAX_ADDRESS, "the parser keeps to the user address space");
_Static_assert(MACHO_PROT_READ == VM_PROT_READ && MACHO_PROT_WRITE == VM_PROT_WRITE &&
		   MACHO_PROT_EXECUTE == VM_PROT_EXECUTE,
    "the parser's protections are the VM's");

static int
macho_errno(enum macho_result result)
{
	switch (result) {
	case MACHO_OK:
		return 0;
	case MACHO_NOT_MACHO:
	case MACHO_NOT_EXEC:
		return ENOEXEC;
	case MACHO_WRONG_ARCH:
		return EBADARCH;
	case MACHO_DYNAMIC:
		return ENOEXEC;
	case MACHO_TRUNCATED:
	case MACHO_MALFORMED:
		break;
	}
	return EBADMACHO;
}

/* ---- Opening ---- */

static int
vnode_read_exact(vnode_t vp, void *buf, size_t size, size_t *got)
{
	struct uio uio = {
		.uio_base = (uintptr_t)buf, .uio_resid = size, .uio_rw = UIO_READ, .uio_seg = UIO_SYSSPACE
	};
	int error = vnode_read(vp, &uio);

	*got = size - uio.uio_resid;
	return error;
}

/* Reads the load commands and parses them. */
static int
exec_image_parse(struct exec_image *image, uint64_t file_size)
{
	uint8_t start[32];
	size_t got, needed;
	enum macho_result result;
	void *header;
	int error = vnode_read_exact(image->ei_vp, start, sizeof(start), &got);

	if (error != 0) {
		return error;
	}
	result = macho_header_size(start, got, &needed);
	if (result != MACHO_OK) {
		return macho_errno(result);
	}
	header = kalloc(needed);
	if (header == NULL) {
		return ENOMEM;
	}
	error = vnode_read_exact(image->ei_vp, header, needed, &got);
	if (error == 0) {
		error = macho_errno(macho_parse(header, got, file_size, &image->ei_macho));
	}
	kfree(header, needed);
	return error;
}

static int
exec_image_open(struct exec_image *image, struct proc *p, const char *path)
{
	struct vnode_attr attr;
	int error;

	image->ei_vp = NULL;
	image->ei_map = VM_MAP_NULL;
	error = vfs_lookup(p->p_rdir, p->p_cdir, path, LOOKUP_FOLLOW, &image->ei_vp);
	if (error == 0) {
		error = vnode_getattr(image->ei_vp, &attr);
	}
	if (error == 0 && (image->ei_vp->v_type != VREG || (attr.va_mode & 0111) == 0)) {
		error = EACCES;
	}
	if (error == 0) {
		image->ei_size = attr.va_size;
		error = exec_image_parse(image, attr.va_size);
	}
	if (error != 0) {
		exec_image_destroy(image);
	}
	return error;
}

void
exec_image_destroy(struct exec_image *image)
{
	if (image->ei_map != VM_MAP_NULL) {
		vm_map_deallocate(image->ei_map);
		image->ei_map = VM_MAP_NULL;
	}
	if (image->ei_vp != NULL) {
		vnode_rele(image->ei_vp);
		image->ei_vp = NULL;
	}
}

/* ---- Mapping ---- */

/* Which of the slides that one random number is enough for. */
enum { SLIDE_IMAGE, SLIDE_STACK, SLIDE_HEAP };

static bool aslr_off; /* the boot argument; const after exec_init */

void
exec_init(void)
{
	uint64_t on = 1;

	aslr_off = pe_boot_arg_number("aslr", &on) && on == 0;
}

/* Bytes: a whole number of pages. */
static uint64_t
random_slide(uint64_t random, unsigned which)
{
	return ptoa((random >> which * SLIDE_BITS) & ((1ULL << SLIDE_BITS) - 1));
}

/*
 * The objects behind the segments: shadows of the file. One is for all segments that nobody can write to; each
 * other one has its own, so that after a fork the first write to one leaves the others alone.
 */
struct exec_file {
	vm_object_t file;
	vm_object_t text;  /* shadow for what is not writable; NULL before the first */
	uint64_t text_end; /* bytes of the file that are mapped through it: pages are mapped once */
	uint64_t size;     /* bytes */
};

static kern_return_t
map_data_pages(
    vm_map_t map, const struct macho_segment *seg, uint64_t addr, uint64_t size, const struct exec_file *ef)
{
	return vm_map_enter_file(map, &addr, size, VM_FLAGS_FIXED, ef->file, seg->fileoff, false,
	    seg->initprot, seg->maxprot, VM_INHERIT_COPY);
}

static kern_return_t
map_text_pages(
    vm_map_t map, const struct macho_segment *seg, uint64_t addr, uint64_t size, struct exec_file *ef)
{
	if (ef->text == VM_OBJECT_NULL) {
		ef->text = vm_object_create_shadow(ef->file, 0, atop(round_page(ef->size)));
		if (ef->text == VM_OBJECT_NULL) {
			return KERN_RESOURCE_SHORTAGE;
		}
	}
	ef->text_end = seg->fileoff + size;
	return vm_map_enter_private(map, &addr, size, 0, VM_FLAGS_FIXED, ef->text, seg->fileoff,
	    seg->initprot, seg->maxprot, VM_INHERIT_COPY);
}

static kern_return_t
map_file_pages(
    vm_map_t map, const struct macho_segment *seg, uint64_t addr, uint64_t size, struct exec_file *ef)
{
	if (size == 0) {
		return KERN_SUCCESS;
	}
	if ((seg->maxprot & VM_PROT_WRITE) || seg->fileoff < ef->text_end) {
		return map_data_pages(map, seg, addr, size, ef);
	}
	return map_text_pages(map, seg, addr, size, ef);
}

static kern_return_t
map_zero_pages(vm_map_t map, const struct macho_segment *seg, uint64_t addr, uint64_t size)
{
	if (size == 0) {
		return KERN_SUCCESS;
	}
	return vm_map_enter(map, &addr, size, 0, VM_FLAGS_FIXED, VM_OBJECT_NULL, 0, false, seg->initprot,
	    seg->maxprot, VM_INHERIT_COPY);
}

/* A private page with `size` bytes of a page of the file and zeros behind them. */
static kern_return_t
copy_file_page(vm_object_t file, uint64_t index, size_t size, vm_page_t *copy)
{
	vm_page_t page;
	kern_return_t kr = vm_object_hold_page(file, index, &page);

	if (kr != KERN_SUCCESS) {
		return kr;
	}
	*copy = vm_page_grab_zero();
	if (*copy != VM_PAGE_NULL) {
		memcpy(vm_page_kva(*copy), vm_page_kva(page), size);
	}
	vm_object_release_page(page);
	return *copy != VM_PAGE_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* The last, partial page of a segment in the middle of a file: what follows there is not the segment's. */
static kern_return_t
map_partial_page(
    vm_map_t map, const struct macho_segment *seg, uint64_t addr, uint64_t offset, const struct exec_file *ef)
{
	vm_object_t object = vm_object_allocate(1);
	vm_page_t page;
	kern_return_t kr = KERN_RESOURCE_SHORTAGE;

	if (object != VM_OBJECT_NULL) {
		kr = copy_file_page(ef->file, atop(seg->fileoff + offset), seg->filesize - offset, &page);
	}
	if (kr == KERN_SUCCESS) {
		kr = vm_object_insert(object, 0, page);
		if (kr != KERN_SUCCESS) {
			vm_page_release(page);
		}
	}
	if (kr == KERN_SUCCESS) {
		kr = vm_map_enter_private(map, &addr, PAGE_SIZE, 0, VM_FLAGS_FIXED, object, 0, seg->initprot,
		    seg->maxprot, VM_INHERIT_COPY);
	}
	if (object != VM_OBJECT_NULL) {
		vm_object_deallocate(object);
	}
	return kr;
}

static kern_return_t
map_segment(struct exec_image *image, const struct macho_segment *seg, struct exec_file *ef)
{
	vm_map_t map = image->ei_map;
	uint64_t addr = seg->vmaddr + image->ei_slide;
	uint64_t whole = trunc_page(seg->filesize), mapped = round_page(seg->filesize);
	kern_return_t kr;

	/* The file's last page is zero behind its end. */
	if (seg->fileoff + seg->filesize == ef->size) {
		whole = mapped;
	}
	kr = map_file_pages(map, seg, addr, whole, ef);
	if (kr == KERN_SUCCESS && mapped != whole) {
		kr = map_partial_page(map, seg, addr + whole, whole, ef);
	}
	if (kr == KERN_SUCCESS) {
		kr = map_zero_pages(map, seg, addr + mapped, seg->vmsize - mapped);
	}
	return kr;
}

static int
exec_map_segments(struct exec_image *image)
{
	struct exec_file ef = { .size = image->ei_size };
	kern_return_t kr = KERN_SUCCESS;
	int error = vnode_object(image->ei_vp, &ef.file);

	if (error != 0) {
		return error;
	}
	for (unsigned i = 0; kr == KERN_SUCCESS && i < image->ei_macho.nsegments; i++) {
		kr = map_segment(image, &image->ei_macho.segments[i], &ef);
	}
	if (ef.text != VM_OBJECT_NULL) {
		vm_object_deallocate(ef.text); /* the entries have their own references */
	}
	vm_object_deallocate(ef.file);
	return kr == KERN_SUCCESS ? 0 : ENOMEM;
}

/* The stack, and below it memory that nobody can have. */
static int
exec_map_stack(struct exec_image *image, uint64_t random)
{
	uint64_t size = image->ei_macho.stack_size, base, end;
	kern_return_t kr;

	if (size == 0) {
		size = EXEC_STACK_SIZE;
	}
	if (size > EXEC_STACK_SIZE_MAX) {
		return EBADMACHO;
	}
	image->ei_stack_size = round_page(size);
	image->ei_stack_top = STACK_TOP - random_slide(random, SLIDE_STACK);
	base = os_round_down(image->ei_stack_top - image->ei_stack_size, STACK_ALIGN);
	end = os_round_up(image->ei_stack_top, STACK_ALIGN);
	image->ei_stack_low = base - STACK_ALIGN;
	kr = vm_map_enter(image->ei_map, &base, end - base, 0, VM_FLAGS_FIXED | VM_MAKE_TAG(VM_MEMORY_STACK),
	    VM_OBJECT_NULL, 0, false, VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_COPY);
	if (kr == KERN_SUCCESS) {
		kr = vm_map_enter(image->ei_map, &image->ei_stack_low, STACK_ALIGN, 0,
		    VM_FLAGS_FIXED | VM_MAKE_TAG(VM_MEMORY_STACK), VM_OBJECT_NULL, 0, false, VM_PROT_NONE,
		    VM_PROT_NONE, VM_INHERIT_COPY);
	}
	return kr == KERN_SUCCESS ? 0 : ENOMEM;
}

static int
exec_create_map(struct exec_image *image, uint64_t random)
{
	pmap_t pmap = pmap_create();

	if (pmap == PMAP_NULL) {
		return ENOMEM;
	}
	image->ei_map = vm_map_create(pmap, image->ei_macho.pagezero_size, MACH_VM_MAX_ADDRESS);
	if (image->ei_map == VM_MAP_NULL) {
		pmap_destroy(pmap);
		return ENOMEM;
	}
	vm_map_set_search_base(image->ei_map, HEAP_BASE + random_slide(random, SLIDE_HEAP));
	return 0;
}

static int
exec_image_map(struct exec_image *image)
{
	struct macho_image *macho = &image->ei_macho;
	bool aslr = !aslr_off && !image->ei_no_aslr;
	uint64_t random = aslr ? read_random_u64() : 0;
	int error = exec_create_map(image, random);

	image->ei_slide = macho->pie ? random_slide(random, SLIDE_IMAGE) : 0;
	if (macho->vm_high > MACHO_VM_LIMIT - image->ei_slide) {
		image->ei_slide = 0;
	}
	image->ei_entry = macho->entry + image->ei_slide;
	if (error == 0) {
		vm_map_set_random(image->ei_map, aslr);
		error = exec_map_segments(image);
	}
	if (error == 0) {
		error = exec_map_stack(image, random);
	}
	return error;
}

/* ---- Starting ---- */

void
exec_image_start_state(const struct exec_image *image, thread_t thread)
{
	struct arm_saved_state *frame = thread_frame(thread);

	machine_thread_init_user(thread);
	frame->pc = image->ei_entry;
	frame->sp = image->ei_sp;
	machine_thread_frame_changed(thread);
}

void
exec_begin(struct proc *p, thread_t thread, const struct exec_image *image, const struct exec_args *args)
{
	filedesc_close(&p->p_fd, false);
	sigacts_exec(p);
	p->p_pthread = (struct pthread_registration){ 0 };
	p->p_stack_top = image->ei_stack_top;
	os_atomic_or(&p->p_flag, P_EXEC | (image->ei_no_aslr ? P_NO_ASLR : 0), relaxed);
	proc_set_name(p, args->ea_path);
	exec_image_start_state(image, thread);
}

/* The point of no return: the calling process, single-threaded, gives up its old address space. */
static void
exec_replace(struct exec_image *image, const struct exec_args *args)
{
	struct proc *p = current_proc();
	vm_map_t old;

	workq_leave(p); /* whoever made a thread for it used the old address space */
	old = task_swap_map(p->p_task, current_thread(), image->ei_map);
	image->ei_map = VM_MAP_NULL;
	vm_map_deallocate(old);
	exec_begin(p, current_thread(), image, args);
}

static int
image_make(struct exec_image *image, struct proc *p, const struct exec_args *args)
{
	int error = exec_image_open(image, p, args->ea_path);

	image->ei_no_aslr = args->ea_no_aslr || (os_atomic_load(&p->p_flag, relaxed) & P_NO_ASLR) != 0;
	if (error == 0) {
		error = exec_image_map(image);
	}
	if (error == 0) {
		error = exec_image_stack(image, args, 0);
	}
	if (error != 0) {
		exec_image_destroy(image);
	}
	return error;
}

int
exec_image_make(struct exec_image *image, struct proc *p, const struct exec_args *args)
{
	return vm_shortage_retry(image_make(image, p, args), ENOMEM, false);
}

int
exec_current(struct exec_args *args)
{
	struct exec_image image;
	int error = exec_image_make(&image, current_proc(), args);

	/* Another thread that is ending the process, or exec'ing, has gone first. */
	if (error == 0 && task_halt_other_threads(current_task()) != KERN_SUCCESS) {
		error = EINTR;
	}
	if (error == 0) {
		exec_replace(&image, args);
	}
	exec_image_destroy(&image);
	return error;
}

sysret_t
sys_execve(user_addr_t path, user_addr_t argv, user_addr_t envp)
{
	struct exec_args args;
	size_t done;
	int error = exec_args_init(&args);

	if (error == 0) {
		error = copyinstr(path, args.ea_path, sizeof(args.ea_path), &done);
	}
	if (error == 0) {
		error = exec_args_copyin(&args, argv, envp);
	}
	if (error == 0) {
		error = exec_current(&args);
	}
	exec_args_destroy(&args);
	return (sysret_t){ .error = error == 0 ? EJUSTRETURN : error };
}
