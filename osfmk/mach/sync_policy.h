/* Wake-up order of a semaphore's waiters. */
#pragma once

typedef int sync_policy_t;

#define SYNC_POLICY_FIFO           0
#define SYNC_POLICY_FIXED_PRIORITY 1
#define SYNC_POLICY_LIFO           2
#define SYNC_POLICY_REVERSED       2
#define SYNC_POLICY_ORDER_MASK     3
