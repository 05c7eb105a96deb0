/* Counting semaphores within a process. */
#pragma once

#include <time.h>

typedef struct {
	unsigned int count;
	unsigned int waiters;
} sem_t;

int sem_init(sem_t *sem, int shared, unsigned int value);
int sem_destroy(sem_t *sem);
int sem_wait(sem_t *sem);
int sem_trywait(sem_t *sem);
int sem_post(sem_t *sem);
