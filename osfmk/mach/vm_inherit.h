/* What a child map gets of a range at fork. */
#pragma once

typedef unsigned int vm_inherit_t;

#define VM_INHERIT_SHARE       0
#define VM_INHERIT_COPY        1
#define VM_INHERIT_NONE        2
#define VM_INHERIT_DONATE_COPY 3
#define VM_INHERIT_DEFAULT     1
#define VM_INHERIT_LAST_VALID  2
