/* Reading directories. */
#pragma once

#include <sys/cdefs.h>
#include <sys/dirent.h>

__BEGIN_DECLS

typedef struct _dirdesc DIR;

DIR *opendir(const char *path);
DIR *fdopendir(int fd);
struct dirent *readdir(DIR *dir);
int closedir(DIR *dir);
void rewinddir(DIR *dir);
int dirfd(DIR *dir);

__END_DECLS
