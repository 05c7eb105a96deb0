/*
 * Pipes: a ring buffer with a reading and a writing end, each an open file.
 *
 * Writes of at most PIPE_ATOMIC bytes go in whole or wait; longer ones go in as room appears. Reading an
 * empty pipe whose writing end is closed is an end of file; writing to one that nobody reads is EPIPE and
 * SIGPIPE.
 *
 * Lock: pi_lock guards everything; it is held while bytes move to or from user memory, which may fault. A
 * thread that sleeps here holds a reference on the file of its end, so the pipe outlives every wait.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <arm64/machine_routines.h>
#include <kern/assert.h>
#include <kern/wait.h>
#include <kern/waitq.h>
#include <kern/zalloc.h>
#include <sys/errno.h>
#include <sys/signal.h>
#include <sys/stat.h>
#include <sys/sysproto.h>
#include <sys/termios.h>

#define PIPE_SIZE   4096U /* bytes buffered; a power of two */
#define PIPE_ATOMIC 512U  /* PIPE_BUF of the public interface */

enum pipe_end { PIPE_READER, PIPE_WRITER, PIPE_ENDS };

struct pipe {
	lck_mtx_t pi_lock;
	struct waitq pi_waiters[PIPE_ENDS]; /* threads of that end */
	bool pi_open[PIPE_ENDS];
	uint32_t pi_head; /* next byte to read; counts freely */
	uint32_t pi_tail; /* next byte to fill */
	uint8_t pi_buf[PIPE_SIZE];
};

LCK_CLASS_DECLARE(pipe_class, "pipe", LCK_RANK_BSD_MISC);
ZONE_DEFINE(pipe_zone, "pipes", sizeof(struct pipe), ZC_NONE);

static uint32_t
pipe_used(const struct pipe *pi)
{
	return pi->pi_tail - pi->pi_head;
}

/* Sleeps until the other end has done something; the lock is dropped meanwhile. */
static int
pipe_wait_locked(struct pipe *pi, struct file *fp, enum pipe_end end) REQUIRES(pi->pi_lock)
{
	wait_result_t result;

	if ((os_atomic_load(&fp->f_flag, relaxed) & FNONBLOCK) != 0) {
		return EAGAIN;
	}
	waitq_wait_prepare(&pi->pi_waiters[end], THREAD_ABORTSAFE, 0);
	lck_mtx_unlock(&pi->pi_lock);
	result = thread_block(THREAD_CONTINUE_NULL);
	lck_mtx_lock(&pi->pi_lock);
	return result == THREAD_INTERRUPTED ? signal_interrupted() : 0;
}

/* Moves up to `limit` bytes between the ring at `at` and the uio; a stretch ends at the ring's edge. */
static int
pipe_move(struct pipe *pi, uint32_t *at, uint32_t limit, struct uio *uio)
{
	while (limit > 0 && uio->uio_resid > 0) {
		uint32_t offset = *at & (PIPE_SIZE - 1), n = os_min(limit, PIPE_SIZE - offset);
		size_t before = uio->uio_resid;
		int error = uiomove(pi->pi_buf + offset, n, uio);

		if (error != 0) {
			return error;
		}
		n = (uint32_t)(before - uio->uio_resid);
		*at += n;
		limit -= n;
	}
	return 0;
}

static int
pipe_read_locked(struct pipe *pi, struct file *fp, struct uio *uio) REQUIRES(pi->pi_lock)
{
	int error = 0;

	while (pipe_used(pi) == 0) {
		if (!pi->pi_open[PIPE_WRITER]) {
			return 0;
		}
		error = pipe_wait_locked(pi, fp, PIPE_READER);
		if (error != 0) {
			return error;
		}
	}
	error = pipe_move(pi, &pi->pi_head, pipe_used(pi), uio);
	waitq_wakeup_all(&pi->pi_waiters[PIPE_WRITER], THREAD_AWAKENED);
	return error;
}

static int
pipe_read(struct file *fp, struct uio *uio)
{
	struct pipe *pi = fp->f_data;
	int error;

	if (uio->uio_resid == 0) {
		return 0;
	}
	lck_mtx_lock(&pi->pi_lock);
	error = pipe_read_locked(pi, fp, uio);
	lck_mtx_unlock(&pi->pi_lock);
	return error;
}

/* Room that a write must find before it may begin. */
static uint32_t
pipe_room_needed(size_t resid)
{
	return resid <= PIPE_ATOMIC ? (uint32_t)resid : 1;
}

static int
pipe_write_locked(struct pipe *pi, struct file *fp, struct uio *uio) REQUIRES(pi->pi_lock)
{
	uint32_t needed = pipe_room_needed(uio->uio_resid);
	int error = 0;

	while (error == 0 && uio->uio_resid > 0) {
		uint32_t room = PIPE_SIZE - pipe_used(pi);

		if (!pi->pi_open[PIPE_READER]) {
			return EPIPE;
		}
		if (room < needed) {
			error = pipe_wait_locked(pi, fp, PIPE_WRITER);
			continue;
		}
		error = pipe_move(pi, &pi->pi_tail, room, uio);
		needed = 1;
		waitq_wakeup_all(&pi->pi_waiters[PIPE_READER], THREAD_AWAKENED);
	}
	return error;
}

