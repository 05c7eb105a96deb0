/*
 * The ports of tasks and threads: flavors, special ports, conversion both ways, the self traps.
 *
 * A task has four ports, a thread three: control, read, inspect and (a task) name, each with all the power of those
 * behind it. A conversion names the weakest that will do; kinds of ports are numbered in that order, so it is a
 * comparison. A port is made when it is first asked for: a thread that nobody names has none. The owner holds the
 * receive right; termination clears ip_kobject first, so no conversion can begin after it, and a conversion
 * that has begun has taken its reference under the port's lock.
 *
 * Locks: ipc_task_state.lock guards the port pointers of a task; it is a leaf but for atomics on ports.
 */
#include <ipc/ipc.h>

#include <ipc/exc_actions.h>
#include <ipc/exc_message.h>
#include <ipc/ipc_kobject.h>
#include <ipc/ipc_tt.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/mach_traps.h>
#include <kern/semaphore.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <mach/task_special_ports.h>
#include <mach/thread_special_ports.h>
#include <vm/vm_map.h>

static LCK_CLASS_DECLARE(ipc_task_lock_class, "ipc task ports", LCK_RANK_IPC_MISC);

/* --- objects to ports --- */

/*
 * The port in *slot, which is not IP_NULL, with a reference. The object may be ending, and the port with it: its memory
 * is looked at inside an SMR section only, and IP_DEAD is the answer once it is gone.
 */
static ipc_port_t
ipc_self_port_found(ipc_port_t *slot)
{
	ipc_port_t port;

	smr_enter();
	port = os_atomic_load(slot, acquire); /* pairs with the exchange below */
	if (IP_VALID(port) && !ip_try_reference(port)) {
		port = IP_DEAD;
	}
	smr_leave();
	return port;
}

/* The port in *slot with a reference, made if there is none yet. */
static ipc_port_t
ipc_self_port_reference(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type)
{
	ipc_port_t made;

	if (os_atomic_load(slot, relaxed) != IP_NULL) {
		return ipc_self_port_found(slot);
	}
	made = ipc_kobject_alloc_port(kobject, type);
	if (made == IP_NULL) {
		return IP_NULL;
	}
	if (type == IKOT_TASK_CONTROL) {
		made->ip_flags |= IP_PINNED;
	}
	ip_reference(made); /* the caller's */
	if (os_atomic_cmpxchg(slot, IP_NULL, made, acq_rel)) {
		return made;
	}
	ip_release(made);
	ipc_kobject_dealloc_port(made);
	return ipc_self_port_found(slot);
}

ipc_port_t
ipc_self_port_send(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type)
{
	ipc_port_t port = ipc_self_port_reference(slot, kobject, type);

	if (!IP_VALID(port)) {
		return port;
	}
	if (os_unlikely(!ip_active(port))) {
		ip_release(port);
		return IP_DEAD;
	}
	os_atomic_add(&port->ip_rights, IP_SRIGHT + IP_MSCOUNT, relaxed); /* the reference goes along */
	return port;
}

ipc_port_t
ipc_self_port_sonce(ipc_port_t *slot, void *kobject, ipc_kobject_type_t type)
{
	ipc_port_t port = ipc_self_port_reference(slot, kobject, type);

	if (IP_VALID(port)) {
		os_atomic_add(&port->ip_refs, IP_SORIGHT, relaxed); /* the reference goes along */
	}
	return port;
}

/* The object ends: nobody finds it through these ports any more, and none will be made. */
OS_INLINE void
ipc_self_ports_end(ipc_port_t *slots, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		ipc_port_t port = os_atomic_xchg(&slots[i], IP_DEAD, acq_rel);

		if (IP_VALID(port)) {
			ipc_kobject_disable(port);
			ipc_kobject_dealloc_port(port);
		}
	}
}

ipc_port_t
convert_task_to_flavor(task_t task, mach_task_flavor_t flavor)
{
	ipc_port_t port;

	if (task == TASK_NULL) {
		return IP_NULL;
	}
	port = ipc_self_port_send(
	    &task->ipc.flavor[flavor], task, (ipc_kobject_type_t)(IKOT_TASK_CONTROL + flavor));
	task_deallocate(task);
	return port;
}

