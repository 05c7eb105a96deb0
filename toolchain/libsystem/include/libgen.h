/* Parts of paths. Both functions may change their argument and answer with a pointer into it. */
#pragma once

char *basename(char *path);
char *dirname(char *path);
