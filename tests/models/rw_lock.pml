/*
 * The read-write lock of osfmk/kern/lck_rw.c: readers that count themselves at one counter and leave at any, writers
 * that claim the word, then sum the counters one by one, and sleep until the last reader wakes them.
 *
 * Full fences order a thread's own steps, so that each step here is one access, seen at once by all; a twin without a
 * fence swaps the two steps it orders. Sleeping is a flag that the waker clears; a thread that nobody wakes ends in an
 * invalid end state. Reader 0 upgrades, the writer downgrades. (With a second writer it holds as well: 17 million states.)
 *
 * Checked: a writer is alone; nobody sleeps for ever; all is 0 at the end.
 *
 * broken: SHOW_LATE     a reader looks at the word before it has shown itself: no [R1]
 * broken: SUM_EARLY     a writer has summed before it claims: no [W1]
 * broken: OTHER_COUNTER a reader that must go back subtracts at another counter than it added to
 * broken: LOOK_EARLY    a reader that leaves looks for a drainer before it has subtracted: no [R2]
 * broken: NO_RESUM      a writer that is to sleep does not sum again behind setting the bit: no [W2]
 * broken: WAIT_FOR_IT   an upgrade waits for a writer that has claimed the lock
 */
#define READERS  2
#define WRITERS  1
#define COUNTERS 2

bool writer = false, waiters = false, writer_waits = false, draining = false;
short counter[COUNTERS];
byte inside_shared = 0, inside_exclusive = 0, ended = 0;
byte asleep = 0;            /* on lr_waiters; woken all at once */
byte wakeups = 0;           /* of them, not yet taken */
bool drainer_sleeps = false;

inline check()
{
	assert(inside_exclusive == 0 || (inside_exclusive == 1 && inside_shared == 0))
}

/* sum of the counters, one at a time, into `total` */
inline sum()
{
	total = counter[0];
	total = total + counter[1]
}

/* rw_sleep: the mark is set on a word that still shuts the thread out, and it sleeps, in one step under the interlock */
inline sleep_unless_open(is_writer)
{
	atomic {
		if
		:: writer || (!is_writer && writer_waits) ->
			waiters = true;
			writer_waits = writer_waits || is_writer;
			asleep++;
			sleeping = true
		:: else -> sleeping = false
		fi
	};
	if
	:: sleeping -> atomic { wakeups > 0 -> wakeups-- }
	:: else
	fi
}

/* rw_word_release, and rw_wake if somebody waits */
inline let_go()
{
	atomic { writer = false; woke = waiters };
	if
	:: woke -> atomic {
		waiters = false;
		writer_waits = false;
		wakeups = wakeups + asleep;
		asleep = 0 }
	:: else
	fi
}

/* rw_leave at counter `at` */
inline leave(at)
{
#ifdef LOOK_EARLY
	woke = draining;
	counter[at]--;
#else
	counter[at]--;
	woke = draining;
#endif
	if
	:: woke ->
		sum();
		if
		:: total == 0 -> atomic { draining = false; drainer_sleeps = false }
		:: else
		fi
	:: else
	fi
}

inline drain()
{
	do
	:: sum();
		if
		:: total == 0 -> break
		:: else
		fi;
		/* rw_drain_sleep; the interlock keeps wakers out from the bit to the sleep */
		draining = true;
#ifdef NO_RESUM
		drainer_sleeps = true;
		!drainer_sleeps
#else
		sum();
		if
		:: total == 0 -> draining = false
		:: else ->
			/* a waker that saw the bit waits for the interlock: it finds the sleeper */
			atomic {
				if
				:: draining -> drainer_sleeps = true
				:: else
				fi
			};
			!drainer_sleeps
		fi
#endif
	od
}

inline enter_shared()
{
	do
	:: writer || writer_waits -> sleep_unless_open(false)
	:: else ->
		if
		:: in = 0
		:: in = 1
		fi;
#ifdef SHOW_LATE
		shut = writer;
		counter[in]++;
#else
		counter[in]++;
		shut = writer;
#endif
		if
		:: !shut -> atomic { inside_shared++; check() }; break
		:: else
		fi;
#ifdef OTHER_COUNTER
		leave(1 - in);
#else
		leave(in);
#endif
	od
}

inline claim()
{
	do
	:: atomic { !writer -> writer = true }; break
	:: writer -> sleep_unless_open(true)
	od
}

inline exclusive_section()
{
	atomic { inside_exclusive++; check() };
	inside_exclusive--
}

proctype reader(byte me)
{
	byte in;
	short total;
	bool shut, woke, sleeping;

	enter_shared();
	if
	:: me == 0 ->
		/* lck_rw_lock_shared_to_exclusive */
#ifdef WAIT_FOR_IT
		claim();
		shut = false;
#else
		atomic { shut = writer; writer = true };
#endif
		inside_shared--;
		leave(in);
		if
		:: !shut -> drain(); exclusive_section(); let_go()
		:: else
		fi
	:: else ->
		inside_shared--;
		/* it may have moved */
		if
		:: leave(0)
		:: leave(1)
		fi
	fi;
	ended++
}

proctype write(byte me)
{
	byte in;
	short total;
	bool shut, woke, sleeping;

#ifdef SUM_EARLY
	do
	:: sum();
		if
		:: total == 0 -> break
		:: else
		fi
	od;
	claim();
#else
	claim();
	drain();
#endif
	exclusive_section();
	if
	:: me == WRITERS - 1 ->
		/* lck_rw_lock_exclusive_to_shared */
		counter[0]++;
		atomic { inside_shared++; };
		let_go();
		inside_shared--;
		leave(1)
	:: else -> let_go()
	fi;
	ended++
}

init {
	byte i;

	atomic {
		for (i : 0 .. READERS - 1) { run reader(i) }
		for (i : 0 .. WRITERS - 1) { run write(i) }
	}
	ended == READERS + WRITERS;
	assert(!writer && !waiters && !writer_waits && !draining && counter[0] + counter[1] == 0)
}
