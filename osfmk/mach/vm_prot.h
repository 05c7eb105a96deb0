/* Page protections. */
#pragma once

typedef int vm_prot_t;

#define VM_PROT_NONE             0x0
#define VM_PROT_READ             0x1
#define VM_PROT_WRITE            0x2
#define VM_PROT_EXECUTE          0x4
#define VM_PROT_DEFAULT          0x3
#define VM_PROT_ALL              0x7
#define VM_PROT_ALLEXEC          VM_PROT_EXECUTE
#define VM_PROT_NO_CHANGE_LEGACY 0x8
#define VM_PROT_COPY             0x10
#define VM_PROT_TRUSTED          0x20
#define VM_PROT_WANTS_COPY       0x10
#define VM_PROT_IS_MASK          0x40
#define VM_PROT_STRIP_READ       0x80
#define VM_PROT_EXECUTE_ONLY     0x84
#define VM_PROT_NO_CHANGE        0x1000000
