/*
 * Donation through RPC, <kern/rpc_push.h>: how links and pushes end when the client does not wait for it. rpc_push.pml
 * has the priorities and AST_PUSH; here every walk finds something to push, and who must settle does.
 *
 * C has a request in the queue of W, perhaps after a wait for room there, and may give up at any time; or it waited with
 * something that is no call. Then it waits for a lock, calls V in the fast path, or ends, in any order. W takes the request
 * late, answers it or not, and ends. V either receives again with the link of D on it, which D ends, or has passed on the
 * request of C to W, and answers all the same. A walk makes a push of whatever link it finds.
 *
 * Checked: a push is put on no second list, does not outlive its call but for the steps of who takes it back, and not the
 * thread; no link is left behind.
 *
 * broken: EARLY_LOOK  a thread looks for its push, then forbids new ones, before it waits for a lock
 * broken: LINK_ONLY   it looks for a link then, not for a push whose link was taken back
 * broken: LINK_AFTER  nor when its call is over
 * broken: NO_FLAG     nor, with AST_PUSH, on its way to user mode
 * broken: NO_RECHECK  a worker does not look at the client again when it has linked it
 * broken: END_ANY     and if it does, it ends whatever link the client has
 * broken: DEAD_CLIENT a client that ends may be linked
 * broken: LINK_AT_END a thread that ends looks for a link, not for a push
 * broken: BARE_RESTORE the light link of another client is put back without a look at it
 * broken: OVERWRITE   a link is made over one that the client has made itself
 * broken: ROOM_KEPT   a sender that is no client keeps the push of its wait for room when there is room
 * broken: ROOM_GIVEN_UP a client whose wait for room is cut short does not begin its receive, and keeps the push
 */
#define NONE 0
#define W 1 /* threads */
#define V 2
#define C 3
#define D 4
#define H 5 /* who has the lock */

#define WAITS   1
#define CLAIMED 2

byte c_worker = NONE;    /* ith_worker of C, of D */
byte d_worker = V;
byte client[3];          /* ith_client of W, of V */
byte on = NONE;          /* tp_on of C */
bool flag = false;       /* AST_PUSH of C */
bool turnstile = false;  /* tp_turnstile of C */
bool dead[4];            /* tp_dead */
bool lock[5];            /* tp_lock */
bool call_reply = true;  /* ith_call_reply of C is the port that the request names */
byte c_wait = WAITS;     /* C waits for the answer to the first request */
bool c_woken = false;
bool room = false;       /* C waits for room in the queue; the request is not there yet */
bool queued = true;      /* W gets the request */
bool v_idle = true, v_called = false;
bool taking = false, walking = false; /* W, the walk is between its steps */
bool twice = false;      /* its first call gets two answers, perhaps */
byte over = 0;           /* processes that are done */

inline pair(a, b)   { atomic { !lock[a] && !lock[b] -> lock[a] = true; lock[b] = true } }
inline unpair(a, b) { atomic { lock[a] = false; lock[b] = false } }
inline single(a)    { atomic { !lock[a] -> lock[a] = true } }
inline unsingle(a)  { lock[a] = false }

inline insert(thread)
{
	atomic { assert(on == NONE); on = thread }
}

inline remove(thread)
{
	atomic {
		if
		:: on == thread -> on = NONE
		:: else
		fi
	}
}

inline swap(word, old, new)
{
	atomic {
		if
		:: word == old -> word = new
		:: else
		fi
	}
}

/* unlink_locked of C */
inline unlink_locked(worker)
{
	remove(worker);
	swap(c_worker, worker, NONE);
	swap(client[worker], C, NONE)
}

inline unlink(worker)
{
	pair(C, worker);
	unlink_locked(worker);
	unpair(C, worker)
}

/* rpc_push_end_chain of C */
inline end_link(x)
{
	do
	:: x = c_worker;
	   if
	   :: x == NONE -> break
	   :: else ->
		pair(C, x);
		if
		:: c_worker == x -> unlink_locked(x); unpair(C, x); break
		:: else -> unpair(C, x)
		fi
	   fi
	od
}

