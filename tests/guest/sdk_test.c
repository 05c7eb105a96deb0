/* What sources written for Mach elsewhere include and call: every header, and the library behind them. */
#include <Availability.h>
#include <AvailabilityMacros.h>
#include <TargetConditionals.h>
#include <alloca.h>
#include <bootstrap.h>
#include <libkern/OSAtomic.h>
#include <libkern/OSByteOrder.h>
#include <libkern/OSCacheControl.h>
#include <libkern/OSTypes.h>
#include <mach/boolean.h>
#include <mach/clock.h>
#include <mach/clock_types.h>
#include <mach/error.h>
#include <mach/exception.h>
#include <mach/host_info.h>
#include <mach/host_priv.h>
#include <mach/host_special_ports.h>
#include <mach/kern_return.h>
#include <mach/mach.h>
#include <mach/mach_error.h>
#include <mach/mach_init.h>
#include <mach/mach_interface.h>
#include <mach/mach_param.h>
#include <mach/mach_syscalls.h>
#include <mach/mach_time.h>
#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/mach_vm.h>
#include <mach/machine.h>
#include <mach/machine/thread_status.h>
#include <mach/machine/vm_types.h>
#include <mach/message.h>
#include <mach/mig.h>
#include <mach/mig_errors.h>
#include <mach/ndr.h>
#include <mach/notify.h>
#include <mach/policy.h>
#include <mach/port.h>
#include <mach/processor_info.h>
#include <mach/semaphore.h>
#include <mach/std_types.h>
#include <mach/sync_policy.h>
#include <mach/task.h>
#include <mach/task_info.h>
#include <mach/task_policy.h>
#include <mach/task_special_ports.h>
#include <mach/thread_act.h>
#include <mach/thread_info.h>
#include <mach/thread_policy.h>
#include <mach/thread_special_ports.h>
#include <mach/thread_state.h>
#include <mach/thread_status.h>
#include <mach/thread_switch.h>
#include <mach/time_value.h>
#include <mach/vm_attributes.h>
#include <mach/vm_behavior.h>
#include <mach/vm_inherit.h>
#include <mach/vm_map.h>
#include <mach/vm_page_size.h>
#include <mach/vm_param.h>
#include <mach/vm_prot.h>
#include <mach/vm_purgable.h>
#include <mach/vm_region.h>
#include <mach/vm_statistics.h>
#include <mach/vm_sync.h>
#include <mach/vm_task.h>
#include <mach/vm_types.h>
#include <machine/endian.h>
#include <machine/limits.h>
#include <machine/param.h>
#include <machine/types.h>
#include <os/availability.h>
#include <os/base.h>
#include <os/lock.h>
#include <os/overflow.h>
#include <pthread.h>
#include <servers/bootstrap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/cdefs.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <ucontext.h>
#include <unistd.h>

#include "ktap.h"

#if !TARGET_OS_MAC || !TARGET_CPU_ARM64 || MAC_OS_X_VERSION_MIN_REQUIRED < MAC_OS_X_VERSION_10_15
#error "what this is compiled for"
#endif

#define THREADS 4
#define ROUNDS  20000

static os_unfair_lock lock = OS_UNFAIR_LOCK_INIT;
static OSSpinLock spin = OS_SPINLOCK_INIT;
static int guarded, spun;
static volatile int32_t counted;

static void *
count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		os_unfair_lock_lock(&lock);
		os_unfair_lock_assert_owner(&lock);
		guarded++;
		os_unfair_lock_unlock(&lock);
		OSSpinLockLock(&spin);
		spun++;
		OSSpinLockUnlock(&spin);
		(void)OSAtomicIncrement32(&counted);
	}
	return NULL;
}

