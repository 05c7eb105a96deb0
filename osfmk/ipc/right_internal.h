/*
 * What the files of rights share.
 *
 *	right.c          look-up with the lock held, dead names, questions, renaming
 *	right_copyin.c   rights that leave the space, in a message or a call
 *	right_copyout.c  rights that come in, and names for new objects
 *	right_release.c  rights that are given up
 *	right_request.c  dead-name and send-possible requests
 *
 * Pattern: decide and change the entry under the space's lock (or by one compare-exchange), release what the entry held
 * after the lock is gone, since the last release of a right may send messages. ipc_right_remains carries it over.
 */
#pragma once

#include <ipc/right.h>

#include <ipc/port.h>

/* Rights of one entry that outlive the lock. */
struct ipc_right_remains {
	ipc_port_t send;       /* send right to release */
	ipc_port_t sonce;      /* send-once right to release */
	ipc_port_t receive;    /* receive right to destroy */
	ipc_port_t moved;      /* port that left with its receive right: out of the space's sets */
	ipc_pset_t pset;       /* set to destroy */
	ipc_port_t deleted;    /* where to tell that the name was deleted */
	ipc_port_t dead;       /* where to tell that the name is dead */
	ipc_port_t possible;   /* where to tell that a send is possible */
	mach_port_name_t name; /* what it was called */
	uint32_t guard_flavor; /* kGUARD_EXC_*: the rule that the call broke, 0 none */
	uint64_t guard;        /* what it is */
};

/* Releases and tells. No locks held. */
void ipc_right_release_remains(struct ipc_right_remains *r);

/* A rule of a guarded port is broken: EXC_GUARD (kGUARD_EXC_*) for a task that does it to itself. */
void ipc_right_break_guard(ipc_space_t space, ipc_port_t port, uint32_t flavor, struct ipc_right_remains *r);

/* Worth a closer look. The rest is out of line, and called last where it can be: other rights go without a detour. */
OS_INLINE bool
ipc_right_may_be_pinned(uint64_t word)
{
	return nt_rights(word) == NT_SEND && os_unlikely(((ipc_port_t)nt_object(word))->ip_flags & IP_PINNED);
}

/*
 * True, and EXC_GUARD, if the entry's last reference is about to go and must not. `how` is one of
 * MPG_FLAGS_MOD_REFS_PINNED_*.
 */
bool ipc_right_keeps_last(ipc_space_t space, uint64_t word, uint64_t how, struct ipc_right_remains *r);

/*
 * Turns an entry whose port has died into a dead name. Returns the word that now holds. The released right
 * is one of a dead port, so its release sends nothing and may happen under the lock.
 */
uint64_t ipc_right_check(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock);

/* Look-up with the lock held, dead names made; NULL if the name is nothing. */
ipc_entry_t ipc_right_lookup(ipc_space_t space, mach_port_name_t name, uint64_t *word,
    struct ipc_right_remains *r) REQUIRES(space->is_lock);

/* A user reference of a send right or dead name goes; true when it was the last and the right is out. */
bool ipc_right_drop_uref(ipc_space_t space, ipc_entry_t entry, uint64_t word, struct ipc_right_remains *r)
    REQUIRES(space->is_lock);

/* The port's receive right is in `space` under `name`. Takes the port's lock. */
void ipc_port_set_receiver(ipc_port_t port, ipc_space_t space, mach_port_name_t name);

ipc_port_t ipc_right_cancel_registered(ipc_entry_t entry, uint64_t word);

/* Takes the registered request off entry and port; the notification right is the caller's. */
OS_INLINE ipc_port_t
ipc_right_cancel_request(ipc_entry_t entry, uint64_t word)
{
	return word & NT_REQUEST ? ipc_right_cancel_registered(entry, word) : IP_NULL;
}

/* A request that has fired leaves NT_REQUEST behind; the port's lock tells what there is. */
mach_port_type_t ipc_right_request_type(ipc_entry_t entry, uint64_t word);

/* The request moves from one entry to another; a firing looks at its entry's name under the port's lock. */
void ipc_right_move_request(ipc_port_t port, ipc_entry_t from, ipc_entry_t to);
