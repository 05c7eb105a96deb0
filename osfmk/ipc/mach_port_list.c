/*
 * Lists of names: all of a space, the members of a set.
 *
 * A list is taken while other threads use the space: a name that comes or goes meanwhile may be in it or not,
 * every other one is. The arrays are measured first and filled after, so what grows in between is cut off. No
 * locks held; may block.
 */
#include <ipc/mach_port.h>

#include <ipc/pset.h>
#include <ipc/right.h>
#include <ipc/space.h>
#include <kern/zalloc.h>
#include <vm/vm_map_copy.h>

/* A list of words on its way to a program. */
struct name_list {
	uint32_t *words;
	uint32_t count, room;
};

static kern_return_t
name_list_alloc(struct name_list *list, uint32_t room)
{
	*list = (struct name_list){ .room = room };
	if (room != 0) {
		list->words = kalloc_flags(room * sizeof(*list->words), Z_WAIT);
	}
	return room == 0 || list->words != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static void
name_list_free(struct name_list *list)
{
	if (list->words != NULL) {
		kfree(list->words, list->room * sizeof(*list->words));
	}
}

static void
name_list_add(struct name_list *list, uint32_t word)
{
	if (list->count < list->room) {
		list->words[list->count++] = word;
	}
}

/* NULL and success for an empty list. */
static kern_return_t
name_list_copy(const struct name_list *list, vm_map_copy_t *copy, mach_msg_type_number_t *count)
{
	*copy = NULL;
	*count = list->count;
	if (list->count != 0) {
		*copy = vm_map_copy_of_kernel(list->words, list->count * sizeof(*list->words));
	}
	return list->count == 0 || *copy != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* Each name as it is now, with its type: a right to a port that has died is a dead name. */
static void
list_space(ipc_space_t space, struct name_list *names, struct name_list *types)
{
	for (uint32_t index = 1; index < os_atomic_load(&space->is_table.nt_high, relaxed); index++) {
		ipc_entry_t entry = nt_entry(&space->is_table, index);
		mach_port_name_t name = ipc_entry_name(entry);
		mach_port_type_t type;
		mach_port_urefs_t urefs;

		if (nt_rights(os_atomic_load(&entry->ie_word, relaxed)) != 0 &&
		    ipc_right_info(space, name, &type, &urefs) == KERN_SUCCESS) {
			name_list_add(names, name);
			name_list_add(types, type);
		}
	}
}

kern_return_t
mach_port_names(ipc_space_t space, vm_map_copy_t *names, mach_msg_type_number_t *names_count,
    vm_map_copy_t *types, mach_msg_type_number_t *types_count)
{
	uint32_t room = os_atomic_load(&space->is_table.nt_high, relaxed);
	struct name_list name_list = { 0 }, type_list = { 0 };
	kern_return_t kr = name_list_alloc(&name_list, room);

	if (kr == KERN_SUCCESS) {
		kr = name_list_alloc(&type_list, room);
	}
	if (kr == KERN_SUCCESS) {
		list_space(space, &name_list, &type_list);
		kr = name_list_copy(&name_list, names, names_count);
	}
	if (kr == KERN_SUCCESS) {
		kr = name_list_copy(&type_list, types, types_count);
		if (kr != KERN_SUCCESS && *names != NULL) {
			vm_map_copy_discard(*names);
		}
	}
	name_list_free(&name_list);
	name_list_free(&type_list);
	return kr;
}

static uint32_t
count_members(ipc_pset_t pset)
{
	uint32_t count = 0;

	lck_spin_lock(&pset->ips_lock);
	list_foreach (node, &pset->ips_members) {
		count++;
	}
	lck_spin_unlock(&pset->ips_lock);
	return count;
}

/* A member's receiver changes only after it has left its sets: the name read here is that of the set's space. */
static void
list_members(ipc_pset_t pset, struct name_list *list)
{
	lck_spin_lock(&pset->ips_lock);
	list_foreach (node, &pset->ips_members) {
		ipc_port_t port = list_entry(node, struct ipc_pset_link, psl_set_link)->psl_port;

		name_list_add(list, os_atomic_load(&port->ip_receiver_name, relaxed));
	}
	lck_spin_unlock(&pset->ips_lock);
}

kern_return_t
mach_port_get_set_status(
    ipc_space_t space, mach_port_name_t name, vm_map_copy_t *members, mach_msg_type_number_t *count)
{
	struct name_list list;
	ipc_pset_t pset;
	kern_return_t kr;

	if (!MACH_PORT_VALID(name)) {
		return KERN_INVALID_RIGHT;
	}
	kr = ipc_right_reference_pset(space, name, &pset);
	if (kr != KERN_SUCCESS) {
		return kr;
	}
	kr = name_list_alloc(&list, count_members(pset));
	if (kr == KERN_SUCCESS) {
		list_members(pset, &list);
		kr = name_list_copy(&list, members, count);
		name_list_free(&list);
	}
	ips_release(pset);
	return kr;
}
