/*
 * Threads: creation, end, joining.
 *
 * One allocation holds, from its lowest address, a guard page, the stack and the thread's struct. It outlives
 * the thread: the kernel clears exit_gate when the thread will not touch it again, and only then may it be reused,
 * by whoever joins the thread, or by whoever finds a detached thread's gate open on the list of dead ones.
 *
 * stack_cache_lock guards the lists; it is never held across a kernel call that can block.
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
#include "qos.h"

#define STACK_CACHE_MAX 16 /* finished threads kept for the next ones */

/* bsdthread_create */
#define CREATE_CUSTOM_STACK 0x01000000u
#define CREATE_SET_SCHED    0x02000000u /* policy << 16 | priority below */
#define CREATE_QOS          0x08000000u /* qos.h's word below */
#define CREATE_SUSPENDED    0x20000000u

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
static pthread_t detached_dead;   /* ended or ending detached threads */
static pthread_t allocations;     /* all of them */
static uint32_t thread_count = 1; /* atomic: threads of the library that have not begun to end */

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
 * latest before it makes another thread, which may then ask for it. In both cases the library's reference is one that
 * the kernel keeps for it, besides those that were asked for.
 */
mach_port_t
_pthread_self_port(void)
{
	void **slot = &thread_self_fast()->tsd[TSD_MACH_THREAD_SELF];

	if (*slot == NULL) {
		*slot = (void *)(uintptr_t)mach_thread_self();
		(void)mach_port_deallocate(mach_task_self(), (mach_port_t)(uintptr_t)*slot);
	}
	return (mach_port_t)(uintptr_t)*slot;
}

_pthread_worker_entry_t _pthread_worker_entry;

/*
 * The kernel enters threads of its pool here. It listens to one registration only, and the first thread may come long
 * before the first use of the pool, which many programs never make.
 */
static _Noreturn void
worker_start(pthread_t self, mach_port_t port, vm_address_t stack, void *events, uint32_t flags, int count)
{
	__atomic_load_n(&_pthread_worker_entry, __ATOMIC_ACQUIRE)(self, port, stack, events, flags, count);
	__builtin_trap();
}

/* Tells the kernel where threads start. Only programs that make one pay for it; telling it twice does no harm. */
void
_pthread_register(void)
{
	struct registration data = {
		.version = sizeof(data),
		.tsd_offset = offsetof(struct _opaque_pthread_t, tsd),
		.mach_thread_self_offset = TSD_MACH_THREAD_SELF * sizeof(void *),
	};

	if (!atomic_load_explicit(&registered, memory_order_relaxed)) {
		(void)_pthread_self_port();
		(void)__bsdthread_register((void *)thread_start, (void *)worker_start,
		    (int)sizeof(struct _opaque_pthread_t), &data, sizeof(data), 0,
		    offsetof(struct _opaque_pthread_t, tsd));
		atomic_store_explicit(&registered, true, memory_order_relaxed);
	}
}

/* A thread's allocation is its own again: clears the parts that the next user expects to be zero. */
static void
recycle(pthread_t thread)
{
	vm_address_t base = thread->alloc_base, top = thread->stack_top;
	vm_size_t alloc = thread->alloc_size, size = thread->stack_size;
	pthread_t next = thread->next_alloc, *previous = thread->prev_alloc;

	memset(thread, 0, sizeof(*thread));
	thread->next_alloc = next;
	thread->prev_alloc = previous;
	thread->alloc_base = base;
	thread->alloc_size = alloc;
	thread->stack_top = top;
	thread->stack_size = size;
}

static size_t
default_allocation_size(void)
{
	return vm_page_size + STACK_DEFAULT + round_page(sizeof(struct _opaque_pthread_t));
}

static void
unlink_allocation(pthread_t thread)
{
	*thread->prev_alloc = thread->next_alloc;
	if (thread->next_alloc != NULL) {
		thread->next_alloc->prev_alloc = thread->prev_alloc;
	}
}

void
_pthread_link(pthread_t thread)
{
	os_light_lock(&stack_cache_lock);
	thread->next_alloc = allocations;
	thread->prev_alloc = &allocations;
	if (allocations != NULL) {
		allocations->prev_alloc = &thread->next_alloc;
	}
	allocations = thread;
	os_light_unlock(&stack_cache_lock);
}

/* The thread is no more; what it was is kept for the next one, or freed. */
static void
release_allocation(pthread_t thread)
{
	thread->signature = 0;
	os_light_lock(&stack_cache_lock);
	if (thread->alloc_size == default_allocation_size() && stack_cached < STACK_CACHE_MAX) {
		thread->next_free = stack_cache;
		stack_cache = thread;
		stack_cached++;
		thread = NULL;
	} else {
		unlink_allocation(thread);
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
		recycle(thread); /* here: its neighbours on the list may come and go */
	}
	os_light_unlock(&stack_cache_lock);
	return thread;
}

