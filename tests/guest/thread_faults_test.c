/*
 * Threads with what they should not have: no stack, registers that point into the kernel, words that are no locks,
 * names of threads that are dead. And what they must never see: the kernel's addresses in their registers.
 */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ulock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "save_registers.h"

#define KERNEL_ADDRESS 0xfffffe0007004000ULL
#define UNMAPPED       0x123456780ULL
#define PSR_MODE_EL1H  0x5
#define PSR_DAIF       0x3c0

int __bsdthread_register(
    void *start, void *wq, int size, void *data, size_t data_size, uint64_t dispatch, uint64_t tsd_offset);
void *__bsdthread_create(void *func, void *arg, void *stack, void *pthread, uint32_t flags);
int __bsdthread_ctl(void *command, void *arg1, void *arg2, void *arg3);
int __workq_open(void);
int __workq_kernreturn(int operation, void *item, int affinity, int priority);
int __pthread_kill(int thread_port, int signal);
int __pthread_markcancel(int thread_port);
int __semwait_signal(int cond, int mutex, int timeout, int relative, int64_t sec, int32_t nsec);

static _Atomic int started;
static int fds[2];

/* ---- Stacks that go away ---- */

static void
unmap_stack_of(pthread_t thread)
{
	vm_address_t top = (vm_address_t)pthread_get_stackaddr_np(thread);

	EXPECT_EQ(vm_deallocate(mach_task_self(), top - 256 * 1024, 256 * 1024), KERN_SUCCESS);
}

static void *
run_on_stack(void *arg)
{
	volatile char local[64];

	for (unsigned i = 0;; i++) {
		local[i % 64] = (char)i;
		atomic_store(&started, 1);
	}
}

static void *
sleep_on_stack(void *arg)
{
	char c;

	atomic_store(&started, 1);
	(void)read(fds[0], &c, 1);
	return NULL;
}

static int
lose_stack(void *arg)
{
	pthread_t thread;

	EXPECT_EQ(pipe(fds), 0);
	EXPECT_EQ(pthread_create(&thread, NULL, (void *(*)(void *))arg, NULL), 0);
	while (!atomic_load(&started)) {
		sched_yield();
	}
	usleep(2000);
	unmap_stack_of(thread);
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	sleep(20);
	return 1; /* the thread should have faulted, and the process with it */
}

TEST(a_thread_without_stack_ends_its_process)
{
	EXPECT_EQ(ktap_in_child(lose_stack, (void *)run_on_stack), 128 + SIGSEGV);
	EXPECT_EQ(ktap_in_child(lose_stack, (void *)sleep_on_stack), 128 + SIGSEGV);
}

static void
handler(int number)
{
}

static int
signal_without_stack(void *arg)
{
	pthread_t thread;

	signal(SIGUSR1, handler);
	EXPECT_EQ(pipe(fds), 0);
	EXPECT_EQ(pthread_create(&thread, NULL, sleep_on_stack, NULL), 0);
	while (!atomic_load(&started)) {
		sched_yield();
	}
	EXPECT(ktap_wait_until_blocked(pthread_mach_thread_np(thread)));
	unmap_stack_of(thread);
	EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
	sleep(20);
	return 1;
}

TEST(a_handler_without_stack_is_an_illegal_instruction)
{
	EXPECT_EQ(ktap_in_child(signal_without_stack, NULL), 128 + SIGILL);
}

/* ---- Thread data and stacks that are not there ---- */

static uint64_t
set_thread_base(uint64_t base)
{
	register uint64_t x0 __asm__("x0") = base;
	register uint64_t x3 __asm__("x3") = 2;
	register uint64_t x16 __asm__("x16") = 0x80000000;
	uint64_t now;

	__asm__ volatile("svc #0x80" : "+r"(x0) : "r"(x3), "r"(x16) : "x1", "x2", "memory", "cc");
	__asm__ volatile("mrs %0, tpidrro_el0" : "=r"(now));
	return now;
}

/* Runs without the library: it reads thread data in every call. */
static int
lose_thread_data(void *arg)
{
	uint64_t own, far = 0, kernel, inside;

	__asm__ volatile("mrs %0, tpidrro_el0" : "=r"(own));
	kernel = set_thread_base(KERNEL_ADDRESS);
	inside = set_thread_base(UNMAPPED);
	far = set_thread_base(0x00007ffffe000000);
	(void)set_thread_base(own);
	EXPECT_EQ(kernel, 0);
	EXPECT_EQ(inside, UNMAPPED);
	EXPECT_EQ(far, 0);
	(void)set_thread_base(UNMAPPED);
	errno = 1; /* reads the base: faults */
	return 1;
}

