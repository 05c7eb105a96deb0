/*
 * The start of the BSD layer, called once by kernel_bootstrap_thread when drivers have been matched:
 *
 *	random_init, ulock_init, workq_init, psem_init, proc_init	the tables; the kernel's own task becomes process 0
 *	tty_init, console_attach		the terminal on the serial port
 *	mount_root				the ramdisk, /dev on it
 *	load_init_program			process 1: its program, descriptors 0-2 on the console, and go
 *
 * Until the last step nothing here runs concurrently. A machine that cannot start process 1 has no purpose:
 * every failure is a panic that says what was missing.
 */
#include <bsd/dev/devfs.h>
#include <bsd/dev/tty.h>
#include <bsd/iokit_glue/console.h>
#include <bsd/kern/exec.h>
#include <bsd/kern/kern_random.h>
#include <bsd/kern/proc.h>
#include <bsd/kern/pthread_workq.h>
#include <bsd/kern/sysctl_internal.h>
#include <bsd/kern/ulock.h>
#include <bsd/vfs/ramfs.h>
#include <bsd/vfs/tmpfs.h>
#include <bsd/vfs/vnode_pager.h>

#include <arm64/boot_info.h>
#include <arm64/pmu.h>
#include <kern/upcalls.h>
#include <kern/zalloc.h>
#include <os/panic.h>
#include <pexpert/pexpert.h>
#include <string.h>
#include <sys/fcntl.h>

#define INIT_PATH "/sbin/launchd"

struct tty console_tty;

static struct ramfs root_fs;

static void *
ramfs_kalloc(size_t size)
{
	return kalloc_flags(size, Z_ZERO);
}

static void
mount_tmpfs(void)
{
	struct mount *mp;
	vnode_t covered = NULL;
	int error = ramfs_make_directory(&root_fs, "tmp");

	if (error == 0) {
		error = tmpfs_create(&mp);
	}
	if (error == 0) {
		error = vfs_lookup(rootvnode, rootvnode, "/tmp", LOOKUP_DIRECTORY, &covered);
	}
	if (error == 0) {
		error = vfs_mount(mp, covered);
	}
	if (error != 0) {
		panic("no /tmp: error %d", error);
	}
	vnode_rele(covered);
}

static void
mount_root(void)
{
	size_t bad = 0;
	int error;

	if (boot_info.initrd == NULL) {
		panic("no root: the machine was started without a ramdisk (-initrd)");
	}
	error = ramfs_build(&root_fs, boot_info.initrd, boot_info.initrd_size, ramfs_kalloc, &bad);
	if (error != 0) {
		panic("no root: the ramdisk is not a cpio archive (error %d at offset %zu)", error, bad);
	}
	if (bad != 0) {
		kprintf("ramdisk: damaged at offset %zu, the rest is ignored\n", bad);
	}
	vnode_pager_adopt(boot_info.initrd, boot_info.initrd_size);
	vfs_mount_root(&root_fs.rf_mount);
	error = ramfs_make_directory(&root_fs, "dev");
	if (error != 0) {
		panic("no /dev: error %d", error);
	}
	mount_tmpfs();
	kernproc->p_cdir = vnode_ref(rootvnode);
	kernproc->p_rdir = vnode_ref(rootvnode);
	devfs_mount();
}

static void
open_console(struct proc *p)
{
	struct file *fp;
	int fd, error = file_open_path(p, "/dev/console", O_RDWR, &fp);

	if (error == 0) {
		error = fd_install(&p->p_fd, fp, 0, false, &fd);
	}
	for (int to = 1; error == 0 && to <= 2; to++) {
		error = fd_dup2(&p->p_fd, fd, to);
	}
	if (error != 0) {
		panic("process 1: cannot open /dev/console: error %d", error);
	}
}

