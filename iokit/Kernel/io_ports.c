/*
 * Ports of objects. See io_ports.h.
 */
#include <Kernel/io_ports.h>

#include <Kernel/io_registry.h>
#include <ipc/ipc_host.h>
#include <ipc/ipc_kobject.h>
#include <kern/locks.h>
#include <kern/upcalls.h>
#include <os/panic.h>

static LCK_CLASS_DECLARE(io_ports_lock_class, "io_ports", LCK_RANK_IO_PORTS);
static LCK_SPIN_DECLARE(io_ports_lock, &io_ports_lock_class);

void
io_ports_init(void)
{
	ipc_port_t port = ipc_kobject_alloc_port(&io_registry_root()->ie_object, IKOT_MAIN_DEVICE);

	if (port == IP_NULL) {
		panic("io_ports_init: no main port");
	}
	host_set_io_main(port);
}

/* The object behind a port of that kind, with a reference. */
static io_object_t
object_of(ipc_port_t port, ipc_kobject_type_t type)
{
	io_object_t object;

	lck_spin_lock(&io_ports_lock);
	object = ipc_kobject_get(port, type);
	if (object != NULL) {
		io_object_retain(object);
	}
	lck_spin_unlock(&io_ports_lock);
	return object;
}

io_object_t
iokit_lookup_object_port(ipc_port_t port)
{
	return object_of(port, IKOT_IOKIT_OBJECT);
}

io_object_t
iokit_lookup_main_port(ipc_port_t port)
{
	return object_of(port, IKOT_MAIN_DEVICE);
}

/* A right to the object's port, which becomes `fresh` if it has none; *used says which. */
static ipc_port_t
right_to(io_object_t object, ipc_port_t fresh, bool *used)
{
	ipc_port_t right;

	lck_spin_lock(&io_ports_lock);
	*used = object->io_port == NULL && fresh != IP_NULL;
	if (*used) {
		object->io_port = fresh;
	}
	right = object->io_port != NULL ? ipc_kobject_make_send(object->io_port) : IP_NULL;
	lck_spin_unlock(&io_ports_lock);
	return right;
}

ipc_port_t
iokit_make_object_port(io_object_t object)
{
	ipc_port_t right, fresh;
	bool used;

	if (object == NULL) {
		return IP_NULL;
	}
	right = right_to(object, IP_NULL, &used);
	if (right == IP_NULL) {
		fresh = ipc_kobject_alloc_port(object, IKOT_IOKIT_OBJECT);
		right = right_to(object, fresh, &used);
		if (used) {
			ipc_kobject_arm_no_senders(fresh);
			return right; /* the port has the reference now */
		}
		ipc_kobject_dealloc_port(fresh);
	}
	io_object_release(object);
	return right;
}

void
iokit_no_senders(ipc_port_t port)
{
	io_object_t object = NULL;

	lck_spin_lock(&io_ports_lock);
	if (!ipc_kobject_has_senders(port)) {
		object = ipc_kobject_get(port, IKOT_IOKIT_OBJECT);
	}
	if (object != NULL) {
		object->io_port = NULL;
		ipc_kobject_disable(port);
	}
	lck_spin_unlock(&io_ports_lock);
	if (object == NULL) {
		ipc_kobject_arm_no_senders(port);
		return;
	}
	ipc_kobject_dealloc_port(port);
	io_object_release(object);
}