TEST(thread_data_that_is_not_there)
{
	EXPECT_EQ(ktap_in_child(lose_thread_data, NULL), 128 + SIGSEGV);
}

int __bsdthread_terminate(void *stack, size_t size, uint32_t port, uint32_t word);

static void *
end_wrongly(void *arg)
{
	static const struct {
		uint64_t stack, size;
		uint32_t port, word;
	} wrong[] = {
		{ KERNEL_ADDRESS, 65536, 0, 0 },
		{ ~0ull, ~0ull, 0, 0 },
		{ UNMAPPED + 1, 3, 0x1234567, 0 },
		{ 0, 0, 0, 0x7777777 },
		{ 0x7ffffe000000 - 4096, 1ull << 40, 0xffffffff, 0xffffffff },
	};
	unsigned i = (unsigned)(uintptr_t)arg;

	atomic_fetch_add(&started, 1);
	return (void *)(intptr_t)__bsdthread_terminate(
	    (void *)wrong[i].stack, wrong[i].size, wrong[i].port, wrong[i].word);
}

/* Each ends its thread and nothing else. */
static int
end_threads_wrongly(void *arg)
{
	thread_act_array_t threads;
	mach_msg_type_number_t count = 0;
	pthread_t thread;

	for (uintptr_t i = 0; i < 5; i++) {
		EXPECT_EQ(pthread_create(&thread, NULL, end_wrongly, (void *)i), 0);
	}
	for (unsigned i = 0; i < 5000; i++) {
		EXPECT_EQ(task_threads(mach_task_self(), &threads, &count), KERN_SUCCESS);
		if (atomic_load(&started) == 5 && count == 1) {
			break;
		}
		usleep(1000);
	}
	EXPECT_EQ(atomic_load(&started), 5);
	EXPECT_EQ(count, 1);
	return 0;
}

TEST(threads_that_end_with_wrong_arguments)
{
	atomic_store(&started, 0);
	EXPECT_EQ(ktap_in_child(end_threads_wrongly, NULL), 0);
}

/* ---- Registers that point into the kernel ---- */

struct wrong_state {
	uint64_t pc, sp;
	uint32_t cpsr;
};

static void *
spin(void *arg)
{
	for (;;) {
		atomic_store(&started, 1);
	}
}

/* With thread_set_state on a thread that runs; it may be given any number, and faults when it uses it. */
static int
set_wrong_state(void *arg)
{
	const struct wrong_state *wrong = arg;
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	arm_thread_state64_t state;
	pthread_t thread;
	thread_act_t port;

	EXPECT_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
	while (!atomic_load(&started)) {
		sched_yield();
	}
	port = pthread_mach_thread_np(thread);
	EXPECT_EQ(thread_suspend(port), KERN_SUCCESS);
	EXPECT_EQ(thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, &count), KERN_SUCCESS);
	if (wrong->pc != 0) {
		state.__pc = wrong->pc;
	}
	if (wrong->sp != 0) {
		state.__sp = wrong->sp;
	}
	state.__cpsr = wrong->cpsr;
	for (unsigned i = 0; i < 29; i++) {
		state.__x[i] = KERNEL_ADDRESS + 8 * i;
	}
	(void)thread_set_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, count);
	EXPECT_EQ(thread_get_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, &count), KERN_SUCCESS);
	EXPECT_EQ(state.__cpsr & (0x1f | PSR_DAIF), 0); /* user mode, interrupts on, whatever was asked */
	atomic_store(&started, 0);
	EXPECT_EQ(thread_resume(port), KERN_SUCCESS);
	sleep(20); /* a hang detector: it faults */
	return 0;
}

TEST(registers_that_point_into_the_kernel_fault)
{
	struct wrong_state pc = { .pc = KERNEL_ADDRESS }, odd = { .pc = UNMAPPED + 2 };
	struct wrong_state mode = { .cpsr = PSR_MODE_EL1H | PSR_DAIF };
	int status;

	status = ktap_in_child(set_wrong_state, &pc);
	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
	status = ktap_in_child(set_wrong_state, &odd);
	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
	/* x0-x28 are wrong addresses now, which the loop uses: it faults, in user mode */
	status = ktap_in_child(set_wrong_state, &mode);
	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
}