inline leave(x)
{
	end_link(x);
#ifndef LINK_ONLY
	do
	:: x = on;
	   if
	   :: x == NONE -> break
	   :: else -> pair(C, x); remove(x); unpair(C, x)
	   fi
	od
#endif
}

inline may_push(worker)
{
	if
#ifdef DEAD_CLIENT
	:: on == NONE && !turnstile && !dead[worker] -> insert(worker)
#else
	:: on == NONE && !turnstile && !dead[worker] && !dead[C] -> insert(worker)
#endif
	:: else
	fi
}

/* rpc_push_link of C; `light`: exclusive, and no higher priority */
inline link(worker, light, x)
{
	x = c_worker;
	if
	:: x == worker
	:: else ->
		if
		:: x != NONE -> end_link(x)
		:: else
		fi;
		pair(C, worker);
		if
#ifdef DEAD_CLIENT
		:: dead[worker] -> skip
#else
		:: dead[worker] || dead[C] -> skip
#endif
		:: else ->
#ifdef OVERWRITE
			x = NONE;
			c_worker = worker;
#else
			atomic { x = c_worker; swap(c_worker, NONE, worker) };
#endif
			if
			:: x != NONE || on == worker -> skip
			:: else ->
				if
				:: light && client[worker] == NONE -> client[worker] = C
				:: else -> may_push(worker)
				fi
			fi
		fi;
		unpair(C, worker)
	fi
}

/* light_link_restore of D on V */
inline restore()
{
#ifdef BARE_RESTORE
	client[V] = D
#else
	pair(D, V);
	if
	:: d_worker == V -> client[V] = D
	:: else
	fi;
	unpair(D, V)
#endif
}

/* The fast path answers C, whose wait is claimed. */
inline reply(self, x, linked)
{
	linked = client[self];
	client[self] = NONE;
	if
	:: linked != C ->
		if
		:: linked == D -> restore()
		:: else
		fi;
		end_link(x)
	:: else -> c_worker = NONE
	fi;
	pair(C, self); /* rpc_push_settle */
	if
	:: c_worker != self -> remove(self)
	:: else
	fi;
	unpair(C, self);
	c_woken = true
}

inline await_answer()
{
	if
	:: atomic { c_wait == WAITS -> c_wait = NONE; answered = false } /* time-out, abort */
	:: atomic { c_woken -> c_woken = false; c_wait = NONE; answered = true }
	fi;
	call_reply = false
}

/* ipc_push_done; a call in the fast path goes to user mode without it when it has its answer */
inline done(x)
{
	if
#ifdef LINK_AFTER
	:: c_worker != NONE -> end_link(x)
#else
	:: c_worker != NONE || on != NONE -> leave(x)
#endif
	:: else
	fi
}

/* Pushes already. There is room, and the request goes into the queue; or time-out, abort. */
inline wait_for_room(x)
{
	if
	:: call_reply -> atomic { queued = true; room = false }
	:: !call_reply ->
#ifndef ROOM_KEPT
		done(x); /* ipc_push_unblocked */
#endif
		room = false
	:: call_reply ->
		c_wait = NONE;
		call_reply = false;
#ifndef ROOM_GIVEN_UP
		done(x);
#endif
		room = false
	fi
}

inline wait_for_lock()
{
#ifdef EARLY_LOOK
	leave(x);
#endif
	single(C);
	turnstile = true;
	unsingle(C);
#ifndef EARLY_LOOK
	leave(x);
#endif
	insert(H);
	atomic { assert(on == H); on = NONE };
	single(C);
	turnstile = false;
	unsingle(C)
}