ipc_port_t
convert_task_to_port(task_t task)
{
	return convert_task_to_flavor(task, TASK_FLAVOR_CONTROL);
}

ipc_port_t
convert_thread_to_flavor(thread_t thread, mach_thread_flavor_t flavor)
{
	ipc_port_t port;

	if (thread == THREAD_NULL) {
		return IP_NULL;
	}
	port = ipc_self_port_send(
	    &thread->ipc.ith_flavor[flavor], thread, (ipc_kobject_type_t)(IKOT_THREAD_CONTROL + flavor));
	thread_deallocate(thread);
	return port;
}

ipc_port_t
convert_thread_to_port(thread_t thread)
{
	return convert_thread_to_flavor(thread, THREAD_FLAVOR_CONTROL);
}

ipc_port_t
convert_semaphore_to_port(semaphore_t semaphore)
{
	ipc_port_t port;

	if (semaphore == SEMAPHORE_NULL) {
		return IP_NULL;
	}
	port = ipc_self_port_send(&semaphore->ss_port, semaphore, IKOT_SEMAPHORE);
	semaphore_dereference(semaphore);
	return port;
}

/* --- ports to objects --- */

static_assert(IKOT_TASK_NAME - IKOT_TASK_CONTROL == TASK_FLAVOR_NAME, "kinds count as flavors do");
static_assert(IKOT_THREAD_INSPECT - IKOT_THREAD_CONTROL == THREAD_FLAVOR_INSPECT, "the same");

/* Object of a port of a kind from `first` to `last`, with a reference by `reference`; NULL if it is no such port. */
static void *
ipc_kobject_convert(
    ipc_port_t port, ipc_kobject_type_t first, ipc_kobject_type_t last, void (*reference)(void *))
{
	void *object = NULL;

	if (!IP_VALID(port) || (unsigned)port->ip_kotype - first > last - first) {
		return NULL;
	}
	lck_spin_lock(&port->ip_lock);
	if (ip_active(port) && port->ip_kobject != NULL) {
		object = port->ip_kobject;
		reference(object);
	}
	lck_spin_unlock(&port->ip_lock);
	return object;
}

static void
reference_task(void *task)
{
	task_reference(task);
}

static void
reference_thread(void *thread)
{
	thread_reference(thread);
}

static void
reference_semaphore(void *semaphore)
{
	semaphore_reference(semaphore);
}

task_t
convert_port_to_task(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_TASK_CONTROL, IKOT_TASK_CONTROL, reference_task);
}

task_t
convert_port_to_task_read(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_TASK_CONTROL, IKOT_TASK_READ, reference_task);
}

task_t
convert_port_to_task_inspect(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_TASK_CONTROL, IKOT_TASK_INSPECT, reference_task);
}

task_t
convert_port_to_task_name(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_TASK_CONTROL, IKOT_TASK_NAME, reference_task);
}

task_t
ipc_port_to_task(ipc_port_t port, ipc_kobject_type_t type)
{
	return ipc_kobject_convert(port, type, type, reference_task);
}

thread_t
convert_port_to_thread(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_THREAD_CONTROL, IKOT_THREAD_CONTROL, reference_thread);
}

thread_t
convert_port_to_thread_read(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_THREAD_CONTROL, IKOT_THREAD_READ, reference_thread);
}

thread_t
convert_port_to_thread_inspect(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_THREAD_CONTROL, IKOT_THREAD_INSPECT, reference_thread);
}

semaphore_t
convert_port_to_semaphore(ipc_port_t port)
{
	return ipc_kobject_convert(port, IKOT_SEMAPHORE, IKOT_SEMAPHORE, reference_semaphore);
}

/* The task's reference becomes one to its space. */
static ipc_space_t
task_to_space(task_t task)
{
	ipc_space_t space = IS_NULL;

	if (task != TASK_NULL) {
		space = task->ipc.space;
		is_reference(space);
		task_deallocate(task);
	}
	return space;
}

