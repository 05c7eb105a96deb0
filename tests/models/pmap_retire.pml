/*
 * The end of a pmap (osfmk/arm64/pmap.h): threads leave their task or change its map, the last one destroys the pmap,
 * and CPUs that still have it loaded, though nobody who runs names it, release it at their next switch.
 *
 * At any moment a CPU gives up its thread for a kernel thread, which leaves loaded what is loaded, or takes one that
 * runs nowhere. Of the two threads of the task that ends, one exits; the other gives the task a new map once it is
 * alone, some times or never, and exits. A third thread, of another task, only takes CPUs. A structure that is free is
 * the next pmap's, and its root with it. What happens under the task's lock, under PM_RENEWING or under a CPU's lock is
 * one step. A roll-over holds the locks of all CPUs; that ASIDs stay apart is asid.pml's matter.
 *
 * Checked: who runs in a task has its root loaded; nothing is freed that a CPU has loaded; nobody touches what is free;
 * a pmap is freed once, and in the end always.
 *
 * also: ROLLS=0 EXECS=2
 *
 * broken: LATE_LEAVE        [D1] a thread stops naming the pmap after it has let the task go
 * broken: TAG_BEFORE_COUNT  [D2] a CPU is tagged, and then counted as a holder
 * broken: BLIND_TAG         [D2] a CPU is tagged though it may have switched away since it was looked at
 * broken: ONE_LOOK          [D2] a CPU whose word changed meanwhile is passed over, though it got no more than a tag
 * broken: NO_DEAD_TAG       [D2] nobody is tagged or counted
 * broken: NO_LOADED         [D2] a CPU that is just switching away is not waited for
 * broken: PLAIN_SWITCH      [D3] the switch reads the word and then stores it
 * broken: NO_WAIT           [D4] who frees does not wait for a roll-over that has found the pmap
 * broken: NO_KEEP           roll-over does not keep what is loaded: pm_cpus loses CPUs that have it
 * broken: NO_KEEP_LOADED    the same of what is just being exchanged for another one
 */
#define CPUS    2
#define THREADS 3
#define PMAPS   3
#ifndef ROLLS
#define ROLLS 1
#endif
#ifndef EXECS
#define EXECS 0 /* at most */
#endif

#define NONE 0 /* no pmap: the kernel's, of a thread; no thread: a kernel thread, on a CPU */

/* by pmap, from 1; its root has its number */
bool used[PMAPS + 1];
byte holders[PMAPS + 1], of_generation[PMAPS + 1];
byte cpus[PMAPS + 1]; /* bit set */

byte threads = 2; /* of the task */

/* by thread, from 1: the CPU that runs it, from 1, or: */
#define OFF   0
#define TAKEN 8 /* a CPU is switching to it */
#define ENDED 9
byte where[THREADS + 1], names[THREADS + 1];
byte ended = 0;

/* by CPU: pc_active, a word of three parts; TTBR0_EL1; pc_generation */
byte word[CPUS];
bool dead[CPUS], flush[CPUS];
byte ttbr[CPUS], seen[CPUS];
bool reload[CPUS]; /* its thread has another pmap; preemption is off */
byte left = 0;

byte generation = 1;
bool rolling = false; /* the locks of all CPUs are held */

inline touch(p)
{
	assert(used[p])
}

/* One that is switching away has it still: it may walk its tables. */
#define has(cpu, p) (word[cpu] == p || ttbr[cpu] == p)

/* pmap_release; `can`: who releases could run */
inline release(p, can)
{
	if
	:: atomic { can && holders[p] != 1 -> touch(p); assert(holders[p] != 0); holders[p]-- }
	:: atomic { can && holders[p] == 1 -> touch(p); holders[p] = 0 };
#ifndef NO_WAIT
		atomic { can && !rolling }; /* [D4] */
#endif
		atomic {
			can ->
			touch(p);
			assert(!has(0, p) && !has(1, p));
			used[p] = false }
	fi
}

/* --- threads --- */

#define running        (where[me] != OFF && where[me] != TAKEN)
#define finds(cpu, p) (((cpus[p] >> cpu) & 1) && word[cpu] == p)

/* pc_loaded, which is written with TTBR0_EL1: a moment later means that somebody waits a moment longer */
#ifdef NO_LOADED
#define leaves(cpu, p) false
#else
#define leaves(cpu, p) (((cpus[p] >> cpu) & 1) && ttbr[cpu] == p)
#endif

/* pmap_retire */
inline retire(p)
{
	do
	:: atomic { running && i == CPUS -> i = 0; break }
	:: atomic { running && i < CPUS && !finds(i, p) && !leaves(i, p) -> i++ }
	:: atomic {
		running && i < CPUS && finds(i, p) ->
		touch(p);
		had_flush = flush[i];
#ifndef TAG_BEFORE_COUNT
		holders[p]++ /* [D2] */
#endif
		};
		atomic {
			running ->
			if
#ifdef BLIND_TAG
			:: true ->
#else
			:: word[i] == p && flush[i] == had_flush ->
#endif
				dead[i] = true; /* [D2], pairs with [D3] */
#ifndef TAG_BEFORE_COUNT
				i++
#endif
#ifndef BLIND_TAG
			:: else ->
				touch(p);
#ifndef TAG_BEFORE_COUNT
				holders[p]--;
#endif
#ifdef ONE_LOOK
				i++
#endif
#endif
			fi;
			had_flush = false };
#ifdef TAG_BEFORE_COUNT
		if
		:: atomic { running && dead[i] -> touch(p); holders[p]++; i++ }
		:: atomic { running && !dead[i] }
		fi
#endif
	od
}

