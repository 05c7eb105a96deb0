/*
 * Running a program: what execve, posix_spawn and the start of process 1 share.
 *
 *	exec_args_*        path, arguments and environment into one kernel buffer
 *	exec_image_make    the file: found, regular, executable, a Mach-O the parser accepts; a new address space with the
 *	                   segments, heap base and main stack; strings and vectors onto the stack
 * After that the address space is complete and belongs to nobody yet: execve gives it to its task past the
 * point of no return, spawn to the new one. Where memory is short for a moment, the making begins again.
 *
 * The address space (addresses slide by random whole pages; see kern_exec.c for the ranges):
 *	0                  page zero, at least 4 GiB, not mapped
 *	0x100000000        image, as linked, + slide
 *	0x16fe00000 down   main stack, - slide, with a guard below
 *	0x300000000 up     everything that is placed "anywhere", + slide
 */
#pragma once

#include <bsd/kern/macho.h>
#include <os/base.h>
#include <vm/vm_types.h>

struct proc;
struct thread;
struct vnode;

#define EXEC_ARG_MAX        (1U << 20)   /* bytes of strings and pointers, as Darwin's ARG_MAX */
#define EXEC_STACK_SIZE     (8ULL << 20) /* of a main stack, unless the program asks for another */
#define EXEC_STACK_SIZE_MAX (64ULL << 20)

/* Strings in the order of the stack: argv, then environment, each NUL-terminated. */
struct exec_args {
	char *ea_buf;
	size_t ea_size; /* bytes of the buffer */
	size_t ea_used;
	uint32_t ea_argc;
	uint32_t ea_envc;
	bool ea_no_aslr;    /* the program is not slid, nor are those it starts */
	char ea_path[1024]; /* as the caller gave it */
};

struct exec_image {
	struct vnode *ei_vp; /* referenced */
	vm_map_t ei_map;     /* the new address space; NULL when it belongs to a task */
	uint64_t ei_size;    /* bytes of the file */
	uint64_t ei_slide;   /* bytes, of the image */
	bool ei_no_aslr;     /* none, as asked for */
	uint64_t ei_entry;   /* slid */
	uint64_t ei_sp;
	uint64_t ei_stack_top;
	uint64_t ei_stack_size; /* bytes, without the guard */
	uint64_t ei_stack_low;  /* first address of the guard */
	struct macho_image ei_macho;
};

/* Once: is anything slid at all? The boot argument aslr=0 says no. */
void exec_init(void);

/* No strings yet; the caller fills in ea_path. ENOMEM. */
OS_WARN_RESULT int exec_args_init(struct exec_args *args);
void exec_args_destroy(struct exec_args *args);
/* The null-terminated vectors of a program. EFAULT, E2BIG, ENOMEM. */
OS_WARN_RESULT int exec_args_copyin(struct exec_args *args, user_addr_t argv, user_addr_t envp);
/* One more argument; before any environment string. */
OS_WARN_RESULT int exec_args_add(struct exec_args *args, const char *arg);

/*
 * The program at args->ea_path as process p finds it. ENOENT and the like, EACCES, ENOEXEC, EBADARCH, EBADMACHO,
 * EBADEXEC, ENOMEM; then there is no image. May wait for memory: no locks held.
 */
OS_WARN_RESULT int exec_image_make(struct exec_image *image, struct proc *p, const struct exec_args *args);
/* thread_port: name of the main thread's port in the new task, for apple[]; 0: left out. */
OS_WARN_RESULT int exec_image_stack(
    struct exec_image *image, const struct exec_args *args, uint32_t thread_port);
/* Registers of a thread that begins the program. */
void exec_image_start_state(const struct exec_image *image, struct thread *thread);
void exec_image_destroy(struct exec_image *image);

/*
 * Process p, whose only thread is `thread` and is the caller or has not started, and which has the image's
 * address space, becomes the program: descriptors, signals, name, registers. Cannot fail.
 */
void exec_begin(
    struct proc *p, struct thread *thread, const struct exec_image *image, const struct exec_args *args);

/* Replaces the program of the calling process. 0: the thread's registers are the new program's. */
OS_WARN_RESULT int exec_current(struct exec_args *args);
