/* Scheduling policies as the info structures report them. */
#pragma once

typedef int policy_t;

#define POLICY_NULL      0
#define POLICY_TIMESHARE 1
#define POLICY_RR        2
#define POLICY_FIFO      4

/* What processor_set_info tells of each: where its threads begin, and how far they may go. */
struct policy_timeshare_base {
	int base_priority;
};
struct policy_timeshare_limit {
	int max_priority;
};
struct policy_rr_base {
	int base_priority;
	int quantum; /* ms */
};
struct policy_rr_limit {
	int max_priority;
};
struct policy_fifo_base {
	int base_priority;
};
struct policy_fifo_limit {
	int max_priority;
};

#define POLICY_TIMESHARE_BASE_COUNT  1
#define POLICY_TIMESHARE_LIMIT_COUNT 1
#define POLICY_RR_BASE_COUNT         2
#define POLICY_RR_LIMIT_COUNT        1
#define POLICY_FIFO_BASE_COUNT       1
#define POLICY_FIFO_LIMIT_COUNT      1

typedef struct policy_timeshare_base policy_timeshare_base_data_t;
typedef struct policy_timeshare_limit policy_timeshare_limit_data_t;
typedef struct policy_rr_base policy_rr_base_data_t;
typedef struct policy_rr_limit policy_rr_limit_data_t;
typedef struct policy_fifo_base policy_fifo_base_data_t;
typedef struct policy_fifo_limit policy_fifo_limit_data_t;

/* What thread_info tells of a thread that shares time, and of one of fixed priority. Priorities 0..127. */
typedef struct policy_timeshare_info {
	int max_priority;
	int base_priority;
	int cur_priority;
	int depressed;
	int depress_priority;
} policy_timeshare_info_data_t;
typedef struct policy_timeshare_info *policy_timeshare_info_t;

typedef struct policy_rr_info {
	int max_priority;
	int base_priority;
	int quantum; /* milliseconds */
	int depressed;
	int depress_priority;
} policy_rr_info_data_t;
typedef struct policy_rr_info *policy_rr_info_t;

#define POLICY_TIMESHARE_INFO_COUNT 5
#define POLICY_RR_INFO_COUNT        5
#define POLICY_FIFO_INFO_COUNT      4
