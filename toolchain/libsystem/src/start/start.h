/* What the kernel tells a program beside its arguments: the apple[] strings, "key=value". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The text after "key=", NULL if there is none. */
const char *_apple_value(const char *const *apple, const char *key);

/* `count` hexadecimal numbers separated by commas; false if there are fewer. */
bool _apple_numbers(const char *const *apple, const char *key, uint64_t *numbers, unsigned count);
