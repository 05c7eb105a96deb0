/*
 * CPU time of threads, and how it splits.
 *
 * The time that a thread has a CPU is exact and always counted: at each switch (thread.cpu_time). How much of it was
 * spent in user mode is counted for those threads only whose split somebody wants to know.
 *
 * Why not for all. What tells user from kernel time is each entry and each exit. Ways to know, and their price:
 *	- the time at entry and exit: two reads of the counter, two sums; 8 instructions or more on a null call of 64, for
 *	  everybody, always
 *	- samples by a timer: a running CPU would have to tick, which it does not otherwise; and samples lie
 *	- the performance monitor counts cycles of user mode apart: nothing at entry and exit. But a counter belongs to the
 *	  CPU, so it has to be read when threads change: 7 instructions at least on each switch, of 188
 * So the last, and only for threads that are watched. They are by a bit in the two words that a switch looks at
 * already, to know whether FP registers are to be changed (machine_switch_registers): the others pay nothing, a watched
 * one some 60 instructions at each switch.
 *
 * Who is watched. The first question about the split of a task's time (getrusage, wait4 with a rusage, task_info,
 * thread_info) begins it for all its threads, those to come, and child processes: a shell that measures its children
 * has the whole of their lives. What was used before is called user time. A thread that is in the kernel when somebody
 * else asks begins when it next leaves it.
 *
 * The counters: cycles and, where the machine has that event, instructions, each for user mode and in all. From one
 * look at them to the next their ratio splits the exact time, so the CPU's clock may change. Reading one's own split is
 * exact to the call; that of a thread that runs elsewhere is as of its last switch, its time as of now.
 *
 * Counters of 32 bits wrap, the user cycles after four seconds at 1 GHz: where there are no wider ones a watched thread
 * is looked at while it runs, USAGE_LOOK_NS after it was given the CPU and again. If the CPU stood still for so long
 * that more may have passed, the time in question is split like the rest of the thread's.
 *
 * Without a PMU a watched thread is sampled, every millisecond of its running.
 */
#pragma once

#include <arm64/pmu.h>
#include <kern/kern_types.h>

/* Of a thread, a task, a CPU. Ticks of the timebase. */
struct cpu_usage {
	uint64_t cu_user;
	uint64_t cu_system;
	/* Of the part that was watched; 0 where the machine does not count them. */
	uint64_t cu_cycles;
	uint64_t cu_instructions;
	uint64_t cu_user_instructions;
};

/*
 * What a thread keeps: own CPU, interrupts masked; others read it for what it is worth. Times
 * are of cpu_time, in ticks.
 */
struct thread_usage {
	bool us_on;
	bool us_sampled_user;     /* what the last sample found */
	uint64_t us_before;       /* its time when it began to be watched */
	uint64_t us_counted;      /* how much of what followed has been told apart */
	uint64_t us_user;         /* of that, user time */
	uint64_t us_next_sample;  /* its time when it will be sampled, or looked at */
	struct pmu_split us_sum;  /* since it began to be watched */
	struct pmu_split us_mark; /* the CPU's counters when they were looked at last */
};

/* value * part / whole, for part <= whole, of which 31 bits count; value if whole is 0. */
uint64_t usage_share(uint64_t value, uint64_t part, uint64_t whole);

/* Any thread. */
void thread_usage_get(thread_t thread, struct cpu_usage *out);

/* The threads that are gone, and those that are there. Takes the task's lock; `dead` may be NULL, `live` too. */
void task_usage_get(task_t task, struct cpu_usage *dead, struct cpu_usage *live);

void cpu_usage_add(struct cpu_usage *sum, const struct cpu_usage *part);

/* Somebody asks for the split: from now on the task's threads are watched. Thread context. */
void task_usage_want(task_t task);

/* The current thread is watched; AST_USAGE, or its own question. And one that has not run yet. */
void thread_usage_begin(void);
void thread_usage_begin_unstarted(thread_t thread);

/*
 * For the switch, interrupts masked: `old`'s time is charged already; `new` is about to run. For
 * threads that are watched.
 */
void usage_leave(thread_t old);
void usage_enter(thread_t new);

/* From the timer interrupt: a sample, if the running thread wants one; when to come back, UINT64_MAX for never. */
uint64_t usage_sample(thread_t active, uint64_t now);
