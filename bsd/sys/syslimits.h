/* Limits of the BSD layer. */
#pragma once

#define ARG_MAX   (1024 * 1024) /* bytes of arguments, environment and their pointers at exec */
#define CHILD_MAX 266
#define LINK_MAX  32767
#define NAME_MAX  255 /* bytes of one path component */
#define OPEN_MAX  10240
#define PATH_MAX  1024 /* bytes of a path, with its NUL */
#define PIPE_BUF  512
#define IOV_MAX   1024