ipc_space_t
convert_port_to_space(ipc_port_t port)
{
	return task_to_space(convert_port_to_task(port));
}

ipc_space_t
convert_port_to_space_read(ipc_port_t port)
{
	return task_to_space(convert_port_to_task_read(port));
}

ipc_space_t
convert_port_to_space_inspect(ipc_port_t port)
{
	return task_to_space(convert_port_to_task_inspect(port));
}

/* The task's reference becomes one to its map. */
static vm_map_t
task_to_map(task_t task)
{
	vm_map_t map = VM_MAP_NULL;

	if (task != TASK_NULL) {
		map = task_map_reference(task);
		task_deallocate(task);
	}
	return map;
}

vm_map_t
convert_port_to_map(ipc_port_t port)
{
	return task_to_map(convert_port_to_task(port));
}

vm_map_t
convert_port_to_map_read(ipc_port_t port)
{
	return task_to_map(convert_port_to_task_read(port));
}

/* --- names to objects --- */

/* Whether `name` is a send right of the current task; its word. Inside an SMR section. */
OS_INLINE bool
ipc_name_is_send(mach_port_name_t name, uint64_t *word)
{
	return nt_lookup(&current_task()->ipc.space->is_table, name, word) != NULL &&
	       (nt_rights(*word) & NT_SEND) != 0;
}

ipc_port_t
ipc_name_to_kobject_port(mach_port_name_t name, ipc_kobject_type_t type)
{
	uint64_t word = 0;
	ipc_port_t port;

	if (!ipc_name_is_send(name, &word)) {
		return IP_NULL;
	}
	port = nt_object(word);
	return port->ip_kotype == type ? port : IP_NULL;
}

/*
 * No SMR section: the table is the running task's own, and its port is compared, not looked into. A task that
 * ends has IP_DEAD there, which no entry holds.
 */
bool
port_name_is_current_task(mach_port_name_t name)
{
	task_t task = current_task();
	struct ipc_entry *entry;
	uint64_t word;

	return nt_lookup_rights(&task->ipc.space->is_table, name, &entry, &word) &&
	       (nt_rights(word) & NT_SEND) != 0 &&
	       nt_object_nonnull(word) == os_atomic_load(&task->ipc.flavor[TASK_FLAVOR_CONTROL], relaxed);
}

task_t
port_name_to_task(mach_port_name_t name)
{
	task_t task;

	smr_enter();
	task = convert_port_to_task(ipc_name_to_kobject_port(name, IKOT_TASK_CONTROL));
	smr_leave();
	return task;
}

task_t
port_name_to_task_name(mach_port_name_t name)
{
	task_t task = TASK_NULL;
	uint64_t word = 0;

	smr_enter();
	if (ipc_name_is_send(name, &word)) {
		task = convert_port_to_task_name(nt_object(word));
	}
	smr_leave();
	return task;
}

thread_t
port_name_to_thread(mach_port_name_t name)
{
	thread_t thread;

	smr_enter();
	thread = convert_port_to_thread(ipc_name_to_kobject_port(name, IKOT_THREAD_CONTROL));
	smr_leave();
	return thread;
}

kern_return_t
port_name_to_semaphore(mach_port_name_t name, semaphore_t *semaphore)
{
	smr_enter();
	*semaphore = convert_port_to_semaphore(ipc_name_to_kobject_port(name, IKOT_SEMAPHORE));
	smr_leave();
	return *semaphore != SEMAPHORE_NULL ? KERN_SUCCESS : KERN_INVALID_NAME;
}

semaphore_t
ipc_semaphore_lookup(mach_port_name_t name)
{
	ipc_port_t port = ipc_name_to_kobject_port(name, IKOT_SEMAPHORE);

	return port == IP_NULL ? SEMAPHORE_NULL : os_atomic_load((semaphore_t *)&port->ip_kobject, relaxed);
}

