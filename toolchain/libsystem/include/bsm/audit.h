/* Who somebody is to the audit trail: numbers in the trailer of a message. */
#pragma once

#include <mach/message.h>
#include <sys/types.h>

typedef uid_t au_id_t;
typedef pid_t au_asid_t;

#define AU_DEFAUDITID  ((au_id_t) - 1)
#define AU_DEFAUDITSID ((au_asid_t)0)
#define AU_ASSIGN_ASID ((au_asid_t) - 1)