TEST(locks_and_atomic_counters_lose_nothing)
{
	pthread_t threads[THREADS];

	guarded = spun = 0;
	counted = 0;
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, count, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	EXPECT_EQ(guarded, THREADS * ROUNDS);
	EXPECT_EQ(spun, THREADS * ROUNDS);
	EXPECT_EQ(counted, THREADS * ROUNDS);
	EXPECT_EQ(lock._os_unfair_lock_opaque, 0);
	EXPECT(os_unfair_lock_trylock(&lock));
	EXPECT(!os_unfair_lock_trylock(&lock));
	os_unfair_lock_unlock(&lock);
	os_unfair_lock_assert_not_owner(&lock);
}

static int
take_twice(void *arg)
{
	os_unfair_lock_lock(&lock);
	os_unfair_lock_lock(&lock);
	return 0;
}

static int
give_back_free(void *arg)
{
	os_unfair_lock_unlock(&lock);
	return 0;
}

TEST(misuse_of_a_lock_ends_the_program)
{
	EXPECT_EQ(ktap_in_child(take_twice, NULL), 128 + SIGABRT);
	EXPECT_EQ(ktap_in_child(give_back_free, NULL), 128 + SIGABRT);
}

struct element {
	int value;
	struct element *link;
};

static OSQueueHead queue = OS_ATOMIC_QUEUE_INIT;

static void *
move_elements(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct element *element = OSAtomicDequeue(&queue, offsetof(struct element, link));

		if (element != NULL) {
			element->value++;
			OSAtomicEnqueue(&queue, element, offsetof(struct element, link));
			(void)OSAtomicAdd32(1, &counted);
		}
	}
	return NULL;
}

/* Each element is with one thread at a time: no increment of its plain counter is lost. */
TEST(atomic_queue_keeps_every_element)
{
	static struct element elements[8];
	pthread_t threads[THREADS];
	struct element *element;
	int sum = 0, found = 0;

	counted = 0;
	for (int i = 0; i < 8; i++) {
		OSAtomicEnqueue(&queue, &elements[i], offsetof(struct element, link));
	}
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_create(&threads[i], NULL, move_elements, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(pthread_join(threads[i], NULL), 0);
	}
	while ((element = OSAtomicDequeue(&queue, offsetof(struct element, link))) != NULL) {
		sum += element->value;
		found++;
	}
	EXPECT_EQ(found, 8);
	EXPECT_EQ(sum, counted);
}

TEST(atomic_operations_answer_as_their_names_say)
{
	volatile uint32_t bits = 0xf0;
	volatile int64_t wide = 1LL << 40;
	volatile int32_t word = 5;
	unsigned char bytes[2] = { 0 };

	EXPECT_EQ(OSAtomicOr32(0x0f, &bits), 0xff);
	EXPECT_EQ(OSAtomicAnd32Orig(0x3c, &bits), 0xff);
	EXPECT_EQ(OSAtomicXor32Barrier(0xff, &bits), 0xc3);
	EXPECT_EQ(OSAtomicAdd64(-1, &wide), (1LL << 40) - 1);
	EXPECT(OSAtomicCompareAndSwap32(5, 6, &word));
	EXPECT(!OSAtomicCompareAndSwap32Barrier(5, 7, &word));
	EXPECT_EQ(word, 6);
	EXPECT(!OSAtomicTestAndSet(9, bytes));
	EXPECT_EQ(bytes[1], 0x40);
	EXPECT(OSAtomicTestAndClear(9, bytes));
	EXPECT_EQ(OSSwapInt32(0x01020304), 0x04030201);
	EXPECT_EQ(htons(0x1234), 0x3412);
	EXPECT_EQ(OSReadBigInt16("\1\2", 0), 0x0102);
}

TEST(every_thread_knows_its_port)
{
	mach_port_t port = mach_thread_self();

	EXPECT(MACH_PORT_VALID(port));
	EXPECT_EQ(pthread_mach_thread_np(pthread_self()), port);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), port), KERN_SUCCESS);
}