void
ipc_semaphore_disable(ipc_port_t port)
{
	if (IP_VALID(port)) {
		ipc_kobject_disable(port);
		ipc_kobject_dealloc_port(port);
	}
}

/* --- life of the IPC half of tasks and threads --- */

/* Ports that a child gets copies of. Its lock is not needed yet. */
static void
ipc_task_inherit(struct ipc_task_state *ipc, struct ipc_task_state *parent)
{
	lck_spin_lock(&parent->lock);
	ipc->host = ipc_port_copy_send(parent->host);
	ipc->bootstrap = ipc_port_copy_send(parent->bootstrap);
	ipc->access = ipc_port_copy_send(parent->access);
	for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
		ipc->registered[i] = ipc_port_copy_send(parent->registered[i]);
	}
	ipc->sec_token = parent->sec_token;
	ipc->audit_token = parent->audit_token;
	lck_spin_unlock(&parent->lock);
	exc_actions_inherit(&ipc->exc_actions, &parent->exc_actions);
}

kern_return_t
ipc_task_init(task_t task, task_t parent)
{
	struct ipc_task_state *ipc = &task->ipc;
	kern_return_t kr;

	*ipc = (struct ipc_task_state){ .sec_token = { { 0, 1 } },
		.exc_guard_behavior = TASK_EXC_GUARD_MP_DELIVER };
	lck_spin_init(&ipc->lock, &ipc_task_lock_class);
	exc_actions_init(&ipc->exc_actions);
	kr = ipc_space_create(task, &ipc->space);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (parent != TASK_NULL) {
		ipc_task_inherit(ipc, &parent->ipc);
		ipc->exc_guard_behavior = os_atomic_load(&parent->ipc.exc_guard_behavior, relaxed);
	} else {
		ipc->host = ipc_port_make_send(realhost.host_priv_port); /* for pid 1 and its heirs */
	}
	return KERN_SUCCESS;
}

static void
ipc_task_release_ports(struct ipc_task_state *ipc)
{
	ipc_port_t *ports[] = { &ipc->host, &ipc->bootstrap, &ipc->access, &ipc->debug_control,
		&ipc->resource_notify, &ipc->registered[0], &ipc->registered[1], &ipc->registered[2] };

	for (unsigned i = 0; i < os_countof(ports); i++) {
		ipc_port_release_send(*ports[i]);
		*ports[i] = IP_NULL;
	}
	exc_actions_clear(&ipc->exc_actions);
}

void
ipc_task_disable(task_t task)
{
	ipc_self_ports_end(task->ipc.flavor, TASK_FLAVOR_COUNT);
	ipc_self_ports_end(&task->ipc.suspension, 1);
	ipc_space_terminate(task->ipc.space);
}

void
ipc_task_terminate(task_t task)
{
	ipc_task_disable(task); /* once more: a reserved entry may have been filled by a sender meanwhile */
	ipc_task_release_ports(&task->ipc);
	ipc_space_release(task->ipc.space);
	task->ipc.space = IS_NULL;
	lck_spin_destroy(&task->ipc.exc_actions.lock);
	lck_spin_destroy(&task->ipc.lock);
}

kern_return_t
ipc_thread_init(thread_t thread)
{
	list_init(&thread->ipc.ith_link); /* all else begins as 0 */
	thread->ipc.ith_entries = thread->task->ipc.space->is_table.nt_chunk[0];
	return KERN_SUCCESS;
}

void
ipc_thread_disable(thread_t thread)
{
	ipc_self_ports_end(thread->ipc.ith_flavor, THREAD_FLAVOR_COUNT);
}

void
ipc_thread_terminate(thread_t thread)
{
	ipc_thread_disable(thread);
	exc_actions_thread_close(thread);
	exc_message_thread_terminate(thread);
	ipc_entry_unreserve(thread, thread->task->ipc.space);
}

/* --- traps --- */

