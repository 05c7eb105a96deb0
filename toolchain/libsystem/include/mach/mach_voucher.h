/* Calls on vouchers. */
#pragma once

#include <mach/mach_types.h>
#include <mach/mach_voucher_types.h>

/* A voucher made by the recipes; with none, or none that sets anything, the empty one. */
kern_return_t host_create_mach_voucher(host_t host, mach_voucher_attr_raw_recipe_array_t recipes,
    mach_voucher_attr_recipe_size_t recipesCnt, ipc_voucher_t *voucher);

/* *size comes back as 0: no attribute has a value. */
kern_return_t mach_voucher_extract_attr_recipe(ipc_voucher_t voucher, mach_voucher_attr_key_t key,
    mach_voucher_attr_raw_recipe_t recipe, mach_voucher_attr_recipe_size_t *size);

kern_return_t mach_voucher_deallocate(mach_port_name_t voucher);
