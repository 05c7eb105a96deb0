/*
 * The objects whose pages page-out looks at by itself, because maps do not say all about them: files, and anonymous
 * memory that several entries show.
 *
 * A file is listed when its first page comes, memory when it becomes shared, and until its end; each CPU has a list of
 * its own, so that making and removing files on different CPUs writes nothing in common. The lists are leaf spin locks
 * held for a few stores. The order of a list is that in which page-out looks at it.
 */
#pragma once

#include <vm/vm_types.h>

void vm_object_list_init(void);

/* Lists the object unless it is. Any context; the caller has a reference. */
void vm_object_list_add(vm_object_t object);

/* It has no reference left. */
void vm_object_list_remove(vm_object_t object);

/* Objects in a CPU's list. */
uint32_t vm_object_list_count(unsigned cpu);

/*
 * The first object of a CPU's list, with a reference, or NULL; it is the last one from now on. One caller at a time.
 */
vm_object_t vm_object_list_take(unsigned cpu);

/* The object that was taken last is the next to be taken again. */
void vm_object_list_untake(vm_object_t object);

/* Calls fn for each, with a reference. fn may block; an object may come twice or not at all while others take. */
void vm_object_list_foreach(void (*fn)(vm_object_t object, void *context), void *context);
