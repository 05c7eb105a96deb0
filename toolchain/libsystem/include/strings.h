/* BSD strings. */
#pragma once

#include <stddef.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

void bzero(void *dst, size_t len);
void bcopy(const void *src, void *dst, size_t len);
int bcmp(const void *a, const void *b, size_t len);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t len);
int ffs(int n);
char *index(const char *s, int c);
char *rindex(const char *s, int c);

__END_DECLS
