/* Files, processes, the environment of a program. */
#pragma once

#include <sys/cdefs.h>
#include <sys/fcntl.h>
#include <sys/types.h>

__BEGIN_DECLS

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4

#define _SC_ARG_MAX          1
#define _SC_OPEN_MAX         5
#define _SC_PAGESIZE         29
#define _SC_PAGE_SIZE        29
#define _SC_NPROCESSORS_CONF 57
#define _SC_NPROCESSORS_ONLN 58

/* What threads and clocks there are, and how many of each. */
#define _SC_CLK_TCK                      3
#define _SC_SEMAPHORES                   42
#define _SC_SEM_NSEMS_MAX                49
#define _SC_SEM_VALUE_MAX                50
#define _SC_BARRIERS                     66
#define _SC_CLOCK_SELECTION              67
#define _SC_CPUTIME                      68
#define _SC_MONOTONIC_CLOCK              74
#define _SC_READER_WRITER_LOCKS          76
#define _SC_SPIN_LOCKS                   80
#define _SC_THREAD_ATTR_STACKADDR        82
#define _SC_THREAD_ATTR_STACKSIZE        83
#define _SC_THREAD_CPUTIME               84
#define _SC_THREAD_DESTRUCTOR_ITERATIONS 85
#define _SC_THREAD_KEYS_MAX              86
#define _SC_THREAD_PRIO_INHERIT          87
#define _SC_THREAD_PRIO_PROTECT          88
#define _SC_THREAD_PRIORITY_SCHEDULING   89
#define _SC_THREAD_PROCESS_SHARED        90
#define _SC_THREAD_STACK_MIN             93
#define _SC_THREAD_THREADS_MAX           94
#define _SC_TIMEOUTS                     95
#define _SC_THREADS                      96

extern char **environ;

ssize_t read(int fd, void *buf, size_t len);
ssize_t write(int fd, const void *buf, size_t len);
ssize_t pread(int fd, void *buf, size_t len, off_t offset);
ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset);
int close(int fd);
off_t lseek(int fd, off_t offset, int whence);
int dup(int fd);
int dup2(int from, int to);
int pipe(int fds[2]);
int access(const char *path, int mode);
int chdir(const char *path);
int fchdir(int fd);
char *getcwd(char *buf, size_t size);
int link(const char *from, const char *to);
int symlink(const char *from, const char *to);
ssize_t readlink(const char *__restrict path, char *__restrict buf, size_t len);
int unlink(const char *path);
int rmdir(const char *path);
int unlinkat(int fd, const char *path, int flag);
int ftruncate(int fd, off_t length);
int truncate(const char *path, off_t length);
int fsync(int fd);
int isatty(int fd);
void sync(void);

pid_t fork(void);
pid_t vfork(void);
int execve(const char *path, char *const argv[], char *const envp[]);
int execv(const char *path, char *const argv[]);
int execvp(const char *file, char *const argv[]);
int execl(const char *path, const char *arg0, ...);
int execlp(const char *file, const char *arg0, ...);
_Noreturn void _exit(int status);
pid_t getpid(void);
pid_t getppid(void);
pid_t getpgrp(void);
pid_t getpgid(pid_t pid);
pid_t getsid(pid_t pid);
int setpgid(pid_t pid, pid_t pgid);
pid_t setsid(void);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);

unsigned int sleep(unsigned int seconds);
int usleep(useconds_t us);
unsigned int alarm(unsigned int seconds);
useconds_t ualarm(useconds_t us, useconds_t interval);
int pause(void);
long sysconf(int name);
int getpagesize(void);
int getentropy(void *buf, size_t len);
int gethostname(char *name, size_t size);

extern char *optarg;
extern int optind, opterr, optopt, optreset;
int getopt(int argc, char *const argv[], const char *options);

__END_DECLS
