/*
 * Scheduling as the kernel's calls take it. QoS is one word: bit 8 + n for the class n of 1 (maintenance) to 6 (user
 * interactive), and below it the relative priority minus 1 as 8 bits; 0 is "unspecified".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/qos.h>

#define STACK_DEFAULT          (512 * 1024)
#define SCHED_PRIORITY_MIN     15
#define SCHED_PRIORITY_DEFAULT 31
#define SCHED_PRIORITY_MAX     47

/* false: no such class, or a relative priority outside QOS_MIN_RELATIVE_PRIORITY to 0 */
bool _qos_encode(qos_class_t qos_class, int relative_priority, uint32_t *qos);
/* Either of the two may be NULL. */
void _qos_decode(uint32_t qos, qos_class_t *qos_class, int *relative_priority);
