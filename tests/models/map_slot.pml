/*
 * The lock of a slot of an address map (osfmk/vm/vm_map_index.h): taken by a compare-exchange, let go by an exclusive-or that
 * leaves WAITERS alone, handed to the oldest sleeper under an interlock.
 *
 * The word is three bits that change together. A thread that sleeps waits for its flag; nobody takes it off the queue but the
 * thread that hands over. One thread turns the locked slot into a node, as slot_expand does.
 *
 * Checked: one holder at a time; who waits is passed by nobody, and has it in the order of arrival; outside the interlock
 * WAITERS says whether somebody is queued; nobody sleeps for ever; a node is nobody's, and its sleepers go on.
 *
 * broken: BARGE        letting go leaves the slot open, and whoever comes first takes it
 * broken: BLIND_MARK   a sleeper marks a slot that it has seen shut before it had the interlock
 * broken: EARLY_QUEUE  a sleeper has left the interlock between its mark and the queue
 * broken: FORGET_MORE  handing over clears WAITERS though others are queued
 * broken: NODE_ONE     of those who wait for a slot that becomes a node, only the first is woken
 */
#define THREADS 3
#define ROUNDS  2

bool locked = false, waiters = false, node = false;
bool interlock = false;
byte queue[THREADS], queued = 0;
bool woken[THREADS];
byte holders = 0, ended = 0;

/* For the check alone: threads that sleep, in the order of their marks, whom nobody may pass. */
byte next_ticket = 0, next_turn = 0;

inline lock_interlock()
{
	atomic { !interlock -> interlock = true }
}

inline unlock_interlock()
{
#ifndef BARGE
	assert(waiters == (queued > 0));
#endif
	interlock = false
}

inline enter()
{
	holders++;
	assert(holders == 1)
}

/* vm_index_sleep: `slept` once handed the slot, or woken for a node */
inline sleep()
{
#ifdef BLIND_MARK
	if
	:: locked || waiters -> seen = true
	:: else -> seen = false
	fi;
	lock_interlock();
	if
	:: seen -> waiters = true
	:: else
	fi;
#else
	lock_interlock();
	atomic {
		seen = locked || waiters;
		waiters = waiters || seen
	};
#endif
#ifdef EARLY_QUEUE
	interlock = false;
	lock_interlock();
#endif
	if
	:: seen ->
		atomic {
			woken[me] = false;
			queue[queued] = me;
			queued++;
			ticket = next_ticket;
			next_ticket++
		};
		unlock_interlock();
		woken[me];
		slept = true
	:: else ->
		interlock = false;
		slept = false
	fi
}

inline pop()
{
	assert(queued > 0);
	first = queue[0];
	queue[0] = queue[1];
	queue[1] = queue[2];
	queued--
}

/* vm_index_hand_over */
inline hand_over()
{
	lock_interlock();
	do
	:: atomic {
		pop();
		is_node = node; /* before the slot is another's */
		if
		:: !is_node -> locked = true
		:: else
		fi;
#ifdef FORGET_MORE
		waiters = false;
#else
		waiters = queued > 0;
#endif
		woken[first] = true };
		if
#ifdef NODE_ONE
		:: true -> break
#else
		:: is_node && queued > 0
		:: else -> break
#endif
		fi
	od;
	unlock_interlock()
}

/* slots_unlock; `expand`: the value it gets is a node's */
inline let_go(expand)
{
	atomic {
		holders--;
		locked = false;
		node = expand;
		seen = waiters;
#ifdef BARGE
		waiters = false
#endif
	};
#ifdef BARGE
	if
	:: seen ->
		lock_interlock();
		atomic {
			if
			:: queued > 0 -> pop(); woken[first] = true
			:: else
			fi;
			waiters = queued > 0 };
		interlock = false
	:: else
	fi
#else
	if
	:: seen -> hand_over()
	:: else
	fi
#endif
}

proctype thread(byte me)
{
	byte rounds = 0, first, ticket;
	bool seen, slept, is_node;

	do
	:: rounds == ROUNDS || node -> break
	:: else ->
		rounds++;
		do
		:: atomic { node -> break }
		:: atomic { !locked && !waiters && !node ->
			locked = true;
			/* nobody waits whom it passes */
			assert(next_turn == next_ticket);
			enter() };
			let_go(me == 0 && rounds == ROUNDS);
			break
		:: locked || waiters ->
			sleep();
			if
			:: slept && node -> break
#ifdef BARGE
			:: slept && !node -> next_turn++
#else
			:: slept && !node ->
				atomic {
					assert(locked && ticket == next_turn);
					next_turn++;
					enter() };
				let_go(me == 0 && rounds == ROUNDS);
				break
#endif
			:: else
			fi
		od
	od;
	ended++
}

init {
	byte i;

	atomic {
		for (i : 0 .. THREADS - 1) { run thread(i) }
	}
	ended == THREADS;
	assert(!locked && !waiters && queued == 0)
}