TEST(results_have_names)
{
	EXPECT(strcmp(mach_error_type(KERN_INVALID_NAME), "(os/kern)") == 0);
	EXPECT(strcmp(mach_error_type(MACH_SEND_INVALID_DEST), "(ipc/send)") == 0);
	EXPECT(strcmp(mach_error_type(MACH_RCV_TIMED_OUT), "(ipc/rcv)") == 0);
	EXPECT(strcmp(mach_error_string(KERN_INVALID_NAME), "invalid name") == 0);
	EXPECT(mach_error_string(0x7fffffff) != NULL);
	EXPECT(bootstrap_strerror(BOOTSTRAP_UNKNOWN_SERVICE) != NULL);
}

TEST(strings_of_mig)
{
	char text[8];

	memset(text, 'x', sizeof(text));
	EXPECT_EQ(mig_strncpy(text, "abc", 8), 4);
	EXPECT_EQ(text[4], 'x');
	EXPECT_EQ(mig_strncpy_zerofill(text, "abc", 8), 4);
	EXPECT_EQ(text[7], 0);
	EXPECT_EQ(mig_strncpy(text, "abcdefghij", 8), 8);
	EXPECT(strcmp(text, "abcdefg") == 0);
	EXPECT_EQ(mig_strncpy(text, "abc", 0), 0);
}

/* Instructions written by the program itself run after sys_icache_invalidate. */
TEST(written_code_runs)
{
	static const uint32_t code[] = { 0x52800540, 0xd65f03c0 }; /* mov w0, #42; ret */
	vm_address_t page = 0;

	EXPECT_EQ(vm_allocate(mach_task_self(), &page, vm_page_size, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	memcpy((void *)page, code, sizeof(code));
	sys_icache_invalidate((void *)page, sizeof(code));
	EXPECT_EQ(vm_protect(mach_task_self(), page, vm_page_size, FALSE, VM_PROT_READ | VM_PROT_EXECUTE),
	    KERN_SUCCESS);
	EXPECT_EQ(((int (*)(void))page)(), 42);
	EXPECT_EQ(vm_deallocate(mach_task_self(), page, vm_page_size), KERN_SUCCESS);
}

/* ---- a server as MIG writes them, run by mach_msg_server ---- */

struct square_request {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	int value;
	mach_msg_max_trailer_t trailer;
};

struct square_reply {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	kern_return_t RetCode;
	int square;
	mach_msg_max_trailer_t trailer;
};

#define SQUARE_ID 5000
#define STOP_ID   5001

static boolean_t
square_server(mach_msg_header_t *in, mach_msg_header_t *out)
{
	const struct square_request *request = (struct square_request *)in;
	struct square_reply *reply = (struct square_reply *)out;

	reply->Head = (mach_msg_header_t){
		.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(in->msgh_bits), 0),
		.msgh_remote_port = in->msgh_remote_port,
		.msgh_size = sizeof(mig_reply_error_t),
		.msgh_id = in->msgh_id + 100,
	};
	reply->NDR = NDR_record;
	reply->RetCode = in->msgh_id == SQUARE_ID ? KERN_SUCCESS : MIG_BAD_ID;
	if (in->msgh_id == SQUARE_ID) {
		reply->Head.msgh_size = sizeof(*reply) - sizeof(reply->trailer);
		reply->square = request->value * request->value;
	}
	return reply->RetCode == KERN_SUCCESS;
}

static void *
serve_squares(void *arg)
{
	return (void *)(uintptr_t)mach_msg_server(
	    square_server, 256, (mach_port_t)(uintptr_t)arg, MACH_MSG_OPTION_NONE);
}

static kern_return_t
call_square(mach_port_t server, mach_msg_id_t id, int value, int *square)
{
	mach_port_t reply_port = mig_get_reply_port();
	union {
		struct square_request in;
		struct square_reply out;
	} m = { .in = {
		    .Head = {
			.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
			.msgh_remote_port = server,
			.msgh_local_port = reply_port,
			.msgh_id = id,
		    },
		    .NDR = NDR_record,
		    .value = value,
		} };
	mach_msg_return_t mr = mach_msg(&m.in.Head, MACH_SEND_MSG | MACH_RCV_MSG,
	    sizeof(m.in) - sizeof(m.in.trailer), sizeof(m), reply_port, 0, MACH_PORT_NULL);

	if (mr == MACH_MSG_SUCCESS && m.out.RetCode == KERN_SUCCESS) {
		*square = m.out.square;
	}
	return mr != MACH_MSG_SUCCESS ? mr : m.out.RetCode;
}

/* Its answer sent, a server comes back to its receive in its own time. */
static void
wait_until_it_waits(pthread_t thread)
{
	thread_basic_info_data_t info = { 0 };

	do {
		mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

		sched_yield();
		if (!EXPECT_EQ(thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO,
				   (thread_info_t)&info, &count),
			KERN_SUCCESS)) {
			return;
		}
	} while (info.run_state != TH_STATE_WAITING);
}

