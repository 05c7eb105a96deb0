/*
 * Open files and descriptor tables. See file.h for the look-up protocol; its labels:
 *
 * [D1] A closer clears the slot, then drops the slot's reference.
 * [D2] A reader loads the slot, takes a reference unless the count is zero, and loads the slot again
 *      (acquire, after the acquiring increment). If it still names the file, [D1] has not happened when the
 *      reference was taken, so it is on the file that the slot meant. If not, the reference may be on any
 *      file: it is dropped, outside the SMR section because the drop may close, and the look-up starts over.
 * [D3] A new file's fields are written before its count becomes 1 (release); pairs with the increment.
 */
#include <bsd/kern/file.h>

#include <kern/assert.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>

ZONE_DEFINE(file_zone, "files", sizeof(struct file), ZC_TYPESTABLE | ZC_FRESH_ZERO);

LCK_CLASS_DECLARE(file_lock_class, "file offset", LCK_RANK_FILE);
LCK_CLASS_DECLARE(fd_lock_class, "descriptor table", LCK_RANK_FD_TABLE);

static struct file *
slot_file(uint64_t word)
{
	return (struct file *)(uintptr_t)(word & ~FD_SLOT_CLOEXEC);
}

static uint64_t
slot_word(struct file *fp, bool cloexec)
{
	return (uint64_t)(uintptr_t)fp | (cloexec ? FD_SLOT_CLOEXEC : 0);
}

/* ---- Files ---- */

struct file *
file_create(const struct file_ops *ops, enum file_type type, void *data, uint32_t flag)
{
	struct file *fp = zalloc_wait(file_zone);

	if (fp == NULL) {
		return NULL;
	}
	assert(os_atomic_load(&fp->f_refs, relaxed) == 0);
	fp->f_flag = flag;
	fp->f_ops = ops;
	fp->f_data = data;
	fp->f_offset = 0;
	fp->f_type = (uint8_t)type;
	lck_mtx_init(&fp->f_lock, &file_lock_class);
	os_atomic_store(&fp->f_refs, 1, release); /* [D3] */
	return fp;
}

void
file_ref(struct file *fp)
{
	uint32_t old = os_atomic_inc_orig(&fp->f_refs, relaxed);

	assert(old != 0);
	(void)old;
}

static bool
file_try_ref(struct file *fp)
{
	uint32_t refs = os_atomic_load(&fp->f_refs, relaxed), found;

	while (refs != 0) {
		if (os_atomic_cmpxchgv(&fp->f_refs, refs, refs + 1, &found, acquire)) { /* [D2] */
			return true;
		}
		refs = found;
		cpu_relax();
	}
	return false;
}

void
file_rele(struct file *fp)
{
	/* Release: our use of the file precedes its end; acquire: the last one sees everybody's. */
	uint32_t left = os_atomic_dec(&fp->f_refs, acq_rel);

	assert(left != UINT32_MAX);
	if (left == 0) {
		if (fp->f_ops->fo_close != NULL) {
			fp->f_ops->fo_close(fp);
		}
		lck_mtx_destroy(&fp->f_lock);
		zfree(file_zone, fp);
	}
}

/* ---- Slot arrays ---- */

static size_t
slots_size(uint32_t count)
{
	/* whole lines: a neighbour in memory is another process's */
	return os_round_up(sizeof(struct fd_slots) + count * sizeof(uint64_t), OS_CACHELINE);
}

static struct fd_slots *
slots_alloc(uint32_t count)
{
	struct fd_slots *slots = kalloc_flags(slots_size(count), Z_ZERO | Z_WAIT);

	if (slots != NULL) {
		slots->fs_count = count;
	}
	return slots;
}

static void
slots_free(struct smr_node *node)
{
	struct fd_slots *slots = os_containerof(node, struct fd_slots, fs_smr);

	kfree(slots, slots_size(slots->fs_count));
}

/* Makes the table hold descriptor `fd`. EMFILE, ENOMEM. */
static int
filedesc_grow_locked(struct filedesc *fdp, uint32_t fd)
{
	struct fd_slots *old = fdp->fd_slots, *new;
	uint32_t count = old->fs_count;

	if (fd < count) {
		return 0;
	}
	if (fd >= FD_TABLE_MAX) {
		return EMFILE;
	}
	while (count <= fd) {
		count *= 2;
	}
	new = slots_alloc(os_min(count, FD_TABLE_MAX));
	if (new == NULL) {
		return ENOMEM;
	}
	memcpy(new->fs_slot, old->fs_slot, old->fs_count * sizeof(uint64_t));
	/* Pairs with the acquire load of fd_lookup: the copied slots are seen with the array. */
	os_atomic_store(&fdp->fd_slots, new, release);
	smr_call(&old->fs_smr, slots_free);
	return 0;
}

