/*
 * Iterators over the registry. See io_iterator.h.
 */
#include <Kernel/io_iterator.h>

#include <kern/locks.h>
#include <kern/zalloc.h>

static void io_iterator_free(struct io_object *object);

const struct io_class io_iterator_class = { "OSIterator", &io_object_class, io_iterator_free };

static LCK_CLASS_DECLARE(io_iterator_lock_class, "io_iterator", LCK_RANK_IO_ITERATOR);

/* [I] ioi_lock  [c] constant */
struct io_iterator {
	struct io_object ioi_object;
	struct io_entry *ioi_entry;      /* [c] with a reference */
	enum io_plane ioi_plane;         /* [c] */
	enum io_direction ioi_direction; /* [c] */
	lck_mtx_t ioi_lock;              /* serialises advance; io_registry_lock is taken below it */
	struct io_entry *ioi_at;         /* [I] handed out last, with a reference; NULL at the start */
	bool ioi_ended;                  /* [I] */
};

static struct io_iterator *
iterator_of(struct io_object *object)
{
	return os_containerof(object, struct io_iterator, ioi_object);
}

struct io_object *
io_iterator_create(struct io_entry *entry, enum io_plane plane, enum io_direction direction)
{
	struct io_iterator *iterator = kalloc_type(struct io_iterator, Z_ZERO | Z_WAIT);

	if (iterator == NULL) {
		return NULL;
	}
	io_object_init(&iterator->ioi_object, &io_iterator_class);
	io_object_retain(&entry->ie_object);
	iterator->ioi_entry = entry;
	iterator->ioi_plane = plane;
	iterator->ioi_direction = direction;
	lck_mtx_init(&iterator->ioi_lock, &io_iterator_lock_class);
	return &iterator->ioi_object;
}

static void
release_entry(struct io_entry *entry)
{
	if (entry != NULL) {
		io_object_release(&entry->ie_object);
	}
}

static void
io_iterator_free(struct io_object *object)
{
	struct io_iterator *iterator = iterator_of(object);

	release_entry(iterator->ioi_at);
	release_entry(iterator->ioi_entry);
	lck_mtx_destroy(&iterator->ioi_lock);
	kfree_type(struct io_iterator, iterator);
}

/* An entry has one parent in a plane. */
static struct io_entry *
successor(struct io_iterator *iterator)
{
	if (iterator->ioi_direction == IO_CHILDREN) {
		return io_entry_copy_child(iterator->ioi_entry, iterator->ioi_plane, iterator->ioi_at);
	}
	return iterator->ioi_at == NULL ? io_entry_copy_parent(iterator->ioi_entry, iterator->ioi_plane)
					: NULL;
}

struct io_entry *
io_iterator_advance(struct io_object *object)
{
	struct io_iterator *iterator = iterator_of(object);
	struct io_entry *next = NULL;

	lck_mtx_lock(&iterator->ioi_lock);
	if (!iterator->ioi_ended) {
		next = successor(iterator);
		release_entry(iterator->ioi_at);
		iterator->ioi_at = next;
		iterator->ioi_ended = next == NULL;
	}
	if (next != NULL) {
		io_object_retain(&next->ie_object);
	}
	lck_mtx_unlock(&iterator->ioi_lock);
	return next;
}

void
io_iterator_restart(struct io_object *object)
{
	struct io_iterator *iterator = iterator_of(object);

	lck_mtx_lock(&iterator->ioi_lock);
	release_entry(iterator->ioi_at);
	iterator->ioi_at = NULL;
	iterator->ioi_ended = false;
	lck_mtx_unlock(&iterator->ioi_lock);
}
