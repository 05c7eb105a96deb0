/*
 * Counting semaphores: within a process (sem_init), in memory that processes share (sem_init with `shared`), and by
 * name (sem_open; kept by the kernel until unlinked).
 */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <sys/cdefs.h>
#include <sys/types.h>
#include <time.h>

__BEGIN_DECLS

typedef struct {
	unsigned int count;
	unsigned int waiters;
	unsigned int shared;
} sem_t;

#define SEM_FAILED ((sem_t *)-1)

int sem_init(sem_t *sem, int shared, unsigned int value);
int sem_destroy(sem_t *sem);
sem_t *sem_open(const char *name, int flags, ...);
int sem_close(sem_t *sem);
int sem_unlink(const char *name);
int sem_wait(sem_t *sem);
int sem_trywait(sem_t *sem);
int sem_timedwait(sem_t *sem, const struct timespec *deadline);
int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *deadline);
int sem_post(sem_t *sem);
int sem_getvalue(sem_t *sem, int *value);

__END_DECLS
