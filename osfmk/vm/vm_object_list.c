/*
 * Lists of objects: see vm_object_list.h.
 */
#include <vm/vm_object_list.h>

#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/percpu.h>
#include <vm/vm_object.h>

struct vm_object_list {
	lck_spin_t vol_lock;
	struct list_node vol_objects; /* vo_link; guarded by vol_lock */
	uint32_t vol_count;           /* guarded by vol_lock; atomic for readers */
};

LCK_CLASS_DECLARE(vm_object_list_class, "vm object list", LCK_RANK_VM_MAP_LIST);
static PERCPU_DATA(struct vm_object_list, vm_object_list);

void
vm_object_list_init(void)
{
	percpu_foreach_cpu(cpu)
	{
		struct vm_object_list *list = PERCPU_GET_CPU(vm_object_list, cpu);

		lck_spin_init(&list->vol_lock, &vm_object_list_class);
		list_init(&list->vol_objects);
	}
}

static struct vm_object_list *
home_of(vm_object_t object)
{
	return PERCPU_GET_CPU(vm_object_list, object->vo_home);
}

void
vm_object_list_add(vm_object_t object)
{
	struct vm_object_list *list;

	assert(!(object->vo_flags & VO_SHADOW));
	if ((os_atomic_load(&object->vo_flags, relaxed) & VO_LISTED) ||
	    (os_atomic_or_orig(&object->vo_flags, VO_LISTED, relaxed) & VO_LISTED)) {
		return;
	}
	object->vo_home = (uint16_t)ml_get_cpu_number(); /* any CPU will do */
	list = home_of(object);
	lck_spin_lock(&list->vol_lock);
	list_push_back(&list->vol_objects, &object->vo_link);
	os_counter_add(&list->vol_count, 1);
	lck_spin_unlock(&list->vol_lock);
}

void
vm_object_list_remove(vm_object_t object)
{
	struct vm_object_list *list = home_of(object);

	lck_spin_lock(&list->vol_lock);
	list_remove(&object->vo_link);
	os_counter_add(&list->vol_count, -1U);
	lck_spin_unlock(&list->vol_lock);
}

uint32_t
vm_object_list_count(unsigned cpu)
{
	return os_atomic_load(&PERCPU_GET_CPU(vm_object_list, cpu)->vol_count, relaxed);
}

/* The next object of a locked list behind `from`, referenced; NULL: the end. */
static vm_object_t
list_next_locked(struct vm_object_list *list, struct list_node *from)
{
	for (struct list_node *n = from->next; n != &list->vol_objects; n = n->next) {
		vm_object_t object = list_entry(n, struct vm_object, vo_link);

		if (vm_object_try_reference(object)) {
			return object;
		}
	}
	return VM_OBJECT_NULL;
}

vm_object_t
vm_object_list_take(unsigned cpu)
{
	struct vm_object_list *list = PERCPU_GET_CPU(vm_object_list, cpu);
	vm_object_t object;

	lck_spin_lock(&list->vol_lock);
	object = list_next_locked(list, &list->vol_objects);
	if (object != VM_OBJECT_NULL) {
		list_remove(&object->vo_link);
		list_push_back(&list->vol_objects, &object->vo_link);
	}
	lck_spin_unlock(&list->vol_lock);
	return object;
}

void
vm_object_list_untake(vm_object_t object)
{
	struct vm_object_list *list = home_of(object);

	lck_spin_lock(&list->vol_lock);
	list_remove(&object->vo_link);
	list_push_front(&list->vol_objects, &object->vo_link);
	lck_spin_unlock(&list->vol_lock);
}

void
vm_object_list_foreach(void (*fn)(vm_object_t object, void *context), void *context)
{
	percpu_foreach_cpu(cpu)
	{
		struct vm_object_list *list = PERCPU_GET_CPU(vm_object_list, cpu);
		vm_object_t object, next;

		lck_spin_lock(&list->vol_lock);
		object = list_next_locked(list, &list->vol_objects);
		lck_spin_unlock(&list->vol_lock);
		while (object != VM_OBJECT_NULL) {
			fn(object, context);
			lck_spin_lock(&list->vol_lock);
			next = list_next_locked(list, &object->vo_link);
			lck_spin_unlock(&list->vol_lock);
			vm_object_deallocate(object);
			object = next;
		}
	}
}
