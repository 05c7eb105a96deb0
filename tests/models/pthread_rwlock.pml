/*
 * pthread_rwlock_t of toolchain/libsystem/src/pthread/rwlock.c: one word with the readers, those that wait to read,
 * the writers that want the lock, the one that has it, and a phase; readers sleep on one number, writers on another.
 *
 * Each change of the word is one step. Sleeping is the kernel's: a thread whose number is still the same goes to sleep
 * in one step, and a wake-up names one that sleeps. Reader 0 may hold another lock for reading, which lets it pass
 * writers that wait; the last reader and the last writer may give up waiting. A thread that nobody wakes ends in an
 * invalid end state.
 *
 * Checked: a writer is alone; nobody sleeps for ever; readers that wait when a writer leaves are the next; the counts are
 * right and all is 0 at the end.
 *
 * broken: BUMP_FIRST  who frees the lock changes the number before it changes the word
 * broken: NO_BUMP     it does not change the number
 * broken: LOOK_FIRST  who is to sleep looks at the word before it reads the number
 * broken: GIVE_UP     a writer that gives up passes nothing on
 * broken: UNGRANTED   a reader that gives up does not look whether it has the lock by now
 * broken: UNTOLD      a writer that leaves gives the readers the lock without telling them
 * broken: SILENT_READ the last reader to leave wakes no writer
 */
#define N_READERS 2
#define N_WRITERS 2
#define N         4

#define NOT       0
#define FOR_READ  1
#define FOR_WRITE 2

/* the word */
bool writer = false, phase = false;
byte readers = 0, wants = 0, waiting = 0;

byte read_turn = 0, write_turn = 0; /* they change a few times in all */
byte sleeps[N];
byte ended = 0;
byte inside_shared = 0, inside_exclusive = 0;

inline check()
{
	assert(inside_exclusive == 0 || (inside_exclusive == 1 && inside_shared == 0))
}

inline wake_readers()
{
	atomic {
		for (i : 0 .. N_READERS - 1) {
			if
			:: sleeps[i] == FOR_READ -> sleeps[i] = NOT
			:: else
			fi
		};
		i = 0
	}
}

/* any of them */
inline wake_writer()
{
	atomic {
		if
		:: sleeps[2] == FOR_WRITE -> sleeps[2] = NOT
		:: sleeps[3] == FOR_WRITE -> sleeps[3] = NOT
		:: sleeps[2] != FOR_WRITE && sleeps[3] != FOR_WRITE
		fi
	}
}

/* The word has changed; whom does that concern? */
inline look()
{
	next_reads = !writer && wants == 0 && waiting > 0;
	next_writes = !writer && readers == 0 && wants > 0
}

#if defined(BUMP_FIRST)
#define BUMP_BEFORE(turn) turn++
#define BUMP_AFTER(turn)  skip
#elif defined(NO_BUMP)
#define BUMP_BEFORE(turn) skip
#define BUMP_AFTER(turn)  skip
#else
#define BUMP_BEFORE(turn) skip
#define BUMP_AFTER(turn)  turn++
#endif

inline wake_next()
{
	if
	:: next_reads -> BUMP_AFTER(read_turn); wake_readers()
	:: !next_reads && next_writes -> BUMP_AFTER(write_turn); wake_writer()
	:: else
	fi
}

inline sleep_on(number, side)
{
	atomic {
		if
		:: number == turn -> sleeps[me] = side
		:: else
		fi
	};
	if
	:: sleeps[me] == NOT
	:: atomic { may_give_up && sleeps[me] != NOT -> sleeps[me] = NOT; late = true }
	fi
}

/* A reader that waits: a writer that left gave it the lock, or it takes it. */
inline look_again()
{
	atomic {
		got = phase != mine;
		if
		:: !got && !writer && (holder || wants == 0) -> waiting--; readers++; got = true
		:: else
		fi
	}
}

proctype reader(byte me)
{
	byte turn;
	byte i;
	bool got, late, mine, holder, may_give_up, next_reads, next_writes;

	atomic {
		may_give_up = me == N_READERS - 1;
		if
		:: me == 0 -> holder = true
		:: holder = false
		fi
	};
	/* takes it, or is counted among those that wait */
	atomic {
		got = !writer && (holder || wants == 0);
		if
		:: got -> readers++
		:: else -> waiting++; mine = phase
		fi;
		check()
	};
	do
	:: got -> break
	:: else ->
#ifdef LOOK_FIRST
		look_again();
		turn = read_turn;
#else
		turn = read_turn;
		look_again();
#endif
		if
		:: !got -> sleep_on(read_turn, FOR_READ)
		:: else
		fi;
		if
		:: late ->
			atomic {
#ifdef UNGRANTED
				got = false;
#else
				look_again();
#endif
				if
				:: !got -> assert(waiting > 0); waiting--
				:: else
				fi
			};
			break
		:: else
		fi
	od;
	if
	:: got ->
		atomic { inside_shared++; check() };
		BUMP_BEFORE(write_turn);
		atomic { inside_shared--; readers--; next_writes = readers == 0 && wants > 0 };
#ifndef SILENT_READ
		next_reads = false;
		wake_next()
#endif
	:: else
	fi;
	ended++
}

inline try_write(count)
{
	atomic {
		got = !writer && readers == 0;
		if
		:: got -> writer = true; wants = wants - count; inside_exclusive++; check()
		:: else
		fi
	}
}

proctype write(byte me)
{
	byte turn, i;
	bool got, late, may_give_up, next_reads, next_writes, taken;

	may_give_up = me == N - 1;
	try_write(0);
	if
	:: !got -> wants++
	:: else
	fi;
	do
	:: got -> break
	:: else ->
#ifdef LOOK_FIRST
		taken = writer || readers > 0;
		turn = write_turn;
#else
		turn = write_turn;
		taken = writer || readers > 0;
#endif
		if
		:: taken -> sleep_on(write_turn, FOR_WRITE)
		:: else
		fi;
		try_write(1);
		if
		:: !got && late -> break
		:: else
		fi
	od;
	if
	:: got ->
		BUMP_BEFORE(read_turn);
		BUMP_BEFORE(write_turn);
		atomic {
			inside_exclusive--;
			writer = false;
			look();
			next_reads = waiting > 0;
			if
			:: next_reads ->
				readers = readers + waiting;
				waiting = 0;
#ifndef UNTOLD
				phase = !phase
#endif
			:: else
			fi;
			check()
		};
		wake_next()
	:: else ->
#ifdef GIVE_UP
		wants--
#else
		atomic { assert(wants > 0); wants--; look() };
		wake_next()
#endif
	fi;
	ended++
}

init {
	byte k;

	atomic {
		for (k : 0 .. N_READERS - 1) { run reader(k) }
		for (k : N_READERS .. N - 1) { run write(k) }
	}
	ended == N;
	assert(!writer && readers == 0 && wants == 0 && waiting == 0)
}
