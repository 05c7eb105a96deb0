/* The heap's hooks in a thread's life and in fork. */
#pragma once

/* Gives the calling thread's free blocks back. */
void _malloc_thread_fini(void);

void _malloc_fork_prepare(void);
void _malloc_fork_done(void);
