/* Special ports of a thread. */
#pragma once

typedef int thread_special_port_t;

#define THREAD_KERNEL_PORT      1
#define THREAD_INSPECT_PORT     2
#define THREAD_MAX_SPECIAL_PORT 3
#define THREAD_READ_PORT        3
