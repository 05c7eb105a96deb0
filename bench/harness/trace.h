/*
 * Kernel trace of a row: one short batch runs with the trace on, and its events go to the host on the console.
 *
 *	bench-trace: NAME iterations N clock HZ
 *	bench-thread: THREAD PID COMMAND
 *	bench-event: CPU TIME ID THREAD ARG1 ARG2 ARG3 ARG4
 *	bench-trace-end: NAME events N lost M
 *
 * ID, THREAD and ARGs are hexadecimal, the rest decimal; TIME is in ticks of the clock. The batch lies between two events
 * of class Apps (TRACE_MARK), the first with the number of iterations. N tells the host whether a line is missing; M are
 * events that found the kernel's buffers full: those at the end of the batch.
 *
 * One thread calls these: the leader of a team.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Subclass and code of the marks in class Apps (33). */
#define TRACE_MARK_SUBCLASS 0xbe
#define TRACE_MARK_CODE     1

/*
 * A batch of `iterations` is to be traced; 0: none. `types` are the classes of events, and subclasses where one is given,
 * such as "1.64,4": all where it is empty.
 */
void trace_set(uint64_t iterations, const char *types);

/* Iterations of the traced batch, 0: none. */
uint64_t trace_wanted(void);

/* Before and after the batch. False when this machine cannot. */
bool trace_batch_begins(uint64_t iterations);
void trace_batch_over(void);

/* Prints, forgets. */
void trace_row_over(const char *name);
