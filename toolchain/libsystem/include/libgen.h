/* Parts of paths. Both functions may change their argument and answer with a pointer into it. */
#pragma once

#include <sys/cdefs.h>

__BEGIN_DECLS

char *basename(char *path);
char *dirname(char *path);

__END_DECLS
