/*
 * Rows run in processes of their own, so that no row sees what an earlier one left behind: memory that was touched,
 * descriptors, threads, vector registers in use, a priority worn down. A row's figure is then the same whichever
 * rows run beside it, and a row that crashes takes only itself along.
 */
#pragma once

#include <stddef.h>

/*
 * Starts argv[0], found as a shell finds it, in a fresh process that has this one's environment and output, and
 * waits for it. Returns its exit status; -1 when it did not start or did not end by itself, with one line about it
 * in `reason`.
 */
int own_process_run(char **argv, char *reason, size_t size);