inline call_fast()
{
	atomic { v_idle -> v_idle = false };
	linked = client[V];
	client[V] = C;
	c_worker = V;
	if
	:: linked == D ->
		client[V] = NONE;
		c_worker = NONE;
		restore();
		link(V, true, x)
	:: else
	fi;
	atomic { c_wait = WAITS };
	v_called = true;
	await_answer();
	if
	:: !answered -> done(x)
	:: else
	fi;
#ifndef NO_FLAG
	if
	:: flag && on != NONE -> leave(x) /* rpc_push_ast */
	:: else
	fi
#endif
}

proctype client_c()
{
	byte x, linked;
	bool locked_once = false, called = false, answered;

	if
	:: room -> wait_for_room(x)
	:: else
	fi;
	if
	:: c_wait != NONE || c_woken -> await_answer(); done(x)
	:: else
	fi;
	do
	:: atomic { assert(on == NONE || taking || walking) } ->
	if
	:: !locked_once -> locked_once = true; wait_for_lock()
	:: !called -> called = true; call_fast()
	:: break
	fi
	od;
	single(C);
	dead[C] = true;
	unsingle(C);
	if
#ifdef LINK_AT_END
	:: c_worker != NONE -> end_link(x)
#else
	:: c_worker != NONE || on != NONE -> leave(x)
#endif
	:: else
	fi;
	assert(on == NONE);
	over++
}

proctype server_w()
{
	byte x, linked;

	!room;
	taking = true;
	if
	:: queued && call_reply ->
		if
		:: link(W, true, x)
		:: link(W, false, x)
		fi;
#ifndef NO_RECHECK
		if
		:: !call_reply ->
#ifdef END_ANY
			end_link(x)
#else
			unlink(W)
#endif
		:: else
		fi
#endif
	:: else
	fi;
	taking = false;
	if
	:: atomic { queued && c_wait == WAITS -> c_wait = CLAIMED }; reply(W, x, linked)
	:: skip
	fi;
	single(W); /* turnstile_thread_exit */
	dead[W] = true;
	if
	:: on == W -> remove(W); swap(c_worker, W, NONE)
	:: else
	fi;
	unsingle(W);
	if
	:: client[W] == C -> unlink(W)
	:: else
	fi;
	over++
}

/* Answers, if C waits, and receives again. */
proctype server_v()
{
	byte x, linked;

end:	do
	:: v_called ->
		v_called = false;
		if
		:: atomic { c_wait == WAITS -> c_wait = CLAIMED }; reply(V, x, linked)
		:: skip
		fi;
		v_idle = true
	od
}

proctype client_d()
{
	pair(D, V);
	d_worker = NONE;
	swap(client[V], D, NONE);
	unpair(D, V);
	over++
}

/* rpc_push_reorder of C, whose priority has risen */
proctype walker()
{
	byte x = c_worker;

	if
	:: x != NONE ->
		pair(C, x);
		if
		:: c_worker == x && on == NONE && !turnstile && !dead[x] && !dead[C] ->
			walking = true;
			insert(x);
			flag = true;
			if
			:: c_worker != x -> remove(x)
			:: else -> swap(client[x], C, NONE)
			fi;
			walking = false
		:: else
		fi;
		unpair(C, x)
	:: else
	fi;
	over++
}

init
{
	atomic {
		if
		:: client[V] = D
		:: twice = true; client[V] = C; c_worker = V; d_worker = NONE; v_idle = false; v_called = true
		:: client[V] = D; c_worker = W; on = W; room = true /* pushes who takes the request, */
		:: client[V] = D; c_worker = V; on = V; room = true /* or somebody else */
		fi;
		if
		:: room -> queued = false
		:: room -> queued = false; call_reply = false; c_wait = NONE
		:: else
		fi;
		run client_c();
		run server_w();
		run server_v();
		run client_d();
		run walker()
	};
	over == 4 && v_idle && !v_called;
	assert(on == NONE && c_worker == NONE);
	assert(client[V] != D || d_worker == V);
	assert(twice || (client[W] == NONE && client[V] != C))
}
