/*
 * The ports every program has, and each thread's reply port.
 *
 * A port name means something in one task only: the child of fork starts these over.
 */
#include <mach/mach.h>

#include "../pthread/internal.h"
#include "internal.h"

mach_port_t mach_task_self_;
vm_size_t vm_page_size = 16384;
vm_size_t vm_page_mask = 16383;
int vm_page_shift = 14;
vm_size_t vm_kernel_page_size = 16384;
vm_size_t vm_kernel_page_mask = 16383;
int vm_kernel_page_shift = 14;

void
_mach_init(void)
{
	mach_task_self_ = task_self_trap();
	_bootstrap_init();
	tsd_base()[TSD_MIG_REPLY] = NULL;
	tsd_base()[TSD_MACH_SPECIAL_REPLY] = NULL;
}

mach_port_t
mach_thread_self(void)
{
	return thread_self_trap();
}

mach_port_t
mach_host_self(void)
{
	return host_self_trap(); /* a reference of its own each time */
}

mach_port_t
mig_get_reply_port(void)
{
	void **tsd = tsd_base();
	mach_port_t port = (mach_port_t)(uintptr_t)tsd[TSD_MIG_REPLY];

	if (port == MACH_PORT_NULL) {
		port = mach_reply_port();
		tsd[TSD_MIG_REPLY] = (void *)(uintptr_t)port;
	}
	return port;
}

/* The port may still get the reply of a call that was given up: the thread never uses it again. */
void
mig_dealloc_reply_port(mach_port_t port)
{
	void **tsd = tsd_base();

	if (port != MACH_PORT_NULL && (mach_port_t)(uintptr_t)tsd[TSD_MIG_REPLY] == port) {
		tsd[TSD_MIG_REPLY] = NULL;
		(void)mach_port_mod_refs(mach_task_self_, port, MACH_PORT_RIGHT_RECEIVE, -1);
	}
}

void
mig_put_reply_port(mach_port_t port)
{
}
