/*
 * Calls on descriptors that are the same for every kind of file: read and write in all forms, close, dup,
 * fcntl, ioctl, lseek, fstat.
 */
#include <bsd/kern/file.h>
#include <bsd/kern/proc.h>
#include <bsd/vfs/vnode.h>

#include <arm64/copyio.h>
#include <kern/assert.h>
#include <kern/zalloc.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/ioccom.h>
#include <sys/stat.h>
#include <sys/sysproto.h>
#include <sys/uio.h>

#define IOV_MAX_KERNEL 1024 /* IOV_MAX of the public interface */
#define IO_MAX         ((size_t)INT32_MAX)

/* The status flags that F_GETFL shows and F_SETFL changes, in the form of open's. */
#define FCNTL_FLAGS (O_NONBLOCK | O_APPEND)

static int
file_io(struct file *fp, struct uio *uio)
{
	int (*io)(struct file *, struct uio *) =
	    uio->uio_rw == UIO_READ ? fp->f_ops->fo_read : fp->f_ops->fo_write;

	return io != NULL ? io(fp, uio) : ENXIO;
}

/* At the file's own position, which one transfer at a time uses and advances. */
static int
file_io_sequential(struct file *fp, struct uio *uio)
{
	int error;

	if (!fp->f_ops->seekable) {
		return file_io(fp, uio);
	}
	lck_mtx_lock(&fp->f_lock);
	uio->uio_offset = fp->f_offset;
	uio->uio_append = (os_atomic_load(&fp->f_flag, relaxed) & FAPPEND) != 0;
	error = file_io(fp, uio);
	fp->f_offset = uio->uio_offset;
	lck_mtx_unlock(&fp->f_lock);
	return error;
}

#define OFFSET_SEQUENTIAL (-1)

static int
file_io_at(struct file *fp, struct uio *uio, int64_t offset)
{
	if (offset == OFFSET_SEQUENTIAL) {
		return file_io_sequential(fp, uio);
	}
	if (!fp->f_ops->seekable) {
		return ESPIPE;
	}
	uio->uio_offset = offset;
	return file_io(fp, uio);
}

/* One buffer. A transfer that was cut short by an error after some bytes has succeeded. */
static sysret_t
fd_io(int fd, user_addr_t buf, size_t size, int64_t offset, enum uio_rw rw)
{
	struct uio uio = {
		.uio_base = buf, .uio_resid = size, .uio_rw = (uint8_t)rw, .uio_seg = UIO_USERSPACE
	};
	struct file *fp;
	int error;

	if (size > IO_MAX) {
		return (sysret_t){ .error = EINVAL };
	}
	error = fd_lookup_for(&current_proc()->p_fd, fd, rw == UIO_READ ? FREAD : FWRITE, &fp);
	if (error != 0) {
		return (sysret_t){ .error = error };
	}
	error = file_io_at(fp, &uio, offset);
	file_rele(fp);
	if (error != 0 && uio.uio_resid != size) {
		error = 0;
	}
	return (sysret_t){ .value = (int64_t)(size - uio.uio_resid), .error = error };
}

sysret_t
sys_read(int fd, user_addr_t buf, size_t nbyte)
{
	return fd_io(fd, buf, nbyte, OFFSET_SEQUENTIAL, UIO_READ);
}

sysret_t
sys_write(int fd, user_addr_t buf, size_t nbyte)
{
	return fd_io(fd, buf, nbyte, OFFSET_SEQUENTIAL, UIO_WRITE);
}

sysret_t
sys_pread(int fd, user_addr_t buf, size_t nbyte, int64_t offset)
{
	return offset < 0 ? (sysret_t){ .error = EINVAL } : fd_io(fd, buf, nbyte, offset, UIO_READ);
}

sysret_t
sys_pwrite(int fd, user_addr_t buf, size_t nbyte, int64_t offset)
{
	return offset < 0 ? (sysret_t){ .error = EINVAL } : fd_io(fd, buf, nbyte, offset, UIO_WRITE);
}

/* ---- Vectors ---- */

/* Total length of a vector; EINVAL if it cannot be a result. */
static int
iovec_total(const struct iovec *iov, int count, size_t *total)
{
	*total = 0;
	for (int i = 0; i < count; i++) {
		if (os_add_overflow(*total, iov[i].iov_len, total) || *total > IO_MAX) {
			return EINVAL;
		}
	}
	return 0;
}

