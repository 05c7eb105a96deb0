/*
 * What kdebug.c, control.c and reader.c share.
 */
#pragma once

#include <kdebug/filter.h>
#include <kdebug/ring.h>
#include <kern/locks.h>
#include <kern/percpu.h>

/* What a CPU does at a trace point. */
enum kdebug_cpu_state {
	KDEBUG_CPU_OFF,
	KDEBUG_CPU_ON,
	KDEBUG_CPU_FILTERED, /* on, and each record is shown to the filter */
};

/*
 * [E1] kc_state is written by its own CPU only, in cpu_call_all: no record of that CPU is half written then, and
 * when the call has returned every CPU goes by the new state. So buffers are freed after a call that turned
 * recording off, and everything about a ring is set before the one that turns it on.
 */
struct kdebug_cpu {
	uint32_t kc_state; /* enum kdebug_cpu_state [E1] */
	uint32_t kc_number;
	struct kdebug_ring kc_ring;

	/* reader, under kdebug_mutex: what was taken from the ring and not handed out yet */
	kd_buf kc_next;
	bool kc_has_next;
	uint64_t kc_lost_told; /* part of kdebug_ring_lost() that the reader was told of */
};

PERCPU_DECLARE(struct kdebug_cpu, kdebug_cpu);

extern struct kdebug_filter kdebug_filter; /* kdebug_mutex to write */
extern lck_mtx_t kdebug_mutex;
extern uint32_t kdebug_is_on; /* kdebug_mutex to write; atomic to look at */

bool kdebug_has_buffers(void);

/* Every CPU has left the record it was writing when this was called. */
void kdebug_settle(void);
