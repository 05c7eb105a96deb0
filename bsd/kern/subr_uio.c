/*
 * uiomove: see uio.h.
 */
#include <bsd/kern/uio.h>

#include <arm64/copyio.h>
#include <string.h>

int
uiomove(void *kernel, size_t size, struct uio *uio)
{
	size_t n = os_min(size, uio->uio_resid);
	int error = 0;

	if (uio->uio_seg == UIO_USERSPACE) {
		error = uio->uio_rw == UIO_READ ? copyout(kernel, uio->uio_base, n)
						: copyin(uio->uio_base, kernel, n);
	} else if (uio->uio_rw == UIO_READ) {
		memcpy((void *)uio->uio_base, kernel, n);
	} else {
		memcpy(kernel, (const void *)uio->uio_base, n);
	}
	if (error == 0) {
		uio->uio_base += n;
		uio->uio_resid -= n;
		uio->uio_offset += (int64_t)n;
	}
	return error;
}
