/*
 * Model of a port's message queue (osfmk/ipc/mqueue.h): senders, that block when the queue is full and are passed slots,
 * receivers that wait in the queue word or on the list, time-outs, the claim word. Each compare-exchange of the word is one
 * atomic step on `top`, `cnt`, `waiter`, `waiters` and `blocked`; everything else interleaves freely.
 *
 * Checked: every message is received exactly once, and the count is that of the messages and slots (assertions); nobody
 * sleeps while a message is there, or room (no invalid end state: a receiver may sleep for ever only when all messages have
 * been received, a sender never).
 *
 * also: NMSG=3 LIMIT=1 NRCV=1
 * broken: NO_SETTLE  a receiver found taken out of the word does not wait until its waker is done (rule I5):
 *                    the waker then claims the receiver's next wait
 * broken: NO_DISPATCH a sender that pushes while receivers are on the list does not look after them (rule I4)
 * broken: NO_ADMIT   a sender whose message goes to a waiting receiver keeps its slot from the others (rule I6)
 * broken: LONE_BLOCKED the lone message is taken without the lock though senders are blocked: nobody gets its slot
 * broken: ONE_CLAIM  a slot is dropped when the first blocked sender has timed out, though others wait
 */
/* Sizes that finish in seconds; larger ones by -D. */
#ifndef NMSG
#define NMSG   2 /* one sender each; at most 3 */
#endif
#ifndef LIMIT
#define LIMIT  2
#endif
#ifndef NRCV
#define NRCV   2 /* at most 2 */
#endif
#define NGEN   2 /* generations of waits: a waker is never more than one behind */
#define TIMEOUTS 1 /* of all together */

mtype = { RUNNING, WAITING, CLAIMED, EXPIRED, NOWHERE, WORD, LIST, SETTLED };

/* the word */
byte top = 0, cnt = 0, waiter = 0;
bool waiters = false, blocked = false;

/* messages and the receivers' side */
byte next[NMSG + 1];
byte outbox = 0;
bool locked = false;
byte list[2];
byte nlist = 0;

/* receivers, 1..NRCV */
mtype state[NRCV + 1] = RUNNING;
mtype place[NRCV + 1] = NOWHERE;
byte gen[NRCV + 1], cookie[NRCV + 1], msg[NRCV + 1];
bool awake[NRCV + 1];

/* senders: those that are blocked, first come first */
byte senders[3];
byte nsenders = 0;
mtype sstate[NMSG + 1] = RUNNING;
bool sawake[NMSG + 1];

bool taken[NMSG + 1];
byte received = 0, given_up = 0;
byte patience = TIMEOUTS;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* Inbox to outbox, oldest first; port's lock held. One step: the exchange is, and the rest is private. */
inline refill() {
	d_step {
		if
		:: outbox == 0 && waiter == 0 && top != 0 ->
			chain = top; top = 0;
			do
			:: chain != 0 ->
				after = next[chain]; next[chain] = outbox; outbox = chain; chain = after
			:: else -> break
			od;
			after = 0
		:: else
		fi
	}
}

#define ALL_DONE (received + given_up == NMSG)

/* Port's lock held, the slot counted: the first blocked sender that still waits gets it. */
inline pass_slot() {
	s = 0;
	do
	:: s == 0 && nsenders > 0 ->
		d_step {
			s = senders[0]; nsenders--;
			senders[0] = senders[1]; senders[1] = senders[2]; senders[2] = 0
		}
		atomic {
			if
			:: sstate[s] == WAITING -> sstate[s] = CLAIMED
			:: else -> s = 0
			fi
		}
#ifdef ONE_CLAIM
		break
#endif
	:: else -> break
	od;
	if
	:: nsenders == 0 -> atomic { blocked = false }
	:: else
	fi;
	if
	:: s != 0 -> atomic { sawake[s] = true; s = 0 }
	:: else -> cnt--
	fi
}

inline admit() {
	do
	:: nsenders > 0 && cnt < LIMIT -> cnt++; pass_slot()
	:: else -> break
	od
}

/* Port's lock held: `blocked` stands still. */
inline pop(m) {
	d_step { m = outbox; outbox = next[outbox]; next[m] = 0; assert(cnt > 0) }
	if
	:: blocked -> pass_slot()
	:: else -> cnt--
	fi
}

inline list_remove(r) {
	d_step {
		if
		:: nlist == 2 && list[0] == r -> list[0] = list[1]
		:: else
		fi;
		nlist--
	}
}

inline enlist(r) {
	assert(nlist < NRCV);
	list[nlist] = r; nlist++; place[r] = LIST
}

/* sets won; the claim word is compared with what the waker believes */
inline claim(r, c, to, won) {
	atomic {
		if
		:: state[r] == WAITING && gen[r] == c -> state[r] = to; won = true
		:: else -> won = false
		fi
	}
}

inline dispatch() {
	do
	:: true ->
		refill();
		if
		:: outbox != 0 && nlist > 0 ->
			target = list[0]; list_remove(target);
			c = cookie[target]; place[target] = NOWHERE;
			claim(target, c, CLAIMED, won);
			if
			:: won -> pop(m2);
				d_step { msg[target] = m2; awake[target] = true; m2 = 0 }
			:: else
			fi
		:: else -> break
		fi;
		d_step { target = 0; c = 0; won = false }
	od;
	if
	:: nlist == 0 -> atomic { waiters = false }
	:: else
	fi
}