/* Guard, stack and struct; without `stack_size` only the struct. */
static pthread_t
new_allocation(size_t guard, size_t stack_size)
{
	size_t alloc = guard + stack_size + round_page(sizeof(struct _opaque_pthread_t));
	mach_vm_address_t base = 0;
	pthread_t thread;

	if (mach_vm_allocate(mach_task_self(), &base, alloc,
		VM_FLAGS_ANYWHERE | VM_MAKE_TAG(VM_MEMORY_STACK)) != KERN_SUCCESS) {
		return NULL;
	}
	if (guard != 0 &&
	    mach_vm_protect(mach_task_self(), base, guard, FALSE, VM_PROT_NONE) != KERN_SUCCESS) {
		(void)mach_vm_deallocate(mach_task_self(), base, alloc);
		return NULL;
	}
	thread = (pthread_t)(base + guard + stack_size);
	thread->alloc_base = base;
	thread->alloc_size = alloc;
	thread->stack_top = base + guard + stack_size;
	thread->stack_size = stack_size;
	_pthread_link(thread);
	return thread;
}

/* What the attributes ask for; NULL: no memory. */
static pthread_t
allocation_for(const struct attr_impl *attr)
{
	size_t guard = vm_page_size, stack_size = STACK_DEFAULT;
	pthread_t thread = NULL;

	if (attr != NULL && attr->stack_top != NULL) {
		thread = new_allocation(0, 0);
		if (thread != NULL) {
			thread->stack_top = (vm_address_t)attr->stack_top;
			thread->stack_size = attr->stack_size != 0 ? attr->stack_size : STACK_DEFAULT;
		}
		return thread;
	}
	if (attr != NULL) {
		guard = attr->no_guard ? 0 : attr->guard_size != 0 ? attr->guard_size : guard;
		stack_size = attr->stack_size != 0 ? round_page(attr->stack_size) : stack_size;
	}
	if (guard == vm_page_size && stack_size == STACK_DEFAULT) {
		thread = cached_allocation();
	}
	return thread != NULL ? thread : new_allocation(guard, stack_size);
}

/* How the kernel shall run it. */
static uint32_t
scheduling_flags(pthread_t thread, const struct attr_impl *attr)
{
	if (attr->qos != 0) {
		thread->qos = attr->qos;
		return CREATE_QOS | attr->qos;
	}
	if (attr->explicit_sched) {
		thread->policy = attr->policy;
		thread->priority = attr->priority;
		return CREATE_SET_SCHED | (uint32_t)attr->policy << 16 | (uint32_t)attr->priority;
	}
	return 0;
}

static int
create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg, uint32_t flags)
{
	const struct attr_impl *impl = NULL;
	pthread_t thread;

	if (attr != NULL && (impl = _pthread_attr(attr)) == NULL) {
		return EINVAL;
	}
	thread = allocation_for(impl);
	if (thread == NULL) {
		return EAGAIN;
	}
	_pthread_register();
	_pthread_setup(thread);
	thread->exit_gate = 1;
	thread->detached = impl != NULL && impl->detached ? THREAD_DETACHED : THREAD_JOINABLE;
	if (impl != NULL) {
		flags |= scheduling_flags(thread, impl);
	}
	*out = thread; /* before it runs: it may look at the variable */
	__atomic_fetch_add(&thread_count, 1, __ATOMIC_RELAXED);
	if (__bsdthread_create((void *)start, arg, (void *)thread->stack_top, thread,
		CREATE_CUSTOM_STACK | flags) == (void *)-1) {
		__atomic_fetch_sub(&thread_count, 1, __ATOMIC_RELAXED);
		release_allocation(thread);
		return EAGAIN;
	}
	return 0;
}

int
pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	return create(out, attr, start, arg, 0);
}