/* The image of process 1, complete but for the task it belongs to. */
static void
load_init_image(struct exec_image *image, struct exec_args *args)
{
	int error = exec_args_init(args);

	if (!pe_boot_arg_string("init", args->ea_path, sizeof(args->ea_path))) {
		strlcpy(args->ea_path, INIT_PATH, sizeof(args->ea_path));
	}
	if (error == 0) {
		error = exec_args_add(args, args->ea_path);
	}
	if (error == 0) {
		error = exec_image_make(image, kernproc, args);
	}
	if (error != 0) {
		panic("process 1: cannot execute %s: error %d", args->ea_path, error);
	}
}

/* First code of process 1's thread: the boot ends here. */
static OS_NORETURN void
enter_init_program(void *param, wait_result_t result)
{
	ml_boot_mark_user();
	(void)thread_bind_self(THREAD_CPU_ANY);
	thread_return_to_user();
}

static void
load_init_program(void)
{
	struct exec_image image;
	struct exec_args args;
	thread_t thread;
	int error;

	load_init_image(&image, &args);
	error = proc_make(kernproc, image.ei_map, &initproc, &thread);
	if (error != 0) {
		panic("process 1: cannot make it: error %d", error);
	}
	image.ei_map = VM_MAP_NULL; /* the task's now */
	exec_begin(initproc, thread, &image, &args);
	open_console(initproc);
	proc_publish(initproc, kernproc);
	release_assert(initproc->p_pid == 1);
	initproc->p_pgrp = initproc->p_session = initproc->p_pid;
	exec_image_destroy(&image);
	exec_args_destroy(&args);
	thread_set_continuation(thread, enter_init_program, NULL);
	/* ml_boot_mark_user reads the counters of the CPU it runs on: those that began with the boot are here. */
	thread_bind_unstarted(thread, THREAD_CPU_BOOT);
	thread_start(thread);
	thread_deallocate(thread);
}

void
bsd_init(void)
{
	random_init();
	ulock_init();
	workq_init();
	psem_init();
	sysctl_init();
	proc_init();
	exec_init();
	memorystatus_init();
	tty_init(&console_tty, pe_console_write);
	console_attach();
	if (!tty_start_signaller(&console_tty)) {
		kprintf("console: no thread, typed signals are lost\n");
	}
	mount_root();
	load_init_program();
}

/* The super-user may control every process but the kernel, others those of their own user. */
static bool
proc_may_control(struct proc *self, struct proc *p)
{
	struct ucred own, other;

	lck_mtx_lock(&self->p_lock);
	own = self->p_ucred;
	lck_mtx_unlock(&self->p_lock);
	lck_mtx_lock(&p->p_lock);
	other = p->p_ucred;
	lck_mtx_unlock(&p->p_lock);
	return p->p_pid != 0 &&
	       (own.cr_uid == 0 || (own.cr_uid == other.cr_ruid && own.cr_uid == other.cr_svuid));
}

task_t
bsd_task_for_pid(int32_t pid)
{
	struct proc *p = proc_find(pid);
	task_t task = TASK_NULL;

	if (p == NULL) {
		return TASK_NULL;
	}
	if (os_atomic_load(&p->p_state, relaxed) != SZOMB && proc_may_control(current_proc(), p)) {
		task = p->p_task; /* kept by the process as long as we keep that */
		if (task != TASK_NULL) {
			task_reference(task);
		}
	}
	proc_rele(p);
	return task;
}

uint32_t
bsd_tasks(task_t *tasks, uint32_t room)
{
	uint32_t n = 0;

	lck_rw_lock_exclusive(&proc_tree_lock);
	proc_foreach_locked(p)
	{
		task_t task = os_atomic_load(&p->p_state, relaxed) != SZOMB ? p->p_task : TASK_NULL;

		if (task == TASK_NULL || task == kernel_task) {
			continue;
		}
		if (n < room) {
			task_reference(task);
			tasks[n] = task;
		}
		n++;
	}
	if (n > room) { /* no use to the caller */
		while (room > 0) {
			task_deallocate(tasks[--room]);
		}
	}
	lck_rw_unlock_exclusive(&proc_tree_lock);
	return n;
}

void
bsd_task_exit(task_t task)
{
	struct proc *p = task->bsd_info;

	if (p != NULL) {
		proc_exit(p);
	}
}
