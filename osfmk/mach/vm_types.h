/* Integers of the Mach interface: words, addresses, sizes. User addresses are 64 bits wide on every path. */
#pragma once

#include <stdint.h>

typedef uint32_t natural_t;
typedef int32_t integer_t;

typedef uintptr_t vm_offset_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;

typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_offset_t;
typedef uint64_t mach_vm_size_t;

/* The same three seen from the kernel's map code. */
typedef uint64_t vm_map_address_t;
typedef uint64_t vm_map_offset_t;
typedef uint64_t vm_map_size_t;

/* An address in a user program: never dereferenced, only handed to copyin and copyout. */
typedef uint64_t user_addr_t;
typedef uint64_t user_size_t;
typedef int64_t user_ssize_t;

typedef uint64_t memory_object_offset_t;
typedef uint64_t memory_object_size_t;
typedef uint32_t vm32_object_id_t;
typedef uint64_t vm_object_id_t;

typedef uintptr_t pointer_t;