static uint64_t wrong_pc, wrong_sp;
static uint32_t wrong_cpsr;

static void
spoil_context(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (wrong_pc != 0) {
		uc->uc_mcontext->__ss.__pc = wrong_pc;
	}
	if (wrong_sp != 0) {
		uc->uc_mcontext->__ss.__sp = wrong_sp;
	}
	uc->uc_mcontext->__ss.__cpsr |= wrong_cpsr;
}

static int
return_to_wrong_state(void *arg)
{
	struct sigaction action = { .sa_sigaction = spoil_context, .sa_flags = SA_SIGINFO };

	EXPECT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	return getpid() > 0 ? 7 : 8;
}

TEST(sigreturn_gives_no_more_than_user_mode)
{
	int status;

	wrong_pc = KERNEL_ADDRESS;
	status = ktap_in_child(return_to_wrong_state, NULL);
	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
	wrong_pc = 0;
	wrong_sp = KERNEL_ADDRESS;
	status = ktap_in_child(return_to_wrong_state, NULL);
	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS || status == 128 + SIGILL);
	wrong_sp = 0;
	wrong_cpsr = PSR_MODE_EL1H | PSR_DAIF;
	EXPECT_EQ(ktap_in_child(return_to_wrong_state, NULL), 7);
	wrong_cpsr = 0;
}

static int
start_with_kernel_stack(void *arg)
{
	arm_thread_state64_t state = { .__pc = (uintptr_t)spin, .__sp = KERNEL_ADDRESS };
	thread_act_t thread;

	(void)thread_create_running(
	    mach_task_self(), ARM_THREAD_STATE64, (thread_state_t)&state, ARM_THREAD_STATE64_COUNT, &thread);
	state.__pc = KERNEL_ADDRESS;
	(void)thread_create_running(
	    mach_task_self(), ARM_THREAD_STATE64, (thread_state_t)&state, ARM_THREAD_STATE64_COUNT, &thread);
	sleep(20); /* a hang detector: it faults */
	return 1;
}

TEST(threads_that_begin_in_the_kernel_fault)
{
	int status = ktap_in_child(start_with_kernel_stack, NULL);

	EXPECT(status == 128 + SIGSEGV || status == 128 + SIGBUS);
}

/* ---- Words that are no locks ---- */

static uint32_t word = 5;
static uint64_t wide = 5;

static void *
wait_for_word(void *arg)
{
	atomic_store(&started, 1);
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 5) {
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &word, 5, 0);
	}
	return NULL;
}

TEST(ulocks_refuse_what_is_wrong)
{
	static const uint32_t wrong[] = { 0, 7, 0xff, UL_COMPARE_AND_WAIT | ULF_WAKE_ALL,
		UL_COMPARE_AND_WAIT | 0x800, UL_COMPARE_AND_WAIT | 0x80000000u };
	static char *const addresses[] = { (char *)UNMAPPED, (char *)KERNEL_ADDRESS, (char *)~7ull,
		(char *)0x800000000000 };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT_EQ(__ulock_wait(wrong[i] | ULF_NO_ERRNO, &word, 5, 1), -EINVAL);
	}
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, addresses[i], 5, 1), -EFAULT);
		EXPECT_EQ(
		    __ulock_wait(UL_COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO, addresses[i], 5, 1), -EFAULT);
		EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, addresses[i], 0), -ENOENT);
		EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO, addresses[i], 0), -ENOENT);
	}
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, NULL, 5, 1), -EINVAL);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, (char *)&word + 1, 5, 1), -EINVAL);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT64 | ULF_NO_ERRNO, (char *)&wide + 4, 5, 1), -EINVAL);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &word, 6, 0), 0);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT64 | ULF_NO_ERRNO, &wide, 1ull << 32 | 5, 0), 0);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &word, 5, 1), -ETIMEDOUT);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT, &word, 5, 1), -1);
	EXPECT_EQ(errno, ETIMEDOUT);
	EXPECT_EQ(__ulock_wait(UL_UNFAIR_LOCK | ULF_NO_ERRNO, &word, 5, 1), -EOWNERDEAD);
	EXPECT_EQ(
	    __ulock_wait2(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_DEADLINE, &word, 5, 1, 0), -ETIMEDOUT);
	EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_THREAD | ULF_WAKE_ALL, &word, 0),
	    -EINVAL);
	EXPECT_EQ(
	    __ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_ALLOW_NON_OWNER, &word, 0), -EINVAL);
	EXPECT_EQ(__ulock_wake(UL_UNFAIR_LOCK | ULF_NO_ERRNO | ULF_WAKE_THREAD, &word, 0), -EINVAL);
	EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_THREAD, &word, 0x1234), -ESRCH);
}