/* Buffer by buffer, up to the first that is not filled whole. */
static int
file_io_vector(
    struct file *fp, const struct iovec *iov, int count, int64_t offset, enum uio_rw rw, size_t *done)
{
	int error = 0;

	*done = 0;
	for (int i = 0; error == 0 && i < count; i++) {
		struct uio uio = {
			.uio_base = (uintptr_t)iov[i].iov_base,
			.uio_resid = iov[i].iov_len,
			.uio_rw = (uint8_t)rw,
			.uio_seg = UIO_USERSPACE,
		};

		error = file_io_at(
		    fp, &uio, offset == OFFSET_SEQUENTIAL ? OFFSET_SEQUENTIAL : offset + (int64_t)*done);
		*done += iov[i].iov_len - uio.uio_resid;
		if (uio.uio_resid != 0) {
			break;
		}
	}
	return *done != 0 ? 0 : error;
}

static sysret_t
fd_io_vector(int fd, user_addr_t uiov, int count, int64_t offset, enum uio_rw rw)
{
	struct iovec *iov;
	struct file *fp;
	size_t bytes, done = 0, total;
	int error;

	if (count <= 0 || count > IOV_MAX_KERNEL) {
		return (sysret_t){ .error = EINVAL };
	}
	bytes = (size_t)count * sizeof(*iov);
	iov = kalloc_flags(bytes, Z_WAIT);
	if (iov == NULL) {
		return (sysret_t){ .error = ENOMEM };
	}
	error = copyin(uiov, iov, bytes);
	if (error == 0) {
		error = iovec_total(iov, count, &total);
	}
	if (error == 0) {
		error = fd_lookup_for(&current_proc()->p_fd, fd, rw == UIO_READ ? FREAD : FWRITE, &fp);
	}
	if (error == 0) {
		error = file_io_vector(fp, iov, count, offset, rw, &done);
		file_rele(fp);
	}
	kfree(iov, bytes);
	return (sysret_t){ .value = (int64_t)done, .error = error };
}

sysret_t
sys_readv(int fd, user_addr_t iov, int count)
{
	return fd_io_vector(fd, iov, count, OFFSET_SEQUENTIAL, UIO_READ);
}

sysret_t
sys_writev(int fd, user_addr_t iov, int count)
{
	return fd_io_vector(fd, iov, count, OFFSET_SEQUENTIAL, UIO_WRITE);
}

/* ---- Descriptors ---- */

sysret_t
sys_close(int fd)
{
	return (sysret_t){ .error = fd_close(&current_proc()->p_fd, fd) };
}

sysret_t
sys_getdtablesize(void)
{
	return (sysret_t){ .value = FD_TABLE_MAX };
}

static sysret_t
fd_dup_from(int fd, int min, bool cloexec)
{
	struct filedesc *fdp = &current_proc()->p_fd;
	struct file *fp;
	int new_fd, error;

	if (min < 0 || (uint32_t)min >= FD_TABLE_MAX) {
		return (sysret_t){ .error = EINVAL };
	}
	fp = fd_lookup(fdp, fd);
	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	error = fd_install(fdp, fp, min, cloexec, &new_fd);
	if (error != 0) {
		file_rele(fp);
		return (sysret_t){ .error = error };
	}
	return (sysret_t){ .value = new_fd };
}

sysret_t
sys_dup(int fd)
{
	return fd_dup_from(fd, 0, false);
}

int
fd_dup2(struct filedesc *fdp, int from, int to)
{
	struct file *fp = fd_lookup(fdp, from);
	int error;

	if (fp == NULL) {
		return EBADF;
	}
	error = from == to ? EEXIST : fd_install_at(fdp, fp, to, false);
	if (error != 0) {
		file_rele(fp);
	}
	/* Onto itself: a success that changes nothing. */
	return error == EEXIST ? 0 : error;
}

sysret_t
sys_dup2(int from, int to)
{
	return (sysret_t){ .value = to, .error = fd_dup2(&current_proc()->p_fd, from, to) };
}

/* ---- fcntl, ioctl ---- */

