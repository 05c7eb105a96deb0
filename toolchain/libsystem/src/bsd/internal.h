/* Stubs whose public function does more than the system call. */
#pragma once

#include <semaphore.h>
#include <stdint.h>
#include <sys/signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>

int __open(const char *path, int flags, int mode);
int __openat(int fd, const char *path, int flags, int mode);
int __fcntl(int fd, int command, long arg);
int __ioctl(int fd, unsigned long request, void *data);
int __fork(void);
int __kill(pid_t pid, int signal, int posix);
int __sigaction(int signal, const struct __sigaction *new, struct sigaction *old);
int __sigsuspend(sigset_t mask);
int __sigreturn(struct ucontext *uctx, int infostyle, void *token);
int __pthread_sigmask(int how, const sigset_t *mask, sigset_t *old);
int __gettimeofday(struct timeval *tp, struct timezone *tzp, uint64_t *absolute_time);
int __settimeofday(struct timeval *tp, struct timezone *tzp);
int __semwait_signal(int cond_sem, int mutex_sem, int timeout, int relative, int64_t sec, int32_t nsec);
int __sysctl(int *name, unsigned namelen, void *old, size_t *oldlen, void *new, size_t newlen);
int __sysctlbyname(const char *name, size_t namelen, void *old, size_t *oldlen, void *new, size_t newlen);
ssize_t __getdirentries64(int fd, void *buf, size_t bufsize, off_t *position);
struct _posix_spawn_args_desc;
int __posix_spawn(pid_t *pid, const char *path, const struct _posix_spawn_args_desc *desc, char *const *argv,
    char *const *envp);
int __pthread_kill(int thread_port, int signal);
int __pthread_markcancel(int thread_port);
int __pthread_canceled(int action);
int __sigwait(const sigset_t *set, int *signal);
sem_t *__sem_open(const char *name, int flags, int mode, int value);
int __sem_close(sem_t *sem);
int __sem_wait(sem_t *sem);
int __sem_trywait(sem_t *sem);
int __sem_post(sem_t *sem);
int __proc_info(int32_t call, int32_t pid, uint32_t flavor, uint64_t arg, void *buffer, int32_t buffer_size);
int __workq_open(void);
int __workq_kernreturn(int operation, void *item, int affinity, int priority);
int __bsdthread_ctl(void *command, void *arg1, void *arg2, void *arg3);
uint64_t __thread_selfid(void);
uint64_t __thread_selfusage(void);
void *__bsdthread_create(void *func, void *arg, void *stack, void *pthread, uint32_t flags);
int __bsdthread_register(void *threadstart, void *wqthread, int pthread_size, void *data, size_t data_size,
    uint64_t dispatchqueue_offset, uint64_t tsd_offset);
int __bsdthread_terminate(void *stackaddr, size_t freesize, uint32_t port, void *sema_or_ulock);

/* fstat for the C library's streams. */
int _stream_kind(int fd, unsigned *mode, int *block_size);
