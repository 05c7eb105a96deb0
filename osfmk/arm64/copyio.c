/*
 * Checks around the copy loops of copyio.S, and the fix-up table's look-up.
 */
#include <arm64/copyio.h>

extern const struct copyio_fixup copyio_fixup_start[], copyio_fixup_end[];

uint64_t _copyin_mayfault(void *kaddr, user_addr_t uaddr, size_t len);
uint64_t _copyout_mayfault(user_addr_t uaddr, const void *kaddr, size_t len);
int64_t _copyinstr_mayfault(char *kaddr, user_addr_t uaddr, size_t max);

int
copyin(user_addr_t uaddr, void *kaddr, size_t len)
{
	if (os_unlikely(!user_range_ok(uaddr, len))) {
		return COPYIO_EFAULT;
	}
	return _copyin_mayfault(kaddr, uaddr, len) == 0 ? 0 : COPYIO_EFAULT;
}

int
copyout(const void *kaddr, user_addr_t uaddr, size_t len)
{
	if (os_unlikely(!user_range_ok(uaddr, len))) {
		return COPYIO_EFAULT;
	}
	return _copyout_mayfault(uaddr, kaddr, len) == 0 ? 0 : COPYIO_EFAULT;
}

int
copyinstr(user_addr_t uaddr, char *kaddr, size_t max, size_t *done)
{
	size_t room;
	int64_t copied;

	*done = 0;
	if (max == 0) {
		return COPYIO_ENAMETOOLONG;
	}
	if (uaddr >= MACH_VM_MAX_ADDRESS) {
		return COPYIO_EFAULT;
	}
	room = os_min(max, (size_t)(MACH_VM_MAX_ADDRESS - uaddr));
	copied = _copyinstr_mayfault(kaddr, uaddr, room);
	if (copied <= 0) {
		/* Running into the end of user space is a bad address, not a long string. */
		return copied == 0 && room == max ? COPYIO_ENAMETOOLONG : COPYIO_EFAULT;
	}
	*done = (size_t)copied;
	return 0;
}

static uint64_t
fixup_address(const int32_t *field)
{
	return (uint64_t)(uintptr_t)field + (uint64_t)(int64_t)*field;
}

const struct copyio_fixup *
copyio_fixup_find(uint64_t pc, uint64_t *landing)
{
	for (const struct copyio_fixup *f = copyio_fixup_start; f < copyio_fixup_end; f++) {
		if (pc >= fixup_address(&f->start) && pc < fixup_address(&f->end)) {
			*landing = fixup_address(&f->landing);
			return f;
		}
	}
	return NULL;
}
