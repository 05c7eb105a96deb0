/*
 * kernel/mqueue_send_receive: one message pushed on an empty queue and taken off it, nobody waiting: the
 * queue's own cost, without rights, copies or the port.
 */
#include <bench/kernel/kbench.h>
#include <ipc/mqueue.h>

#define MQUEUE_BENCH_LIMIT 5 /* messages: the default limit of a port */

static struct mqueue kbench_mqueue OS_CACHE_ALIGNED;
static struct mq_node kbench_message OS_CACHE_ALIGNED;

static bool
mqueue_send_receive(uint64_t iterations)
{
	void *receiver = NULL;

	mq_init(&kbench_mqueue);
	for (uint64_t i = 0; i < iterations; i++) {
		enum mq_result sent =
		    mq_send(&kbench_mqueue, &kbench_message, MQUEUE_BENCH_LIMIT, false, &receiver);

		if (sent != MQ_QUEUED || mq_receive_lone(&kbench_mqueue) != &kbench_message) {
			return false;
		}
	}
	return mq_count(&kbench_mqueue) == 0;
}

KBENCH("kernel/mqueue_send_receive", mqueue_send_receive);
