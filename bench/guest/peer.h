/*
 * A second task to talk to: a forked child that serves a port of its own.
 *
 * The two find each other in the way Mach intends for parents and children: the parent puts a send right into
 * its bootstrap special port, which the child inherits; the child says hello there and its message carries a
 * send right to its service port.
 */
#pragma once

#include <mach/mach.h>
#include <stdbool.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	mach_port_t service; /* send right */
	mach_port_t reply;   /* receive right of the parent, for answers */
};

/*
 * Forks a child that runs serve(service) on `cpu` and then exits. False on failure, with nothing left behind.
 * Any thread may call it.
 */
bool peer_start(struct peer *peer, void (*serve)(mach_port_t service), unsigned cpu);

/* Sends an empty message with id PEER_QUIT and waits for the child to exit. True if it ended well. */
bool peer_stop(struct peer *peer);

#define PEER_QUIT 1
