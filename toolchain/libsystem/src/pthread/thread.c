/*
 * Threads: creation, end, joining.
 *
 * One allocation holds, from its lowest address, a guard page, the stack and the thread's struct. It outlives
 * the thread: the kernel clears exit_gate when the thread will not touch it again, and only then may it be reused,
 * by whoever joins the thread, or by whoever finds a detached thread's gate open on the list of dead ones.
 *
 * stack_cache_lock guards the two lists; it is never held across a kernel call that can block.
 */
#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ulock.h>
#include <unistd.h>

#include "../../newlib/glue.h"
#include "../bsd/internal.h"
#include "../malloc/internal.h"
#include "../start/start.h"
#include "internal.h"
#include "lock.h"

#define STACK_DEFAULT       (512 * 1024)
#define STACK_CACHE_MAX     16          /* finished threads kept for the next ones */
#define ATTR_SIGNATURE      0x54484441L /* "THDA" */
#define CREATE_CUSTOM_STACK 0x01000000u

struct attr_impl {
	long sig;
	size_t stack_size;
	uint32_t detach_state;
};
_Static_assert(sizeof(struct attr_impl) <= sizeof(pthread_attr_t), "attributes fit");

/* bsdthread_register's data, packed as the kernel reads it. */
struct registration {
	uint64_t version;
	uint64_t dispatch_queue_offset;
	uint64_t main_qos;
	uint32_t tsd_offset;
	uint32_t return_to_kernel_offset;
	uint32_t mach_thread_self_offset;
	uint64_t stack_addr_hint;
	uint32_t mutex_default_policy;
	uint32_t joinable_offset_bits;
	uint32_t wq_quantum_expiry_offset;
} __attribute__((packed));

static struct _opaque_pthread_t main_thread;
static os_light_lock_t stack_cache_lock;
static pthread_t stack_cache; /* free allocations of the default size */
static unsigned stack_cached;
static pthread_t detached_dead; /* ended or ending detached threads */

void
_pthread_setup(pthread_t thread)
{
	thread->signature = THREAD_SIGNATURE;
	thread->tsd[TSD_THREAD_SELF] = thread;
	thread->tsd[TSD_ERRNO] = _newlib_thread_init(thread->reent);
	thread->tsd[TSD_REENT] = thread->reent;
}

static void
set_tsd_base(void **base)
{
	register uint64_t number __asm__("x16") = 0x80000000u;
	register uint64_t code __asm__("x3") = 2;
	register uint64_t arg __asm__("x0") = (uint64_t)base;

	__asm__ volatile("svc #0x80" : "+r"(arg) : "r"(number), "r"(code) : "memory");
}

void
_pthread_main_thread_init(const char *const *apple)
{
	uint64_t stack[4], name;

	set_tsd_base(main_thread.tsd);
	_pthread_setup(&main_thread);
	main_thread.exit_gate = 1;
	if (_apple_numbers(apple, "main_stack", stack, 4)) {
		main_thread.stack_top = stack[0];
		main_thread.stack_size = stack[1];
	}
	if (_apple_numbers(apple, "th_port", &name, 1)) {
		main_thread.tsd[TSD_MACH_THREAD_SELF] = (void *)name;
	}
}

/* The kernel enters here with the registers that bsdthread_create was given. */
static _Noreturn void
thread_start(pthread_t self, mach_port_t port, void *(*fn)(void *), void *arg, void *stack, uint32_t flags)
{
	self->tsd[TSD_MACH_THREAD_SELF] = (void *)(uintptr_t)port;
	pthread_exit(fn(arg));
}

static _Atomic(bool) registered; /* with the kernel, in this process */

/*
 * A created thread finds its port in its slot. The first thread asks for its own when it is first needed: at the
 * latest before it makes another thread, which may then ask for it.
 */
mach_port_t
_pthread_self_port(void)
{
	void **slot = &thread_self_fast()->tsd[TSD_MACH_THREAD_SELF];

	if (*slot == NULL) {
		*slot = (void *)(uintptr_t)mach_thread_self();
	}
	return (mach_port_t)(uintptr_t)*slot;
}

/* Tells the kernel where threads start. Only programs that make one pay for it; telling it twice does no harm. */
static void
register_once(void)
{
	struct registration data = {
		.version = sizeof(data),
		.tsd_offset = offsetof(struct _opaque_pthread_t, tsd),
		.mach_thread_self_offset = TSD_MACH_THREAD_SELF * sizeof(void *),
	};

	if (!atomic_load_explicit(&registered, memory_order_relaxed)) {
		(void)_pthread_self_port();
		(void)__bsdthread_register((void *)thread_start, NULL, (int)sizeof(struct _opaque_pthread_t),
		    &data, sizeof(data), 0, offsetof(struct _opaque_pthread_t, tsd));
		atomic_store_explicit(&registered, true, memory_order_relaxed);
	}
}

