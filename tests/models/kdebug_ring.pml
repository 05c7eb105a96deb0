/*
 * The trace ring of osfmk/kdebug/ring.h: a writer that never waits and a reader, on two slots of two words. Each word
 * of record i is i, so a mixture shows. Orders that the fences forbid are tried by the twins.
 *
 * Checked, where old records are overwritten and where new ones are refused: a record that the reader accepts is whole and
 * the one it asked for; at the end every record was read or is counted as lost.
 *
 * broken: NO_SECOND_LOOK  [K4] the reader does not look at the head again
 * broken: EARLY_LOOK      [K4] it looks again before it has copied everything
 * broken: NO_FENCE        [K3] the first word of a record becomes visible before the head before it
 * broken: EARLY_HEAD      [K1] the head becomes visible before the record
 * broken: EARLY_LIMIT     [K2] the reader gives a slot back before it has copied it
 */
#define SLOTS  2
#define EVENTS 5
#define NEVER  99

byte w0[SLOTS], w1[SLOTS];
byte head = 0, limit, refused = 0;
byte tail = 0, overwritten = 0, reads = 0;
bool overwrite, written = false;

inline advance(index)
{
	tail = index;
	if
	:: !overwrite -> limit = index + SLOTS
	:: else
	fi
}

proctype writer()
{
	byte i = 0;

	do
	:: i == EVENTS -> break
	:: i < EVENTS && head >= limit -> refused++; i++
	:: i < EVENTS && head < limit ->
#if defined(NO_FENCE)
		w0[head % SLOTS] = head;
		w1[head % SLOTS] = head;
		if
		:: overwrite && i + 1 < EVENTS -> w0[(head + 1) % SLOTS] = head + 1
		:: else
		fi;
		head++;
		i++
#elif defined(EARLY_HEAD)
		w0[head % SLOTS] = head;
		head++;
		w1[(head - 1) % SLOTS] = head - 1;
		i++
#else
		w0[head % SLOTS] = head;
		w1[head % SLOTS] = head;
		head++;
		i++
#endif
	od;
	written = true
}

/* One kdebug_ring_take with the end that was read before. */
proctype reader()
{
	byte end, a, b, oldest, now;
	bool last;

again:
	last = written;
	end = head;
	do
	:: tail >= end -> break
	:: else ->
		byte index = tail;
#if defined(EARLY_LIMIT)
		if
		:: !overwrite -> limit = index + 1 + SLOTS
		:: else
		fi;
#endif
		a = w0[index % SLOTS];
#if defined(EARLY_LOOK)
		now = head;
		b = w1[index % SLOTS];
#elif defined(NO_SECOND_LOOK)
		b = w1[index % SLOTS];
		now = end;
#else
		b = w1[index % SLOTS];
		now = head;
#endif
		oldest = (overwrite && now > SLOTS - 1 -> now - (SLOTS - 1) : 0);
		if
		:: index >= oldest ->
			assert(a == index && b == index);
			advance(index + 1);
			reads++
		:: else ->
			if
			:: oldest > end -> oldest = end
			:: else
			fi;
			overwritten = overwritten + (oldest - tail);
			advance(oldest)
		fi
	od;
	if
	:: last -> assert(reads + overwritten + refused == EVENTS)
	:: else -> goto again
	fi
}

init
{
	atomic {
		if
		:: overwrite = true; limit = NEVER
		:: overwrite = false; limit = SLOTS
		fi;
		run writer();
		run reader()
	}
}
