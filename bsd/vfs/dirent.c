/*
 * Directory records for getdirentries64. The layout is that of struct dirent (d_ino, d_seekoff, d_reclen,
 * d_namlen, d_type, d_name), cut after the name's NUL and padded to 8 bytes.
 */
#include <bsd/vfs/dirent.h>

#include <bsd/vfs/vnode.h>
#include <string.h>
#include <sys/errno.h>

struct dirent_record {
	uint64_t ino;
	uint64_t seekoff;
	uint16_t reclen;
	uint16_t namlen;
	uint8_t type;
	char name[VFS_NAME_MAX + 1 + 2];
};
_Static_assert(offsetof(struct dirent_record, name) == 21, "struct dirent of the public interface");

int
dirent_emit(struct uio *uio, uint64_t fileid, uint32_t mode, const char *name, size_t name_len)
{
	struct dirent_record r = {
		.ino = fileid,
		.seekoff = (uint64_t)uio->uio_offset + 1,
		.namlen = (uint16_t)name_len,
		.type = (uint8_t)((mode & 0xf000) >> 12),
	};
	size_t size = os_round_up(offsetof(struct dirent_record, name) + name_len + 1, 8);
	int64_t position = uio->uio_offset;
	int error;

	if (size > uio->uio_resid) {
		return DIRENT_FULL;
	}
	r.reclen = (uint16_t)size;
	memcpy(r.name, name, name_len);
	error = uiomove(&r, size, uio);
	uio->uio_offset = position + (error == 0);
	return error;
}

int
dirent_emit_dots(struct uio *uio, uint64_t self, uint64_t parent)
{
	const uint32_t directory = 0x4000;
	int error = 0;

	if (uio->uio_offset == 0) {
		error = dirent_emit(uio, self, directory, ".", 1);
	}
	if (error == 0 && uio->uio_offset == 1) {
		error = dirent_emit(uio, parent, directory, "..", 2);
	}
	return error;
}
