/*
 * The queue of spinners of <kern/spin_queue.h>: CPUs join, wait as long as they like, give up or become the head, and leave.
 *
 * Each atomic access of the code is a step. The head's section stands for its looks at the lock.
 *
 * Checked: one head at a time; nobody waits for ever, for a link or to become the head (invalid end state, though each may
 * give up); at the end all places are free and the tail is 0.
 *
 * broken: FREE_FIRST    a place is freed before the link behind it has been read
 * broken: BLIND_HEAD    the head is passed on by a store, and comes to one that has given up
 * broken: SKIP_LEFT     the head stops at a place that was given up
 * broken: KEEP_TAIL     the last leaves its place in the tail
 * broken: REJOIN        a place that was given up is taken again though it is still linked
 */
#define CPUS   3
#define ROUNDS 2
#define NONE   0 /* tails and links are cpu + 1 */

#define FREE  0
#define WAITS 1
#define HEAD  2
#define LEFT  3

byte tail = NONE;
byte next[CPUS];
byte state[CPUS];
byte heads = 0;
byte finished = 0;

/* next_place() and spin_queue_leave() */
inline leave()
{
	at = me;
	passed = false;
	do
	:: passed -> break
	:: else ->
#ifdef FREE_FIRST
		state[at] = FREE;
#endif
		if
		:: next[at] != NONE -> behind = next[at]
		:: atomic { next[at] == NONE && tail == at + 1 ->
#ifndef KEEP_TAIL
			tail = NONE;
#endif
			behind = NONE }
		fi;
#ifndef FREE_FIRST
		state[at] = FREE;
#endif
		if
		:: behind == NONE -> break
		:: else
		fi;
		at = behind - 1;
#ifdef BLIND_HEAD
		state[at] = HEAD; passed = true
#else
		atomic {
			if
			:: state[at] == WAITS -> state[at] = HEAD; passed = true
			:: else ->
				assert(state[at] == LEFT);
#ifdef SKIP_LEFT
				passed = true
#endif
			fi
		}
#endif
	od
}

proctype cpu(byte me)
{
	byte rounds = 0, before, at, behind;
	bool passed, is_head;

	do
	:: rounds == ROUNDS -> break
	:: else ->
		rounds++;
		if
#ifdef REJOIN
		:: state[me] == FREE || state[me] == LEFT -> skip
#else
		:: state[me] == FREE -> skip
#endif
		:: else -> goto out
		fi;
		next[me] = NONE;
		state[me] = WAITS;
		atomic { before = tail; tail = me + 1 };
		if
		:: before == NONE -> state[me] = HEAD
		:: else ->
			next[before - 1] = me + 1;
			if
			:: state[me] == HEAD -> skip
			:: atomic { state[me] == WAITS -> state[me] = LEFT }; goto out
			fi
		fi;
		atomic { heads++; assert(heads == 1) };
		heads--;
		leave();
out:
		skip
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
	finished == CPUS;
	assert(tail == NONE && heads == 0);
	assert(state[0] == FREE && state[1] == FREE && state[2] == FREE)
}
