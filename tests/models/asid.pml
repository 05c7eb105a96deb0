/*
 * ASIDs by generation (osfmk/arm64/pmap.h): CPUs that switch between pmaps, and roll-over when the numbers run out. A CPU's
 * TLB keeps what was loaded under each ASID until it is flushed; nothing is ever dropped by itself.
 *
 * Checked: a CPU never loads a pmap under an ASID for which its TLB holds another one's translations; a pmap that runs on
 * a CPU gets no other ASID meanwhile (invalidations name the one it has).
 *
 * broken: NO_KEEP     roll-over does not keep the ASIDs that are loaded
 * broken: NO_TAG      [R2] roll-over does not have the CPUs drop their TLBs
 * broken: TWO_STEPS   [R2] roll-over reads what a CPU has loaded, and sets the tag after that
 * broken: LOST_TAG    the slow half forgets a tag that was set after its exchange
 */
#define CPUS     2
#define PMAPS    3
#define LIMIT    4 /* ASIDs 1 to 3: one for each CPU to keep, one to give */
#define SWITCHES 3 /* of each CPU */

byte generation = 1, next = 2;
bool locked = false;
bool kept[LIMIT];

/* by pmap, from 1 */
byte of_generation[PMAPS + 1], asid[PMAPS + 1];
byte cpus[PMAPS + 1]; /* bit set */

/* by CPU */
byte loaded[CPUS], seen[CPUS];
byte running[CPUS]; /* what the translation register holds: behind `loaded` during a switch */
bool tagged[CPUS];
byte tlb[CPUS * LIMIT];

inline load(pmap, number)
{
	d_step {
		assert(tlb[me * LIMIT + number] == 0 || tlb[me * LIMIT + number] == pmap);
		tlb[me * LIMIT + number] = pmap;
		running[me] = pmap
	}
}

inline roll_over()
{
	d_step {
		generation++;
		kept[1] = false; kept[2] = false; kept[3] = false;
		i = 0
	}
	do
	:: i < CPUS ->
#if defined(TWO_STEPS)
		held = loaded[i];
		tagged[i] = true;
#else
		atomic {
#if !defined(NO_TAG)
			tagged[i] = true;
#endif
			held = loaded[i]
		}
#endif
		atomic {
			if
#if !defined(NO_KEEP)
			:: held != 0 && of_generation[held] == generation - 1 ->
				kept[asid[held]] = true;
				of_generation[held] = generation
#endif
			:: else
			fi;
			held = 0;
			i++
		}
	:: else -> break
	od;
	atomic { i = 0; next = 1 }
}

inline renew(pmap)
{
	do
	:: next < LIMIT && !kept[next] -> break
	:: next < LIMIT && kept[next] -> next++
	:: next == LIMIT -> roll_over()
	od;
	atomic {
		assert(!(running[0] == pmap && loaded[0] == pmap) && !(running[1] == pmap && loaded[1] == pmap));
		asid[pmap] = next; of_generation[pmap] = generation; cpus[pmap] = 0;
		next++
	}
}

proctype cpu(byte me)
{
	byte p, i, held, number, was, turns = 0;
	bool flush;

again:
	if
	:: turns == SWITCHES -> goto stop
	:: else -> turns++
	fi;
	if
	:: p = 1
	:: p = 2
	:: p = 3
	fi;
	if
	:: loaded[me] == p -> goto again
	:: else
	fi;
	d_step { flush = tagged[me]; tagged[me] = false; loaded[me] = p };
	d_step { was = of_generation[p]; number = asid[p] };
	if
	:: !flush && was == seen[me] && was != 0 && (cpus[p] >> me) & 1 ->
		load(p, number)
	:: else ->
		atomic { !locked -> locked = true };
		if
		:: of_generation[p] != generation -> renew(p)
		:: else
		fi;
		d_step { seen[me] = generation; cpus[p] = cpus[p] | (1 << me) };
#if defined(LOST_TAG)
		d_step { tagged[me] = false };
#else
		d_step { flush = flush || tagged[me]; tagged[me] = false };
#endif
		locked = false;
		if
		:: flush ->
			d_step { tlb[me * LIMIT + 1] = 0; tlb[me * LIMIT + 2] = 0; tlb[me * LIMIT + 3] = 0 }
		:: else
		fi;
		load(p, asid[p])
	fi;
	d_step { flush = false; was = 0; number = 0; p = 0 };
	goto again;
stop:
	skip
}

init
{
	atomic {
		run cpu(0);
		run cpu(1)
	}
}
