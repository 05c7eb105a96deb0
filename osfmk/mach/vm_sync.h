/* Flags of mach_vm_msync. */
#pragma once

typedef unsigned int vm_sync_t;

#define VM_SYNC_ASYNCHRONOUS  0x1
#define VM_SYNC_SYNCHRONOUS   0x2
#define VM_SYNC_INVALIDATE    0x4
#define VM_SYNC_KILLPAGES     0x8
#define VM_SYNC_DEACTIVATE    0x10
#define VM_SYNC_CONTIGUOUS    0x20
#define VM_SYNC_REUSABLEPAGES 0x40