TEST(ulocks_wake_the_thread_that_is_named)
{
	thread_act_t self = mach_thread_self();
	pthread_t thread;
	int result;

	atomic_store(&started, 0);
	word = 5;
	REQUIRE(pthread_create(&thread, NULL, wait_for_word, NULL) == 0);
	do {
		usleep(1000);
		result = __ulock_wake(UL_COMPARE_AND_WAIT64 | ULF_NO_ERRNO, &word, 0);
	} while (result == -ENOENT || result == -EINVAL); /* until it waits */
	EXPECT(result == -EDOM || ((uintptr_t)&word & 7) != 0);
	EXPECT_EQ(__ulock_wait(UL_COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO, &word, 5, 1), -ETIMEDOUT);
	EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_THREAD, &word, self), -EALREADY);
	__atomic_store_n(&word, 6, __ATOMIC_RELEASE);
	EXPECT_EQ(__ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | ULF_WAKE_THREAD, &word,
		      pthread_mach_thread_np(thread)),
	    0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	word = 5;
	mach_port_deallocate(mach_task_self(), self);
}

/* ---- Threads that are dead, calls with the wrong arguments ---- */

static void *
nothing(void *arg)
{
	return arg;
}

TEST(dead_threads_are_told_apart)
{
	mach_msg_type_number_t count = ARM_THREAD_STATE64_COUNT;
	arm_thread_state64_t state = { 0 };
	thread_act_t port;

	REQUIRE(thread_create(mach_task_self(), &port) == KERN_SUCCESS);
	EXPECT_EQ(thread_terminate(port), KERN_SUCCESS);
	for (unsigned i = 0; i < 500; i++) {
		mach_port_type_t type = 0;

		(void)mach_port_type(mach_task_self(), port, &type);
		if ((type & MACH_PORT_TYPE_DEAD_NAME) != 0) {
			break;
		}
		usleep(1000);
	}
	EXPECT(thread_suspend(port) != KERN_SUCCESS);
	EXPECT(thread_resume(port) != KERN_SUCCESS);
	EXPECT(thread_abort(port) != KERN_SUCCESS);
	EXPECT(thread_terminate(port) != KERN_SUCCESS);
	EXPECT(thread_set_state(port, ARM_THREAD_STATE64, (thread_state_t)&state, count) != KERN_SUCCESS);
	EXPECT_EQ(__pthread_kill((int)port, SIGUSR1), -1);
	EXPECT_EQ(errno, ESRCH);
	EXPECT_EQ(__pthread_markcancel((int)port), -1);
	EXPECT_EQ(errno, ESRCH);
	EXPECT_EQ(__bsdthread_ctl((void *)0x40, (void *)(uintptr_t)port, (void *)0x8ff, (void *)1), -1);
	EXPECT_EQ(errno, ESRCH);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), port), KERN_SUCCESS);
}

/* ---- Threads that end while others name them ---- */

#define ENDINGS   200
#define BOTHERERS 2

static _Atomic mach_port_t ending;
static _Atomic bool all_ended;

static void *
say_name_and_end(void *arg)
{
	atomic_store(&ending, pthread_mach_thread_np(pthread_self()));
	return NULL;
}

static void
handle_nothing(int sig)
{
	(void)sig;
}

static void *
bother_who_ends(void *arg)
{
	while (!atomic_load(&all_ended)) {
		void *port = (void *)(uintptr_t)atomic_load(&ending);

		EXPECT(__pthread_kill((int)(uintptr_t)port, SIGUSR1) == 0 || errno == ESRCH);
		EXPECT(__bsdthread_ctl((void *)0x40, port, (void *)0x8ff, (void *)1) == 0 || errno == ESRCH);
		EXPECT(__bsdthread_ctl((void *)0x80, port, (void *)1, NULL) == 0 || errno == ESRCH ||
		       errno == EINVAL);
	}
	return NULL;
}

