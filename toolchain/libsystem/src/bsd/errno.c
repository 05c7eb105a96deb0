/* errno lives in the thread; its address is in a slot that the stubs of system calls know. */
#include <errno.h>

#include "../pthread/internal.h"

int *
__error(void)
{
	return tsd_base()[TSD_ERRNO];
}
