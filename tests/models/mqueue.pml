/*
 * Model of a port's message queue (osfmk/ipc/mqueue.h): senders, receivers that wait in the queue word or on
 * the list, time-outs, the claim word. Each compare-exchange of the word is one atomic step on `top`, `cnt`,
 * `waiter` and `waiters`; everything else interleaves freely.
 *
 * Checked: every message is received exactly once (assertions), and nobody sleeps while a message is there
 * (no invalid end state: a receiver may sleep for ever only when all messages have been received).
 *
 * broken: NO_SETTLE  a receiver found taken out of the word does not wait until its waker is done (rule I5):
 *                    the waker then claims the receiver's next wait
 * broken: NO_DISPATCH a sender that pushes while receivers are on the list does not look after them (rule I4)
 */
/* Sizes that finish in seconds; larger ones by -D. */
#ifndef NMSG
#define NMSG   2 /* one sender each */
#endif
#ifndef LIMIT
#define LIMIT  2
#endif
#define NRCV   2
#define NGEN   2 /* generations of waits: a waker is never more than one behind */
#define TIMEOUTS 1 /* of all receivers together */

mtype = { RUNNING, WAITING, CLAIMED, EXPIRED, NOWHERE, WORD, LIST, SETTLED };

/* the word */
byte top = 0, cnt = 0, waiter = 0;
bool waiters = false;

/* messages and the receivers' side */
byte next[NMSG + 1];
byte outbox = 0;
bool locked = false;
byte list[NRCV];
byte nlist = 0;

/* receivers, 1..NRCV */
mtype state[NRCV + 1] = RUNNING;
mtype place[NRCV + 1] = NOWHERE;
byte gen[NRCV + 1], cookie[NRCV + 1], msg[NRCV + 1];
bool awake[NRCV + 1];

bool taken[NMSG + 1];
byte received = 0;
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

inline pop(m) {
	d_step { m = outbox; outbox = next[outbox]; next[m] = 0; cnt-- }
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
			:: won -> pop(m2); d_step { msg[target] = m2; awake[target] = true; m2 = 0 }
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

proctype sender(byte m) {
	byte t, n, w, c, target, chain, after, m2;
	bool ws, won;

again:	atomic { t = top; n = cnt; w = waiter; ws = waiters }
	if
	:: w != 0 ->
		atomic {
			if
			:: top == t && cnt == n && waiter == w && waiters == ws -> waiter = 0
			:: else -> goto again
			fi
		}
		c = cookie[w];
		claim(w, c, CLAIMED, won);
		if
		:: won -> msg[w] = m; awake[w] = true; goto done
		:: else -> place[w] = SETTLED; goto again
		fi
	:: w == 0 && n >= LIMIT ->
		(cnt < LIMIT || waiter != 0);
		goto again
	:: else ->
		next[m] = t;
		atomic {
			if
			:: top == t && cnt == n && waiter == w && waiters == ws -> top = m; cnt = n + 1
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
done:	skip
}

proctype receiver(byte r) {
	byte m, chain, after, other;

again:	if
	:: received == NMSG -> goto stop
	:: else
	fi;
	atomic {
		if
		:: cnt == 1 && top != 0 && waiter == 0 && !waiters -> m = top; top = 0; cnt = 0; goto got
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
		:: top == 0 && cnt == 0 && waiter == 0 && !waiters -> waiter = r; goto sleep
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
	:: received == NMSG && state[r] == WAITING -> goto stop
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