mach_port_name_t
ipc_port_copyout_send(ipc_port_t sright, ipc_space_t space)
{
	mach_port_name_t name = MACH_PORT_NULL;

	if (!IP_VALID(sright)) {
		return sright == IP_DEAD ? MACH_PORT_DEAD : MACH_PORT_NULL;
	}
	if (ipc_right_copyout(space, sright, MACH_MSG_TYPE_PORT_SEND, &name) != KERN_SUCCESS) {
		ipc_port_release_send(sright);
		return MACH_PORT_NULL;
	}
	return name;
}

mach_port_name_t
ipc_thread_copyout_pinned(thread_t thread)
{
	ipc_port_t port;

	thread_reference(thread);
	port = convert_thread_to_port(thread);
	if (IP_VALID(port)) {
		lck_spin_lock(&port->ip_lock);
		port->ip_flags |= IP_PINNED;
		lck_spin_unlock(&port->ip_lock);
	}
	return ipc_port_copyout_send(port, thread->task->ipc.space);
}

void
ipc_thread_unpin(thread_t thread)
{
	ipc_port_t port = os_atomic_load(&thread->ipc.ith_flavor[THREAD_FLAVOR_CONTROL], relaxed);

	if (IP_VALID(port)) {
		lck_spin_lock(&port->ip_lock);
		port->ip_flags &= ~IP_PINNED;
		lck_spin_unlock(&port->ip_lock);
	}
}

void
ipc_thread_begins_program(thread_t thread)
{
	ipc_thread_unpin(thread);
	thread->ipc.ith_pin_self = true;
}

/* One more send right to a port of the caller's own: mostly one that its space has already. */
static mach_port_name_t
ipc_self_port_copyout(ipc_space_t space, ipc_port_t *slot, void *kobject, ipc_kobject_type_t type)
{
	mach_port_name_t name = ipc_right_copyout_known(space, slot);

	return os_likely(name != MACH_PORT_NULL)
		   ? name
		   : ipc_port_copyout_send(ipc_self_port_send(slot, kobject, type), space);
}

mach_port_name_t
task_self_trap(void)
{
	task_t task = current_task();

	return ipc_self_port_copyout(
	    task->ipc.space, &task->ipc.flavor[TASK_FLAVOR_CONTROL], task, IKOT_TASK_CONTROL);
}

mach_port_name_t
thread_self_trap(void)
{
	thread_t self = current_thread();

	if (os_unlikely(self->ipc.ith_pin_self)) {
		mach_port_name_t kept = ipc_thread_copyout_pinned(self);

		self->ipc.ith_pin_self = !MACH_PORT_VALID(kept);
	}
	return ipc_self_port_copyout(
	    self->task->ipc.space, &self->ipc.ith_flavor[THREAD_FLAVOR_CONTROL], self, IKOT_THREAD_CONTROL);
}

mach_port_name_t
host_self_trap(void)
{
	struct ipc_task_state *ipc = &current_task()->ipc;
	ipc_port_t port;

	lck_spin_lock(&ipc->lock);
	port = ipc_port_copy_send(ipc->host);
	lck_spin_unlock(&ipc->lock);
	return ipc_port_copyout_send(port, ipc->space);
}

mach_port_name_t
mach_reply_port(void)
{
	mach_port_name_t name = MACH_PORT_NULL;

	if (ipc_right_alloc_port(current_task()->ipc.space, &name, IP_PROVISIONAL_REPLY, false, NULL) !=
	    KERN_SUCCESS) {
		return MACH_PORT_NULL;
	}
	return name;
}

/* One per thread; the same one as long as the thread still has it. */
mach_port_name_t
thread_get_special_reply_port(void)
{
	thread_t self = current_thread();
	ipc_space_t space = self->task->ipc.space;
	mach_port_name_t name = self->ipc.ith_special_reply;
	ipc_port_t port;
	bool ours;

	if (name != MACH_PORT_NULL && ipc_right_reference_receive(space, name, &port) == KERN_SUCCESS) {
		ours = (port->ip_flags & IP_SPECIAL_REPLY) != 0;
		ip_release(port);
		if (ours) {
			return name;
		}
	}
	name = MACH_PORT_NULL;
	if (ipc_right_alloc_port(space, &name, IP_REPLY_PORT | IP_SPECIAL_REPLY | IP_IMMOVABLE_RECEIVE, false,
		NULL) != KERN_SUCCESS) {
		name = MACH_PORT_NULL;
	}
	self->ipc.ith_special_reply = name;
	return name;
}

