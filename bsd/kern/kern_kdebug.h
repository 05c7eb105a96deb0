/*
 * What kern_kdebug.c and kern_kdebug_threads.c share.
 */
#pragma once

#include <os/base.h>
#include <sys/kdebug.h>

struct kdebug_thread_map {
	kd_threadmap *entries; /* NULL: not taken */
	uint32_t count;
	uint32_t room; /* entries that were allocated */
};

/* All threads of the moment. False: no memory. No locks held. */
OS_WARN_RESULT bool kdebug_thread_map_take(struct kdebug_thread_map *map);
void kdebug_thread_map_free(struct kdebug_thread_map *map);
