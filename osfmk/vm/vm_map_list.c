/*
 * All user maps, for those who look for something in every address space: eviction, truncation, page-out.
 *
 * A map is in the list of the CPU that made it, from its creation to its end, so that making and destroying
 * maps on different CPUs writes nothing in common. The lists are leaf spin locks held for a few stores.
 */
#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <vm/vm_map_internal.h>

struct vm_map_list {
	lck_spin_t vml_lock;
	struct list_node vml_maps; /* vmm_link; guarded by vml_lock */
};

LCK_CLASS_DECLARE(vm_map_list_class, "vm map list", LCK_RANK_VM_MAP_LIST);
static PERCPU_DATA(struct vm_map_list, vm_map_list);

void
vm_map_list_init(void)
{
	percpu_foreach_cpu(cpu)
	{
		struct vm_map_list *list = PERCPU_GET_CPU(vm_map_list, cpu);

		lck_spin_init(&list->vml_lock, &vm_map_list_class);
		list_init(&list->vml_maps);
	}
}

void
vm_map_list_add(vm_map_t map)
{
	struct vm_map_list *list;

	map->vmm_home = ml_get_cpu_number(); /* any CPU will do */
	list = PERCPU_GET_CPU(vm_map_list, map->vmm_home);
	lck_spin_lock(&list->vml_lock);
	list_push_back(&list->vml_maps, &map->vmm_link);
	lck_spin_unlock(&list->vml_lock);
}

void
vm_map_list_remove(vm_map_t map)
{
	struct vm_map_list *list = PERCPU_GET_CPU(vm_map_list, map->vmm_home);

	lck_spin_lock(&list->vml_lock);
	list_remove(&map->vmm_link);
	lck_spin_unlock(&list->vml_lock);
}

/* One more reference unless the map is on its way out. */
static bool
map_try_reference(vm_map_t map)
{
	uint32_t refs = os_atomic_load(&map->vmm_refs, relaxed);

	while (refs != 0) {
		if (os_atomic_cmpxchgv(&map->vmm_refs, refs, refs + 1, &refs, relaxed)) {
			return true;
		}
	}
	return false;
}

/* The next map of the list behind `from`, referenced; NULL: the end. */
static vm_map_t
list_next(struct vm_map_list *list, struct list_node *from)
{
	vm_map_t found = NULL;

	lck_spin_lock(&list->vml_lock);
	for (struct list_node *n = from->next; n != &list->vml_maps; n = n->next) {
		vm_map_t map = list_entry(n, struct vm_map, vmm_link);

		if (map_try_reference(map)) {
			found = map;
			break;
		}
	}
	lck_spin_unlock(&list->vml_lock);
	return found;
}

void
vm_map_foreach(void (*fn)(vm_map_t map, void *context), void *context)
{
	percpu_foreach_cpu(cpu)
	{
		struct vm_map_list *list = PERCPU_GET_CPU(vm_map_list, cpu);
		vm_map_t map = list_next(list, &list->vml_maps);

		while (map != NULL) {
			vm_map_t next;

			fn(map, context);
			next = list_next(list, &map->vmm_link);
			vm_map_deallocate(map);
			map = next;
		}
	}
}
