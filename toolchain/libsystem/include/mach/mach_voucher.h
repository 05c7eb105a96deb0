/* Calls on vouchers: those of <mach/mach_voucher_routines.h>, two of which are traps here, and these. */
#pragma once

#include <mach/mach_types.h>
#include <mach/mach_voucher_routines.h>
#include <mach/mach_voucher_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

/* A voucher made by the recipes; with none, or none that sets anything, the empty one. */
kern_return_t host_create_mach_voucher(host_t host, mach_voucher_attr_raw_recipe_array_t recipes,
    mach_voucher_attr_recipe_size_t recipesCnt, ipc_voucher_t *voucher);

kern_return_t mach_voucher_deallocate(mach_port_name_t voucher);

__END_DECLS