/* Lowest free descriptor >= min in a table that may have to grow. */
static int
filedesc_find_free_locked(struct filedesc *fdp, uint32_t min, uint32_t *fd)
{
	struct fd_slots *slots = fdp->fd_slots;
	uint32_t i = os_max(min, fdp->fd_lowest_free);

	while (i < slots->fs_count && slots->fs_slot[i] != 0) {
		i++;
	}
	*fd = i;
	return filedesc_grow_locked(fdp, i);
}

/* Changes a slot and returns the file that was there; its reference is now the caller's. */
static struct file *
filedesc_set_locked(struct filedesc *fdp, uint32_t fd, uint64_t word)
{
	uint64_t *slot = &fdp->fd_slots->fs_slot[fd];
	struct file *old = slot_file(*slot);

	/* Release: a new file is complete when it can be found. [D1] for the old one. */
	os_atomic_store(slot, word, release);
	if (word == 0) {
		fdp->fd_lowest_free = os_min(fdp->fd_lowest_free, fd);
	} else if (fd == fdp->fd_lowest_free) {
		fdp->fd_lowest_free = fd + 1;
	}
	return old;
}

int
filedesc_init(struct filedesc *fdp)
{
	lck_mtx_init(&fdp->fd_lock, &fd_lock_class);
	fdp->fd_lowest_free = 0;
	fdp->fd_slots = slots_alloc(FD_TABLE_MIN);
	return fdp->fd_slots != NULL ? 0 : ENOMEM;
}

int
filedesc_fork(struct filedesc *to, struct filedesc *from)
{
	struct fd_slots *slots = NULL;
	int error = 0;

	lck_mtx_init(&to->fd_lock, &fd_lock_class);
	lck_mtx_lock(&from->fd_lock);
	slots = slots_alloc(from->fd_slots->fs_count);
	if (slots == NULL) {
		error = ENOMEM;
	} else {
		for (uint32_t i = 0; i < slots->fs_count; i++) {
			uint64_t word = from->fd_slots->fs_slot[i];

			if (word != 0) {
				file_ref(slot_file(word));
				slots->fs_slot[i] = word;
			}
		}
		to->fd_lowest_free = from->fd_lowest_free;
	}
	lck_mtx_unlock(&from->fd_lock);
	to->fd_slots = slots;
	return error;
}

void
filedesc_close(struct filedesc *fdp, bool everything)
{
	for (uint32_t i = 0; i < fdp->fd_slots->fs_count; i++) {
		struct file *fp = NULL;

		lck_mtx_lock(&fdp->fd_lock);
		if (everything || (fdp->fd_slots->fs_slot[i] & FD_SLOT_CLOEXEC) != 0) {
			fp = filedesc_set_locked(fdp, i, 0);
		}
		lck_mtx_unlock(&fdp->fd_lock);
		if (fp != NULL) {
			file_rele(fp);
		}
	}
}

void
filedesc_mark_cloexec(struct filedesc *fdp)
{
	for (uint32_t i = 0; i < fdp->fd_slots->fs_count; i++) {
		if (fdp->fd_slots->fs_slot[i] != 0) {
			fdp->fd_slots->fs_slot[i] |= FD_SLOT_CLOEXEC;
		}
	}
}

void
filedesc_destroy(struct filedesc *fdp)
{
	struct fd_slots *slots = fdp->fd_slots;

	if (slots == NULL) {
		return;
	}
	for (uint32_t i = 0; i < slots->fs_count; i++) {
		if (slots->fs_slot[i] != 0) {
			file_rele(slot_file(slots->fs_slot[i]));
		}
	}
	kfree(slots, slots_size(slots->fs_count));
	fdp->fd_slots = NULL;
	lck_mtx_destroy(&fdp->fd_lock);
}

/* ---- Descriptors ---- */

/*
 * One attempt of a look-up inside the SMR section. False: start over, after dropping *stale if it is set.
 */
