/*
 * Start-up of IPC.
 */
#include <ipc/ipc.h>

#include <ipc/ipc_host.h>
#include <ipc/kmsg.h>
#include <ipc/space.h>
#include <ipc/voucher.h>
#include <kern/assert.h>

void
ipc_init(void)
{
	release_assert(ipc_space_create(NULL, &ipc_space_kernel) == KERN_SUCCESS);
	ipc_kmsg_init_zone();
	ipc_host_init();
	ipc_voucher_init();
}
