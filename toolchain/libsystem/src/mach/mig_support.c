/* What sources that MIG wrote call in the library, beside the reply port. */
#include <mach/mach.h>
#include <mach/mig.h>
#include <string.h>

/* The length with the NUL. */
static int
copy_string(char *dest, const char *src, int len)
{
	int i = 0;

	while (i < len - 1 && src[i] != '\0') {
		dest[i] = src[i];
		i++;
	}
	dest[i] = '\0';
	return i + 1;
}

int
mig_strncpy(char *dest, const char *src, int len)
{
	return len <= 0 || dest == NULL ? 0
	       : src == NULL            ? copy_string(dest, "", len)
					: copy_string(dest, src, len);
}

int
mig_strncpy_zerofill(char *dest, const char *src, int len)
{
	int used = mig_strncpy(dest, src, len);

	if (used > 0) {
		memset(dest + used, 0, (size_t)(len - used));
	}
	return used;
}

void
mig_allocate(vm_address_t *address, vm_size_t size)
{
	if (vm_allocate(mach_task_self(), address, size, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		*address = 0;
	}
}

void
mig_deallocate(vm_address_t address, vm_size_t size)
{
	(void)vm_deallocate(mach_task_self(), address, size);
}
