/*
 * Start-up of IPC, and the hooks of the in-kernel benchmark.
 */
#include <ipc/ipc.h>

#include <ipc/ipc_host.h>
#include <ipc/kmsg.h>
#include <ipc/mqueue.h>
#include <ipc/port.h>
#include <ipc/space.h>
#include <kern/assert.h>

void
ipc_init(void)
{
	release_assert(ipc_space_create(NULL, &ipc_space_kernel) == KERN_SUCCESS);
	ipc_host_init();
}

/* --- kernel/mqueue_send_receive: the queue alone, one message there and back --- */

struct ipc_bench {
	struct mqueue queue;
	ipc_kmsg_t kmsg;
};

static struct ipc_bench ipc_bench;

void *
ipc_bench_mqueue_setup(void)
{
	mq_init(&ipc_bench.queue);
	ipc_bench.kmsg = ipc_kmsg_alloc(sizeof(mach_msg_header_t), 0);
	return ipc_bench.kmsg == IKM_NULL ? NULL : &ipc_bench;
}

void
ipc_bench_mqueue_step(void *state)
{
	struct ipc_bench *bench = state;
	void *receiver;

	(void)mq_send(&bench->queue, &bench->kmsg->ikm_link, MACH_PORT_QLIMIT_DEFAULT, false, &receiver);
	release_assert(mq_receive_lone(&bench->queue) == &bench->kmsg->ikm_link);
}

void
ipc_bench_mqueue_teardown(void *state)
{
	struct ipc_bench *bench = state;

	ipc_kmsg_free(bench->kmsg);
}
