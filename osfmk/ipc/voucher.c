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
#include <kern/thread.h>
#include <kern/zalloc.h>
#include <mach/mig_errors.h>
#include <string.h>

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
check_recipes(const uint8_t *recipes, uint32_t size)
{
	struct recipe recipe;

	for (uint32_t at = 0; at < size; at += (uint32_t)sizeof(recipe) + recipe.content_size) {
		if (size - at < sizeof(recipe)) {
			return KERN_INVALID_ARGUMENT;
		}
		memcpy(&recipe, recipes + at, sizeof(recipe));
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

static kern_return_t
check_user_recipes(user_addr_t urecipes, uint32_t size)
{
	uint8_t *recipes;
	kern_return_t kr = KERN_MEMORY_ERROR;

	if (size == 0) {
		return KERN_SUCCESS;
	}
	recipes = kalloc_flags(size, Z_WAIT);
	if (recipes == NULL) {
		return KERN_RESOURCE_SHORTAGE;
	}
	if (copyin(urecipes, recipes, size) == 0) {
		kr = check_recipes(recipes, size);
	}
	kfree(recipes, size);
	return kr;
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
	kr = check_user_recipes(urecipes, (uint32_t)recipes_size);
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

/* --- the same and more by message --- */

ipc_port_t
convert_port_to_voucher(ipc_port_t port)
{
	return IP_VALID(port) && port->ip_kotype == IKOT_VOUCHER ? port : IP_NULL;
}

ipc_port_t
convert_voucher_to_port(ipc_port_t voucher)
{
	return ipc_port_make_send(voucher);
}

kern_return_t
host_create_mach_voucher(host_t host, const uint8_t *recipes, uint32_t size, ipc_port_t *voucher)
{
	(void)host;
	*voucher = empty_voucher;
	return check_recipes(recipes, size);
}

kern_return_t
mach_voucher_extract_attr_content(
    ipc_port_t voucher, mach_voucher_attr_key_t key, uint8_t *content, mach_msg_type_number_t *size)
{
	(void)voucher;
	(void)key;
	(void)content;
	*size = 0;
	return KERN_SUCCESS;
}

kern_return_t
mach_voucher_extract_attr_recipe(
    ipc_port_t voucher, mach_voucher_attr_key_t key, uint8_t *recipe, mach_msg_type_number_t *size)
{
	return mach_voucher_extract_attr_content(voucher, key, recipe, size);
}

kern_return_t
mach_voucher_extract_all_attr_recipes(ipc_port_t voucher, uint8_t *recipes, mach_msg_type_number_t *size)
{
	return mach_voucher_extract_attr_content(voucher, MACH_VOUCHER_ATTR_KEY_ALL, recipes, size);
}

kern_return_t
mach_voucher_attr_command(ipc_port_t voucher, mach_voucher_attr_key_t key,
    mach_voucher_attr_command_t command, const uint8_t *in, uint32_t in_size, uint8_t *out,
    mach_msg_type_number_t *out_size)
{
	(void)voucher;
	(void)key;
	(void)command;
	(void)in;
	(void)in_size;
	(void)out;
	*out_size = 0;
	return KERN_INVALID_ARGUMENT;
}

kern_return_t
mach_voucher_debug_info(
    ipc_space_t space, mach_port_name_t name, uint8_t *recipes, mach_msg_type_number_t *size)
{
	(void)recipes;
	*size = 0;
	return ipc_voucher_name_is_valid(space, name) ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/* --- of tasks and threads --- */

static kern_return_t
set_voucher(ipc_port_t voucher)
{
	if (IP_VALID(voucher) && convert_port_to_voucher(voucher) == IP_NULL) {
		return KERN_INVALID_ARGUMENT;
	}
	ipc_port_release_send(voucher);
	return KERN_SUCCESS;
}

kern_return_t
task_get_mach_voucher(task_t task, mach_voucher_selector_t which, ipc_port_t *voucher)
{
	(void)task;
	(void)which;
	*voucher = IP_NULL;
	return KERN_SUCCESS;
}

kern_return_t
task_set_mach_voucher(task_t task, ipc_port_t voucher)
{
	(void)task;
	return set_voucher(voucher);
}

kern_return_t
task_swap_mach_voucher(task_t task, ipc_port_t new_voucher, ipc_port_t *old_voucher)
{
	(void)task;
	(void)new_voucher;
	(void)old_voucher;
	return KERN_NOT_SUPPORTED;
}

kern_return_t
thread_get_mach_voucher(thread_t thread, mach_voucher_selector_t which, ipc_port_t *voucher)
{
	(void)thread;
	(void)which;
	*voucher = IP_NULL;
	return KERN_SUCCESS;
}

kern_return_t
thread_set_mach_voucher(thread_t thread, ipc_port_t voucher)
{
	return thread == current_thread() ? set_voucher(voucher) : KERN_INVALID_ARGUMENT;
}

kern_return_t
thread_swap_mach_voucher(thread_t thread, ipc_port_t new_voucher, ipc_port_t *old_voucher)
{
	(void)thread;
	(void)new_voucher;
	(void)old_voucher;
	return KERN_NOT_SUPPORTED;
}
