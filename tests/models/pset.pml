/*
 * Model of port sets (osfmk/ipc/pset.h): a port that is a member of a set, leaves it and comes back; senders, one of them
 * as the RPC fast path sends; a receiver of the set; and the remover, who receives from the port itself while it is no
 * member. The queue word's own races are mqueue.pml's: here a push, and a take of one message, are one step.
 *
 * Two memberships, one after the other, with a link each. `tokens` are posted links in the set's queue.
 *
 * Checked: every message is received once; none passes through a membership that ended before it was sent or
 * before its receiver began; a link is
 * not freed while anybody holds it, and is not in the set's queue then; nobody sleeps beside a message.
 *
 * broken: NO_RECHECK  [P7] the fast path does not look at the membership again after it took the receiver
 * broken: NO_HOLDER   [P5] the remover does not wait for takers
 * broken: LATE_CLEAR  [P2] a taker clears PSL_POSTED after it looked for a message
 * broken: EARLY_LOOK  [P3] the adder looks for messages before it shows the membership
 * broken: NO_GRACE    a removed link is withdrawn while senders may still post it
 * broken: ONE_GRACE   a withdrawn link is freed while a taker may still have it
 * broken: NO_WITHDRAW a removed link that is posted stays in the set's queue
 */
#define LINKS 2
#define NMSG  2
#define NONE  9

/* the port */
byte queued = 0;       /* messages, as a bit set */
bool in_set = true;
byte link = 0;         /* ip_link; NONE: no member */

/* links */
bool posted[LINKS], dead[LINKS], freed[LINKS];
byte holders[LINKS];

/* the set */
byte tokens = 0;       /* bit set of posted links in its queue */
bool waiting = false;  /* the receiver is in the word */
bool claimed = false;  /* somebody took it out, and serves it */
byte given = NONE;     /* the message that it was given; NONE with served: start over */
bool served = false;

/* bookkeeping */
bool received[NMSG];
byte nreceived = 0;
bool sent_after[NMSG]; /* its send began while the port was no member */
byte senders_in = 0;   /* bit set: those inside their section, of which each has one */
byte receiver_at = 0;  /* counts entries to and exits from its section: odd inside */
bool member = true;    /* as the callers of add and remove know it: false from remove's return to add's call */
bool ended = false;    /* remove has returned */
bool late = false;     /* the receiver that waits began to after that */

#define HAS(set, i) (((set) >> (i)) & 1)

inline note(m)
{
	d_step {
		assert(!received[m]);
		received[m] = true;
		nreceived++
	}
}

/* A message through link l: m, or NONE. The lock-free take: the port's word changes in one step if it holds one. */
inline take(l, m)
{
	m = NONE;
	assert(!freed[l]);
#if defined(LATE_CLEAR)
	atomic { holders[l]++; isdead = dead[l] };
#else
	atomic { posted[l] = false; holders[l]++; isdead = dead[l] };
#endif
	if
	:: !isdead ->
		atomic {
			if
			:: queued != 0 ->
				m = (HAS(queued, 0) -> 0 : 1);
				queued = queued & ~(1 << m);
				assert(!(sent_after[m] && l == 0))
			:: else
			fi
		}
	:: else
	fi;
#if defined(LATE_CLEAR)
	posted[l] = false;
#endif
	assert(!freed[l]);
	holders[l]--;
	/* more: with the lock, left out; the member is posted again */
	if
	:: m != NONE && queued != 0 -> again = true
	:: else -> again = false
	fi
}

/* Puts the link to the set, or serves the receiver; repeats while the member has more. */
inline post(l)
{
	do
	:: true ->
		atomic {
			if
			:: posted[l] -> break
			:: else -> posted[l] = true
			fi
		}
		assert(!freed[l]);
		atomic {
			if
			:: waiting -> waiting = false; mine = true
			:: else -> tokens = tokens | (1 << l); mine = false
			fi
		}
		if
		:: !mine -> break
		:: else ->
			take(l, got);
			d_step { given = got; got = NONE; served = true; mine = false }
			if
			:: again -> again = false
			:: else -> break
			fi
		fi
	od
}