TEST(who_ends_is_named_by_others)
{
	pthread_t botherers[BOTHERERS], thread;

	signal(SIGUSR1, handle_nothing);
	for (unsigned i = 0; i < BOTHERERS; i++) {
		REQUIRE(pthread_create(&botherers[i], NULL, bother_who_ends, NULL) == 0);
	}
	for (unsigned i = 0; i < ENDINGS; i++) {
		REQUIRE(pthread_create(&thread, NULL, say_name_and_end, NULL) == 0);
		EXPECT_EQ(pthread_join(thread, NULL), 0);
	}
	atomic_store(&all_ended, true);
	for (unsigned i = 0; i < BOTHERERS; i++) {
		EXPECT_EQ(pthread_join(botherers[i], NULL), 0);
	}
	signal(SIGUSR1, SIG_DFL);
}

static _Noreturn void
end_when_told(void)
{
	char c;

	(void)read(fds[0], &c, 1);
	_exit(0);
}

/* What others ask of the thread of a process, until it has none. */
static void
ask_until_it_ends(task_t task)
{
	thread_act_array_t threads;
	mach_msg_type_number_t n;

	while (task_threads(task, &threads, &n) == KERN_SUCCESS && n != 0) {
		thread_precedence_policy_data_t policy = { .importance = 0 };
		mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
		thread_basic_info_data_t info;

		(void)thread_info(threads[0], THREAD_BASIC_INFO, (thread_info_t)&info, &count);
		(void)thread_policy_set(threads[0], THREAD_PRECEDENCE_POLICY, (thread_policy_t)&policy,
		    THREAD_PRECEDENCE_POLICY_COUNT);
		for (unsigned i = 0; i < n; i++) {
			(void)mach_port_deallocate(mach_task_self(), threads[i]);
		}
		(void)vm_deallocate(mach_task_self(), (vm_address_t)threads, n * sizeof(threads[0]));
	}
}

TEST(a_process_ends_whose_thread_is_asked)
{
	for (unsigned i = 0; i < 30; i++) {
		mach_port_t task;
		int status;
		pid_t pid;

		REQUIRE(pipe(fds) == 0);
		pid = fork();
		if (pid == 0) {
			end_when_told();
		}
		REQUIRE(pid > 0 && task_for_pid(mach_task_self(), pid, &task) == KERN_SUCCESS);
		EXPECT_EQ(write(fds[1], "", 1), 1);
		ask_until_it_ends(task);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(mach_port_deallocate(mach_task_self(), task), KERN_SUCCESS);
		close(fds[0]);
		close(fds[1]);
	}
}