static int
file_get_flags(const struct file *fp)
{
	uint32_t flag = os_atomic_load(&fp->f_flag, relaxed);

	return (int)((flag & (FREAD | FWRITE)) - 1) | ((flag & FNONBLOCK) != 0 ? O_NONBLOCK : 0) |
	       ((flag & FAPPEND) != 0 ? O_APPEND : 0);
}

static void
file_set_flags(struct file *fp, int flags)
{
	uint32_t on = ((flags & O_NONBLOCK) != 0 ? FNONBLOCK : 0) | ((flags & O_APPEND) != 0 ? FAPPEND : 0);

	os_atomic_or(&fp->f_flag, on, relaxed);
	os_atomic_and(&fp->f_flag, on | ~(FNONBLOCK | FAPPEND), relaxed);
}

static int
file_get_path(const struct file *fp, user_addr_t buf)
{
	char path[VFS_PATH_MAX];
	int error;

	if (fp->f_type != FILE_VNODE) {
		return EBADF;
	}
	error = vfs_path(fp->f_data, path, sizeof(path));
	return error == 0 ? copyout(path, buf, strlen(path) + 1) : error;
}

static sysret_t
file_fcntl(struct file *fp, int command, int64_t arg)
{
	switch (command) {
	case F_GETFL:
		return (sysret_t){ .value = file_get_flags(fp) };
	case F_SETFL:
		file_set_flags(fp, (int)arg);
		return (sysret_t){ .value = 0 };
	case F_GETPATH:
		return (sysret_t){ .error = file_get_path(fp, (user_addr_t)arg) };
	default:
		return (sysret_t){ .error = EINVAL };
	}
}

sysret_t
sys_fcntl(int fd, int command, int64_t arg)
{
	struct filedesc *fdp = &current_proc()->p_fd;
	struct file *fp;
	sysret_t result;
	bool cloexec;

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fd_dup_from(fd, (int)arg, command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		result.error = fd_get_cloexec(fdp, fd, &cloexec);
		result.value = cloexec ? FD_CLOEXEC : 0;
		return result;
	case F_SETFD:
		return (sysret_t){ .error = fd_set_cloexec(fdp, fd, (arg & FD_CLOEXEC) != 0) };
	default:
		break;
	}
	fp = fd_lookup(fdp, fd);
	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	result = file_fcntl(fp, command, arg);
	file_rele(fp);
	return result;
}

sysret_t
sys_ioctl(int fd, uint64_t command, user_addr_t data)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int error;

	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	error = fp->f_ops->fo_ioctl != NULL ? fp->f_ops->fo_ioctl(fp, (uint32_t)command, data) : ENOTTY;
	file_rele(fp);
	return (sysret_t){ .error = error };
}

sysret_t
sys_fstat64(int fd, user_addr_t ub)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	struct stat st;
	int error;

	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	error = fp->f_ops->fo_stat != NULL ? fp->f_ops->fo_stat(fp, &st) : EINVAL;
	file_rele(fp);
	return (sysret_t){ .error = error == 0 ? copyout(&st, ub, sizeof(st)) : error };
}

/* ---- lseek ---- */

static int
file_seek(struct file *fp, int64_t offset, int whence, int64_t *result)
{
	int64_t base = 0;
	struct stat st;

	if (whence == SEEK_CUR) {
		base = fp->f_offset;
	} else if (whence == SEEK_END) {
		int error = fp->f_ops->fo_stat(fp, &st);

		if (error != 0) {
			return error;
		}
		base = st.st_size;
	} else if (whence != SEEK_SET) {
		return EINVAL;
	}
	if (os_add_overflow(base, offset, result)) {
		return EOVERFLOW;
	}
	if (*result < 0) {
		return EINVAL;
	}
	fp->f_offset = *result;
	return 0;
}

sysret_t
sys_lseek(int fd, int64_t offset, int whence)
{
	struct file *fp = fd_lookup(&current_proc()->p_fd, fd);
	int64_t result = 0;
	int error = ESPIPE;

	if (fp == NULL) {
		return (sysret_t){ .error = EBADF };
	}
	if (fp->f_ops->seekable) {
		lck_mtx_lock(&fp->f_lock);
		error = file_seek(fp, offset, whence, &result);
		lck_mtx_unlock(&fp->f_lock);
	}
	file_rele(fp);
	return (sysret_t){ .value = result, .error = error };
}
