/*
 * The queued spin lock of <kern/qspin.h>: CPUs that take it by overtaking, or from the queue.
 *
 * The word is three fields that change together in one atomic step, as a compare-exchange does; the unlock writes the
 * held byte alone. Each CPU's node is linked and woken as in the code. `patience` of the head is one look.
 *
 * Checked: one holder at a time; nobody takes a reserved lock but the head; every CPU gets the lock as often as it
 * wants it (a waiter that is forgotten ends in an invalid end state); the word is 0 at the end.
 *
 * broken: IGNORE_RESERVED a contender overtakes though the head has reserved the lock
 * broken: BLIND_TAKE      the head takes the lock by a load and a store, and an overtaker comes between
 * broken: KEEP_TAIL       the last of the queue leaves its tail in the word
 * broken: LOSE_RESERVED   a contender that joins the queue wipes the reservation
 */
#define CPUS   3
#define ROUNDS 2
#define NONE   0 /* tails are cpu + 1 */

bool held = false;
bool reserved = false;
byte tail = NONE;

byte next[CPUS]; /* successor's tail, NONE until it is linked */
bool head[CPUS];
byte holders = 0;
byte reserver = NONE; /* the head that reserved, for the check alone */
byte finished = 0;

inline enter()
{
	atomic {
		holders++;
		assert(holders == 1);
		assert(reserver == NONE || reserver == me + 1);
		reserver = NONE
	}
}

proctype cpu(byte me)
{
	byte rounds = 0, old;
	bool is_last, patient;

	do
	:: rounds == ROUNDS -> break
	:: else ->
		rounds++;
		/* overtake() */
		if
		:: atomic {
			!held &&
#ifdef IGNORE_RESERVED
			true
#else
			!reserved
#endif
			-> held = true; enter() }; goto section
		:: true
		fi;
		/* tail_exchange() */
		next[me] = NONE;
		head[me] = false;
		atomic {
			old = tail;
			tail = me + 1;
#ifdef LOSE_RESERVED
			reserved = false
#endif
		};
		if
		:: old != NONE ->
			next[old - 1] = me + 1;
			head[me] -> skip
		:: else
		fi;
		/* take_as_head() */
		patient = true;
again:
		if
		:: patient && held ->
			atomic { reserved = true; reserver = me + 1 };
			patient = false;
			goto again
#ifdef BLIND_TAKE
		:: !held ->
			is_last = (tail == me + 1);
			atomic { held = true; reserved = false; if :: is_last -> tail = NONE :: else fi; enter() }
#else
		:: atomic { !held ->
			is_last = (tail == me + 1);
			held = true;
			reserved = false;
			if
#ifndef KEEP_TAIL
			:: is_last -> tail = NONE
#endif
			:: else
			fi;
			enter() }
#endif
		fi;
		if
		:: is_last
		:: else ->
			next[me] != NONE -> head[next[me] - 1] = true
		fi;
section:
		holders--;
		held = false /* the byte */
	od;
	finished++
}

init {
	atomic {
		byte i = 0;
		do
		:: i < CPUS -> run cpu(i); i++
		:: else -> break
		od
	};
	finished == CPUS -> assert(!held && !reserved && tail == NONE && holders == 0)
}