/* --- special ports --- */

/* The slot of a settable special port, NULL for the others. */
static ipc_port_t *
ipc_task_special_slot(struct ipc_task_state *ipc, int which)
{
	switch (which) {
	case TASK_HOST_PORT:
		return &ipc->host;
	case TASK_BOOTSTRAP_PORT:
		return &ipc->bootstrap;
	case TASK_ACCESS_PORT:
		return &ipc->access;
	case TASK_DEBUG_CONTROL_PORT:
		return &ipc->debug_control;
	case TASK_RESOURCE_NOTIFY_PORT:
		return &ipc->resource_notify;
	default:
		return NULL;
	}
}

/* The flavor of the task's own port that a number means; TASK_FLAVOR_COUNT: none. */
static unsigned
task_special_flavor(int which)
{
	switch (which) {
	case TASK_KERNEL_PORT:
		return TASK_FLAVOR_CONTROL;
	case TASK_READ_PORT:
		return TASK_FLAVOR_READ;
	case TASK_INSPECT_PORT:
		return TASK_FLAVOR_INSPECT;
	case TASK_NAME_PORT:
		return TASK_FLAVOR_NAME;
	default:
		return TASK_FLAVOR_COUNT;
	}
}

static kern_return_t
task_take_special_port(task_t task, int which, ipc_port_t *port)
{
	unsigned flavor = task_special_flavor(which);
	ipc_port_t *slot = ipc_task_special_slot(&task->ipc, which);

	if (flavor != TASK_FLAVOR_COUNT) {
		task_reference(task);
		*port = convert_task_to_flavor(task, flavor);
		return *port != IP_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	}
	if (slot == NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	lck_spin_lock(&task->ipc.lock);
	*port = ipc_port_copy_send(*slot);
	lck_spin_unlock(&task->ipc.lock);
	return KERN_SUCCESS;
}

/* A port gives those that have no more power than itself; what is not the task's own needs the control port. */
kern_return_t
task_get_special_port_from_port(ipc_port_t own, int which, ipc_port_t *port)
{
	task_t task = convert_port_to_task_inspect(own);
	unsigned flavor = task_special_flavor(which);
	kern_return_t kr = KERN_INVALID_CAPABILITY;

	if (task == TASK_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (own->ip_kotype == IKOT_TASK_CONTROL ||
	    (flavor != TASK_FLAVOR_COUNT && own->ip_kotype <= IKOT_TASK_CONTROL + flavor)) {
		kr = task_take_special_port(task, which, port);
	}
	task_deallocate(task);
	return kr;
}

kern_return_t
task_set_special_port(task_t task, int which, ipc_port_t port)
{
	ipc_port_t *slot = ipc_task_special_slot(&task->ipc, which), old;

	if (slot == NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (which == TASK_RESOURCE_NOTIFY_PORT && port == IP_DEAD) {
		return KERN_INVALID_RIGHT;
	}
	lck_spin_lock(&task->ipc.lock);
	old = *slot;
	*slot = port;
	lck_spin_unlock(&task->ipc.lock);
	ipc_port_release_send(old);
	return KERN_SUCCESS;
}

/* --- registered ports: three that children inherit, without a meaning --- */

kern_return_t
mach_ports_register3(task_t task, ipc_port_t port1, ipc_port_t port2, ipc_port_t port3)
{
	ipc_port_t ports[TASK_PORT_REGISTER_MAX] = { port1, port2, port3 };

	lck_spin_lock(&task->ipc.lock);
	for (int i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
		ipc_port_t old = task->ipc.registered[i];

		task->ipc.registered[i] = ports[i];
		ports[i] = old;
	}
	lck_spin_unlock(&task->ipc.lock);
	for (int i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
		ipc_port_release_send(ports[i]);
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_ports_lookup3(task_t task, ipc_port_t *port1, ipc_port_t *port2, ipc_port_t *port3)
{
	lck_spin_lock(&task->ipc.lock);
	*port1 = ipc_port_copy_send(task->ipc.registered[0]);
	*port2 = ipc_port_copy_send(task->ipc.registered[1]);
	*port3 = ipc_port_copy_send(task->ipc.registered[2]);
	lck_spin_unlock(&task->ipc.lock);
	return KERN_SUCCESS;
}

/* Needs no more power than the thread's port has that is asked. */
kern_return_t
thread_get_special_port_from_port(ipc_port_t own, int which, ipc_port_t *port)
{
	static const uint8_t flavor_of[] = { [THREAD_KERNEL_PORT] = THREAD_FLAVOR_CONTROL,
		[THREAD_INSPECT_PORT] = THREAD_FLAVOR_INSPECT,
		[THREAD_READ_PORT] = THREAD_FLAVOR_READ };
	thread_t thread;

	if (which < THREAD_KERNEL_PORT || which > THREAD_MAX_SPECIAL_PORT) {
		return KERN_INVALID_ARGUMENT;
	}
	thread = convert_port_to_thread_inspect(own);
	if (thread == THREAD_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	if (own->ip_kotype > IKOT_THREAD_CONTROL + flavor_of[which]) {
		thread_deallocate(thread);
		return KERN_INVALID_CAPABILITY;
	}
	*port = convert_thread_to_flavor(thread, flavor_of[which]);
	return *port != IP_NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
thread_set_special_port(thread_t thread, int which, ipc_port_t port)
{
	(void)thread;
	(void)which;
	(void)port;
	return KERN_INVALID_ARGUMENT; /* the three there are belong to the kernel */
}

/* --- threads of a task --- */

static kern_return_t
task_threads_of_flavor(
    task_t task, mach_thread_flavor_t flavor, ipc_port_t **list, mach_msg_type_number_t *count)
{
	struct task_threads snapshot;
	kern_return_t kr = task_threads_snapshot(task, &snapshot);

	*list = NULL;
	*count = 0;
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	if (snapshot.count != 0) {
		/* of this size: its owner frees by the count */
		*list = kalloc_flags(snapshot.count * sizeof(**list), Z_WAIT);
		kr = *list == NULL ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS;
	}
	for (uint32_t i = 0; *list != NULL && i < snapshot.count; i++) {
		thread_reference(snapshot.threads[i]);
		(*list)[i] = convert_thread_to_flavor(snapshot.threads[i], flavor);
		*count = i + 1;
	}
	task_threads_release(&snapshot);
	return kr;
}

kern_return_t
task_threads_from_port(ipc_port_t own, ipc_port_t **list, mach_msg_type_number_t *count)
{
	task_t task = convert_port_to_task_inspect(own);
	kern_return_t kr = KERN_INVALID_ARGUMENT;

	if (task != TASK_NULL) {
		kr = task_threads_of_flavor(task, own->ip_kotype - IKOT_TASK_CONTROL, list, count);
		task_deallocate(task);
	}
	return kr;
}

/* --- what a broken guard means to the task --- */

kern_return_t
task_get_exc_guard_behavior(task_t task, task_exc_guard_behavior_t *behavior)
{
	*behavior = os_atomic_load(&task->ipc.exc_guard_behavior, relaxed);
	return KERN_SUCCESS;
}

kern_return_t
task_set_exc_guard_behavior(task_t task, task_exc_guard_behavior_t behavior)
{
	if (behavior & ~TASK_EXC_GUARD_ALL) {
		return KERN_INVALID_VALUE;
	}
	os_atomic_store(&task->ipc.exc_guard_behavior, behavior, relaxed);
	return KERN_SUCCESS;
}

kern_return_t
mach_task_is_self(task_t task, boolean_t *is_self)
{
	*is_self = task == current_task();
	return KERN_SUCCESS;
}