/* A thread's allocation is its own again: clears the parts that the next user expects to be zero. */
static void
recycle(pthread_t thread)
{
	vm_address_t base = thread->alloc_base, top = thread->stack_top;
	vm_size_t alloc = thread->alloc_size, size = thread->stack_size;

	memset(thread, 0, sizeof(*thread));
	thread->alloc_base = base;
	thread->alloc_size = alloc;
	thread->stack_top = top;
	thread->stack_size = size;
}

static void
release_allocation(pthread_t thread)
{
	os_light_lock(&stack_cache_lock);
	if (thread->stack_size == STACK_DEFAULT && stack_cached < STACK_CACHE_MAX) {
		thread->next_free = stack_cache;
		stack_cache = thread;
		stack_cached++;
		thread = NULL;
	}
	os_light_unlock(&stack_cache_lock);
	if (thread != NULL) {
		(void)mach_vm_deallocate(mach_task_self(), thread->alloc_base, thread->alloc_size);
	}
}

/* Takes a detached thread whose gate is open off the list; NULL: none. */
static pthread_t
reap_detached(void)
{
	pthread_t *link, found = NULL;

	os_light_lock(&stack_cache_lock);
	for (link = &detached_dead; *link != NULL; link = &(*link)->next_free) {
		/* acquire: pairs with the kernel's store of 0, after which the stack is quiet */
		if (__atomic_load_n(&(*link)->exit_gate, __ATOMIC_ACQUIRE) == 0) {
			found = *link;
			*link = found->next_free;
			break;
		}
	}
	os_light_unlock(&stack_cache_lock);
	return found;
}

static pthread_t
cached_allocation(void)
{
	pthread_t thread;

	while ((thread = reap_detached()) != NULL) {
		release_allocation(thread);
	}
	os_light_lock(&stack_cache_lock);
	thread = stack_cache;
	if (thread != NULL) {
		stack_cache = thread->next_free;
		stack_cached--;
	}
	os_light_unlock(&stack_cache_lock);
	if (thread != NULL) {
		recycle(thread);
	}
	return thread;
}

static pthread_t
new_allocation(size_t stack_size)
{
	size_t guard = vm_page_size;
	size_t alloc = guard + stack_size + round_page(sizeof(struct _opaque_pthread_t));
	mach_vm_address_t base = 0;
	pthread_t thread;

	if (mach_vm_allocate(mach_task_self(), &base, alloc,
		VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_STACK)) != KERN_SUCCESS) {
		return NULL;
	}
	if (mach_vm_protect(mach_task_self(), base, guard, FALSE, VM_PROT_NONE) != KERN_SUCCESS) {
		(void)mach_vm_deallocate(mach_task_self(), base, alloc);
		return NULL;
	}
	thread = (pthread_t)(base + guard + stack_size);
	thread->alloc_base = base;
	thread->alloc_size = alloc;
	thread->stack_top = base + guard + stack_size;
	thread->stack_size = stack_size;
	return thread;
}

int
pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	const struct attr_impl *impl = (const void *)attr;
	size_t stack_size = STACK_DEFAULT;
	pthread_t thread = NULL;

	if (impl != NULL) {
		if (impl->sig != ATTR_SIGNATURE) {
			return EINVAL;
		}
		stack_size = impl->stack_size != 0 ? round_page(impl->stack_size) : STACK_DEFAULT;
	}
	if (stack_size == STACK_DEFAULT) {
		thread = cached_allocation();
	}
	if (thread == NULL) {
		thread = new_allocation(stack_size);
	}
	if (thread == NULL) {
		return EAGAIN;
	}
	register_once();
	_pthread_setup(thread);
	thread->exit_gate = 1;
	thread->detached =
	    impl != NULL && impl->detach_state == PTHREAD_CREATE_DETACHED ? THREAD_DETACHED : THREAD_JOINABLE;
	*out = thread; /* before it runs: it may look at the variable */
	if (__bsdthread_create((void *)start, arg, (void *)thread->stack_top, thread, CREATE_CUSTOM_STACK) ==
	    (void *)-1) {
		release_allocation(thread);
		return EAGAIN;
	}
	return 0;
}

static void
drop_thread_ports(pthread_t self)
{
	mach_port_t reply = (mach_port_t)(uintptr_t)self->tsd[TSD_MIG_REPLY];

	if (reply != MACH_PORT_NULL) {
		self->tsd[TSD_MIG_REPLY] = NULL;
		(void)mach_port_mod_refs(mach_task_self(), reply, MACH_PORT_RIGHT_RECEIVE, -1);
	}
}

/* Last use of the struct by the thread itself is the address of the gate. */
_Noreturn void
pthread_exit(void *result)
{
	pthread_t self = thread_self_fast();
	mach_port_t port = (mach_port_t)(uintptr_t)self->tsd[TSD_MACH_THREAD_SELF];
	uint32_t state = THREAD_JOINABLE;

	while (self->cleanup != NULL) {
		__pthread_cleanup_pop(self->cleanup, 1);
	}
	_pthread_tsd_cleanup(self);
	_newlib_thread_fini(self->reent);
	_malloc_thread_fini();
	drop_thread_ports(self);
	self->result = result;
	/* release: the joiner reads the result; a detach that comes later puts the thread on the list itself */
	if (!__atomic_compare_exchange_n(
		&self->detached, &state, THREAD_EXITING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		os_light_lock(&stack_cache_lock);
		self->next_free = detached_dead;
		detached_dead = self;
		os_light_unlock(&stack_cache_lock);
	}
	(void)__bsdthread_terminate(NULL, 0, port, &self->exit_gate);
	__builtin_trap();
}

static void
wait_for_gate(pthread_t thread)
{
	/* acquire: pairs with the kernel's store of 0; everything the thread did happened before */
	while (__atomic_load_n(&thread->exit_gate, __ATOMIC_ACQUIRE) != 0) {
		(void)__ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, &thread->exit_gate, 1, 0);
	}
}

