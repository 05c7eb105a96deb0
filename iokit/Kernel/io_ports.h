/*
 * Objects as programs see them: a port for each object that a program has been given, as long as somebody has a
 * send right to it. Equal names are equal objects.
 *
 * io_ports_lock joins the two sides: io_object.io_port and the port's kobject change under it. The port holds a
 * reference on its object. When the last send right goes, IPC calls iokit_no_senders (<kern/upcalls.h>), which
 * takes them apart unless a right was made meanwhile.
 */
#pragma once

#include <Kernel/io_object.h>
#include <ipc/ipc_types.h>

typedef struct io_object *io_object_t;

/* The main port, with the root entry behind it; once, when the registry is there. */
void io_ports_init(void);

/* The object with a reference; NULL when the port is not an object's. */
io_object_t iokit_lookup_object_port(ipc_port_t port);
/* The registry's root with a reference; NULL unless it is the main port. */
io_object_t iokit_lookup_main_port(ipc_port_t port);

/* A send right; the reference on the object is consumed. IP_NULL for NULL, or without memory. */
ipc_port_t iokit_make_object_port(io_object_t object);