static int
pipe_write(struct file *fp, struct uio *uio)
{
	struct pipe *pi = fp->f_data;
	int error;

	lck_mtx_lock(&pi->pi_lock);
	error = pipe_write_locked(pi, fp, uio);
	lck_mtx_unlock(&pi->pi_lock);
	if (error == EPIPE) {
		uthread_signal(current_uthread(), SIGPIPE);
	}
	return error;
}

static int
pipe_ioctl(struct file *fp, uint64_t command, uint64_t data)
{
	struct pipe *pi = fp->f_data;
	int used;

	if (command != FIONREAD) {
		return ENOTTY;
	}
	lck_mtx_lock(&pi->pi_lock);
	used = (int)pipe_used(pi);
	lck_mtx_unlock(&pi->pi_lock);
	return copyout(&used, data, sizeof(used));
}

static int
pipe_stat(struct file *fp, struct stat *st)
{
	struct pipe *pi = fp->f_data;

	*st = (struct stat){ .st_mode = S_IFIFO | 0660, .st_nlink = 1, .st_blksize = PIPE_SIZE };
	lck_mtx_lock(&pi->pi_lock);
	st->st_size = pipe_used(pi);
	lck_mtx_unlock(&pi->pi_lock);
	return 0;
}

static void
pipe_free(struct pipe *pi)
{
	waitq_destroy(&pi->pi_waiters[PIPE_READER]);
	waitq_destroy(&pi->pi_waiters[PIPE_WRITER]);
	lck_mtx_destroy(&pi->pi_lock);
	zfree(pipe_zone, pi);
}

/* The second end to be closed frees the pipe. */
static void
pipe_close_end(struct pipe *pi, enum pipe_end end)
{
	enum pipe_end other = end == PIPE_READER ? PIPE_WRITER : PIPE_READER;
	bool last;

	lck_mtx_lock(&pi->pi_lock);
	pi->pi_open[end] = false;
	last = !pi->pi_open[other];
	if (!last) {
		waitq_wakeup_all(&pi->pi_waiters[other], THREAD_AWAKENED);
	}
	lck_mtx_unlock(&pi->pi_lock);
	if (last) {
		pipe_free(pi);
	}
}

static void
pipe_close(struct file *fp)
{
	pipe_close_end(fp->f_data, (fp->f_flag & FREAD) != 0 ? PIPE_READER : PIPE_WRITER);
}

static const struct file_ops pipe_ops = {
	.fo_read = pipe_read,
	.fo_write = pipe_write,
	.fo_ioctl = pipe_ioctl,
	.fo_stat = pipe_stat,
	.fo_close = pipe_close,
};

static struct pipe *
pipe_create(void)
{
	struct pipe *pi = zalloc_wait(pipe_zone);

	if (pi != NULL) {
		lck_mtx_init(&pi->pi_lock, &pipe_class);
		waitq_init(&pi->pi_waiters[PIPE_READER]);
		waitq_init(&pi->pi_waiters[PIPE_WRITER]);
		pi->pi_open[PIPE_READER] = true;
		pi->pi_open[PIPE_WRITER] = true;
		pi->pi_head = 0;
		pi->pi_tail = 0;
	}
	return pi;
}

/* One end as a descriptor. On failure the end is closed. */
static int
pipe_install_end(struct proc *p, struct pipe *pi, enum pipe_end end, int *fd)
{
	struct file *fp = file_create(&pipe_ops, FILE_PIPE, pi, end == PIPE_READER ? FREAD : FWRITE);
	int error;

	if (fp == NULL) {
		pipe_close_end(pi, end);
		return ENOMEM;
	}
	error = fd_install(&p->p_fd, fp, 0, false, fd);
	if (error != 0) {
		file_rele(fp);
	}
	return error;
}

sysret_t
sys_pipe(void)
{
	struct proc *p = current_proc();
	struct pipe *pi = pipe_create();
	int reader = -1, writer = -1, error;

	if (pi == NULL) {
		return (sysret_t){ .error = ENOMEM };
	}
	error = pipe_install_end(p, pi, PIPE_READER, &reader);
	if (error != 0) {
		pipe_close_end(pi, PIPE_WRITER);
		return (sysret_t){ .error = error };
	}
	error = pipe_install_end(p, pi, PIPE_WRITER, &writer);
	if (error != 0) {
		(void)fd_close(&p->p_fd, reader);
		return (sysret_t){ .error = error };
	}
	thread_set_syscall_retval2((uint64_t)writer);
	return (sysret_t){ .value = reader };
}
