/* Advice about a range, for mach_vm_behavior_set. */
#pragma once

typedef int vm_behavior_t;

#define VM_BEHAVIOR_DEFAULT          0
#define VM_BEHAVIOR_RANDOM           1
#define VM_BEHAVIOR_SEQUENTIAL       2
#define VM_BEHAVIOR_RSEQNTL          3
#define VM_BEHAVIOR_WILLNEED         4
#define VM_BEHAVIOR_DONTNEED         5
#define VM_BEHAVIOR_FREE             6
#define VM_BEHAVIOR_ZERO_WIRED_PAGES 7
#define VM_BEHAVIOR_REUSABLE         8
#define VM_BEHAVIOR_REUSE            9
#define VM_BEHAVIOR_CAN_REUSE        10
#define VM_BEHAVIOR_PAGEOUT          11
#define VM_BEHAVIOR_LAST_VALID       12
#define VM_BEHAVIOR_ZERO             12
