/*
 * Donation through RPC, <kern/rpc_push.h>: the stores without a lock of the fast path against the walk, which takes the
 * locks. One client calls one worker again and again; two others change the client's priority, and walk.
 *
 * Checked: when no walk is under way, a worker in service has the priority of its client, and a worker that has
 * answered has its own.
 *
 * broken: NO_FLAG    the walk does not set AST_PUSH
 * broken: NO_RELOOK  the walk does not look again after it has set it
 * broken: EARLY_LOOK the fast path reads the flags before its stores are visible ([R1] without the barrier)
 * broken: BARE_CLEAR a thread clears its AST_PUSH without the lock
 * broken: NO_SETTLE  the fast path does nothing about the flag
 */
#define ROUNDS 3
#define CHANGES 2

#define LOW  1
#define HIGH 2

byte base = LOW;      /* the worker's own priority */
byte client_pri = LOW;

bool locked = false;  /* both tp_locks */
bool worker_set = false;   /* client.ith_worker == worker */
bool client_set = false;   /* worker.ith_client == client */
bool on = false;           /* the client's push is on the worker's list */
byte push_pri = 0;

bool client_running = true; /* its on_cpu */
bool client_flag = false, worker_flag = false; /* AST_PUSH */

byte walks = 0; /* changes of priority whose walk is not over */
bool call = false, answer = false;

#define EFFECTIVE (on && push_pri > base -> push_pri : base)

inline lock()   { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* reorder_locked */
inline reorder()
{
	if
	:: on -> push_pri = client_pri; client_set = false
	:: !on && client_pri > EFFECTIVE ->
		push_pri = client_pri;
		on = true;
#ifndef NO_FLAG
		worker_flag = true; /* [R2] */
		client_flag = true; /* [R2] */
#endif
		if
#ifndef NO_RELOOK
		:: !worker_set -> on = false
		:: worker_set -> client_set = false
#else
		:: client_set = false
#endif
		fi
	:: else
	fi
}

/* ast_taken_user */
inline clear(flag)
{
#ifdef BARE_CLEAR
	flag = false
#else
	lock();
	flag = false;
	unlock()
#endif
}

proctype changer()
{
	byte n = 0;

	do
	:: n == CHANGES -> break
	:: else ->
		n++;
		atomic {
			walks++;
			client_pri = (client_pri == LOW -> HIGH : LOW)
		};
		/* rpc_push_reorder */
		lock();
		if
		:: !worker_set && client_running ->
#ifndef NO_FLAG
			client_flag = true; /* [R2] */
#endif
#ifndef NO_RELOOK
			if
			:: worker_set -> reorder()
			:: else
			fi
#endif
		:: worker_set -> reorder()
		:: else
		fi;
		unlock();
		atomic { walks-- }
	od
}

proctype client()
{
	byte n = 0;
	bool linked, more, flags;

	do
	:: n == ROUNDS -> break
	:: else ->
		n++;
		clear(client_flag); /* on its way to user mode, before */
		linked = client_set;
		more = (client_pri > EFFECTIVE);
#ifdef EARLY_LOOK
		flags = client_flag;
#endif
		client_set = true; /* [R1] */
		worker_set = true; /* [R1] */
		if
		:: linked || more ->
			client_set = linked;
			worker_set = false;
			lock();
			worker_set = true;
			if
			:: on -> skip /* a walk saw the stores */
			:: !on && !client_set && client_pri <= EFFECTIVE -> client_set = true
			:: else -> push_pri = client_pri; on = true
			fi;
			unlock()
		:: else
		fi;
		/* the wait begins: a full barrier */
#ifndef EARLY_LOOK
		flags = client_flag;
#endif
#ifndef NO_SETTLE
		if
		:: flags ->
			lock();
			if
			:: worker_set -> reorder()
			:: else
			fi;
			unlock()
		:: else
		fi;
#endif
		client_running = false;
		call = true;
		atomic { answer -> answer = false };
		atomic { assert(walks > 0 || !on || worker_set) }
		atomic { assert(walks > 0 || EFFECTIVE == base) }
	od
}

proctype worker()
{
	byte n = 0;
	bool linked, flags;

	do
	:: n == ROUNDS -> break
	:: else ->
		n++;
		atomic { call -> call = false };
		clear(worker_flag); /* on its way to user mode */
		atomic { assert(walks > 0 || EFFECTIVE >= client_pri) };
		linked = client_set;
#ifdef EARLY_LOOK
		flags = worker_flag;
#endif
		client_set = false; /* [R1] */
		if
		:: !linked ->
			lock();
			client_set = false;
			on = false;
			worker_set = false;
			unlock()
		:: else -> worker_set = false /* [R1] */
		fi;
		/* the wait begins: a full barrier */
#ifndef EARLY_LOOK
		flags = worker_flag;
#endif
#ifndef NO_SETTLE
		if
		:: flags ->
			lock();
			if
			:: !worker_set -> on = false
			:: else
			fi;
			unlock()
		:: else
		fi;
#endif
		client_running = true;
		answer = true
	od
}

init
{
	atomic {
		run changer();
		run changer();
		run client();
		run worker()
	}
}