#define UNCHANGED (top == t && cnt == n && waiter == w && waiters == ws && blocked == b)

/* slot: it has one; gave: it had one, which went with a receiver. */
proctype sender(byte m) {
	byte t, n, w, c, target, chain, after, m2, s;
	bool ws, b, won, slot, gave;

again:	atomic { t = top; n = cnt; w = waiter; ws = waiters; b = blocked }
	if
	:: w != 0 ->
		atomic {
			if
			:: UNCHANGED -> waiter = 0; cnt = n - slot; gave = gave || slot; slot = false
			:: else -> goto again
			fi
		}
		c = cookie[w];
		claim(w, c, CLAIMED, won);
		if
		:: won -> msg[w] = m; awake[w] = true; goto done
		:: else -> place[w] = SETTLED; goto again
		fi
	:: w == 0 && n >= LIMIT && !slot && !gave ->
		lock();
		atomic {
			if
			:: waiter != 0 || cnt < LIMIT -> unlock(); goto again
			:: else -> blocked = true
			fi
		}
		d_step { senders[nsenders] = m; nsenders++; sstate[m] = WAITING }
		unlock();
		goto sleep
	:: else ->
		next[m] = t;
		atomic {
			if
			:: UNCHANGED -> top = m; cnt = n + !slot
			:: else -> goto again
			fi
		}
		if
#ifndef NO_DISPATCH
		:: ws -> lock(); dispatch(); unlock()
#endif
		:: else
		fi
	fi;
done:	if
#ifndef NO_ADMIT
	:: gave -> lock(); admit(); unlock()
#endif
	:: else
	fi;
	goto stop;

sleep:	if
	:: sawake[m] -> slot = true; goto again
	:: atomic { patience > 0 && sstate[m] == WAITING -> sstate[m] = EXPIRED; patience-- }
	fi;
	lock();
	d_step {
		if
		:: nsenders > 0 && senders[0] == m -> senders[0] = senders[1]; senders[1] = senders[2]; nsenders--
		:: nsenders > 1 && senders[1] == m -> senders[1] = senders[2]; nsenders--
		:: nsenders > 2 && senders[2] == m -> nsenders--
		:: else
		fi;
		senders[nsenders] = 0
	}
	if
	:: nsenders == 0 -> atomic { blocked = false }
	:: else
	fi;
	unlock();
	given_up++;
stop:	skip
}

proctype receiver(byte r) {
	byte m, chain, after, other, s;

again:	if
	:: ALL_DONE -> goto stop
	:: else
	fi;
	atomic {
		if
#ifdef LONE_BLOCKED
		:: cnt == 1 && top != 0 && waiter == 0 && !waiters -> m = top; top = 0; cnt = 0; goto got
#else
		:: cnt == 1 && top != 0 && waiter == 0 && !waiters && !blocked -> m = top; top = 0; cnt = 0; goto got
#endif
		:: else
		fi
	}
	d_step {
		gen[r] = (gen[r] + 1) % NGEN; cookie[r] = gen[r];
		awake[r] = false; place[r] = WORD
	}
	state[r] = WAITING;
	atomic {
		if
		:: top == 0 && cnt == 0 && waiter == 0 && !waiters && !blocked -> waiter = r; goto sleep
		:: else
		fi
	}
	lock();
	refill();
	if
	:: outbox != 0 ->
		pop(m); unlock();
		state[r] = RUNNING; place[r] = NOWHERE;
		goto got
	:: else
	fi;
	other = 0;
	atomic {
		if
		:: nlist == 0 && top == 0 && waiter == 0 && !waiters -> waiter = r; unlock(); goto sleep
		:: else
		fi
	}
	atomic {
		if
		:: waiter != 0 -> other = waiter; waiter = 0; waiters = true
		:: waiter == 0 && top != 0 ->
			unlock(); state[r] = RUNNING; place[r] = NOWHERE; goto again
		:: else -> waiters = true
		fi
	}
	if
	:: other != 0 -> enlist(other); other = 0
	:: else
	fi;
	enlist(r);
	unlock();

sleep:	if
	:: state[r] == CLAIMED && awake[r] ->
		d_step { m = msg[r]; msg[r] = 0; place[r] = NOWHERE; state[r] = RUNNING };
		goto got
	:: atomic { patience > 0 && state[r] == WAITING -> state[r] = EXPIRED; patience-- };
		goto withdraw
	:: ALL_DONE && state[r] == WAITING -> goto stop
	fi;

withdraw:
	if
	:: place[r] == WORD ->
		atomic {
			if
			:: waiter == r -> waiter = 0; goto out
			:: else
			fi
		}
#ifndef NO_SETTLE
		place[r] != WORD
#endif
	:: else
	fi;
	if
	:: place[r] == LIST ->
		lock();
		if
		:: place[r] == LIST ->
			list_remove(r);
			if
			:: nlist == 0 -> atomic { waiters = false }
			:: else
			fi
		:: else
		fi;
		unlock()
	:: else
	fi;
out:	place[r] = NOWHERE; state[r] = RUNNING;
	goto again;

got:	skip;
	d_step {
		assert(m != 0 && !taken[m]);
		taken[m] = true; received++; m = 0
	}
	goto again;
stop:	skip
}

init {
	byte i;

	atomic {
		for (i : 1 .. NRCV) { run receiver(i) }
		for (i : 1 .. NMSG) { run sender(i) }
	}
}