int
pthread_join(pthread_t thread, void **result)
{
	if (thread == NULL || thread->signature != THREAD_SIGNATURE) {
		return ESRCH;
	}
	if (thread == thread_self_fast()) {
		return EDEADLK;
	}
	if (__atomic_load_n(&thread->detached, __ATOMIC_ACQUIRE) == THREAD_DETACHED) {
		return EINVAL;
	}
	wait_for_gate(thread);
	if (result != NULL) {
		*result = thread->result;
	}
	if (thread != &main_thread) {
		release_allocation(thread);
	}
	return 0;
}

int
pthread_detach(pthread_t thread)
{
	uint32_t state = THREAD_JOINABLE;

	if (thread == NULL || thread->signature != THREAD_SIGNATURE) {
		return ESRCH;
	}
	if (__atomic_compare_exchange_n(
		&thread->detached, &state, THREAD_DETACHED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		return 0;
	}
	if (state == THREAD_DETACHED) {
		return EINVAL;
	}
	wait_for_gate(thread);
	release_allocation(thread);
	return 0;
}

pthread_t
pthread_self(void)
{
	return thread_self_fast();
}

int
pthread_equal(pthread_t a, pthread_t b)
{
	return a == b;
}

int
pthread_main_np(void)
{
	return thread_self_fast() == &main_thread;
}

int
pthread_setname_np(const char *name)
{
	return strlcpy(thread_self_fast()->name, name, sizeof(main_thread.name)) < sizeof(main_thread.name)
		   ? 0
		   : ENAMETOOLONG;
}

int
pthread_getname_np(pthread_t thread, char *name, size_t len)
{
	return strlcpy(name, thread->name, len) < len ? 0 : ERANGE;
}

int
pthread_threadid_np(pthread_t thread, uint64_t *id)
{
	if (thread != NULL && thread != thread_self_fast()) {
		return ENOTSUP;
	}
	*id = __thread_selfid();
	return 0;
}

void *
pthread_get_stackaddr_np(pthread_t thread)
{
	return (void *)thread->stack_top;
}

size_t
pthread_get_stacksize_np(pthread_t thread)
{
	return thread->stack_size;
}

unsigned int
pthread_mach_thread_np(pthread_t thread)
{
	if (thread == thread_self_fast()) {
		return _pthread_self_port();
	}
	return (unsigned int)(uintptr_t)thread->tsd[TSD_MACH_THREAD_SELF];
}

int
pthread_attr_init(pthread_attr_t *attr)
{
	memset(attr, 0, sizeof(*attr));
	*(struct attr_impl *)(void *)attr = (struct attr_impl){
		.sig = ATTR_SIGNATURE,
		.stack_size = STACK_DEFAULT,
		.detach_state = PTHREAD_CREATE_JOINABLE,
	};
	return 0;
}

int
pthread_attr_destroy(pthread_attr_t *attr)
{
	attr->sig = 0;
	return 0;
}

int
pthread_attr_setdetachstate(pthread_attr_t *attr, int state)
{
	if (state != PTHREAD_CREATE_JOINABLE && state != PTHREAD_CREATE_DETACHED) {
		return EINVAL;
	}
	((struct attr_impl *)(void *)attr)->detach_state = (uint32_t)state;
	return 0;
}

int
pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state)
{
	*state = (int)((const struct attr_impl *)(const void *)attr)->detach_state;
	return 0;
}

int
pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
	if (size < PTHREAD_STACK_MIN || size > 1UL << 40) {
		return EINVAL;
	}
	((struct attr_impl *)(void *)attr)->stack_size = size;
	return 0;
}

int
pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size)
{
	*size = ((const struct attr_impl *)(const void *)attr)->stack_size;
	return 0;
}

void
_pthread_atfork_prepare(void)
{
	os_light_lock(&stack_cache_lock);
	_malloc_fork_prepare();
}

void
_pthread_atfork_parent(void)
{
	_malloc_fork_done();
	os_light_unlock(&stack_cache_lock);
}

/* The other threads are gone; their stacks are memory that nobody will ever free. */
void
_pthread_atfork_child(void)
{
	pthread_t self = thread_self_fast();

	_malloc_fork_done();
	detached_dead = NULL;
	atomic_store_explicit(&registered, false, memory_order_relaxed);
	self->tsd[TSD_MACH_THREAD_SELF] = NULL; /* a name of the parent's */
	os_light_unlock(&stack_cache_lock);
}