TEST(thread_calls_with_wrong_arguments)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, nothing, NULL) == 0); /* the library has registered */
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(__bsdthread_register((void *)nothing, NULL, 0, NULL, 0, 0, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(__bsdthread_create((void *)nothing, NULL, NULL, NULL, 0) == (void *)-1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(__bsdthread_create((void *)nothing, NULL, (void *)UNMAPPED, (void *)UNMAPPED, 0x01000000) ==
	       (void *)-1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT(__bsdthread_create((void *)nothing, NULL, (void *)KERNEL_ADDRESS, (void *)KERNEL_ADDRESS,
		   0x01000000) == (void *)-1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(__bsdthread_ctl((void *)0x9999, NULL, NULL, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__bsdthread_ctl((void *)0x100, (void *)0x18ff, NULL, (void *)1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__bsdthread_ctl((void *)0x100, NULL, NULL, (void *)0x8000), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__bsdthread_ctl((void *)0x800, (void *)7, NULL, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(__bsdthread_ctl((void *)0x800, (void *)4, NULL, NULL) >= 1);
	EXPECT_EQ(__semwait_signal(0x1234, 0, 0, 0, 0, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__semwait_signal(0, 0, 1, 1, -1, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(__semwait_signal(0, 0, 1, 1, 0, 1000000000), -1);
	EXPECT_EQ(errno, EINVAL);
}

/* ---- No address of the kernel in a register ---- */

void save_and_end(void);
void save_and_return(struct seen *seen, int64_t number, uint64_t a0, uint64_t a1);

/* A thread that begins here, in either way, saves and leaves by bsdthread_terminate(0, 0, port, 0). */
__asm__("	.text\n"
	"	.p2align 2\n"
	"_save_and_end:\n" SAVE_REGISTERS "	ldr	x2, [x0, #8]\n"
	"	mov	x0, #0\n"
	"	mov	x1, #0\n"
	"	mov	x3, #0\n"
	"	mov	x16, #361\n"
	"	svc	#0x80\n"
	"	brk	#1\n");

/* The same for a thread of the pool, whose structure the kernel placed: pool_seen becomes its address. */
struct seen *pool_seen;
void save_in_pool_and_end(void);
__asm__("	.text\n"
	"	.p2align 2\n"
	"_save_in_pool_and_end:\n" SAVE_REGISTERS "	adrp	x9, _pool_seen@PAGE\n"
	"	add	x9, x9, _pool_seen@PAGEOFF\n"
	"	stlr	x0, [x9]\n"
	"	ldr	x2, [x0, #8]\n"
	"	mov	x0, #0\n"
	"	mov	x1, #0\n"
	"	mov	x3, #0\n"
	"	mov	x16, #361\n"
	"	svc	#0x80\n"
	"	brk	#1\n");

/* The call `number` with a0 and a1, all other registers 0 before it, and the registers after it saved. */
__asm__(
    "	.text\n"
    "	.p2align 2\n"
    "_save_and_return:\n"
    "	stp	x29, x30, [sp, #-112]!\n"
    "	stp	x19, x20, [sp, #16]\n"
    "	stp	x21, x22, [sp, #32]\n"
    "	stp	x23, x24, [sp, #48]\n"
    "	stp	x25, x26, [sp, #64]\n"
    "	stp	x27, x28, [sp, #80]\n"
    "	str	x0, [sp, #96]\n"
    "	mov	x16, x1\n"
    "	mov	x0, x2\n"
    "	mov	x1, x3\n"
    "	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, "
    "26, 27, 28, 29, 30\n"
    "	mov	x\\n, #0\n"
    "	.endr\n"
    "	svc	#0x80\n"
    "	stp	x0, x9, [sp, #-16]!\n"
    "	ldr	x0, [sp, #112]\n" SAVE_REGISTERS "	ldp	x1, x9, [sp], #16\n"
    "	str	x1, [x0]\n"
    "	str	x9, [x0, #72]\n"
    "	ldp	x19, x20, [sp, #16]\n"
    "	ldp	x21, x22, [sp, #32]\n"
    "	ldp	x23, x24, [sp, #48]\n"
    "	ldp	x25, x26, [sp, #64]\n"
    "	ldp	x27, x28, [sp, #80]\n"
    "	ldp	x29, x30, [sp], #112\n"
    "	ret\n");

TEST(calls_leave_no_kernel_address)
{
	static const int64_t numbers[] = { -127, -26, -27, -28, -29, -61, -3, SYS_getpid, SYS_close,
		SYS_sigpending, SYS_getrusage, SYS_thread_selfid, SYS_ulock_wake, 0x7000,
		SYS_workq_kernreturn, SYS___pthread_canceled, SYS_sem_wait };
	struct seen seen;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		memset(&seen, 0, sizeof(seen));
		signal(SIGSYS, SIG_IGN);
		save_and_return(&seen, numbers[i], 0x7777, UNMAPPED);
		EXPECT_EQ(seen.done, 1);
		expect_clean(&seen);
		for (unsigned n = 2; n < 31; n++) {
			EXPECT_EQ(seen.x[n], n == 16 ? (uint64_t)numbers[i] : 0);
		}
	}
}

TEST(calls_that_block_leave_no_kernel_address)
{
	struct timespec ts = { 0, 1000000 };
	struct seen seen = { 0 };
	uint64_t now = mach_absolute_time();

	save_and_return(&seen, -90, now + 100000, 0); /* mach_wait_until */
	expect_clean(&seen);
	memset(&seen, 0, sizeof(seen));
	save_and_return(&seen, -61, 0, 0); /* thread_switch */
	expect_clean(&seen);
	(void)ts;
}

/* The child of fork has what its parent had. */
TEST(a_child_finds_no_kernel_address)
{
	static struct seen seen;
	int status = -1;
	pid_t pid;

	memset(&seen, 0, sizeof(seen));
	save_and_return(&seen, SYS_fork, 0, 0);
	pid = (pid_t)seen.x[0];
	if (seen.x[1] == 1) { /* the child */
		unsigned wrong = 0;

		for (unsigned n = 2; n < 31; n++) {
			wrong += n != 16 && seen.x[n] != 0;
		}
		for (unsigned n = 0; n < 64; n++) {
			wrong += is_kernel_address(seen.v[n]);
		}
		_exit(wrong != 0);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	expect_clean(&seen);
}

/*
 * Where a signal is delivered, without the library in between: x0 is what the action has as its handler, here where to
 * save. SP is the frame, which is copied to delivered_frame; then sigreturn with what the kernel gave.
 */
#define FRAME_BYTES 976

struct delivered {
	struct seen seen;
	uint64_t frame[FRAME_BYTES / 8];
};

void save_and_sigreturn(void);
__asm__("	.text\n"
	"	.p2align 2\n"
	"_save_and_sigreturn:\n" SAVE_REGISTERS "	mov	x9, #0\n"
	"1:	ldr	x10, [x3, x9]\n"
	"	add	x11, x0, #792\n"
	"	str	x10, [x11, x9]\n"
	"	add	x9, x9, #8\n"
	"	cmp	x9, #976\n"
	"	b.lo	1b\n"
	"	mov	x0, x4\n"
	"	mov	x2, x5\n"
	"	mov	x16, #184\n"
	"	svc	#0x80\n"
	"	brk	#1\n");
_Static_assert(sizeof(struct seen) == 792, "where the frame is copied to");

int __sigaction(int signal, const struct __sigaction *new, struct sigaction *old);

static void
set_bare_handler(int number, struct delivered *to)
{
	struct __sigaction action = { .sa_tramp = (void (*)(void *, int, int, siginfo_t *, void *))(
					  void *)save_and_sigreturn,
		.sa_flags = SA_SIGINFO };

	memset(to, 0, sizeof(*to));
	action.__sigaction_u.__sa_handler = (void (*)(int))(void *)to;
	EXPECT_EQ(__sigaction(number, &action, NULL), 0);
}

static void
expect_clean_delivery(const struct delivered *d)
{
	EXPECT_EQ(d->seen.done, 1);
	expect_clean(&d->seen);
	EXPECT_EQ(d->seen.x[0], (uintptr_t)d);
	EXPECT_EQ(d->seen.x[3], d->seen.sp);
	for (unsigned i = 0; i < FRAME_BYTES / 8; i++) {
		EXPECT(!is_kernel_address(d->frame[i]));
	}
}

/* From a child, when the caller has gone on. */
static pid_t
send_soon(int number)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep(2000);
		_exit(kill(getppid(), number));
	}
	return pid;
}

/* In a call that returns, in one that waits, and in the midst of the program. */
TEST(a_handler_finds_no_kernel_address)
{
	static struct delivered here, waiting, running;
	pid_t sender;
	struct seen after;

	set_bare_handler(SIGUSR1, &here);
	save_and_return(&after, SYS_kill, (uint64_t)getpid(), SIGUSR1);
	expect_clean_delivery(&here);
	for (unsigned n = 6; n < 31; n++) {
		EXPECT_EQ(here.seen.x[n], n == 16 ? SYS_kill : 0);
	}
	set_bare_handler(SIGUSR2, &waiting);
	sender = send_soon(SIGUSR2);
	while (atomic_load(&waiting.seen.done) == 0) {
		save_and_return(&after, -90, mach_absolute_time() + 1000000, 0); /* mach_wait_until */
	}
	EXPECT_EQ(waitpid(sender, NULL, 0), sender);
	expect_clean_delivery(&waiting);
	set_bare_handler(SIGUSR2, &running);
	sender = send_soon(SIGUSR2);
	while (atomic_load(&running.seen.done) == 0) {
		__asm__ volatile("yield");
	}
	EXPECT_EQ(waitpid(sender, NULL, 0), sender);
	expect_clean_delivery(&running);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

/* An exception without address does not tell the last address that faulted on this CPU, another program's. */
static int
fault_at(void *arg)
{
	*(volatile char *)arg = 1;
	return 0;
}

static void
skip_instruction(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	wrong_sp = uc->uc_mcontext->__es.__far;
	uc->uc_mcontext->__ss.__pc += 4;
}

TEST(an_exception_without_address_tells_none)
{
	struct sigaction action = { .sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO };

	EXPECT_EQ(sigaction(SIGILL, &action, NULL), 0);
	EXPECT_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	EXPECT_EQ(ktap_in_child(fault_at, (void *)UNMAPPED), 128 + SIGSEGV);
	wrong_sp = 1;
	__asm__ volatile("udf #7");
	EXPECT_EQ(wrong_sp, 0);
	EXPECT_EQ(ktap_in_child(fault_at, (void *)UNMAPPED), 128 + SIGSEGV);
	wrong_sp = 1;
	__asm__ volatile("brk #7");
	EXPECT_EQ(wrong_sp, 0);
	wrong_sp = 0;
	signal(SIGILL, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

/* What a program begins with; see registers_entry.c. The floating-point registers of the old program are full. */
static int
exec_entry(void *arg)
{
	char *const argv[] = { (char *)"registers-entry", NULL };

	__asm__ volatile("	.irp	n, 0, 7, 8, 15, 16, 31\n"
			 "	fmov	d\\n, %0\n"
			 "	.endr\n"
			 "	msr	fpcr, %1"
	    :
	    : "r"(0x5a5a5a5a5a5a5a5aUL), "r"(0x400000UL)
	    : "v0", "v7", "v8", "v15", "v16", "v31");
	execv("/tests/.images/registers-entry", argv);
	return 250;
}

TEST(a_program_begins_with_zeros)
{
	EXPECT_EQ(ktap_in_child(exec_entry, NULL), 0);
}

static void
wait_for(struct seen *seen)
{
	for (unsigned i = 0; i < 5000 && atomic_load(&seen->done) == 0; i++) {
		usleep(1000);
	}
	EXPECT_EQ(atomic_load(&seen->done), 1);
}

/* A thread begins with what it was given and zeros. Without the library: it may register only once. */
static int
begin_threads(void *arg)
{
	static struct seen created, running;
	vm_address_t stack = 0;
	arm_thread_state64_t state = { 0 };
	thread_act_t thread;

	EXPECT_EQ(vm_allocate(mach_task_self(), &stack, 65536, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
	EXPECT(__bsdthread_register((void *)save_and_end, (void *)save_in_pool_and_end,
		   (int)sizeof(struct seen) + 4096, NULL, 0, 0, 2048) >= 0);
	EXPECT(__bsdthread_create((void *)2, (void *)3, (void *)(stack + 65536), &created, 0x01000000) ==
	       &created);
	wait_for(&created);
	expect_clean(&created);
	EXPECT_EQ(created.x[0], (uintptr_t)&created);
	EXPECT_EQ(created.x[2], 2);
	EXPECT_EQ(created.x[3], 3);
	EXPECT_EQ(created.x[4], stack + 65536);
	for (unsigned i = 6; i < 31; i++) {
		EXPECT_EQ(created.x[i], 0);
	}
	state.__x[0] = (uintptr_t)&running;
	state.__pc = (uintptr_t)save_and_end;
	state.__sp = stack + 65536;
	EXPECT_EQ(thread_create_running(mach_task_self(), ARM_THREAD_STATE64, (thread_state_t)&state,
		      ARM_THREAD_STATE64_COUNT, &thread),
	    KERN_SUCCESS);
	wait_for(&running);
	expect_clean(&running);
	for (unsigned i = 1; i < 31; i++) {
		EXPECT_EQ(running.x[i], 0);
	}
	EXPECT_EQ(__workq_open(), 0);
	EXPECT_EQ(__workq_kernreturn(0x20, NULL, 1, 0x8ff), 0);
	while (__atomic_load_n(&pool_seen, __ATOMIC_ACQUIRE) == NULL) {
		usleep(1000);
	}
	expect_clean(pool_seen);
	EXPECT_EQ(pool_seen->x[0], (uintptr_t)pool_seen);
	EXPECT_EQ(pool_seen->sp, (uintptr_t)pool_seen);
	EXPECT_EQ(pool_seen->x[3], 0);
	for (unsigned i = 5; i < 31; i++) {
		EXPECT_EQ(pool_seen->x[i], 0);
	}
	return 0;
}

/* The first test by name: no thread was made, so the library has not registered. */
TEST(a_created_thread_finds_its_arguments_and_zeros)
{
	EXPECT_EQ(ktap_in_child(begin_threads, NULL), 0);
}
