/* Resource usage and limits. */
#pragma once

#include <sys/_time.h>
#include <sys/types.h>

#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)

struct rusage {
	struct timeval ru_utime;
	struct timeval ru_stime;
	long ru_maxrss; /* bytes */
	long ru_ixrss;
	long ru_idrss;
	long ru_isrss;
	long ru_minflt;
	long ru_majflt;
	long ru_nswap;
	long ru_inblock;
	long ru_oublock;
	long ru_msgsnd;
	long ru_msgrcv;
	long ru_nsignals;
	long ru_nvcsw;
	long ru_nivcsw;
};

#define RLIMIT_CPU     0
#define RLIMIT_FSIZE   1
#define RLIMIT_DATA    2
#define RLIMIT_STACK   3
#define RLIMIT_CORE    4
#define RLIMIT_AS      5
#define RLIMIT_RSS     5
#define RLIMIT_MEMLOCK 6
#define RLIMIT_NPROC   7
#define RLIMIT_NOFILE  8
#define RLIM_NLIMITS   9
#define RLIM_INFINITY  0x7fffffffffffffffULL

struct rlimit {
	rlim_t rlim_cur;
	rlim_t rlim_max;
};

#define PRIO_PROCESS        0
#define PRIO_PGRP           1
#define PRIO_USER           2
#define PRIO_DARWIN_THREAD  3 /* who is 0, the value 0 or PRIO_DARWIN_BG */
#define PRIO_DARWIN_PROCESS 4
#define PRIO_DARWIN_BG      0x1000
#define PRIO_MIN            (-20)
#define PRIO_MAX            20

_Static_assert(sizeof(struct rusage) == 144, "rusage");
_Static_assert(sizeof(struct rlimit) == 16, "rlimit");

#ifndef KERNEL
#include <sys/cdefs.h>

__BEGIN_DECLS

int getrusage(int who, struct rusage *usage);
int getrlimit(int resource, struct rlimit *limit);
int setrlimit(int resource, const struct rlimit *limit);
int getpriority(int which, id_t who);
int setpriority(int which, id_t who, int priority);

__END_DECLS
#endif
