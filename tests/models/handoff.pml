/*
 * The RPC fast path's claim: [F1] of osfmk/ipc/mach_msg_fastpath.c and [O2] of osfmk/kern/handoff.h. A server waits in a
 * port's queue word; it may be woken by its time-out and then waits again, in another way; a client checks how it
 * waits and that it is off its CPU, and takes it over.
 *
 * Checked: the client has taken the wait that it looked at; the CPU on which that wait began has let go.
 *
 * broken: LATE_WORD     [F1] the client reads the claim word after it has checked
 * broken: LATE_DESCRIBE [F1] the server says how it waits after it has opened the wait
 * broken: STAYS         the server does not leave the queue word before it waits for anything else
 * broken: NO_ON_CPU     [O2] the client does not look whether the server is off its CPU
 */
#define WAITS 3

#define RUNNING 0
#define WAITING 1
#define CLAIMED 2

byte state = RUNNING, gen = 0; /* the claim word: one value, compared and exchanged as a whole */
bool in_word = false;          /* the server is in the queue word */
bool on_cpu = true;            /* of the server; a CPU lets go after it has switched away */
bool plain = true;             /* how it waits: in the way that the client can complete */
bool for_port = false;         /* what this wait is for, as the server knows it */
bool resumed = false;          /* set by whoever has claimed the wait: the server runs */
bool taken = false;            /* the client has it */
bool letting_go = false;       /* the old CPU still has it in hand */
bool over = false;             /* the server waits no more */

proctype server()
{
	byte waits = 0;

again:
	if
	:: waits == WAITS || taken -> goto stop
	:: else -> waits++
	fi;
	/* a wait on the port, plain or not; or for something else */
	if
	:: for_port = true
	:: for_port = false
	fi;
#if !defined(LATE_DESCRIBE)
	if
	:: for_port -> plain = (waits % 2 == 1)
	:: else
	fi;
#endif
	atomic { gen++; state = WAITING };
#if defined(LATE_DESCRIBE)
	if
	:: for_port -> plain = (waits % 2 == 1)
	:: else
	fi;
#endif
	if
	:: for_port -> in_word = true
	:: else
	fi;
	/* off the CPU: registers and stack first, then on_cpu [O1] */
	letting_go = true;
	d_step { letting_go = false; on_cpu = false };
	if
	:: resumed -> resumed = false
	:: taken -> goto stop
	:: atomic { state == WAITING && !taken -> state = CLAIMED } /* nobody comes: its time-out */
	fi;
	/* its wait was claimed by a timer: it is scheduled, leaves the word, and goes on */
	if
	:: taken -> goto stop
	:: else
	fi;
	on_cpu = true;
#if !defined(STAYS)
	in_word = false;
#endif
	state = RUNNING;
	goto again;
stop:
	over = true
}

/* The timer: it may end the wait before the CPU has let go. The scheduler runs the server when on_cpu is clear. */
proctype timer()
{
	byte g;

	do
	:: atomic { state == WAITING -> g = gen };
		if
		:: atomic { state == WAITING && gen == g -> state = CLAIMED };
			!on_cpu;
			resumed = true
		:: break
		fi
	:: break
	od
}

proctype client()
{
	byte g, looked;

	in_word || over;
	/* [F1]: the claim word first, then what it covers */
#if !defined(LATE_WORD)
	atomic {
		if
		:: state == WAITING -> g = gen
		:: else -> goto stop
		fi
	};
#endif
	looked = gen;
	if
	:: !plain -> goto stop
	:: else
	fi;
#if !defined(NO_ON_CPU)
	if
	:: on_cpu -> goto stop
	:: else
	fi;
#endif
#if defined(LATE_WORD)
	atomic {
		if
		:: state == WAITING -> g = gen
		:: else -> goto stop
		fi
	};
#endif
	/* commit: out of the queue word, then the claim */
	atomic {
		if
		:: in_word -> in_word = false
		:: else -> goto stop
		fi
	};
	atomic {
		if
		:: state == WAITING && gen == g -> state = CLAIMED; taken = true
		:: else -> goto stop
		fi
	};
	assert(plain);
	assert(for_port);
	assert(!on_cpu && !letting_go);
stop:
	skip
}

init
{
	atomic {
		run server();
		run timer();
		run client()
	}
}
