/* Vouchers; see <mach/mach_voucher.h>. */
#include <mach/mach.h>
#include <mach/mach_voucher.h>

kern_return_t
host_create_mach_voucher(host_t host, mach_voucher_attr_raw_recipe_array_t recipes,
    mach_voucher_attr_recipe_size_t recipesCnt, ipc_voucher_t *voucher)
{
	return host_create_mach_voucher_trap(host, recipes, (int)recipesCnt, voucher);
}

kern_return_t
mach_voucher_extract_attr_recipe(ipc_voucher_t voucher, mach_voucher_attr_key_t key,
    mach_voucher_attr_raw_recipe_t recipe, mach_voucher_attr_recipe_size_t *size)
{
	return mach_voucher_extract_attr_recipe_trap(voucher, key, recipe, size);
}

kern_return_t
mach_voucher_deallocate(mach_port_name_t voucher)
{
	return mach_port_deallocate(mach_task_self(), voucher);
}
