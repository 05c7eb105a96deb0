/* Mach results as text. */
#pragma once

#include <mach/error.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

/* The result's own text, and the system it comes from, as "(ipc/send)". Never NULL. */
char *mach_error_string(mach_error_t error);
char *mach_error_type(mach_error_t error);

/* Both on standard error, after `text`. */
void mach_error(const char *text, mach_error_t error);

__END_DECLS
