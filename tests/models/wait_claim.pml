/*
 * The wait protocol of <kern/wait.h>: one thread that waits again and again, two CPUs that may run it, two
 * wakers that race for each wait with cookies that may be stale, and a thread that sometimes changes its mind.
 *
 * Checked: the thread never runs on two CPUs, and never before its old CPU has saved it (executing, saved); it
 * is never queued twice; no wake-up is lost (a lost one ends in an invalid end state).
 *
 * broken: EARLY_RUN    a waker does not look at on_cpu
 * broken: EARLY_LET_GO a CPU clears on_cpu before it has saved the thread
 * broken: BLIND_CLAIM  a claim is a load and a store instead of a compare-exchange
 * broken: NO_ABSORB    a claimed thread whose cancel fails goes on instead of passing through the switch
 */
#define ROUNDS 4

mtype = { RUNNING, WAITING, CLAIMED };

mtype state = RUNNING; /* claim word: state and generation change together, in one atomic step */
byte gen = 0;
byte published = 0; /* the cookie that wakers can find */

bool on_cpu = false;
byte last_cpu = 0;
bool inbox[2];
bool queued[2];

byte executing = 0; /* CPUs that run the thread */
bool saved = true;  /* its registers are in memory, complete */
byte rounds = 0;
bool exited = false;

inline enqueue(place)
{
	atomic {
		assert(!inbox[0] && !inbox[1] && !queued[0] && !queued[1]);
		place = true
	}
}

proctype cpu(byte me)
{
	do
	:: exited -> break
	:: inbox[me] -> atomic { inbox[me] = false; queued[me] = true }
	:: queued[me] ->
		queued[me] = false;
		last_cpu = me;
		on_cpu = true;
		atomic { assert(executing == 0 && saved); executing++; saved = false };
resumed:
		if
		:: state == CLAIMED -> state = RUNNING
		:: else
		fi;
again:
		if
		:: rounds == ROUNDS -> exited = true; break
		:: else -> rounds++
		fi;
		/* wait_prepare, become visible */
		atomic { assert(state == RUNNING); gen++; state = WAITING };
		published = gen;
		if
		:: true /* wait_cancel */ ->
			if
			:: atomic { state == WAITING -> state = RUNNING }; goto again
			:: state == CLAIMED ->
#ifdef NO_ABSORB
				goto resumed
#else
				skip
#endif
			fi
		:: true
		fi;
		/* thread_block: choose the next thread, perhaps itself */
		if
		:: atomic { inbox[me] -> inbox[me] = false }; goto resumed
		:: else
		fi;
#ifdef EARLY_LET_GO
		on_cpu = false;
#endif
		executing--;
		saved = true;
		on_cpu = false /* let_go: [O1] */
	od
}

proctype waker()
{
	byte cookie = 0;
	bool won;

	do
	:: exited -> break
	:: published != cookie ->
		cookie = published;
		/* wait_claim */
#ifdef BLIND_CLAIM
		won = (state == WAITING && gen == cookie);
		if
		:: won -> state = CLAIMED
		:: else
		fi;
#else
		atomic {
			won = (state == WAITING && gen == cookie);
			if
			:: won -> state = CLAIMED
			:: else
			fi
		};
#endif
		/* thread_make_runnable */
		if
		:: !won
#ifndef EARLY_RUN
		:: won && on_cpu -> /* [O2] */
			if
			:: last_cpu == 0 -> enqueue(inbox[0])
			:: else -> enqueue(inbox[1])
			fi
		:: won && !on_cpu ->
#else
		:: won ->
#endif
			if
			:: true -> enqueue(inbox[0])
			:: true -> enqueue(inbox[1])
			fi
		fi
	od
}

init
{
	atomic {
		queued[0] = true;
		run cpu(0);
		run cpu(1);
		run waker();
		run waker()
	}
}