TEST(a_mig_server_on_a_port_set)
{
	mach_port_t set, port[3];
	pthread_t server;
	void *result;

	EXPECT_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(
		    mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port[i]), KERN_SUCCESS);
		EXPECT_EQ(mach_port_insert_right(mach_task_self(), port[i], port[i], MACH_MSG_TYPE_MAKE_SEND),
		    KERN_SUCCESS);
		EXPECT_EQ(mach_port_move_member(mach_task_self(), port[i], set), KERN_SUCCESS);
	}
	EXPECT_EQ(pthread_create(&server, NULL, serve_squares, (void *)(uintptr_t)set), 0);
	for (int i = 0; i < 300; i++) {
		int square = -1;

		EXPECT_EQ(call_square(port[i % 3], SQUARE_ID, i, &square), KERN_SUCCESS);
		EXPECT_EQ(square, i * i);
		EXPECT_EQ(call_square(port[i % 3], SQUARE_ID + 7, i, &square), MIG_BAD_ID);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(mach_port_destroy(mach_task_self(), port[i]), KERN_SUCCESS);
	}
	wait_until_it_waits(server);
	EXPECT_EQ(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS); /* ends the server's receive */
	EXPECT_EQ(pthread_join(server, &result), 0);
	EXPECT_EQ((mach_msg_return_t)(uintptr_t)result, MACH_RCV_PORT_DIED);
}

/* A request of the kernel's own subsystems, byte for byte: mach_port_type of the task's own port. */
TEST(a_request_written_by_hand)
{
#pragma pack(push, 4)
	struct {
		mach_msg_header_t Head;
		NDR_record_t NDR;
		mach_port_name_t name;
		uint8_t room[128];
	} m = { .NDR = { 0, 0, 0, 0, 1, 0, 0, 0 }, .name = mach_task_self() };
#pragma pack(pop)
	struct {
		mach_msg_header_t Head;
		NDR_record_t NDR;
		kern_return_t RetCode;
		mach_port_type_t type;
	} reply;
	mach_port_t reply_port = mach_reply_port();

	m.Head.msgh_bits = 0x1513;
	m.Head.msgh_size = 24 + 8 + 4;
	m.Head.msgh_remote_port = mach_task_self();
	m.Head.msgh_local_port = reply_port;
	m.Head.msgh_id = 3201;
	EXPECT_EQ(
	    mach_msg(&m.Head, MACH_SEND_MSG | MACH_RCV_MSG, 36, sizeof(m), reply_port, 0, MACH_PORT_NULL),
	    MACH_MSG_SUCCESS);
	memcpy(&reply, &m, sizeof(reply));
	EXPECT_EQ(reply.Head.msgh_id, 3301);
	EXPECT_EQ(reply.Head.msgh_size, 24 + 8 + 4 + 4);
	EXPECT_EQ(reply.RetCode, KERN_SUCCESS);
	EXPECT_EQ(reply.type & MACH_PORT_TYPE_SEND, MACH_PORT_TYPE_SEND);
	EXPECT_EQ(
	    mach_port_mod_refs(mach_task_self(), reply_port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}
