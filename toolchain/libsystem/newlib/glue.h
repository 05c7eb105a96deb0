/* A thread's share of newlib's state. */
#pragma once

/* `reent` is REENT_BYTES of zeroed memory. Returns where the thread's errno is. */
int *_newlib_thread_init(void *reent);

/* Frees what newlib allocated for the thread. */
void _newlib_thread_fini(void *reent);

/* Writes out all streams; at exit. */
void _newlib_flush(void);

/* In the child of fork: no lock is held by a thread that is not there. */
void _newlib_fork_child(void);
