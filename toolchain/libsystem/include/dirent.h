/* Reading directories. */
#pragma once

#include <sys/dirent.h>

typedef struct _dirdesc DIR;

DIR *opendir(const char *path);
DIR *fdopendir(int fd);
struct dirent *readdir(DIR *dir);
int closedir(DIR *dir);
void rewinddir(DIR *dir);
int dirfd(DIR *dir);
