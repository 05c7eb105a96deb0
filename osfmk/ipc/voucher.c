/*
 * Vouchers, as far as there are any: one, the empty one, which every recipe that sets nothing makes. A message may
 * carry it in its header; the receiver finds none there, which is the same.
 */
#include <ipc/voucher.h>

#include <arm64/copyio.h>
#include <ipc/ipc.h>
#include <ipc/ipc_kobject.h>
#include <ipc/port.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/assert.h>
#include <kern/mach_traps.h>
#include <kern/smr.h>
#include <kern/task.h>
#include <mach/mig_errors.h>

#define RECIPES_MAX 5120 /* bytes of all recipes of one call */

enum recipe_command { RECIPE_NOOP, RECIPE_COPY, RECIPE_REMOVE };

/* What content_size bytes follow. */
struct recipe {
	uint32_t key;
	uint32_t command;
	mach_port_name_t previous;
	uint32_t content_size;
};

static ipc_port_t empty_voucher;

void
ipc_voucher_init(void)
{
	empty_voucher = ipc_kobject_alloc_port(&empty_voucher, IKOT_VOUCHER);
	release_assert(empty_voucher != IP_NULL);
}

bool
ipc_voucher_name_is_valid(ipc_space_t space, mach_port_name_t name)
{
	uint64_t word = 0;
	bool valid;

	smr_enter();
	valid = nt_lookup(&space->is_table, name, &word) != NULL && (nt_rights(word) & NT_SEND) != 0 &&
		((ipc_port_t)nt_object(word))->ip_kotype == IKOT_VOUCHER;
	smr_leave();
	return valid;
}

/* Recipes that leave the voucher empty. */
static kern_return_t
check_recipes(user_addr_t urecipes, uint32_t size)
{
	struct recipe recipe;

	for (uint32_t at = 0; at < size; at += (uint32_t)sizeof(recipe) + recipe.content_size) {
		if (size - at < sizeof(recipe)) {
			return KERN_INVALID_ARGUMENT;
		}
		if (copyin(urecipes + at, &recipe, sizeof(recipe)) != 0) {
			return KERN_MEMORY_ERROR;
		}
		if (recipe.content_size > size - at - sizeof(recipe) || recipe.command > RECIPE_REMOVE) {
			return KERN_INVALID_ARGUMENT;
		}
		if (MACH_PORT_VALID(recipe.previous) &&
		    !ipc_voucher_name_is_valid(current_task()->ipc.space, recipe.previous)) {
			return KERN_INVALID_CAPABILITY;
		}
	}
	return KERN_SUCCESS;
}

static bool
name_is_host(mach_port_name_t name)
{
	uint64_t word = 0;
	bool host;

	smr_enter();
	host = nt_lookup(&current_task()->ipc.space->is_table, name, &word) != NULL &&
	       (nt_rights(word) & NT_SEND) != 0 && convert_port_to_host(nt_object(word)) != NULL;
	smr_leave();
	return host;
}

kern_return_t
host_create_mach_voucher_trap(
    mach_port_name_t host, user_addr_t urecipes, int recipes_size, user_addr_t uvoucher)
{
	mach_port_name_t name;
	kern_return_t kr;

	if (!name_is_host(host)) {
		return MACH_SEND_INVALID_DEST;
	}
	if (recipes_size < 0 || recipes_size > RECIPES_MAX) {
		return MIG_ARRAY_TOO_LARGE;
	}
	kr = check_recipes(urecipes, (uint32_t)recipes_size);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	name = ipc_port_copyout_send(ipc_port_make_send(empty_voucher), current_task()->ipc.space);
	if (name == MACH_PORT_NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (copyout(&name, uvoucher, sizeof(name)) != 0) {
		ipc_right_forget(current_task()->ipc.space, name, MACH_MSG_TYPE_PORT_SEND, 0);
		return KERN_MEMORY_ERROR;
	}
	return KERN_SUCCESS;
}

kern_return_t
mach_voucher_extract_attr_recipe_trap(
    mach_port_name_t voucher, natural_t key, user_addr_t urecipe, user_addr_t usize)
{
	uint32_t size;

	(void)key;
	(void)urecipe;
	if (copyin(usize, &size, sizeof(size)) != 0) {
		return KERN_MEMORY_ERROR;
	}
	if (size > RECIPES_MAX) {
		return MIG_ARRAY_TOO_LARGE;
	}
	if (!ipc_voucher_name_is_valid(current_task()->ipc.space, voucher)) {
		return MACH_SEND_INVALID_DEST;
	}
	size = 0;
	return copyout(&size, usize, sizeof(size)) == 0 ? KERN_SUCCESS : KERN_MEMORY_ERROR;
}
