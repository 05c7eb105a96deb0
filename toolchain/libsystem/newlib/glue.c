/*
 * What newlib asks of the system below it: per-thread state, memory, files, locks.
 *
 * This file is compiled with newlib's headers, not with the SDK's, so it declares what it uses of ours.
 */
#include <errno.h>
#include <reent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <sys/stat.h>

#include "../src/pthread/lock.h"
#include "../src/pthread/slots.h"
#include "glue.h"

_Static_assert(sizeof(struct _reent) <= REENT_BYTES, "a thread has room for its part");

int open(const char *path, int flags, ...);
/* Streams are no cancellation points: their locks would stay taken. */
int __close_nocancel(int fd);
_ssize_t __read_nocancel(int fd, void *buf, size_t len);
_ssize_t __write_nocancel(int fd, const void *buf, size_t len);
_off_t lseek(int fd, _off_t offset, int whence);
int unlink(const char *path);
int rename(const char *from, const char *to);
int isatty(int fd);
_Noreturn void __assert_rtn(const char *func, const char *file, int line, const char *expression);
int _stream_kind(int fd, unsigned *mode, int *block_size);

/* The three streams every program has; Darwin's names for them. */
__FILE *__stdinp = &__sf[0];
__FILE *__stdoutp = &__sf[1];
__FILE *__stderrp = &__sf[2];

/* The state that no thread owns: the list of streams. */
static struct _reent global_reent = _REENT_INIT(global_reent);
/* In plain data: the one pointer in constant data would cost every small program a page and its protection. */
__attribute__((section("__DATA,__data"))) struct _reent *const _global_impure_ptr = &global_reent;
struct _reent *_impure_ptr = &global_reent;

/* newlib's locks: recursive ones remember the thread that holds them. */
struct __lock {
	os_light_lock_t lock;
	uint32_t depth; /* under lock */
	void *owner;    /* only the owner finds itself here, so it reads without order */
};

struct __lock __lock___sfp_recursive_mutex;
struct __lock __lock___sinit_recursive_mutex;

void
__retarget_lock_init_recursive(_LOCK_T *lock)
{
	*lock = calloc(1, sizeof(**lock));
}

void
__retarget_lock_close_recursive(_LOCK_T lock)
{
	free(lock);
}

void
__retarget_lock_acquire_recursive(_LOCK_T lock)
{
	void *self = tsd_base()[TSD_THREAD_SELF];

	if (lock == NULL) {
		return; /* no memory when the stream was made */
	}
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != self) {
		os_light_lock(&lock->lock);
		__atomic_store_n(&lock->owner, self, __ATOMIC_RELAXED);
	}
	lock->depth++;
}

void
__retarget_lock_release_recursive(_LOCK_T lock)
{
	if (lock != NULL && --lock->depth == 0) {
		__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
		os_light_unlock(&lock->lock);
	}
}

/* A free lock is not written: its page would be copied. */
static void
lock_after_fork(_LOCK_T lock)
{
	if (lock != NULL && lock->lock.word != 0 && lock->owner != tsd_base()[TSD_THREAD_SELF]) {
		*lock = (struct __lock){ 0 };
	}
}

/*
 * A thread may have a stream for as long as it waits for input, so fork does not wait for streams: what others were
 * about to read or write is as it was in that moment, and the child can use the stream. A stream whose flags are 1 is
 * being made, and has no lock yet.
 */
void
_newlib_fork_child(void)
{
	lock_after_fork(&__lock___sfp_recursive_mutex);
	lock_after_fork(&__lock___sinit_recursive_mutex);
	for (struct _glue *glue = &global_reent.__sglue; glue != NULL; glue = glue->_next) {
		for (int i = 0; i < glue->_niobs; i++) {
			if (glue->_iobs[i]._flags != 0 && glue->_iobs[i]._flags != 1) {
				lock_after_fork(glue->_iobs[i]._lock);
			}
		}
	}
}

int *
_newlib_thread_init(void *reent)
{
	struct _reent *r = reent;

	_REENT_INIT_PTR_ZEROED(r);
	return &r->_errno;
}

void
_newlib_thread_fini(void *reent)
{
	struct _reent *r = reent;

	r->__sdidinit = 0; /* streams belong to the process: nothing of them is the thread's to give back */
	_reclaim_reent(r);
}

void
_newlib_flush(void)
{
	if (global_reent.__sdidinit) { /* some stream was used */
		(void)fflush(NULL);
	}
}

struct _reent *
__getreent(void)
{
	return tsd_base()[TSD_REENT];
}

void
__assert_func(const char *file, int line, const char *func, const char *expression)
{
	__assert_rtn(func, file, line, expression);
}

int
iswspace(wint_t c)
{
	return c == ' ' || c - '\t' < 5;
}

void *
_malloc_r(struct _reent *r, size_t size)
{
	return malloc(size);
}

void *
_calloc_r(struct _reent *r, size_t count, size_t size)
{
	return calloc(count, size);
}

void *
_realloc_r(struct _reent *r, void *p, size_t size)
{
	return realloc(p, size);
}

void
_free_r(struct _reent *r, void *p)
{
	free(p);
}

int
_open_r(struct _reent *r, const char *path, int flags, int mode)
{
	return open(path, flags, mode);
}

int
_close_r(struct _reent *r, int fd)
{
	return __close_nocancel(fd);
}

_ssize_t
_read_r(struct _reent *r, int fd, void *buf, size_t len)
{
	return __read_nocancel(fd, buf, len);
}

_ssize_t
_write_r(struct _reent *r, int fd, const void *buf, size_t len)
{
	return __write_nocancel(fd, buf, len);
}

_off_t
_lseek_r(struct _reent *r, int fd, _off_t offset, int whence)
{
	return lseek(fd, offset, whence);
}

int
_fstat_r(struct _reent *r, int fd, struct stat *st)
{
	unsigned mode;
	int block_size;

	if (_stream_kind(fd, &mode, &block_size) < 0) {
		return -1;
	}
	memset(st, 0, sizeof(*st));
	st->st_mode = (mode_t)mode; /* the S_IFMT values are the same */
	st->st_blksize = block_size;
	return 0;
}

int
_isatty_r(struct _reent *r, int fd)
{
	return isatty(fd);
}

int
_unlink_r(struct _reent *r, const char *path)
{
	return unlink(path);
}

int
_rename_r(struct _reent *r, const char *from, const char *to)
{
	return rename(from, to);
}

_ssize_t getline(char **line, size_t *cap, __FILE *fp);
_ssize_t getdelim(char **line, size_t *cap, int delim, __FILE *fp);

_ssize_t
getline(char **line, size_t *cap, __FILE *fp)
{
	return __getline(line, cap, fp);
}

_ssize_t
getdelim(char **line, size_t *cap, int delim, __FILE *fp)
{
	return __getdelim(line, cap, delim, fp);
}

/* The CPU has an instruction for what newlib's file computes bit by bit. */
double __ieee754_sqrt(double x);

double
__ieee754_sqrt(double x)
{
	return __builtin_sqrt(x);
}
