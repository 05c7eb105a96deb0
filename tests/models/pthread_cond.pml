/*
 * pthread_cond_t of toolchain/libsystem/src/pthread/cond.c: a number that each signal changes, and a count of those that
 * wait, which spares a signal without waiters the call.
 *
 * Consumers take one item each, in the usual loop around the wait; one producer makes one item and signals, another
 * makes the rest and broadcasts, both after they have let the mutex go. Sleeping is the kernel's: a thread whose number
 * is still the same goes to sleep in one step, and a wake-up names one that sleeps. One consumer's waits may time out or
 * wake without reason; it tries again. A consumer that nobody wakes though there is an item for it ends in an invalid
 * end state.
 *
 * Checked: all consumers end; the count is 0 at the end.
 *
 * broken: READ_LATE  a waiter reads the number when it has let the mutex go
 * broken: NO_BUMP    a signal does not change the number
 * broken: WAKE_FIRST a signal wakes before it changes the number
 * broken: UNCOUNTED  a waiter counts itself after it sleeps
 * broken: KEEP_COUNT a wait that ends does not stop counting
 * broken: ONE_OF_ALL a broadcast wakes one
 */
#define N_CONSUMERS 3

bool mutex = false;
byte items = 0;
byte sequence = 0; /* changes a few times in all */
byte waiters = 0;
bool sleeps[N_CONSUMERS];
byte ended = 0;

inline lock()
{
	atomic { !mutex -> mutex = true }
}

inline unlock()
{
	mutex = false
}

inline wait()
{
#ifndef READ_LATE
	was = sequence;
#endif
#ifndef UNCOUNTED
	waiters++;
#endif
	unlock();
#ifdef READ_LATE
	was = sequence;
#endif
	atomic {
		if
		:: was == sequence -> sleeps[me] = true
		:: else
		fi
	};
#ifdef UNCOUNTED
	waiters++;
#endif
	if
	:: !sleeps[me]
	:: atomic { me == 0 && sleeps[me] -> sleeps[me] = false }
	fi;
#ifndef KEEP_COUNT
	waiters--;
#endif
	lock()
}

/* the kernel's: any that sleeps */
inline wake_one()
{
	atomic {
		if
		:: sleeps[0] -> sleeps[0] = false
		:: sleeps[1] -> sleeps[1] = false
		:: sleeps[2] -> sleeps[2] = false
		:: !sleeps[0] && !sleeps[1] && !sleeps[2]
		fi
	}
}

inline wake_all()
{
	atomic { sleeps[0] = false; sleeps[1] = false; sleeps[2] = false }
}

inline wake(all)
{
	if
	:: waiters == 0
	:: waiters > 0 && all -> wake_all()
	:: waiters > 0 && !all -> wake_one()
	fi
}

inline signal(all)
{
#ifdef WAKE_FIRST
	wake(all);
	sequence++
#else
#ifndef NO_BUMP
	sequence++;
#endif
	wake(all)
#endif
}

proctype consumer(byte me)
{
	byte was;

	lock();
	do
	:: items > 0 -> break
	:: else -> wait()
	od;
	items--;
	unlock();
	ended++
}

/* one item */
proctype producer()
{
	lock();
	items++;
	unlock();
	signal(false)
}

/* the others */
proctype producer_for_all()
{
	lock();
	items = items + N_CONSUMERS - 1;
	unlock();
#ifdef ONE_OF_ALL
	signal(false)
#else
	signal(true)
#endif
}

init {
	byte k;

	atomic {
		for (k : 0 .. N_CONSUMERS - 1) { run consumer(k) }
		run producer();
		run producer_for_all()
	}
	ended == N_CONSUMERS;
	assert(items == 0 && waiters == 0)
}
