/*
 * The lifetime rule of the name table (osfmk/ipc/name_table.h): readers find an object through a name's word
 * inside an SMR section, with no lock and no reference; a writer takes the name away, gives up the object, and
 * its memory becomes another object after a grace period. Two names lead to the objects, so that memory which
 * one name gave up comes back under the other; a send-once right may also be taken by a reader.
 *
 * Checked: what a reader found stays the same object until the section ends, a right that can be used once is
 * used once, and every object is released exactly once.
 *
 * broken: NO_SECTION  readers do not announce their section
 * broken: EARLY_FREE  the memory is reused without waiting for the readers that could have found it
 * broken: BLIND_TAKE  taking a send-once right is a load and a store instead of a compare-exchange
 */
#define NREADERS 2
#define ROUNDS   3

byte word = 0;     /* object that the name leads to, 0: none; object and generation are one word */
byte serial[3];    /* what the memory of objects 1, 2 is; 0: free */
byte uses[8];      /* by serial: how often the once-only right was taken */
byte next_serial = 1;

/* SMR: the epoch each reader entered in, 0 outside */
byte epoch = 1;
byte seen[NREADERS];

inline grace()
{
	atomic { epoch++; goal = epoch; i = 0 }
	do
	:: i < NREADERS -> (seen[i] == 0 || seen[i] >= goal); i++
	:: else -> break
	od
}

proctype reader(byte me)
{
	byte found, what;
	bool once;

	do
	:: true ->
#ifndef NO_SECTION
		/* The store of the epoch and the fence behind it: reads of the section come after. */
		seen[me] = epoch;
#endif
		found = word;
		if
		:: found != 0 ->
			what = serial[found];
			assert(what != 0);
			/* Uses it for a while. */
			if
			:: true -> skip
			:: true ->
				/* Takes the right that the name is: whoever changes the word has it. */
#ifdef BLIND_TAKE
				if
				:: word == found -> word = 0; once = true
				:: else
				fi;
#else
				atomic {
					if
					:: word == found -> word = 0; once = true
					:: else
					fi
				}
#endif
				if
				:: once -> d_step { uses[what]++; assert(uses[what] == 1); once = false }
				:: else
				fi
			fi;
			assert(serial[found] == what)
		:: else
		fi;
		seen[me] = 0;
		d_step { found = 0; what = 0 }
	:: true -> break
	od
}

proctype writer()
{
	byte object = 1, round = 0, goal, i;

	do
	:: round < ROUNDS ->
		/* A fresh object from free memory gets the name. */
		assert(serial[object] == 0);
		serial[object] = next_serial; next_serial++;
		word = object;
		/* The name goes; a reader may have taken it already. */
		atomic { word = 0 }
#ifndef EARLY_FREE
		grace();
#endif
		serial[object] = 0;
		object = 3 - object;
		round++
	:: else -> break
	od
}

init {
	atomic { run reader(0); run reader(1); run writer() }
}
