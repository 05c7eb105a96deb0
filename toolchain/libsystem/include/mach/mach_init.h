/* The ports that every program has. */
#pragma once

#include <mach/mach_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define current_task()   mach_task_self_

/* The port of the name service (<servers/bootstrap.h>): a variable, whose value is asked for at its first use. */
mach_port_t *_bootstrap_port(void);
#define bootstrap_port (*_bootstrap_port())

extern vm_size_t vm_page_size;
extern vm_size_t vm_page_mask;
extern int vm_page_shift;
extern vm_size_t vm_kernel_page_size;

/* A send right to the calling thread; each call adds a user reference. */
mach_port_t mach_thread_self(void);
mach_port_t mach_host_self(void);

/* The calling thread's reply port, made on first use. */
mach_port_t mig_get_reply_port(void);
void mig_dealloc_reply_port(mach_port_t port);
void mig_put_reply_port(mach_port_t port);

__END_DECLS