inline destroy(p)
{
	atomic { running -> touch(p); holders[p] = 1 };
#ifndef NO_DEAD_TAG
	retire(p);
#endif
	release(p, running)
}

/* pmap_create and task_swap_map, once a structure is free */
inline change_map()
{
	atomic {
		running && (!used[1] || !used[2] || !used[3]) ->
		mine = names[me];
		if
		:: !used[1] -> names[me] = 1
		:: used[1] && !used[2] -> names[me] = 2
		:: else -> names[me] = 3
		fi;
		used[names[me]] = true;
		of_generation[names[me]] = 0;
		cpus[names[me]] = 0;
		reload[where[me] - 1] = true };
	atomic { running && !reload[where[me] - 1] }
}

proctype thread(byte me; byte execs)
{
	byte i, mine;
	bool had_flush;

	do
	:: atomic { execs > 0 && running && threads == 1 -> execs-- }; /* task_halt_other_threads */
		change_map();
		destroy(mine)
	:: atomic { running -> execs = 0; break }
	od;
	/* task_remove_current_thread */
	atomic {
		running ->
		threads--;
		if
		:: threads == 0 -> mine = names[me]
		:: else
		fi;
#ifndef LATE_LEAVE
		names[me] = NONE /* [D1] */
#endif
	};
#ifdef LATE_LEAVE
	atomic { running -> names[me] = NONE };
#endif
	if
	:: mine != NONE -> destroy(mine)
	:: else
	fi;
	atomic { running -> where[me] = ENDED; ended++; mine = NONE }
}

/* --- CPUs --- */

inline store(p)
{
	word[me] = p; dead[me] = false; flush[me] = false
}

inline exchange(p)
{
	old = word[me]; old_dead = dead[me]; slow = flush[me];
#ifdef PLAIN_SWITCH
	skip
#else
	store(p)
#endif
}

/* pmap_switch_on */
inline switch_to(p)
{
	if
	:: word[me] == p && !dead[me] && !flush[me]
	:: else ->
		/* [S1], [D3] */
		d_step { exchange(p) };
#ifdef PLAIN_SWITCH
		d_step { store(p) };
#endif
		d_step {
			touch(p); /* [S2] */
			slow = slow || old_dead || of_generation[p] != seen[me] || !((cpus[p] >> me) & 1) };
		if
		:: atomic { slow && !rolling ->
				touch(p);
				if
				:: of_generation[p] != generation -> of_generation[p] = generation; cpus[p] = 0
				:: else
				fi;
				cpus[p] = cpus[p] | (1 << me);
				seen[me] = generation;
				flush[me] = false;
				ttbr[me] = p;
				slow = false };
			if
			:: old_dead -> release(old, true); old_dead = false
			:: else
			fi;
			old = NONE
		:: atomic { !slow -> ttbr[me] = p; old = NONE }
		fi
	fi
}

inline run_on()
{
	assert(names[self] == NONE || (used[names[self]] && ttbr[me] == names[self]));
	where[self] = me + 1
}

#define ready(t) (self == NONE && where[t] == OFF)

proctype cpu(byte me)
{
	byte self = NONE, old = NONE;
	bool old_dead, slow;

	do
	:: atomic { self != NONE && !reload[me] ->
		if
		:: where[self] != ENDED -> where[self] = OFF
		:: else
		fi;
		self = NONE }
	:: atomic { /* switch_prepare: the same pmap */
		(self == 1 || self == 2) && !reload[me] && where[self] != ENDED && where[3 - self] == OFF &&
		    names[self] == names[3 - self] ->
		where[self] = OFF;
		self = 3 - self;
		run_on() }
	:: atomic {
		if
		:: self != NONE && reload[me]
		:: ready(1) -> self = 1
		:: ready(2) -> self = 2
		:: ready(3) -> self = 3
		fi;
		where[self] = TAKEN };
		if
		:: names[self] != NONE -> switch_to(names[self])
		:: else
		fi;
		atomic { run_on(); reload[me] = false }
	:: self == NONE && ended == 2 -> break
	od;
	/* pmap_cpu_leave */
	atomic { !rolling -> ttbr[me] = NONE; exchange(NONE); store(NONE) }; /* [D3] */
	if
	:: old_dead -> release(old, true)
	:: else
	fi;
	left++
}

#if ROLLS
proctype roll_over()
{
	byte i, found, turns = 0;

	do
	:: turns == ROLLS -> break
	:: else ->
		atomic { turns++; rolling = true; generation++ };
		do
		:: i < CPUS ->
			atomic { flush[i] = true; found = word[i] }; /* [R2] */
			atomic {
				if
				:: found != NONE ->
					touch(found);
#ifndef NO_KEEP
					if
					:: of_generation[found] == generation - 1 -> of_generation[found] = generation
					:: else
					fi
#endif
				:: else
				fi;
				found = NONE };
#if !defined(NO_KEEP) && !defined(NO_KEEP_LOADED)
			atomic { found = ttbr[i] };
			atomic {
				if
				:: found != NONE ->
					touch(found);
					if
					:: of_generation[found] == generation - 1 -> of_generation[found] = generation
					:: else
					fi
				:: else
				fi;
				found = NONE };
#endif
			i++
		:: else -> break
		od;
		atomic { rolling = false; i = 0 }
	od
}
#endif

init
{
	atomic {
		used[1] = true; used[2] = true;
		names[1] = 1; names[2] = 1; names[3] = 2;
		run thread(1, 0);
		run thread(2, EXECS);
		run cpu(0);
		run cpu(1);
#if ROLLS
		run roll_over()
#endif
	}
	left == CPUS;
	assert(!used[1] && used[2] && !used[3])
}