proctype sender(byte m; bool fast)
{
	byte l, got = NONE;
	bool mine, isdead, again, saw;

	atomic {
		sent_after[m] = !member;
		senders_in = senders_in | (1 << m)
	}
	/* the fast path: idle member, receiver in the set's word */
	if
	:: fast ->
		atomic { saw = (in_set && queued == 0) };
		l = link;
		if
		:: saw && l != NONE ->
			atomic {
				if
				:: waiting -> waiting = false; mine = true
				:: else
				fi
			}
			if
			:: mine ->
				mine = false;
				if
#if !defined(NO_RECHECK)
				:: link != l -> served = true /* start over */
				:: else ->
#else
				:: true ->
#endif
					assert(!((sent_after[m] || late) && l == 0));
					d_step { given = m; served = true };
					goto done
				fi
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	atomic { queued = queued | (1 << m); saw = in_set };
	if
	:: saw ->
		l = link;
		if
		:: l != NONE -> post(l)
		:: else /* under the lock: none, or the adder looks */
			-> skip
		fi
	:: else
	fi;
done:	skip;
	d_step { l = NONE; senders_in = senders_in & ~(1 << m) }
}

proctype receiver()
{
	byte l, got = NONE;
	bool mine, isdead, again;

again_:
	if
	:: nreceived == NMSG -> goto stop
	:: else
	fi;
	receiver_at = (receiver_at + 1) % 4;
	atomic {
		if
		:: tokens != 0 ->
			l = (HAS(tokens, 0) -> 0 : 1);
			tokens = tokens & ~(1 << l)
		:: else -> l = NONE
		fi
	}
	if
	:: l != NONE ->
		take(l, got);
		if
		:: again -> again = false; post(l)
		:: else
		fi;
		receiver_at = (receiver_at + 1) % 4;
		if
		:: got != NONE -> note(got)
		:: else
		fi;
		d_step { got = NONE; l = NONE };
		goto again_
	:: else
	fi;
	atomic {
		if
		:: tokens == 0 -> waiting = true; late = ended
		:: else -> receiver_at = (receiver_at + 1) % 4; goto again_
		fi
	}
	receiver_at = (receiver_at + 1) % 4;
	if
	:: served ->
		d_step { got = given; given = NONE; served = false }
		if
		:: got != NONE -> note(got); got = NONE
		:: else
		fi;
		goto again_
	:: nreceived == NMSG -> goto stop
	fi;
stop:
	skip
}

/* Whoever is inside a section now leaves it. */
inline grace()
{
	atomic { m = senders_in; l = receiver_at };
	(senders_in & m) == 0 && (l % 2 == 0 || receiver_at != l)
}

/* Takes the port out, receives from it directly, and puts it back with another link. */
proctype mover()
{
	byte m, l, got = NONE;
	bool mine, isdead, again;

	atomic { link = NONE; dead[0] = true; in_set = false };
#if !defined(NO_HOLDER)
	holders[0] == 0;
#endif
	atomic { member = false; ended = true };
#if !defined(NO_GRACE)
	grace();
#endif
#if !defined(NO_WITHDRAW)
	atomic { tokens = tokens & ~1 };
#endif
#if !defined(ONE_GRACE)
	grace();
#endif
	d_step {
		assert(holders[0] == 0);
		freed[0] = true
	}
	assert(!HAS(tokens, 0));
	atomic {
		if
		:: queued != 0 ->
			m = (HAS(queued, 0) -> 0 : 1);
			queued = queued & ~(1 << m)
		:: else -> m = NONE
		fi
	}
	if
	:: m != NONE -> note(m)
	:: else
	fi;
	member = true;
#if defined(EARLY_LOOK)
	again = (queued != 0);
	link = 1;
	atomic { in_set = true };
#else
	link = 1;
	atomic { in_set = true };
	again = (queued != 0);
#endif
	if
	:: again -> again = false; post(1)
	:: else
	fi
}

init
{
	atomic {
		run receiver();
		run mover();
		run sender(0, true);
		run sender(1, false)
	}
}
