/* Purgeable memory: the control words of mach_vm_purgable_control. */
#pragma once

typedef int vm_purgable_t;

#define VM_PURGABLE_SET_STATE             0
#define VM_PURGABLE_GET_STATE             1
#define VM_PURGABLE_PURGE_ALL             2
#define VM_PURGABLE_SET_STATE_FROM_KERNEL 3 /* no program's */
#define VM_PURGABLE_NONVOLATILE           0
#define VM_PURGABLE_VOLATILE              1
#define VM_PURGABLE_EMPTY                 2
#define VM_PURGABLE_DENY                  3
#define VM_PURGABLE_STATE_MASK            3
#define VM_PURGABLE_STATE_MIN             VM_PURGABLE_NONVOLATILE
#define VM_PURGABLE_STATE_MAX             VM_PURGABLE_DENY

/* Where in a state the fields lie. */
#define VM_VOLATILE_ORDER_SHIFT    4
#define VM_PURGABLE_ORDERING_SHIFT 5
#define VM_PURGABLE_BEHAVIOR_SHIFT 6
#define VM_PURGABLE_DEBUG_SHIFT    12
#define VM_PURGABLE_NO_AGING_SHIFT 16
#define VM_PURGABLE_NO_AGING_MASK  0x10000

/* With VM_PURGABLE_VOLATILE: which goes first. */
#define VM_PURGABLE_NO_AGING            0x10000
#define VM_PURGABLE_BEHAVIOR_FIFO       0x00
#define VM_PURGABLE_BEHAVIOR_LIFO       0x40
#define VM_PURGABLE_BEHAVIOR_MASK       0x40
#define VM_PURGABLE_ORDERING_NORMAL     0x00
#define VM_PURGABLE_ORDERING_OBSOLETE   0x20
#define VM_PURGABLE_ORDERING_MASK       0x20
#define VM_VOLATILE_GROUP_SHIFT         8
#define VM_VOLATILE_GROUP_MASK          0x700
#define VM_VOLATILE_GROUP_DEFAULT       0x000
#define VM_VOLATILE_GROUP_0             0x000
#define VM_VOLATILE_GROUP_1             0x100
#define VM_VOLATILE_GROUP_2             0x200
#define VM_VOLATILE_GROUP_3             0x300
#define VM_VOLATILE_GROUP_4             0x400
#define VM_VOLATILE_GROUP_5             0x500
#define VM_VOLATILE_GROUP_6             0x600
#define VM_VOLATILE_GROUP_7             0x700
#define VM_VOLATILE_MAKE_FIRST_IN_GROUP 0x10
#define VM_VOLATILE_MAKE_LAST_IN_GROUP  0x00
#define VM_VOLATILE_ORDER_MASK          0x10
#define VM_PURGABLE_DEBUG_EMPTY         0x1000 /* and is emptied at once */
#define VM_PURGABLE_DEBUG_FAULT         0x2000 /* of no effect */
#define VM_PURGABLE_DEBUG_MASK          0x3000
#define VM_PURGABLE_ALL_MASKS           0x13773