/* thread_resume of its port lets it run. */
int
pthread_create_suspended_np(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	return create(out, attr, start, arg, CREATE_SUSPENDED);
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

/* What the library keeps for a thread goes, in it. */
static void
release_thread_data(pthread_t self)
{
	_newlib_thread_fini(self->reent);
	_malloc_thread_fini();
	drop_thread_ports(self);
}

/* The port's name, which nobody else finds here any more. */
static mach_port_t
take_self_port(pthread_t self)
{
	void **slot = &self->tsd[TSD_MACH_THREAD_SELF];
	mach_port_t port = (mach_port_t)(uintptr_t)*slot;

	__atomic_store_n(slot, NULL, __ATOMIC_RELAXED);
	return port;
}

/* The kernel unmaps the stack, and this structure with it. */
_Noreturn void
_pthread_worker_exit(pthread_t self)
{
	_pthread_tsd_cleanup(self);
	release_thread_data(self);
	os_light_lock(&stack_cache_lock);
	unlink_allocation(self);
	os_light_unlock(&stack_cache_lock);
	(void)__bsdthread_terminate((void *)self->alloc_base, self->alloc_size, take_self_port(self), NULL);
	__builtin_trap();
}

void
_pthread_hold_process(void)
{
	__atomic_fetch_add(&thread_count, 1, __ATOMIC_RELAXED);
}

/*
 * Last use of the struct by the thread itself is the address of the gate. The end of the last thread is the end of the
 * program.
 */
_Noreturn void
pthread_exit(void *result)
{
	pthread_t self = thread_self_fast();
	uint32_t state = THREAD_JOINABLE;

	__atomic_fetch_or(&self->cancel, CANCEL_EXITING, __ATOMIC_RELAXED);
	while (self->cleanup != NULL) {
		__pthread_cleanup_pop(self->cleanup, 1);
	}
	if (self->worker) {
		_pthread_worker_exit(self);
	}
	_pthread_tsd_cleanup(self);
	if (__atomic_sub_fetch(&thread_count, 1, __ATOMIC_ACQ_REL) == 0) {
		exit(0);
	}
	release_thread_data(self);
	self->result = result;
	/* release: the joiner reads the result; a detach that comes later puts the thread on the list itself */
	if (!__atomic_compare_exchange_n(
		&self->detached, &state, THREAD_EXITING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		os_light_lock(&stack_cache_lock);
		self->next_free = detached_dead;
		detached_dead = self;
		os_light_unlock(&stack_cache_lock);
	}
	(void)__bsdthread_terminate(NULL, 0, take_self_port(self), &self->exit_gate);
	__builtin_trap();
}

/* flags: WORD_CANCEL if the wait may be cancelled. */
static void
wait_for_gate(pthread_t thread, unsigned flags)
{
	/* acquire: pairs with the kernel's store of 0; everything the thread did happened before */
	while (__atomic_load_n(&thread->exit_gate, __ATOMIC_ACQUIRE) != 0) {
		(void)_word_wait(&thread->exit_gate, 1, flags, 0);
	}
}

int
pthread_join(pthread_t thread, void **result)
{
	if (!is_thread(thread)) {
		return ESRCH;
	}
	if (thread == thread_self_fast()) {
		return EDEADLK;
	}
	if (__atomic_load_n(&thread->detached, __ATOMIC_ACQUIRE) == THREAD_DETACHED) {
		return EINVAL;
	}
	wait_for_gate(thread, WORD_CANCEL);
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

	if (!is_thread(thread)) {
		return ESRCH;
	}
	if (__atomic_compare_exchange_n(
		&thread->detached, &state, THREAD_DETACHED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		return 0;
	}
	if (state == THREAD_DETACHED) {
		return EINVAL;
	}
	wait_for_gate(thread, 0);
	release_allocation(thread);
	return 0;
}

pthread_t
_pthread_main(void)
{
	return &main_thread;
}

int
pthread_is_threaded_np(void)
{
	return atomic_load_explicit(&registered, memory_order_relaxed);
}

mach_port_t
_pthread_port(pthread_t thread)
{
	void **slot = &thread->tsd[TSD_MACH_THREAD_SELF];

	if (thread == thread_self_fast()) {
		return _pthread_self_port();
	}
	return (mach_port_t)(uintptr_t)__atomic_load_n(slot, __ATOMIC_RELAXED);
}

void
_pthread_clear_slot(unsigned slot)
{
	os_light_lock(&stack_cache_lock);
	main_thread.tsd[slot] = NULL;
	for (pthread_t thread = allocations; thread != NULL; thread = thread->next_alloc) {
		__atomic_store_n(&thread->tsd[slot], NULL, __ATOMIC_RELAXED);
	}
	os_light_unlock(&stack_cache_lock);
}

pthread_t
pthread_from_mach_thread_np(unsigned int port)
{
	pthread_t thread;

	if (port == MACH_PORT_NULL) {
		return NULL;
	}
	if (port == _pthread_port(&main_thread)) {
		return &main_thread;
	}
	os_light_lock(&stack_cache_lock);
	for (thread = allocations; thread != NULL; thread = thread->next_alloc) {
		if (is_thread(thread) && _pthread_port(thread) == port) {
			break;
		}
	}
	os_light_unlock(&stack_cache_lock);
	return thread;
}

void
_pthread_threads_lock(void)
{
	os_light_lock(&stack_cache_lock);
}

void
_pthread_threads_unlock(void)
{
	os_light_unlock(&stack_cache_lock);
}

/* The other threads are gone; their stacks are memory that nobody will ever free. */
void
_pthread_threads_child(void)
{
	pthread_t self = thread_self_fast();

	detached_dead = NULL;
	thread_count = 1;
	atomic_store_explicit(&registered, false, memory_order_relaxed);
	self->tsd[TSD_MACH_THREAD_SELF] = NULL; /* a name of the parent's */
	self->id = 0;
}