static bool
fd_try_lookup(struct filedesc *fdp, uint32_t fd, struct file **fpp, struct file **stale)
{
	/* Acquire: pairs with the publication in filedesc_grow_locked. */
	struct fd_slots *slots = smr_load(&fdp->fd_slots);
	struct file *fp;

	*fpp = NULL;
	*stale = NULL;
	if (fd >= slots->fs_count) {
		return true;
	}
	/* Acquire: pairs with the release in filedesc_set_locked. */
	fp = slot_file(os_atomic_load(&slots->fs_slot[fd], acquire));
	if (fp == NULL) {
		return true;
	}
	if (!file_try_ref(fp)) {
		return false;
	}
	if (os_unlikely(slot_file(os_atomic_load(&slots->fs_slot[fd], acquire)) != fp)) { /* [D2] */
		*stale = fp;
		return false;
	}
	*fpp = fp;
	return true;
}

struct file *
fd_lookup(struct filedesc *fdp, int fd)
{
	struct file *fp, *stale;
	bool done;

	for (;;) {
		smr_enter();
		done = fd_try_lookup(fdp, (uint32_t)fd, &fp, &stale);
		smr_leave();
		if (os_likely(done)) {
			return fp;
		}
		if (stale != NULL) {
			file_rele(stale);
		}
		cpu_relax();
	}
}

int
fd_lookup_for(struct filedesc *fdp, int fd, uint32_t flag, struct file **fpp)
{
	struct file *fp = fd_lookup(fdp, fd);

	if (fp == NULL) {
		return EBADF;
	}
	if ((os_atomic_load(&fp->f_flag, relaxed) & flag) != flag) {
		file_rele(fp);
		return EBADF;
	}
	*fpp = fp;
	return 0;
}

int
fd_install(struct filedesc *fdp, struct file *fp, int min, bool cloexec, int *fd)
{
	uint32_t free_fd;
	int error;

	lck_mtx_lock(&fdp->fd_lock);
	error = filedesc_find_free_locked(fdp, (uint32_t)min, &free_fd);
	if (error == 0) {
		filedesc_set_locked(fdp, free_fd, slot_word(fp, cloexec));
		*fd = (int)free_fd;
	}
	lck_mtx_unlock(&fdp->fd_lock);
	return error;
}

int
fd_install_at(struct filedesc *fdp, struct file *fp, int fd, bool cloexec)
{
	struct file *old = NULL;
	int error;

	if (fd < 0 || (uint32_t)fd >= FD_TABLE_MAX) {
		return EBADF;
	}
	lck_mtx_lock(&fdp->fd_lock);
	error = filedesc_grow_locked(fdp, (uint32_t)fd);
	if (error == 0) {
		old = filedesc_set_locked(fdp, (uint32_t)fd, slot_word(fp, cloexec));
	}
	lck_mtx_unlock(&fdp->fd_lock);
	if (old != NULL) {
		file_rele(old);
	}
	return error;
}

/* The slot of an open descriptor, or NULL. */
static uint64_t *
filedesc_slot_locked(struct filedesc *fdp, int fd)
{
	struct fd_slots *slots = fdp->fd_slots;

	return (uint32_t)fd < slots->fs_count && slots->fs_slot[fd] != 0 ? &slots->fs_slot[fd] : NULL;
}

int
fd_close(struct filedesc *fdp, int fd)
{
	struct file *fp = NULL;

	lck_mtx_lock(&fdp->fd_lock);
	if (filedesc_slot_locked(fdp, fd) != NULL) {
		fp = filedesc_set_locked(fdp, (uint32_t)fd, 0);
	}
	lck_mtx_unlock(&fdp->fd_lock);
	if (fp == NULL) {
		return EBADF;
	}
	file_rele(fp);
	return 0;
}

int
fd_get_cloexec(struct filedesc *fdp, int fd, bool *cloexec)
{
	uint64_t *slot;

	lck_mtx_lock(&fdp->fd_lock);
	slot = filedesc_slot_locked(fdp, fd);
	*cloexec = slot != NULL && (*slot & FD_SLOT_CLOEXEC) != 0;
	lck_mtx_unlock(&fdp->fd_lock);
	return slot != NULL ? 0 : EBADF;
}

int
fd_set_cloexec(struct filedesc *fdp, int fd, bool cloexec)
{
	uint64_t *slot;

	lck_mtx_lock(&fdp->fd_lock);
	slot = filedesc_slot_locked(fdp, fd);
	if (slot != NULL) {
		os_atomic_store(slot, slot_word(slot_file(*slot), cloexec), release);
	}
	lck_mtx_unlock(&fdp->fd_lock);
	return slot != NULL ? 0 : EBADF;
}
